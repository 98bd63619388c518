"""What users see while the service, its credentials or the cache fail: real sites over real HTTP, and every answer
held against the truth."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from botocore.config import Config
from django.core.cache import cache, caches

from django_avp.cedar import UNAVAILABLE, Check, EntityUid
from django_avp.engines import shared_cache, workers
from django_avp.engines.base import Batch
from django_avp.engines.breaker import Breaker
from django_avp.engines.caching import CachingEngine
from django_avp.engines.cedar import CedarEngine
from django_avp.engines.shared_cache import SharedCache
from django_avp.engines.synced.stores import SyncedStore
from django_avp.engines.verified_permissions import VerifiedPermissionsEngine
from django_avp.engines.verified_permissions.client import Connection
from django_avp.engines.verified_permissions.engine import _CONCURRENT
from django_avp.exceptions import AuthorizationUnavailable
from django_avp.identity import Identity
from django_avp.runtime import runtime
from tests.faults.load import MOST_USERS, PAGES, counted
from tests.faults.proxy import (
    Proxy,
    Swallower,
    any_of,
    bursts,
    crowded,
    drips,
    errors,
    every,
    garbage,
    hangs,
    late,
    not_http,
    of_another,
    pass_on,
    resets,
    service_error,
    turned,
)
from tests.faults.sites import SERVERS, STORE, THREADS, aws, serving_site, until
from tests.following import subsection
from tests.processes import PATIENCE, ROOT
from tests.soak import SOAKING, runs
from tests.test_docs import rows

FAULTS = {
    "50 ms late": late(0.05),
    "500 ms late": late(0.5),
    "5,000 ms late": late(5),
    "over the default quotas": crowded,
    "one call of three fails": every(3, errors(500)),
    "bursts of 500, 502, 503, 504": bursts(20, any_of(*(errors(status) for status in (500, 502, 503, 504)))),
    "resets": resets,
    "no answer": hangs,
    "an answer byte by byte": drips,
    "garbage": garbage,
    "no HTTP": not_http,
    "somebody else's answers": of_another,
    "results moved and missing": turned,
    "credentials that have expired": service_error("ExpiredTokenException"),
}
# What no answer of the service's says, but an answer that does not fit, is a refusal and no 503.
ODD = {"garbage", "somebody else's answers", "results moved and missing"}
# One of each kind where there is little time: what the breaker does not notice, and what opens it.
SHORT = [("wsgi", "one call of three fails"), ("asgi", "bursts of 500, 502, 503, 504")]
CASES = [(server, fault) for server in SERVERS for fault in FAULTS] if SOAKING else SHORT
# How long a fault lasts at least.
SECONDS = runs(1, 3)


@pytest.fixture(scope="module")
def places(filled, service, tmp_path_factory):
    """Sites behind their proxies, by server; each is started once."""
    found = {}
    engine = "django_avp.engines.verified_permissions.VerifiedPermissionsEngine"
    with ExitStack() as stack:

        def place(server):
            if server not in found:
                proxy = stack.enter_context(Proxy(service[0].url))
                log = tmp_path_factory.mktemp("log") / "server.log"
                found[server] = stack.enter_context(serving_site(filled, proxy, server, log, AVP_ENGINE=engine))
            return found[server]

        yield place


# A site


@pytest.mark.parametrize(("server", "fault"), CASES)
def test_no_fault_lets_anybody_see_more_and_all_of_it_passes(places, service, server, fault):
    """Nothing that the truth denies; who sees less finds it in the log; afterwards each thread answers as before."""
    place = places(server)
    visitors, proxy, before = place.visitors, place.proxy, place.logged()
    if fault == "over the default quotas":
        proxy.upstream = service[1].url.removeprefix("http://")
    end = time.monotonic() + SECONDS
    with proxy.doing(FAULTS[fault]):
        seen = visitors.all_ask(PAGES, lambda times: times > 0 and time.monotonic() > end)
    logged = place.logged() - before
    proxy.upstream = service[0].url.removeprefix("http://")
    recovered = place.recover()
    kinds = counted(seen)
    figures = {"answers": len(seen), **kinds, "slowest": max(one.seconds for one in seen), "recovered": recovered}
    print(figures)

    assert [one for one in seen if one.kind == "wrong"] == []
    assert "refused" not in kinds or fault in ODD
    # Each answer that lacks something is told of.
    assert logged >= len(seen) - kinds.get("right", 0)
    until(lambda: visitors.threads()["django-avp"] <= _CONCURRENT)
    # Those of the server, and those that Django has for a request each under ASGI and for async views.
    until(lambda: visitors.threads()["ThreadPoolExecutor"] <= 4 * THREADS)


# Calls that do not end by themselves


@pytest.fixture
def asked(service, site, mint):
    """An engine behind a proxy, in this process, that has little patience; and a question that it permits."""
    site.AVP_NAMESPACE = "PhotoFlash"
    with Proxy(service[0].url) as proxy:
        config = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})
        site.AVP_CLIENT_OPTIONS = aws(proxy.url, aws_secret_access_key="x", config=config)
        engine = VerifiedPermissionsEngine()
        engine._breaker = Breaker(pause=0.1)
        yield engine, proxy, question(mint)


def question(mint, sub="ann", store=STORE):
    """Whether somebody may list photos, which everybody may."""
    identity = Identity.from_tokens(id_token=runtime.verifier.verify(mint.id_token(sub)))
    check = Check(EntityUid("PhotoFlash::Action", "ListPhotos"), EntityUid("PhotoFlash::Application", "default"))
    return Batch(identity, (check,), ((),), store)


def ask(engine, batch, is_async):
    return list(asyncio.run(engine.adecide(batch)) if is_async else engine.decide(batch))


@pytest.mark.parametrize("is_async", [False, True])
def test_an_answer_that_comes_byte_by_byte_is_given_up(asked, is_async, caplog):
    """Each byte is there in time, and the whole is not: whoever asks is told so, and the next one is answered."""
    engine, proxy, batch = asked
    until(lambda: ask(engine, batch, is_async)[0])
    with proxy.doing(drips):
        begun = time.monotonic()
        assert ask(engine, batch, is_async) == [UNAVAILABLE]
        # The answer has 200 bytes and more, five a second.
        assert time.monotonic() - begun < 20
        assert "TimeoutError" in [getattr(record, "code", "") for record in caplog.records]
        # Those that nobody waits for have lost their threads, and take nobody else's.
        assert [ask(engine, batch, is_async) for _ in range(3)] == [[UNAVAILABLE]] * 3
    until(lambda: ask(engine, batch, is_async)[0])
    assert engine._breaker.admits()


def test_who_is_not_asked_about_is_in_the_log(asked, caplog):
    """While nobody waits for the service, a page without its buttons is as visible as one that has waited."""
    engine, proxy, batch = asked
    engine._breaker = Breaker(failures=1, pause=60)
    with proxy.doing(resets):
        assert ask(engine, batch, is_async=False) == [UNAVAILABLE]
        caplog.clear()
        assert ask(engine, batch, is_async=False) == [UNAVAILABLE]
    (record,) = [record for record in caplog.records if record.msg == "avp.service_unavailable"]
    assert (record.code, record.checks, record.operation) == ("not_asked", 1, "is_authorized_with_token")


def test_an_answer_that_comes_too_late_says_nothing(asked):
    """Nobody waits for it any more, so it does not tell that the service is back."""
    engine, proxy, batch = asked
    until(lambda: ask(engine, batch, is_async=False)[0])
    engine._breaker = Breaker(failures=1, pause=60)
    with proxy.doing(drips):
        assert ask(engine, batch, is_async=False) == [UNAVAILABLE]
    until(lambda: engine._workers._line._lost == 0)
    assert not engine._breaker.admits()


@pytest.mark.parametrize(
    ("config", "patience"),
    [
        (None, 7),
        (Config(read_timeout=10), 23),
        (Config(retries={"mode": "standard"}), 3 * 3 + 1 + 2),
        (Config(retries={"max_attempts": 0}), 3),
        (Config(retries={"total_max_attempts": 9}), 9 * 3 + 1 + 2 + 4 + 8 + 16 + 20 * 3),
        (Config(connect_timeout=None), None),
        (Config(read_timeout=None), None),
    ],
)
def test_patience_follows_the_options(site, config, patience):
    """It is what all attempts may take, with the pauses between them."""
    site.AVP_CLIENT_OPTIONS = {"config": config} if config else {}
    assert Connection().patience == patience


# Credentials


class Credentials:
    """What hands out credentials to containers, on the loopback address."""

    def __init__(self):
        self.key = "first"
        self.seconds = 3600
        self.released = threading.Event()
        self.is_hung = False

    @contextmanager
    def served(self):
        handler = type("Bound", (_CredentialsHandler,), {"credentials": self})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/credentials"
        finally:
            self.released.set()
            server.shutdown()
            server.server_close()


class _CredentialsHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.credentials.is_hung:
            self.credentials.released.wait(PATIENCE)
        expiry = datetime.now(UTC) + timedelta(seconds=self.credentials.seconds)
        body = {
            "AccessKeyId": self.credentials.key,
            "SecretAccessKey": "x",
            "Token": "x",
            "Expiration": expiry.isoformat(),
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args):
        pass


@pytest.fixture
def no_credentials(monkeypatch):
    """An environment without any."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def without_keys(settings):
    options = settings.AVP_CLIENT_OPTIONS
    settings.AVP_CLIENT_OPTIONS = {name: options[name] for name in ("endpoint_url", "region_name", "config")}


