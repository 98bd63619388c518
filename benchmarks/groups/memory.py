"""What policies add to the memory of each worker process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.core import Case, Group, Row
from benchmarks.fixtures import Site
from benchmarks.footprint import PRINCIPALS
from benchmarks.photos.policies import POLICIES, mixture

__all__ = ["build"]

TURNS = 3
PARTS = {
    "loaded": "all of it",
    "cedarpy": "cedarpy's policy set, parsed by itself",
    "statements": "the statements with their texts and places",
    "references": "what policies refer to and mention",
    "rest": "what else is kept of them in Python, such as an index",
    "unused": "Python's heap that loading used and that is free again",
    "decided": f"added by deciding for {PRINCIPALS} principals",
}


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases: the parts of what a process has grown by, for few and for many policies."""
    sizes = [10, 300] if is_quick else [10, 10_000]
    few, many = (f"{number:,} policies: " + PARTS["loaded"] for number in sizes)
    site = Site(directory)
    cases = []
    for number in sizes:
        path = site.write(str(number), "\n".join([POLICIES, *mixture(number - 10)]))
        cases += _cases(f"{number:,} policies", Footprint(path))
    rows = [Row("m1", f"memory of a worker that {sizes[1]:,} policies add", many, few, "difference")]
    rows += [
        Row(f"m{number}", says, f"{sizes[1]:,} policies: {says}")
        for number, says in enumerate(list(PARTS.values())[1:], 2)
    ]
    return Group("Memory of a worker process", cases, rows, turns=TURNS)


class Footprint:
    """What a process of its own tells, asked anew when each part was taken."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._told: dict[str, int] = {}

    def part(self, name: str) -> Callable[[], int]:
        """What tells a part, in bytes."""

        def tell() -> int:
            if name not in self._told:
                self._told = self._ask()
            return self._told.pop(name)

        return tell

    def _ask(self) -> dict[str, int]:
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        command = [sys.executable, "-m", "benchmarks.footprint", str(self._directory)]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
        told: dict[str, int] = json.loads(run.stdout)
        return told


def _cases(name: str, footprint: Footprint) -> list[Case]:
    return [
        Case(f"{name}: {says}", footprint.part(part), unit="MB", clock="", is_meter=True)
        for part, says in PARTS.items()
    ]
