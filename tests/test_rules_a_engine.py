"""Rules A6 to A9 of docs/rules.md: no forged entities, projection, silence about data, and AVP's limits, end to end."""

from __future__ import annotations

import json
import logging

import cedarpy
import pytest

from django_avp.authorization import Authorization
from django_avp.cedar import INVALID, Cause, Entity, EntityUid, Verdict
from django_avp.engines.cedar import CedarEngine, evaluate
from django_avp.exceptions import PolicyError, TokenInvalidError
from django_avp.identity import Identity
from django_avp.policies import load
from django_avp.tokens.verifier import TokenVerifier
from tests.engines.support import action, batch, check, identity, parsed, photo, write

FORGED = {"__entity": {"type": "PhotoFlash::Group", "id": "admins"}}
UNKNOWN = {"__extn": {"fn": "unknown", "arg": "x"}}
EVERYTHING = '@id("everything") permit (principal, action, resource);'
ROLE_SCHEMA = """
entity Role, Site;
entity User in [Role] = { role?: Role, email?: String };
action enter appliesTo { principal: User, resource: Site, context: { role?: Role, note?: String } };
"""


@pytest.fixture
def own_site(settings, tmp_path):
    """A site without models or namespace, whose policies a test writes."""
    settings.AVP_NAMESPACE = ""
    settings.AVP_USER_MODE = "token"
    settings.AVP_POLICIES = tmp_path / "site"

    def make(policies, schema=ROLE_SCHEMA):
        return write(settings.AVP_POLICIES, policies, schema)

    return make


def enter(context=None, request=None, **claims):
    """Whether a user may enter the site."""
    authorization = Authorization(Identity.from_claims({"sub": "ann", **claims}), request=request)
    return authorization.can("enter", EntityUid("Site", "main"), context)


# --- A6 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claim", [FORGED, UNKNOWN, {"a": [FORGED]}, [[{"b": UNKNOWN}]], {"__expr": 'Role::"admin"'}], ids=json.dumps
)
@pytest.mark.parametrize("kind", ["id", "access"])
def test_a6_claims_cannot_forge_entities(mint, claim, kind):
    """A claim that spells an entity or a function identifies nobody: not as a token, nor when it is trusted."""
    make = mint.id_token if kind == "id" else mint.access_token

    with pytest.raises(TokenInvalidError, match="reserve"):
        TokenVerifier().verify(make(role=claim))
    with pytest.raises(TokenInvalidError, match="Cedar's JSON escapes"):
        Identity.from_claims({"sub": "ann", "token_use": kind, "role": claim})


def test_a6_a_forged_claim_would_be_a_role(own_site):
    """The attack is real: Cedar takes such a claim for the entity."""
    own_site('permit (principal, action, resource) when { principal.role == Role::"admin" };')
    forged = {"uid": {"type": "User", "id": "x"}, "attrs": {"role": {"__entity": {"type": "Role", "id": "admin"}}}}
    request = {
        "principal": forged["uid"],
        "action": {"type": "Action", "id": "enter"},
        "resource": {"type": "Site", "id": "main"},
    }
    policies = CedarEngine().policies()

    assert cedarpy.is_authorized(request, policies.policy_set, [{**forged, "parents": []}]).allowed
    assert enter().verdict is Verdict.NOT_PERMITTED


@pytest.mark.parametrize("value", [FORGED, UNKNOWN, [FORGED], {"a": UNKNOWN}], ids=json.dumps)
@pytest.mark.parametrize("place", ["own", "common"])
def test_a6_context_cannot_forge_entities(own_site, settings, rf, value, place):
    """Request data in the context that spells an entity or a function makes the check undecided."""
    own_site(EVERYTHING)
    context = {"role": value}
    settings.AVP_CONTEXT = (lambda request: context) if place == "common" else None

    decision = enter(context if place == "own" else None, rf.get("/"))

    assert decision == INVALID
    assert enter({"role": EntityUid("Role", "admin")})


@pytest.mark.parametrize(
    "condition",
    ['unknown("x")', 'context.a || [1, {b: unknown("x")}].contains(2)', 'if unknown("x") then true else false'],
)
@pytest.mark.parametrize("head", ["permit (principal,", "forbid (principal == ?principal,"])
def test_a6_policies_cannot_call_unknown(tmp_path, head, condition):
    """The function that makes a residual of a decision is refused when policies are loaded, in templates too."""
    text = f"{EVERYTHING}\n{head} action, resource)\nwhen {{ {condition} }};"

    with pytest.raises(PolicyError, match=r"policies.cedar:3: the function `unknown` is not a part of a policy"):
        load([write(tmp_path / "policies", text)])


