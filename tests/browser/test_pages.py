"""Every page as a browser meets it: under its content security policy, and within the width of the screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from example_project.headers import ADMIN_POLICY, API_POLICY, POLICY
from example_project.signin.personas import MIRA, OLIVIA
from tests.browser.pages import PAGES

WIDTHS = "[document.scrollingElement.scrollWidth, document.documentElement.clientWidth]"
# A script in the page: what an attacker would put there.
INTRUDER = """
    () => { const script = document.createElement("script");
            script.textContent = "document.title = 'taken over'";
            document.body.append(script);
            return document.title; }
"""


@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(name, visit):
    """Its policy is the strict one, which nothing in it violates; no line of it is wider than the screen."""
    persona, path, status = PAGES[name]
    visitor = visit(persona)
    answer = visitor.open(path, status=status)

    assert answer.header_value("Content-Security-Policy") == POLICY
    expect(visitor.page.get_by_role("heading", level=1)).to_have_count(1)
    width, available = visitor.page.evaluate(WIDTHS)
    assert width <= available


@pytest.mark.parametrize(
    "path", ["", "photos/photo/", "photos/photo/1/change/", "photos/photo/1/delete/", "photos/album/1/change/"]
)
def test_admin_works_under_its_policy(path, visit):
    """Django's admin, whose scripts are files."""
    visitor = visit(OLIVIA)
    answer = visitor.open(f"/admin/{path}")

    assert answer.header_value("Content-Security-Policy") == ADMIN_POLICY


@pytest.mark.parametrize("path", ["", "photos/", "photos/1/", "albums/", "albums/summer-2026/photos/"])
def test_browsable_api_works_under_its_policy(path, visit):
    """REST framework's pages, with the answer that programs get."""
    visitor = visit(MIRA)
    answer = visitor.open(f"/api/{path}")

    assert answer.header_value("Content-Security-Policy") == API_POLICY
    expect(visitor.page.locator(".response-info")).to_contain_text("HTTP 200 OK")


def test_swagger_tries_the_api(visit):
    """Swagger UI shows the operations, and asks one of them in the session of the user."""
    visitor = visit(MIRA)
    answer = visitor.open("/api/docs/")
    assert answer.header_value("Content-Security-Policy") == API_POLICY
    operation = visitor.page.locator("#operations-photos-photos_retrieve")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_placeholder("id").fill("1")
    operation.get_by_role("button", name="Execute").click()

    expect(operation.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")
    expect(operation.locator(".live-responses-table")).to_contain_text("First light on the ridge")


def test_what_a_policy_refuses_is_noticed(visit):
    """A script that is put into a page does not run, and the visit remembers the attempt, as it would in every test."""
    visitor = visit(OLIVIA)
    visitor.open("/photos/1/")
    assert visitor.page.evaluate(INTRUDER) == "First light on the ridge · PhotoFlash"
    visitor.page.evaluate("document.readyState")

    assert "error: violates script-src-elem: inline" in [text for _, text in visitor.notes]
    visitor.notes.clear()
