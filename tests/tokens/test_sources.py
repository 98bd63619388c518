"""Tests of ``django_avp.tokens.sources``."""

from __future__ import annotations

import asyncio
import pickle

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.cache import SessionStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.test import RequestFactory

from django_avp.exceptions import TokenInvalidError
from django_avp.identification import aidentify, identify
from django_avp.tokens.sources import (
    AuthorizationHeader,
    Cookie,
    Session,
    TokenPair,
    TokenSource,
    build_sources,
)

SOURCES = "django_avp.tokens.sources"
HERE = __name__


@pytest.fixture(params=["sync", "async"])
def read(request):
    """``read`` and ``aread``: every fact below holds for both."""
    if request.param == "sync":
        return lambda source, request: source.read(request)
    return lambda source, request: asyncio.run(source.aread(request))


def with_header(value: str | None) -> HttpRequest:
    """Make a request with this Authorization header."""
    return RequestFactory().get("/", headers={} if value is None else {"Authorization": value})


def with_cookies(**cookies: str) -> HttpRequest:
    """Make a request with these cookies."""
    request = RequestFactory().get("/")
    request.COOKIES.update(cookies)
    return request


def with_session(**values: object) -> HttpRequest:
    """Make a request with these values in its session."""
    request = RequestFactory().get("/")
    request.session = SessionStore()
    request.session.update(values)
    return request


# --- The Authorization header --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c", " Bearer\ta.b.c "])
def test_bearer_token_is_read(read, value):
    """The scheme is case-insensitive, and blanks around the token do not count."""
    assert read(AuthorizationHeader(), with_header(value)) == TokenPair(token="a.b.c")


@pytest.mark.parametrize("value", [None, "", " ", "Basic YTpi", "Token a.b.c", "Bearera.b.c", "a.b.c", "Bearer: a.b.c"])
def test_c2_other_schemes_are_left_to_others(read, value):
    """Without a header, or with another scheme, there is no token here."""
    assert read(AuthorizationHeader(), with_header(value)) is None


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer", ""),
        ("Bearer ", ""),
        ("Bearer a.b.c d.e.f", "a.b.c d.e.f"),
        ("Bearer a.b.c,Bearer d.e.f", "a.b.c,Bearer d.e.f"),
        ("Bearer \xa0", "\xa0"),
    ],
)
def test_c2_broken_bearer_header_is_a_fault(read, value, token):
    """Bearer with anything but one token is no absence: it gives a token that will not verify."""
    assert read(AuthorizationHeader(), with_header(value)) == TokenPair(token=token)


def test_c1_header_is_not_ambient():
    """No browser sends this header by itself; responses vary by it, and error reports hide it."""
    source = AuthorizationHeader()

    assert source.ambient is False
    assert source.vary == source.sensitive_headers == ("Authorization",)
    assert source.sensitive_cookies == ()


# --- Cookies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cookies", "pair"),
    [
        ({}, None),
        ({"other": "x"}, None),
        ({"id_token": "", "access_token": ""}, None),
        ({"id_token": "i"}, TokenPair(id_token="i")),
        ({"access_token": "a"}, TokenPair(access_token="a")),
        ({"id_token": "", "access_token": "a"}, TokenPair(access_token="a")),
        ({"id_token": "i", "access_token": "a"}, TokenPair(id_token="i", access_token="a")),
    ],
)
def test_c4_cookies_are_a_pair(read, cookies, pair):
    """Both tokens come together; an empty cookie is none."""
    assert read(Cookie(), with_cookies(**cookies)) == pair


def test_cookies_can_be_named(read):
    """Options name the cookies; with None in place of a name only the other is read."""
    request = with_cookies(jwt="i", id_token="no", access_token="no")

    assert read(Cookie(id_token="jwt", access_token=None), request) == TokenPair(id_token="i")
    assert read(Cookie(id_token=None, access_token="jwt"), request) == TokenPair(access_token="i")


def test_c1_cookies_are_ambient():
    """Browsers send cookies by themselves; responses vary by them, and error reports hide these."""
    source = Cookie(id_token="jwt", access_token=None)

    assert source.ambient is True
    assert source.vary == ("Cookie",)
    assert source.sensitive_cookies == ("jwt",)
    assert Cookie().sensitive_cookies == ("id_token", "access_token")


# --- The session ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "pair"),
    [
        ({}, None),
        ({"id_token": None, "access_token": ""}, None),
        ({"id_token": "i"}, TokenPair(id_token="i")),
        ({"access_token": "a"}, TokenPair(access_token="a")),
        ({"id_token": "i", "access_token": "a"}, TokenPair(id_token="i", access_token="a")),
    ],
)
def test_c4_session_values_are_a_pair(read, values, pair):
    """Both tokens come together from the session."""
    assert read(Session(), with_session(**values)) == pair


@pytest.mark.parametrize("value", [5, 0, False, b"a.b.c", ["a.b.c"], [], {"token": "a.b.c"}])
def test_c2_session_value_that_is_no_text_is_a_fault(read, value):
    """What is not a text does not raise and is no absence: it gives a token that will not verify."""
    assert read(Session(), with_session(id_token=value, access_token="a")) == TokenPair("", "a")


def test_session_is_optional(read):
    """Without the session middleware there is no token here."""
    assert read(Session(), RequestFactory().get("/")) is None


def test_session_is_not_created(read):
    """Looking for tokens makes no session and changes none."""
    request = with_session()
    request.session.modified = False

    assert read(Session(), request) is None
    assert request.session.session_key is None
    assert not request.session.modified
    assert request.session.accessed


