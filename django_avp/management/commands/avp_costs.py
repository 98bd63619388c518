"""``manage.py avp_costs``: what a site's pages cost at Amazon Verified Permissions, by strategy, engine and cache."""

from __future__ import annotations

import json
import math
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from django_avp.conf import conf
from django_avp.costs import PRICES, TIERS, Polling, Prices, Reading, Report, Simulation

__all__ = ["Command"]


class Command(BaseCommand):
    """Plays a log of rounds through."""

    help = (
        "Tell from a log of rounds, the event avp.round of the logger django_avp.rounds as JSON lines, what a million "
        "of its pages cost with each AVP_CALL_STRATEGY, engine and AVP_CACHE_TTL. Nothing is asked of AWS. Fails if "
        "the log has no round."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The logs, what is tried, what it is paid with, and how it is told."""
        parser.add_argument(
            "logs", nargs="*", type=Path, metavar="log", help="JSON lines; several are merged (default: standard input)"
        )
        parser.add_argument(
            "--ttls",
            type=_numbers,
            default=[0, 5, 30, 60, 300],
            metavar="SECONDS,…",
            help="values of AVP_CACHE_TTL (default: 0,5,30,60,300)",
        )
        parser.add_argument(
            "--policies",
            type=_count,
            default=50,
            metavar="N",
            help="of the store that SyncedEngine reads (default: 50)",
        )
        parser.add_argument("--pages-per-month", type=_count, metavar="N", help="tell what a month costs, too")
        parser.add_argument("--format", choices=["text", "json"], default="text", help="text (default) or json")
        prices = parser.add_argument_group("prices", f"in dollars; by default those of {PRICES.as_of}")
        for name, default, what in (
            ("single", PRICES.single, "a single call"),
            ("management", PRICES.management, "a call that reads or writes policies"),
        ):
            prices.add_argument(f"--{name}-price", type=_number, default=default, metavar="PRICE", help=f"of {what}")
        prices.add_argument(
            "--batch-prices",
            type=_prices_of_batches,
            default=PRICES.batch,
            metavar="PRICE,PRICE,PRICE",
            help=f"of a batch call: {', '.join(TIERS)}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, count and tell."""
        reading, simulation = Reading(), Simulation(options["ttls"])
        try:
            polling = Polling(options["policies"], conf.sync_interval)
            with ExitStack() as opened:
                logs = [opened.enter_context(path.open("rb")) for path in options["logs"]]
                for logged in reading.rounds(*(logs or [sys.stdin.buffer])):
                    simulation.take(logged)
        except (OSError, ValueError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        if not simulation.pages:
            raise CommandError(_nothing(reading))
        report = Report(reading, simulation, polling, _prices(options), options["pages_per_month"])
        texts = [json.dumps(report.as_json(), indent=2)] if options["format"] == "json" else report.lines()
        for text in texts:
            self.stdout.write(text)


def _prices(options: Mapping[str, Any]) -> Prices:
    given = replace(
        PRICES,
        single=options["single_price"],
        batch=options["batch_prices"],
        management=options["management_price"],
    )
    return given if given == PRICES else replace(given, as_of="the command line")


def _nothing(reading: Reading) -> str:
    """Why there is nothing to tell."""
    return (
        f"The log has no page's first round: {reading.foreign:,} lines are about something else, and "
        f"{reading.broken:,} cannot be read. Let the logger django_avp.rounds write JSON lines, at level DEBUG."
    )


# Types of options


def _number(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"{text} is no number of seconds or dollars.")
    return number


def _numbers(text: str) -> list[float]:
    return list(dict.fromkeys(map(_number, text.split(","))))


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("It is at least one.")
    return number


def _prices_of_batches(text: str) -> tuple[float, ...]:
    prices = tuple(map(_number, text.split(",")))
    if len(prices) != len(PRICES.batch):
        raise ArgumentTypeError("Give the price of each tier, the first one first: 0.00015,0.000075,0.00004.")
    return prices
