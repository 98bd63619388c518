"""The example with the debug toolbar: off by itself, and the same strict pages with it."""

from __future__ import annotations

import re
import sys

import pytest

from tests.example.conftest import Browser, Page
from tests.processes import serving

PANEL = "AuthorizationPanel"


@pytest.fixture(scope="module")
def watched(demo, tmp_path_factory):
    """The example with the toolbar, where an account owner is signed in."""
    command = [sys.executable, "manage.py", "runserver", "--noreload", "--no-color", "127.0.0.1:{port}"]
    log = tmp_path_factory.mktemp("toolbar") / "server.log"
    with serving(command, demo.environment(DJANGO_DEBUG_TOOLBAR="on"), log) as url, Browser(url) as browser:
        browser.sign_in("olivia")
        yield browser
    assert "Internal Server Error" not in log.read_text(), log.read_text()


def opened(watched, response):
    """What the toolbar shows when the panel is opened, and what it fetches."""
    query = {"request_id": response.headers["djdt-request-id"], "panel_id": PANEL}
    fetched = watched.get("/__debug__/render_panel/", params=query)
    assert fetched.status_code == 200
    return fetched.json()["content"]


def directives(response):
    policy = response.headers["Content-Security-Policy"]
    parts = [part.strip().partition(" ")[::2] for part in policy.split(";")]
    assert len(dict(parts)) == len(parts)
    return dict(parts)


@pytest.mark.parametrize(
    ("address", "gate"),
    [
        ("/", "photos.views.Gallery"),
        ("/photos/1/", "photos.views.PhotoDetail"),
        ("/photos/1/edit/", "photos.views.PhotoEdit"),
    ],
)
def test_pages_have_a_panel_and_take_one_round(watched, address, gate):
    """The toolbar changes nothing about a page's round, and shows it."""
    response = watched.get(address)

    assert re.search(r"<small>1 round, \d+ checks, \d+\.\d ms</small>", response.text)
    assert f"gate of example_project.{gate}" in opened(watched, response)
    assert "This request needed" not in opened(watched, response)


def test_the_admin_and_the_api_have_a_panel(watched):
    """The list of the admin is one round, that of the API its gate and its rows."""
    assert "photos.admin.PhotoAdmin.changelist_view" in opened(watched, watched.get("/admin/photos/photo/"))
    assert "This request needed 2 rounds." in opened(watched, watched.get("/api/photos/"))


def test_the_policy_of_a_page_lets_in_the_toolbar_and_nothing_else(watched):
    """Its script is named by a nonce that no other response has."""
    first, second = (directives(watched.get("/")) for _ in "ab")

    assert first["default-src"] == "'none'"
    assert first["style-src"] == first["connect-src"] == first["font-src"] == "'self'"
    assert re.fullmatch(r"'nonce-[\w-]{22}' 'strict-dynamic'", first["script-src"])
    assert first["script-src"] != second["script-src"]


def test_nothing_of_the_toolbar_is_inline(watched):
    """Its scripts are files, and have the nonce of the page."""
    response = watched.get("/")
    nonce = re.search(r"'nonce-([\w-]+)'", response.headers["Content-Security-Policy"])[1]

    scripts = re.findall(r"<script[^>]*>", response.text)
    assert len(scripts) == 1
    assert f'nonce="{nonce}"' in scripts[0]
    assert "src=" in scripts[0]
    assert set(Page(response.text).inline) == {"script"}
    assert Page(opened(watched, response)).inline == []


@pytest.mark.parametrize("start", ["/admin/", "/api/photos/"])
def test_pages_with_scripts_keep_their_policy(watched, start):
    """They allow files of this site already."""
    assert directives(watched.get(start))["script-src"] == "'self'"
    assert directives(watched.get(start))["font-src"] == "'self'"


def test_no_page_shows_a_token(watched):
    """Nor do the panels that the example has."""
    response = watched.get("/")
    session = watched.cookies["sessionid"]
    shown = [response.text, opened(watched, response)]
    for panel in ("HistoryPanel", "TimerPanel", "TemplatesPanel"):
        query = {"request_id": response.headers["djdt-request-id"], "panel_id": panel}
        shown.append(watched.get("/__debug__/render_panel/", params=query).json()["content"])

    assert all(len(text) > 100 for text in shown)
    # A JWT has a header and claims; the history also shows the code of the sign-in, which is worth nothing any more.
    assert not [text for text in shown if re.search(r"eyJ[\w-]+\.eyJ", text) or session in text]


@pytest.mark.parametrize("debug", ["on", "off"])
def test_there_is_no_toolbar_by_itself(debug, demo):
    """It takes the variable, and DEBUG."""
    code = "import django; django.setup(); from django.conf import settings; print(settings.DEBUG_TOOLBAR)"
    toolbar = {"on": "", "off": "on"}[debug]

    process = demo.python("-c", code, DJANGO_DEBUG=debug, DJANGO_DEBUG_TOOLBAR=toolbar)

    assert process.stdout.strip() == "False", process.stderr


def test_the_toolbar_passes_the_checks(demo):
    """System checks have nothing to say about it, with a gate before every view."""
    process = demo.manage("check", "--fail-level", "WARNING", DJANGO_DEBUG_TOOLBAR="on")

    assert process.returncode == 0, process.stderr
