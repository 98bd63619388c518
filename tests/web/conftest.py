"""The test site behind real servers of this process, and who asks it."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import override_settings

from django_avp.runtime import runtime
from tests.hostile.servers import SERVERS, Records, Site
from tests.tokens.test_alb import ARN, KeyServer, LoadBalancer

HEADER = "django_avp.tokens.sources.AuthorizationHeader"
COOKIE = ("django_avp.tokens.sources.Cookie", {})
SESSION = "django_avp.tokens.sources.Session"
SESSIONS = "django.contrib.sessions.backends.cache"
# Nobody has a row, so the threads of the servers need no database.
WITHOUT_ROWS = {"AVP_USER_MODE": "token", "SESSION_ENGINE": SESSIONS, "ROOT_URLCONF": "tests.web.urls"}


@pytest.fixture(scope="session")
def balancer():
    """A load balancer that signs, and a server that has its key."""
    load_balancer, keys = LoadBalancer(), KeyServer()
    keys.documents[load_balancer.kid] = load_balancer.pem
    yield load_balancer, ("django_avp.tokens.sources.AlbHeader", {"signer": ARN, "keys_url": keys.url})
    keys.close()


@pytest.fixture
def light(settings, site):
    """The site without rows of users."""
    for name, value in WITHOUT_ROWS.items():
        setattr(settings, name, value)
    runtime.reset()
    yield settings
    cache.clear()


@pytest.fixture(scope="module", params=SERVERS)
def served(request):
    """The site, served as a module wants it."""
    wanted = {**WITHOUT_ROWS, **getattr(request.module, "SETTINGS", {})}
    with override_settings(**wanted), SERVERS[request.param]() as port:
        site = Site(port)
        yield site
        site.close()


@pytest.fixture
def records(served):
    """Every record that is logged while a test runs."""
    with Records().of_all_loggers() as records:
        yield records
