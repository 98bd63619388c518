"""A policy store for each tenant: whoever asks, no answer comes from another one's."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import caches
from django.test import RequestFactory

from django_avp.authorization import Authorization
from django_avp.cedar import Verdict
from django_avp.engines.synced import SyncedEngine
from django_avp.engines.verified_permissions import VerifiedPermissionsEngine
from django_avp.identity import Identity
from django_avp.runtime import runtime
from django_avp.testing.endpoint import Endpoint, PolicyStore
from tests.engines.support import parsed
from tests.testapp.models import Account

pytestmark = pytest.mark.usefixtures("patient_caches")

OPTIONS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
TYPES = {"principal_type": "PhotoFlash::User", "group_type": "PhotoFlash::Group"}
SCHEMA = """
namespace PhotoFlash {
  entity Group; entity User in [Group]; entity Application;
  action "Enter" appliesTo { principal: User, resource: Application };
}
"""
TENANTS = 50
ASKED = {SyncedEngine: 10_000, VerifiedPermissionsEngine: 1_000}


@pytest.fixture(scope="module")
def endpoint(mint, tmp_path_factory):
    """Fifty stores whose policies let the user of the same number in, each under an id of its own."""
    stores = []
    for number in range(TENANTS):
        user = f'PhotoFlash::User::"{mint.pool}|user-{number}"'
        text = f'@id("only-{number}") permit (principal == {user}, action, resource);'
        policies = parsed(tmp_path_factory.mktemp("tenant") / "policies", text, SCHEMA)
        stores.append(PolicyStore.holding(policies, policy_store_id=f"tenant-{number}", pool=mint.pool, **TYPES))
    with Endpoint(stores, jwks=mint.jwks) as endpoint:
        yield endpoint


@pytest.fixture
def tenants(endpoint, site):
    """A site that finds the store by the host."""
    site.AVP_NAMESPACE = "PhotoFlash"
    site.AVP_POLICY_STORE_ID = lambda request: request.get_host().partition(".")[0]
    site.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
    site.AVP_REQUIRE_ACTIVE_USER = False
    site.AVP_SYNC_INTERVAL = 60
    site.ALLOWED_HOSTS = ["*"]
    site.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "tenants"},
    }
    caches["default"].clear()
    return site


@pytest.mark.parametrize("remembers", [False, True], ids=["asked", "remembered"])
@pytest.mark.parametrize("engine", ASKED, ids=lambda engine: engine.__name__)
def test_no_answer_comes_from_anothers_store(tenants, mint, engine, remembers):
    """Users and stores mixed at random, from many threads: each is let in at home alone, by its own policy."""
    tenants.AVP_ENGINE = f"{engine.__module__}.{engine.__name__}"
    if remembers:
        tenants.AVP_CACHE, tenants.AVP_CACHE_TTL = "default", 600
    runtime.reset()
    synced = SyncedEngine()
    if engine is SyncedEngine:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda number: synced.store(f"tenant-{number}").read(), range(TENANTS)))
    verify = runtime.verifier.verify
    identities = [Identity.from_tokens(id_token=verify(mint.id_token(f"user-{one}"))) for one in range(TENANTS)]
    # Half of the questions are asked at home.
    choose = random.Random(7)  # noqa: S311 - no secret
    pairs = [(choose.randrange(TENANTS), choose.randrange(TENANTS)) for _ in range(ASKED[engine])]
    pairs = [(user, user if choose.random() < 0.5 else store) for user, store in pairs]

    def ask(pair):
        user, store = pair
        request = RequestFactory().get("/", headers={"host": f"tenant-{store}.example"})
        return Authorization(identities[user], request=request).can("Enter")

    with ThreadPoolExecutor(8) as threads:
        decisions = list(threads.map(ask, pairs))
    synced.close()

    allowed = 0
    for (user, store), decision in zip(pairs, decisions, strict=True):
        is_home = user == store
        assert decision.verdict is (Verdict.PERMITTED if is_home else Verdict.NOT_PERMITTED), (user, store)
        assert decision.determining_policies == ((f"only-{user}",) if is_home else ())
        allowed += bool(decision)
    assert allowed > len(pairs) / 3


HOUSES = {
    "open": ("permit (principal, action, resource);", "{}"),
    "shut": ("forbid (principal, action, resource);", "{ floor?: Long }"),
    "high": (
        "permit (principal, action, resource) when { context has floor && context.floor > 3 };",
        "{ floor?: Long }",
    ),
    "flat": ("permit (principal, action, resource) unless { context has floor };", "{}"),
}
"""Stores by their policies, and by what their schemas declare of the context of every request."""


@pytest.fixture
def houses(tenants, mint, tmp_path):
    """Four of these tenants, whose stores were read."""
    stores = []
    for name, (text, context) in HOUSES.items():
        schema = f"""namespace PhotoFlash {{
            entity Group; entity User in [Group]; entity Account = {{ name?: String }};
            action "Visit" appliesTo {{ principal: User, resource: Account, context: {context} }};
        }}"""
        policies = parsed(tmp_path / name, text, schema)
        stores.append(PolicyStore.holding(policies, policy_store_id=name, pool=mint.pool, **TYPES))
    with Endpoint(stores, jwks=mint.jwks) as endpoint:
        tenants.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        tenants.AVP_ENGINE = "django_avp.engines.synced.SyncedEngine"
        tenants.AVP_CONTEXT = lambda request: {"floor": 5}
        runtime.reset()
        for name in HOUSES:
            runtime.engine.store(name).read()
        yield list(HOUSES)
        runtime.engine.close()


@pytest.mark.django_db
@pytest.mark.parametrize("is_reversed", [False, True])
def test_lists_and_contexts_are_those_of_the_tenants_store(houses, mint, is_reversed):
    """A list goes by the policies of the request's store, and the context is what its schema declares."""
    account = Account.objects.create(slug="main", name="Main")
    identity = Identity.from_tokens(id_token=runtime.verifier.verify(mint.id_token("ann")))

    def granted(house):
        request = RequestFactory().get("/", headers={"host": f"{house}.example"})
        listed = Authorization(identity, request=request).permitted("Visit", Account.objects.all())
        return list(listed) == [account], bool(Authorization(identity, request=request).can("Visit", account))

    told = {house: granted(house) for house in (houses[::-1] if is_reversed else houses)}
    assert told == {"open": (True, True), "shut": (False, False), "high": (True, True), "flat": (True, True)}
