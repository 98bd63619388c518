"""What is found in policies, schema and code, one kind after the other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from django.db import connection
from django.urls import path

from django_avp.conf import conf
from django_avp.decorators import action_required
from django_avp.entities import ModelEntity, registry
from django_avp.validation import Severity, findings
from django_avp.validation.environments import environments
from django_avp.validation.sources import Sources
from tests.testapp.models import Album, Photo, Room

pytestmark = pytest.mark.django_db

HEAD = 'permit (principal, action == PhotoFlash::Action::"EditPhoto", resource)'


@pytest.fixture
def policies(tmp_path):
    """A directory with the test project's schema."""
    shutil.copy(Path(conf.policies[0]) / "schema.cedarschema", tmp_path)
    return tmp_path


@pytest.fixture
def find(policies):
    """Find what is wrong with a policy, formatting apart."""

    def run(text, code=None):
        (policies / "a.cedar").write_text(text)
        found = [finding for finding in findings([policies]) if finding.code != "format"]
        return [finding for finding in found if code is None or finding.code == code]

    return run


def test_right_policies_have_no_findings(find):
    """Neither templates, forbids nor paths are wrong in themselves."""
    assert not find(
        f'@id("a") {HEAD} when {{ resource.is_public && resource has owner && resource.owner == principal }};\n'
        '@id("b") forbid (principal == ?principal, action, resource in ?resource);\n'
        f'@id("c") {HEAD}\n'
        'when { principal has email && principal.email == "x" && resource.viewers.contains(principal) };'
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "excerpt"),
    [
        ("// a\npermit (principal, action, resource) whn { true };", 2, 38, "whn"),
        ("permit (principal, action, resource); permit (principal = 1, action, resource);", 1, 59, "1,"),
        (f"{HEAD}\nwhen {{ resource.titel == 1 }};", 2, 17, "titel"),
    ],
)
def test_what_is_broken_has_file_line_column_and_caret(find, policies, text, line, column, excerpt):
    """The caret stands below what Cedar complains of, and the other policies are looked at, too."""
    (found,) = find(text)

    assert (found.severity, found.place, found.column) == (Severity.ERROR, f"{policies / 'a.cedar'}:{line}", column)
    source, caret = found.excerpt.split("\n")
    assert source[caret.index("^") :].startswith(excerpt)
    assert found.text.startswith(f"{found.place}:{column}: error: ")
    assert "^" in found.text.split("\n")[2]


def test_every_broken_file_is_told(find, policies):
    """Schema, links and policies, with what is right beside them."""
    (policies / "schema.cedarschema").write_text("entity A = { b: Strin };")
    (policies / "template-links.json").write_text("[{}]")
    (policies / "b.cedar").write_bytes(b"\xff")

    found = find('@id("a") permit (principal, action, resource);\n@id("a") permit (principal, action, resource);')

    assert {(Path(one.place.rpartition(":")[0] or one.place).name, one.code) for one in found} >= {
        ("schema.cedarschema", "schema"),
        ("template-links.json", "syntax"),
        ("a.cedar", "syntax"),
    }
    assert any("cannot be read as UTF-8" in one.message for one in found)


def test_links_are_read_with_their_templates(find, policies):
    """One without a template is an error, and so is one that does not fill its slots with entities."""
    links = """[
      {"templateId": "t", "newId": "good", "values": {"?principal": {"type": "PhotoFlash::User", "id": "a"}}},
      {"templateId": "none", "newId": "lost", "values": {}},
      {"templateId": "t", "newId": "empty", "values": {}},
      {"templateId": "t", "newId": "bad", "values": {"?principal": {"type": "Photo Flash", "id": "a"}}}
    ]"""
    (policies / "template-links.json").write_text(links)

    found = find('@id("t") permit (principal is PhotoFlash::User in ?principal, action, resource);')

    assert [(one.place.rpartition(":")[2], one.code) for one in found] == [(line, "syntax") for line in "345"]
    assert "no template" in found[0].message
    assert all("slots" in one.message for one in found[1:])


@pytest.mark.parametrize(
    "condition",
    ["when { false }", "unless { true }", "when { resource is PhotoFlash::Album }", "when { principal has nothing }"],
)
def test_a_policy_that_never_applies_is_told(find, condition):
    """Cedar's own types show it, for templates, too."""
    (found,) = find(f"{HEAD} {condition};")
    assert (found.code, found.severity) == ("never-applies", Severity.WARNING)
    assert find(f"{HEAD} {condition};".replace("principal,", "principal == ?principal,"), "never-applies")