def test_credentials_that_come_late_are_found(asked, site, no_credentials, caplog):
    """A process that had none at its first call is not without them for ever."""
    engine, _, batch = asked
    without_keys(site)
    assert ask(engine, batch, is_async=False) == [UNAVAILABLE]
    assert "avp.service_refused" in caplog.messages
    no_credentials.setenv("AWS_ACCESS_KEY_ID", "x")
    no_credentials.setenv("AWS_SECRET_ACCESS_KEY", "x")
    until(lambda: ask(engine, batch, is_async=False)[0])
    client = engine._connection.client()
    until(lambda: ask(engine, batch, is_async=False)[0])
    assert engine._connection.client() is client


def test_credentials_that_expire_are_fetched_anew_and_nobody_waits_for_long(asked, site, no_credentials):
    """While what hands them out does not answer, nobody stands in a line for it; when it does, all is as before."""
    engine, proxy, batch = asked
    without_keys(site)
    credentials = Credentials()
    refused = set()

    def signed_by_whom(handler, passing):
        is_expired = any(f"Credential={key}/" in passing.headers["Authorization"] for key in refused)
        (service_error("ExpiredTokenException") if is_expired else pass_on)(handler, passing)

    with credentials.served() as url, proxy.doing(signed_by_whom):
        no_credentials.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        # botocore fetches new ones with each call that finds them about to expire.
        credentials.seconds = 30
        until(lambda: ask(engine, batch, is_async=False)[0])
        refused.add("first")
        credentials.is_hung = True
        with ThreadPoolExecutor(12) as users:
            begun = time.monotonic()
            answers = list(users.map(lambda number: ask(engine, batch, is_async=bool(number % 2)), range(12)))
            seconds = time.monotonic() - begun
        assert answers == [[UNAVAILABLE]] * 12
        # botocore alone lets one after the other try three times for two seconds.
        assert seconds < 12 * 6 / 2
        credentials.is_hung, credentials.key = False, "second"
        credentials.released.set()
        until(lambda: ask(engine, batch, is_async=False)[0])


