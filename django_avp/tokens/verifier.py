"""Verification of Amazon Cognito tokens, from compact text to claims that may be trusted.

# INVARIANT: nothing of a token is believed before its signature holds. The unverified header and issuer only choose
the key set, among those that the settings allow. No error carries a part of a token or a claim.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Never

import jwt
from asgiref.sync import sync_to_async
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_avp.cedar import EntityUid
from django_avp.conf import conf
from django_avp.exceptions import (
    KeySetUnavailableError,
    TokenError,
    TokenExpiredError,
    TokenForeignError,
    TokenInvalidError,
)
from django_avp.tokens.compact import MAX_TOKEN_LENGTH, decode_segment, is_time
from django_avp.tokens.keys import KeySets
from django_avp.tokens.memory import TokenFacts, TokenMemory
from django_avp.tokens.pyjwt import QuickJWT
from django_avp.tokens.rules import RuleReader, TokenRules
from django_avp.values import has_reserved_key

__all__ = ["TokenVerifier", "VerifiedToken"]

MAX_KEY_ID_LENGTH = 256

# RFC 7515 section 7.1: three base64url segments, without padding (section 2).
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_CLIENT_CLAIMS = {"id": "aud", "access": "client_id"}
# `aud` is compared here: an access token has none. `iat` is not enforced: a second of skew would fail a fresh
# sign-in (rule C9).
_PYJWT = QuickJWT({"require": ["exp", "iss", "sub", "token_use"], "verify_aud": False, "verify_iat": False})
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


@dataclass(frozen=True, slots=True, repr=False)
class VerifiedToken:
    """A token whose signature, issuer, expiry, kind and client hold.

    Token and claims live under underscore names, which Django templates cannot read; ``repr`` and pickles have
    neither (rule C8).
    """

    kind: str
    """``"id"`` or ``"access"``."""
    pool: str
    client_id: str
    _token: str
    _claims: Mapping[str, Any] = field(compare=False)

    @property
    def expires_at(self) -> int:
        """When the token expires, in seconds since the epoch."""
        return int(self._claims["exp"])

    def __repr__(self) -> str:
        return f"<VerifiedToken: {self.kind} token of {self.pool}>"

    def __copy__(self) -> VerifiedToken:
        return self

    def __deepcopy__(self, memo: object) -> VerifiedToken:
        return self

    def __reduce__(self) -> Never:
        raise TypeError(
            "A verified token is not pickled, because it is a credential; pickle the principal id, or the primary key "
            "of the user, and verify a token again where it is needed."
        )


class TokenVerifier:
    """Verifies tokens against the ``AVP_*`` settings, which are read live.

    Args:
        keys: the source of public keys; by default the key sets of the issuers, fetched when they are first needed.
    """

    def __init__(self, keys: KeySets | None = None) -> None:
        self._keys = KeySets() if keys is None else keys
        self._rules = RuleReader()
        self._memory: TokenMemory | None = None

    def load_keys(self, pool: str) -> None:
        """Have the keys of a pool at hand, those of any of its issuers: fetched unless they are known already.

        Raises:
            KeySetUnavailableError: no key set of the pool can be fetched.
            ImproperlyConfigured: ``AVP_JWKS`` holds no usable key.
        """
        *others, last = [issuer for issuer, its_pool in conf.issuers.items() if its_pool == pool]
        for issuer in others:
            with suppress(KeySetUnavailableError):
                self._keys.load(issuer, pool)
                return
        self._keys.load(last, pool)

    def verify(self, token: str, *, kind: str | None = None) -> VerifiedToken:
        """Verify a token, of the given kind (``"id"``, ``"access"``) if one is given.

        Raises:
            TokenForeignError: the token names an issuer that is not ours.
            TokenInvalidError: the token is malformed, forged, revoked, or was not issued for this site.
            TokenExpiredError: the token is genuine and past its ``exp``.
            KeySetUnavailableError: the signing key is not known and the key set cannot be fetched.
        """
        memory = self._current_memory()
        rules = memory.rules
        digest, known = memory.look_up(token, kind)
        # The key comes first: while it is waited for, the token's time may run out.
        if known is not None and known.key_set.get(known.key_id) is known.key and known.hold(rules.leeway):
            facts = known
        else:
            issuer, pool, key_id = _peek(token, rules)
            key_set = self._keys.of(issuer, pool, rules)
            key = key_set.get(key_id)
            claims = _decode(token, issuer, key, rules)
            facts = TokenFacts(claims, *_judge(claims, pool, kind, rules), key_set, key_id, key)
        own = facts.claims()
        is_revoked = conf.token_revoked if rules.is_revocable else None
        # An error of the callable rises: what could not be asked is never accepted.
        if is_revoked is not None and is_revoked(own):
            raise _invalid("revoked")
        if facts is not known:
            memory.add(digest, facts)
        return VerifiedToken(facts.kind, facts.pool, facts.client_id, token, own)

    async def averify(self, token: str, *, kind: str | None = None) -> VerifiedToken:
        """Verify a token as :meth:`verify` does; key fetches and ``AVP_TOKEN_REVOKED`` leave the event loop free."""
        memory = self._current_memory()
        rules = memory.rules
        digest, known = memory.look_up(token, kind)
        if known is not None and await known.key_set.aget(known.key_id) is known.key and known.hold(rules.leeway):
            facts = known
        else:
            issuer, pool, key_id = _peek(token, rules)
            key_set = self._keys.of(issuer, pool, rules)
            key = await key_set.aget(key_id)
            claims = _decode(token, issuer, key, rules)
            facts = TokenFacts(claims, *_judge(claims, pool, kind, rules), key_set, key_id, key)
        own = facts.claims()
        is_revoked = conf.token_revoked if rules.is_revocable else None
        if is_revoked is not None and await sync_to_async(is_revoked)(own):
            raise _invalid("revoked")
        if facts is not known:
            memory.add(digest, facts)
        return VerifiedToken(facts.kind, facts.pool, facts.client_id, token, own)

    def _current_memory(self) -> TokenMemory:
        """What is remembered by the settings as they are now; nothing, once they have changed."""
        rules, memory = self._rules.current(), self._memory
        if memory is None or memory.rules is not rules:
            memory = self._memory = TokenMemory(rules)
        return memory


def _peek(token: str, rules: TokenRules) -> tuple[str, str, str]:
    """What an unverified token says about who signed it: issuer, pool and key id; the settings allow the issuer."""
    if not isinstance(token, str):
        raise _invalid("malformed")
    if len(token) > MAX_TOKEN_LENGTH:
        raise _invalid("too_large")
    if _COMPACT.fullmatch(token) is None:
        raise _invalid("malformed")
    segments = token.split(".")
    header, payload = decode_segment(segments[0]), decode_segment(segments[1])
    if header is None or payload is None:
        raise _invalid("malformed")
    # The issuer comes first: another application's tokens may well have another algorithm and no key id (rule C2).
    issuer = payload.get("iss")
    if not isinstance(issuer, str):
        raise _invalid("issuer")
    pool = rules.pools.get(issuer)
    if pool is None:
        raise TokenForeignError("foreign_issuer", "The token was issued by another issuer.")
    return issuer, pool, _key_id(header)


def _key_id(header: Mapping[str, Any]) -> str:
    """Check a header and return its key id; ``jku``, ``x5u`` and ``jwk`` stay unread (RFC 8725 section 3.10)."""
    # RFC 8725 section 3.1: one algorithm, pinned; the header may only agree.
    if header.get("alg") != "RS256":
        raise _invalid("algorithm")
    # RFC 7515 section 4.1.11: no extension is understood here, so none may be critical.
    if "crit" in header:
        raise _invalid("critical")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 1 <= len(key_id) <= MAX_KEY_ID_LENGTH:
        raise _invalid("key_id")
    return key_id


def _decode(token: str, issuer: str, key: RSAPublicKey, rules: TokenRules) -> dict[str, Any]:
    """Verify the signature and the registered claims."""
    try:
        return _PYJWT.decode(token, key, algorithms=["RS256"], issuer=issuer, leeway=rules.leeway)
    except jwt.ExpiredSignatureError:
        raise TokenExpiredError("expired", "The token has expired.") from None
    except jwt.PyJWTError as error:
        raise _translate(error) from None


def _judge(claims: Mapping[str, Any], pool: str, kind: str | None, rules: TokenRules) -> tuple[str, str, str]:
    """Verify the other claims, and return kind, pool and client."""
    _check_types(claims, pool)
    token_use = _token_use(claims, kind, rules)
    client_id = _client_id(claims, token_use, rules.clients[pool])
    if has_reserved_key(claims):
        raise _invalid("reserved")
    return token_use, pool, client_id


def _check_types(claims: Mapping[str, Any], pool: str) -> None:
    """Refuse what PyJWT lets pass: a textual or boolean ``exp``, and ids that AVP would refuse (rule A9)."""
    if not is_time(claims["exp"]):
        raise _invalid("claims")
    if not claims["sub"] or not EntityUid("User", f"{pool}|{claims['sub']}").is_valid:
        raise _invalid("claims")
    # Cognito sends a list. A text would be taken for its characters.
    groups = claims.get("cognito:groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise _invalid("groups")


def _token_use(claims: Mapping[str, Any], kind: str | None, rules: TokenRules) -> str:
    token_use = claims["token_use"]
    if not isinstance(token_use, str) or token_use not in _CLIENT_CLAIMS or token_use not in rules.kinds:
        raise _invalid("token_use")
    if kind is not None and token_use != kind:
        raise _invalid("token_use")
    return token_use


def _client_id(claims: Mapping[str, Any], token_use: str, accepted: Collection[str] | None) -> str:
    """Return the client that the token was issued to; with several pools, one of the token's own pool (rule C10)."""
    client_id = claims.get(_CLIENT_CLAIMS[token_use])
    if not isinstance(client_id, str) or not client_id:
        raise _invalid("client")
    # Only an explicit None skips the check.
    if accepted is not None and client_id not in accepted:
        raise _invalid("client")
    return client_id


def _translate(error: jwt.PyJWTError) -> TokenError:
    return _invalid(next(code for kind, code in _PYJWT_CODES if isinstance(error, kind)))


def _invalid(code: str) -> TokenInvalidError:
    return TokenInvalidError(code, _MESSAGES[code])
