"""The layers of the package: a module imports only lower ones, and nothing is imported inside of a function."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import django_avp

ROOT = Path(django_avp.__file__).parent

# From the lowest layer up; a package's modules are listed where they differ from it.
LAYERS = [
    {"django_avp", "exceptions", "cedar", "observing"},
    {"values", "declarations", "expressions", "policy_files", "typed_settings"},
    {"conf"},
    {"tokens", "schema_json", "policy_files", "references", "vocabulary", "signals"},
    {"schema"},
    {"needs", "slicing"},
    {"policies", "identity", "entities"},
    {"engines.base", "engines.keys", "users"},
    {"engines", "engines.cedar", "reporting", "questions", "recording", "rounds"},
    {"filtering"},
    {"runtime"},
    {"asker", "lists", "explanation", "readiness"},
    {"deciding"},
    {"authorization"},
    {"gates", "templating", "responses", "identification", "headers"},
    {"planning"},
    {
        "admin",
        "backends",
        "middleware",
        "decorators",
        "mixins",
        "shortcuts",
        "templatetags",
        "jinja2",
        "testing",
        "receivers",
        "deferred",
        "telemetry",
        "http",
        "panels",
        "rest_framework",
    },
    {"signin", "usage", "ninja", "deployment", "costs"},
    {"validation", "schema_files"},
    {"checks", "management"},
    {"signin.checks"},
    {"apps"},
]


# What only some sites use.
EXTRAS = [
    "authlib",
    "boto3",
    "debug_toolbar",
    "django.contrib.admin",
    "drf_spectacular",
    "jinja2",
    "ninja",
    "opentelemetry",
    "pytest",
    "requests",
    "rest_framework",
    "yaml",
]

# Modules that stand higher or lower than their package.
APART = {name for layer in LAYERS for name in layer if "." in name}


def modules():
    return sorted(ROOT.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "django_avp"


def layer_of(name):
    for number, layer in enumerate(LAYERS):
        if name in layer or (name.partition(".")[0] in layer and name not in APART):
            return number
    raise AssertionError(f"{name} has no layer: add it to LAYERS, or put it where it belongs.")


def type_checking_imports(tree):
    return {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for child in ast.walk(node)
    }


def imported(node):
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names]


def own_imports(tree):
    skipped = type_checking_imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in skipped:
            for name in imported(node):
                if name.partition(".")[0] == "django_avp":
                    yield name.removeprefix("django_avp").removeprefix(".") or "django_avp"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_lower_layers_or_its_own_package(path):
    """Imports go down, so there are no cycles, and the core knows no adapter."""
    own = name_of(path)
    for name in own_imports(ast.parse(path.read_text())):
        same_package = name.partition(".")[0] == own.partition(".")[0]
        assert same_package or layer_of(name) < layer_of(own), f"{own} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nothing_is_imported_inside_of_a_function(path):
    """What a module needs is written at its top."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [node for function in functions for node in ast.walk(function)]

    assert not [node.lineno for node in inside if isinstance(node, ast.Import | ast.ImportFrom)]


@pytest.mark.parametrize("name", ["exceptions", "cedar", "conf", "identity", "policies", "schema", "references"])
def test_the_core_does_not_know_http(name):
    """Tokens, identity, Cedar's nouns and engines are of use without a request."""
    tree = ast.parse((ROOT / f"{name}.py").read_text())
    skipped = type_checking_imports(tree)
    names = [
        module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in skipped
        for module in imported(node)
    ]

    assert not [module for module in names if module.startswith("django.http")]


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_imported_only_by_its_own_module(extra):
    """Django, PyJWT and cedarpy are enough to run."""
    own = {
        "authlib": {"signin.client"},
        "requests": {"signin.client"},
        "boto3": {"engines.verified_permissions.client"},
        "debug_toolbar": {"panels.panel"},
        "django.contrib.admin": {name_of(path) for path in (ROOT / "admin").glob("*.py")},
        "drf_spectacular": {"rest_framework.openapi"},
        "jinja2": {"jinja2"},
        "ninja": {"ninja"},
        "opentelemetry": {"telemetry"},
        "pytest": {"testing.plugin", "testing.policy_tests"},
        "yaml": {"testing.policy_yaml"},
        "rest_framework": {name_of(path) for path in (ROOT / "rest_framework").glob("*.py")},
    }.get(extra, set())
    users = {
        name_of(path)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in imported(node)
        if module == extra or module.startswith(f"{extra}.")
    }

    assert users <= own


def test_functions_and_modules_stay_short():
    """A function fits on a screen, a module holds one thing."""
    for path in modules():
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno <= 40, f"{name_of(path)}.{node.name}"


def public_definitions(body):
    """Classes and functions that users may meet, not those inside of a function or of a class with its own bases.

    A method of a subclass is documented where it is declared first.
    """
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and not node.bases:
                yield from public_definitions(node.body)


def test_every_public_name_is_documented():
    """Modules, public classes and public functions say what they are for."""
    for path in modules():
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), name_of(path)
        for node in public_definitions(tree.body):
            assert ast.get_docstring(node), f"{name_of(path)}.{node.name}"
