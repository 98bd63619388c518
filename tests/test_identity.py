"""Tests of ``django_avp.identity``: tokens' claims as Verified Permissions maps them."""

from __future__ import annotations

import copy
import pickle

import pytest

from django_avp.cedar import EntityUid
from django_avp.exceptions import TokenInvalidError
from django_avp.identity import Identity, IdentitySource
from django_avp.schema import Schema
from django_avp.tokens.verifier import TokenVerifier
from django_avp.values import Unholdable

POOL = "eu-west-1_AbCdEf123"
OTHER_POOL = "eu-west-1_Other"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"


@pytest.fixture
def verify(settings, mint):
    """Verify tokens of two clients and two pools."""
    settings.AVP_USER_POOLS = {POOL: ["client-1", "client-2"], OTHER_POOL: ["client-1"]}
    return TokenVerifier().verify


def schema(user):
    return Schema.parse(f"namespace PhotoFlash {{ entity Group; entity User in [Group] = {user}; }}")


def attributes(claims, user=None):
    """The principal's attributes that claims make, with or without a schema."""
    identity = Identity.from_claims({"sub": "ann", **claims})
    found = dict(identity.entity(schema(user) if user else None).attributes)
    assert found.pop("sub", "ann") == "ann"
    return found


# --- From tokens ---------------------------------------------------------------------------------------------------


def test_id_token(verify, mint):
    """An ID token makes a principal with its claims as attributes and its groups as parents."""
    token = mint.id_token(sub="ann", groups=["eds", "ops"], email="a@example.com")
    identity = Identity.from_tokens(id_token=verify(token), ambient=True)
    entity = identity.entity()

    assert identity.principal == entity.uid == EntityUid("PhotoFlash::User", f"{POOL}|ann")
    assert identity.groups == entity.parents
    assert entity.parents == tuple(EntityUid("PhotoFlash::Group", f"{POOL}|{name}") for name in ("eds", "ops"))
    assert entity.attributes["email"] == "a@example.com"
    assert "cognito:groups" not in entity.attributes
    assert identity.token_context() == {}
    assert (identity.client_id, identity.is_ambient) == ("client-1", True)
    assert identity.source == IdentitySource(POOL, "PhotoFlash::User", "PhotoFlash::Group")
    assert identity.expires_at == verify(token).expires_at
    assert (identity._id_token, identity._access_token) == (token, None)


def test_access_token(verify, mint):
    """An access token makes a principal without attributes; its claims are context, ``scope`` as a Set."""
    token = mint.access_token(sub="ann", groups=["eds"], scope="photos/read  photos/write")
    identity = Identity.from_tokens(access_token=verify(token))

    assert identity.entity().attributes == {}
    assert identity.entity().parents == (EntityUid("PhotoFlash::Group", f"{POOL}|eds"),)
    assert identity.token_context()["scope"] == ["photos/read", "photos/write"]
    assert identity.token_context()["client_id"] == "client-1"
    assert "cognito:groups" not in identity.token_context()
    assert (identity._id_token, identity._access_token) == (None, token)
    assert not identity.is_ambient


def test_c4_pair_of_tokens(verify, mint):
    """A pair has the ID token's attributes, the access token's context, the groups of both, the earlier expiry."""
    id_token = verify(mint.id_token(sub="ann", groups=["eds", "ops"], expires_in=900))
    access_token = verify(mint.access_token(sub="ann", groups=["ops", "devs"], expires_in=300))
    identity = Identity.from_tokens(id_token=id_token, access_token=access_token)

    assert [group.id.partition("|")[2] for group in identity.groups] == ["eds", "ops", "devs"]
    assert identity.entity().attributes["token_use"] == "id"
    assert identity.token_context()["token_use"] == "access"
    assert identity.expires_at == access_token.expires_at < id_token.expires_at
    assert (identity._id_token, identity._access_token) == (id_token._token, access_token._token)


@pytest.mark.parametrize("other", [{"sub": "bob"}, {"pool": OTHER_POOL}, {"client_id": "client-2"}])
def test_c4_tokens_of_different_users_are_no_pair(verify, mint, other):
    """User, pool and client of a pair are the same, or nobody is identified."""
    tokens = {
        "id_token": verify(mint.id_token(sub="ann")),
        "access_token": verify(mint.access_token(**{"sub": "ann", **other})),
    }

    with pytest.raises(TokenInvalidError, match="not of one user and client") as caught:
        Identity.from_tokens(**tokens)
    assert caught.value.code == "pair"


def test_no_token_is_no_identity():
    """An identity is never made of nothing."""
    with pytest.raises(TokenInvalidError):
        Identity.from_tokens()


# --- From claims ---------------------------------------------------------------------------------------------------