def test_a_policy_without_an_action_that_applies_is_invalid(find):
    """In Cedar's words."""
    (found,) = find('permit (principal, action == PhotoFlash::Action::"EditPhoto", resource is PhotoFlash::Album);')

    assert found.code == "invalid"
    assert "unable to find an applicable action" in found.message


def test_what_no_entity_sends_is_told(find, policies):
    """The schema has it and the entity has not: reading it is an error, and asking for it is never true."""
    schema = policies / "schema.cedarschema"
    schema.write_text(schema.read_text().replace('"likes": Long,', '"likes": Long, "stars": Long, "rank"?: Long,'))

    (read,) = find(f"{HEAD} when {{ resource.stars > 3 }};")
    assert (read.code, read.severity) == ("unsent-attribute", Severity.WARNING)
    assert "`stars`" in read.message
    (asked,) = find(f"{HEAD} when {{ resource has rank && resource.rank > 3 }};")
    assert (asked.code, asked.message) == (
        "never-applies",
        "the policy never applies: it asks for an attribute that no entity sends.",
    )
    assert not find(f"{HEAD} when {{ (resource has rank && resource.rank > 3) || resource.is_public }};")


def test_entities_that_are_declared_wrongly_are_left_to_their_own_check(find):
    """`manage.py check` tells what is wrong with them; what they send is not known here."""
    registry.register(Room)(type("RoomEntity", (ModelEntity,), {"attributes": ["nothing"]}))
    try:
        assert not find(f"{HEAD} when {{ resource.is_public }};")
    finally:
        registry.unregister(Room)


@pytest.mark.parametrize(
    ("condition", "is_foreign"),
    [
        ('resource has owner && resource.owner has email && resource.owner.email == "x"', True),
        ('resource has owner && resource.owner == principal && principal has email && principal.email == "x"', False),
        ('PhotoFlash::User::"ann" has email && PhotoFlash::User::"ann".email == "x"', True),
        ('principal has address && principal.address has country && principal.address.country == "x"', False),
        ("context has album && context.album.is_public", False),
        ('context has token && context.token has scope && context.token.scope.contains("x")', False),
    ],
)
def test_claims_of_other_users_are_told(find, condition, is_foreign):
    """They are known of the principal alone (rule A3)."""
    found = find(f"{HEAD} when {{ {condition} }};", "foreign-claim")

    assert bool(found) == is_foreign
    assert all("PhotoFlash::User" in one.message for one in found)


def test_what_verified_permissions_does_not_take_is_told(find, policies):
    """A policy that is too long, too many templates, and a schema that is too large."""
    long = f'@id("a") {HEAD} when {{ resource has title && resource.title == "{"x" * 10_000}" }};\n'
    (found,) = find(long, "limit")
    assert "Verified Permissions takes 10,000" in found.message
    templates = "".join(f'@id("t{n}") permit (principal == ?principal, action, resource);\n' for n in range(41))
    (found,) = find(templates, "limit")
    assert "there are 41 templates" in found.message
    schema = policies / "schema.cedarschema"
    wide = ", ".join(f"attribute_{n}: String" for n in range(2000))
    schema.write_text(f"{schema.read_text()}\nentity Wide = {{ {wide} }};")
    (found,) = find(f'@id("a") {HEAD};', "limit")
    assert found.place == str(schema)


def test_what_lists_cannot_be_filtered_by_is_told(find, settings):
    """The construct, the reason and the cure, once for all environments, and for links with their entities."""
    (found,) = find(f"{HEAD} when {{ resource.is_public && !(resource.likes * 2 > 10) }};", "not-in-sql")
    assert found.message.startswith("`(resource.likes) * 2` cannot be compiled to SQL for PhotoFlash::Photo: ")
    assert found.hint
    (found,) = find(f"{HEAD} when {{ if context has mfa then resource.likes + 1 > 2 else true }};", "not-in-sql")
    assert "(resource.likes) + 1" in found.message
    assert not find(
        f"{HEAD} when {{ resource.likes + 0 > 2 }};".replace("principal,", "principal == ?principal,"), "not-in-sql"
    )


