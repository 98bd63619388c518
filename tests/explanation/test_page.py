"""The page about explanations is true: its output is the command's, its tables are the code's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import django_avp.explanation
from django_avp.explanation import ERRORS
from tests.example.conftest import Demo

PAGE = Path(__file__).parents[2] / "docs" / "explaining.md"


def section(title):
    """The text below a heading."""
    return re.split(r"^## ", PAGE.read_text().partition(f"## {title}\n")[2], flags=re.MULTILINE)[0]


def rows(text):
    """The cells of a table, without its head."""
    lines = re.findall(r"^\|(.+)\|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines if not line.startswith("---")][1:]


def test_the_output_is_the_commands(tmp_path):
    """Every console block is what the example prints after ``make demo`` has set it up."""
    demo = Demo(tmp_path / "data")
    for arguments in (["migrate", "--verbosity=0"], ["seed_demo"]):
        assert demo.manage(*arguments).returncode == 0
    shown = re.findall(r"^```console\n\$ ([^\n]+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(shown) == 4
    for command, output in shown:
        words = shlex.split(command)
        assert words[:2] == ["python", "manage.py"]
        assert demo.manage(*words[2:]).stdout == output


def test_the_codes_of_errors_are_the_codes():
    """Each with its own words."""
    assert {row[0].strip("`"): row[1] for row in rows(section("Policies that cannot be evaluated"))} == ERRORS


def test_the_codes_of_refusals_are_the_codes():
    """There is none that the page does not have, and none that there is not."""
    source = (Path(django_avp.explanation.__file__).parent / "refusals.py").read_text()
    codes = set(re.findall(r'Refusal\(\s*"(\w+)"', source)) | {"token_…"}
    told = {code for row in rows(section("Checks that reach no policy")) for code in re.findall(r"`([^`]+)`", row[0])}
    assert told == codes
