"""The example on a local endpoint in the place of Amazon Verified Permissions: the same pages for everybody."""

from __future__ import annotations

import sys

import pytest

from example_project.signin.personas import PERSONAS
from tests.example.conftest import Browser
from tests.example.test_site import merged
from tests.processes import serving


@pytest.fixture(scope="module")
def remote_url(demo, tmp_path_factory):
    """The example behind ``runserver``, deciding over the wire."""
    logs = tmp_path_factory.mktemp("logs")
    serve = [sys.executable, "manage.py", "avp_serve", "--port={port}"]
    run = [sys.executable, "manage.py", "runserver", "--noreload", "--no-color", "127.0.0.1:{port}"]
    with serving(serve, demo.environment(), logs / "endpoint.log") as endpoint:
        environment = demo.environment(
            AVP_ENGINE="django_avp.engines.verified_permissions.VerifiedPermissionsEngine",
            AVP_POLICY_STORE_ID="local",
            AWS_ENDPOINT_URL=endpoint,
            AWS_REGION="eu-west-1",
            AWS_ACCESS_KEY_ID="local",
            AWS_SECRET_ACCESS_KEY="local",  # noqa: S106
        )
        with serving(run, environment, logs / "site.log") as url:
            yield url


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.slug)
def test_everybody_sees_the_same(persona, remote_url, truth):
    """Every photo with its buttons, as Cedar alone decides them; a page of 103 checks is four calls."""
    with Browser(remote_url) as browser:
        browser.sign_in(persona.slug)
        assert merged(browser.gallery()) == truth.gallery(persona)
        timing = browser.get("/").headers["Server-Timing"]

    assert '"1 round, 4 calls, 103 checks"' in timing
