"""The synced engine: policies come from Amazon Verified Permissions, decisions from Cedar in this process."""

from __future__ import annotations

import logging
from collections import OrderedDict
from threading import Lock
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_avp.cedar import INVALID
from django_avp.conf import conf
from django_avp.engines.base import Batch, Decisions
from django_avp.engines.cedar import evaluate
from django_avp.engines.shared_cache import SharedCache
from django_avp.engines.synced.snapshot import Snapshot
from django_avp.engines.synced.stores import SyncedStore
from django_avp.engines.verified_permissions.client import Connection
from django_avp.identity import Identity
from django_avp.policies import Policies

__all__ = ["SyncedEngine"]

logger = logging.getLogger("django_avp")

# Stores kept in a process; the one that was not used for longest goes first.
_MOST_STORES = 64


class SyncedEngine:
    """Decides by the policies of a policy store, which ``AVP_POLICY_STORE_ID`` names, without asking it.

    A store is read in the background every ``AVP_SYNC_INTERVAL`` seconds, by one worker for all that share a cache. One
    that could not be read for ``AVP_SYNC_MAX_AGE`` decides nothing.
    """

    is_in_process = True

    def __init__(self) -> None:
        self._lock = Lock()
        self._where: tuple[str, dict[str, Any]] | None = None
        self._connection = Connection()
        self._cache = SharedCache("default")
        self._stores: OrderedDict[str, SyncedStore] = OrderedDict()

    def policies(self, store: str | None = None) -> Policies:
        """The policies and the schema of a store.

        Raises:
            AuthorizationUnavailable: it was not read yet, or not for too long.
        """
        return self._snapshot(store).policies

    def accepts(self, store: str | None, identity: Identity) -> bool:
        """Whether a store takes the tokens of an identity (rule C10).

        Raises:
            AuthorizationUnavailable: it was not read yet, or not for too long.
        """
        return self._snapshot(store).accepts(identity)

    def decide(self, batch: Batch) -> Decisions:
        """Decide every check of the batch; see :class:`django_avp.engines.base.Engine`."""
        snapshot = self._snapshot(batch.store)
        if not snapshot.accepts(batch.identity):
            logger.error("avp.identity_not_accepted", extra={"store": batch.store})
            return Decisions([INVALID] * len(batch.checks))
        return Decisions(evaluate(batch, batch.policies or snapshot.policies))

    async def adecide(self, batch: Batch) -> Decisions:
        """Decide every check of the batch: it never waits, so it runs where it is."""
        return self.decide(batch)

    def get_ready(self, store: str | None) -> float | None:
        """How old what is known of a store is, in seconds; see :func:`django_avp.engines.base.get_ready`.

        Raises:
            AuthorizationUnavailable: it was not read yet, or not for too long.
        """
        if store is None and callable(conf.policy_store_id):
            return None
        self._snapshot(store)
        return self.store(store).age

    def store(self, store: str | None = None) -> SyncedStore:
        """A store that is kept fresh from the first time that it is asked for."""
        if not store:
            raise ImproperlyConfigured(
                "AVP_POLICY_STORE_ID is missing. SyncedEngine reads a policy store: give its id or alias."
            )
        where = (conf.cache or "default", dict(conf.client_options))
        with self._lock:
            if where != self._where:
                # What was read elsewhere does not decide here.
                self._stop()
                self._where, self._connection, self._cache = where, Connection(where[1]), SharedCache(where[0])
            found = self._stores.pop(store, None)
            if found is None:
                found = SyncedStore(store, self._connection, self._cache)
            self._stores[store] = found
            while len(self._stores) > _MOST_STORES:
                self._stores.popitem(last=False)[1].stop()
        found.start()
        return found

    def close(self) -> None:
        """Let all threads end."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        while self._stores:
            self._stores.popitem()[1].stop()

    def _snapshot(self, store: str | None) -> Snapshot:
        return self.store(store).snapshot()
