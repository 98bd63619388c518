"""What Amazon Verified Permissions would cost: a log of rounds, played through for other settings than those it had."""

from __future__ import annotations

from django_avp.costs.polling import Polling
from django_avp.costs.prices import PRICES, TIERS, Prices
from django_avp.costs.reading import Reading
from django_avp.costs.reporting import Report
from django_avp.costs.simulating import Simulation

__all__ = ["PRICES", "TIERS", "Polling", "Prices", "Reading", "Report", "Simulation"]
