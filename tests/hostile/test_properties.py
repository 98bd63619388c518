"""Generated tokens: parser and verifier refuse them by errors of their own, or an oracle accepts them as well.

The oracle is PyJWT with strict options, and this package's rules written down a second time.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_avp.exceptions import TokenError
from django_avp.tokens.compact import decode_segment
from django_avp.tokens.verifier import TokenVerifier
from tests.hostile.lab import ISSUER, POOL, Lab, changed, decode, encode, text_of

ISSUERS = [ISSUER, ISSUER.replace("cognito-idp", "issuer-cognito-idp")]
OPTIONS = {"require": ["exp", "iss", "sub", "token_use"], "verify_aud": False, "verify_iat": False}

EXAMPLES = 500

generated = hypothesis_settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def accepts(lab) -> Callable[[object], bool]:
    """Whether a token is accepted: by a verifier that remembers good ones, and this one then, and by a new one."""
    verifier = TokenVerifier()
    for kind in ("id", "access"):
        verifier.verify(lab.good(kind))

    def ask(token: object, verify: Callable[[Any], object]) -> bool:
        try:
            verify(token)
        except TokenError:
            return False
        return True

    def accepts(token: object) -> bool:
        answers = {
            ask(token, verifier.verify),
            ask(token, verifier.verify),
            ask(token, lambda token: asyncio.run(TokenVerifier().averify(token))),
        }
        assert len(answers) == 1
        return answers.pop()

    return accepts


# --- The oracle ----------------------------------------------------------------------------------------------------


def strict(segment: str) -> dict[str, Any]:
    """Read JSON of which no two parsers would think differently."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    def refuse(name: str) -> None:
        raise ValueError(name)

    value = json.loads(decode(segment).decode(), object_pairs_hook=unique, parse_constant=refuse)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def is_spelt(value: object) -> bool:
    """Whether one of Cedar's escapes is the name of something in a value."""
    if isinstance(value, dict):
        return any(name in ("__entity", "__extn", "__expr") or is_spelt(item) for name, item in value.items())
    return isinstance(value, list) and any(map(is_spelt, value))


def is_acceptable(lab: Lab, token: str) -> bool:
    """Whether a token may be accepted, found in another way than the package's."""
    try:
        jwt.decode(token, lab.key.public_key(), algorithms=["RS256"], issuer=ISSUERS, options=OPTIONS)
        header, claims = (strict(segment) for segment in token.split(".")[:2])
    except (jwt.PyJWTError, ValueError, RecursionError):
        return False
    exp, sub, groups = claims["exp"], claims["sub"], claims.get("cognito:groups", [])
    client = {"id": "aud", "access": "client_id"}.get(str(claims["token_use"]), "")
    return (
        (header["alg"], header.get("kid"), "crit" in header) == ("RS256", lab.mint.kid, False)
        and type(exp) in (int, float)
        and exp <= 253_402_300_799
        and 1 <= len(sub) <= 612 - len(f"{POOL}|")
        and not re.search("[\0\n\r\x85\u2028\u2029\ud800-\udfff]", sub)
        and type(groups) is list
        and all(type(group) is str for group in groups)
        and claims["token_use"] in ("id", "access")
        and claims.get(client) == "client-1"
        and len(token) <= 131_072
        and not is_spelt(claims)
    )


# --- Anything ------------------------------------------------------------------------------------------------------

SEGMENTS = st.one_of(st.binary(max_size=200).map(encode), st.text("ABCabc012-_", max_size=20), st.text(max_size=9))


@given(data=st.binary(max_size=500))
@generated
def test_the_parser_takes_any_bytes(data):
    """It gives the object that they are in strict JSON, or nothing; no error."""
    try:
        expected = strict(encode(data))
    except (ValueError, RecursionError):
        expected = None

    assert decode_segment(encode(data)) == expected


@given(text=st.one_of(st.text(), st.text("ABCabc=+/-_.", max_size=40), SEGMENTS))
@generated
def test_the_parser_takes_any_text(text):
    """It gives an object or nothing; no error."""
    assert isinstance(decode_segment(text), dict | None)


@given(
    token=st.one_of(
        st.text(),
        st.binary(),
        st.binary(max_size=300).map(lambda data: data.decode("latin-1")),
        st.lists(SEGMENTS, min_size=1, max_size=5).map(".".join),
        st.none() | st.integers() | st.lists(st.text(max_size=3), max_size=3),
    )
)
@generated
def test_the_verifier_takes_anything(accepts, token):
    """It refuses it as a token; no other error."""
    assert not accepts(token)


# --- Good tokens, bent ---------------------------------------------------------------------------------------------

