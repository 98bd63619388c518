"""Coverage-guided fuzzing of the parser and the verifier with Atheris, which is not among this package's requirements.

Not collected by pytest: ``python -m tests.hostile.fuzz_tokens -max_total_time=300``, where Atheris is installed.
"""

from __future__ import annotations

import sys

import atheris
from django.conf import settings

with atheris.instrument_imports(include=["django_avp.tokens", "jwt", "json", "base64"]):
    from django_avp.exceptions import TokenError
    from django_avp.testing import TokenMint
    from django_avp.tokens.compact import decode_segment
    from django_avp.tokens.verifier import TokenVerifier
    from tests.hostile.lab import POOL, Lab, encode

LAB = Lab(TokenMint())
settings.configure(AVP_USER_POOLS={POOL: ["client-1"]}, AVP_JWKS=LAB.jwks)
VERIFIER = TokenVerifier()
GOOD = {LAB.good(), LAB.good("access")}


def one_input(data: bytes) -> None:
    """Take bytes for a segment, and, as the first one says, for a token or for a part that the issuer has signed."""
    how, rest = data[:1], data[1:]
    decode_segment(rest.decode("latin-1"))
    decode_segment(encode(rest))
    if how == b"h":
        token = LAB.signed(rest, LAB.claims())
    elif how == b"p":
        token = LAB.signed(LAB.header(), rest)
    elif how == b"s":
        token = LAB.sealed(LAB.header(), LAB.claims(), lambda signed: rest)
    else:
        token = rest.decode("latin-1")
    try:
        VERIFIER.verify(token)
    except TokenError:
        return
    if how not in (b"h", b"p") and token not in GOOD:
        raise AssertionError("a token was accepted that the issuer has not signed")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
