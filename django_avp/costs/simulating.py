"""Plays rounds through: how many calls each strategy would have made, with decisions remembered for some seconds.

INVARIANT: a pass over the rounds is enough. What is kept is the checks of the last seconds, as many as decisions would
have been remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from django_avp.costs.prices import BATCHES_A_SECOND, MAX_CHECKS, SINGLES_A_SECOND
from django_avp.costs.reading import Logged

__all__ = ["STRATEGIES", "Outcome", "Simulation", "Strategy", "calls_of"]

Strategy = Literal["auto", "batch", "single"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


def calls_of(strategy: Strategy, checks: int) -> tuple[int, int]:
    """How many single and how many batch calls a round of checks takes."""
    if strategy == "single":
        return checks, 0
    batches, rest = divmod(checks, MAX_CHECKS)
    if strategy == "auto" and rest == 1:
        return 1, batches
    return 0, batches + (rest > 0)


class Simulation:
    """Counts what rounds would have cost.

    Args:
        ttls: each ``AVP_CACHE_TTL`` to try; zero remembers nothing.

    Attributes:
        pages: requests that asked at all.
        rounds: how often they asked.
        checks: what they asked.
        calls: how many calls the engine made that decided.
    """

    def __init__(self, ttls: Iterable[float]) -> None:
        self.pages = 0
        self.rounds = 0
        self.checks = 0
        self.calls = 0
        self._first = self._last = 0.0
        self._memories = [_Memory(ttl) for ttl in ttls]
        self._meters = {(strategy, memory): _Meter() for strategy in STRATEGIES for memory in self._memories}

    @property
    def seconds(self) -> float:
        """How long it took from the first round to the last."""
        return self._last - self._first

    def take(self, logged: Logged) -> None:
        """Count a round, which is not earlier than the one before."""
        self._first = self._first or logged.at
        self._last = logged.at
        self.pages += logged.number == 1
        self.rounds += 1
        self.checks += len(logged.digests)
        self.calls += logged.calls
        for memory in self._memories:
            unknown = memory.ask(logged.at, logged.digests)
            for strategy in STRATEGIES:
                self._meters[strategy, memory].count(int(logged.at), *calls_of(strategy, unknown))

    def outcomes(self) -> Iterator[Outcome]:
        """What came of each strategy with each memory."""
        for (strategy, memory), meter in self._meters.items():
            remembered = 1 - memory.asked / self.checks if self.checks else 0.0
            yield Outcome(strategy, memory.ttl, remembered, meter.singles, meter.batches, *meter.most)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What all rounds would have taken.

    Attributes:
        strategy: ``AVP_CALL_STRATEGY``.
        ttl: ``AVP_CACHE_TTL``.
        remembered: which share of the checks a cache would have known.
        singles: calls about one check.
        batches: calls about several.
        most_singles: the most of a second.
        most_batches: the most of a second.
    """

    strategy: Strategy
    ttl: float
    remembered: float
    singles: int
    batches: int
    most_singles: int
    most_batches: int

    @property
    def is_over_quota(self) -> bool:
        """Whether there was a second with more calls than a policy store answers by default."""
        return self.most_singles > SINGLES_A_SECOND or self.most_batches > BATCHES_A_SECOND


class _Memory:
    """What a cache of decisions knows."""

    def __init__(self, ttl: float) -> None:
        self.ttl = ttl
        self.asked = 0
        self._known: set[str] = set()
        # In the order in which they are forgotten, since all are kept equally long.
        self._until: deque[tuple[float, str]] = deque()

    def ask(self, now: float, digests: Collection[str]) -> int:
        """How many it does not know, which it knows from now on."""
        while self._until and self._until[0][0] <= now:
            self._known.discard(self._until.popleft()[1])
        unknown = [digest for digest in digests if digest not in self._known]
        if self.ttl:
            self._known.update(unknown)
            self._until.extend((now + self.ttl, digest) for digest in unknown)
        self.asked += len(unknown)
        return len(unknown)


class _Meter:
    """Counts calls, all and those of the busiest second."""

    def __init__(self) -> None:
        self.singles = self.batches = 0
        self.most = (0, 0)
        self._second = (0, 0, 0)

    def count(self, second: int, singles: int, batches: int) -> None:
        """Count calls of a second, which is not before the last one."""
        self.singles += singles
        self.batches += batches
        if second == self._second[0]:
            singles, batches = self._second[1] + singles, self._second[2] + batches
        self._second = (second, singles, batches)
        self.most = (max(self.most[0], singles), max(self.most[1], batches))