def test_claims_by_issuer(settings):
    """Claims are of the pool of their issuer."""
    settings.AVP_USER_POOLS = {OTHER_POOL: ["x"], POOL: ["x"]}

    identity = Identity.from_claims({"sub": "ann", "iss": ISSUER, "aud": "client-9", "exp": 1.5})

    assert identity.principal.id == f"{POOL}|ann"
    assert (identity.client_id, identity.expires_at, identity.is_ambient) == ("client-9", 1.5, False)


def test_claims_of_the_only_pool():
    """Claims without an issuer are of the pool, if there is just one, or of the one that is named."""
    assert Identity.from_claims({"sub": "ann"}).principal.id == f"{POOL}|ann"
    assert Identity.from_claims({"sub": "ann"}, pool=OTHER_POOL).principal.id == f"{OTHER_POOL}|ann"
    assert Identity.from_claims({"sub": "ann"}).expires_at is None


@pytest.mark.parametrize(
    ("pools", "claims"),
    [
        ({POOL: ["x"], OTHER_POOL: ["x"]}, {}),
        ({POOL: ["x"]}, {"iss": "https://accounts.example.com"}),
        ({POOL: ["x"]}, {"iss": [ISSUER]}),
        ({}, {}),
    ],
)
def test_claims_of_no_pool(settings, pools, claims):
    """A foreign issuer is not taken for the only pool, and none is guessed among several."""
    settings.AVP_USER_POOLS = pools

    with pytest.raises(TokenInvalidError) as caught:
        Identity.from_claims({"sub": "ann", **claims})
    assert caught.value.code == "issuer"


@pytest.mark.parametrize("claims", [{}, {"token_use": "id"}])
def test_a3_claims_of_an_id_token_are_no_token_of_the_context(claims):
    """``context.token`` is the access token's: without one the service has none."""
    identity = Identity.from_claims({"sub": "ann", "scope": "a b", "email": "e", **claims})

    assert identity.token_context() == {}
    assert identity.entity(None).attributes["email"] == "e"


def test_claims_of_an_access_token():
    """``token_use`` tells an access token's claims."""
    identity = Identity.from_claims({"sub": "ann", "token_use": "access", "client_id": "c", "scope": ["a", "b"]})

    assert identity.client_id == "c"
    assert identity.entity().attributes == {}
    assert identity.token_context() == {
        "sub": "ann",
        "token_use": "access",
        "client_id": "c",
        "scope": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({}, "claims"),
        ({"sub": None}, "claims"),
        ({"sub": 7}, "claims"),
        ({"sub": "a\nb"}, "claims"),
        ({"sub": "x" * 600}, "claims"),
        ({"sub": "ann", "exp": "soon"}, "claims"),
        ({"sub": "ann", "cognito:groups": "eds"}, "groups"),
        ({"sub": "ann", "cognito:groups": None}, "groups"),
        ({"sub": "ann", "cognito:groups": {"eds": 1}}, "groups"),
        ({"sub": "ann", "cognito:groups": [1]}, "groups"),
        ({"sub": "ann", "cognito:groups": ["a\nb"]}, "groups"),
        ({"sub": "ann", "cognito:groups": ["x" * 600]}, "groups"),
        ({"sub": "ann", "role": {"__entity": {"type": "Role", "id": "admin"}}}, "reserved"),
        ({"sub": "ann", "roles": [{"a": {"__extn": {"fn": "unknown", "arg": "x"}}}]}, "reserved"),
        ({"sub": "ann", "__expr": "1"}, "reserved"),
    ],
)
def test_unusable_claims(claims, code):
    """Without a usable ``sub``, with odd groups or with Cedar's escapes (A6) nobody is identified; no claim is told."""
    with pytest.raises(TokenInvalidError) as caught:
        Identity.from_claims(claims)
    assert caught.value.code == code
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize("groups", [("eds",), {"eds"}, frozenset(["eds"]), ["eds", "eds"]])
def test_groups_are_any_collection(groups):
    """Who makes an identity may give groups in any collection."""
    assert Identity.from_claims({"sub": "ann", "cognito:groups": groups}).groups == (
        EntityUid("PhotoFlash::Group", f"{POOL}|eds"),
    )


# --- Claims as attributes ------------------------------------------------------------------------------------------


def test_a5_what_cedar_cannot_hold_is_absent():
    """NULL, fractions, huge numbers and NUL are absent; whole fractions are integers."""
    claims = {"a": None, "b": 1.5, "c": 2.0, "d": 2**63, "e": "x\0", "f": [1.0, None], "g": {"h": 0.5}, "\ud800": 1}
    special = {"i": float("nan"), "j": float("inf"), "k": True}

    assert attributes({**claims, **special}) == {"c": 2, "f": [1], "g": {}, "k": True}


