"""The admin of the example: by the policies of its pages, and with no script or style but those in files."""

from __future__ import annotations

import json
import re

import pytest

from example_project.signin.personas import PERSONAS
from tests.example.conftest import Page
from tests.processes import ROOT

ADMIN_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
ROW = re.compile(r'href="/admin/photos/photo/(\d+)/change/')


def directives(response):
    policy = response.headers["Content-Security-Policy"]
    return dict(part.strip().partition(" ")[::2] for part in policy.split(";"))


def editable(truth, persona, action="EditPhoto"):
    """Photos that a user may see, with whether the policies permit an action."""
    return {pk: truth.decide(persona, action, f"Photo::{pk}").allowed for pk in truth.gallery(persona)}


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.slug)
def test_the_list_shows_what_the_policies_decide(persona, browse, truth):
    """The photos of the gallery, for users none of whom is staff; in one round."""
    response = browse(persona.slug).get("/admin/photos/photo/")

    assert {int(pk) for pk in ROW.findall(response.text)} == set(truth.gallery(persona))
    assert '"1 round, 1 call, ' in response.headers["Server-Timing"]


@pytest.mark.parametrize("slug", ["olivia", "victor"])
def test_a_form_has_the_buttons_that_the_policies_permit(slug, browse, truth):
    """Saving and deleting; in one round."""
    persona = next(persona for persona in PERSONAS if persona.slug == slug)
    for pk, is_permitted in editable(truth, persona).items():
        response = browse(slug).get(f"/admin/photos/photo/{pk}/change/")
        may_delete = truth.decide(persona, "DeletePhoto", f"Photo::{pk}").allowed

        assert ('name="_save"' in response.text) == is_permitted
        assert ('class="deletelink"' in response.text) == may_delete
        assert '"1 round, 1 call, ' in response.headers["Server-Timing"]


def test_a_stranger_signs_in_where_everybody_does(browser):
    """There is no password."""
    response = browser.get("/admin/")

    assert response.headers["Location"] == "/sign-in/?next=/admin/"
    assert browser.get("/admin/login/").headers["Location"] == "/sign-in/?next=/admin/"


def test_the_pages_hold_nothing_inline(browse, truth):
    """No script, style or handler in a page, so that they work under a policy that permits none."""
    pk = next(pk for pk, buttons in truth.gallery(PERSONAS[0]).items() if "delete" in buttons)
    for address in (
        "",
        "photos/",
        "photos/photo/",
        "photos/photo/?q=a",
        "photos/album/",
        "photos/album/1/change/",
        f"photos/photo/{pk}/change/",
        f"photos/photo/{pk}/delete/",
        f"photos/photo/{pk}/history/",
    ):
        response = browse("olivia").get(f"/admin/{address}")
        page = Page(response.text)
        # Scripts of other files are noted, too.
        scripts = response.text.count("<script src=") + response.text.count('<script id="django-admin-')

        assert response.status_code == 200, address
        assert directives(response) == ADMIN_POLICY
        assert page.inline == ["script"] * scripts, address
        assert re.findall(r"<script(?![^>]* src=)[^>]*>", response.text) == []


def test_a_list_of_five_hundred_costs_one_round(demo):
    """And at most two queries more than the same list for a superuser without policies."""
    process = demo.python(str(ROOT / "tests" / "example" / "admin_costs.py"), PYTHONPATH=str(ROOT))
    assert process.returncode == 0, process.stderr
    policies, plain = json.loads(process.stdout.splitlines()[-1])

    assert policies["rounds"] == 1
    assert policies["rows"] == plain["rows"] == 100
    assert policies["queries"] <= plain["queries"] + 2
