"""``manage.py avp_serve``: a local endpoint in the place of Amazon Verified Permissions."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_avp.conf import conf
from django_avp.exceptions import PolicyError
from django_avp.policies import load
from django_avp.testing.endpoint import Endpoint, PolicyStore

__all__ = ["Command"]


class Command(BaseCommand):
    """Serves the project's policies as a policy store, on the loopback address."""

    help = (
        "Serve the policies of AVP_POLICIES as a policy store, as Amazon Verified Permissions would: any AWS SDK that "
        "is pointed to the address gets its decisions from here. Tokens are verified with AVP_JWKS. Ctrl-C ends it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The port, and the id of the policy store."""
        parser.add_argument("--port", type=int, default=8180, help="port on 127.0.0.1 (default: 8180; 0: a free one)")
        parser.add_argument("--policy-store-id", default="local", help="the id to serve it under (default: local)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until it is interrupted."""
        try:
            policies = load(conf.policies)
        except PolicyError as error:
            raise CommandError(str(error)) from error
        if conf.jwks is None:
            raise CommandError("AVP_JWKS is missing: give the keys that verify tokens, as there is no Cognito to ask.")
        pool, clients = next(iter(conf.user_pools.items()))
        store = PolicyStore(options["policy_store_id"], policies, pool, conf.jwks, tuple(clients or ()))
        endpoint = Endpoint([store], port=options["port"])
        self.stdout.write(f"Policy store {store.policy_store_id!r} at {endpoint.url} (Ctrl-C ends it)")
        self.stdout.flush()
        try:
            endpoint.serve()
        except KeyboardInterrupt:
            self.stdout.write("")
        finally:
            endpoint.close()
