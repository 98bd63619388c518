"""Rules C of docs/rules.md: tokens, sessions and browsers."""

from __future__ import annotations

import pickle
import sys
import time

import pytest
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.cache import cache
from django.core.signals import got_request_exception
from django.db import connection
from django.test import Client, override_settings
from django.views.debug import ExceptionReporter

from django_avp.engines.cedar import CedarEngine
from django_avp.exceptions import TokenInvalidError
from django_avp.identity import Identity
from django_avp.reporting import exception_reporter_filter
from django_avp.runtime import runtime
from django_avp.tokens.verifier import TokenVerifier

pytestmark = pytest.mark.django_db

POOL = "eu-west-1_AbCdEf123"
COOKIE = ("django_avp.tokens.sources.Cookie", {})
SESSION = "django_avp.tokens.sources.Session"
HEADER = "django_avp.tokens.sources.AuthorizationHeader"
PAGE = {"Accept": "text/html"}


@pytest.fixture
def strict_client():
    """A client for which CSRF is checked, as for every browser."""
    return lambda **kwargs: Client(enforce_csrf_checks=True, **kwargs)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/plain/", "/exempt/"])
@pytest.mark.parametrize("source", [COOKIE, SESSION])
def test_c1_a_token_that_the_browser_sends_needs_the_csrf_check(settings, strict_client, mint, path, source):
    """Everywhere, csrf_exempt API views included."""
    settings.AVP_TOKEN_SOURCES = [source]
    client = strict_client()
    if source is COOKIE:
        client.cookies["id_token"] = mint.id_token(sub="ann")
    else:
        session = client.session
        session["id_token"] = mint.id_token(sub="ann")
        session.save()

    assert client.post(path).status_code == 403
    client.cookies["csrftoken"] = "a" * 32
    assert client.post(path, headers={"X-CSRFToken": "a" * 32}).status_code == 200
    assert client.get(path).status_code == 200


def test_c1_a_token_in_a_header_passes_without_a_csrf_token(strict_client, mint):
    """No page elsewhere can make a browser send it."""
    client = strict_client(headers=bearer(mint.id_token(sub="ann")))

    assert client.post("/plain/").status_code == 200
    assert client.post("/exempt/").status_code == 200


@pytest.mark.parametrize("token", ["garbage", "foreign", None])
def test_c1_a_header_that_identifies_nobody_opens_nothing(strict_client, mint, token):
    """Only a token that was verified stands for the CSRF token."""
    text = mint.id_token(sub="ann", pool="eu-west-1_Other") if token == "foreign" else token
    client = strict_client(headers=bearer(text) if text else {})

    assert client.post("/plain/").status_code == 403


def test_c2_the_middleware_never_answers_401_by_itself(mint):
    """An expired cookie must not lock the sign-in page."""
    client = Client(headers=bearer(mint.id_token(sub="ann", expires_in=-1)))

    assert client.get("/login/").status_code == 200
    assert client.get("/moderate/").status_code == 401


def test_c2_a_bad_token_never_falls_through_to_the_next_source(settings, mint):
    """Who sends a forged header is not identified by a cookie instead."""
    settings.AVP_TOKEN_SOURCES = [HEADER, COOKIE]
    client = Client()
    client.cookies["id_token"] = mint.id_token(sub="mona", groups=["moderators"])

    assert client.get("/moderate/").status_code == 200
    assert client.get("/moderate/", headers=bearer("forged")).status_code == 401


def test_c2_other_schemes_and_issuers_are_left_to_others(settings, mint, user):
    """A site may have other ways to sign in beside ours; a session user stays who they are."""
    settings.AVP_TOKEN_SOURCES = [HEADER, COOKIE]
    client = Client()
    client.force_login(user("ann"), backend="django.contrib.auth.backends.ModelBackend")
    foreign = bearer(mint.id_token(sub="x", pool="eu-west-1_Other"))

    assert client.get("/open/", headers=foreign).content.decode() == f"hello {POOL}|ann"
    assert client.get("/open/", headers={"Authorization": "Basic abc"}).content.decode() == f"hello {POOL}|ann"
    assert client.get("/open/", headers=bearer("ours but bad")).content == b"hello nobody"
    client.cookies["id_token"] = mint.id_token(sub="mona", groups=["moderators"])
    assert client.get("/moderate/", headers=foreign).status_code == 200


