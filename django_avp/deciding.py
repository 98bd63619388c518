"""Has the checks of a request decided, in as few rounds as possible, and remembers what was decided."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from time import perf_counter

from asgiref.sync import sync_to_async
from django.utils.asyncio import async_unsafe

from django_avp.asker import Asker
from django_avp.cedar import INVALID, UNIDENTIFIED, Check, Decision
from django_avp.engines.base import Batch, Engine, is_in_process
from django_avp.entities.world import MAX_ANCESTORS, World, Worlds
from django_avp.exceptions import AvpError
from django_avp.identity import Identity
from django_avp.observing import observing
from django_avp.policies import Policies
from django_avp.questions import Questions
from django_avp.recording import Place, Recorder
from django_avp.references import EVERYTHING
from django_avp.rounds import Round, fitting, unavailable, write_audit, write_round
from django_avp.runtime import runtime

__all__ = ["Decided", "Decider"]

logger = logging.getLogger("django_avp")

Decided = tuple[Round, dict[Check, Decision]]
"""A round that was made, and its decisions."""
_Found = dict[Check, Decision]


class Decider:
    """Collects checks, decides all of them in one round when one is read, and answers from what was decided.

    Args:
        asker: who asks, and where.
        questions: tells which entities each check begins at.
        worlds: makes the entities that have to exist for a check.
        recorder: is told what is asked and decided, if anybody wants to know.

    Attributes:
        pending: the checks of the next round.
        decisions: what was decided.
        rounds: what each round took.
    """

    def __init__(self, asker: Asker, questions: Questions, worlds: Worlds, recorder: Recorder | None) -> None:
        self.recorder = recorder
        self.pending: dict[Check, None] = {}
        self.decisions: dict[Check, Decision] = {}
        self.rounds: list[Round] = []
        self._asker = asker
        self._questions = questions
        self._worlds = worlds
        self._unplanned: set[Check] = set()
        self._lock = RLock()

    # Collecting

    def add(self, check: Check, place: Place | None = None, *, is_read: bool = False, is_planned: bool = True) -> bool:
        """Add a check to the next round, unless it is decided; whether it was added.

        Args:
            check: what is asked.
            place: where in a template.
            is_read: whether the decision is wanted now.
            is_planned: whether anybody had expected it; if not, it is counted as such.
        """
        is_known = check in self.decisions
        if self.recorder is not None:
            self.recorder.asked(check, place, is_read=is_read, is_known=is_known)
        if is_known:
            return False
        self.pending[check] = None
        if not is_planned:
            self._unplanned.add(check)
        return True

    def expects(self, check: Check) -> bool:
        """Whether a check is decided, or will be in the next round."""
        return check in self.decisions or check in self.pending

    def forget(self) -> None:
        """Decide anew what is asked from now on; a round that is under way has its decisions for itself."""
        # In this order: what a round reads meanwhile is forgotten when it finds that its decisions are.
        self.decisions = {}
        self._worlds.forget()

    # Deciding

    def decide(self) -> Decided | None:
        """Decide all that was collected in one round; ``None`` if no engine had to be asked."""
        # Threads may share a request; one that finds its check taken by another waits for the decision.
        with self._lock, self._taken() as (checks, found):
            batch = self._prepare(checks, found) if checks else None
            if batch is None:
                return None
            started = perf_counter()
            engine = runtime.engine
            with observing.observer.round(engine, batch) as deciding:
                try:
                    decisions: Sequence[object] = (
                        engine.decide(batch) if is_in_process(engine) else _decide_remotely(engine, batch)
                    )
                except AvpError as error:
                    deciding.failed(type(error).__name__)
                    decisions = [unavailable(error)] * len(batch.checks)
                round_, decided = self._record(batch, decisions, started, found)
                deciding.decided(round_, decided.values())
            return round_, decided

    async def adecide(self) -> Decided | None:
        """The same as :meth:`decide`, without blocking the event loop."""
        with self._taken() as (checks, found):
            batch = await sync_to_async(self._prepare)(checks, found) if checks else None
            if batch is None:
                return None
            started = perf_counter()
            engine = runtime.engine
            with observing.observer.round(engine, batch) as deciding:
                try:
                    decisions: Sequence[object] = await engine.adecide(batch)
                except AvpError as error:
                    deciding.failed(type(error).__name__)
                    decisions = [unavailable(error)] * len(batch.checks)
                round_, decided = self._record(batch, decisions, started, found)
                deciding.decided(round_, decided.values())
            return round_, decided

    @contextmanager
    def _taken(self) -> Iterator[tuple[tuple[Check, ...], _Found]]:
        """The checks of a round, and where their decisions go: to nobody else, if all is forgotten meanwhile.

        Those that it leaves undecided, because it could not be made, are collected again.
        """
        found = self.decisions
        taken, self.pending = self.pending, {}
        checks = tuple(check for check in tuple(taken) if check not in found)
        try:
            yield checks, found
        finally:
            self.pending.update(dict.fromkeys(check for check in checks if check not in found))

    def _prepare(self, checks: tuple[Check, ...], found: _Found) -> Batch | None:
        """Settle what needs no engine and build the worlds of the rest; ``None`` if nothing is left."""
        settled, identity = self._asker.settled(), self._asker.decided_for
        if settled is not None or identity is None:
            # Not `or`: a decision that denies is false.
            self._settle(checks, UNIDENTIFIED if settled is None else settled, found)
            return None
        try:
            policies = self._asker.policies()
        except AvpError as error:
            observing.observer.unasked(runtime.engine, len(checks), type(error).__name__)
            self._settle(checks, unavailable(error), found)
            return None
        worlds = self.worlds_of(checks, policies)
        if found is not self.decisions:
            # It may have been read before what was written.
            self._worlds.forget()
        sound = _sound(checks, worlds, identity)
        self._settle(set(checks).difference(sound), INVALID, found)
        entities = tuple(worlds[check].entities for check in sound)
        return Batch(identity, sound, entities, self._asker.store(), policies) if sound else None

    def _settle(self, checks: Collection[Check], decision: Decision, found: _Found) -> None:
        """Remember what no engine is asked about."""
        found.update(dict.fromkeys(checks, decision))
        if self.recorder is not None:
            self.recorder.settled(checks, decision)

    def worlds_of(self, checks: Iterable[Check], policies: Policies | None) -> dict[Check, World]:
        """The entities that have to exist for each check.

        Args:
            checks: what is asked.
            policies: those that decide; of what none of them reads, nothing is made. ``None`` where they are not known.
        """
        references = policies.references if policies else EVERYTHING
        return self._worlds.build({check: self._questions.starts(check) for check in checks}, references)

    def _record(self, batch: Batch, decisions: Sequence[object], started: float, found: _Found) -> Decided:
        """Remember a round's decisions, and tell of it whoever wants to know."""
        decided = dict(zip(batch.checks, fitting(batch, decisions), strict=True))
        found.update(decided)
        milliseconds = (perf_counter() - started) * 1000
        unplanned = self._unplanned.intersection(decided)
        round_ = Round(len(decided), getattr(decisions, "calls", 1), milliseconds, len(unplanned))
        self.rounds.append(round_)
        if self.recorder is not None:
            cached = getattr(decisions, "cached", ())
            self.recorder.decided(batch, decided, round_, unplanned=unplanned, cached=cached)
        write_audit(batch, decided)
        write_round(self._asker, batch, round_, len(self.rounds))
        return round_, decided


def _sound(checks: Iterable[Check], worlds: Mapping[Check, World], identity: Identity) -> tuple[Check, ...]:
    """The checks that may be sent: all of their worlds are there, and within AVP's limits (rules A2, A9)."""
    fault = "too_many_groups" if len(identity.groups) > MAX_ANCESTORS else ""
    if not fault and not identity.principal.is_valid:
        fault = "invalid_id"
    valid = {uid for uid in {uid for check in checks for uid in (check.action, check.resource)} if uid.is_valid}
    sound = []
    for check in checks:
        found = fault or ("" if check.action in valid and check.resource in valid else "invalid_id")
        found = found or worlds[check].fault
        if found:
            extra = {"fault": found, "action": check.action.printable, "resource_type": check.resource.type}
            logger.error("avp.check_refused", extra=extra)
        else:
            sound.append(check)
    return tuple(sound)


@async_unsafe(
    "A check that asks a remote engine was read under an event loop before it was decided. Await it: "
    "`await request.avp.acan(…)`, `await request.avp.adecide()` before rendering, or render with "
    "`await django_avp.shortcuts.arender(…)`."
)
def _decide_remotely(engine: Engine, batch: Batch) -> Sequence[object]:
    return engine.decide(batch)