# The store that is read


def read_store(site, mint, proxy):
    """A policy store as a worker has it, without its thread."""
    cache.clear()
    config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1})
    site.AVP_CLIENT_OPTIONS = aws(proxy.url, aws_secret_access_key="x", config=config)
    site.AVP_SYNC_INTERVAL, site.AVP_SYNC_MAX_AGE = 0.5, 300
    return SyncedStore(STORE, Connection(), SharedCache("default"))


def is_reading():
    return any(thread.name == "django-avp-sync" for thread in threading.enumerate())


def test_a_listing_that_comes_byte_by_byte_is_given_up(asked, site, mint, monkeypatch):
    """The thread that keeps a store fresh goes on, with the store as it was read before."""
    monkeypatch.setattr("django_avp.engines.synced.stores.LONGEST_PAUSE", 0.2)
    _, proxy, _ = asked
    store = read_store(site, mint, proxy)
    before = store.read()
    with proxy.doing(drips):
        with pytest.raises(AuthorizationUnavailable, match="end of an answer"):
            store.read()
        assert store.snapshot() is before
    assert store.read().digest == before.digest
    until(lambda: not is_reading())


def test_a_reading_that_was_given_up_asks_no_more(asked, site, mint, monkeypatch):
    """What it waits for comes after all, and nobody wants the rest."""
    # It is given up after half a second, though its answer would be in time.
    monkeypatch.setattr("django_avp.engines.synced.stores.LONGEST_PAUSE", -2.5)
    _, proxy, _ = asked
    store = read_store(site, mint, proxy)
    with proxy.doing(late(1.5)):
        with pytest.raises(AuthorizationUnavailable, match="end of an answer"):
            store.read()
        calls = proxy.calls
        until(lambda: not is_reading())
        assert proxy.calls == calls


