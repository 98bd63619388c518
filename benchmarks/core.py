"""What is measured: cases that do the same thing in different ways, and rows that compare two of them.

Nothing here knows Django or any of the packages that are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

__all__ = ["UNCHECKED", "Case", "Group", "Row", "Spread", "Wrong", "nothing"]

UNCHECKED = object()
"""In place of an expected value, where the group itself verifies what a case does."""


class Wrong(Exception):  # noqa: N818 - it is not an error of this code, but a wrong answer of what is measured
    """Raised when a case does not give the right answer, so that its time would mean nothing."""


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to do something.

    Attributes:
        name: what it is called in the results.
        run: what is timed.
        expected: what ``run`` returns, looked at once before anything is timed.
        queries: how many queries it makes; ``None`` where nobody counts.
        prepare: called before each sample, and not timed.
        clock: ``"cpu"`` for the time of the processor, where everything is in one process and waits for nobody,
            ``"wall"``, or nothing where no time is measured.
        unit: ``"µs"``, or the unit of what a meter returns.
        is_single: whether a sample is one call, because each needs what ``prepare`` prepares.
        is_meter: whether ``run`` returns what it has measured elsewhere; seconds, or bytes.
        work: how many things one call does; the results are for one of them.
    """

    name: str
    run: Callable[[], Any]
    expected: Any = UNCHECKED
    queries: int | None = None
    prepare: Callable[[], Any] = nothing
    clock: str = "cpu"
    unit: str = "µs"
    is_single: bool = False
    is_meter: bool = False
    work: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """What is to be reached: a case compared with another one, by their medians.

    Attributes:
        id: a short name for people, such as ``"a1"``.
        says: what is compared, in a few words.
        case: the name of a case.
        against: the name of the one that it is compared with, or names of which the sum is; none to state the case by
            itself.
        kind: ``"ratio"`` or ``"difference"``.
        at_most: the target.
        at_least: the target of a row that shows how much slower another way is.
    """

    id: str
    says: str
    case: str
    against: str | tuple[str, ...] = ()
    kind: str = "ratio"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def names(self) -> list[str]:
        """The cases, the first of which is compared with the rest."""
        return [self.case, *([self.against] if isinstance(self.against, str) else self.against)]

    def value(self, spreads: Mapping[str, Spread]) -> float | None:
        """What was measured; ``None`` where one of the cases was left out."""
        if any(name not in spreads for name in self.names):
            return None
        median, *others = (spreads[name].median for name in self.names)
        if not others:
            return median
        return median / sum(others) if self.kind == "ratio" else median - sum(others)

    def is_reached(self, value: float) -> bool | None:
        """Whether a value is good enough; ``None`` where there is no target."""
        if self.at_most is not None:
            return value <= self.at_most
        return None if self.at_least is None else value >= self.at_least


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are measured in one process, and in each turn in another order.

    Attributes:
        title: what all of them do.
        cases: the cases.
        rows: what is compared.
        notes: sentences for the results, such as why a case is left out.
        turns: how many turns it has at most, where each takes long.
        verify: called once after the cases' own expectations; raises :exc:`Wrong`.
        close: called at the end.
    """

    title: str
    cases: Sequence[Case]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    turns: int = 10**9
    verify: Callable[[], Any] = nothing
    close: Callable[[], Any] = nothing


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of what was measured, in the case's own unit."""

    low: float
    median: float
    high: float
    samples: int
    unit: str = "µs"
    clock: str = "cpu"

    @classmethod
    def of(cls, samples: Sequence[float], unit: str, clock: str) -> Spread:
        """The spread of samples, of which the first tenth warms up."""
        kept = samples[len(samples) // 10 :]
        low, median, high = quantiles(kept, n=4, method="inclusive") if len(kept) > 1 else [kept[0]] * 3
        return cls(low, median, high, len(kept), unit, clock)


@dataclass(slots=True)
class Measured:
    """All that is known of a group when the run is over."""

    name: str
    title: str
    rows: Sequence[Row]
    notes: Sequence[str]
    spreads: dict[str, Spread] = field(default_factory=dict)

    def reached(self) -> Iterable[tuple[Row, float, bool | None]]:
        """Each row with its value and whether that is good enough."""
        for row in self.rows:
            value = row.value(self.spreads)
            if value is not None:
                yield row, value, row.is_reached(value)
