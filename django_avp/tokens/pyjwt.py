"""PyJWT, which verifies signatures and registered claims, with a quicker way to decode base64url.

PyJWT looks at each byte of a token in Python, which takes longer than all else that it does, RSA included. What is
decoded and encoded again to the same text was base64url without padding: that is all that the loop could find.

# INVARIANT: nothing is accepted here but what PyJWT accepts. Everything else is left to PyJWT itself, and so is all, at
its own speed, should a release have other names for what is replaced.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import jwt

__all__ = ["QuickJWT"]


class _QuickJWS(jwt.PyJWS):
    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        try:
            decoded = urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
        except binascii.Error:
            decoded = b""
        if urlsafe_b64encode(decoded).rstrip(b"=") == segment:
            return decoded
        return jwt.PyJWS._decode_base64url_segment(segment, name)


class QuickJWT(jwt.PyJWT):
    """PyJWT; the arguments are the same."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        # With each token it is told its options.
        self._jws = _QuickJWS()
