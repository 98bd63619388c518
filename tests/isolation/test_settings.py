"""Every setting counts at once when ``override_settings`` changes it in a site that serves, and not afterwards."""

from __future__ import annotations

import re
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.test import Client, RequestFactory, override_settings

from django_avp.authorization import Authorization, asker_of
from django_avp.engines.synced import SyncedEngine
from django_avp.engines.verified_permissions import VerifiedPermissionsEngine
from django_avp.exceptions import AuthorizationUnavailable, AvpError
from django_avp.identification import identify
from django_avp.identity import Identity
from django_avp.runtime import runtime
from django_avp.signin.provider import Provider
from django_avp.testing.endpoint import Endpoint, PolicyStore
from django_avp.testing.tokens import TokenMint
from tests.conftest import POOL
from tests.engines.support import SCHEMA, parsed, write
from tests.engines.test_synced import FORBID, OPTIONS, PERMIT, asking, until, verified
from tests.processes import ROOT
from tests.signin.conftest import pool
from tests.testapp.models import Album, Photo

__all__ = ["pool"]

CACHES = {name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": name} for name in ("a", "b")}
NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture
def ask(settings, mint, user, tmp_path, pool):
    """Questions to the site, each about one setting or a few."""
    settings.CACHES = {**CACHES, "default": CACHES["a"]}
    settings.INTERNAL_IPS = []
    ann = user("ann")
    ann.email = f"{POOL}|ann"
    ann.save()
    albums = [Album.objects.create(title="top", is_public=True)]
    for _ in range(3):
        albums.append(Album.objects.create(title="inner", is_public=True, parent=albums[-1]))
    photo = Photo.objects.create(title="dawn", owner=user("bob"), album=albums[-1], is_public=True)
    other = tmp_path / "other"
    other.mkdir()
    (other / "all.cedar").write_text("permit (principal, action, resource);")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "all.cedar").write_text("permit (principal, action, resource);")
    (broken / "no.cedar").write_text('@id("no") forbid (principal, action, resource) when { resource.owner.nothing };')
    return Questions(mint, photo, SimpleNamespace(other=other, broken=broken), pool)


def revoked(claims):
    """Named by a setting."""
    return True


def context(request):
    """Named by a setting."""
    return {"mfa": True}


def policy_store(request):
    """Named by a setting."""
    return f"store of {request.path}"


def resolve(identity):
    """Named by a setting."""
    return get_user_model()(username="resolved")


class Questions:
    """What can be seen of a setting, from outside where there is an outside."""

    def __init__(self, mint, photo, places, pool):
        self.mint, self.photo, self.places, self.pool = mint, photo, places, pool
        self.token = mint.id_token("ann")
        self.own = TokenMint(pool=POOL, client_id="client-1")

    def request(self, token=None):
        made = RequestFactory(headers={"Authorization": f"Bearer {token or self.token}"}).get("/x/")
        identify(made)
        return made

    def response(self, path="/moderate/", token=None, **headers):
        headers = {"Authorization": f"Bearer {token or self.token}", **headers}
        return Client(headers=headers).get(path)

    def authorization(self, sub="ann"):
        return Authorization(Identity.from_claims({"sub": sub, "aud": "client-1", "cognito:groups": ["g"]}))

    # One for each kind of thing that is seen

    def engine(self):
        return type(runtime.engine).__name__

    def store(self):
        return asker_of(self.request().avp).store()

    def status(self):
        return self.response().status_code

    def status_of_access_token(self):
        return self.response(token=self.mint.access_token("ann")).status_code

    def status_of_own_key(self):
        return self.response(token=self.own.id_token("ann")).status_code

    def status_of_old_token(self):
        return self.response(token=self.mint.id_token("ann", expires_in=-10)).status_code

    def status_of_keys_elsewhere(self):
        return self.response(token=self.own.id_token("ann")).status_code

    def remembered(self):
        self.response()
        return len(runtime.verifier._memory)

    def edits(self):
        return bool(self.request().avp.can("EditPhoto", self.photo))

    def views(self):
        return self.authorization("ann").can("ViewPhoto", self.photo).verdict.value

    def application(self):
        return str(self.authorization().check("ListPhotos").resource)

    def principal(self):
        return self.authorization().identity.principal.type

    def group(self):
        return self.authorization().identity.groups[0].type

    def rounds(self):
        authorization = Authorization(None)
        authorization.can("ViewPhoto", self.photo)
        return len(authorization.rounds)

    def calls(self):
        """Of the engine, for what was decided a moment ago."""
        caches["a"].clear()
        self.authorization().can("ViewPhoto", self.photo)
        again = self.authorization()
        again.can("ViewPhoto", self.photo)
        return again.rounds[0].calls

    def calls_for_denials(self):
        caches["a"].clear()
        self.authorization().can("Moderate")
        again = self.authorization()
        again.can("Moderate")
        return again.rounds[0].calls

    def cached(self):
        for name in CACHES:
            caches[name].clear()
        self.authorization().can("ViewPhoto", self.photo)
        return [name for name in CACHES if caches[name]._cache]

    def user(self):
        return type(self.authorization().user).__name__

    def username(self):
        found = self.authorization().user
        return found and found.username

    def inactive(self):
        get_user_model().objects.filter(username=f"{POOL}|ann").update(is_active=False)
        try:
            return bool(self.authorization().can("ViewPhoto", self.photo))
        finally:
            get_user_model().objects.filter(username=f"{POOL}|ann").update(is_active=True)

    def has_perm(self):
        return self.request().user.has_perm("testapp.view_photo", self.photo)

    def rounds_of_a_page(self):
        return re.findall(r'"(\d+) round', self.response("/photos/")["Server-Timing"])

    def timing(self):
        return "Server-Timing" in self.response("/photos/")

    def policies(self):
        return "policies" in self.response(Accept="application/json").json()

    def client_id(self):
        return Provider.configured().client_id

    def scopes(self):
        address, _ = Provider.configured().begin("http://127.0.0.1/back/")
        return parse_qs(urlsplit(address).query)["scope"]

    def secret(self):
        _, attempt = Provider.configured().begin("http://127.0.0.1/back/")
        self.pool.asked.clear()
        with suppress(AvpError):
            Provider.configured().finish(attempt, "x")
        return [bool(sent["authorization"]) for path, sent in self.pool.asked if path == "/token"]

    def discovery(self):
        try:
            return Provider.configured().begin("http://127.0.0.1/back/")[0].startswith(self.pool.url)
        except AvpError as error:
            return error.code


