"""Fixtures for all tests: signed tokens, users and clients that carry a token."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import AsyncClient, Client

from django_avp.authorization import Authorization
from django_avp.identity import Identity
from django_avp.runtime import runtime
from django_avp.testing.tokens import TokenMint
from tests.following import Reader
from tests.processes import ROOT
from tests.site_engines import CountingEngine
from tests.testapp.models import Photo

POOL = "eu-west-1_AbCdEf123"

# Others refuse to keep what the test is about, or keep something else.
sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="needs a row that only SQLite keeps")


@pytest.fixture(scope="session")
def mint():
    """Signs real RS256 tokens with a key made for this run."""
    return TokenMint(pool=POOL, client_id="client-1")


@pytest.fixture(autouse=True)
def site(settings, mint):
    """Make the site trust the mint, and start each test with a fresh engine and verifier."""
    settings.AVP_JWKS = mint.jwks
    runtime.reset()
    yield settings
    runtime.reset()


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """A reader who has followed the start of the documentation; other pages go on in copies of the folder."""
    with Reader(tmp_path_factory.mktemp("start")) as reader:
        reader.follow(ROOT / "docs" / "start.md")
    return reader


@pytest.fixture
def patient_caches(monkeypatch):
    """Wait for caches however busy the machine is: where one does not answer in time, each worker reads for itself."""
    for name in ("_PATIENCE", "_FIRST_PATIENCE"):
        monkeypatch.setattr(f"django_avp.engines.shared_cache.{name}", 60)


@pytest.fixture
def shallow(settings):
    """Few levels of hierarchies: the SQL of a list looks at each, and takes the longer to make the more there are."""
    settings.AVP_MAX_DEPTH = 3


@pytest.fixture
def make_client(mint):
    """Make clients that send an ID token: ``make_client("ann", "moderators")``."""

    def make(sub, *groups, **claims):
        token = mint.id_token(sub=sub, groups=list(groups), **claims)
        return Client(headers={"Authorization": f"Bearer {token}"})

    return make


class TokenAsyncClient(AsyncClient):
    """Sends a token with every request; Django's own takes headers only for single requests."""

    def __init__(self, token):
        super().__init__()
        self.token = token

    def generic(self, *args, headers=None, **kwargs):
        return super().generic(*args, headers={"Authorization": f"Bearer {self.token}", **(headers or {})}, **kwargs)


@pytest.fixture
def make_async_client(mint):
    """The same for async views."""

    def make(sub, *groups, **claims):
        return TokenAsyncClient(mint.id_token(sub=sub, groups=list(groups), **claims))

    return make


@pytest.fixture
def user(db):
    """Make users by their ``sub``."""

    def make(sub):
        return get_user_model().objects.get_or_create(username=f"{POOL}|{sub}")[0]

    return make


@pytest.fixture
def authorize(db):
    """Make an authorization without a request: ``authorize("ann", "moderators")``."""

    def make(sub, *groups, **claims):
        identity = Identity.from_claims({"sub": sub, "cognito:groups": list(groups), "aud": "client-1", **claims})
        return Authorization(identity)

    return make


@pytest.fixture
def photo(user):
    """A photo of ann's."""
    return Photo.objects.create(title="dawn", owner=user("ann"))


@pytest.fixture
def engine():
    """The engine of the test, counted."""
    with runtime.use_engine(CountingEngine()) as counting:
        yield counting