PLACES = st.floats(0, 1, exclude_max=True)
LETTERS = st.one_of(st.sampled_from("ABCabc012-_=.+/ \n"), st.characters())
CHANGES = st.one_of(
    st.tuples(st.just("delete"), PLACES, st.integers(1, 40)),
    st.tuples(st.just("insert"), PLACES, LETTERS),
    st.tuples(st.just("replace"), PLACES, LETTERS),
    st.tuples(st.just("repeat"), PLACES, st.integers(1, 40)),
    st.tuples(st.just("flip"), PLACES, st.integers(0, 6)),
    st.tuples(st.just("exchange"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("move"), st.integers(0, 2), st.integers(0, 3)),
)


def bent(token: str, others: list[str], change: tuple[str, Any, Any]) -> str:
    """Change one place of a token, or put a segment in the place of another one."""
    name, where, what = change
    if name in ("exchange", "move"):
        segments = token.split(".")
        if len(segments) != 3:
            return token
        if name == "exchange":
            segments[where], segments[what] = segments[what], segments[where]
        else:
            segments[where] = others[what].split(".")[where]
        return ".".join(segments)
    at = int(where * len(token))
    head, tail = token[:at], token[at:]
    if name == "delete":
        return head + tail[what:]
    if name == "repeat":
        return head + tail[:what] + tail
    if name == "insert":
        return head + what + tail
    letter = chr(ord(tail[:1] or "A") ^ (1 << what)) if name == "flip" else what
    return head + letter + tail[1:]


@given(kind=st.sampled_from(["id", "access"]), changes=st.lists(CHANGES, min_size=1, max_size=3))
@example(kind="id", changes=[("exchange", 1, 1)])
@generated
def test_bent_tokens_are_refused(lab, accepts, kind, changes):
    """One letter, one bit, one segment: only what the issuer has signed, to the letter, is accepted."""
    good = [lab.good("id"), lab.good("access")]
    others = [*good, lab.forged(), lab.claiming(sub='"mona"')]
    token = lab.good(kind)
    for change in changes:
        token = bent(token, others, change)

    assert accepts(token) == (token in {*good, others[3]})


# --- Anything, signed by the issuer --------------------------------------------------------------------------------

ODD_TEXTS = st.sampled_from(["", "id", "access", "client-1", "RS256", "none", ISSUER, "\n", "\0", "9999999999", "mona"])
ODD_NUMBERS = st.sampled_from([0, -1, 1, 9_999_999_999, 253_402_300_799, 253_402_300_800, 10**400, 1e300, 2**63, 9.9e9])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), ODD_TEXTS, ODD_NUMBERS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["__entity", "__extn", "__expr"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TEXTS = st.one_of(
    VALUES.map(json.dumps), st.sampled_from(["1e400", "-0", "1E2", '"\\u0069d"', '"\\ud800"', "[" * 99, ""])
)
CLAIMS = st.one_of(
    st.sampled_from(["exp", "nbf", "iat", "iss", "sub", "aud", "client_id", "token_use", "cognito:groups", "jti", "x"]),
    st.text(max_size=5),
)
PARAMETERS = st.one_of(
    st.sampled_from(["alg", "kid", "typ", "cty", "crit", "b64", "zip", "jwk", "jku", "x5c", "x5u"]), st.text(max_size=5)
)


def some(names: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(names, TEXTS, max_size=3)


@given(kind=st.sampled_from(["id", "access"]), header=some(PARAMETERS), claims=some(CLAIMS), extra=some(CLAIMS))
@example(kind="id", header={}, claims={}, extra={})
@example(kind="access", header={"typ": '"at+jwt"'}, claims={"exp": "9999999999.5", "iat": '"soon"'}, extra={})
@example(kind="id", header={}, claims={"sub": json.dumps("x" * 592)}, extra={})
@example(kind="id", header={}, claims={"sub": json.dumps("x" * 593)}, extra={})
@example(kind="id", header={}, claims={"nbf": "true"}, extra={})
@example(kind="id", header={}, claims={"x": '{"__entity":1}'}, extra={})
@example(kind="id", header={}, claims={}, extra={"sub": '"mona"'})
@generated
def test_what_is_signed_is_accepted_by_the_rules_alone(lab, accepts, kind, header, claims, extra):
    """Header and claims of the issuer's, with anything in them, some names twice: accepted where the oracle accepts."""
    payload = [*changed(lab.claims(kind), claims), *list(extra.items())[:1]]
    token = lab.signed(changed(lab.header(), header), payload)

    assert accepts(token) == is_acceptable(lab, token)


@given(payload=st.one_of(st.binary(max_size=200), VALUES.map(json.dumps).map(str.encode)), as_header=st.booleans())
@generated
def test_what_is_signed_and_no_claims_is_refused(lab, accepts, payload, as_header):
    """Any bytes and any JSON in the place of header or payload, signed by the issuer."""
    token = lab.signed(payload, lab.claims()) if as_header else lab.signed(lab.header(), payload)

    assert not accepts(token)
    assert not is_acceptable(lab, token)


def test_the_oracle_knows_a_good_token(lab, accepts):
    """It accepts, and it refuses, so that agreement says something."""
    assert all(is_acceptable(lab, lab.good(kind)) and accepts(lab.good(kind)) for kind in ("id", "access"))
    assert not is_acceptable(lab, lab.forged())
    assert not is_acceptable(lab, lab.signed(lab.header(), text_of(lab.claims())[:-1]))
