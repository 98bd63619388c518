"""Makes the steps of a plan: alone, one after the other, and told how far it has come when it cannot go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import reduce
from itertools import groupby
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from django_avp.deployment.explaining import WRITING_PERMISSIONS, PushError, explained
from django_avp.deployment.items import LOCK_ID, State, name_of
from django_avp.deployment.locking import Lock
from django_avp.deployment.planning import Plan
from django_avp.deployment.schemas import is_same_schema
from django_avp.deployment.steps import Phase, Step, applied
from django_avp.deployment.stored import state_of
from django_avp.deployment.writing import Writer
from django_avp.engines.synced.calling import Caller
from django_avp.engines.synced.content import Content
from django_avp.engines.synced.pulling import Puller
from django_avp.engines.verified_permissions.faults import code_of
from django_avp.exceptions import AvpError

__all__ = ["Push", "Reading", "is_same"]

# Readings after a phase until the store must show what was written.
_MOST_READINGS = 6


class Reading:
    """Reads one store, and again what has changed since.

    Args:
        client: boto3's client.
        store: the store's id or alias.
    """

    def __init__(self, client: Any, store: str) -> None:
        self._puller = Puller(client, store)
        self._store = store
        self.content = Content()
        self._read_at = 0.0

    def read(self) -> State:
        """What the store has now.

        Raises:
            ClientError, BotoCoreError: the service cannot be asked.
            AuthorizationUnavailable: the store changes faster than it can be read.
            PolicyError: Cedar cannot parse a statement, or two policies have one id.
        """
        begun = time.time()
        self.content = self._puller.pull(self.content, self._read_at)
        self._read_at = begun
        return state_of(self.content, self._store)

    @property
    def is_locked(self) -> bool:
        """Whether somebody pushed when it was read, or was killed while pushing."""
        return any(listed.name == name_of(LOCK_ID) for listed in self.content.policies.values())


class Push:
    """One run of a plan.

    Args:
        client: boto3's client.
        store: the store's id or alias.
        settle: seconds to wait after each phase before the store is read back; 0 reads back at the end alone.
        report: told of each step before its call.
    """

    def __init__(self, client: Any, store: str, *, settle: float, report: Callable[[str], object]) -> None:
        self._caller = Caller(client, repeats_lost=True)
        self._store = store
        self._settle = settle
        self._report = report
        self._lock = Lock(self._caller, store)
        self._done: list[Step] = []
        self._doing = "take the lock"

    def run(self, plan: Plan, reading: Reading, *, take_over: bool = False) -> None:
        """Make the steps, and see to it that the store has them.

        Args:
            plan: the plan; the store is as it was when it was made, or nothing is done.
            reading: what it was made from.
            take_over: whether the lock of another push is taken away.

        Raises:
            PushError: it could not go on.
        """
        writer = Writer(self._caller, self._store, plan.current)
        try:
            self._take_lock(plan, writer, take_over=take_over)
            self._make(plan, reading, writer)
        except (ClientError, BotoCoreError, AvpError, KeyboardInterrupt) as error:
            raise PushError(self._told(error, len(plan.steps))) from error
        finally:
            self._release_lock()

    def _take_lock(self, plan: Plan, writer: Writer, *, take_over: bool) -> None:
        try:
            self._lock.take(take_over=take_over)
        except self._caller.client.exceptions.ValidationException:
            # A store that validates takes no policy, this one included, before it has a schema.
            if not plan.steps or plan.steps[0].phase is not Phase.FIRST_SCHEMA:
                raise
            self._write(writer, plan.steps[0], len(plan.steps))
            self._lock.take()

    def _make(self, plan: Plan, reading: Reading, writer: Writer) -> None:
        self._doing = "read the store"
        state = reduce(applied, self._done, plan.current)
        if not is_same(reading.read(), state):
            raise PushError("The store has changed since the plan was made.")
        for _, steps in groupby(plan.steps[len(self._done) :], key=lambda step: step.phase):
            self._doing = "check the lock"
            self._lock.check()
            for step in steps:
                self._write(writer, step, len(plan.steps))
                state = applied(state, step)
            if self._settle and len(self._done) < len(plan.steps):
                self._read_back(reading, state)
        self._read_back(reading, state)

    def _write(self, writer: Writer, step: Step, number: int) -> None:
        self._doing = step.title
        self._report(f"[{len(self._done) + 1}/{number}] {step.title}")
        writer.write(step)
        self._done.append(step)

    def _read_back(self, reading: Reading, state: State) -> None:
        """Wait until the store shows what was written: what follows relies on it (rule G3)."""
        self._doing = "read the store back"
        for _ in range(_MOST_READINGS):
            time.sleep(self._settle)
            if is_same(reading.read(), state):
                return
        raise PushError(
            "The store does not show what was written. Somebody else changes it, or it takes longer than --settle."
        )

    def _release_lock(self) -> None:
        try:
            self._lock.release()
        except (ClientError, BotoCoreError) as error:
            self._report(f"The lock could not be given back ({code_of(error)}): the next push needs --take-over.")

    def _told(self, error: Exception | KeyboardInterrupt, number: int) -> str:
        done = f"{len(self._done)} of {number} steps were made."
        again = " Run avp_push again: it goes on from there." if self._done else ""
        return f"{self._doing}: {explained(error, WRITING_PERMISSIONS)} {done}{again}"


def is_same(one: State, other: State) -> bool:
    """Whether two states of a store decide the same."""
    has_same_policies = (one.policies, one.templates) == (other.policies, other.templates)
    return has_same_policies and is_same_schema(one.schema, other.schema)
