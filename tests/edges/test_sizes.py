"""Much of everything: policies, patterns, texts, checks, parents and groups."""

from __future__ import annotations

import time

import pytest

from django_avp import entities
from django_avp.authorization import Authorization
from django_avp.cedar import EntityUid, Verdict
from django_avp.entities.world import MAX_ANCESTORS
from django_avp.policies import load
from tests.edges.conftest import NAMESPACE, engines
from tests.engines.support import write
from tests.filtering.conftest import parsed
from tests.soak import runs
from tests.testapp.models import Folder, Item, Shelf

LONG = 10_000_000
CHECKS = 10_000


def statements(conditions):
    return "".join(f"permit (principal, action, resource) when {{ {condition} }};\n" for condition in conditions)


@pytest.mark.parametrize("number", [100, 1_500])
def test_a_list_of_as_many_policies_as_there_are(lists, item, number):
    """One condition of a query for each, more than a database takes in a row."""
    for count in (0, number - 1, number):
        item(count=count)
    found = lists.listed(statements(f"resource has count && resource.count == {n}" for n in range(number)))
    assert [row.count for row in found] == [0, number - 1]


def test_a_list_by_a_long_set(lists, item):
    """Of 5,000 members."""
    for count in (0, 4_999, 5_000):
        item(count=count)
    members = ", ".join(map(str, range(5_000)))
    assert len(lists.when(f"resource has count && [{members}].contains(resource.count)")) == 2


@pytest.mark.parametrize("pattern", ["a*" * 2_000, "*a" * 2_000 + "*", "*" * 5_000 + "b", "*b" + "*a" * 1_000 + "b"])
def test_patterns_take_no_time_that_explodes(lists, item, pattern):
    """On texts that are made to match almost, at every wildcard anew; and they are the same in SQL and in Cedar."""
    for text in ("a" * 5_000, "a" * 5_000 + "b", "b" + "a" * 4_000 + "b", "", "b"):
        item(memo=text)
    lists.split(f'resource.memo like "{pattern}"')


def test_a_text_of_10_mb(lists, item):
    """It is compared, and matched, and stands in nobody's way where no policy reads it."""
    item(memo="x" * LONG + "y")
    item(memo="x" * LONG)
    item(memo="y")
    assert len(lists.when('resource.memo like "*y"')) == 2
    assert len(lists.when('resource.memo == "y"')) == 1
    assert len(lists.when("resource.small == 0")) == 3


def test_10_000_checks_in_a_batch(lists, item):
    """Are decided as each of them is alone."""
    uids = [EntityUid("Thing", str(number)) for number in range(CHECKS)]
    text = "".join(f'permit (principal, action, resource == PhotoFlash::Thing::"{n}");\n' for n in range(0, CHECKS, 1_500))
    with lists.asking(text) as authorization:
        authorization.collect("View", uids)
        found = [bool(authorization.can("View", uid)) for uid in uids]
        assert len(authorization.rounds) == 1
    assert found == [number % 1_500 == 0 for number in range(CHECKS)]
    with lists.asking(text) as authorization:
        for number in range(0, CHECKS, 500):
            assert bool(authorization.can("View", uids[number])) is found[number]


def test_a_file_of_many_policies_is_read_in_time_that_grows_with_it(tmp_path):
    """Eight times as many take about eight times as long: sixty-four times would be the square."""
    took = []
    for number in (runs(300, 5_000), runs(2_400, 40_000)):
        text = "".join(
            f'// The {n}th.\n@id("p{n}")\npermit (principal, action, resource == Thing::"{n}")\nwhen {{ true }};\n\n'
            for n in range(number)
        )
        directory = write(tmp_path / str(number), text, None)
        began = time.perf_counter()
        policies = load([directory])
        took.append(time.perf_counter() - began)
        assert policies.statements[f"p{number - 1}"].line == 5 * number - 3
    assert took[1] < 32 * took[0]