# --- A7 ------------------------------------------------------------------------------------------------------------


def test_a7_undeclared_claims_do_not_matter(mint, tmp_path):
    """A real token's many claims are projected onto the schema; unprojected ones would make Cedar refuse."""
    policies = parsed(
        tmp_path / "policies",
        'permit (principal, action, resource) when { principal.email == "a@x" && context.token.scope.contains("w") };',
    )
    verify = TokenVerifier().verify
    who = Identity.from_tokens(
        id_token=verify(mint.id_token(sub="ann", email="a@x", **{"custom:a": "b"})),
        access_token=verify(mint.access_token(sub="ann", scope="r w")),
    )
    world = [Entity(photo(1), {"public": False})]

    assert {"iat", "jti"} <= who.entity().attributes.keys() & who.token_context().keys()
    with pytest.raises(ValueError, match="."):
        cedarpy.Entities.from_json_str(json.dumps([who.entity().as_json()]), policies.schema.handle)
    assert evaluate(batch((check(), world), who=who), policies)[0]


TOKEN_SCHEMA = """
namespace PhotoFlash {
  entity Group;
  entity User in [Group] = { email?: String };
  entity Photo = { public: Bool };
  action "all" appliesTo { principal: User, resource: Photo, context: {
    mfa?: Bool,
    token?: { scope?: Set<String>, client_id?: String, address?: { zip?: String }, orgs?: Set<{ id?: Long }> },
  } };
  action "some" appliesTo { principal: User, resource: Photo, context: { token?: { client_id?: String } } };
  action "none" appliesTo { principal: User, resource: Photo };
}
"""
CLAIMS = {
    "token_use": "access",
    "client_id": "client-1",
    "scope": "r w",
    "address": {"zip": "1", "city": "x"},
    "orgs": [{"id": 1, "name": "x"}, {"id": 2}],
    "jti": "x",
}


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        (
            "all",
            'context.token.scope == ["w", "r"] && context.token.orgs == [{id: 1}, {id: 2}] '
            '&& context.token == {client_id: "client-1", scope: ["r", "w"], '
            'address: {zip: "1"}, orgs: context.token.orgs}',
        ),
        ("some", 'context.token == {client_id: "client-1"}'),
        ("none", "context == {}"),
    ],
)
def test_a7_token_claims_are_projected_for_each_action(tmp_path, name, condition):
    """Access-token claims stand under ``context.token`` as far as the action declares them, at every depth."""
    text = f'@id("ok") permit (principal, action, resource) when {{ {condition} }};'
    policies = parsed(tmp_path / "policies", text, TOKEN_SCHEMA)
    world = [Entity(photo(1), {"public": True})]
    questions = [(check(one), world) for one in ("none", "all", "some", "all")]

    decisions = evaluate(batch(*questions, who=identity(**CLAIMS)), policies)

    assert [bool(one) for one in decisions] == [question.action.id == name for question, _ in questions]
    assert not any(one.verdict is Verdict.UNDECIDED for one in decisions)


def test_a7_token_claims_join_the_checks_own_context(tmp_path):
    """A check's own context stays beside the claims; without an access token there are none."""
    text = (
        '@id("ok") permit (principal, action, resource) when { context.mfa && context.token.client_id == "client-1" };'
    )
    policies = parsed(tmp_path / "policies", text, TOKEN_SCHEMA)
    world = [Entity(photo(1), {"public": True})]
    questions = [(check("all", mfa=True), world), (check("all", mfa=False), world), (check("all"), world)]

    assert [bool(one) for one in evaluate(batch(*questions, who=identity(**CLAIMS)), policies)] == [True, False, False]
    assert not any(evaluate(batch(*questions), policies))


def test_a7_common_context_is_projected(own_site, settings, rf):
    """What ``AVP_CONTEXT`` gives is projected for each action; a check's own undeclared key is a mistake."""
    own_site('permit (principal, action, resource) when { context.note == "x" };')
    settings.AVP_CONTEXT = lambda request: {"note": "x", "ip": "1.2.3.4"}

    assert enter(request=rf.get("/"))
    assert enter({"ip": "1.2.3.4"}, rf.get("/")) == INVALID


