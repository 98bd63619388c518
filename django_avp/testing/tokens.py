"""Real, signed tokens in the shape of Amazon Cognito's, for tests and local development."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

__all__ = ["TokenMint"]


class TokenMint:
    """Signs ID and access tokens as a Cognito user pool does.

    Give the verifier its key set, and its tokens pass::

        mint = TokenMint()
        with override_settings(AVP_JWKS=mint.jwks, AVP_USER_POOLS={mint.pool: [mint.client_id]}):
            client.get("/", headers={"Authorization": f"Bearer {mint.id_token(groups=['Editors'])}"})

    Args:
        private_key: an RSA key; a new one is made by default.
        pool: the user pool whose tokens are signed unless a call names another.
        client_id: the app client that tokens are issued to unless a call names another.
    """

    def __init__(
        self,
        private_key: RSAPrivateKey | None = None,
        *,
        pool: str = "eu-west-1_AbCdEf123",
        client_id: str = "client-1",
    ) -> None:
        self._private_key = private_key or generate_private_key(public_exponent=65537, key_size=2048)
        self.pool = pool
        self.client_id = client_id
        numbers = self._private_key.public_key().public_numbers()
        self._jwk = {"e": _integer(numbers.e), "kty": "RSA", "n": _integer(numbers.n)}
        # RFC 7638: a key id that follows from the key.
        self.kid = _base64url(hashlib.sha256(_json(self._jwk)).digest())

    @property
    def jwks(self) -> dict[str, Any]:
        """The public key set, for ``AVP_JWKS`` or to be served at ``/.well-known/jwks.json``."""
        return {"keys": [{"alg": "RS256", "kid": self.kid, "use": "sig", **self._jwk}]}

    def id_token(
        self,
        sub: str = "5f1d7a52-40c1-70f5-9d4f-1f6e2b3c4d5e",
        *,
        groups: Sequence[str] = (),
        pool: str | None = None,
        client_id: str | None = None,
        expires_in: float = 3600,
        headers: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Sign an ID token.

        Args:
            sub: the subject.
            groups: Cognito groups; the claim is left out when there are none, as Cognito does.
            pool: another user pool than the mint's.
            client_id: another app client than the mint's.
            expires_in: seconds until the token expires; negative for one that has expired.
            headers: header parameters to add or replace; ``None`` leaves one out.
            **claims: claims to add or replace; ``None`` leaves one out.
        """
        own = {"aud": client_id or self.client_id, "cognito:username": sub}
        return self.sign(self._claims("id", sub, groups, pool, expires_in) | own | claims, headers)

    def access_token(
        self,
        sub: str = "5f1d7a52-40c1-70f5-9d4f-1f6e2b3c4d5e",
        *,
        groups: Sequence[str] = (),
        pool: str | None = None,
        client_id: str | None = None,
        expires_in: float = 3600,
        headers: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Sign an access token; the arguments are those of :meth:`id_token`."""
        own = {"client_id": client_id or self.client_id, "username": sub, "scope": "aws.cognito.signin.user.admin"}
        return self.sign(self._claims("access", sub, groups, pool, expires_in) | own | claims, headers)

    def sign(self, claims: Mapping[str, Any] | bytes, headers: Mapping[str, Any] | None = None) -> str:
        """Sign any claims, or any bytes in their place, with RS256, whatever the header says.

        ``None`` leaves a claim or a header parameter out.
        """
        header = {"kid": self.kid, "alg": "RS256", **(headers or {})}
        payload = claims if isinstance(claims, bytes) else _json(_given(claims))
        signed = f"{_base64url(_json(_given(header)))}.{_base64url(payload)}"
        signature = self._private_key.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{_base64url(signature)}"

    def _claims(
        self, token_use: str, sub: str, groups: Sequence[str], pool: str | None, expires_in: float
    ) -> dict[str, Any]:
        pool = pool or self.pool
        now = int(time.time())
        return {
            "sub": sub,
            "cognito:groups": list(groups) or None,
            "iss": f"https://cognito-idp.{pool.partition('_')[0]}.amazonaws.com/{pool}",
            "origin_jti": str(uuid.uuid4()),
            "event_id": str(uuid.uuid4()),
            "token_use": token_use,
            "auth_time": now,
            "exp": int(now + expires_in),
            "iat": now,
            "jti": str(uuid.uuid4()),
        }


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _integer(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