def test_c3_html_is_only_what_asks_for_it():
    """An explicit text/html, GET or HEAD, and no script: sign-in page; all else 401."""
    client = Client()

    assert client.get("/moderate/", headers=PAGE).status_code == 302
    assert client.head("/moderate/", headers=PAGE).status_code == 302
    assert client.get("/moderate/", headers={"Accept": "*/*"}).status_code == 401
    assert client.post("/moderate/", headers=PAGE).status_code == 401
    assert client.get("/moderate/", headers={**PAGE, "HX-Request": "true"}).status_code == 401
    assert client.get("/moderate/", headers={**PAGE, "X-Requested-With": "XMLHttpRequest"}).status_code == 401


def test_c3_signed_in_by_a_session_without_a_token_is_403(user):
    """A redirect would loop."""
    client = Client()
    client.force_login(user("ann"), backend="django.contrib.auth.backends.ModelBackend")

    assert client.get("/moderate/", headers=PAGE).status_code == 403


@pytest.mark.parametrize(
    "access", [{"sub": "bob"}, {"sub": "ann", "pool": "eu-west-1_Second"}], ids=["another sub", "another pool"]
)
def test_c4_a_pair_is_of_one_user(settings, mint, access):
    """An ID token beside somebody else's access token is nobody's."""
    settings.AVP_TOKEN_SOURCES = [COOKIE]
    settings.AVP_USER_POOLS = {POOL: ["client-1"], "eu-west-1_Second": ["client-1"]}
    client = Client()
    client.cookies["id_token"] = mint.id_token(sub="ann", groups=["moderators"])
    assert client.get("/moderate/").status_code == 200

    client.cookies["access_token"] = mint.access_token(groups=["moderators"], **access)

    assert client.get("/moderate/").status_code == 401


def test_c4_a_pair_is_never_mixed_across_sources(settings, mint):
    """The first source that has something is the only one that is read."""
    settings.AVP_TOKEN_SOURCES = [HEADER, COOKIE]
    client = Client(headers=bearer(mint.id_token(sub="ann")))
    client.cookies["access_token"] = mint.access_token(sub="ann", groups=["moderators"])

    identity = client.get("/open/").wsgi_request.avp.identity
    assert identity.groups == ()
    assert identity._access_token is None


@pytest.mark.parametrize("is_site_wide", [False, True])
@pytest.mark.parametrize("source", ["header", "cookie"])
def test_c5_nobody_gets_somebody_elses_page(settings, mint, is_site_wide, source):
    """Neither cache_page nor the site-wide cache keeps a page of decisions, however the token comes."""
    settings.AVP_TOKEN_SOURCES = [HEADER, COOKIE]
    if is_site_wide:
        settings.MIDDLEWARE = [
            "django.middleware.cache.UpdateCacheMiddleware",
            *settings.MIDDLEWARE,
            "django.middleware.cache.FetchFromCacheMiddleware",
        ]
    cache.clear()

    def page(*groups):
        token = mint.id_token(sub="ann", groups=groups)
        client = Client(headers=bearer(token) if source == "header" else {})
        client.cookies["id_token" if source == "cookie" else "other"] = token
        return client.get("/cached/").content

    assert page("moderators") == b"True"
    assert page() == b"False"
    assert page("moderators") == b"True"
    response = Client().get("/cached/")
    assert response.content == b"False"
    assert "private" in response.headers["Cache-Control"]
    assert "Authorization" in response.headers["Vary"]


def test_c5_a_page_with_the_users_name_is_personal_too(make_client, settings):
    """No decision was read, and still it is one user's page."""
    response = make_client("ann").get("/open/")
    assert response.headers["Cache-Control"] == "private"
    assert "Authorization" in response.headers["Vary"]

    nobody = Client().get("/open/")
    assert "Cache-Control" not in nobody.headers
    assert "Authorization" in nobody.headers["Vary"]
    assert "Vary" not in Client().get("/exempt/").headers


def test_c5_the_vary_header_names_every_source(settings, make_client, photo):
    """That there was no cookie matters as much as the header."""
    settings.AVP_TOKEN_SOURCES = [HEADER, COOKIE]

    assert make_client("ann").get(f"/photos/{photo.pk}/edit/").headers["Vary"] == "Authorization, Cookie"


