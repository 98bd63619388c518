"""Much of everything: policies, patterns, texts, checks, parents and groups."""

from __future__ import annotations

import time

import pytest

from django_avp.cedar import EntityUid
from django_avp.policies import load
from tests.engines.support import write
from tests.soak import runs

LONG = runs(1_000_000, 10_000_000)
CHECKS = runs(3_000, 10_000)
MEMBERS = runs(1_100, 5_000)


def statements(conditions):
    return "".join(f"permit (principal, action, resource) when {{ {condition} }};\n" for condition in conditions)


@pytest.mark.parametrize("number", [100, 1_100])
def test_a_list_of_as_many_policies_as_there_are(lists, item, number):
    """One condition of a query for each, more than a database takes in a row."""
    for count in (0, number - 1, number):
        item(count=count)
    found = lists.listed(statements(f"resource has count && resource.count == {n}" for n in range(number)))
    assert [row.count for row in found] == [0, number - 1]


def test_a_list_by_a_long_set(lists, item):
    """Of more members than a database takes in a row."""
    for count in (0, MEMBERS - 1, MEMBERS):
        item(count=count)
    members = ", ".join(map(str, range(MEMBERS)))
    assert len(lists.when(f"resource has count && [{members}].contains(resource.count)")) == 2


@pytest.mark.parametrize("pattern", ["a*" * 2_000, "*a" * 2_000 + "*", "*" * 5_000 + "b", "*b" + "*a" * 1_000 + "b"])
def test_patterns_take_no_time_that_explodes(lists, item, pattern):
    """On texts that are made to match almost, at every wildcard anew; and they are the same in SQL and in Cedar."""
    for text in ("a" * 5_000, "a" * 5_000 + "b", "b" + "a" * 4_000 + "b", "", "b"):
        item(memo=text)
    lists.split(f'resource.memo like "{pattern}"')


def test_a_text_of_megabytes(lists, item):
    """It is compared, and matched, and stands in nobody's way where no policy reads it."""
    item(memo="x" * LONG + "y")
    item(memo="x" * LONG)
    item(memo="y")
    assert len(lists.when('resource.memo like "*y"')) == 2
    assert len(lists.when('resource.memo == "y"')) == 1
    assert len(lists.when("resource.small == 0")) == 3


def test_a_batch_of_thousands(lists, item):
    """10,000 of them are decided as each is alone."""
    uids = [EntityUid("Thing", str(number)) for number in range(CHECKS)]
    text = "".join(
        f'permit (principal, action, resource == PhotoFlash::Thing::"{n}");\n' for n in range(0, CHECKS, 1_500)
    )
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
