"""``CognitoAuthentication``: with the middleware and in its place, for tokens that hold and those that do not."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import path
from rest_framework.authentication import BasicAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle
from rest_framework.views import APIView

from django_avp.identity import Identity
from django_avp.rest_framework.authentication import CognitoAuthentication
from tests.rest_framework import api

POOL = "eu-west-1_AbCdEf123"
MIDDLEWARE = "django_avp.middleware.AuthorizationMiddleware"
COOKIE = ("django_avp.tokens.sources.Cookie", {})


class Me(APIView):
    """Tells who asks."""

    authentication_classes = (CognitoAuthentication, SessionAuthentication)
    permission_classes = (AllowAny,)

    def get(self, request):
        """Anybody may."""
        return Response({"user": request.user.get_username(), "auth": repr(request.auth)})

    def post(self, request):
        """Anybody may, with the CSRF token where a browser sends the rest by itself."""
        return Response({"sub": request.auth.principal.id if request.auth else None})


@pytest.fixture(params=["middleware", "alone"])
def site(request, settings, site, monkeypatch):
    """A site with the middleware, and an API that does without it."""
    monkeypatch.setattr(api, "urlpatterns", [*api.urlpatterns, *paths()])
    if request.param == "alone":
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
    return settings


def paths():
    """Who asks, on a view for all and on one for those who are signed in."""
    members = type("Members", (Me,), {"permission_classes": (IsAuthenticated,)})
    return [path("me/", Me.as_view()), path("members/", members.as_view())]


def browser(**cookies):
    """What sends cookies by itself."""
    client = APIClient(enforce_csrf_checks=True)
    for name, value in cookies.items():
        client.cookies[name] = value
    return client


def test_user_and_auth_are_those_of_the_token(site, make_api, user):
    """A Django user and an identity; without a token there is neither."""
    response = make_api("ann").get("/me/")
    assert response.json()["user"] == f"{POOL}|ann"
    assert response.json()["auth"].startswith("Identity(")
    assert get_user_model().objects.filter(username=f"{POOL}|ann").exists()
    assert APIClient().get("/me/").json() == {"user": "", "auth": "None"}


def test_stateless_users_take_no_query(site, make_api):
    """``AVP_USER_MODE = "token"``."""
    site.AVP_USER_MODE = "token"
    client = make_api("ann")
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/members/").json()["user"] == f"{POOL}|ann"
    assert not queries.captured_queries


@pytest.mark.parametrize("address", ["/me/", "/members/", "/api/photos/"])
def test_a_token_that_does_not_hold_is_401(site, make_api, mint, address):
    """Whatever the view, and the challenge says why; nothing of the token is in the answer."""
    token = mint.id_token(sub="ann", expires_in=-1)
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    response = client.get(address)

    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert token not in response.content.decode()


def test_no_token_is_401_where_one_is_needed(site):
    """With a challenge that accuses nobody."""
    for address in ("/members/", "/api/photos/"):
        response = APIClient().get(address)
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")


def test_keys_that_cannot_be_fetched_are_503(site, make_api):
    """It is not the client's fault, and trying again may help."""
    client = make_api("ann")
    site.AVP_JWKS = None
    site.AVP_JWKS_URL = "http://127.0.0.1:9/jwks.json"
    for address in ("/me/", "/api/photos/"):
        response = client.get(address)
        assert (response.status_code, response.json()["code"], response["Retry-After"]) == (503, "unavailable", "5")


def test_tokens_of_others_are_left_to_others(site, mint):
    """By their scheme, or by their issuer."""
    client = APIClient(headers={"Authorization": "Basic YTpi"})
    assert client.get("/me/").json()["auth"] == "None"
    foreign = mint.id_token(sub="ann", iss="https://login.example")
    assert APIClient(headers={"Authorization": f"Bearer {foreign}"}).get("/me/").json()["auth"] == "None"


def test_b6_a_deactivated_user_is_403(site, make_api, user):
    """Their token holds, so it is no use to ask for another one."""
    client = make_api("ann")
    ann = user("ann")
    ann.is_active = False
    ann.save()
    for address in ("/me/", "/members/", "/api/photos/"):
        response = client.get(address)
        assert (response.status_code, response.json()["code"]) == (403, "inactive")
    site.AVP_REQUIRE_ACTIVE_USER = False
    assert client.get("/members/").status_code == 200


