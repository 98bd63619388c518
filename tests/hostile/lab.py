"""What an attacker has: keys of their own, published keys, and a way to write any header, any claims, any signature.

A token is made of JSON texts and not of values, because much of what is tried cannot be said in values: a name that
stands twice, ``1e400``, numbers of 5,000 digits.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from django_avp.testing import TokenMint

POOL = "eu-west-1_AbCdEf123"
HOST = "cognito-idp.eu-west-1.amazonaws.com"
ISSUER = f"https://{HOST}/{POOL}"
SECRET = "never-to-be-seen-7c1e"
"""Stands in the claims of every token, and may stand nowhere else."""

HASHES = {"1": SHA1, "256": SHA256, "384": SHA384, "512": SHA512}
# RFC 8017 section 9.2: what stands before a SHA-256 digest, with its NULL and without.
_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
_DIGEST_INFO_WITHOUT_NULL = bytes.fromhex("302f300b06096086480165030402010420")

Pairs = list[tuple[str, str]]
"""Names and JSON texts."""


def encode(value: bytes) -> str:
    """Encode one segment: base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decode(segment: str) -> bytes:
    """Decode one segment."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def text_of(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Write an object; a name may stand twice."""
    return ("{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in pairs) + "}").encode()


class Lab:
    """Makes tokens that are right but for what is tried.

    Args:
        mint: whose key the site trusts.
    """

    def __init__(self, mint: TokenMint) -> None:
        self.mint = mint
        self.key: rsa.RSAPrivateKey = mint._private_key
        self.forger = TokenMint()
        self.now = int(time.time())

    # Keys

    @cached_property
    def curves(self) -> dict[str, Any]:
        """Keys of the attacker for other algorithms."""
        pairs = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1(), "ES256K": ec.SECP256K1()}
        return {name: ec.generate_private_key(curve) for name, curve in pairs.items()}

    @cached_property
    def edwards(self) -> ed25519.Ed25519PrivateKey:
        """The attacker's key for EdDSA."""
        return ed25519.Ed25519PrivateKey.generate()

    @cached_property
    def small(self) -> dict[int, TokenMint]:
        """Keys of fewer bits than RFC 7518 asks for."""
        return {bits: TokenMint(rsa.generate_private_key(65537, bits)) for bits in (1024, 2040)}

    @cached_property
    def jwks(self) -> dict[str, Any]:
        """The issuer's key set: its key, and keys that must not verify tokens."""
        own, other = self.mint.jwks["keys"][0], self.forger.jwks["keys"][0]
        unusable = [{**other, "kid": kid, **changes} for kid, changes in UNUSABLE.items()]
        small = [{**mint.jwks["keys"][0], "kid": f"small-{bits}"} for bits, mint in self.small.items()]
        absent = [
            {name: value for name, value in other.items() if name != left} | {"kid": f"no-{left}"} for left in "ne"
        ]
        typeless = {name: value for name, value in other.items() if name != "kty"} | {"kid": "no-kty"}
        return {"keys": [own, *unusable, *small, *absent, typeless, {**other, "kid": 5}]}

    def secrets(self) -> dict[str, bytes]:
        """Everything public about the issuer's key that could be taken for the secret of an HMAC."""
        public, jwk = self.key.public_key(), self.mint.jwks["keys"][0]
        forms = {"spki": PublicFormat.SubjectPublicKeyInfo, "pkcs1": PublicFormat.PKCS1}
        written = {
            f"{encoded} {name}": public.public_bytes(encoding, form)
            for encoded, encoding in (("pem", Encoding.PEM), ("der", Encoding.DER))
            for name, form in forms.items()
        }
        return written | {
            "pem without its last line break": written["pem spki"].rstrip(b"\n"),
            "jwk": json.dumps(jwk).encode(),
            "jwk set": json.dumps(self.mint.jwks).encode(),
            "modulus": decode(jwk["n"]),
            "modulus as text": jwk["n"].encode(),
            "key id": self.mint.kid.encode(),
            "nothing": b"",
        }

    # Texts

    def header(self, **changes: str | None) -> Pairs:
        """The header of a good token; JSON texts replace parameters, ``None`` leaves one out."""
        return changed([("kid", json.dumps(self.mint.kid)), ("alg", '"RS256"')], changes)

    def claims(self, kind: str = "id", changes: dict[str, str | None] | None = None) -> Pairs:
        """The claims of a good token of a kind; JSON texts replace claims, ``None`` leaves one out."""
        client = {"id": "aud", "access": "client_id"}[kind]
        own: dict[str, Any] = {
            "sub": f"sub-{SECRET}",
            "email": f"{SECRET}@example.com",
            "iss": ISSUER,
            "token_use": kind,
            client: "client-1",
            "cognito:groups": ["moderators"],
            "origin_jti": SECRET,
            "auth_time": self.now,
            "exp": self.now + 3600,
            "iat": self.now,
            "jti": SECRET,
        }
        return changed([(name, json.dumps(value)) for name, value in own.items()], changes or {})

    # Tokens

    def good(self, kind: str = "id", **header: str | None) -> str:
        """A token that holds, but for the header parameters that are given."""
        return self.signed(self.header(**header), self.claims(kind))

    def claiming(self, kind: str = "id", **changes: str | None) -> str:
        """A token of the issuer's with other claims."""
        return self.signed(self.header(), self.claims(kind, changes))

    def signed(self, header: Pairs | bytes, payload: Pairs | bytes, key: rsa.RSAPrivateKey | None = None) -> str:
        """Sign anything with RS256, by the issuer's key unless another is given."""
        return self.sealed(header, payload, lambda signed: (key or self.key).sign(signed, padding.PKCS1v15(), SHA256()))

    def forged(self, kind: str = "id", **header: str | None) -> str:
        """A token that the attacker has signed with a key of their own."""
        return self.signed(self.header(**header), self.claims(kind), self.forger._private_key)

    def sealed(self, header: Pairs | bytes, payload: Pairs | bytes, seal: Callable[[bytes], bytes]) -> str:
        """Put anything together with any signature."""
        parts = [part if isinstance(part, bytes) else text_of(part) for part in (header, payload)]
        signed = ".".join(encode(part) for part in parts)
        return f"{signed}.{encode(seal(signed.encode()))}"

    def by_hmac(self, algorithm: str, secret: bytes, bits: str) -> str:
        """A token whose signature is an HMAC."""
        return self.sealed(
            self.header(alg=json.dumps(algorithm)),
            self.claims(),
            lambda signed: hmac.digest(secret, signed, f"sha{bits}"),
        )

    def by_rsa(self, algorithm: str, scheme: str, bits: str) -> str:
        """A token that the issuer's own key has signed in another way."""
        used = HASHES[bits]()
        how = padding.PSS(padding.MGF1(used), used.digest_size) if scheme == "PS" else padding.PKCS1v15()
        return self.sealed(
            self.header(alg=json.dumps(algorithm)), self.claims(), lambda signed: self.key.sign(signed, how, used)
        )

    def by_curve(self, algorithm: str, name: str) -> str:
        """A token that a key of another kind has signed."""
        if name == "EdDSA":
            return self.sealed(self.header(alg=json.dumps(algorithm)), self.claims(), self.edwards.sign)
        key = self.curves[name]
        return self.sealed(
            self.header(alg=json.dumps(algorithm)), self.claims(), lambda signed: key.sign(signed, ec.ECDSA(SHA256()))
        )

    def by_block(self, name: str) -> str:
        """A token whose signature is a block that RSA's private key has been applied to, and not one of PKCS #1."""

        def seal(signed: bytes) -> bytes:
            digest = hashlib.sha256(signed).digest()
            numbers = self.key.private_numbers()
            number = int.from_bytes(_BLOCKS[name](digest), "big")
            return pow(number, numbers.d, numbers.public_numbers.n).to_bytes(256, "big")

        return self.sealed(self.header(), self.claims(), seal)


