"""Tests of ``django_avp.tokens.pyjwt``: what is quicker accepts nothing else, and is in use."""

from __future__ import annotations

import base64
import string
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_avp.tokens.jwks import parse_key_set
from django_avp.tokens.pyjwt import _JWS, StrictJWT

LETTERS = string.ascii_letters + string.digits + "-_"
SEGMENTS = st.one_of(
    st.text(LETTERS, max_size=60).map(str.encode),
    st.text(LETTERS + "=+/. \n", max_size=60).map(str.encode),
    st.binary(max_size=60),
    st.binary(max_size=60).map(base64.urlsafe_b64encode),
    st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")),
)


def outcome(decode: Any, *arguments: Any, **options: Any) -> object:
    """What is returned, or which error is raised with which text."""
    try:
        return decode(*arguments, **options)
    except jwt.PyJWTError as error:
        return type(error), str(error)


@given(segment=SEGMENTS)
@example(segment=b"")
@example(segment=b"=")
@example(segment=b"A")
@example(segment=b"QQ")
@example(segment=b"QR")
@example(segment=b"QQ==")
@example(segment=b"QQ=")
@example(segment=b"Q Q")
@example(segment=b"+/+/")
def test_a_segment_is_what_it_is_to_pyjwt(segment):
    """Every text is decoded to the same bytes, or refused in the same words."""
    assert outcome(_JWS._decode_base64url_segment, segment, "payload") == outcome(
        jwt.PyJWS._decode_base64url_segment, segment, "payload"
    )


@pytest.fixture(scope="module")
def key(mint) -> RSAPublicKey:
    """The mint's public key."""
    return parse_key_set(mint.jwks)[mint.kid]


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_token_is_what_it_is_to_pyjwt(mint, key, data):
    """Whatever is changed anywhere in a token: the answer is that of PyJWT."""
    token = mint.id_token(expires_in=data.draw(st.sampled_from([600, -600])))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(token) - 1))
        length = data.draw(st.integers(0, 2))
        token = token[:place] + data.draw(st.text(LETTERS + "=. ", max_size=3)) + token[place + length :]
    given_options: dict[str, Any] = {"algorithms": ["RS256"], "options": {"verify_aud": False}}

    assert outcome(StrictJWT().decode, token, key, **given_options) == outcome(jwt.decode, token, key, **given_options)


@pytest.mark.parametrize(
    "payload", [b'{"a": 1, "a": 1}', b'{"a": NaN}', b"[]", b"\xff", '{"a": 1}'.encode("utf-16"), b"["]
)
def test_what_another_parser_may_read_otherwise_is_refused(mint, key, payload):
    """A signed payload has to be a plain JSON object, which PyJWT does not ask."""
    with pytest.raises(jwt.DecodeError, match="^The payload is not a plain JSON object.$"):
        StrictJWT().decode(mint.sign(payload), key, algorithms=["RS256"])


def test_the_quicker_way_is_in_use(mint, key, monkeypatch):
    """PyJWT still has the names that are replaced; otherwise it would do all by itself, in more than twice the time."""
    decode = StrictJWT({"verify_aud": False}).decode
    monkeypatch.setattr(jwt.PyJWS, "_decode_base64url_segment", None)

    assert decode(mint.id_token("ann"), key, algorithms=["RS256"])["sub"] == "ann"
