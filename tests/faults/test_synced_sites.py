"""What users see of a site that reads its policies from the service, while the service or the cache between its workers
fails: real sites over real HTTP, and every answer held against the truth."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from django_avp.testing.endpoint import Endpoint
from tests.faults.load import PAGES, counted
from tests.faults.proxy import Proxy, Swallower, any_of, drips, errors, garbage, hangs, not_http, resets, service_error
from tests.faults.sites import RECOVERY, STORE, once, policy_store, serving_site, until
from tests.soak import SOAKING
from tests.testing.aws import conforming_client

FAULTS = {
    "500, 502, 503, 504": any_of(*(errors(status) for status in (500, 502, 503, 504))),
    "resets": resets,
    "no answer": hangs,
    "an answer byte by byte": drips,
    "garbage": garbage,
    "no HTTP": not_http,
    "credentials that have expired": service_error("ExpiredTokenException"),
}
CASES = [(server, fault) for server in ("wsgi", "asgi") for fault in FAULTS]
SHORT = [("wsgi", "no answer"), ("asgi", "garbage")]
INTERVAL, MAX_AGE = 0.5, 300
WORKERS = 2


def redis(url):
    return {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}}


@pytest.fixture
def synced(filled, tmp_path):
    """Starts sites that read the store through a proxy."""
    with ExitStack() as stack:

        def start(proxy, server="wsgi", **settings):
            log = tmp_path / f"{len(list(tmp_path.iterdir()))}.log"
            engine = {"AVP_ENGINE": "django_avp.engines.synced.SyncedEngine"}
            pace = {"AVP_SYNC_INTERVAL": INTERVAL, "AVP_SYNC_MAX_AGE": MAX_AGE}
            site = serving_site(filled, proxy, server, log, WORKERS, **{**engine, **pace, **settings})
            return stack.enter_context(site)

        yield start


@pytest.fixture
def proxy(service):
    with Proxy(service[0].url) as proxy:
        yield proxy


@pytest.mark.parametrize(("server", "fault"), CASES if SOAKING else SHORT)
def test_nobody_notices_that_the_service_fails(synced, proxy, server, fault):
    """What was read decides as before, each worker says that it cannot read, and reads again as soon as it can."""
    place = synced(proxy, server)
    place.recover()
    before = place.logged()
    with proxy.doing(FAULTS[fault]):
        seen = place.visitors.all_ask(PAGES, lambda times: times > 0 and place.logged() >= before + WORKERS)
    figures = {"answers": len(seen), **counted(seen), "slowest": max(one.seconds for one in seen)}
    print(figures)
    assert counted(seen) == {"right": len(seen)}

    logged = place.logged()
    calls = proxy.calls
    until(lambda: proxy.calls > calls + 20)
    assert place.logged() <= logged + WORKERS


def test_what_is_too_old_decides_nothing(synced, proxy):
    """Then each page is refused, or lacks what is not decided, until the store could be read again."""
    place = synced(proxy, AVP_SYNC_INTERVAL=1, AVP_SYNC_MAX_AGE=10)
    place.recover()
    with proxy.doing(FAULTS["resets"]):
        until(lambda: set(counted(place.visitors.all_ask(["/photos/"], once))) == {"unavailable"})
        seen = place.visitors.all_ask(PAGES, once)
    assert set(counted(seen)) <= {"unavailable", "hidden", "right"}
    # What shows nothing to this user is right without a decision.
    assert {one.what.split()[1] for one in seen if one.kind == "right"} <= {"/gallery/:", "/agallery/:"}
    assert place.recover() < RECOVERY


def test_nobody_notices_that_the_cache_fails(synced, proxy, redis_url):
    """Each worker reads the store for itself, and one that has just begun does."""
    url, server = redis_url
    way = Swallower(int(url.rpartition(":")[2]))
    try:
        place = synced(proxy, CACHES=redis(f"redis://127.0.0.1:{way.port}"))
        place.recover()
        for fail in (lambda: setattr(way, "is_swallowing", True), server.kill):
            fail()
            calls = proxy.calls
            seen = place.visitors.all_ask(PAGES, lambda times, calls=calls: times > 0 and proxy.calls > calls + 20)
            assert counted(seen) == {"right": len(seen)}
        synced(proxy, CACHES=redis(f"redis://127.0.0.1:{way.port}")).recover()
    finally:
        way.close()


def test_a_site_that_begins_while_the_service_fails_has_what_others_have_read(synced, proxy, redis_url):
    """With the cache it answers all the same; without one it does as soon as it could read."""
    shared = {"CACHES": redis(redis_url[0])}
    synced(proxy, **shared).recover()
    with proxy.doing(hangs):
        synced(proxy, **shared).recover()
        alone = synced(proxy)
        assert alone.visitors.ask("user0", "/photos/").kind == "unavailable"
    alone.recover()


def test_what_is_forbidden_is_forbidden_to_all_though_the_cache_fails(synced, mint, redis_url):
    """A change in the store comes to each worker, which others cannot tell any more."""
    way = Swallower(int(redis_url[0].rpartition(":")[2]))
    with Endpoint([policy_store(mint.pool)], jwks=mint.jwks) as own, Proxy(own.url) as proxy:
        place = synced(proxy, CACHES=redis(f"redis://127.0.0.1:{way.port}"))
        place.recover()
        way.is_swallowing = True
        forbid = {"static": {"statement": "forbid (principal, action, resource);"}}
        conforming_client(own.url).create_policy(policyStoreId=STORE, definition=forbid)
        until(lambda: {one.what.split()[2] for one in place.visitors.all_ask(["/photos/"], once)} == {"403"})
    way.close()