# Setting, what it is changed to, what is looked at, before and meanwhile.
MANY = {POOL: ["client-1", "client-2"]}
CHANGES = [
    ("AVP_ENGINE", "tests.site_engines.SilentEngine", "engine", "CedarEngine", "SilentEngine"),
    ("AVP_POLICY_STORE_ID", policy_store, "store", None, "store of /x/"),
    ("AVP_CACHE", "b", "cached", ["a"], ["b"]),
    ("AVP_CACHE_TTL", 0, "calls", 0, 1),
    ("AVP_CACHE_DENIED_TTL", 0, "calls_for_denials", 0, 1),
    ("AVP_POLICIES", "other", "edits", False, True),
    ("AVP_NAMESPACE", "Shop", "application", 'PhotoFlash::Application::"default"', 'Shop::Application::"default"'),
    ("AVP_ON_POLICY_ERROR", "forbids", "views", "permitted", "forbidden"),
    ("AVP_MAX_DEPTH", 2, "views", "permitted", "undecided"),
    ("AVP_APPLICATION", 'Site::"x"', "application", 'PhotoFlash::Application::"default"', 'PhotoFlash::Site::"x"'),
    ("AVP_CONTEXT", context, "edits", False, True),
    ("AVP_USER_POOLS", {POOL: ["client-2"]}, "status", 403, 401),
    ("AVP_TOKEN_USE", ("id",), "status_of_access_token", 403, 401),
    ("AVP_ISSUERS", {POOL: "https://elsewhere.example"}, "status", 403, 401),
    ("AVP_JWKS", "own", "status_of_own_key", 401, 403),
    ("AVP_JWKS_URL", "own", "status_of_keys_elsewhere", 503, 403),
    ("AVP_TOKEN_SOURCES", ["django_avp.tokens.sources.Cookie"], "status", 403, 401),
    ("AVP_TOKEN_REVOKED", revoked, "status", 403, 401),
    ("AVP_LEEWAY", 3600, "status_of_old_token", 401, 403),
    ("AVP_TOKEN_MEMORY", 0, "remembered", 1, 0),
    ("AVP_SIGN_IN_CLIENT_ID", "client-2", "client_id", "client-1", "client-2"),
    ("AVP_SIGN_IN_CLIENT_SECRET", "s3cret", "secret", [False], [True]),
    ("AVP_SIGN_IN_SCOPES", ("openid", "email"), "scopes", ["openid"], ["openid email"]),
    ("AVP_SIGN_IN_DISCOVERY_URL", NOWHERE, "discovery", True, "discovery"),
    ("AVP_PRINCIPAL_TYPE", "Person", "principal", "PhotoFlash::User", "PhotoFlash::Person"),
    ("AVP_GROUP_TYPE", "Team", "group", "PhotoFlash::Group", "PhotoFlash::Team"),
    ("AVP_ANONYMOUS_PRINCIPAL", 'Visitor::"anonymous"', "rounds", 0, 1),
    ("AVP_USER_MODE", "token", "user", "User", "TokenUser"),
    ("AVP_USER_ID_FIELD", "email", "username", f"{POOL}|ann", "named by email"),
    ("AVP_USER_RESOLVER", resolve, "username", f"{POOL}|ann", "resolved"),
    ("AVP_REQUIRE_ACTIVE_USER", False, "inactive", False, True),
    ("AVP_PERMISSION_ACTIONS", {"testapp.view_photo": "ViewPhoto"}, "has_perm", False, True),
    ("AVP_PLANNING", False, "rounds_of_a_page", ["1"], ["4"]),
    ("AVP_SERVER_TIMING", False, "timing", True, False),
    ("AVP_SHOW_POLICIES", True, "policies", False, True),
]
# What must be so for the question to make sense.
GIVEN = {
    "AVP_CACHE": {"AVP_CACHE": "a", "AVP_CACHE_TTL": 60},
    "AVP_CACHE_TTL": {"AVP_CACHE": "a", "AVP_CACHE_TTL": 60},
    "AVP_CACHE_DENIED_TTL": {"AVP_CACHE": "a", "AVP_CACHE_TTL": 60},
    "AVP_ON_POLICY_ERROR": {"AVP_POLICIES": "broken"},
    "AVP_JWKS_URL": {"AVP_JWKS": None, "AVP_JWKS_URL": NOWHERE},
    "AVP_SIGN_IN_CLIENT_ID": {"AVP_USER_POOLS": MANY, "AVP_SIGN_IN_CLIENT_ID": "client-1"},
    "AVP_PLANNING": {"AVP_SERVER_TIMING": True},
    "AVP_SERVER_TIMING": {"AVP_SERVER_TIMING": True},
}
HEADER = ["django_avp.tokens.sources.AuthorizationHeader"]
# Those of Amazon Verified Permissions have tests of their own below.
OWN_TESTS = {"AVP_CLIENT_OPTIONS", "AVP_CALL_STRATEGY", "AVP_SYNC_INTERVAL", "AVP_SYNC_MAX_AGE"}


