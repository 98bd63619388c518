"""What pages say of the benchmarks is what the last run has measured."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = re.compile(r"^\| ([a-z]\d+) \| [^|]+ \| ([^|]+) \|", re.MULTILINE)
QUOTED = re.compile(r"^\| [^|]+ \| ([^|]+) \| ([a-z]\d+) \|$", re.MULTILINE)


def test_the_readme_quotes_the_last_run():
    """Each figure is that of its row, to the last digit."""
    measured = dict(MEASURED.findall((ROOT / "benchmarks" / "RESULTS.md").read_text()))
    quoted = {row: figure for figure, row in QUOTED.findall((ROOT / "README.md").read_text())}

    assert len(quoted) > 10
    assert {row: measured[row] for row in quoted} == quoted