def test_c6_both_users_of_the_request_are_replaced(make_client, user):
    """request.user and request.auser are the token's, whoever the session names."""
    client = make_client("ann")
    client.force_login(user("bob"), backend="django.contrib.auth.backends.ModelBackend")
    request = client.get("/open/").wsgi_request

    assert request.user.username == f"{POOL}|ann"
    assert request.user.avp is request.avp


def test_c6_login_required_lets_a_token_in(settings, make_client):
    """Django's own middleware sees the token's user."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert make_client("ann").get("/open/").status_code == 200
    assert Client().get("/open/").status_code == 302


@pytest.mark.parametrize(
    ("order", "id_"),
    [
        ([2, 0, 1, 3], "django_avp.E011"),
        ([0, 1, 3, 2], "django_avp.E012"),
        ([0, 1, 3], "django_avp.E010"),
        ([0, 1, 2, 3], None),
    ],
)
def test_c6_a_check_tells_a_wrong_place(order, id_):
    """After the authentication middleware, before LoginRequiredMiddleware."""
    names = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django_avp.middleware.AuthorizationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    with override_settings(MIDDLEWARE=[names[number] for number in order]):
        found = [
            message.id for message in checks.run_checks() if message.id in {f"django_avp.E0{n}" for n in (10, 11, 12)}
        ]

    assert found == ([id_] if id_ else [])


def test_c6_signing_in_or_out_resets_the_authorization(mint, user, make_client):
    """What the token could do is over in the same request."""
    user("ann")
    client = make_client("ann")

    assert client.post("/login/", {"username": f"{POOL}|ann"}).content == b"False"
    assert client.post("/login/", {"out": "1"}).content == b"False"
    assert client.get("/photos/").status_code == 200


@pytest.mark.parametrize("name", [f"{POOL}|ANN", f"{POOL}|ann ", f"{POOL}|an", "ann", f"{POOL}"])
def test_c7_users_are_matched_by_the_whole_principal_id(make_client, name):
    """No row of another name is taken for the token's user."""
    other = get_user_model().objects.create(username=name, email="ann@example.com")
    request = make_client("ann", email="ann@example.com").get("/open/").wsgi_request

    assert request.user.pk != other.pk
    # A database whose unique index takes the two names for one keeps the token's user out.
    assert request.user.is_anonymous or request.user.username == f"{POOL}|ann"
    assert request.user.is_authenticated or connection.vendor == "mysql"


def test_c7_a_row_is_adopted_only_by_the_resolver(settings, make_client):
    """A site that knows better says so."""
    ann = get_user_model().objects.create(username="ann")
    settings.AVP_USER_RESOLVER = lambda identity: get_user_model().objects.get(
        username=identity.principal.id.partition("|")[2]
    )

    assert make_client("ann").get("/open/").wsgi_request.user.pk == ann.pk


def test_c8_a_pickled_user_carries_no_token(make_client, photo):
    """Sessions, caches and task queues pickle users; what they get denies."""
    client = make_client("ann", email="ann@example.com")
    request = client.get(f"/photos/{photo.pk}/edit/").wsgi_request
    token = request.avp.identity._id_token
    user = get_user_model().objects.get(pk=request.user.pk)
    user.avp = request.avp
    data = pickle.dumps(user)

    assert token.encode() not in data
    assert b"ann@example.com" not in data
    assert not pickle.loads(data).avp.can("EditPhoto", photo)  # noqa: S301
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(request.avp.identity)


def test_c8_repr_shows_neither_token_nor_claim(make_client):
    """Whatever is printed while looking for an error."""
    request = make_client("ann", email="ann@example.com").get("/open/").wsgi_request
    shown = repr([request.avp, request.avp.identity, request.avp.identity.entity()])

    assert "ann@example.com" not in shown
    assert request.avp.identity._id_token[:20] not in shown


