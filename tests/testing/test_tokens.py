"""Tests of ``django_avp.testing.tokens``."""

from __future__ import annotations

import json
import runpy
import sys
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from django_avp import testing
from django_avp.testing import tokens as module
from django_avp.testing.tokens import TokenMint
from django_avp.tokens.verifier import TokenVerifier

POOL = "eu-west-1_AbCdEf123"


@pytest.fixture(scope="module")
def mint() -> TokenMint:
    """A mint with a key of its own."""
    return TokenMint()


def decoded(mint: TokenMint, token: str) -> dict[str, object]:
    """Verify a token with PyJWT alone and return its claims."""
    return jwt.decode(token, jwt.PyJWKSet.from_dict(mint.jwks)[mint.kid], ["RS256"], {"verify_aud": False})


def test_key_set_is_cognitos(mint):
    """The key set has the shape that Cognito publishes, and no private part."""
    (key,) = mint.jwks["keys"]

    assert key["kid"] == mint.kid
    assert (key["kty"], key["alg"], key["use"], key["e"]) == ("RSA", "RS256", "sig", "AQAB")
    assert set(key) == {"kty", "alg", "use", "kid", "e", "n"}
    assert json.loads(json.dumps(mint.jwks)) == mint.jwks


def test_id_token_is_cognitos(mint):
    """An ID token has the claims of Cognito's, each of the right kind."""
    claims = decoded(mint, mint.id_token("sub-1", groups=["Editors"], email="a@example.com"))

    assert claims["iss"] == f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["auth_time"] == claims["iat"]
    assert abs(claims["iat"] - time.time()) < 60
    assert {
        name: claims[name] for name in ("sub", "aud", "token_use", "cognito:username", "cognito:groups", "email")
    } == {
        "sub": "sub-1",
        "aud": "client-1",
        "token_use": "id",
        "cognito:username": "sub-1",
        "cognito:groups": ["Editors"],
        "email": "a@example.com",
    }
    assert all(isinstance(claims[name], str) for name in ("jti", "origin_jti", "event_id"))
    assert "client_id" not in claims


def test_access_token_is_cognitos(mint):
    """An access token has a client id, a scope and a user name, and neither audience nor groups unless given."""
    claims = decoded(mint, mint.access_token("sub-1"))

    assert (claims["client_id"], claims["token_use"], claims["username"]) == ("client-1", "access", "sub-1")
    assert claims["scope"] == "aws.cognito.signin.user.admin"
    assert not {"aud", "cognito:groups", "cognito:username"} & set(claims)


def test_header_names_key_and_algorithm_only(mint):
    """The header is Cognito's: key id and algorithm; parameters can be added and left out."""
    assert jwt.get_unverified_header(mint.id_token()) == {"kid": mint.kid, "alg": "RS256"}
    assert jwt.get_unverified_header(mint.access_token(headers={"kid": None, "typ": "JWT"})) == {
        "typ": "JWT",
        "alg": "RS256",
    }


def test_claims_can_be_replaced_and_left_out(mint):
    """A claim of one's own wins; None leaves one out."""
    claims = decoded(mint, mint.id_token(aud="other", jti=None, **{"custom:department": "Press"}))

    assert (claims["aud"], claims["custom:department"]) == ("other", "Press")
    assert "jti" not in claims


def test_pool_and_client_can_be_chosen():
    """A mint has a pool and a client, and each token may name others."""
    mint = TokenMint(pool="us-east-1_Other", client_id="client-2")
    own = decoded(mint, mint.id_token())
    other = decoded(mint, mint.access_token(pool=POOL, client_id="client-1"))

    assert (own["iss"], own["aud"]) == ("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other", "client-2")
    assert (other["iss"].rpartition("/")[2], other["client_id"]) == (POOL, "client-1")


def test_tokens_can_be_expired(mint):
    """A negative lifetime makes a token that has expired."""
    with pytest.raises(jwt.ExpiredSignatureError):
        decoded(mint, mint.id_token(expires_in=-1))


def test_anything_can_be_signed(mint):
    """Any claims or bytes can be signed, and the signature is real whatever the header says."""
    assert decoded(mint, mint.sign({"a": 1})) == {"a": 1}
    assert jwt.api_jws.decode(mint.sign(b"no JSON"), jwt.PyJWKSet.from_dict(mint.jwks)[mint.kid]) == b"no JSON"
    assert jwt.get_unverified_header(mint.sign({}, {"alg": "HS256"}))["alg"] == "HS256"


def test_key_can_be_given():
    """Mints of one key sign alike; others have other keys."""
    key = generate_private_key(public_exponent=65537, key_size=2048)

    assert TokenMint(key).jwks == TokenMint(key).jwks
    assert TokenMint(key).kid != TokenMint().kid


def test_c8_representation_holds_no_key(mint):
    """A mint shows nothing of its private key."""
    assert str(mint._private_key.private_numbers().d) not in f"{mint!r}{mint}"


def test_tokens_pass_the_verifier(mint, settings):
    """What the mint signs is what the verifier accepts."""
    settings.AVP_JWKS = mint.jwks
    settings.AVP_USER_POOLS = {mint.pool: [mint.client_id]}

    assert TokenVerifier().verify(mint.id_token(), kind="id").pool == mint.pool
    assert TokenVerifier().verify(mint.access_token(), kind="access").client_id == mint.client_id


def test_mint_needs_no_pytest(monkeypatch):
    """The mint serves local development, too: it is importable where pytest is not installed."""
    monkeypatch.setitem(sys.modules, "pytest", None)

    assert runpy.run_path(module.__file__)["TokenMint"]().kid
    assert testing.TokenMint is TokenMint
