"""The fixtures that make tokens, clients and identities, and the local endpoint as a fixture."""

from __future__ import annotations

import asyncio

import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework.test import APIClient

import django_avp.testing
from django_avp.authorization import Authorization
from django_avp.conf import conf
from django_avp.exceptions import TokenExpiredError
from django_avp.runtime import runtime
from django_avp.testing import Kit, TokenMint
from tests.conftest import POOL

pytestmark = pytest.mark.django_db

COOKIE = "django_avp.tokens.sources.Cookie"
SESSION = "django_avp.tokens.sources.Session"


# Tokens


def test_a_token_is_one_that_the_site_trusts(avp_token, avp_mint):
    """It is of the site's pool, its first client, the user, the groups and the claims that are asked for."""
    verified = runtime.verifier.verify(avp_token("ann", groups=["editors"], email="ann@example.com"))

    assert (verified.pool, verified.client_id, verified.kind) == (POOL, "client-1", "id")
    assert verified._claims["sub"] == "ann"
    assert verified._claims["cognito:groups"] == ["editors"]
    assert verified._claims["email"] == "ann@example.com"
    assert avp_mint.jwks == conf.jwks


def test_a_token_is_of_the_kind_that_is_asked_for(avp_token, settings):
    """Without a word it is of the first kind that the site accepts."""
    assert runtime.verifier.verify(avp_token("ann", use="access")).kind == "access"

    settings.AVP_TOKEN_USE = ["access"]
    assert runtime.verifier.verify(avp_token("ann")).kind == "access"


def test_a_token_names_the_issuer_that_the_site_accepts(avp_token, settings):
    """Where other issuers than Cognito's are named, it is from one of them."""
    settings.AVP_ISSUERS = {POOL: ["https://issuer.example.com/pool"]}

    assert runtime.verifier.verify(avp_token("ann")).pool == POOL


def test_a_token_of_another_pool_is_refused(avp_client):
    """A pool that the site does not have has no issuer of ours, so the token identifies nobody."""
    assert avp_client("ann", pool="eu-west-1_Other0000").get("/open/").content == b"hello nobody"


def test_a_site_without_pools_is_given_one(settings):
    """So that a token can be made before there is a user pool; ``None`` in place of its clients takes any."""
    settings.AVP_USER_POOLS = {}
    kit = Kit()
    assert kit.settings["AVP_USER_POOLS"] == {kit.mint.pool: [kit.mint.client_id]}

    settings.AVP_USER_POOLS = {POOL: None}
    assert Kit().mint.client_id
    assert Kit().settings.keys() == {"AVP_JWKS"}


def test_the_key_of_a_run_is_made_once():
    """Kits of one pool and client share it; another mint may be given."""
    assert Kit().mint is Kit().mint
    mint = TokenMint()
    assert Kit(mint).mint is mint


# Clients


def test_a_client_is_who_its_token_says(avp_client, user):
    """Every request of it carries the token, and Django's own client has none."""
    user("ann")
    client = avp_client("ann")

    assert client.get("/open/").content == f"hello {POOL}|ann".encode()
    assert client.get("/open/").content == f"hello {POOL}|ann".encode()


def test_a_client_may_be_of_another_class(avp_client):
    """Such as that of Django REST framework."""
    client = avp_client("ann", client_class=APIClient)

    assert isinstance(client, APIClient)
    assert client.get("/open/").content == f"hello {POOL}|ann".encode()


@pytest.mark.django_db(transaction=True)
def test_an_async_client_is_who_its_token_says(avp_async_client):
    """Its requests carry the token beside their own headers."""
    client = avp_async_client("ann")

    async def ask():
        return await client.get("/aphotos/1/", headers={"Accept": "application/json"})

    assert asyncio.run(ask()).status_code == 404
    anonymous = type(client).__bases__[0]()
    assert asyncio.run(anonymous.get("/aphotos/1/")).status_code == 401


@pytest.mark.parametrize("source", [COOKIE, SESSION])
@pytest.mark.parametrize("kind", ["client", "async_client"])
def test_a_client_carries_its_token_where_the_site_looks_for_it(avp_kit, settings, source, kind):
    """In a cookie or in the session, where there is no header."""
    settings.AVP_TOKEN_SOURCES = [(source, {"id_token": None}), (source, {"id_token": "signed"})]

    client = getattr(avp_kit, kind)("ann", use="id")

    names = client.cookies if source == COOKIE else client.session
    assert names["signed"]


def test_the_site_reads_what_the_client_carries(avp_client, settings):
    """An access token in the session identifies its user."""
    settings.AVP_TOKEN_SOURCES = [SESSION]

    assert avp_client("ann", use="access").get("/open/").content == f"hello {POOL}|ann".encode()


def test_a_client_that_cannot_carry_a_token_says_so(avp_client, settings):
    """Where the site looks for tokens of another kind only."""
    settings.AVP_TOKEN_SOURCES = [(COOKIE, {"access_token": None})]

    with pytest.raises(ImproperlyConfigured, match="no header, cookie or session is read for a token of the kind 'acc"):
        avp_client("ann", use="access")


# Identities


@pytest.mark.parametrize("use", ["id", "access"])
def test_an_identity_is_that_of_a_verified_token(avp_identity, use):
    """It has its groups, and the token that Verified Permissions is sent."""
    identity = avp_identity("ann", groups=["moderators"], use=use)

    assert identity.principal.id == f"{POOL}|ann"
    assert [group.id for group in identity.groups] == [f"{POOL}|moderators"]
    assert identity.has_token


def test_an_identity_of_an_expired_token_is_refused(avp_identity):
    """As the site would refuse it."""
    with pytest.raises(TokenExpiredError):
        avp_identity("ann", expires_in=-1)


# The endpoint


def test_the_endpoint_decides_by_the_sites_policies(avp_server, avp_client, avp_identity, photo):
    """What the engine for AWS is told over the wire is what Cedar in process decides."""
    assert avp_client("ann").get(f"/photos/{photo.pk}/").status_code == 200
    assert {call.operation for call in avp_server.calls} == {"BatchIsAuthorizedWithToken"}

    assert not Authorization(avp_identity("bob")).can("EditPhoto", photo)
    assert avp_server.calls[-1].operation == "IsAuthorizedWithToken"


# The package


def test_names_are_loaded_when_they_are_asked_for():
    """Each name of the package is there, and no other."""
    for name in django_avp.testing.__all__:
        assert getattr(django_avp.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        django_avp.testing.Nothing  # noqa: B018