@pytest.mark.parametrize("debug", [True, False])
def test_c8_an_error_report_shows_no_token(settings, mint, debug):
    """Headers and cookies that carry tokens are stars, on the debug page and in e-mails to admins."""
    settings.DEBUG = debug
    settings.AVP_TOKEN_SOURCES = [
        HEADER,
        ("django_avp.tokens.sources.Cookie", {"id_token": "who", "access_token": None}),
    ]
    token = mint.id_token(sub="ann", email="ann@example.com")
    reports = []

    def report(request, **kwargs):
        reporter = ExceptionReporter(request, *sys.exc_info(), is_email=not debug)
        reports.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    got_request_exception.connect(report)
    client = Client(headers=bearer(token), raise_request_exception=False)
    client.cookies["who"] = token
    try:
        assert client.get("/boom/", headers=PAGE).status_code == 500
    finally:
        got_request_exception.disconnect(report)

    shown = "".join(reports)
    assert "RuntimeError" in shown
    assert token.rpartition(".")[2] not in shown
    assert "ann@example.com" not in shown


def test_c8_an_error_report_hides_the_variables_of_this_package(rf, settings, mint):
    """A token is an argument of our own functions; an error in one of them must not print it."""
    request = rf.get("/")
    request.exception_reporter_filter = exception_reporter_filter()
    token = mint.id_token(sub="ann")
    settings.AVP_TOKEN_REVOKED = lambda claims: 1 / 0
    try:
        TokenVerifier().verify(token)
    except ZeroDivisionError:
        shown = ExceptionReporter(request, *sys.exc_info()).get_traceback_html()

    assert "ZeroDivisionError" in shown
    assert shown.count(token) == 1, "only in this function's own variables"


def test_c8_a_check_warns_of_tokens_in_signed_cookies(settings):
    """Such a session is sent to the browser."""
    settings.AVP_TOKEN_SOURCES = [SESSION]
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

    assert "django_avp.W007" in [message.id for message in checks.run_checks()]


def test_c9_a_token_issued_a_second_ahead_is_accepted(mint):
    """Two clocks differ; a fresh sign-in must not fail for it."""
    client = Client(headers=bearer(mint.id_token(sub="ann", iat=int(time.time()) + 30)))

    assert client.get("/open/").content.decode() == f"hello {POOL}|ann"


def test_c9_a_token_is_over_with_its_exp(mint, settings):
    """No leeway, unless the settings give one."""
    client = Client(headers=bearer(mint.id_token(sub="ann", expires_in=-5)))

    assert client.get("/moderate/").status_code == 401
    settings.AVP_LEEWAY = 60
    assert client.get("/moderate/").status_code == 403


def test_c10_pools_and_clients_are_one_setting(settings, mint):
    """A client of one pool is not a client of another."""
    settings.AVP_USER_POOLS = {POOL: ["client-1"], "eu-west-1_Second": ["client-2"]}

    def status(**kwargs):
        return Client(headers=bearer(mint.id_token(sub="ann", **kwargs))).get("/moderate/").status_code

    assert status() == 403
    assert status(client_id="client-2") == 401
    assert status(pool="eu-west-1_Second", client_id="client-2") == 403
    assert status(pool="eu-west-1_Second", client_id="client-1") == 401
    assert status(pool="eu-west-1_Third") == 401


def test_c10_the_pool_is_a_part_of_who_it_is(settings, mint, photo):
    """The same sub of another pool owns nothing."""
    settings.AVP_USER_POOLS = {POOL: ["client-1"], "eu-west-1_Second": ["client-1"]}

    def status(**kwargs):
        client = Client(headers=bearer(mint.id_token(sub="ann", **kwargs)))
        return client.get(f"/photos/{photo.pk}/edit/").status_code

    assert status() == 200
    assert status(pool="eu-west-1_Second") == 403


def test_c10_the_embedded_engine_has_one_tenant(settings):
    """A callable store with it is a configuration error."""
    settings.AVP_POLICY_STORE_ID = lambda request: "store"
    assert "django_avp.E009" in [message.id for message in checks.run_checks()]

    with runtime.use_engine(CedarEngine()):
        settings.AVP_POLICY_STORE_ID = "store"
        assert "django_avp.E009" not in [message.id for message in checks.run_checks()]


def test_c10_claims_of_no_pool_are_refused(settings):
    """Outside of a request too."""
    settings.AVP_USER_POOLS = {POOL: ["client-1"], "eu-west-1_Second": ["client-1"]}
    with pytest.raises(TokenInvalidError):
        Identity.from_claims({"sub": "ann", "iss": "https://elsewhere.example"})