def changed(pairs: Pairs, changes: dict[str, str | None]) -> Pairs:
    """Replace and add; ``None`` leaves out."""
    merged = {**dict(pairs), **changes}
    return [(name, value) for name, value in merged.items() if value is not None]


def _padded(info: bytes, kind: bytes = b"\1", fill: bytes = b"\xff") -> bytes:
    return b"\0" + kind + fill * (256 - 3 - len(info)) + b"\0" + info


_BLOCKS: dict[str, Callable[[bytes], bytes]] = {
    "the digest alone": lambda digest: digest,
    "no digest info": lambda digest: _padded(digest),
    "a digest info without its NULL": lambda digest: _padded(_DIGEST_INFO_WITHOUT_NULL + digest),
    "padding of another type": lambda digest: _padded(_DIGEST_INFO + digest, kind=b"\2"),
    "padding of other bytes": lambda digest: _padded(_DIGEST_INFO + digest, fill=b"\xfe"),
    "short padding and garbage": lambda digest: (
        b"\0\1" + b"\xff" * 8 + b"\0" + _DIGEST_INFO + digest + b"\0" * (256 - 11 - 51)
    ),
    "a longer digest info": lambda digest: _padded(_DIGEST_INFO + digest + b"\0"),
    "another digest": lambda digest: _padded(_DIGEST_INFO + digest[::-1]),
}
BLOCKS = tuple(_BLOCKS)

UNUSABLE: dict[str, dict[str, Any]] = {
    "use-enc": {"use": "enc"},
    "use-empty": {"use": ""},
    "use-null": {"use": None},
    "use-list": {"use": ["sig"]},
    "ops-sign": {"key_ops": ["sign"]},
    "ops-none": {"key_ops": []},
    "ops-text": {"key_ops": "verify"},
    "ops-null": {"key_ops": None},
    "alg-rs512": {"alg": "RS512"},
    "alg-ps256": {"alg": "PS256"},
    "alg-hs256": {"alg": "HS256"},
    "alg-none": {"alg": "none"},
    "alg-null": {"alg": None},
    "alg-list": {"alg": ["RS256"]},
    "kty-ec": {"kty": "EC"},
    "kty-oct": {"kty": "oct", "k": "c2VjcmV0"},
    "kty-case": {"kty": "rsa"},
    "e-one": {"e": "AQ"},
    "e-even": {"e": "AQAC"},
    "e-nothing": {"e": ""},
    "n-nothing": {"n": ""},
    "n-number": {"n": 65537},
}
"""Keys of the set that must verify nothing, by their ids: each is the attacker's but for this."""
