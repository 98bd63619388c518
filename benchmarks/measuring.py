"""Takes the samples: how many calls make one, which cases a turn takes, and in which order."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from math import ceil
from random import Random
from time import perf_counter, process_time

from benchmarks.core import UNCHECKED, Case, Group, Wrong

__all__ = ["Meter"]

CLOCKS = {"cpu": process_time, "wall": perf_counter}
# Seconds: what a sample takes at least, so that neither a clock nor the loop is seen in it, and a turn about.
SAMPLE = 0.001
TURN = 0.4
MOST_PASSES = 25
# Seconds of a turn that one slow case may take: a slower one is taken in some of the turns alone.
SHARE = 0.15
_SCALES = {"µs": 1e6, "ms": 1e3, "MB": 1 / 2**20}

Counter = Callable[[Callable[[], object]], tuple[object, int]]
"""Calls a function, and returns what it returns and how many queries it made."""


class Meter:
    """Measures the cases of one group.

    Args:
        group: the group.
        count_queries: counts queries.
        seed: of the order of the cases.
        is_quick: whether every case is taken once, to prove that it runs.
    """

    def __init__(self, group: Group, count_queries: Counter, *, seed: int, is_quick: bool) -> None:
        self._group = group
        self._count_queries = count_queries
        self._is_quick = is_quick
        self._order = Random(seed)  # noqa: S311 - an order, and no secret
        self._turn = 0
        self._calls: dict[str, int] = {}
        self._every: dict[str, int] = {}
        self._passes = 1

    def verify(self) -> None:
        """See that every case does what it is said to do; what measures elsewhere is verified there.

        Raises:
            Wrong: one does not.
        """
        for case in self._group.cases:
            if case.is_meter:
                continue
            case.prepare()
            found, queries = self._count_queries(case.run)
            if case.expected is not UNCHECKED and found != case.expected:
                raise Wrong(
                    f"{self._group.title}: {case.name} gives {str(found)[:200]}, not {str(case.expected)[:200]}."
                )
            if case.queries is not None and queries != case.queries:
                raise Wrong(f"{self._group.title}: {case.name} makes {queries} queries, not {case.queries}.")
        self._group.verify()

    def calibrate(self) -> None:
        """Find out how many calls make a sample, how often a case is taken, and how many passes a turn has."""
        # What the fixtures hold is not looked through by the collector again and again, whatever case is running.
        gc.collect()
        gc.freeze()
        for case in self._group.cases:
            self._calls[case.name] = 1 if self._is_quick or case.is_single or case.is_meter else self._calls_of(case)
            self._every[case.name] = 1 if self._is_quick or case.is_meter else max(1, round(self._took(case) / SHARE))
        often = [case for case in self._group.cases if self._every[case.name] == 1 and not case.is_meter]
        if often and not self._is_quick:
            self._passes = max(1, min(MOST_PASSES, round(TURN / self._took(*often))))

    def _took(self, *cases: Case) -> float:
        """Seconds that a sample of each of these takes, with what it needs."""
        return _timed(lambda: self._sample_all(cases), 1, perf_counter)

    def _calls_of(self, case: Case) -> int:
        calls = 1
        while True:
            case.prepare()
            took = _timed(case.run, calls, CLOCKS[case.clock])
            if took >= SAMPLE / 4:
                return max(1, ceil(calls * SAMPLE / took))
            calls *= 4

    def turn(self) -> dict[str, list[float]]:
        """Take samples of each case, in another order in each pass; slow cases in one pass of some turns."""
        taken: dict[str, list[float]] = {}
        for number in range(self._passes):
            for name, sample in self._sample_all([case for case in self._group.cases if self._is_due(case, number)]):
                taken.setdefault(name, []).append(sample)
        self._turn += 1
        return taken

    def _is_due(self, case: Case, number: int) -> bool:
        every = self._every[case.name]
        return every == 1 or (number == 0 and self._turn % every == 0)

    def _sample_all(self, cases: Sequence[Case]) -> list[tuple[str, float]]:
        return [(case.name, self._sample(case)) for case in self._order.sample(list(cases), len(cases))]

    def _sample(self, case: Case) -> float:
        case.prepare()
        scale = _SCALES[case.unit] / case.work
        if case.is_meter:
            return float(case.run()) * scale
        calls = self._calls[case.name]
        return _timed(case.run, calls, CLOCKS[case.clock]) / calls * scale


def _timed(run: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    numbers = range(calls)
    started = clock()
    for _ in numbers:
        run()
    return clock() - started