def test_every_setting_is_changed():
    """Those of the documentation are those of the table."""
    documented = re.findall(r"^### (AVP_\w+)$", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)

    assert sorted(documented) == sorted([*OWN_TESTS, *(name for name, *_ in CHANGES)])


@pytest.mark.parametrize(("name", "value", "question", "before", "meanwhile"), CHANGES, ids=[c[0] for c in CHANGES])
def test_a_setting_counts_at_once(ask, settings, name, value, question, before, meanwhile):
    """While the site serves, and as it was when the block is left; nothing is built anew by hand."""
    seen = getattr(ask, question)
    given = {"AVP_TOKEN_SOURCES": HEADER, **GIVEN.get(name, {})}
    if "AVP_POLICIES" in given:
        given["AVP_POLICIES"] = getattr(ask.places, given["AVP_POLICIES"])
    if name == "AVP_POLICIES":
        value = getattr(ask.places, value)
    if name == "AVP_JWKS":
        value = ask.own.jwks
    if name == "AVP_JWKS_URL":
        ask.pool.replies["/keys"] = (200, ask.own.jwks)
        value = f"{ask.pool.url}/keys"
    if name == "AVP_USER_ID_FIELD":
        get_user_model().objects.create(username="named by email", email=f"{POOL}|ann")
        get_user_model().objects.filter(username=f"{POOL}|ann").update(email="")
    with override_settings(**given):
        assert [seen(), seen()] == [before, before]
        with override_settings(**{name: value}):
            assert [seen(), seen()] == [meanwhile, meanwhile]
        assert [seen(), seen()] == [before, before]


# Amazon Verified Permissions

STORE = "PSEXAMPLEabcdefg111111"
TYPES = {"principal_type": "PhotoFlash::User", "group_type": "PhotoFlash::Group"}


