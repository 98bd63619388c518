"""The policies of the example: each of them says something, and together they say what the site tells its users."""

from __future__ import annotations

import json
import re

import cedarpy
import pytest

from example_project.photos.explanations import PHRASES, REASONS
from example_project.signin.personas import CARLOS, HUGO, MIRA, NADIA, OLIVIA, PERSONAS, SAM, VICTOR
from tests.example.conftest import POLICIES, POOL, policy_text

FILES = sorted(POLICIES.glob("*.cedar"))
ID = re.compile(r'@id\("([^"]+)"\)')

# The actions, by what they are done to.
ACTIONS = {
    "Application": {"ListPhotos"},
    "Album": {"ViewAlbum", "UploadPhoto"},
    "Photo": {"ViewPhoto", "EditPhoto", "DeletePhoto"},
}


@pytest.fixture
def matrix(truth):
    """Every user, action and resource of the demo with the verdict."""
    resources = [
        "Application::default",
        *(f"Album::{slug}" for slug in truth.albums),
        *(f"Photo::{pk}" for pk in truth.photos),
    ]
    return {
        (persona, action, resource): truth.decide(persona, action, resource)
        for persona in PERSONAS
        for resource in resources
        for action in ACTIONS[resource.partition("::")[0]]
    }


def test_policies_are_valid():
    """The policies with all their shares pass Cedar's strict validation against the schema."""
    result = cedarpy.validate_policies(policy_text(), (POLICIES / "schema.cedarschema").read_text())

    assert result.validation_passed, result.errors


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_a_policy(path):
    """A file holds one policy, is called by its id and begins with what it means."""
    text = path.read_text()

    assert ID.findall(text) == [path.stem]
    assert len(re.findall(r"^(?:permit|forbid)\b", text, re.MULTILINE)) == 1
    assert text.startswith("// ")


def test_every_policy_matters(matrix):
    """Each policy determines an answer somewhere in the demo: a permit an allow, a forbid a denial."""
    texts = re.split(r"(?=@id)", policy_text())
    effects = {ID.search(text)[1]: re.search(r"^(permit|forbid)\b", text, re.MULTILINE)[1] for text in texts[1:]}
    permits = {name for verdict in matrix.values() if verdict.allowed for name in verdict.policies}
    forbids = {name for verdict in matrix.values() if not verdict.allowed for name in verdict.policies}

    assert permits == {name for name, effect in effects.items() if effect == "permit"}
    assert forbids == {name for name, effect in effects.items() if effect == "forbid"}


def test_every_action_is_allowed_and_denied(matrix):
    """No action is open to everybody or to nobody, but for entering the gallery."""
    answers = {action: set() for action in PHRASES}
    for (_, action, _), verdict in matrix.items():
        answers[action].add(verdict.allowed)

    assert answers.pop("ListPhotos") == {True}
    assert all(answer == {True, False} for answer in answers.values()), answers


def test_every_policy_is_explained():
    """Pages have a sentence for each policy and each share, and for no other."""
    shares = {link["newId"] for link in json.loads((POLICIES / "template-links.json").read_text())}
    templates = {path.stem for path in FILES if "?resource" in path.read_text()}

    assert set(REASONS) == {path.stem for path in FILES} - templates | shares


def test_users_are_as_the_sign_in_page_says(truth):
    """What the sign-in page says of each user is what the policies decide."""
    photos = {persona: truth.gallery(persona) for persona in PERSONAS}
    everything = {"edit", "delete"}

    def rows(**wanted):
        """The photos of which this is so."""
        return {pk for pk, row in truth.photos.items() if all(row[name] == value for name, value in wanted.items())}

    def of_account(account):
        return set().union(*(rows(album=slug) for slug, album in truth.albums.items() if album["account"] == account))

    def with_buttons(persona, buttons):
        return {pk for pk, found in photos[persona].items() if found == buttons}

    archive = rows(album="archive-2019")
    assert with_buttons(OLIVIA, everything) == of_account("northlight") - archive
    assert with_buttons(HUGO, everything) == of_account("harbour")
    assert with_buttons(CARLOS, everything) == rows(owner=CARLOS.principal_id(POOL)) - archive
    assert rows(album="front-pages") <= set(photos[CARLOS])
    uploads = {slug for slug in truth.albums if truth.decide(CARLOS, "UploadPhoto", f"Album::{slug}").allowed}
    assert uploads == {"summer-2026", "night-skies"}
    assert with_buttons(MIRA, {"delete"}) == rows(is_public=1) - archive
    assert with_buttons(MIRA, everything) == with_buttons(MIRA, {"edit"}) == set()
    assert rows(is_public=1) | rows(album="studio-drafts") <= set(photos[VICTOR])
    assert set(photos[SAM]) == rows(owner=SAM.principal_id(POOL))
    assert set() < set(photos[NADIA]) < set(photos[VICTOR])
    assert not any(buttons for persona in (VICTOR, SAM, NADIA) for buttons in photos[persona].values())
