"""The middleware over whole requests: who asks, what is put on the request, what the response carries."""

from __future__ import annotations

import logging

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client

from django_avp.exceptions import PolicyError, TokenExpiredError, TokenForeignError, TokenInvalidError
from django_avp.middleware import AuthorizationMiddleware

pytestmark = pytest.mark.django_db

POOL = "eu-west-1_AbCdEf123"
COOKIES = ("django_avp.tokens.sources.Cookie", {"id_token": "idt", "access_token": "act"})
HEADER = "django_avp.tokens.sources.AuthorizationHeader"
SESSION = "django_avp.tokens.sources.Session"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_a_token_identifies_a_user(make_client):
    """The user is found, or made, by the whole principal id, and is one object with the request's authorization."""
    response = make_client("ann", email="ann@example.com").get("/open/")

    assert response.content.decode() == f"hello {POOL}|ann"
    request = response.wsgi_request
    assert request.avp.identity.principal.id == f"{POOL}|ann"
    assert request.user.avp is request.avp
    assert not request.user.has_usable_password()
    assert get_user_model().objects.count() == 1
    make_client("ann").get("/open/")
    assert get_user_model().objects.count() == 1


def test_an_access_token_identifies_as_well(mint, photo):
    """Its scope is a part of the context, as AVP has it."""
    token = mint.access_token(sub="bob", scope="openid photos/write")

    assert Client(headers=bearer(token)).get(f"/photos/{photo.pk}/edit/").status_code == 200


def test_no_token_is_nobody():
    """An open page is served, and reads nothing personal."""
    response = Client().get("/open/")

    assert response.content == b"hello nobody"
    assert response.wsgi_request.avp.identity is None
    assert response.wsgi_request.avp.fault is None
    assert "Cache-Control" not in response.headers


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        (lambda mint: "garbage", TokenInvalidError),
        (lambda mint: mint.id_token(sub="ann")[:-4] + "AAAA", TokenInvalidError),
        (lambda mint: mint.id_token(sub="ann", expires_in=-1), TokenExpiredError),
        (lambda mint: mint.id_token(sub="ann", pool="eu-west-1_Other"), TokenForeignError),
        (lambda mint: mint.id_token(sub="ann", client_id="other"), TokenInvalidError),
        (lambda mint: "x" * 200_000, TokenInvalidError),
        (lambda mint: mint.id_token(sub="ann", role={"__entity": {"type": "Role", "id": "admin"}}), TokenInvalidError),
    ],
    ids=["garbage", "tampered", "expired", "foreign", "client", "oversized", "reserved"],
)
def test_a_bad_token_is_a_recorded_fault(mint, token, fault, caplog):
    """Nobody is identified, an open page is served, a gate answers 401, and no log has the token."""
    caplog.set_level(logging.DEBUG)
    text = token(mint)
    client = Client(headers=bearer(text))
    response = client.get("/open/")

    assert response.content == b"hello nobody"
    assert isinstance(response.wsgi_request.avp.fault, fault)
    gated = client.get("/moderate/")
    assert gated.status_code == 401
    assert gated.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert text[:40] not in caplog.text
    assert all(text[:40] not in str(vars(record)) for record in caplog.records)


def test_a_key_set_that_cannot_be_fetched_is_503(settings, mint):
    """It is our trouble and not the user's: no sign-in page, and no allow."""
    settings.AVP_JWKS = None
    settings.AVP_JWKS_URL = "http://127.0.0.1:9/jwks.json"
    client = Client(headers=bearer(mint.id_token(sub="ann")))

    assert client.get("/open/").status_code == 200
    response = client.get("/moderate/", headers={"Accept": "text/html"})
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert client.get("/cached/").status_code == 200
    assert client.get("/cached/").content == b"False"


def test_a_pair_of_cookies_identifies(settings, mint, photo):
    """ID token and access token of one sign-in are used together."""
    settings.AVP_TOKEN_SOURCES = [COOKIES]
    client = Client()
    client.cookies["idt"] = mint.id_token(sub="bob", email="b@example.com")
    client.cookies["act"] = mint.access_token(sub="bob", scope="photos/write")
    response = client.get(f"/photos/{photo.pk}/edit/")

    assert response.status_code == 200
    assert "Cookie" in response.headers["Vary"]
    assert response.wsgi_request.avp.identity.is_ambient


def test_a_session_identifies(settings, mint, photo, db):
    """Tokens may be kept on the server."""
    settings.AVP_TOKEN_SOURCES = [(SESSION, {})]
    client = Client()
    session = client.session
    session["id_token"] = mint.id_token(sub="ann")
    session.save()

    assert client.get(f"/photos/{photo.pk}/edit/").status_code == 200


