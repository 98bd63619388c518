"""The example on a local endpoint in the place of Amazon Verified Permissions: the same answers for everybody."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter

import pytest

from example_project.signin.personas import PERSONAS
from tests.example.conftest import Browser
from tests.example.test_site import merged
from tests.processes import serving

ENGINES = {
    "cedar": "django_avp.engines.cedar.CedarEngine",
    "synced": "django_avp.engines.synced.SyncedEngine",
    "verified_permissions": "django_avp.engines.verified_permissions.VerifiedPermissionsEngine",
}


@pytest.fixture(scope="module")
def variables(demo, tmp_path_factory):
    """The environment of the example on a local endpoint."""
    serve = [sys.executable, "manage.py", "avp_serve", "--port={port}"]
    with serving(serve, demo.environment(), tmp_path_factory.mktemp("logs") / "endpoint.log") as endpoint:
        yield {
            "AVP_ENGINE": ENGINES["verified_permissions"],
            "AVP_POLICY_STORE_ID": "local",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }


@pytest.fixture(scope="module", params=["synced", "verified_permissions"])
def remote(request, demo, variables, tmp_path_factory):
    """The example behind ``runserver`` on a policy store: its address, and whether it asks the service."""
    run = [sys.executable, "manage.py", "runserver", "--noreload", "--no-color", "127.0.0.1:{port}"]
    log = tmp_path_factory.mktemp("logs") / "site.log"
    environment = demo.environment(**{**variables, "AVP_ENGINE": ENGINES[request.param]})
    with serving(run, environment, log) as url:
        yield url, request.param == "verified_permissions"


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.slug)
def test_everybody_sees_the_same(persona, remote, truth):
    """Every photo with its buttons, as Cedar alone decides them; a page of 73 checks is three calls, or none."""
    url, is_asking = remote
    with Browser(url) as browser:
        browser.sign_in(persona.slug)
        deadline = time.monotonic() + 20
        while browser.get("/").status_code == 503:
            # The store is read in the background, and not by a request.
            assert time.monotonic() < deadline
        assert merged(browser.gallery()) == truth.gallery(persona)
        timing = browser.get("/").headers["Server-Timing"]

    # The gate, two questions about each of six albums, and two about each photo of a page that is open.
    checks = 13 + 2 * min(30, len(truth.gallery(persona)))
    calls = -(-checks // 30) if is_asking else 1
    assert f'"1 round, {calls} call{"s" * (calls > 1)}, {checks} checks"' in timing


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_decides_the_whole_matrix_by_the_same_policies(engine, demo, variables, truth):
    """Users × actions × photos, albums and the application: decision and determining policies are Cedar's own."""
    process = demo.python(
        "-m", "tests.example.matrix", DJANGO_SETTINGS_MODULE="example_project.settings",
        **{**variables, "AVP_ENGINE": ENGINES[engine]},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    matrix = json.loads(process.stdout)
    seen = Counter()
    for persona in PERSONAS:
        for question, (allowed, policies) in matrix[persona.slug].items():
            action, resource = question.split()
            verdict = truth.decide(persona, action, resource)
            assert (allowed, set(policies)) == (verdict.allowed, verdict.policies), (persona.slug, question)
            seen[allowed] += 1

    photos, albums = len(truth.photos), len(truth.albums)
    assert seen.total() == len(PERSONAS) * (3 * photos + 2 * albums + 1)
    assert min(seen.values()) > 100
