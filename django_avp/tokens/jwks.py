"""JWK sets, read for the keys that can verify tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.core.exceptions import ImproperlyConfigured

from django_avp.exceptions import TokenError, TokenInvalidError

__all__ = ["GivenSet", "parse_key_set", "unknown_key"]

MIN_KEY_SIZE = 2048


def parse_key_set(document: object) -> dict[str, RSAPublicKey]:
    """Return the keys of a JWK set (RFC 7517 section 5) that can verify RS256 signatures, by key id."""
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list | tuple):
        return {}
    # One that cannot be used does not take the place of another of the same id.
    return {
        entry["kid"]: key for entry in entries if _is_for_signatures(entry) and (key := _public_key(entry)) is not None
    }


def _is_for_signatures(entry: object) -> bool:
    # RFC 7517 sections 4.2 to 4.4: each of these may be absent; what is there must agree.
    return (
        isinstance(entry, Mapping)
        and all(isinstance(entry.get(name), str) for name in ("kid", "n", "e"))
        and entry.get("kty") == "RSA"
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", "RS256") == "RS256"
        and isinstance(operations := entry.get("key_ops", ["verify"]), list | tuple)
        and "verify" in operations
    )


def _public_key(entry: Mapping[str, Any]) -> RSAPublicKey | None:
    try:
        # Only the public numbers: a private key that was published by mistake is not taken in.
        key = jwt.PyJWK({"kty": "RSA", "n": entry["n"], "e": entry["e"]}, "RS256").key
    except (jwt.PyJWTError, ValueError):
        return None
    # RFC 7518 section 3.3: 2048 bits or more.
    return key if isinstance(key, RSAPublicKey) and key.key_size >= MIN_KEY_SIZE else None


class GivenSet:
    """The keys of a set given by the settings.

    Raises:
        ImproperlyConfigured: there is no usable one.
    """

    def __init__(self, inline: Mapping[str, Any]) -> None:
        self._keys = parse_key_set(inline)
        if not self._keys:
            raise ImproperlyConfigured(
                'AVP_JWKS holds no usable key; give {"keys": [...]} with at least one RSA key for RS256 '
                "signatures, or remove it to have the key set fetched from the issuer."
            )

    def get(self, key_id: str) -> RSAPublicKey:
        """Return a key.

        Raises:
            TokenInvalidError: there is none of this id.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise unknown_key()
        return key

    async def aget(self, key_id: str) -> RSAPublicKey:
        """Return a key as :meth:`get` does."""
        return self.get(key_id)

    def load(self) -> None:
        """Nothing is fetched."""


def unknown_key() -> TokenError:
    """The error of a key id that an issuer does not have."""
    return TokenInvalidError("unknown_key", "The token is signed with a key that its issuer does not have.")
