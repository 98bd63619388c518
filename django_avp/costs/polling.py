"""What ``SyncedEngine`` costs: the calls by which a policy store is read, whatever is asked."""

from __future__ import annotations

from dataclasses import dataclass

from django_avp.costs.prices import Prices

__all__ = ["Polling"]

# "ListPolicies": at most so many on a page. The others are a call each: templates, schema and identity source.
_PAGE = 50
_OTHER_CALLS = 3
# As the engine has it: calls a second of one operation, and by which share of the interval a reading begins earlier.
_RATE = 8
_LOOKS = 2 / 30
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Polling:
    """A store in which nothing changes, read by one worker for all.

    Attributes:
        policies: how many the store has.
        interval: ``AVP_SYNC_INTERVAL``.
    """

    policies: int
    interval: float

    @property
    def calls(self) -> int:
        """Calls of a reading."""
        return self._pages + _OTHER_CALLS

    @property
    def readings_a_day(self) -> float:
        """Each begins early enough to be over within the interval of the one before."""
        pause = self.interval * (1 - _LOOKS) - self._pages / _RATE
        return _DAY / max(pause, self.interval / 2)

    @property
    def calls_a_day(self) -> float:
        """Calls of all readings of a day."""
        return self.calls * self.readings_a_day

    def dollars_a_day(self, prices: Prices) -> float:
        """What they cost."""
        return self.calls_a_day * prices.management

    @property
    def _pages(self) -> int:
        return max(-(-self.policies // _PAGE), 1)
