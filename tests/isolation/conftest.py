"""The site of many users, whose database and policies are made once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.isolation.people import PEOPLE
from tests.processes import PATIENCE, ROOT


@pytest.fixture(scope="package")
def environment(tmp_path_factory, mint):
    """The variables of the site, whose database is filled."""
    place = tmp_path_factory.mktemp("site")
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.isolation.settings",
        "SITE_DATABASE": str(place / "db.sqlite3"),
        "SITE_POLICIES": str(place / "policies"),
        "SITE_JWKS": json.dumps(mint.jwks),
    }
    command = [sys.executable, "-m", "tests.isolation.fill"]
    subprocess.run(command, cwd=ROOT, env=variables, check=True, timeout=PATIENCE)  # noqa: S603
    return variables


@pytest.fixture(scope="package")
def tokens(mint):
    """A token of each user."""
    return [mint.id_token(person.sub, groups=person.groups, **person.claims) for person in PEOPLE]
