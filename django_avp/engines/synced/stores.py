"""A policy store in one process: the snapshot that decides, and the thread that keeps it fresh."""

from __future__ import annotations

import logging
import time
import weakref
from dataclasses import replace
from threading import Event, Lock, Thread

from django_avp.conf import conf
from django_avp.engines.shared_cache import SharedCache
from django_avp.engines.synced.calling import LONGEST_PAUSE
from django_avp.engines.synced.content import Content
from django_avp.engines.synced.pulling import Puller
from django_avp.engines.synced.sharing import Head, Shared
from django_avp.engines.synced.snapshot import Snapshot
from django_avp.engines.verified_permissions.client import Connection
from django_avp.engines.verified_permissions.faults import code_of, cure_of
from django_avp.engines.workers import Job, Workers
from django_avp.exceptions import AuthorizationUnavailable, AvpError
from django_avp.observing import observing

__all__ = ["READING_PERMISSIONS", "SyncedStore"]

logger = logging.getLogger("django_avp")

# What reading needs, for the log that says it is not allowed.
READING_PERMISSIONS = (
    "verifiedpermissions:ListPolicies, GetPolicy, ListPolicyTemplates, GetPolicyTemplate, GetSchema and "
    "ListIdentitySources"
)
# How often a worker looks for what another one has read, in parts of AVP_SYNC_INTERVAL.
_LOOKS = 30
# The longest pause after failures, in intervals.
_LONGEST_PAUSE = 4