@pytest.fixture
def services(tmp_path, settings, mint):
    """Two services that have a store of the same id: one permits, and the other forbids."""
    settings.AVP_NAMESPACE, settings.AVP_POLICY_STORE_ID = "PhotoFlash", STORE
    settings.AVP_SYNC_INTERVAL = 0.5
    with ExitStack() as stack:
        options, calls = [], []
        for name, policies in (("permits", PERMIT), ("forbids", FORBID)):
            held = PolicyStore.holding(
                parsed(tmp_path / name, policies),
                policy_store_id=STORE,
                pool=mint.pool,
                client_ids=["client-1"],
                **TYPES,
            )
            served = stack.enter_context(Endpoint([held], jwks=mint.jwks))
            options.append({**OPTIONS, "endpoint_url": served.url})
            calls.append(served.calls)
        settings.AVP_CLIENT_OPTIONS = options[0]
        yield SimpleNamespace(other=options[1], calls=calls[0])


def answer(engine, identity):
    """What an engine says now, or that it cannot tell."""
    try:
        return engine.decide(asking(STORE, identity))[0].verdict.value
    except AuthorizationUnavailable:
        return "unavailable"


def test_another_service_is_asked_at_once(services, mint):
    """``AVP_CLIENT_OPTIONS`` are those of the next call."""
    engine, identity = VerifiedPermissionsEngine(), verified(mint.id_token("ann"))
    assert answer(engine, identity) == "permitted"
    with override_settings(AVP_CLIENT_OPTIONS=services.other):
        assert answer(engine, identity) == "forbidden"
    assert answer(engine, identity) == "permitted"


@pytest.mark.usefixtures("patient_caches")
def test_what_was_read_of_another_service_decides_nothing(services, mint):
    """With ``SyncedEngine`` nothing is decided until the other one's store was read."""
    engine, identity = SyncedEngine(), verified(mint.id_token("ann"))
    until(lambda: answer(engine, identity) == "permitted")
    with override_settings(AVP_CLIENT_OPTIONS=services.other):
        assert answer(engine, identity) in ("unavailable", "forbidden")
        until(lambda: answer(engine, identity) == "forbidden")
    assert answer(engine, identity) in ("unavailable", "permitted")
    until(lambda: answer(engine, identity) == "permitted")
    engine.close()


@pytest.mark.usefixtures("patient_caches")
def test_another_cache_is_the_one_that_is_shared(services, mint, settings):
    """``AVP_CACHE`` names where the synced store is kept for the others, also once something was read."""
    settings.CACHES = {**CACHES, "default": CACHES["a"]}
    for name in CACHES:
        caches[name].clear()
    engine, identity = SyncedEngine(), verified(mint.id_token("ann"))
    with override_settings(AVP_CACHE="a"):
        until(lambda: answer(engine, identity) == "permitted")
    assert not caches["b"]._cache
    with override_settings(AVP_CACHE="b"):
        until(lambda: answer(engine, identity) == "permitted")
        until(lambda: caches["b"]._cache)
    engine.close()


@pytest.mark.usefixtures("patient_caches")
def test_an_age_counts_at_once_and_an_interval_when_it_is_looked_next(services, mint):
    """``AVP_SYNC_MAX_AGE`` is compared at each question; ``AVP_SYNC_INTERVAL`` at each look."""
    engine, identity = SyncedEngine(), verified(mint.id_token("ann"))
    until(lambda: answer(engine, identity) == "permitted")
    with override_settings(AVP_SYNC_MAX_AGE=0):
        assert answer(engine, identity) == "unavailable"
    assert answer(engine, identity) == "permitted"
    with override_settings(AVP_SYNC_INTERVAL=60):
        assert engine.store(STORE).refresh() == 60 / 30
    engine.close()


def test_another_strategy_is_that_of_the_next_call(services, mint):
    """``AVP_CALL_STRATEGY``."""
    engine, identity = VerifiedPermissionsEngine(), verified(mint.id_token("ann"))
    answer(engine, identity)
    with override_settings(AVP_CALL_STRATEGY="batch"):
        answer(engine, identity)
    answer(engine, identity)
    single, batch = "IsAuthorizedWithToken", "BatchIsAuthorizedWithToken"
    assert [call.operation for call in services.calls] == [single, batch, single]


def test_contexts_are_cut_to_the_schema_of_other_policies(services, tmp_path, settings):
    """``AVP_POLICIES`` is where ``VerifiedPermissionsEngine`` finds the schema, also when it has found one before."""
    engine = VerifiedPermissionsEngine()
    settings.AVP_POLICIES = write(tmp_path / "without", PERMIT, schema=None)
    assert engine.schema(STORE) is None
    with override_settings(AVP_POLICIES=write(tmp_path / "with", PERMIT, SCHEMA)):
        assert engine.schema(STORE) is engine.schema(STORE) is not None
    assert engine.schema(STORE) is None
