"""``manage.py avp_sync``: reads the policy stores of ``SyncedEngine`` before requests need them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.management.base import BaseCommand, CommandError

from django_avp.conf import conf
from django_avp.engines.shared_cache import SharedCache
from django_avp.engines.synced.content import Source
from django_avp.engines.synced.stores import READING_PERMISSIONS, SyncedStore
from django_avp.engines.verified_permissions.client import Connection
from django_avp.engines.verified_permissions.faults import code_of, cure_of
from django_avp.exceptions import AvpError

__all__ = ["Command"]


class Command(BaseCommand):
    """Reads policy stores and shares what it has read with all workers."""

    help = (
        "Read the policy store of AVP_POLICY_STORE_ID, or those that are named, and put it into the cache of AVP_CACHE "
        "(the default cache without it), from which every worker starts. Run it when you deploy."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The stores, and how they are told."""
        parser.add_argument("stores", nargs="*", metavar="store", help="id or alias (default: AVP_POLICY_STORE_ID)")
        parser.add_argument("--format", choices=["text", "json"], default="text", help="text (default) or json")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read each store, and tell what it has; one that cannot be read does not keep the others from it."""
        alias = conf.cache or "default"
        connection, cache = Connection(), SharedCache(alias)
        found, errors = [], []
        for store in options["stores"] or [_configured()]:
            try:
                found.append(_read(SyncedStore(store, connection, cache)))
            except CommandError as error:
                errors.append(str(error))
        texts = [json.dumps(found, indent=2)] if options["format"] == "json" else map(_line, found)
        for text in texts:
            self.stdout.write(text)
        if isinstance(caches[alias], LocMemCache | DummyCache):
            self.stderr.write(f"The cache {alias!r} is this process's own: no worker has what was read here.")
        if errors:
            raise CommandError("\n".join(errors))


def _configured() -> str:
    store = conf.policy_store_id
    if not isinstance(store, str):
        raise CommandError("Name the stores: AVP_POLICY_STORE_ID is " + ("a callable." if store else "missing."))
    return store


def _read(store: SyncedStore) -> dict[str, Any]:
    """Read a store, what has not changed since the workers' last reading apart.

    Raises:
        CommandError: it cannot be read, or its tokens are not this site's.
    """
    try:
        store.look()
        content = store.read().content
    except (ClientError, BotoCoreError) as error:
        cure = cure_of(error, READING_PERMISSIONS)
        raise CommandError(f"{store.store}: {code_of(error)}. {cure}".rstrip()) from error
    except AvpError as error:
        raise CommandError(f"{store.store}: {error}") from error
    if content.source:
        _compare(store.store, content.source)
    return {
        "store": store.store,
        "policies": len(content.policies),
        "linked": sum(bool(policy.template_id) for policy in content.policies.values()),
        "templates": len(content.templates),
        "schema": content.schema is not None,
        "user_pool": content.source.pool if content.source else None,
    }


def _compare(store: str, source: Source) -> None:
    """An identity source that is not the one of the settings would refuse every token."""
    for setting, wanted, found in (
        ("AVP_PRINCIPAL_TYPE", (conf.principal_type,), source.principal_type),
        ("AVP_GROUP_TYPE", (conf.group_type,), source.group_type),
        ("AVP_USER_POOLS", tuple(conf.user_pools), source.pool),
    ):
        if found not in wanted:
            raise CommandError(
                f"{store} was read, but its tokens are not this site's: {setting} says {', '.join(wanted)}, and the "
                f"store's identity source {found}. Change one of them."
            )


def _line(found: dict[str, Any]) -> str:
    return (
        f"{found['store']}: {found['policies']} policies, {found['linked']} of them linked to {found['templates']} "
        f"templates; schema: {'yes' if found['schema'] else 'no'}; user pool: {found['user_pool'] or 'none'}"
    )
