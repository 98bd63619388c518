"""What pyproject.toml declares is needed, and what django_avp imports is declared: by the extra that is for it."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions

from packaging.version import Version

from tests.floors import OURS, declared, floors
from tests.processes import ROOT

PACKAGE = ROOT / "django_avp"
# Modules that an extra is for, the most exact last; all else is there without any.
EXTRAS = {
    "costs": "aws",
    "deployment": "aws",
    "engines/synced": "aws",
    "engines/verified_permissions": "aws",
    "management/commands/avp_sync.py": "aws",
    "jinja2.py": "jinja2",
    "ninja.py": "ninja",
    "panels": "toolbar",
    "rest_framework": "drf",
    "rest_framework/openapi.py": "openapi",
    "signin": "signin",
    "telemetry.py": "opentelemetry",
    "testing": "testing",
    # The endpoint is a program, and the kit works under any runner.
    "testing/endpoint": "",
}
# Distributions that others of ours bring along as a part of themselves.
PARTS = {"asgiref": "django", "botocore": "boto3", "cryptography": "pyjwt"}
# Not imported, and needed: whose fixtures and database handling the plugin's users have.
UNIMPORTED = {"pytest-django"}


def imported():
    """Each module with the distributions that have what it imports: several have parts of `opentelemetry`."""
    distributions = packages_distributions()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            for name in {name.partition(".")[0] for name in names}:
                if name not in sys.stdlib_module_names and name != "django_avp":
                    found = {distribution.lower() for distribution in distributions[name]}
                    yield path.relative_to(PACKAGE).as_posix(), {PARTS.get(one, one) for one in found}


def extra_of(module):
    """The extra that a module is for."""
    found = [prefix for prefix in EXTRAS if module == prefix or module.startswith(f"{prefix}/")]
    return EXTRAS[max(found, key=len)] if found else ""


def test_what_is_imported_is_declared():
    """By the extra of the module, or for everybody."""
    groups = declared()
    strangers = [
        (module, names)
        for module, names in imported()
        if names.isdisjoint(groups[""]) and names.isdisjoint(groups[extra_of(module)])
    ]
    assert strangers == []


def test_what_is_declared_is_imported():
    """Nothing is installed that nothing needs."""
    needed = UNIMPORTED.union(*(names for _, names in imported()))
    groups = declared()
    assert {extra: set(names) - needed for extra, names in groups.items() if extra not in OURS} == {
        extra: set() for extra in groups.keys() - OURS
    }


def test_every_dependency_has_a_lowest_version_and_is_pinned_above_it():
    """One that is tested with; and the pinned one is not below it."""
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    versions = {name.lower(): Version(version) for name, version in pinned.items()}
    assert floors().keys() >= {"django", "pyjwt", "cedarpy", "boto3", "djangorestframework"}
    for names in declared().values():
        for name, lowest in names.items():
            assert versions[name] >= Version(lowest), name


def test_safeguards_that_are_switched_off_have_a_reason():
    """Each `noqa` of ruff's security rules says why, in the package and in the example."""
    silent = [
        f"{path.relative_to(ROOT)}:{number}"
        for directory in ("django_avp", "example_project")
        for path in (ROOT / directory).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"# noqa: S\d+\s*$", line)
    ]
    assert silent == []
