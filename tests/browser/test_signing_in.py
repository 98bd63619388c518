"""Signing in and out as people do it, and what is left afterwards."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from example_project.signin.personas import CARLOS, HUGO, OLIVIA, PERSONAS, VICTOR

everybody = pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.slug)


def assert_nothing_personal(visitor, persona):
    """Whoever sits there now reads neither a name nor a photo."""
    page = visitor.page
    expect(page.get_by_role("banner")).not_to_contain_text(persona.name)
    expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
    expect(page.locator(".card, .detail, .what")).to_have_count(0)


@everybody
def test_everybody_signs_in_and_out(persona, visit):
    """Each user of the demo is greeted in the gallery, and is gone after signing out."""
    visitor = visit()
    visitor.sign_in(persona)

    banner = visitor.page.get_by_role("banner")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Gallery")
    expect(banner).to_contain_text(persona.role)
    expect(visitor.page.get_by_role("status")).to_contain_text(persona.name)
    visitor.sign_out()
    expect(visitor.page.get_by_role("status")).to_contain_text("You are signed out.")
    assert_nothing_personal(visitor, persona)


def test_signing_in_leads_back(visit):
    """Whoever was asked to sign in on the way to a photo comes to that photo."""
    visitor = visit()
    visitor.open("/photos/1/")
    visitor.choose(OLIVIA)

    assert visitor.page.url == f"{visitor.home}/photos/1/"


def test_another_user_takes_over(visit):
    """Switching the user leaves nothing of the last one: name, buttons and photos are those of the new one."""
    visitor = visit()
    visitor.sign_in(OLIVIA)
    visitor.follow(visitor.page.get_by_role("link", name="Switch user"))
    visitor.choose(VICTOR)
    visitor.open("/photos/1/")

    expect(visitor.page.get_by_role("banner")).not_to_contain_text(OLIVIA.name)
    assert visitor.offers() == {("ViewAlbum", "Album::summer-2026")}


@pytest.mark.parametrize("path", ["/", "/photos/1/", "/what-may-i-do/"])
def test_back_button_shows_nothing_after_signing_out(path, visit):
    """Who presses the back button is asked to sign in: no browser keeps a page that was for one user."""
    visitor = visit()
    visitor.sign_in(HUGO)
    visitor.open(path)
    visitor.sign_out()
    visitor.page.go_back(wait_until="commit")

    assert_nothing_personal(visitor, HUGO)


def test_copied_cookies_are_worthless_after_signing_out(visit):
    """Whoever copied all cookies of a session is the user until they sign out, and then nobody."""
    visitor, thief = visit(), visit()
    visitor.sign_in(CARLOS)
    thief.context.add_cookies(visitor.context.cookies())
    thief.open("/")
    expect(thief.page.get_by_role("banner")).to_contain_text(CARLOS.name)
    visitor.sign_out()
    thief.open("/")

    assert_nothing_personal(thief, CARLOS)


def test_scripts_cannot_read_the_session(visit):
    """The session's cookie is for HTTP alone, and no token is kept where a script could find it."""
    visitor = visit(OLIVIA)
    visitor.open("/")

    (session,) = [cookie for cookie in visitor.context.cookies() if cookie["name"] == "sessionid"]
    assert session["httpOnly"]
    assert session["sameSite"] == "Lax"
    assert "sessionid" not in visitor.page.evaluate("document.cookie")
    assert visitor.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