def test_a7_claims_are_projected():
    """Only what the schema declares of the principal becomes an attribute, in nested Records too."""
    claims = {"email": "e", "jti": "x", "address": {"country": "NL", "zip": "1"}, "identities": [{"a": 1, "b": 2}]}

    assert attributes(claims, "{ email?: String, address?: { country?: String }, identities?: Set<{ a?: Long }> }") == {
        "email": "e",
        "address": {"country": "NL"},
        "identities": [{"a": 1}],
    }


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ('{ "custom:dept"?: String }', {"custom:dept": "it"}),
        (
            "{ custom?: { dept?: String }, cognito?: { username?: String } }",
            {"custom": {"dept": "it"}, "cognito": {"username": "a"}},
        ),
        ('{ custom?: { dept?: String }, "custom:dept"?: String }', {"custom:dept": "it"}),
        ("{ custom?: { level?: String } }", {"custom": {}}),
        ("{ custom?: String }", {}),
        ("{ other?: { x?: Long } }", {}),
        ("{ dev?: { custom?: { x?: Long } } }", {"dev": {}}),
    ],
)
def test_dot_notation_is_cognitos_older_form(user, expected):
    """A claim with one of Cognito's prefixes is nested where the schema declares a Record of the prefix alone."""
    claims = {"custom:dept": "it", "cognito:username": "a", "other:x": 1, "dev:custom:x": 1, "cognito:": 1}

    assert attributes(claims, user) == expected


@pytest.mark.parametrize("literal", ["text", {"dept": "board"}])
@pytest.mark.parametrize("first", [True, False])
def test_a_claim_of_a_prefix_is_refused(literal, first):
    """A claim ``custom`` beside ``custom:dept`` cannot pass for it; AVP refuses such a token, too."""
    claims = {"custom": literal, "custom:dept": "it"}
    if not first:
        claims = dict(reversed(claims.items()))

    with pytest.raises(Unholdable, match="the name of another one's prefix"):
        attributes(claims, "{ custom?: { dept?: String } }")
    assert attributes({"custom": {"dept": "it"}}, "{ custom?: { dept?: String } }") == {"custom": {"dept": "it"}}
    assert attributes(claims) == {"custom": literal, "custom:dept": "it"}


@pytest.mark.parametrize("token_use", ["id", "access"])
def test_claims_may_nest_too_deeply(token_use):
    """Claims deeper than Python can follow are no crash but unholdable."""
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    identity = Identity.from_claims({"sub": "ann", "token_use": token_use, "deep": deep})

    with pytest.raises(Unholdable, match="nest too deeply"):
        identity.entity() if token_use == "id" else identity.token_context()


def test_schema_without_the_principals_type():
    """Claims are not projected onto what the schema does not declare; Cedar refuses the principal then."""
    identity = Identity.from_claims({"sub": "ann", "email": "e"})

    assert identity.entity(Schema.parse("entity Visitor;")).attributes == {"sub": "ann", "email": "e"}


def test_principal_without_a_token():
    """A principal that a setting names has neither groups nor claims."""
    identity = Identity(EntityUid("Visitor", "anyone"))

    assert identity.entity().as_json() == {"uid": {"type": "Visitor", "id": "anyone"}, "attrs": {}, "parents": []}
    assert identity.token_context() == {}
    assert (identity.source, identity.expires_at) == (None, None)


# --- Nothing leaks -------------------------------------------------------------------------------------------------


def test_c8_nothing_shows(verify, mint):
    """Neither token nor claim is in a representation; no attribute that a template can read holds them."""
    tokens = {
        "id_token": verify(mint.id_token(sub="ann", email="secret@example.com")),
        "access_token": verify(mint.access_token(sub="ann", nickname="hush")),
    }
    identity = Identity.from_tokens(**tokens)
    readable = [getattr(identity, name) for name in Identity.__slots__ if not name.startswith("_")]

    for text in (repr(identity), str(identity), repr(readable)):
        for secret in ("secret", "hush", tokens["id_token"]._token, tokens["access_token"]._token):
            assert secret not in text


def test_c8_pickling_is_refused():
    """An identity is not pickled, and says what to do instead; copies are itself."""
    identity = Identity.from_claims({"sub": "ann"})

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match=r"make an identity where it is needed with Identity.from_claims\(\)"):
            pickle.dumps(identity, protocol)
    assert copy.copy(identity) is copy.deepcopy(identity) is identity


def test_other_issuers_can_be_sources():
    """A source is a value: its pool, types and prefix make the ids."""
    source = IdentitySource("idp", "Employee", "Team")

    assert source.principal("7") == EntityUid("Employee", "idp|7")
    assert source.group("eds") == EntityUid("Team", "idp|eds")