def test_a7_groups_of_actions_need_the_schema(tmp_path):
    """``action in`` a group is decided with the schema, and unknown without: so the schema is always used."""
    text = '@id("ok") permit (principal, action in PhotoFlash::Action::"ReadOnly", resource);'
    question = (check("View"), [Entity(photo(1), {"public": True})])

    assert evaluate(batch(question), parsed(tmp_path / "with", text))[0]
    assert not evaluate(batch(question), parsed(tmp_path / "without", text, schema=None))[0]


# --- A8 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "attributes", "context"),
    [
        ({"email": "hush@x"}, {"public": True, "title": "hush"}, {}),
        ({"level": "hush"}, {"public": True}, {}),
        ({"email": "hush@x"}, {"public": "hush", "title": "hush"}, {}),
        ({"email": "hush@x"}, {"public": True}, {"mfa": "hush"}),
        ({"email": "hush@x"}, {"public": True}, {"nope": "hush"}),
    ],
)
def test_a8_no_text_of_cedar_is_told(tmp_path, caplog, claims, attributes, context):
    """Whatever goes wrong, log and decision have policy ids and names, and nothing of the data that Cedar quotes."""
    caplog.set_level(logging.DEBUG)
    policies = parsed(
        tmp_path / "policies",
        '@id("one") permit (principal, action, resource) when { principal.email + 1 > 2 };'
        '@id("two") forbid (principal, action, resource) when { resource.title.contains(principal.email) };',
    )
    decisions = evaluate(batch((check(**context), [Entity(photo(1), attributes)]), who=identity(**claims)), policies)

    told = f"{decisions}{[vars(record) for record in caplog.records]}"
    assert caplog.records
    assert "hush" not in told
    assert "error while" not in told
    assert set(decisions[0].errors) <= {"one", "two"}


def test_a8_cedar_does_quote_data(tmp_path):
    """The danger is real: Cedar's own error text has the values."""
    policies = parsed(tmp_path / "policies", "permit (principal, action, resource);")
    request = {
        "principal": identity().principal.as_json(),
        "action": action("View").as_json(),
        "resource": photo(1).as_json(),
        "context": {"mfa": "hush"},
    }

    result = cedarpy.is_authorized(request, policies.policy_set, [], policies.schema.handle)

    assert "hush" in str(result.diagnostics.errors)


# --- A9 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "is_taken"),
    [
        ("x" * 612, True),
        ("x" * 613, False),
        ("", False),
        ("a\nb", False),
        ("a\rb", False),
        ("a\0b", False),
        ("a\u2028b", False),
        ("a\ud800b", False),
        ("a\tb \x1b é😀", True),
    ],
    ids=ascii,
)
def test_a9_resources_have_avps_ids(own_site, id_, is_taken):
    """An id that AVP refuses is undecided here, too, and does not disturb the others of its round."""
    own_site(EVERYTHING)
    authorization = Authorization(Identity.from_claims({"sub": "ann"}))
    authorization.collect("enter", [EntityUid("Site", id_), EntityUid("Site", "main")])

    decision = authorization.can("enter", EntityUid("Site", id_))

    assert bool(decision) is is_taken
    assert decision.cause is (Cause.NONE if is_taken else Cause.INVALID)
    assert authorization.can("enter", EntityUid("Site", "main"))


@pytest.mark.parametrize("name", ["", "x" * 513, "a\nb"])
def test_a9_actions_have_avps_ids(own_site, name):
    """Actions have limits of their own."""
    own_site(EVERYTHING, schema=None)

    assert Authorization(Identity.from_claims({"sub": "ann"})).can(name, EntityUid("Site", "main")) == INVALID


@pytest.mark.parametrize(
    "claims", [{"sub": "x" * 600}, {"sub": "a\nb"}, {"sub": "ann", "cognito:groups": ["a\u2028b"]}]
)
def test_a9_principals_and_groups_have_avps_ids(claims):
    """A principal or a group that AVP would refuse identifies nobody."""
    with pytest.raises(TokenInvalidError):
        Identity.from_claims(claims)


def test_a9_types_are_well_formed(own_site):
    """A type that is not one is undecided, alone."""
    own_site(EVERYTHING, schema=None)
    authorization = Authorization(Identity.from_claims({"sub": "ann"}))
    authorization.collect(
        "enter", [EntityUid("Si te", "main"), EntityUid("S\ud800", "main"), EntityUid("Site", "main")]
    )
    authorization.decide()

    answers = [authorization.can("enter", EntityUid(kind, "main")) for kind in ("Si te", "S\ud800", "Site")]
    assert [bool(one) for one in answers] == [False, False, True]
    assert len(authorization.rounds) == 1
