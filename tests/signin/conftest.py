"""A site whose users sign in at a user pool, and browsers for it."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from django_avp.signin.discovery import discovery
from tests.signin.pool import Pool


@pytest.fixture
def pool(mint, settings, monkeypatch):
    """The user pool, and a site that signs in there."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    pool = Pool(mint)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_avp.signin"]
    settings.ROOT_URLCONF = "tests.signin.urls"
    settings.AVP_SIGN_IN_DISCOVERY_URL = pool.discovery_url
    settings.AVP_TOKEN_SOURCES = ["django_avp.signin.sources.RefreshedSession"]
    settings.LOGIN_URL = "avp:sign_in"
    settings.LOGIN_REDIRECT_URL = "/me/"
    discovery.forget()
    cache.clear()
    yield pool
    pool.close()


class Browser(Client):
    """A browser that can sign in."""

    def __init__(self, pool, **options):
        super().__init__(headers={"Accept": "text/html"}, **options)
        self.pool = pool

    def begin(self, **query):
        """Go to the sign-in, and return where the browser is sent."""
        response = self.get("/sign-in/", query)
        assert response.status_code == 302, response.content
        return response["Location"]

    def sign_in(self, sub="ann", **query):
        """Sign in, and return the site's answer to the browser that came back."""
        self.pool.sub = sub
        return self.get(f"/sign-in/callback/?{self.pool.choose(self.begin(**query))}")

    def me(self):
        """Who the site thinks this is."""
        return self.get("/me/").json()


@pytest.fixture
def browser(pool, db):
    """A browser that nobody has used."""
    return Browser(pool)
