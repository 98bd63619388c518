"""What is offered is what the policies decide: by Cedar alone, from the policy files and the rows of the database."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from example_project.signin.personas import PERSONAS

everybody = pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.slug)

CHANGES = ("EditPhoto", "DeletePhoto")
# The table of decisions: by action, the answer and the policies behind it.
ANSWERS = """
    () => Object.fromEntries([...document.querySelectorAll("tbody tr")].map(row => [
        row.querySelector("th code").innerText,
        [...row.querySelectorAll(".yes, .no, td code")].map(element => element.innerText.trim()),
    ]))
"""


def allowed(truth, persona, actions, resource):
    """Those of some actions that the policies permit on a resource, each with it."""
    return {(action, resource) for action in actions if truth.decide(persona, action, resource).allowed}


def gallery(truth, persona, album=None):
    """What the gallery, or the page of an album, has to offer on all its pages together."""
    uploads = truth.albums if album is None else [album]
    offers = {offer for slug in truth.albums for offer in allowed(truth, persona, ["ViewAlbum"], f"Album::{slug}")}
    offers |= {offer for slug in uploads for offer in allowed(truth, persona, ["UploadPhoto"], f"Album::{slug}")}
    for pk in truth.gallery(persona, album=album):
        offers |= {("ViewPhoto", f"Photo::{pk}")} | allowed(truth, persona, CHANGES, f"Photo::{pk}")
    return offers


def leafed_through(visitor):
    """The offers of each page, one after the other, with the menu of uploads unfolded."""
    menu, older = visitor.page.locator("summary"), visitor.page.get_by_role("link", name="Older")
    while True:
        if menu.count():
            menu.click()
        yield visitor.offers()
        if not older.count():
            return
        visitor.follow(older)


def assert_offered(visitor, expected):
    """The pages show all photos among them, and each shows all that belongs to its photos and to the albums."""
    seen = set()
    for offers in leafed_through(visitor):
        shown = {resource for _, resource in offers if resource.startswith("Photo::")}
        assert offers == {offer for offer in expected if offer[1] in shown or offer[1].startswith("Album::")}
        seen |= offers
    assert seen == expected


def kinds(truth, persona):
    """A photo for each combination of decisions that a user meets, with the decisions."""
    found = {}
    for pk, photo in truth.photos.items():
        decisions = allowed(truth, persona, ["ViewPhoto", *CHANGES], f"Photo::{pk}")
        decisions |= allowed(truth, persona, ["ViewAlbum", "UploadPhoto"], f"Album::{photo['album']}")
        found.setdefault(frozenset(action for action, _ in decisions), (pk, decisions))
    return list(found.values())


@everybody
def test_the_gallery_offers_what_policies_decide(persona, visit, truth):
    """Photos, albums, uploads, and the buttons of every card, on all pages of the gallery."""
    visitor = visit(persona)
    visitor.open("/")

    assert_offered(visitor, gallery(truth, persona))


@everybody
def test_albums_offer_what_policies_decide(persona, visit, truth):
    """An album opens for those who may see it, with the same buttons; it is closed to others, who learn why."""
    visitor = visit(persona)
    for slug in truth.albums:
        verdict = truth.decide(persona, "ViewAlbum", f"Album::{slug}")
        visitor.open(f"/albums/{slug}/", status=200 if verdict.allowed else 403)
        if verdict.allowed:
            assert_offered(visitor, gallery(truth, persona, album=slug))
        else:
            expect(visitor.page.get_by_role("heading")).to_have_text("You may not see this album")
            assert visitor.page.locator(".reason code").all_text_contents() == sorted(verdict.policies)


@everybody
def test_photos_offer_what_policies_decide(persona, visit, truth):
    """A photo of every kind that a user meets: seen with its buttons, or not seen at all."""
    visitor = visit(persona)
    for pk, decisions in kinds(truth, persona):
        may_view = ("ViewPhoto", f"Photo::{pk}") in decisions
        visitor.open(f"/photos/{pk}/", status=200 if may_view else 403)

        offers = {offer for offer in decisions if offer[0] in ("ViewAlbum", *CHANGES)}
        assert visitor.offers() == (offers if may_view else set())


@everybody
def test_what_may_i_do_tells_what_policies_decide(persona, visit, truth):
    """Every action with its answer and the policies that determined it, for photos that are seen and others."""
    visitor = visit(persona)
    for pk, _ in kinds(truth, persona):
        album = f"Album::{truth.photos[pk]['album']}"
        questions = [("ListPhotos", "Application::default"), ("ViewAlbum", album), ("UploadPhoto", album)]
        questions += [(action, f"Photo::{pk}") for action in ("ViewPhoto", *CHANGES)]
        verdicts = {action: truth.decide(persona, action, resource) for action, resource in questions}
        visitor.open(f"/what-may-i-do/?photo={pk}")

        assert visitor.page.evaluate(ANSWERS) == {
            action: ["yes" if verdict.allowed else "no", *sorted(verdict.policies)]
            for action, verdict in verdicts.items()
        }
