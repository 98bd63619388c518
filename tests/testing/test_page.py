"""The page about testing is true: the tests that it shows run, and its report is what pytest prints."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from tests.following import Reader, blocks
from tests.processes import ROOT

PAGE = ROOT / "docs" / "testing.md"


@pytest.fixture
def project(started, tmp_path):
    """The project of the start with the files of the page, but for the tests that need a browser (`tests/browser`)."""
    shutil.copytree(started.directory, tmp_path, dirs_exist_ok=True)
    for block in blocks(PAGE, "python", "text", "yaml"):
        name = re.search(r"`([\w./]+)`:$", block.intro)
        if name and "chromium" not in block.text:
            (tmp_path / name[1]).write_text(block.text)
    return tmp_path


def test_the_tests_of_the_page_pass_and_cover_the_policies(project):
    """Its pytest tests, its YAML and the policy coverage that it shows are those of a real run."""
    options = "--avp-cov-fail-under=100 --avp-cov-report=term --avp-cov-report=json:coverage.json"
    with Reader(project) as reader:
        printed = reader.run(f"python -m pytest -q -p no:randomly {options}")

    shown = next(block.text for block in blocks(PAGE, "text") if block.text.startswith("Policy "))
    assert shown in printed
    assert "23 passed" in printed
    assert json.loads((project / "coverage.json").read_text())["percent"] == 100
