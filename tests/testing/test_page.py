"""The page about testing is true: the tests that it shows run, and its report is what pytest prints."""

from __future__ import annotations

import json
import re

import pytest

from tests.test_docs import DOCS, README, Start, blocks

PAGE = DOCS / "testing.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project of the five-minute start with the files of the page; the service's tests need time for retries."""
    start = Start(tmp_path_factory.mktemp("start"), README, "Five-minute start")
    for block in blocks(PAGE, "python", "text", "yaml"):
        name = re.search(r"`([\w./]+)`:$", block.intro)
        if name:
            (start.directory / name[1]).write_text(block.text)
    return start


def test_the_tests_of_the_page_pass_and_cover_the_policies(project):
    """Its pytest tests, its YAML and the policy coverage that it shows are those of a real run."""
    printed = project.python(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:randomly",
        "--avp-cov-fail-under=100",
        "--avp-cov-report=term",
        "--avp-cov-report=json:coverage.json",
    )

    shown = next(block.text for block in blocks(PAGE, "text") if block.text.startswith("Policy "))
    assert shown in printed
    assert "23 passed" in printed
    assert json.loads((project.directory / "coverage.json").read_text())["percent"] == 100
