"""People in front of the example: Chromium, on a phone and on a desktop, and what none of its pages may cause.

``make browser`` names the browser in ``CHROMIUM``; without it these tests are left out. Playwright runs an event loop
in this thread, so nothing here asks Django's database: the example is another process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from example_project.signin.personas import Persona
from tests.browser.visitor import Visitor
from tests.example.conftest import demo, server, site, truth

__all__ = ["demo", "server", "site", "truth"]

CHROMIUM = os.environ.get("CHROMIUM")
collect_ignore_glob = [] if CHROMIUM else ["test_*.py"]

SCREENS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}
ARGUMENTS = [
    "--no-sandbox",  # there is none for root, as which containers run; the pages are our own
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield browser
        browser.close()


@pytest.fixture(params=SCREENS)
def screen(request) -> dict:
    """A size of screen; a test that uses it runs on each."""
    return SCREENS[request.param]


@pytest.fixture(scope="session")
def cookies() -> dict[Persona, dict]:
    """The cookies of users who have signed in."""
    return {}


@pytest.fixture
def visit(chromium, server, screen, cookies) -> Iterator[Callable[..., Visitor]]:
    """Begin a visit: ``visit()`` as a stranger, ``visit(OLIVIA)`` in a session that other tests go on with.

    A test that ends the session signs in by itself: ``visit().sign_in(OLIVIA)``. Further keywords are those of
    Playwright's ``new_context``. When the test is over, no visit may have met a fault.
    """
    visitors = []

    def begin(persona=None, **options) -> Visitor:
        state = cookies.get(persona)
        context = chromium.new_context(base_url=server.url, storage_state=state, **screen, **options)
        visitor = Visitor(context, server.url)
        visitors.append(visitor)
        if persona is not None and state is None:
            visitor.sign_in(persona)
            cookies[persona] = context.storage_state()
        return visitor

    yield begin
    faults = [fault for visitor in visitors for fault in visitor.leave()]
    assert faults == []
