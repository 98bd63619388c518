"""Prices, quotas and limits of Amazon Verified Permissions.

Sources: https://aws.amazon.com/verified-permissions/pricing/, the same in all Regions, and "Quotas for Amazon Verified
Permissions" in its User Guide, for each Region and policy store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BATCHES_A_SECOND", "MAX_CHECKS", "PRICES", "SINGLES_A_SECOND", "TIERS", "Prices"]

SINGLES_A_SECOND = 200
BATCHES_A_SECOND = 30
MAX_CHECKS = 30

# Batch calls of a month, and how they are named; whatever is beyond these has the last price.
_SIZES = (40_000_000, 60_000_000)
TIERS = ("first 40 M", "next 60 M", "beyond")


@dataclass(frozen=True, slots=True)
class Prices:
    """What a call costs, in dollars.

    Attributes:
        as_of: the day of these prices.
        single: ``IsAuthorized`` and ``IsAuthorizedWithToken``.
        batch: ``BatchIsAuthorized`` and ``BatchIsAuthorizedWithToken``, whatever their size, for each of :data:`TIERS`.
        management: a call that reads or writes policies; ``BatchGetPolicy`` counts once for each policy.
    """

    as_of: str = "2026-09-20"
    single: float = 0.000_005
    batch: tuple[float, float, float] = (0.000_15, 0.000_075, 0.000_04)
    management: float = 0.000_04

    def by_tier(self, singles: float, batches: float) -> list[float]:
        """What calls cost in a month that is in each tier already."""
        return [singles * self.single + batches * price for price in self.batch]

    def of_month(self, singles: float, batches: float) -> float:
        """What all calls of a month cost."""
        sizes = _sizes(batches)
        return singles * self.single + sum(size * price for size, price in zip(sizes, self.batch, strict=True))


PRICES = Prices()


def _sizes(batches: float) -> Iterator[float]:
    """How many calls fall into each tier."""
    for size in _SIZES:
        yield min(batches, size)
        batches -= min(batches, size)
    yield batches
