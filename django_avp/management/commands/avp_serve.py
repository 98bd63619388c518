"""``manage.py avp_serve``: a local endpoint in the place of Amazon Verified Permissions."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_avp.conf import conf
from django_avp.exceptions import PolicyError
from django_avp.policies import load
from django_avp.testing.endpoint import PolicyStore
from django_avp.testing.endpoint.command_line import add_options, serve

__all__ = ["Command"]


class Command(BaseCommand):
    """Serves the project's policies as a policy store, on the loopback address."""

    help = (
        "Serve the policies of AVP_POLICIES as a policy store, as Amazon Verified Permissions would: any AWS SDK that "
        "is pointed to the address gets its decisions from here. Tokens are verified with AVP_JWKS. Ctrl-C ends it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options of the endpoint."""
        add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until it is interrupted."""
        try:
            policies = load(conf.policies)
        except PolicyError as error:
            raise CommandError(str(error)) from error
        if conf.jwks is None:
            raise CommandError("AVP_JWKS is missing: give the keys that verify tokens, as there is no Cognito to ask.")
        pool, clients = next(iter(conf.user_pools.items()))
        store = PolicyStore.holding(
            policies, policy_store_id=options["policy_store_id"], pool=pool, client_ids=clients or ()
        )
        try:
            serve(store, conf.jwks, options, self._write)
        except OSError as error:
            raise CommandError(str(error)) from error

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