@pytest.mark.parametrize("patience", [0.3, None])
def test_a_store_is_read_with_any_patience(asked, site, mint, patience):
    """Also with an option that says to wait for ever."""
    _, proxy, _ = asked
    store = read_store(site, mint, proxy)
    site.AVP_CLIENT_OPTIONS = {**site.AVP_CLIENT_OPTIONS, "config": Config(read_timeout=patience)}
    assert store.read().accepts(question(mint).identity)


# Clocks


class Clock:
    """The time of day, as somebody sets it; other clocks go on."""

    def __init__(self, monkeypatch):
        self._ahead = 0.0
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + self._ahead)

    def jump(self, seconds):
        self._ahead += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.mark.parametrize("seconds", [-3600, -400, 400, 3600])
def test_a_clock_that_jumps_makes_no_store_younger(asked, site, mint, clock, seconds):
    """Nobody takes for new what was read at another time; a worker that cannot tell its age reads it itself."""
    _, proxy, _ = asked
    one = read_store(site, mint, proxy)
    one.read()
    clock.jump(seconds)
    # The one that has read it knows its age by a clock that nobody sets.
    assert one.age < 60
    assert one.snapshot()
    other = SyncedStore(STORE, Connection(), SharedCache("default"))
    with proxy.doing(resets):
        other.refresh()
        with pytest.raises(AuthorizationUnavailable):
            other.snapshot()
    until(lambda: other.refresh() and other._snapshot is not None)
    assert other.age < 60
    # And what it has read, all have from now on.
    third = SyncedStore(STORE, Connection(), SharedCache("default"))
    third.look()
    assert third.snapshot().digest == one.snapshot().digest


def test_a_clock_that_jumps_during_a_reading_does_not_matter(asked, site, mint, clock):
    """It took as long as it took."""
    _, proxy, _ = asked
    store = read_store(site, mint, proxy)

    def jump(handler, passing):
        if not passing.number:
            clock.jump(3600)
        pass_on(handler, passing)

    with proxy.doing(jump):
        store.read()
    assert store.age < 60
    assert store.snapshot()


# The cache of decisions


class Counting:
    """Cedar in process, counted."""

    def __init__(self):
        self._engine = CedarEngine()
        self.asked = 0

    def decide(self, batch):
        self.asked += 1
        return self._engine.decide(batch)


