"""The policy tests of the example prove something: without any one of its policies, one of them fails."""

from __future__ import annotations

import json
import shutil

import pytest

from django_avp.policies import load
from django_avp.testing.policy_yaml import read_cases
from tests.processes import ROOT

POLICIES = ROOT / "example_project" / "policies"
CASES = ROOT / "example_project" / "policy_tests" / "test_photos.avp.yaml"
LINKS = "template-links.json"


def failures():
    """The cases that do not hold."""
    failed = []
    for case in read_cases(CASES):
        try:
            case.check()
        except AssertionError:
            failed.append(case.name)
    return failed


@pytest.fixture
def copy(settings, tmp_path):
    """The example's policies, to be changed."""
    settings.AVP_POLICIES = shutil.copytree(POLICIES, tmp_path / "policies")
    return settings.AVP_POLICIES


def test_all_cases_hold(copy):
    """On the policies as they are."""
    assert failures() == []


@pytest.mark.parametrize("statement", load([POLICIES]).statements.items(), ids=lambda statement: statement[0])
def test_every_policy_is_needed(copy, statement):
    """Whether it permits or forbids, whether it stands in a file or is a link to a template."""
    policy_id, found = statement
    links = json.loads((copy / LINKS).read_text())
    kept = [link for link in links if policy_id not in (link["newId"], link["templateId"])]
    (copy / LINKS).write_text(json.dumps(kept))
    if found.path.suffix == ".cedar":
        (copy / found.path.name).unlink()

    assert failures()
