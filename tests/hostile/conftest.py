"""Fixtures of the attacks: the lab, the served site, and every log record of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import override_settings

from django_avp.runtime import runtime
from tests.hostile.lab import Lab
from tests.hostile.servers import SERVERS, Records, Site

SESSIONS = "django.contrib.sessions.backends.cache"


@pytest.fixture(scope="session")
def lab(mint) -> Lab:
    """The attacker's tools, against the key that the site trusts."""
    return Lab(mint)


@pytest.fixture(autouse=True)
def hardened(settings, site, lab):
    """The site, which trusts a key set with unusable keys in it; without a database, which no bad token may ask."""
    settings.AVP_JWKS = lab.jwks
    settings.AVP_USER_MODE = "token"
    settings.AVP_TOKEN_SOURCES = [
        "django_avp.tokens.sources.AuthorizationHeader",
        "django_avp.tokens.sources.Session",
    ]
    settings.SESSION_ENGINE = SESSIONS
    runtime.reset()
    yield settings
    cache.clear()


@pytest.fixture(scope="module", params=SERVERS)
def served(request) -> Iterator[tuple[str, Site]]:
    """The name of a server and the site behind it."""
    # Its session middleware reads this setting once.
    with override_settings(SESSION_ENGINE=SESSIONS), SERVERS[request.param]() as port:
        site = Site(port)
        yield request.param, site
        site.close()


@pytest.fixture
def records(served) -> Iterator[Records]:
    """What is logged during the test, by whomever."""
    with Records().of_all_loggers() as records:
        yield records
