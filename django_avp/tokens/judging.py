"""What must hold of a token: its form, its signature, and what it claims.

# INVARIANT: nothing of a token is believed before its signature holds. The unverified header and issuer only choose
the key set, among those that the settings allow. No error carries a part of a token or a claim.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import jwt

from django_avp.cedar import EntityUid
from django_avp.exceptions import TokenError, TokenExpiredError, TokenForeignError, TokenInvalidError
from django_avp.tokens.compact import MAX_TOKEN_LENGTH, decode_segment, is_time
from django_avp.tokens.memory import Signer, TokenFacts
from django_avp.tokens.pyjwt import StrictJWT
from django_avp.values import has_reserved_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from django_avp.tokens.rules import TokenRules

__all__ = ["header_of", "invalid", "peek", "verify"]

MAX_KEY_ID_LENGTH = 256

# RFC 7515 section 7.1: three base64url segments, without padding (section 2).
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_CLIENT_CLAIMS = {"id": "aud", "access": "client_id"}
# `aud` is compared here: an access token has none. `iat` is not enforced: a second of skew would fail a fresh
# sign-in (rule C9).
_PYJWT = StrictJWT({"require": ["exp", "iss", "sub", "token_use"], "verify_aud": False, "verify_iat": False})
_MESSAGES = {
    "algorithm": "The token is not signed with RS256.",
    "claims": "A claim of the token is missing or malformed.",
    "client": "The token was issued to another client.",
    "critical": "The token names header parameters that must be understood and are not.",
    "groups": "The groups of the token are not a list of names.",
    "issuer": "The token names no issuer.",
    "key_id": "The token does not name the key that signed it.",
    "malformed": "The token is not a signed JWT.",
    "not_yet_valid": "The token is not valid yet.",
    "reserved": "A claim of the token uses a name that Cedar reserves.",
    "revoked": "The token was revoked.",
    "signature": "The signature of the token does not hold.",
    "token_use": "The token is not of an accepted kind.",
    "too_large": "The token is too large.",
}
_PYJWT_CODES: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ImmatureSignatureError, "not_yet_valid"),
    (jwt.InvalidSignatureError, "signature"),
    (jwt.DecodeError, "malformed"),
    (jwt.PyJWTError, "claims"),
)


def header_of(token: str) -> str:
    """The header of a token, as it stands there."""
    return _segments(token)[0]


def _segments(token: str) -> list[str]:
    """The three segments of a token, which is a text of the right length and letters."""
    if not isinstance(token, str):
        raise invalid("malformed")
    if len(token) > MAX_TOKEN_LENGTH:
        raise invalid("too_large")
    if _COMPACT.fullmatch(token) is None:
        raise invalid("malformed")
    return token.split(".")


def peek(token: str, rules: TokenRules) -> tuple[str, str, str]:
    """What an unverified token says about who signed it: issuer, pool and key id; the settings allow the issuer."""
    segments = _segments(token)
    header, payload = decode_segment(segments[0]), decode_segment(segments[1])
    if header is None or payload is None:
        raise invalid("malformed")
    # The issuer comes first: another application's tokens may well have another algorithm and no key id (rule C2).
    issuer = payload.get("iss")
    if not isinstance(issuer, str):
        raise invalid("issuer")
    pool = rules.pools.get(issuer)
    if pool is None:
        raise TokenForeignError("foreign_issuer", "The token was issued by another issuer.")
    return issuer, pool, _key_id(header)


def _key_id(header: Mapping[str, Any]) -> str:
    """Check a header and return its key id; ``jku``, ``x5u`` and ``jwk`` stay unread (RFC 8725 section 3.10)."""
    # RFC 8725 section 3.1: one algorithm, pinned; the header may only agree.
    if header.get("alg") != "RS256":
        raise invalid("algorithm")
    # RFC 7515 section 4.1.11: no extension is understood here, so none may be critical.
    if "crit" in header:
        raise invalid("critical")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 1 <= len(key_id) <= MAX_KEY_ID_LENGTH:
        raise invalid("key_id")
    return key_id


def verify(token: str, signer: Signer, key: RSAPublicKey, kind: str | None, rules: TokenRules) -> TokenFacts:
    """Verify that a signer has signed a token, and all that it claims."""
    try:
        decoded = _PYJWT.decode_complete(token, key, ["RS256"], issuer=signer.issuer, leeway=rules.leeway)
    except jwt.ExpiredSignatureError:
        raise TokenExpiredError("expired", "The token has expired.") from None
    except jwt.PyJWTError as error:
        raise _translate(error) from None
    claims = decoded["payload"]
    _check_types(claims, signer.pool)
    token_use = _token_use(claims, kind, rules)
    client_id = _client_id(claims, token_use, rules.clients[signer.pool])
    if has_reserved_key(claims):
        raise invalid("reserved")
    return TokenFacts(claims, token_use, client_id, signer, key)


def _check_types(claims: Mapping[str, Any], pool: str) -> None:
    """Refuse what PyJWT lets pass: a textual or boolean ``exp``, and ids that AVP would refuse (rule A9)."""
    if not is_time(claims["exp"]):
        raise invalid("claims")
    if not claims["sub"] or not EntityUid("User", f"{pool}|{claims['sub']}").is_valid:
        raise invalid("claims")
    # Cognito sends a list. A text would be taken for its characters.
    groups = claims.get("cognito:groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise invalid("groups")


def _token_use(claims: Mapping[str, Any], kind: str | None, rules: TokenRules) -> str:
    token_use = claims["token_use"]
    if not isinstance(token_use, str) or token_use not in _CLIENT_CLAIMS or token_use not in rules.kinds:
        raise invalid("token_use")
    if kind is not None and token_use != kind:
        raise invalid("token_use")
    return token_use


def _client_id(claims: Mapping[str, Any], token_use: str, accepted: Collection[str] | None) -> str:
    """Return the client that the token was issued to; with several pools, one of the token's own pool (rule C10)."""
    client_id = claims.get(_CLIENT_CLAIMS[token_use])
    if not isinstance(client_id, str) or not client_id:
        raise invalid("client")
    # Only an explicit None skips the check.
    if accepted is not None and client_id not in accepted:
        raise invalid("client")
    return client_id


def _translate(error: jwt.PyJWTError) -> TokenError:
    return invalid(next(code for kind, code in _PYJWT_CODES if isinstance(error, kind)))


def invalid(code: str) -> TokenInvalidError:
    """The error of a token that does not hold, by what is wrong with it."""
    return TokenInvalidError(code, _MESSAGES[code])
