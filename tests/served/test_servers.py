"""The test site behind real servers: one round for every kind of page, sync and async, under WSGI and under ASGI."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import httpx
import pytest

from tests.processes import PATIENCE, ROOT, serving

SERVERS = {
    "wsgi": [sys.executable, "-m", "django", "runserver", "--noreload", "--no-color", "127.0.0.1:{port}"],
    "asgi": [sys.executable, "-m", "uvicorn", "--log-level=warning", "--port={port}", "tests.served.asgi:application"],
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory, mint):
    """The variables of the site, whose database is filled."""
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.served.settings",
        "SITE_DATABASE": str(tmp_path_factory.mktemp("site") / "db.sqlite3"),
        "SITE_JWKS": json.dumps(mint.jwks),
    }
    subprocess.run([sys.executable, "-m", "tests.served.fill"], cwd=ROOT, env=variables, check=True, timeout=PATIENCE)  # noqa: S603
    return variables


@pytest.fixture(scope="module", params=SERVERS)
def site_url(request, environment, tmp_path_factory):
    """The address of the site, served."""
    log = tmp_path_factory.mktemp("log") / "server.log"
    with serving(SERVERS[request.param], environment, log) as url:
        yield url


@pytest.mark.parametrize(
    ("path", "checks"),
    [
        ("/photos/2/", 4),
        ("/aphotos/2/", 4),
        ("/photos/", 91),
        ("/aphotos/", 91),
        ("/albums/", 64),
        ("/aalbums/", 64),
        ("/gallery/", 90),
        ("/agallery/", 90),
        ("/response/", 90),
        ("/aresponse/", 90),
    ],
)
def test_every_page_is_one_round(site_url, mint, path, checks):
    """Detail page, gallery, and photos in albums: gate and buttons together, and nobody named the buttons."""
    token = mint.id_token(sub="ann")
    response = httpx.get(
        site_url + path, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE, trust_env=False
    )

    assert response.status_code == 200, response.text
    assert f'desc="1 round, 1 call, {checks} checks"' in response.headers["Server-Timing"]
    if checks == 4:
        assert response.text.strip() == "photo 1 edit list mfa"
    else:
        edits = re.findall(r"(\d+)(?::v?e|ed)", response.text)
        assert sorted(map(int, edits)) == list(range(2, 31, 2))