def test_session_keys_can_be_named(read):
    """Options name the keys; with None in place of a name only the other is read."""
    request = with_session(jwt="i", id_token="no", access_token="no")

    assert read(Session(id_token="jwt", access_token=None), request) == TokenPair(id_token="i")


def test_c1_session_is_ambient(settings):
    """Browsers send the session cookie by themselves, and it may hold the tokens."""
    settings.SESSION_COOKIE_NAME = "sid"

    assert Session().ambient is True
    assert Session().vary == ("Cookie",)
    assert Session().sensitive_cookies == ("sid",)


@pytest.mark.django_db
def test_session_in_the_database_is_read_under_an_event_loop():
    """``aread`` waits for the database, where ``read`` would not be allowed."""
    stored = DatabaseSessionStore()
    stored["id_token"] = "i"
    stored.save()

    async def main() -> TokenPair | None:
        request = RequestFactory().get("/")
        request.session = DatabaseSessionStore(stored.session_key)
        return await Session().aread(request)

    assert async_to_sync(main)() == TokenPair(id_token="i")


# --- Pairs ---------------------------------------------------------------------------------------------------------


def test_c8_pairs_show_and_pickle_no_token():
    """A pair shows which tokens it has, never the tokens, and refuses to be pickled."""
    pair = TokenPair(id_token="secret", access_token="")

    assert repr(pair) == "<TokenPair: id_token, access_token>"
    assert repr(TokenPair()) == "<TokenPair: empty>"
    with pytest.raises(TypeError, match="read it from the request again"):
        pickle.dumps(pair)
    with pytest.raises(AttributeError):
        pair.id_token = "other"


# --- Building them -------------------------------------------------------------------------------------------------


class Custom(TokenSource):
    """A source of a site's own."""

    def __init__(self, *, header: str = "X-Token") -> None:
        self.header = header

    def read(self, request):
        return None


class OfOneClient(AuthorizationHeader):
    """A source that knows which client has sent a request."""

    def confirm(self, request, tokens):
        if [request.headers["X-Client"]] != [token.client_id for token in tokens]:
            raise TokenInvalidError("client", "Another client has sent it.")


class NotASource:
    """A class that is no source."""


class Unfinished(TokenSource):
    """A source that does not say how to read."""


def test_sources_are_built_in_order():
    """Entries are dotted paths, or tuples of path and options."""
    sources = build_sources(
        [
            f"{SOURCES}.AuthorizationHeader",
            (f"{SOURCES}.Cookie", {"id_token": "jwt", "access_token": None}),
            [f"{HERE}.Custom", {"header": "X-Other"}],
        ]
    )

    assert [type(source) for source in sources] == [AuthorizationHeader, Cookie, Custom]
    assert sources[1].id_token == "jwt"
    assert sources[2].header == "X-Other"
    assert build_sources([]) == ()


@pytest.mark.usefixtures("accepting")
@pytest.mark.parametrize(
    "who", [identify, lambda request: asyncio.run(aidentify(request))], ids=["identify", "aidentify"]
)
def test_c2_an_own_source_refuses_what_the_request_contradicts(who, site, mint, rf):
    """``confirm`` alone is enough: requests that are served asynchronously ask it, too."""
    site.AVP_TOKEN_SOURCES = [f"{HERE}.OfOneClient"]

    def found(client):
        return who(rf.get("/", headers={"Authorization": f"Bearer {mint.access_token(sub='ann')}", "X-Client": client}))

    assert found(mint.client_id).identity.principal.id == f"{mint.pool}|ann"
    assert found("client-2").identity is None
    assert found("client-2").fault.code == "client"


def test_c1_own_sources_are_ambient_unless_they_say_otherwise():
    """A source that forgets to say gets the CSRF check."""
    source = Custom()

    assert source.ambient is True
    assert (source.vary, source.sensitive_headers, source.sensitive_cookies) == ((), (), ())


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (f"{SOURCES}.Cookie", r"must be a list; write \['django_avp.tokens.sources.Cookie'\]"),
        ([f"{SOURCES}.Nothing"], "cannot be imported"),
        (["nowhere.Nothing"], "cannot be imported"),
        (["Cookie"], "cannot be imported"),
        ([f"{HERE}.NotASource"], "is not a subclass of django_avp.tokens.sources.TokenSource"),
        ([f"{HERE}.SOURCES"], "cannot be built"),
        ([f"{HERE}.Unfinished"], "cannot be built"),
        ([(f"{SOURCES}.Cookie", {"cookie": "jwt"})], r"cannot be built with the options \['cookie'\]"),
        ([(f"{SOURCES}.Cookie", {"id_token": None, "access_token": None})], "Cookie has no name to read"),
        ([(f"{SOURCES}.Cookie",)], "a dotted path or a tuple"),
        ([(f"{SOURCES}.Cookie", "jwt")], "a dotted path or a tuple"),
        ([None], "a dotted path or a tuple"),
        ((f"{SOURCES}.Cookie", {"id_token": "jwt"}), "a dotted path or a tuple"),
    ],
)
def test_misconfigured_sources_are_told(entries, message):
    """Every mistake in AVP_TOKEN_SOURCES names the setting and the cure."""
    with pytest.raises(ImproperlyConfigured, match=message) as caught:
        build_sources(entries)

    assert str(caught.value).startswith("AVP_TOKEN_SOURCES")
