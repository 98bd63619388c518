"""What people do with photos, by clicks: what is permitted happens; what is not changes nothing, and is explained."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import expect

from example_project.signin.personas import CARLOS, MIRA, OLIVIA, SAM, VICTOR

# A form that no page has, with the CSRF token of a form that it does have.
FORGE = """
    action => {
        const form = Object.assign(document.createElement("form"), {method: "post", action});
        form.append(document.querySelector("[name=csrfmiddlewaretoken]").cloneNode());
        document.body.append(form);
        form.submit();
    }
"""


def upload(visitor, album, title):
    """Put a new public photo into an album, and have its address."""
    visitor.open(f"/albums/{album}/upload/")
    visitor.page.get_by_role("radio", name="Sea").check()
    visitor.page.get_by_label("Title").fill(title)
    visitor.page.get_by_label("Public").check()
    visitor.follow(visitor.page.get_by_role("button", name="Put it into"))
    return visitor.page.url.removeprefix(visitor.home)


def hide(visitor, path):
    """Make a photo private."""
    visitor.open(f"{path}edit/")
    visitor.page.get_by_label("Public").uncheck()
    visitor.follow(visitor.page.get_by_role("button", name="Save"))


@contextmanager
def archived(demo, album):
    """An album is archived until the block is left; no page of the example does that."""
    for value in (True, False):
        with closing(sqlite3.connect(demo.database)) as connection, connection:
            connection.execute("UPDATE photos_album SET archived = ? WHERE slug = ?", [value, album])
        if value:
            yield


def assert_refused(visitor, deed, *policies):
    """The page says what is refused, and by which policies; without any, that none permits it."""
    main = visitor.page.get_by_role("main")
    expect(main.get_by_role("heading")).to_have_text(f"You may not {deed}")
    assert main.locator(".reason code").all_text_contents() == list(policies)
    expect(main.get_by_text("No policy permits it.")).to_have_count(0 if policies else 1)


def test_contributor_uploads_edits_and_deletes(visit):
    """From the menu of the gallery to the photo's end, everybody else's pages following."""
    carlos, olivia = visit(CARLOS), visit(OLIVIA)
    page, status = carlos.page, carlos.page.get_by_role("status")
    carlos.open("/")
    page.locator("summary").click()
    carlos.follow(page.get_by_role("link", name="to Summer 2026"))
    page.get_by_role("radio", name="Aurora").check()
    page.get_by_label("Title").fill("Seen in a browser")
    carlos.follow(page.get_by_role("button", name="Put it into Summer 2026"))
    expect(status).to_have_text("“Seen in a browser” is in the album now.")
    path = page.url.removeprefix(carlos.home)
    olivia.open("/?q=Seen+in+a+browser")
    assert {("EditPhoto", f"Photo::{path.split('/')[2]}")} < olivia.offers()

    carlos.follow(page.get_by_role("link", name="Edit"))
    page.get_by_label("Title").fill("Seen again")
    page.get_by_label("press").check()
    carlos.follow(page.get_by_role("button", name="Save"))
    expect(status).to_have_text("“Seen again” is saved.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Seen again")
    expect(page.locator(".tag-press")).to_be_visible()

    carlos.follow(page.get_by_role("link", name="Delete"))
    carlos.follow(page.get_by_role("button", name="Delete for good"))
    expect(status).to_have_text("“Seen again” is deleted.")
    carlos.open(path, status=404)
    olivia.open("/?q=Seen+again")
    expect(olivia.page.get_by_text("Nothing that is open to you has this title.")).to_be_visible()


def test_form_tells_what_is_wrong(visit):
    """A photo without a title is not taken, and the rest of the form stays as it was filled in."""
    visitor = visit(CARLOS)
    visitor.open("/albums/night-skies/upload/")
    visitor.page.get_by_role("radio", name="City").check()
    visitor.page.get_by_label("press").check()
    visitor.follow(visitor.page.get_by_role("button", name="Put it into Night skies"))

    expect(visitor.page.get_by_text("This field is required.")).to_be_visible()
    expect(visitor.page.get_by_role("radio", name="City")).to_be_checked()
    expect(visitor.page.get_by_label("press")).to_be_checked()


def test_what_is_not_permitted_any_more_is_refused(visit):
    """A moderator asks to delete a photo that has become private since the page was opened: it stays."""
    carlos, mira = visit(CARLOS), visit(MIRA)
    path = upload(carlos, "summer-2026", "Public for a moment")
    mira.open(f"{path}delete/")
    hide(carlos, path)
    mira.follow(mira.page.get_by_role("button", name="Delete for good"), status=403)

    assert_refused(mira, "delete this photo")
    expect(mira.page.get_by_text("Nothing was changed.")).to_be_visible()
    mira.open(path, status=403)
    carlos.open(path)


def test_what_is_forbidden_meanwhile_is_refused(visit, demo):
    """The album is archived while its owner edits a photo: the form is refused by that policy, and the title stays."""
    olivia = visit(OLIVIA)
    path = upload(olivia, "night-skies", "Before the archive")
    olivia.follow(olivia.page.get_by_role("link", name="Edit"))
    olivia.page.get_by_label("Title").fill("After the archive")
    with archived(demo, "night-skies"):
        olivia.follow(olivia.page.get_by_role("button", name="Save"), status=403)
        assert_refused(olivia, "edit this photo", "archived-stays")
        olivia.open(path)
        expect(olivia.page.get_by_role("heading", level=1)).to_have_text("Before the archive")
        assert olivia.offers() == {("ViewAlbum", "Album::night-skies")}


def test_form_of_the_last_user_is_refused(visit, truth):
    """Somebody else signed in in another tab: the form that is still open is nobody's, and says so."""
    visitor = visit()
    visitor.sign_in(OLIVIA)
    visitor.open("/photos/1/edit/")
    form, visitor.page = visitor.page, visitor.context.new_page()
    visitor.open("/")
    visitor.follow(visitor.page.get_by_role("link", name="Switch user"))
    visitor.choose(VICTOR)
    visitor.page = form
    form.get_by_label("Title").fill("Nobody's title")
    visitor.follow(form.get_by_role("button", name="Save"), status=403)

    expect(form.get_by_role("heading", level=1)).to_have_text("This form is out of date")
    visitor.open("/photos/1/")
    expect(form.get_by_role("heading", level=1)).to_have_text(truth.photos[1]["title"])


