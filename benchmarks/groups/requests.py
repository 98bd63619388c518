"""A whole request through Django's WSGI handler, in which nothing but who asks is found out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.utils.module_loading import import_string
from rest_framework.authtoken.models import Token

from benchmarks.core import Case, Group, Row
from benchmarks.fixtures import fill
from benchmarks.groups.tokens import TOKENS, access_tokens
from django_avp.testing import TokenMint

__all__ = ["build"]

OURS = ["django_avp.middleware.AuthorizationMiddleware"]
SESSION = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
POLICIES = "permit (principal, action, resource);"
NONE, FRESH, AGAIN = "no middleware", "AuthorizationMiddleware", "AuthorizationMiddleware, a token that comes again"
API, COGNITO, DB = "REST framework alone", "REST framework, django-cognito-jwt", "Session (db), user read"


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases: each its own handler, which it calls as a server does."""
    (directory / "policies.cedar").write_text(POLICIES)
    mint = TokenMint()
    settings.AVP_JWKS, settings.AVP_POLICIES = mint.jwks, directory
    ann, _ = fill()
    for key in mint.jwks["keys"]:
        cache.set(f"django_cognito_jwt:{key['kid']}", json.dumps(key), timeout=None)
    fresh = [f"Bearer {token}" for token in access_tokens(mint, TOKENS, sub="ann")]
    drf = f"Token {Token.objects.create(user=ann).key}"
    bare, guarded = _handler([]), _handler(OURS)
    return Group(
        "A request through WSGIHandler",
        [
            _case(NONE, bare, "/plain/", {}, 0),
            _case(FRESH, guarded, "/plain/", {"HTTP_AUTHORIZATION": fresh}, 0),
            _known(_case(AGAIN, guarded, "/plain/", {"HTTP_AUTHORIZATION": fresh[:1]}, 0)),
            _case("AuthorizationMiddleware, no token", guarded, "/plain/", {}, 0),
            _case("AuthorizationMiddleware, user read", guarded, "/user/", {"HTTP_AUTHORIZATION": fresh}, 0),
            _case("Session, user not read", _handler(SESSION), "/plain/", {}, 0),
            _session_case("signed_cookies", ann, 1),
            _session_case("cache", ann, 1),
            _session_case("db", ann, 2),
            _case(API, bare, "/api/", {}, 0),
            _case("REST framework, TokenAuthentication", bare, "/token/", {"HTTP_AUTHORIZATION": [drf]}, 1),
            _case(COGNITO, bare, "/cognito/", {"HTTP_AUTHORIZATION": fresh}, 1),
        ],
        [
            Row("b1", "a request whose token is verified, beside one without any middleware", FRESH, NONE, at_most=3.6),
            Row("b2", "the same, the token having come before", AGAIN, NONE),
            Row("b3", "a request to django-cognito-jwt, beside ours", COGNITO, FRESH, at_least=3.5),
            Row("b4", "a request with a session in the database, beside ours", DB, FRESH, at_least=3.5),
            Row("b5", "what the middleware adds", FRESH, NONE, kind="difference"),
            Row("b6", "what django-cognito-jwt adds to a view of REST framework", COGNITO, API, kind="difference"),
        ],
    )


def _known(case: Case) -> Case:
    """A case whose token has just come before: what others have put into the memory since is not its matter."""

    def prepare() -> None:
        case.prepare()
        case.run()

    return replace(case, prepare=prepare)


def _handler(middleware: list[str], session: str = "db") -> WSGIHandler:
    """A handler that was loaded with this middleware."""
    settings.MIDDLEWARE, settings.SESSION_ENGINE = middleware, f"django.contrib.sessions.backends.{session}"
    return WSGIHandler()


def _session_case(engine: str, user: User, queries: int) -> Case:
    """A request of a user who has signed in."""
    handler = _handler(SESSION, engine)
    store = import_string(f"django.contrib.sessions.backends.{engine}.SessionStore")()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    cookie = {"HTTP_COOKIE": [f"{settings.SESSION_COOKIE_NAME}={store.session_key}"]}

    def prepare() -> None:
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]

    return _case(f"Session ({engine}), user read", handler, "/user/", cookie, queries, prepare)


def _case(
    name: str,
    handler: WSGIHandler,
    path: str,
    headers: dict[str, Iterable[str]],
    queries: int,
    prepare: Callable[[], Any] | None = None,
) -> Case:
    following = {header: cycle(values).__next__ for header, values in headers.items()}
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "HTTP_USER_AGENT": "Mozilla/5.0",
        "HTTP_ACCEPT": "application/json",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
    }
    statuses: list[str] = []

    def start_response(status: str, headers: Any) -> None:
        statuses[:] = [status]

    def run() -> tuple[str, bytes]:
        response = handler({**environ, **{header: value() for header, value in following.items()}}, start_response)
        body = b"".join(response)
        response.close()
        return statuses[0], body

    body = b'"ok"' if path in ("/api/", "/token/", "/cognito/") else b"ok"
    return Case(name, run, expected=("200 OK", body), queries=queries, prepare=prepare or _backends)


def _backends() -> None:
    settings.AUTHENTICATION_BACKENDS = ["django_avp.backends.VerifiedPermissionsBackend"]