def test_c1_what_a_browser_sends_by_itself_needs_the_csrf_token(site, mint):
    """On views of an API too, which Django exempts."""
    site.AVP_TOKEN_SOURCES = [COOKIE]
    client = browser(id_token=mint.id_token(sub="ann"))
    assert client.get("/me/").status_code == 200
    refused = client.post("/me/")
    assert refused.status_code == 403
    if MIDDLEWARE not in site.MIDDLEWARE:
        # Whoever went on in spite of that would be nobody.
        assert refused.wsgi_request.avp.identity is None
    client.cookies["csrftoken"] = "a" * 32
    assert client.post("/me/", headers={"X-CSRFToken": "a" * 32}).json() == {"sub": f"{POOL}|ann"}


def test_c1_a_header_needs_none(site, make_api):
    """A page elsewhere cannot make a browser send it."""
    assert make_api("ann").post("/me/").json() == {"sub": f"{POOL}|ann"}


def test_c5_an_answer_is_its_reader_s_own(site, make_api):
    """Out of shared caches, and kept apart by the header that the token came in."""
    site.AVP_SERVER_TIMING = True
    response = make_api("ann").get("/api/report/")
    assert response["Cache-Control"] == "private"
    assert "Authorization" in response["Vary"]
    assert 'desc="1 round, 1 call, 1 check"' in response["Server-Timing"]


@pytest.mark.parametrize("other", [BasicAuthentication, TokenAuthentication])
def test_the_first_authenticator_challenges(site, other, request_of):
    """As everywhere in REST framework: ours belongs first."""
    view = type("View", (api.Report,), {"authentication_classes": (other, CognitoAuthentication)}).as_view()
    response = view(request_of(None))
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith(("Basic", "Token"))


def test_without_any_authenticator_it_is_403(site, request_of):
    """There is no challenge to send, and so no 401."""
    view = type("View", (api.Report,), {"authentication_classes": ()}).as_view()
    assert view(request_of(None)).status_code == 403


def test_a_request_of_no_view_is_identified(site, mint):
    """Whoever makes REST framework's request by hand."""
    request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {mint.id_token(sub='ann')}"})
    request = Request(request, authenticators=[CognitoAuthentication()])
    assert isinstance(request.auth, Identity)
    assert CognitoAuthentication().authenticate_header(Request(APIRequestFactory().get("/"))) == "Bearer"


@pytest.mark.parametrize("mode", ["token", "model"])
def test_users_are_throttled_apart(site, make_api, mode):
    """By the principal, also where there is no row; visitors by their address."""
    cache.clear()
    site.AVP_USER_MODE = mode
    throttles = [type("Throttle", (base,), {"rate": "2/min"}) for base in (UserRateThrottle, AnonRateThrottle)]
    Me.throttle_classes = throttles
    try:
        ann, bob = make_api("ann"), make_api("bob")
        assert [ann.get("/me/").status_code for _ in range(3)] == [200, 200, 429]
        assert [bob.get("/me/").status_code for _ in range(3)] == [200, 200, 429]
        # Another session of the same user is the same user.
        assert make_api("ann").get("/me/").status_code == 429
        assert APIClient().get("/me/").status_code == 200
    finally:
        del Me.throttle_classes
        cache.clear()


MODULES = ["authentication", "exceptions", "fields", "filters", "openapi", "permissions", "resources", "views"]
DEFAULTS = """
import django
from django.conf import settings

ours = "django_avp.rest_framework."
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", {apps} "django_avp"],
    REST_FRAMEWORK={{
        "DEFAULT_AUTHENTICATION_CLASSES": [ours + "authentication.CognitoAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": [ours + "permissions.ActionPermission"],
        "DEFAULT_FILTER_BACKENDS": [ours + "filters.PermittedFilterBackend"],
        "DEFAULT_SCHEMA_CLASS": ours + "openapi.AutoSchema",
        "EXCEPTION_HANDLER": ours + "views.exception_handler",
    }},
)
django.setup()
import sys

assert ("rest_framework" in sys.modules) and ({apps!r} != "" or "django_avp.rest_framework" not in sys.modules)
import django_avp.rest_framework.{module}
from rest_framework import generics

assert generics.GenericAPIView.permission_classes[0].__module__ == "django_avp.rest_framework.permissions"
"""


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("apps", ["", "'drf_spectacular',"])
def test_it_can_be_the_default_whatever_is_imported_first(module, apps):
    """REST framework imports its defaults while it is imported itself; without drf-spectacular nothing is imported."""
    code = DEFAULTS.format(module=module, apps=apps)
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert process.returncode == 0, process.stderr
