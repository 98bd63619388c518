"""What all sites that are disturbed have in common: a service, a filled database, users, and the truth about them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from django_avp.testing.endpoint import Endpoint
from tests.engines.conftest import redis_url  # noqa: F401 - a fixture
from tests.faults.load import tokens
from tests.faults.sites import policy_store
from tests.processes import PATIENCE, ROOT


@pytest.fixture(scope="module")
def service(mint):
    """The policies of the test site in a store: as they are, and behind the default quotas."""
    with (
        Endpoint([policy_store(mint.pool)], jwks=mint.jwks) as free,
        Endpoint([policy_store(mint.pool)], jwks=mint.jwks, has_quotas=True) as limited,
    ):
        yield free, limited


@pytest.fixture(scope="module")
def filled(tmp_path_factory, mint):
    """The variables of a site, its users' tokens, and the truth."""
    made = tokens(mint)
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.faults.engine_settings",
        "SITE_DATABASE": str(tmp_path_factory.mktemp("site") / "db.sqlite3"),
        "SITE_JWKS": json.dumps(mint.jwks),
        "SITE_SETTINGS": "{}",
    }
    told = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "tests.faults.fill"],
        cwd=ROOT,
        env=variables,
        check=True,
        timeout=4 * PATIENCE,
        input=json.dumps(made),
        text=True,
        stdout=subprocess.PIPE,
    )
    return variables, made, json.loads(told.stdout)
