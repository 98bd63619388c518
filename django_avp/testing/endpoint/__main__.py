"""``python -m django_avp.testing.endpoint``: the endpoint without a Django project."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

from django_avp.exceptions import PolicyError
from django_avp.policies import load
from django_avp.testing.endpoint.command_line import add_options, serve
from django_avp.testing.endpoint.state import PolicyStore


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m django_avp.testing.endpoint",
        description="Serve Cedar policies on the loopback address, as Amazon Verified Permissions would.",
    )
    parser.add_argument("policies", type=Path, help="directory of *.cedar files and schema.cedarschema")
    parser.add_argument("--user-pool", required=True, metavar="ID", help="the user pool whose tokens it takes")
    parser.add_argument("--client-id", action="append", default=[], help="an app client (default: every one)")
    parser.add_argument("--principal-type", required=True, metavar="TYPE", help="entity type of users, with namespace")
    parser.add_argument("--group-type", required=True, metavar="TYPE", help="entity type of groups, with namespace")
    parser.add_argument("--jwks", type=Path, required=True, metavar="FILE", help="the public keys that verify tokens")
    add_options(parser)
    return parser


def main() -> None:
    """Serve until it is interrupted; what is wrong with the arguments goes to standard error."""
    parser = _parser()
    options = parser.parse_args()
    try:
        jwks = json.loads(options.jwks.read_text())
        store = PolicyStore.holding(
            load([options.policies]),
            policy_store_id=options.policy_store_id,
            pool=options.user_pool,
            client_ids=options.client_id,
            principal_type=options.principal_type,
            group_type=options.group_type,
        )
        serve(store, jwks, vars(options), lambda line: print(line, flush=True))
    except (OSError, ValueError, PolicyError) as error:
        parser.error(str(error))


main()