class SyncedStore:
    """One store's snapshot. Whoever decides reads it; its thread alone changes it, whole.

    Args:
        store: the policy store's id or alias.
        connection: makes the boto3 client on first use.
        cache: what the workers share.
    """

    def __init__(self, store: str, connection: Connection, cache: SharedCache) -> None:
        self.store = store
        self._connection = connection
        self._shared = Shared(store, cache)
        self._stop = Event()
        self._starting = Lock()
        self._reading = Lock()
        self._is_started = False
        self._snapshot: Snapshot | None = None
        # The age of the snapshot counts by this clock, which nobody sets.
        self._born = 0.0
        self._took = 0.0
        self._failures = 0

    # What decides

    def start(self) -> None:
        """Begin with what the other workers have, and keep it fresh from now on; once."""
        with self._starting:
            if self._is_started:
                return
            self._is_started = True
            try:
                self.look()
            except Exception as error:
                # Whatever is in the cache, the thread reads the store itself then.
                self._log(error)
            # The thread must not keep alive what nobody uses any more.
            own = (weakref.ref(self), self._stop)
            Thread(target=_keep_fresh, args=own, name="django-avp-sync", daemon=True).start()
            weakref.finalize(self, self._stop.set)

    def stop(self) -> None:
        """Let the thread end."""
        self._stop.set()

    def snapshot(self) -> Snapshot:
        """The snapshot that decides.

        Raises:
            AuthorizationUnavailable: there is none yet, or it is older than ``AVP_SYNC_MAX_AGE``.
        """
        snapshot = self._snapshot
        if snapshot is None:
            raise AuthorizationUnavailable("The policy store was not read yet; manage.py avp_sync reads it beforehand.")
        if self.age > conf.sync_max_age:
            raise AuthorizationUnavailable("The policy store could not be read for longer than AVP_SYNC_MAX_AGE.")
        return snapshot

    @property
    def age(self) -> float:
        """Seconds since the reading began that last found the store as the snapshot has it."""
        return time.monotonic() - self._born

    # What keeps it fresh

    def look(self) -> None:
        """Take what another worker has read since."""
        head = self._shared.head()
        if head is None or (self._snapshot is not None and head.pulled_at <= self._snapshot.pulled_at):
            return
        if self._snapshot is not None and head.digest == self._snapshot.digest:
            self._take(replace(self._snapshot, pulled_at=head.pulled_at), head.seconds, _seconds_since(head.pulled_at))
            return
        content = self._shared.content(head)
        # A digest that is not the content's own is no reading of ours.
        if content is not None and content.digest == head.digest:
            snapshot = Snapshot.of(content, self.store, head.pulled_at)
            self._take(snapshot, head.seconds, _seconds_since(head.pulled_at))

    def refresh(self) -> float:
        """Do what is due, and tell after how many seconds to look again."""
        pause = conf.sync_interval / _LOOKS
        try:
            self.look()
            if self._is_due() and self._shared.may_read(max(conf.sync_interval, 4 * self._took)):
                # Another worker may have read between the look and the turn.
                self.look()
                if self._is_due():
                    self.read()
                self._shared.has_read()
            self._failures = 0
        except Exception as error:
            # Also what nobody foresaw: a thread that died would let the snapshot grow too old.
            self._log(error)
            pause = min(conf.sync_interval * 2**self._failures / 2, conf.sync_interval * _LONGEST_PAUSE)
            self._failures += 1
            self._shared.has_read(rest=pause)
        return pause

    def read(self) -> Snapshot:
        """Read the store now, whatever others do, and share it.

        Raises:
            ClientError, BotoCoreError: the service cannot be asked.
            AuthorizationUnavailable: the store changes faster than it can be read.
            PolicyError: Cedar cannot parse what it has.
        """
        # One after the other, so that an older reading never comes after a newer one.
        with self._reading, observing.observer.reading_store(self.store):
            before, begun, started = self._snapshot, time.time(), time.monotonic()
            content = self._pulled(before)
            if before is not None and content == before.content:
                snapshot = replace(before, pulled_at=begun)
            else:
                snapshot = Snapshot.of(content, self.store, begun)
            took = time.monotonic() - started
            self._take(snapshot, took, age=took)
            self._shared.publish(content, Head(snapshot.digest, begun, took))
            return snapshot

    def _pulled(self, before: Snapshot | None) -> Content:
        """What the store has, read by a thread that is given up if a call of its does not end."""
        known, known_at = (before.content, before.pulled_at) if before else (None, 0.0)

        def pull(job: Job[Content]) -> Content:
            def begin() -> None:
                if job.is_lost:
                    raise AuthorizationUnavailable("Nobody waits for this reading any more.")
                job.begin()

            puller = Puller(self._connection.client(), self.store, self._pause, begin)
            return puller.pull(known, known_at)

        reader, patience = Workers("django-avp-sync", 1), self._connection.patience
        job = reader.submit(pull)
        try:
            return job.result(None if patience is None else patience + LONGEST_PAUSE)
        except TimeoutError as error:
            reader.give_up(job)
            raise AuthorizationUnavailable("The service did not come to the end of an answer.") from error
        finally:
            reader.close()

    def _is_due(self) -> bool:
        """Whether a change that was made just after the last reading would be seen too late by waiting on."""
        look = conf.sync_interval / _LOOKS
        period = max(conf.sync_interval - self._took - 2 * look, conf.sync_interval / 2)
        return self._snapshot is None or self.age >= period

    def _take(self, snapshot: Snapshot, took: float, age: float) -> None:
        self._took = took
        self._born = time.monotonic() - age
        self._snapshot = snapshot
        observing.observer.store_held(self)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise AuthorizationUnavailable("The process stops.")

    def _log(self, error: Exception) -> None:
        extra = {"store": self.store, "code": code_of(error)}
        if isinstance(error, AvpError):
            # The texts of our own errors quote policies, and never a claim.
            extra["cure"] = str(error)
        elif cure := cure_of(error, READING_PERMISSIONS):
            extra["cure"] = cure
        logger.error("avp.sync_failed", extra=extra)


def _seconds_since(moment: float) -> float:
    return max(time.time() - moment, 0.0)


def _keep_fresh(reference: weakref.ref[SyncedStore], stop: Event) -> None:
    """The life of a thread: until it is told to stop, or nobody uses the store any more."""
    pause = 0.0
    while not stop.wait(pause) and (store := reference()) is not None:
        pause = store.refresh()
        del store