def test_token_mode_needs_no_database(settings, make_client, django_assert_num_queries):
    """A stateless user has Django's permission methods and no row."""
    settings.AVP_USER_MODE = "token"
    settings.AVP_PERMISSION_ACTIONS = {"testapp.moderate": "Moderate"}
    with django_assert_num_queries(0):
        response = make_client("mona", "moderators").get("/moderate/")
        request = response.wsgi_request

        assert response.status_code == 200
        assert request.user.has_perm("testapp.moderate")
        assert not request.user.has_perm("testapp.other")
        assert request.user.avp is request.avp


def test_a_decided_response_is_private(make_client, photo):
    """It says so to caches, and names the header it depends on (rule C5)."""
    response = make_client("ann").get(f"/photos/{photo.pk}/edit/")

    assert response.headers["Cache-Control"] == "private"
    assert response.headers["Vary"] == "Authorization"


def test_a_response_tells_its_rounds(settings, make_client, photo):
    """Server-Timing shows in every browser's developer tools; it is on in development."""
    client = make_client("ann")
    assert "Server-Timing" not in client.get(f"/photos/{photo.pk}/edit/").headers

    settings.AVP_SERVER_TIMING = True

    timing = client.get(f"/photos/{photo.pk}/edit/").headers["Server-Timing"]
    assert timing.startswith("avp;dur=")
    assert timing.endswith(';desc="1 round, 1 call, 3 checks"')
    options = settings.TEMPLATES[0]["OPTIONS"]
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "OPTIONS": {**options, "builtins": ["tests.planning.tags"]}}]
    timing = client.get("/unplanned/").headers["Server-Timing"]
    assert timing.endswith(';desc="1 round, 1 call, 2 checks, 1 unplanned"')
    assert "Server-Timing" not in client.get("/open/").headers


def test_a_broken_policy_file_stops_start_up(settings, tmp_path):
    """The server does not begin to serve; the message names file and line."""
    settings.AVP_POLICIES = tmp_path
    (tmp_path / "photos.cedar").write_text("\npermit (principal, action, resorce);")
    with pytest.raises(PolicyError, match=r"photos\.cedar:2: .*resorce"):
        AuthorizationMiddleware(lambda request: None)


def test_what_require_raises_becomes_a_response(make_client, photo):
    """A view may ask in its body."""
    assert make_client("ann").get(f"/require/{photo.pk}/").content == b"ok"
    assert make_client("bob").get(f"/require/{photo.pk}/").status_code == 403
    assert Client().get(f"/require/{photo.pk}/").status_code == 401


def test_other_exceptions_are_left_alone(make_client):
    """They are the project's."""
    with pytest.raises(RuntimeError, match="boom"):
        make_client("ann").get("/boom/")


def test_the_middleware_works_under_asgi(mint, make_async_client, settings, photo):
    """Awaited all the way: cookies, headers and faults."""

    async def scenario():
        ann = await make_async_client("ann").get("/open/")
        assert ann.content.decode() == f"hello {POOL}|ann"
        assert (await ann.asgi_request.auser()).avp is ann.asgi_request.avp
        nobody = await AsyncClient().get("/open/")
        assert nobody.content == b"hello nobody"
        assert (await nobody.asgi_request.auser()).avp is nobody.asgi_request.avp
        expired = await make_async_client("ann", expires_in=-1).get("/moderate/")
        assert expired.status_code == 401
        assert (await expired.asgi_request.auser()).is_anonymous
        foreign = await make_async_client("a", pool="eu-west-1_Other").get("/moderate/")
        assert foreign.status_code == 401
        response = await make_async_client("ann").get(f"/photos/{photo.pk}/aedit/")
        assert response.json() == {"delete": True, "rounds": 1}

    async_to_sync(scenario)()


def test_a_pair_of_cookies_identifies_under_asgi(mint, settings):
    """The async path verifies both."""
    settings.AVP_TOKEN_SOURCES = [COOKIES, HEADER]

    async def scenario():
        client = AsyncClient()
        client.cookies["idt"] = mint.id_token(sub="ann")
        client.cookies["act"] = mint.access_token(sub="bob")
        assert (await client.get("/moderate/")).status_code == 401
        client.cookies["act"] = mint.access_token(sub="ann", groups=["moderators"])
        assert (await client.get("/moderate/")).status_code == 200

    async_to_sync(scenario)()


def test_a_site_without_users_is_served(settings, make_client):
    """Without AuthenticationMiddleware there is no request.user to replace, and nothing breaks."""
    settings.MIDDLEWARE = ["django_avp.middleware.AuthorizationMiddleware"]
    response = Client().get("/exempt/")

    assert response.status_code == 200
    assert not hasattr(response.wsgi_request, "user")
