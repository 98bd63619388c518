"""Checks that never reached Cedar, or were none that it takes: the cause and the cure."""

from __future__ import annotations

import pytest

from django_avp.authorization import Authorization, closed
from django_avp.cedar import Cause, EntityUid
from django_avp.exceptions import KeySetUnavailableError, TokenExpiredError
from django_avp.identity import Identity
from django_avp.runtime import runtime
from tests.conftest import POOL
from tests.explanation.engines import Unreadable, deciding
from tests.site_engines import BrokenEngine
from tests.testapp.models import Account, Album, Photo

pytestmark = pytest.mark.django_db

NS = "PhotoFlash::"
ALL = "permit (principal, action, resource);\n"


def refusal(authorization, action="EditPhoto", resource=None, context=None):
    """Why an explanation has no policies; each is told in its text, and decides nothing by itself."""
    explanation = authorization.explain(action, resource, context)
    assert not explanation.decision
    assert explanation.policies == ()
    assert explanation.refusal.cause in str(explanation)
    assert explanation.as_json()["refusal"]["code"] == explanation.refusal.code
    return explanation.refusal


# Who


def test_nobody_is_told_how_to_be_somebody(photo):
    """Without an identity, and after signing out."""
    assert refusal(Authorization(None), resource=photo).code == "unidentified"
    assert "AVP_TOKEN_SOURCES" in refusal(closed(), resource=photo).cure
    assert "  principal  nobody" in str(Authorization(None).explain("EditPhoto", photo))


def test_a_token_that_does_not_hold_is_told(photo):
    """With the verifier's code and words, which quote nothing of the token."""
    fault = TokenExpiredError("expired", "The token has expired.")
    found = refusal(Authorization(None, fault=fault), resource=photo)

    assert (found.code, found.cause, found.cure) == (
        "token_expired",
        "The token has expired.",
        "Send a token that holds.",
    )


def test_a_key_set_that_cannot_be_fetched_is_told(photo):
    """Whoever is asked about in the place of nobody: asking again may help."""
    fault = KeySetUnavailableError("key_set", "The key set cannot be fetched.")
    authorization = Authorization(Identity(EntityUid(f"{NS}Visitor", "x")), fault=fault)
    found = refusal(authorization, resource=photo)

    assert (found.code, found.cure) == ("token_key_set", "Ask again.")
    assert authorization.can("EditPhoto", photo).cause is Cause.UNAVAILABLE


def test_a_user_who_is_deactivated_is_told_from_one_who_is_not_there(authorize, photo, user, settings):
    """Both are refused (rule B6), for different reasons."""
    bob = user("bob")
    bob.is_active = False
    bob.save()
    assert refusal(authorize("bob"), resource=photo).code == "inactive"
    settings.AVP_USER_RESOLVER = lambda identity: None
    assert refusal(authorize("zoe"), resource=photo).code == "no_user"


def test_too_many_groups_are_told(authorize, photo):
    """There are 99 at most, as at Amazon Verified Permissions."""
    assert refusal(authorize("ann", *map(str, range(100))), resource=photo).code == "too_many_groups"


def test_claims_without_a_form_are_told(photo):
    """The claims are not."""
    schema = """namespace PhotoFlash {
        entity Group; entity User in [Group] = { custom?: { dept?: String } }; entity Photo;
        action A appliesTo { principal: User, resource: Photo };
    }"""
    identity = Identity.from_claims({"sub": "ann", "custom": {}, "custom:dept": "secret"})
    with deciding(ALL, schema):
        found = refusal(Authorization(identity), "A", EntityUid("PhotoFlash::Photo", str(photo.pk)))

    assert found.code == "claims"
    assert "secret" not in repr(found)


# What


def test_a_context_that_forges_an_entity_is_told(authorize, photo):
    """It is never sent (rule A6)."""
    context = {"album": {"__entity": {"type": "PhotoFlash::Album", "id": "1"}}}

    assert refusal(authorize("ann"), "EditPhoto", photo, context).code == "context"
    assert refusal(authorize("ann"), "ListPhotos", None, context).code == "context"


def test_what_is_not_in_the_database_is_told(authorize):
    """Nothing is decided about it."""
    assert refusal(authorize("ann"), resource=EntityUid("Photo", "7")).code == "no_entity"


def test_ids_that_are_refused_are_told(authorize):
    """Amazon Verified Permissions would refuse them, too (rule A9)."""
    assert refusal(authorize("ann"), resource=EntityUid("Application", "")).code == "invalid_id"


def test_parents_without_an_end_are_told(authorize, photo, settings):
    """Too deep, in a circle, or too many of them."""
    top = Album.objects.create()
    photo.album = Album.objects.create(parent=top)
    photo.save()
    settings.AVP_MAX_DEPTH = 1
    assert refusal(authorize("ann"), resource=photo).code == "too_deep"
    settings.AVP_MAX_DEPTH = 10
    Album.objects.filter(pk=top.pk).update(parent=photo.album)
    assert refusal(authorize("ann"), resource=Photo.objects.get(pk=photo.pk)).code == "cycle"


