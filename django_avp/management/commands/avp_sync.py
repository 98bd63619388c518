"""``manage.py avp_sync``: reads the policy stores of ``SyncedEngine`` before requests need them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.cache import caches
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.management.base import BaseCommand, CommandError

from django_avp.conf import conf
from django_avp.engines.synced import SyncedEngine
from django_avp.engines.synced.content import Source
from django_avp.engines.synced.stores import READING_PERMISSIONS
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
        """The stores."""
        parser.add_argument("stores", nargs="*", metavar="store", help="id or alias (default: AVP_POLICY_STORE_ID)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read each store, and tell what it has."""
        engine = SyncedEngine()
        try:
            for store in options["stores"] or [_configured()]:
                self.stdout.write(_read(engine, store))
        finally:
            engine.close()
        alias = conf.cache or "default"
        if isinstance(caches[alias], LocMemCache | DummyCache):
            self.stderr.write(f"The cache {alias!r} is this process's own: no worker has what was read here.")


def _configured() -> str:
    store = conf.policy_store_id
    if not isinstance(store, str):
        raise CommandError("Name the stores: AVP_POLICY_STORE_ID is " + ("a callable." if store else "missing."))
    return store


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


def _read(engine: SyncedEngine, store: str) -> str:
    try:
        content = engine.store(store).read().content
    except (ClientError, BotoCoreError) as error:
        cure = cure_of(error, READING_PERMISSIONS)
        raise CommandError(f"{store}: {code_of(error)}. {cure}".rstrip()) from error
    except AvpError as error:
        raise CommandError(str(error)) from error
    if content.source:
        _compare(store, content.source)
    links = sum(bool(policy.template_id) for policy in content.policies.values())
    source = content.source.pool if content.source else "none"
    return (
        f"{store}: {len(content.policies)} policies, {links} of them linked to {len(content.templates)} templates; "
        f"schema: {'yes' if content.schema else 'no'}; user pool: {source}"
    )
