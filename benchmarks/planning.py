"""What it costs to plan a gallery page, beside rendering it: 30 photos with three buttons each, through an include.

``make bench`` runs it. The cases alternate, so that whatever else the machine does meets all of them, and only their
ratio means something.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from statistics import quantiles
from time import perf_counter
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.template import engines  # noqa: E402
from django.test import RequestFactory  # noqa: E402

from django_avp.authorization import Authorization  # noqa: E402
from django_avp.identity import Identity  # noqa: E402
from django_avp.planning import plan_template  # noqa: E402
from tests.testapp.models import Account, Album, Photo, Tag  # noqa: E402

PHOTOS = 30
BUTTONS = ["ViewPhoto", "EditPhoto", "DeletePhoto"]
STEPS = ["collect", "plan", "decide", "render"]
IDENTITY = Identity.from_claims({"sub": "ann", "aud": "client-1"})


def fill() -> list[Photo]:
    """Thirty photos in the database, loaded with all that the page shows and policies read."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    ann = get_user_model().objects.create(username="eu-west-1_AbCdEf123|ann")
    account = Account.objects.create(name="Main", slug="main")
    album = Album.objects.create(title="Summer", account=account, owner=ann)
    tag = Tag.objects.create(name="press")
    for number in range(PHOTOS):
        owner = ann if number % 2 else None
        Photo.objects.create(title=f"Photo {number}", album=album, owner=owner).tags.add(tag)
    rows = Photo.objects.select_related("owner", "album__account", "album__owner")
    return list(rows.prefetch_related("tags", "viewers", "comments__author"))


def request_of() -> HttpRequest:
    """A request that has asked nothing yet."""
    request = RequestFactory().get("/")
    request.avp = Authorization(IDENTITY, request=request)  # type: ignore[attr-defined]
    return request


def timed(case: Callable[[], Any]) -> float:
    """How long a case takes, in microseconds."""
    started = perf_counter()
    case()
    return (perf_counter() - started) * 1_000_000


class Case:
    """One page: what it asks is planned, decided and read; beside it, the same checks are collected by hand."""

    def __init__(self, template: Any, context: dict[str, Any]) -> None:
        self.template = template
        self.context = context
        self.request: Any = request_of()
        self.by_hand: Any = request_of()

    def collect(self) -> None:
        """What a view does that lists its buttons: the checks are made, the rows are noted."""
        self.by_hand.avp.collect(BUTTONS, self.context["photos"])

    def plan(self) -> None:
        """The same checks, known from the template."""
        plan_template(self.request.avp, self.template, {"request": self.request, **self.context})

    def decide(self) -> None:
        """The round."""
        self.request.avp.decide()

    def render(self) -> None:
        """The page, which reads what is decided."""
        self.template.render(self.context, self.request)


def measure(runs: int) -> dict[str, list[float]]:
    """Take each step of a page, again and again."""
    template = engines["django"].get_template("page.html")
    context = {"photos": fill()}
    times: dict[str, list[float]] = {step: [] for step in STEPS}
    for _ in range(runs):
        case = Case(template, context)
        for step in STEPS:
            times[step].append(timed(getattr(case, step)))
        if [round_.checks for round_ in case.request.avp.rounds] != [3 * PHOTOS]:
            raise SystemExit("The page was not one round.")
    return times


def main() -> None:
    """Measure, and print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="prove that it runs; the figures mean nothing")
    times = measure(10 if parser.parse_args().quick else 400)
    # The first tenth warms up.
    spread = {step: quantiles(values[len(values) // 10 :], n=4) for step, values in times.items()}
    render = spread["render"][1]
    print(f"A page of {PHOTOS} photos with three buttons each, microseconds (quartiles):")
    for step, (low, median, high) in spread.items():
        print(f"{step:8} {median:8.0f} ({low:.0f} to {high:.0f})  {median / render:.2f} of rendering")
    walk = spread["plan"][1] - spread["collect"][1]
    print(f"What planning adds to collecting by hand: {walk:.0f}, {walk / render:.2f} of rendering")


if __name__ == "__main__":
    main()