def test_a_misspelt_action_is_told_with_the_one_that_was_meant(authorize, photo):
    """If there is one that looks like it."""
    found = refusal(authorize("ann"), "EditFoto", photo)

    assert (found.code, found.cause) == ("unknown_action", f'The schema has no action {NS}Action::"EditFoto".')
    assert found.cure.startswith(f'Did you mean {NS}Action::"EditPhoto"?')
    assert refusal(authorize("ann"), "Xyzzy", photo).cure.startswith("Correct the name, or declare the action.")


def test_an_action_on_something_else_is_told_with_what_it_is_for(authorize, photo):
    """The types of the schema are named."""
    found = refusal(authorize("ann"), "ListPhotos", photo)

    assert found.code == "action_not_applicable"
    assert f"principals {NS}User, {NS}Visitor and resources {NS}Application" in found.cure


def test_a_context_that_is_not_as_declared_is_told_by_its_names(authorize, photo):
    """Its values are not."""
    found = refusal(authorize("ann"), "EditPhoto", photo, {"secret": 1, "mfa": True})
    assert (found.code, found.cause) == ("context_refused", "Cedar refuses the context: it may not have secret.")
    found = refusal(authorize("ann"), "EditPhoto", photo, {"note": 7})
    assert "it has a value of another type" in found.cause
    schema = """namespace PhotoFlash { entity Group; entity User in [Group]; entity Application;
        action A appliesTo { principal: User, resource: Application, context: { a: Long } };
    }"""
    with deciding(ALL, schema):
        assert "it lacks a." in refusal(authorize("ann"), "A").cause


SCHEMA = """namespace PhotoFlash {{
    entity Group; entity User in [Group]; entity Album; {account}
    action A appliesTo {{ principal: User, resource: [Album, {applies}] }};
}}"""


@pytest.mark.parametrize(
    ("account", "cause"),
    [
        ("entity Account = { name: String, more: Long };", 'Account::"x" lacks more'),
        ("entity Account;", 'Account::"x" may not have name'),
        ("entity Account = { name: Long };", 'Account::"x" has a value or a parent of another type'),
    ],
)
def test_entities_that_are_not_as_declared_are_told_by_their_names(authorize, account, cause):
    """Their values are not: a claim may be among them (rule A8)."""
    Account.objects.create(slug="x", name="secret")
    with deciding(ALL, SCHEMA.format(account=account, applies="Account")):
        found = refusal(authorize("ann"), "A", EntityUid("PhotoFlash::Account", "x"))

    assert found.code == "entity_refused"
    assert cause in found.cause
    assert "secret" not in repr(found)


def test_an_entity_of_a_type_that_the_schema_has_not_is_told(authorize):
    """An ancestor, for one."""
    album = Album.objects.create(account=Account.objects.create(slug="x"))
    with deciding(ALL, SCHEMA.format(account="", applies="Album")):
        found = refusal(authorize("ann"), "A", album)

    assert f'{NS}Account::"x": the schema has no type {NS}Account' in found.cause


def nested(depth):
    """Data that nests deeper than Cedar's JSON."""
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def test_what_cedar_cannot_hold_is_told_without_a_schema(authorize, photo):
    """Claims or a context that nest too deeply: they are not given to Cedar."""
    with deciding(ALL):
        found = refusal(authorize("ann", deep=nested(200)), resource=photo)
        assert found.code == "claims"
        assert "nest too deeply" in found.cause
        found = refusal(authorize("ann"), "EditPhoto", photo, nested(200))
        assert found.code == "context"
        assert "cannot be sent" in found.cause


# Engines


def test_an_engine_that_is_down_is_told(authorize, photo):
    """Asking again may help."""
    with runtime.use_engine(BrokenEngine()):
        assert refusal(authorize("ann"), resource=photo).code == "unavailable"


def test_policies_that_cannot_be_used_are_told_with_the_engines_words(authorize, photo):
    """They quote no claim: they name files, lines and settings."""
    with runtime.use_engine(Unreadable()):
        found = refusal(authorize("ann"), resource=photo)

    assert (found.code, found.cause) == ("unavailable", "The policy store was not read yet.")


def test_who_is_asked_about_in_the_place_of_nobody_is_explained(photo, settings):
    """By policies, as everybody is."""
    settings.AVP_ANONYMOUS_PRINCIPAL = 'Visitor::"x"'
    settings.AVP_REQUIRE_ACTIVE_USER = False
    explanation = Authorization(None).explain("ViewPhoto", photo)

    assert explanation.principal == EntityUid(f"{NS}Visitor", "x")
    assert explanation.refusal is None
    assert {policy.policy_id for policy in explanation.candidates} >= {"public-photo", "public-album"}


def test_the_pool_is_the_tokens(authorize, photo):
    """A principal's id has the pool in it, as policies name it."""
    assert authorize("ann").explain("EditPhoto", photo).principal.id == f"{POOL}|ann"
