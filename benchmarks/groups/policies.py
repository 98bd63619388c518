"""The same page by more and more policies that say nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from django.contrib.auth.models import User

from benchmarks.core import Case, Group, Row
from benchmarks.fixtures import GROUPS, Site, decided, expected, fill, identity
from benchmarks.photos.policies import POLICIES, POOL, fillers, mixture
from benchmarks.raw import Raw

__all__ = ["build"]

FORMS: dict[str, Callable[[int], Iterator[str]]] = {"of one scope": fillers, "of every scope": mixture}
OWN = 10
TARGETS = {1_000: 1.5, 10_000: 2.5}
OURS, RAW = "django-avp, {}", "cedarpy, {}"
BASE, NEW = f"{OWN} policies", ", a principal nobody has seen"


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases: the page's ten policies, alone and among others."""
    user, photos = fill()
    site, answers, who = Site(directory), expected(user, photos), identity()
    groups = [f"{POOL}|{group}" for group in GROUPS]
    strangers = (identity(f"stranger-{number}") for number in count())
    strange = expected(User(pk=0), photos)

    def three(name: str, others: Iterator[str]) -> Iterator[Case]:
        policies = site.add(name, "\n".join([POLICIES, *others])).policies()
        raw = Raw(policies.policy_set, f"{POOL}|ann", groups, photos)
        page = lambda: decided(who, photos)  # noqa: E731 - what is timed
        yield Case(OURS.format(name), page, expected=answers, queries=0, prepare=site.deciding(name))
        new = lambda: decided(next(strangers), photos)  # noqa: E731 - what is timed
        yield Case(OURS.format(name) + NEW, new, expected=strange, queries=0, prepare=site.deciding(name))
        yield Case(RAW.format(name), raw.decide, expected=answers)

    cases, rows = [*three(BASE, iter(()))], []
    for size, most in {30: 1.5, 300: 2.5}.items() if is_quick else TARGETS.items():
        for form, others in FORMS.items():
            name = f"{size:,} policies {form}"
            cases += three(name, others(size - OWN))
            says = f"the page with {name}, beside the page with {OWN}"
            rows.append(Row(f"e{len(rows) + 1}", says, OURS.format(name), OURS.format(BASE), at_most=most))
    says = f"the page with {name} for {NEW.removeprefix(', ')}, beside the page with {OWN}"
    rows.append(Row(f"e{len(rows) + 1}", says, OURS.format(name) + NEW, OURS.format(BASE)))
    notes = ["cedarpy is given all policies, with parsed handles and ready dicts."]
    return Group("The page by more policies", cases, rows, notes)
