"""Django's admin in a browser, where its scripts run: lists, forms and actions by the policies of the other pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from example_project.signin.personas import CARLOS, MIRA, NADIA, OLIVIA, SAM
from tests.browser.test_acting import hide, upload

PHOTOS = "/admin/photos/photo/"


def number(path):
    """The primary key in the address of a photo."""
    return path.strip("/").rpartition("/")[2]


def select(visitor, path, action):
    """Tick a photo in a list that shows no other, and have an action done to it."""
    visitor.open(f"{PHOTOS}?id__exact={number(path)}")
    visitor.page.locator("#result_list tbody").get_by_role("checkbox").check()
    expect(visitor.page.locator(".action-counter")).to_have_text("1 of 1 selected")
    visitor.page.locator("select[name=action]").select_option(label=action)
    visitor.follow(visitor.page.locator("button[name=index]"))


@pytest.mark.parametrize("persona", [OLIVIA, MIRA, SAM, NADIA], ids=lambda persona: persona.slug)
def test_list_shows_what_policies_decide(persona, visit, truth):
    """The photos that the gallery shows, and no others."""
    visitor = visit(persona)
    visitor.open(PHOTOS)

    links = visitor.page.locator("#result_list tbody th a").evaluate_all("links => links.map(link => link.pathname)")
    assert {int(path.removeprefix(PHOTOS).partition("/")[0]) for path in links} == set(truth.gallery(persona))


def test_owner_publishes_by_an_action(visit):
    """A private photo is selected and made public, after which whoever was refused sees it."""
    olivia, mira = visit(OLIVIA), visit(MIRA)
    path = upload(olivia, "summer-2026", "Published by an action")
    hide(olivia, path)
    mira.open(path, status=403)
    select(olivia, path, "Make selected photos public")

    expect(olivia.page.locator("#result_list tbody").get_by_role("img", name="True")).to_be_visible()
    mira.open(path)


def test_moderator_deletes_and_does_not_edit(visit):
    """A moderator's form of a public photo cannot be saved, and the action that deletes asks first and then does it."""
    carlos, mira = visit(CARLOS), visit(MIRA)
    path = upload(carlos, "summer-2026", "Deleted by an action")
    mira.open(f"{PHOTOS}{number(path)}/change/")
    # A link, which newer Djangos call a button.
    delete = [mira.page.get_by_role(role, name="Delete", exact=True) for role in ("link", "button")]
    expect(delete[0].or_(delete[1])).to_be_visible()
    expect(mira.page.get_by_role("button", name="Save")).to_have_count(0)
    select(mira, path, "Delete selected photos")
    mira.follow(mira.page.locator("main input[type=submit]"))

    expect(mira.page.get_by_text("Successfully deleted 1 photo.")).to_be_visible()
    carlos.open(path, status=404)


def test_form_saves(visit):
    """The form with its script for choosing tags changes a photo."""
    olivia = visit(OLIVIA)
    path = upload(olivia, "summer-2026", "Tagged in the admin")
    olivia.open(f"{PHOTOS}{number(path)}/change/")
    olivia.page.locator("#id_tags_from").select_option(label="press")
    olivia.page.locator("#id_tags_add, #id_tags_add_link").click()
    olivia.follow(olivia.page.get_by_role("button", name="Save", exact=True))
    olivia.open(path)

    expect(olivia.page.locator(".tag-press")).to_be_visible()