def remembered(site, backend):
    site.AVP_NAMESPACE = "PhotoFlash"
    site.CACHES = {**site.CACHES, "decisions": backend}
    site.AVP_CACHE, site.AVP_CACHE_TTL = "decisions", 60
    caches["decisions"].clear()
    counting = Counting()
    return counting, CachingEngine(counting, SharedCache("decisions"))


LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "faults"}


@pytest.mark.parametrize(("seconds", "asks_again"), [(0, False), (-3600, True), (-30, True), (30, False), (90, True)])
def test_a_clock_that_jumps_keeps_no_decision_longer(site, mint, clock, seconds, asks_again):
    """What was kept by a clock that is ahead is not known to be young enough, so it is decided anew."""
    counting, engine = remembered(site, LOCAL)
    batch = question(mint)
    assert engine.decide(batch)[0]
    clock.jump(seconds)
    assert engine.decide(batch)[0]
    assert counting.asked == 1 + asks_again
    engine.decide(batch)
    assert counting.asked == 1 + asks_again


def test_decisions_of_another_are_taken_for_nobody(site, mint, caplog):
    """Whoever writes into the cache may move what is there, and changes no answer by it."""
    counting, engine = remembered(site, LOCAL)
    site.AVP_POLICIES = ROOT / "tests" / "policies"
    allowed = question(mint)
    action = EntityUid("PhotoFlash::Action", "Moderate")
    denied = Batch(allowed.identity, (Check(action, allowed.checks[0].resource),), ((),), STORE)
    assert (bool(engine.decide(allowed)[0]), bool(engine.decide(denied)[0])) == (True, False)
    names = [name.split(":", 2)[2] for name in caches["decisions"]._cache]
    values = [caches["decisions"].get(name) for name in names]
    for name, value in zip(names, reversed(values), strict=True):
        caches["decisions"].set(name, value)
    for garbage_value in (None, 7, b"\xff", "", "x:y", values[0][:-1], [values[0]]):
        assert (bool(engine.decide(allowed)[0]), bool(engine.decide(denied)[0])) == (True, False)
        for name in names:
            caches["decisions"].set(name, garbage_value)
    assert "avp.cache_forged" in caplog.messages


def test_a_cache_whose_connections_are_swallowed_is_found_again(site, mint, redis_url, monkeypatch):
    """A thread that waits for an answer that never comes is not one of those that the cache needs."""
    monkeypatch.setattr(shared_cache, "_PATIENCE", 0.2)
    way = Swallower(int(redis_url[0].rpartition(":")[2]))
    try:
        # Other versions and clients wait for ever by themselves.
        backend = {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{way.port}",
            "OPTIONS": {"socket_timeout": None},
        }
        counting, engine = remembered(site, backend)
        engine._cache._breaker = Breaker(failures=2, pause=0.01)
        batch = question(mint)
        for _ in range(2):
            assert engine.decide(batch)[0]
        assert counting.asked == 1
        way.is_swallowing = True
        # More often than it has threads.
        for _ in range(3 * shared_cache._THREADS):
            assert engine.decide(batch)[0]
            time.sleep(0.02)
        way.is_swallowing = False

        def is_remembered():
            before = counting.asked
            assert engine.decide(batch)[0]
            return counting.asked == before

        until(is_remembered)
        assert engine._cache._workers._line._lost <= workers._MOST_LOST
    finally:
        way.close()


# The documentation


def test_what_the_documentation_says_was_tried_is_what_is_tried():
    """Faults, threads, pages, and how long the whole run has users for."""
    text = subsection(ROOT / "docs" / "security.md", "What was tried", "Engines that fail")

    assert [row[0] for row in rows(text)[1:]] == list(FAULTS)
    assert f"disturbs it in {len(FAULTS)} ways" in text
    assert f"with {THREADS} threads" in text
    assert f"{MOST_USERS} users with different rights ask for {len(PAGES)} pages" in text
    assert f"in {MOST_USERS * len(PAGES)} answers each" in text
    assert f"at most {_CONCURRENT} that ask" in text