@pytest.mark.parametrize(
    ("persona", "policies"), [(VICTOR, []), (SAM, ["suspended-no-changes"])], ids=["viewer", "suspended"]
)
def test_forged_form_is_refused(persona, policies, visit, truth):
    """A post that no page offers, with a valid CSRF token, meets the policies like any other."""
    visitor = visit(persona)
    pk = next(iter(truth.gallery(persona)))
    visitor.open(f"/photos/{pk}/")
    assert visitor.page.get_by_role("link", name="Delete").count() == 0
    with visitor.arriving(status=403):
        visitor.page.evaluate(FORGE, f"/photos/{pk}/delete/")

    assert_refused(visitor, "delete this photo", *policies)
    visitor.open(f"/photos/{pk}/")


def test_suspended_user_is_told_everywhere(visit, truth):
    """In the gallery, on a photo of their own, and where the address of a form is typed."""
    visitor = visit(SAM)
    pk = next(iter(truth.gallery(SAM)))
    visitor.open("/")
    cards = visitor.page.locator(".card")
    assert cards.count() == cards.get_by_text("suspended").or_(cards.get_by_text("nothing may change")).count() > 0
    visitor.open(f"/photos/{pk}/")
    expect(visitor.page.get_by_role("main").get_by_text("Your account is suspended.")).to_be_visible()
    visitor.open(f"/photos/{pk}/edit/", status=403)

    assert_refused(visitor, "edit this photo", *sorted(truth.decide(SAM, "EditPhoto", f"Photo::{pk}").policies))


def test_refusal_leads_on(visit):
    """From the page that refuses, a link leads to the explanation of this photo's decisions."""
    visitor = visit(VICTOR)
    visitor.open("/photos/1/edit/", status=403)
    visitor.follow(visitor.page.get_by_role("main").get_by_role("link", name="What may I do?"))

    assert visitor.page.url.endswith("/what-may-i-do/?photo=1")
