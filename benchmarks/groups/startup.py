"""How long Django takes to start with django-avp, beside Django with what django-avp is built on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.core import Case, Group, Row, Wrong

__all__ = ["build"]

TURNS = 60
PLAIN, LIBRARIES, OURS = "Django", "Django, and import jwt, cedarpy", "Django with django_avp"
SERVING = "Django with django_avp, its middleware and its backend"
# Packages that a site may have, and that cost nothing where it does not use them with django-avp.
STRANGERS = ("asyncpg", "authlib", "boto3", "botocore", "debug_toolbar", "drf_spectacular", "httpx", "jinja2", "ninja")
STRANGERS += ("opentelemetry", "pytest", "redis", "requests", "rest_framework", "urllib3", "yaml")

CODE = """
import sys
from time import process_time
began = process_time()
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", *{apps}], SECRET_KEY="-")
{first}
django.setup()
{last}
print(process_time() - began, *({{name.partition(".")[0] for name in sys.modules}} & set({strangers})))
"""
CODES = {
    name: CODE.format(strangers=STRANGERS, **parts)
    for name, parts in {
        PLAIN: {"apps": (), "first": "", "last": ""},
        LIBRARIES: {"apps": (), "first": "import jwt, cedarpy", "last": ""},
        OURS: {"apps": ("django_avp",), "first": "", "last": ""},
        SERVING: {
            "apps": ("django_avp",),
            "first": "",
            "last": "import django_avp.middleware, django_avp.backends, django_avp.engines.cedar",
        },
    }.items()
}
BYTECODE = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases: each starts a Python, which tells how long the start of Django took it."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", *BYTECODE)
    }
    # All is compiled, as what pip installs is, wherever this package comes from.
    environment["PYTHONPYCACHEPREFIX"] = str(directory)
    return Group(
        "Starting Django",
        [
            Case(name, lambda code=code: float(_started(code, environment)[0]), unit="ms", is_meter=True)
            for name, code in CODES.items()
        ],
        [
            Row("l1", "what django_avp adds to django.setup()", OURS, LIBRARIES, "difference", at_most=40),
            Row("l2", "the same with middleware and backend imported", SERVING, LIBRARIES, "difference"),
            Row("l3", "what jwt and cedarpy take of it", LIBRARIES, PLAIN, "difference"),
        ],
        turns=TURNS,
        verify=lambda: _verify(environment),
    )


def _started(code: str, environment: Mapping[str, str]) -> list[str]:
    """What a new Python says."""
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return run.stdout.split()


def _verify(environment: Mapping[str, str]) -> None:
    """See that nothing is imported that django-avp can do without."""
    for name, code in CODES.items():
        found = _started(code, environment)[1:]
        if found:
            raise Wrong(f"{name} imports {', '.join(sorted(found))}.")
