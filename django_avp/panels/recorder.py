"""Takes down what one request asks, and what is decided about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django_avp.cedar import Check, Decision, EntityUid
from django_avp.panels.places import Kind, Where, where
from django_avp.recording import Filtering, Place

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest

    from django_avp.engines.base import Batch
    from django_avp.policies import Policies
    from django_avp.rounds import Round

__all__ = ["Asked", "DecidedRound", "Listed", "RequestRecorder"]


@dataclass(slots=True, eq=False)
class Asked:
    """A check, and what became of it.

    Attributes:
        check: what was asked.
        is_collected: whether it was collected before its decision was read.
        is_again: whether it had been decided before, and was forgotten.
        places: where it was asked, each once.
        reads: how often its decision was read.
        decision: ``None`` as long as there is none.
        round: the round that decided it, from 1; 0 for none.
        is_planned: whether it was known before its round began, or the first round began with it.
        is_cached: whether its decision was remembered from another request.
    """

    check: Check
    is_collected: bool
    is_again: bool
    places: dict[Where, None] = field(default_factory=dict)
    reads: int = 0
    decision: Decision | None = None
    round: int = 0
    is_planned: bool = True
    is_cached: bool = False


@dataclass(frozen=True, slots=True)
class DecidedRound:
    """A round.

    Attributes:
        counts: what is counted of it.
        began: where the last of its checks was asked, after which it was decided.
        checks: its checks.
        policies: those that decided, as far as they are known.
    """

    counts: Round
    began: Where
    checks: tuple[Asked, ...]
    policies: Policies | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A queryset that was narrowed to what is permitted."""

    action: EntityUid
    model: type[Model]
    filtering: Filtering
    where: Where


class RequestRecorder:
    """A :class:`~django_avp.recording.Recorder` that keeps what it is told.

    Args:
        request: its view is named where nothing more exact is known.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.checks: list[Asked] = []
        self.rounds: list[DecidedRound] = []
        self.lists: Counter[Listed] = Counter()
        self._request = request
        self._current: dict[Check, Asked] = {}
        self._last: Asked | None = None
        self._began = Where(Kind.VIEW, "")

    def asked(self, check: Check, place: Place | None, *, is_read: bool, is_known: bool) -> None:
        """Note a check; one that was decided and is not known any more is another one."""
        asked = self._current.get(check)
        is_again = asked is not None and asked.decision is not None and not is_known
        if asked is None or is_again:
            asked = self._current[check] = Asked(check, not is_read, is_again)
            self.checks.append(asked)
        self._last, self._began = asked, where(self._request, place)
        asked.places[self._began] = None
        asked.reads += is_read

    def settled(self, checks: Collection[Check], decision: Decision) -> None:
        """Note decisions that no engine made."""
        for check in checks:
            self._current[check].decision = decision

    def decided(
        self,
        batch: Batch,
        decisions: Mapping[Check, Decision],
        round_: Round,
        *,
        unplanned: Collection[Check],
        cached: Collection[Check],
    ) -> None:
        """Note a round and its decisions."""
        number, checks = len(self.rounds) + 1, tuple(self._current[check] for check in decisions)
        for asked in checks:
            asked.decision, asked.round = decisions[asked.check], number
            asked.is_cached = asked.check in cached
            asked.is_planned = asked.check not in unplanned and not (number > 1 and self._is_late(asked))
        self.rounds.append(DecidedRound(round_, self._began, checks, batch.policies))

    def _is_late(self, asked: Asked) -> bool:
        """Whether code began a round with a check that nobody had collected."""
        return asked is self._last and not asked.is_collected and self._began.kind is not Kind.GATE

    def listed(self, action: EntityUid, model: type[Model], filtering: Filtering) -> None:
        """Note a list, and how often it was asked for."""
        self.lists[Listed(action, model, filtering, where(self._request, None))] += 1
