"""What came of a log, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django_avp.costs.polling import Polling
from django_avp.costs.prices import BATCHES_A_SECOND, SINGLES_A_SECOND, TIERS, Prices
from django_avp.costs.reading import Reading
from django_avp.costs.simulating import Outcome, Simulation

__all__ = ["Report"]

_MILLION = 1_000_000
# Days and seconds of a month.
_MONTH = 30
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Report:
    """What pages such as those of a log cost.

    Attributes:
        reading: what was read of the log.
        simulation: what its rounds would have taken.
        polling: what ``SyncedEngine`` takes.
        prices: what is paid for it.
        pages_a_month: how many of the pages there are; ``None`` if that is not to be said.
    """

    reading: Reading
    simulation: Simulation
    polling: Polling
    prices: Prices
    pages_a_month: int | None = None

    def as_json(self) -> dict[str, Any]:
        """All figures, for programs."""
        simulation, reading = self.simulation, self.reading
        return {
            "log": {
                "pages": simulation.pages,
                "rounds": simulation.rounds,
                "checks": simulation.checks,
                "calls": simulation.calls,
                "seconds": round(simulation.seconds, 3),
                "foreign_lines": reading.foreign,
                "broken_lines": reading.broken,
                "disordered_rounds": reading.disordered,
            },
            "prices": {
                "as_of": self.prices.as_of,
                "single": self.prices.single,
                "batch": list(self.prices.batch),
                "management": self.prices.management,
            },
            "pages_a_month": self.pages_a_month,
            "verified_permissions": [self._outcome_as_json(outcome) for outcome in simulation.outcomes()],
            "synced": {
                "policies": self.polling.policies,
                "interval": self.polling.interval,
                "calls_a_day": round(self.polling.calls_a_day),
                "dollars_a_day": round(self.polling.dollars_a_day(self.prices), 4),
                "dollars_a_million_pages": _rounded(self._polling_a_million()),
                "dollars_a_month": _rounded(self._polling_a_month()),
            },
            "cedar": {"calls": 0, "dollars_a_million_pages": 0.0},
        }

    def lines(self) -> Iterator[str]:
        """The same as text."""
        yield from self._log()
        yield ""
        yield f"Calls and dollars for a million such pages, by the prices of {self.prices.as_of}"
        yield ""
        yield "VerifiedPermissionsEngine"
        yield from _table(self._head(), [self._row(outcome) for outcome in self.simulation.outcomes()])
        if any(outcome.is_over_quota for outcome in self.simulation.outcomes()):
            yield (
                f"! over a policy store's default quota of {SINGLES_A_SECOND} single or {BATCHES_A_SECOND} batch calls "
                "a second"
            )
        yield ""
        yield from self._others()

    # The log

    def _log(self) -> Iterator[str]:
        simulation, reading = self.simulation, self.reading
        yield (
            f"{simulation.pages:,} pages in {simulation.seconds:,.0f} seconds: {simulation.rounds:,} rounds of "
            f"{simulation.checks:,} checks, for which the engine made {simulation.calls:,} calls"
        )
        if reading.foreign:
            yield f"Lines about something else: {reading.foreign:,}"
        if reading.broken:
            yield f"Lines that cannot be read: {reading.broken:,}"
        if reading.disordered:
            yield f"Rounds earlier than one before them: {reading.disordered:,}, by up to {reading.disorder:.1f} s"

    # VerifiedPermissionsEngine

    def _outcome_as_json(self, outcome: Outcome) -> dict[str, Any]:
        singles, batches = self._a_million(outcome)
        return {
            "strategy": outcome.strategy,
            "cache_ttl": outcome.ttl,
            "remembered": round(outcome.remembered, 4),
            "single_calls": outcome.singles,
            "batch_calls": outcome.batches,
            "dollars_a_million_pages": [round(dollars, 4) for dollars in self.prices.by_tier(singles, batches)],
            "dollars_a_month": _rounded(self._a_month(outcome)),
            "most_single_calls_a_second": outcome.most_singles,
            "most_batch_calls_a_second": outcome.most_batches,
            "is_over_quota": outcome.is_over_quota,
        }

    def _head(self) -> list[str]:
        month = [] if self.pages_a_month is None else ["a month"]
        return ["strategy", "TTL", "known", "single", "batch", *TIERS, *month, "single/s", "batch/s", ""]

    def _row(self, outcome: Outcome) -> list[str]:
        singles, batches = self._a_million(outcome)
        month = self._a_month(outcome)
        return [
            outcome.strategy,
            f"{outcome.ttl:g}",
            f"{outcome.remembered:.0%}",
            f"{singles:,.0f}",
            f"{batches:,.0f}",
            *(f"{dollars:,.2f}" for dollars in self.prices.by_tier(singles, batches)),
            *([] if month is None else [f"{month:,.2f}"]),
            f"{outcome.most_singles:,}",
            f"{outcome.most_batches:,}",
            "!" if outcome.is_over_quota else "",
        ]

    def _a_million(self, outcome: Outcome) -> tuple[float, float]:
        """Single and batch calls for a million pages."""
        times = _MILLION / self.simulation.pages
        return outcome.singles * times, outcome.batches * times

    def _a_month(self, outcome: Outcome) -> float | None:
        if self.pages_a_month is None:
            return None
        times = self.pages_a_month / self.simulation.pages
        return self.prices.of_month(outcome.singles * times, outcome.batches * times)

    # The others

    def _others(self) -> Iterator[str]:
        polling, million, month = self.polling, self._polling_a_million(), self._polling_a_month()
        yield f"SyncedEngine, {polling.policies:,} policies, AVP_SYNC_INTERVAL {polling.interval:g}"
        told = [f"{polling.dollars_a_day(self.prices):,.2f} a day, whatever is asked"]
        if million is not None:
            told.append(f"{million:,.2f} for a million pages at {self._pages_a_day() / _DAY:,.2f} a second")
        if month is not None:
            told.append(f"{month:,.2f} a month")
        yield "; ".join(told)
        yield ""
        yield "CedarEngine"
        yield "0.00"

    def _polling_a_million(self) -> float | None:
        pages = self._pages_a_day()
        return self.polling.dollars_a_day(self.prices) * _MILLION / pages if pages else None

    def _polling_a_month(self) -> float | None:
        return None if self.pages_a_month is None else self.polling.dollars_a_day(self.prices) * _MONTH

    def _pages_a_day(self) -> float:
        """As many as there are in a month, or as there were in the log; zero where it is too short to tell."""
        if self.pages_a_month is not None:
            return self.pages_a_month / _MONTH
        return self.simulation.pages * _DAY / self.simulation.seconds if self.simulation.seconds else 0.0


def _rounded(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 4)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with all columns but the first to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for first, *others in (head, *rows):
        cells = [f"{text:>{width}}" for text, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([f"{first:{widths[0]}}", *cells]).rstrip()
