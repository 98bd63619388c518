"""A token of Amazon Cognito, verified: the step that every request with a token takes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from django.conf import settings
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt

from benchmarks.core import Case, Group, Row, Wrong
from django_avp.testing import TokenMint
from django_avp.tokens.verifier import TokenVerifier

__all__ = ["access_tokens", "build"]

TOKENS = 256
RAW = "cryptography: the signature alone"
OURS, AGAIN = "django-avp", "django-avp, a token that comes again"


def access_tokens(mint: TokenMint, number: int, sub: str = "5f1d7a52-40c1-70f5-9d4f-1f6e2b3c4d5e") -> list[str]:
    """Access tokens as long as those of a user pool's pages, each another one."""
    return [
        mint.access_token(
            sub,
            groups=["editors", "family"],
            scope="openid email profile aws.cognito.signin.user.admin",
            username=sub,
            version=2,
            auth_time=1_760_000_000 + one,
        )
        for one in range(number)
    ]


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases; all but one take turns with more tokens than are remembered."""
    mint = TokenMint()
    settings.AVP_JWKS = mint.jwks
    tokens = access_tokens(mint, TOKENS)
    claims = jwt.decode(tokens[0], options={"verify_signature": False})
    options: Any = {"verify_aud": False}
    key_set, issuer = jwt.PyJWKSet.from_dict(mint.jwks), claims["iss"]
    key: RSAPublicKey = key_set.keys[0].key
    verifier, remembering = TokenVerifier(), TokenVerifier()
    client = jwt.PyJWKClient("https://keys.invalid/", lifespan=10**9)
    client.jwk_set_cache.put(mint.jwks)
    jose_key = joserfc_jwk.KeySet.import_key_set(mint.jwks)  # type: ignore[arg-type]
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer}, exp={"essential": True}, token_use={"essential": True}
    )
    signed = {token: _parts(token) for token in tokens}

    def raw(token: str) -> str:
        message, signature = signed[token]
        key.verify(signature, message, PKCS1v15(), SHA256())
        return str(claims["sub"])

    def by_hand(token: str) -> Any:
        message, _, signature = token.rpartition(".")
        key.verify(_decoded(signature), message.encode(), PKCS1v15(), SHA256())
        payload = json.loads(_decoded(message.partition(".")[2]))
        return payload["sub"] if payload["iss"] == issuer and payload["exp"] > claims["exp"] - 3600 else None

    def pyjwt(token: str) -> Any:
        return jwt.decode(token, key, algorithms=["RS256"], options=options, issuer=issuer)["sub"]

    def pyjwk_client(token: str) -> Any:
        found = client.get_signing_key_from_jwt(token)
        return jwt.decode(token, found, algorithms=["RS256"], options=options, issuer=issuer)["sub"]

    def joserfc(token: str) -> Any:
        decoded = joserfc_jwt.decode(token, jose_key, algorithms=["RS256"])
        registry.validate(decoded.claims)
        return decoded.claims["sub"]

    def ours(token: str) -> Any:
        return verifier.verify(token)._claims["sub"]

    def again(token: str) -> Any:
        return remembering.verify(token)._claims["sub"]

    def case(name: str, function: Callable[[str], Any], taken: list[str]) -> Case:
        following = cycle(taken).__next__
        return Case(name, lambda: function(following()), expected=claims["sub"], queries=0)

    return Group(
        f"An access token of {len(tokens[0])} bytes, RS256",
        [
            case(RAW, raw, tokens),
            case("by hand: the signature, exp and iss", by_hand, tokens),
            case(OURS, ours, tokens),
            case(AGAIN, again, tokens[:1]),
            case("joserfc", joserfc, tokens),
            case("PyJWT", pyjwt, tokens),
            case("PyJWT and its PyJWKClient, warm", pyjwk_client, tokens),
        ],
        [
            Row("a1", "a fresh token, beside its RSA signature alone", OURS, RAW, at_most=5),
            Row("a2", "a token that comes again, beside its RSA signature alone", AGAIN, RAW, at_most=0.2),
        ],
        ["Authlib's own decoder is deprecated for joserfc, which is by the same author."],
        verify=lambda: _refuse(tokens[0], [ours, again, by_hand, pyjwt, pyjwk_client, joserfc]),
    )


def _refuse(token: str, ways: list[Callable[[str], Any]]) -> None:
    """See that every way refuses a token with another user's claims."""
    header, payload, signature = token.split(".")
    claims = json.dumps(json.loads(_decoded(payload)) | {"sub": "somebody else"}).encode()
    forged = f"{header}.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.{signature}"
    for way in ways:
        try:
            way(forged)
        except Exception:  # noqa: S112 - each has errors of its own
            continue
        raise Wrong(f"{way.__name__} takes a forged token.")


def _parts(token: str) -> tuple[bytes, bytes]:
    message, _, signature = token.rpartition(".")
    return message.encode(), _decoded(signature)


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