@pytest.mark.parametrize(
    ("scope", "types"),
    [
        ("principal, action, resource is PhotoFlash::Photo", {"Photo"}),
        ('principal, action in PhotoFlash::Action::"ReadOnly", resource', {"Account", "Album", "Photo"}),
        ('principal, action in [PhotoFlash::Action::"ViewAlbum"], resource', {"Account", "Album"}),
        ('principal, action == PhotoFlash::Action::"ViewAlbum", resource == PhotoFlash::Album::"1"', {"Album"}),
        ('principal is PhotoFlash::Visitor, action == PhotoFlash::Action::"Moderate", resource', set()),
    ],
)
def test_a_scope_tells_what_a_policy_is_about(policies, scope, types):
    """By its action and the groups of that, and by the types that it names."""
    (policies / "a.cedar").write_text(f'@id("a") permit ({scope});')
    sources = Sources.read([policies])

    found = environments(sources.policies[0].document, sources.schema)

    assert {one.resource for one in found} - {"PhotoFlash::Application"} == {f"PhotoFlash::{name}" for name in types}


def test_lists_are_not_filtered_by_what_is_behind_an_is(find):
    """`is … in` is two conditions, of which each is looked at; a Set's items are, too."""
    condition = 'resource is PhotoFlash::Photo in PhotoFlash::Album::"1" && [resource.likes * 2 >= 3].contains(true)'
    (found,) = find(f"{HEAD} when {{ {condition} }};", "not-in-sql")

    assert "(resource.likes) * 2" in found.message


def test_databases_without_lists_are_left_out(find, monkeypatch):
    """Whatever the policies say, no list is made for them."""
    monkeypatch.setattr(connection, "vendor", "oracle")

    assert not find(f"{HEAD} when {{ resource.likes * 2 > 10 }};", "not-in-sql")


def test_actions_that_code_names_are_looked_up(find, settings):
    """With the nearest right name, and only about what they apply to."""
    settings.ROOT_URLCONF = __name__
    found = find(f'@id("a") {HEAD};')

    assert {(one.place, one.code) for one in found} >= {
        (f"{__name__}.misspelt", "unknown-action"),
        (f"{__name__}.misplaced", "inapplicable-action"),
    }
    by_place = {one.place: one for one in found}
    assert by_place[f"{__name__}.misspelt"].hint == "Did you mean 'EditPhoto'?"
    assert "does not apply 'EditPhoto' to PhotoFlash::Album" in by_place[f"{__name__}.misplaced"].message
    assert "is not an entity id" in by_place[f"{__name__}.malformed"].message
    assert f"{__name__}.right" not in by_place


@action_required("EditFoto", resource=(Photo, "pk"))
def misspelt(request, pk):
    """Names an action that there is not."""


@action_required("EditPhoto", resource=(Album, "pk"))
def misplaced(request, pk):
    """Asks about a type that the action does not apply to."""


@action_required('Action::"Edit', resource=(Album, "pk"))
def malformed(request, pk):
    """Names what is no action."""


@action_required("EditPhoto", resource=(Photo, "pk"))
def right(request, pk):
    """All is well."""


urlpatterns = [path(f"{view.__name__}/<int:pk>/", view) for view in (misspelt, misplaced, malformed, right)]


def test_a_missing_schema_is_told(find, policies):
    """Without one, much is not looked at."""
    (policies / "schema.cedarschema").unlink()

    (found,) = find("permit (principal, action, resource);")
    assert (found.code, found.place) == ("no-schema", str(policies))


def test_no_policies_at_all_are_an_error(policies):
    """Nothing would be decided."""
    (policies / "schema.cedarschema").unlink()

    (found,) = findings([policies])
    assert found.message == f"No policy found in {policies}."
    (found,) = findings([])
    assert found.message == "No policy found in no directory."


def test_a_missing_directory_is_an_error(find, policies, tmp_path):
    """Whatever the others have; those are looked at all the same."""
    find('@id("a")\npermit (principal, action, resource);\n')

    (found,) = (found for found in findings([policies, tmp_path / "forbids"]) if found.code != "format")
    assert (found.severity, found.code) == (Severity.ERROR, "syntax")
    assert found.message.startswith(f"AVP_POLICIES: {tmp_path}/forbids is not a directory.")


def test_every_kind_of_finding_is_explained():
    """The page on policies has a row for each, which says how bad it is, and no other."""
    root = Path(__file__).resolve().parents[2]
    source = "".join(path.read_text() for path in (root / "django_avp" / "validation").glob("*.py"))
    kinds = set(re.findall(r'Severity\.(\w+), "([a-z-]+)"', source))
    explained = re.findall(
        r"^\| `([a-z-]+)` \| an? (error|warning):", (root / "docs" / "policies.md").read_text(), re.M
    )

    assert {(severity.lower(), code) for severity, code in kinds} == {(severity, code) for code, severity in explained}
