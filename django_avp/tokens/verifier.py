"""Verification of Amazon Cognito tokens, from compact text to claims that may be trusted.

# INVARIANT: what is accepted has been verified with a key of its issuer's key set as it is now, by the settings and the
clock as they are now. No error carries a part of a token or a claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Never

from asgiref.sync import sync_to_async

from django_avp.conf import conf
from django_avp.exceptions import KeySetUnavailableError, TokenError
from django_avp.tokens.judging import header_of, invalid, peek, verify
from django_avp.tokens.keys import KeySets
from django_avp.tokens.memory import Signer, TokenMemory
from django_avp.tokens.rules import RuleReader, TokenRules

__all__ = ["TokenVerifier", "VerifiedToken"]


class Claims(dict[str, Any]):
    """What a callable of the site is asked about: an error in it shows its variables, and these have no claim."""

    def __repr__(self) -> str:
        return "<Claims>"


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
        if (
            known is not None
            and known.signer.key_set.get(known.signer.key_id) is known.key
            and known.hold(rules.leeway)
        ):
            facts = known
        else:
            likely = memory.likely_signer(header_of(token))
            signer = likely or self._named_signer(token, rules)
            try:
                facts = verify(token, signer, signer.key_set.get(signer.key_id), kind, rules)
            except TokenError:
                # The guess was wrong, or the token is: what it says for itself tells which.
                if likely is None or (named := self._named_signer(token, rules)) == likely:
                    raise
                facts = verify(token, named, named.key_set.get(named.key_id), kind, rules)
        own = facts.claims()
        is_revoked = conf.token_revoked if rules.is_revocable else None
        # An error of the callable rises: what could not be asked is never accepted.
        if is_revoked is not None and is_revoked(Claims(own)):
            raise invalid("revoked")
        if facts is not known:
            memory.add(token, digest, facts)
        return VerifiedToken(facts.kind, facts.signer.pool, facts.client_id, token, own)

    async def averify(self, token: str, *, kind: str | None = None) -> VerifiedToken:
        """Verify a token as :meth:`verify` does; key fetches and ``AVP_TOKEN_REVOKED`` leave the event loop free."""
        memory = self._current_memory()
        rules = memory.rules
        digest, known = memory.look_up(token, kind)
        if (
            known is not None
            and await known.signer.key_set.aget(known.signer.key_id) is known.key
            and known.hold(rules.leeway)
        ):
            facts = known
        else:
            likely = memory.likely_signer(header_of(token))
            signer = likely or self._named_signer(token, rules)
            try:
                facts = verify(token, signer, await signer.key_set.aget(signer.key_id), kind, rules)
            except TokenError:
                if likely is None or (named := self._named_signer(token, rules)) == likely:
                    raise
                facts = verify(token, named, await named.key_set.aget(named.key_id), kind, rules)
        own = facts.claims()
        is_revoked = conf.token_revoked if rules.is_revocable else None
        if is_revoked is not None and await sync_to_async(is_revoked)(Claims(own)):
            raise invalid("revoked")
        if facts is not known:
            memory.add(token, digest, facts)
        return VerifiedToken(facts.kind, facts.signer.pool, facts.client_id, token, own)

    def _named_signer(self, token: str, rules: TokenRules) -> Signer:
        """Who has signed a token, as it says itself; the settings allow the issuer."""
        issuer, pool, key_id = peek(token, rules)
        return Signer(issuer, pool, self._keys.of(issuer, pool, rules), key_id)

    def _current_memory(self) -> TokenMemory:
        """What is remembered by the settings as they are now; nothing, once they have changed."""
        rules, memory = self._rules.current(), self._memory
        if memory is None or memory.rules is not rules:
            memory = self._memory = TokenMemory(rules)
        return memory
