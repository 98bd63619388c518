"""Policy coverage: what is counted, and what the report says."""

from __future__ import annotations

import json

import pytest

from django_avp.cedar import UNAVAILABLE, Decision, Verdict
from django_avp.conf import conf
from django_avp.policies import load
from django_avp.testing.policy_coverage import Counts, PolicyCoverage, Row, Summary

DECISIONS = [
    Decision(Verdict.PERMITTED, ("owner", "public-photo")),
    Decision(Verdict.PERMITTED, ("owner",), ("scope",)),
    Decision(Verdict.FORBIDDEN, ("suspended",)),
    Decision(Verdict.NOT_PERMITTED),
    Decision(Verdict.PERMITTED, ("avp_allow",)),
    UNAVAILABLE,
]


@pytest.fixture
def coverage():
    """The coverage of a handful of decisions."""
    coverage = PolicyCoverage()
    coverage.add(DECISIONS)
    return coverage


def test_allows_denials_and_errors_are_counted_for_each_policy(coverage):
    """Those of policies that are not the site's own, such as an override, are in no report."""
    rows = {row.policy: row for row in coverage.summary(load(conf.policies)).rows}

    assert rows["owner"].counts == Counts(allow=2)
    assert rows["suspended"].counts == Counts(deny=1)
    assert rows["scope"].counts == Counts(error=1)
    assert {name for name, row in rows.items() if row.is_covered} == {"owner", "public-photo", "suspended"}
    assert "avp_allow" not in rows


def test_a_template_counts_by_its_links(coverage):
    """It determines nothing itself."""
    names = {row.policy for row in coverage.summary(load(conf.policies)).rows}

    assert "shared-with-sue" in names
    assert "shared" not in names


def test_counts_of_other_processes_are_added(coverage):
    """As they come over from a worker."""
    whole = PolicyCoverage()
    whole.merge(json.loads(json.dumps(coverage.as_json())))
    whole.merge({"owner": [1, 2, 3]})

    assert whole.as_json()["owner"] == [3, 2, 3]
    assert whole.as_json()["suspended"] == [0, 1, 0]


def test_the_report_names_place_and_numbers_of_each_policy(coverage):
    """And those that determined nothing, the sum below."""
    lines = list(coverage.summary(load(conf.policies)).lines())

    assert lines[0].split() == ["Policy", "Place", "Allow", "Deny", "Error"]
    found = {line.split()[0]: line.split()[1:] for line in lines[2:-2]}
    assert found["owner"][1:] == ["2", "0", "0"]
    assert found["owner"][0].endswith("photos.cedar:2")
    assert found["scope"][1:] == ["0", "0", "1", "missing"]
    assert lines[-1] == "3 of 10 policies determined a decision: 30%"


def test_the_report_for_programs_has_the_same(coverage):
    """As JSON."""
    document = json.loads(coverage.summary(load(conf.policies)).as_json())

    assert document["percent"] == 30
    assert "moderators" in document["missing"]
    assert document["policies"]["suspended"]["deny"] == 1


def test_a_percentage_is_not_rounded_up():
    """Two of three is not 66.7 percent; of no policies none is missing."""
    rows = (
        Row("a", "a.cedar:1", Counts(allow=1)),
        Row("b", "b.cedar:1", Counts(deny=1)),
        Row("c", "c.cedar:1", Counts()),
    )

    assert list(Summary(rows).lines())[-1] == "2 of 3 policies determined a decision: 66.6%"
    assert Summary(()).percent == 100
