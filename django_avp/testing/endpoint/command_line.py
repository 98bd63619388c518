"""What both commands that serve the endpoint have in common: their options, and serving until Ctrl-C."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from django_avp.testing.endpoint.server import Endpoint, Fault
from django_avp.testing.endpoint.state import PolicyStore

__all__ = ["add_options", "serve"]


def add_options(parser: ArgumentParser) -> None:
    """The port, the id of the policy store, and what goes wrong."""
    parser.add_argument("--port", type=int, default=8180, help="port on 127.0.0.1 (default: 8180; 0: a free one)")
    parser.add_argument("--policy-store-id", default="local", help="the id of the policy store (default: local)")
    parser.add_argument("--quotas", action="store_true", help="throttle what is over AVP's default quotas")
    parser.add_argument("--latency", type=float, default=0, metavar="SECONDS", help="let every answer be so late")
    parser.add_argument("--error", default="", metavar="NAME", help="answer with an error, as ThrottlingException")


def serve(
    store: PolicyStore, jwks: Mapping[str, Any] | None, options: Mapping[str, Any], write: Callable[[str], Any]
) -> None:
    """Serve a policy store until it is interrupted.

    Args:
        store: the store.
        jwks: the public keys that verify tokens.
        options: the values of the options by name.
        write: called with a line for the user.

    Raises:
        OSError: the port cannot be had.
    """
    port = options["port"]
    try:
        endpoint = Endpoint([store], jwks=jwks, port=port, has_quotas=options["quotas"])
    except (OSError, OverflowError) as error:
        raise OSError(f"Port {port} of 127.0.0.1 cannot be had ({error}). Name another one with --port.") from error
    fault = Fault(error=options["error"], delay=options["latency"])
    write(f"Policy store {store.policy_store_id!r} at {endpoint.url} (Ctrl-C ends it)")
    try:
        with endpoint.failing(fault) if options["error"] or options["latency"] else nullcontext():
            endpoint.serve()
    except KeyboardInterrupt:
        write("")
    finally:
        endpoint.close()
