"""PyJWT, which verifies signatures and registered claims: stricter about JSON, and quicker about base64url.

PyJWT looks at each byte of a token in Python, which takes longer than all else that it does, RSA included. What is
decoded and encoded again to the same text was base64url without padding: that is all that the loop could find.

# INVARIANT: nothing is accepted here but what PyJWT accepts. What is in another form is left to PyJWT itself, and so is
all, at its own speed, should a release have other names for what is replaced.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64
from typing import Any

import jwt

from django_avp.tokens.compact import decode_object

__all__ = ["StrictJWT"]


_FROM_URL = bytes.maketrans(b"-_", b"+/")
_TO_URL = bytes.maketrans(b"+/", b"-_")


class _JWS(jwt.PyJWS):
    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        try:
            decoded = a2b_base64(segment.translate(_FROM_URL) + b"==")
        except Error:
            decoded = b""
        if b2a_base64(decoded, newline=False).translate(_TO_URL).rstrip(b"=") == segment:
            return decoded
        return jwt.PyJWS._decode_base64url_segment(segment, name)


class StrictJWT(jwt.PyJWT):
    """PyJWT, which refuses payloads that another parser may read otherwise; the arguments are the same."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        # With each token it is told its options.
        self._jws = _JWS()

    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        claims = decode_object(decoded["payload"])
        if claims is None:
            raise jwt.DecodeError("The payload is not a plain JSON object.")
        return claims
