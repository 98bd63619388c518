"""The lowest versions that pyproject.toml declares, as pip's constraints, and pytest's configuration for them.

``python -m tests.floors DIRECTORY``, a part of ``make floors``, writes both there. What only the tests need has the
version of constraints.txt.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from tests.processes import ROOT

# For work on this repository, and not for its users.
OURS = frozenset({"bench", "demo", "dev", "docs", "mutants", "screenshots"})
# Tests' own packages that are made for one version of a package of the users', and one that pip has to find for them.
FITTING = ("adrf", "opentelemetry-sdk")
FREE = frozenset({"schemathesis"})
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)")
# An old package may use what a newer one has deprecated; and before version 9 pytest has no strict mode.
CONFIGURATION = """\
[pytest]
pythonpath = .
filterwarnings =
    error
    ignore::DeprecationWarning
    ignore::PendingDeprecationWarning
DJANGO_SETTINGS_MODULE = tests.settings
django_find_project = false
"""


def declared() -> dict[str, dict[str, str]]:
    """The lowest version of each distribution, by extra; those without an extra stand below the empty name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: {match[1].lower(): match[2] for match in map(_REQUIREMENT.fullmatch, required) if match}
        for extra, required in groups.items()
    }


def floors() -> dict[str, str]:
    """The lowest versions that users may have."""
    groups = declared()
    fitting = {name: groups["dev"][name] for name in FITTING}
    return {name: version for extra in groups.keys() - OURS for name, version in groups[extra].items()} | fitting


def constraints() -> str:
    """What pip is held to: the lowest versions, and of what is for work on this repository the pinned ones."""
    lowest, groups = floors(), declared()
    tools = {name for extra in OURS for name in groups[extra]} - lowest.keys() - FREE
    pinned = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if re.split("==|;", line)[0].lower() in tools
    ]
    return "\n".join([*(f"{name}=={version}" for name, version in sorted(lowest.items())), *pinned, ""])


def main() -> None:
    """Write both files."""
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "floors.txt").write_text(constraints())
    (directory / "pytest.ini").write_text(CONFIGURATION)


if __name__ == "__main__":
    main()
