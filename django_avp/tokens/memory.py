"""The tokens that a process has verified, remembered so that the same one need not be verified again at each request.

# INVARIANT: only what cannot change is remembered: that a key has signed exactly this text, and what it says. Settings,
# key and clock are looked at each time, and where they differ the token is verified anew. So nothing is accepted that a
# verification would refuse, and nothing is refused from memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from django_avp.tokens.keys import KeySet
    from django_avp.tokens.rules import TokenRules

__all__ = ["Signer", "TokenFacts", "TokenMemory"]

MAX_LENGTH = 16_384
"""Characters of the longest token that is remembered; few servers take longer headers."""
MAX_LEVELS = 8
"""Lists and records within each other in a claim that is remembered; Cognito's own have two."""
SWEEP_INTERVAL = 60.0
"""Seconds from one search for expired tokens to the next."""
MAX_HEADERS = 100
"""Headers of which it is known who signs the tokens that have them: an issuer has two keys, and a header for each."""

# What is made of JSON is of exactly these types.
_NESTED = frozenset({dict, list})


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs tokens: an issuer that the settings allow, with one of its keys.

    Attributes:
        issuer: the ``iss`` of its tokens.
        pool: its user pool.
        key_set: where the key is found.
        key_id: by which id.
    """

    issuer: str
    pool: str
    key_set: KeySet
    key_id: str


class TokenFacts:
    """What a verification has found, and by which key. Neither the token nor its signature is among it.

    Args:
        claims: all of them; they are nobody else's.
        kind: ``"id"`` or ``"access"``.
        client_id: the accepted client.
        signer: who has signed it.
        key: the key.
    """

    __slots__ = (
        "_claims",
        "_copiers",
        "client_id",
        "expires_at",
        "is_used",
        "key",
        "kind",
        "not_before",
        "signer",
    )

    def __init__(self, claims: dict[str, Any], kind: str, client_id: str, signer: Signer, key: RSAPublicKey) -> None:
        self._claims = claims
        self.kind = kind
        self.client_id = client_id
        self.signer = signer
        self.key = key
        self.is_used = False
        # Whole seconds, as PyJWT compares them.
        self.expires_at = int(claims["exp"])
        self.not_before = int(claims.get("nbf", 0))
        self._copiers = [(name, _copier(value)) for name, value in claims.items() if type(value) in _NESTED]

    @property
    def is_memorable(self) -> bool:
        """Whether everybody can be given claims of their own."""
        return _handed_on not in [copier for _, copier in self._copiers]

    def claims(self) -> Mapping[str, Any]:
        """The claims, with lists and records that nobody else was given: what is done to them reaches nobody else."""
        claims = self._claims.copy()
        for name, copy in self._copiers:
            claims[name] = copy(claims[name])
        return MappingProxyType(claims)

    def hold(self, leeway: float) -> bool:
        """Whether the token may be used now."""
        now = time.time()
        return self.expires_at > now - leeway and self.not_before <= now + leeway


class TokenMemory:
    """Remembers tokens that were used lately, as they were judged by one state of the settings; for several threads.

    Of tokens that come for the first time it knows who signs those with the same header.

    Args:
        rules: that state; it says how many tokens there may be.
    """

    def __init__(self, rules: TokenRules) -> None:
        self.rules = rules
        # Guards what is added and removed; who looks one up waits for nobody.
        self._lock = threading.Lock()
        self._facts: dict[bytes, TokenFacts] = {}
        self._signers: dict[str, Signer | None] = {}
        self._swept_at = time.monotonic()

    def __len__(self) -> int:
        return len(self._facts)

    def look_up(self, token: object, kind: str | None) -> tuple[bytes | None, TokenFacts | None]:
        """What is remembered of a token, if it is of the kind that is wanted.

        Returns:
            What the token is to be remembered by, ``None`` for one that never is, and what is remembered of it.
        """
        if not isinstance(token, str) or len(token) > MAX_LENGTH or not token.isascii() or not self.rules.memory:
            return None, None
        # How long a look-up takes depends on digests. Nobody can choose the digest of a token bit by bit, and from what
        # the time might tell of the digests that are here no token can be found.
        digest = sha256(token.encode()).digest()
        facts = self._facts.get(digest)
        if facts is None:
            return digest, None
        facts.is_used = True
        return digest, facts if kind is None or kind == facts.kind else None

    def likely_signer(self, header: str) -> Signer | None:
        """Who has signed all verified tokens with this header, as it stands in a token: a guess about another one."""
        return self._signers.get(header)

    def add(self, token: str, digest: bytes | None, facts: TokenFacts) -> None:
        """Remember a token that was verified; one that was not used for long makes room for it."""
        self._learn(token.partition(".")[0], facts.signer)
        if digest is None or not facts.is_memorable:
            return
        with self._lock:
            self._facts.pop(digest, None)
            self._sweep()
            while len(self._facts) >= self.rules.memory:
                self._drop()
            self._facts[digest] = facts

    def _learn(self, header: str, signer: Signer) -> None:
        known = self._signers.get(header, signer)
        if known is not signer and known != signer:
            # Two issuers have one key under one id: it tells nothing.
            self._signers[header] = None
        elif len(self._signers) < MAX_HEADERS:
            self._signers[header] = signer

    def _drop(self) -> None:
        """Forget the token that has been here for longest, unless it was used: then it stays for another turn."""
        digest, facts = next(iter(self._facts.items()))
        del self._facts[digest]
        if facts.is_used:
            facts.is_used = False
            self._facts[digest] = facts

    def _sweep(self) -> None:
        if time.monotonic() < self._swept_at + SWEEP_INTERVAL:
            return
        self._swept_at = time.monotonic()
        for digest, facts in list(self._facts.items()):
            if not facts.hold(self.rules.leeway):
                del self._facts[digest]


def _copier(value: Any) -> Callable[[Any], Any]:
    """How a list or a record is copied."""
    levels, level = 0, [value]
    while level and levels < MAX_LEVELS:
        levels += 1
        items = [one.values() if type(one) is dict else one for one in level]
        level = [inner for several in items for inner in several if type(inner) in _NESTED]
    return type(value).copy if levels == 1 else _handed_on if level else _copy


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {name: _copy(item) for name, item in value.items()}
    return [_copy(item) for item in value] if type(value) is list else value


def _handed_on(value: Any) -> Any:
    """What nests deeper than it is worth to be copied: it is given to one request, and not remembered."""
    return value
