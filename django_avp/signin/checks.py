"""System checks: whether a sign-in can come to its end with these settings."""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.core.checks import Error, Tags

from django_avp.checks.base import Problems, problem_check
from django_avp.conf import conf
from django_avp.signin.sources import RefreshedSession
from django_avp.tokens.sources import build_sources

__all__ = ["check_sign_in"]

SIGNED_COOKIES = "django.contrib.sessions.backends.signed_cookies"
SOURCE = f"{RefreshedSession.__module__}.{RefreshedSession.__qualname__}"


@problem_check(Tags.security)
def check_sign_in() -> Problems:
    """The tokens of a sign-in are read, stay on the server, and come back to the session that asked for them."""
    if not apps.is_installed("django_avp.signin"):
        return
    _ = (conf.sign_in_client_id, conf.sign_in_client_secret, conf.sign_in_scopes, conf.sign_in_discovery_url)
    if not any(isinstance(source, RefreshedSession) for source in build_sources(conf.token_sources)):
        yield Error(
            "Nothing reads the tokens of a sign-in.",
            hint=f"Put {SOURCE!r} into AVP_TOKEN_SOURCES.",
            id="django_avp.E037",
        )
    if settings.SESSION_ENGINE == SIGNED_COOKIES:
        yield Error(
            "Refresh tokens would be sent to the browser, because SESSION_ENGINE keeps sessions in signed cookies.",
            hint="Use another session engine (database, cache).",
            id="django_avp.E038",
        )
    if settings.SESSION_COOKIE_SAMESITE == "Strict":
        yield Error(
            'No sign-in comes to its end: with SESSION_COOKIE_SAMESITE = "Strict" a browser that returns from the '
            "user pool does not send its session.",
            hint='Leave SESSION_COOKIE_SAMESITE at "Lax".',
            id="django_avp.E039",
        )
