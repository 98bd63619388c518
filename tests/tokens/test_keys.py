"""Tests of ``django_avp.tokens.keys``: when keys are fetched, awaited and kept."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_avp.exceptions import KeySetUnavailableError, TokenInvalidError
from django_avp.testing import TokenMint
from django_avp.tokens import keys as module
from django_avp.tokens.jwks import parse_key_set
from django_avp.tokens.keys import KeySets

POOL = "eu-west-1_AbCdEf123"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"


class Endpoint:
    """A key-set endpoint and a clock, both under the test's control."""

    def __init__(self, *mints: TokenMint) -> None:
        self.now = 1000.0
        self.fetched: list[str] = []
        self.is_down = False
        self.publish(*mints)

    def publish(self, *mints: TokenMint) -> None:
        self.document: object = {"keys": [key for mint in mints for key in mint.jwks["keys"]]}

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if self.is_down:
            raise OSError("down")
        return json.dumps(self.document).encode()

    def clock(self) -> float:
        return self.now


class SlowEndpoint(Endpoint):
    """An endpoint that answers when it is told to."""

    def __init__(self, *mints: TokenMint) -> None:
        super().__init__(*mints)
        self.is_slow = True
        self.asked = threading.Event()
        self.answer = threading.Event()

    def fetch(self, url: str) -> bytes:
        document = super().fetch(url)
        if self.is_slow:
            self.asked.set()
            self.answer.wait(10)
        return document


Get = Callable[[KeySets, str], object]


@pytest.fixture(params=["sync", "async"])
def get(request) -> Get:
    """``get`` and ``aget``: every fact below holds for both."""
    if request.param == "sync":
        return lambda sets, key_id: sets.get(ISSUER, POOL, key_id)
    return lambda sets, key_id: asyncio.run(sets.aget(ISSUER, POOL, key_id))


@pytest.fixture
def endpoint(mint) -> Endpoint:
    """An endpoint that publishes the mint's key."""
    return Endpoint(mint)


@pytest.fixture
def sets(endpoint) -> KeySets:
    """Key sets fetched from the endpoint, by its clock."""
    return KeySets(fetch=endpoint.fetch, clock=endpoint.clock)


@pytest.fixture
def slow(mint, join_fetches) -> Iterator[SlowEndpoint]:
    """A slow endpoint, which answers at the latest when the test is over."""
    endpoint = SlowEndpoint(mint)
    yield endpoint
    endpoint.answer.set()


def unknown(get: Get, sets: KeySets, key_id: str) -> None:
    """Check that a key id is refused as unknown."""
    with pytest.raises(TokenInvalidError) as caught:
        get(sets, key_id)
    assert caught.value.code == "unknown_key"


def unavailable(get: Get, sets: KeySets, key_id: str) -> None:
    """Check that a key id cannot be judged, because the key set cannot be fetched."""
    with pytest.raises(KeySetUnavailableError) as caught:
        get(sets, key_id)
    assert caught.value.code == "key_set"


# --- When a set is fetched -----------------------------------------------------------------------------------------


def test_nothing_is_fetched_before_it_is_needed(get, sets, endpoint, mint):
    """A key set is fetched at its first token, from its issuer, and then kept."""
    assert endpoint.fetched == []

    key = get(sets, mint.kid)

    assert key.public_numbers() == parse_key_set(mint.jwks)[mint.kid].public_numbers()
    assert get(sets, mint.kid) is key
    assert endpoint.fetched == [f"{ISSUER}/.well-known/jwks.json"]


def test_each_issuer_is_fetched_by_itself(sets, endpoint, mint):
    """The two forms of a pool's issuer have a URL each."""
    updated = ISSUER.replace("cognito-idp", "issuer-cognito-idp")

    assert sets.get(ISSUER, POOL, mint.kid)
    assert sets.get(updated + "/", POOL, mint.kid)
    assert endpoint.fetched == [f"{ISSUER}/.well-known/jwks.json", f"{updated}/.well-known/jwks.json"]


@pytest.mark.parametrize(
    "url", ["http://localhost:1/k", {POOL: "http://localhost:1/k"}, {ISSUER: "http://localhost:1/k"}]
)
def test_url_can_be_configured(settings, sets, endpoint, mint, url):
    """AVP_JWKS_URL is one URL for all, or names one for a pool or an issuer."""
    settings.AVP_JWKS_URL = url

    assert sets.get(ISSUER, POOL, mint.kid)
    assert endpoint.fetched == ["http://localhost:1/k"]


def test_url_of_another_pool_is_not_used(settings, sets, endpoint, mint):
    """An issuer that AVP_JWKS_URL does not name keeps its own URL; one that it names comes before its pool."""
    settings.AVP_JWKS_URL = {"eu-west-1_Other": "http://localhost:1/k"}
    assert sets.get(ISSUER, POOL, mint.kid)
    settings.AVP_JWKS_URL = {POOL: "http://localhost:1/pool", ISSUER: "http://localhost:1/issuer"}
    assert sets.get(ISSUER, POOL, mint.kid)

    assert endpoint.fetched == [f"{ISSUER}/.well-known/jwks.json", "http://localhost:1/issuer"]


# --- Key sets given inline -----------------------------------------------------------------------------------------


def test_inline_set_is_never_fetched(settings, get, sets, endpoint, mint):
    """With AVP_JWKS there is no fetch, not even for a key that it does not hold."""
    settings.AVP_JWKS = mint.jwks

    assert get(sets, mint.kid) is get(sets, mint.kid)
    unknown(get, sets, "other")
    assert endpoint.fetched == []


def test_inline_set_is_read_live(settings, get, sets, mint, forger):
    """A changed AVP_JWKS replaces the keys at once; an equal one is not parsed again."""
    settings.AVP_JWKS = mint.jwks
    key = get(sets, mint.kid)
    settings.AVP_JWKS = mint.jwks
    assert get(sets, mint.kid) is key

    settings.AVP_JWKS = forger.jwks

    assert get(sets, forger.kid)
    unknown(get, sets, mint.kid)


@pytest.mark.parametrize(
    "document", [{}, {"keys": []}, {"keys": None}, {"keys": [{"kty": "EC", "kid": "a"}]}, [], "{}"]
)
def test_inline_set_without_a_usable_key_is_a_misconfiguration(settings, get, sets, document):
    """An AVP_JWKS that can verify nothing is told as such, with the cure."""
    settings.AVP_JWKS = document

    for _ in range(2):
        with pytest.raises(ImproperlyConfigured, match="AVP_JWKS holds no usable key"):
            get(sets, "a")


# --- Unknown keys --------------------------------------------------------------------------------------------------


def test_rotation_is_seen_at_once(get, sets, endpoint, mint, forger):
    """The first token of a new key fetches the set again."""
    get(sets, mint.kid)
    endpoint.publish(mint, forger)

    assert get(sets, forger.kid)
    assert len(endpoint.fetched) == 2


def test_unknown_key_is_looked_for_once(get, sets, endpoint, mint):
    """A key id that was not found is not looked for again until its pause is over."""
    get(sets, mint.kid)
    for _ in range(5):
        unknown(get, sets, "other")
    assert len(endpoint.fetched) == 2

    endpoint.now += module.KEY_ID_PAUSE - 1
    unknown(get, sets, "other")
    assert len(endpoint.fetched) == 2

    endpoint.now += 1
    unknown(get, sets, "other")
    assert len(endpoint.fetched) == 3


def test_made_up_key_ids_cause_one_fetch_per_pause(get, sets, endpoint, mint):
    """A flood of random key ids causes one fetch per pause, and known keys go on."""
    get(sets, mint.kid)
    for second in range(30):
        for number in range(20):
            unknown(get, sets, f"{second}-{number}")
        assert get(sets, mint.kid)
        endpoint.now += 1

    assert len(endpoint.fetched) == 1 + 30 / module.PAUSE


def test_rotation_is_seen_during_a_flood(get, sets, endpoint, mint, forger):
    """While made-up key ids keep the pause busy, a real new key is known when it ends."""
    get(sets, mint.kid)
    unknown(get, sets, "made-up-1")
    endpoint.publish(mint, forger)
    unknown(get, sets, forger.kid)

    endpoint.now += module.PAUSE

    assert get(sets, forger.kid)


def test_key_found_by_anothers_fetch_is_known(get, sets, endpoint, mint, forger):
    """A key id in its own pause is known as soon as any fetch brings it."""
    get(sets, mint.kid)
    unknown(get, sets, forger.kid)
    endpoint.publish(mint, forger)
    endpoint.now += module.PAUSE
    unknown(get, sets, "made-up")

    assert get(sets, forger.kid)


def test_unknown_key_ids_are_not_remembered_for_ever(get, sets, endpoint, mint):
    """The memory of unknown key ids is bounded by the pauses."""
    for number in range(1000):
        unknown(get, sets, f"made-up-{number}")
        endpoint.now += 1

    (known,) = sets._fetched.values()
    assert len(known._unknown_until) <= module.KEY_ID_PAUSE / module.PAUSE + 1


# --- Failures ------------------------------------------------------------------------------------------------------

GARBAGE = {
    "html": b"<html>Sign in</html>",
    "nothing": b"",
    "invalid utf-8": b"\xff\xfe\xfa",
    "deep nesting": b"[" * 100_000,
    "null": b"null",
    "a list": b"[]",
    "no keys": b"{}",
    "null keys": b'{"keys": null}',
    "a text as keys": b'{"keys": "a"}',
    "no key": b'{"keys": []}',
    "no usable key": b'{"keys": [null, 5, "a", {}, {"kid": "a"}, {"kid": "a", "kty": "EC"}]}',
}


@pytest.mark.parametrize("document", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_a_failed_fetch(get, endpoint, document):
    """A document without a usable key is no key set."""
    sets = KeySets(fetch=lambda url: document, clock=endpoint.clock)

    unavailable(get, sets, "a")


def test_failures_pause(get, sets, endpoint, mint):
    """With no key known and the endpoint down there is one fetch per pause, and 503 in between."""
    endpoint.is_down = True
    for _ in range(5):
        unavailable(get, sets, mint.kid)
    assert len(endpoint.fetched) == 1

    endpoint.now += module.FAILURE_PAUSE
    unavailable(get, sets, mint.kid)
    assert len(endpoint.fetched) == 2

    endpoint.is_down = False
    endpoint.now += module.FAILURE_PAUSE
    assert get(sets, mint.kid)


def test_known_keys_outlive_the_endpoint(get, sets, endpoint, mint, forger):
    """While the endpoint is down known keys verify, and unknown ones cannot be judged."""
    get(sets, mint.kid)
    endpoint.is_down = True
    for _ in range(24):
        assert get(sets, mint.kid)
        unavailable(get, sets, forger.kid)
        endpoint.now += module.MAX_AGE

    endpoint.is_down = False
    endpoint.publish(forger)
    assert get(sets, forger.kid)
    unknown(get, sets, mint.kid)


def test_garbage_does_not_replace_good_keys(get, sets, endpoint, mint):
    """An endpoint that starts to answer nonsense is a failed fetch, too."""
    get(sets, mint.kid)
    endpoint.document = {"keys": []}
    endpoint.now += module.MAX_AGE

    assert get(sets, mint.kid)
    assert len(endpoint.fetched) == 2


def faults(caplog) -> list[str]:
    """Return what the log says about failed fetches, one entry for each."""
    records = [record for record in caplog.records if record.message == "avp.key_set_failed"]
    assert {record.url for record in records} <= {f"{ISSUER}/.well-known/jwks.json"}
    return [record.fault for record in records]


def test_failures_are_logged_without_details(get, sets, endpoint, mint, caplog):
    """A failed fetch is one warning with the URL and the kind of fault."""
    endpoint.is_down = True
    unavailable(get, sets, mint.kid)
    endpoint.is_down = False
    endpoint.document = {"keys": []}
    endpoint.now += module.FAILURE_PAUSE
    unavailable(get, sets, mint.kid)

    assert faults(caplog) == ["OSError", "no usable key"]


# --- Age -----------------------------------------------------------------------------------------------------------


def test_removed_keys_vanish(get, sets, endpoint, mint, forger):
    """A set is fetched again when it is too old, so a key that was removed is refused from then on."""
    endpoint.publish(mint, forger)
    get(sets, forger.kid)
    endpoint.publish(mint)
    endpoint.now += module.MAX_AGE - 1
    assert get(sets, forger.kid)

    endpoint.now += 1

    unknown(get, sets, forger.kid)
    assert get(sets, mint.kid)
    assert len(endpoint.fetched) == 2


def test_old_set_is_used_while_it_cannot_be_replaced(get, sets, endpoint, mint, join_fetches):
    """A failed refresh is tried again after a pause; the old keys are good until then."""
    get(sets, mint.kid)
    endpoint.is_down = True
    endpoint.now += module.MAX_AGE
    for _ in range(5):
        assert get(sets, mint.kid)
    assert len(endpoint.fetched) == 2

    endpoint.now += module.STALE_PAUSE
    assert get(sets, mint.kid)
    join_fetches()
    assert len(endpoint.fetched) == 3


# --- Concurrency ---------------------------------------------------------------------------------------------------


def test_concurrent_callers_share_one_fetch(slow, mint):
    """Callers that need the same fetch wait for it and do not fetch again."""
    sets = KeySets(fetch=slow.fetch)
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(sets.get, ISSUER, POOL, mint.kid) for _ in range(8)]
        assert slow.asked.wait(10)
        slow.answer.set()
        first, *others = [result.result(10) for result in results]

    assert all(other is first for other in others)
    assert len(slow.fetched) == 1


def test_concurrent_tasks_share_one_fetch(slow, mint):
    """Tasks of one event loop wait for the same fetch, and the loop goes on meanwhile."""
    sets = KeySets(fetch=slow.fetch)

    async def main() -> list[object]:
        tasks = [asyncio.create_task(sets.aget(ISSUER, POOL, mint.kid)) for _ in range(100)]
        await asyncio.to_thread(slow.asked.wait, 10)
        slow.answer.set()
        return await asyncio.gather(*tasks)

    first, *others = asyncio.run(main())
    assert all(other is first for other in others)
    assert len(slow.fetched) == 1


def test_slow_fetch_does_not_stop_known_keys(slow, mint, forger):
    """While one token waits for a fetch, threads and tasks with a known key do not."""
    slow.is_slow = False
    sets = KeySets(fetch=slow.fetch, timeout=60)
    key = sets.get(ISSUER, POOL, mint.kid)
    slow.is_slow = True
    slow.publish(mint, forger)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sets.get, ISSUER, POOL, forger.kid)
        assert slow.asked.wait(10)

        assert sets.get(ISSUER, POOL, mint.kid) is key
        assert asyncio.run(sets.aget(ISSUER, POOL, mint.kid)) is key
        assert not waiting.done()

        slow.answer.set()
        assert waiting.result(10)


def test_slow_refresh_of_an_old_set_holds_up_one_caller(slow, mint):
    """An old set is fetched again by one caller; the others go on with the keys they know."""
    slow.is_slow = False
    sets = KeySets(fetch=slow.fetch, clock=slow.clock, timeout=60)
    key = sets.get(ISSUER, POOL, mint.kid)
    slow.is_slow = True
    slow.now += module.MAX_AGE
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(sets.get, ISSUER, POOL, mint.kid)
        assert slow.asked.wait(10)

        assert sets.get(ISSUER, POOL, mint.kid) is key
        assert not refreshing.done()

        slow.answer.set()
        assert refreshing.result(10) is not key


def test_waiting_ends_with_the_timeout(get, slow, mint, join_fetches, caplog):
    """A fetch that takes too long is a failed fetch, and what it brings in the end is not used."""
    sets = KeySets(fetch=slow.fetch, clock=slow.clock, timeout=0.01)
    unavailable(get, sets, mint.kid)
    unavailable(get, sets, mint.kid)
    assert len(slow.fetched) == 1

    slow.answer.set()
    join_fetches()
    unavailable(get, sets, mint.kid)
    assert faults(caplog) == ["TimeoutError"]

    slow.is_slow = False
    slow.now += module.FAILURE_PAUSE
    sets._fetched[f"{ISSUER}/.well-known/jwks.json"]._timeout = 60
    assert get(sets, mint.kid)


def test_fetch_that_nobody_waits_for_is_given_up(slow, mint, forger):
    """A fetch whose waiters are gone, or whose thread was lost, does not prevent the next one."""
    slow.is_slow = False
    sets = KeySets(fetch=slow.fetch, clock=slow.clock, timeout=60)
    key = sets.get(ISSUER, POOL, mint.kid)
    slow.is_slow = True

    async def main() -> None:
        waiting = asyncio.create_task(sets.aget(ISSUER, POOL, forger.kid))
        await asyncio.to_thread(slow.asked.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    slow.now += 60
    unavailable(lambda sets, key_id: sets.get(ISSUER, POOL, key_id), sets, forger.kid)
    assert sets.get(ISSUER, POOL, mint.kid) is key
    assert len(slow.fetched) == 2

    slow.is_slow = False
    slow.publish(mint, forger)
    slow.now += module.FAILURE_PAUSE
    assert sets.get(ISSUER, POOL, forger.kid)


def test_cancelled_task_does_not_cancel_the_fetch(slow, mint):
    """A client that goes away does not take the key set from the others."""
    sets = KeySets(fetch=slow.fetch, timeout=60)

    async def main() -> object:
        first, second = (asyncio.create_task(sets.aget(ISSUER, POOL, mint.kid)) for _ in range(2))
        await asyncio.to_thread(slow.asked.wait, 10)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        slow.answer.set()
        return await second

    assert asyncio.run(main())
    assert len(slow.fetched) == 1


# --- An issuer that does not answer ---------------------------------------------------------------------------------


def refused_at_once(sets: KeySets, key_id: str) -> None:
    """Check that a thread and a task are told at once that a key id cannot be judged, while a fetch is under way."""
    for get in (KeySets.get, lambda sets, *arguments: asyncio.run(sets.aget(*arguments))):
        with ThreadPoolExecutor(1) as pool, pytest.raises(KeySetUnavailableError):
            pool.submit(get, sets, ISSUER, POOL, key_id).result(10)


@pytest.mark.parametrize("is_known", [False, True], ids=["no key known", "keys known"])
def test_while_fetches_fail_one_waits_for_the_next(slow, mint, forger, is_known):
    """After a failed fetch only who begins the next waits for it: silence does not hold every thread of a site."""
    slow.is_slow = False
    sets = KeySets(fetch=slow.fetch, clock=slow.clock, timeout=60)
    if is_known:
        sets.get(ISSUER, POOL, mint.kid)
    slow.is_down = True
    unavailable(lambda sets, key_id: sets.get(ISSUER, POOL, key_id), sets, forger.kid)
    slow.is_down, slow.is_slow = False, True
    slow.publish(mint, forger)
    slow.now += module.FAILURE_PAUSE
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sets.get, ISSUER, POOL, forger.kid)
        assert slow.asked.wait(10)

        refused_at_once(sets, forger.kid)
        refused_at_once(sets, "made-up")
        assert not waiting.done()

        slow.answer.set()
        assert waiting.result(10)
    assert sets.get(ISSUER, POOL, forger.kid)


def test_who_joins_a_fetch_waits_a_little(get, slow, mint, forger, monkeypatch):
    """While other keys are known, a token of an unknown key is told 503, not 401, if another's fetch takes long."""
    monkeypatch.setattr(module, "SHARED_PATIENCE", 0.01)
    slow.is_slow = False
    sets = KeySets(fetch=slow.fetch, clock=slow.clock, timeout=60)
    sets.get(ISSUER, POOL, mint.kid)
    slow.is_slow = True
    slow.publish(mint, forger)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sets.get, ISSUER, POOL, forger.kid)
        assert slow.asked.wait(10)

        unavailable(get, sets, forger.kid)
        slow.now += 1
        unavailable(get, sets, forger.kid)
        assert not waiting.done()

        slow.answer.set()
        assert waiting.result(10)
    assert get(sets, forger.kid)
    assert len(slow.fetched) == 2


def test_known_keys_wait_once_for_a_set_that_cannot_be_replaced(get, slow, mint, forger, join_fetches):
    """When it was not to be had, it is fetched without anybody waiting, and used when it comes."""
    slow.is_slow = False
    slow.publish(mint, forger)
    sets = KeySets(fetch=slow.fetch, clock=slow.clock, timeout=60)
    key = get(sets, mint.kid)
    slow.is_down = True
    slow.now += module.MAX_AGE
    assert get(sets, mint.kid) is key
    slow.is_down, slow.is_slow = False, True
    slow.publish(mint)
    slow.now += module.STALE_PAUSE

    assert get(sets, mint.kid) is key
    assert slow.asked.wait(10)
    assert get(sets, forger.kid)
    slow.answer.set()
    join_fetches()
    unknown(get, sets, forger.kid)
    assert get(sets, mint.kid)


def test_no_thread_for_a_fetch_is_a_failed_fetch(endpoint, mint, caplog):
    """Where the machine has no more threads, known keys verify, the others are 503, and it is tried again later."""
    sets = KeySets(fetch=endpoint.fetch, clock=endpoint.clock)
    key = sets.get(ISSUER, POOL, mint.kid)
    endpoint.now += module.MAX_AGE
    before = threading.stack_size(1 << 46)  # none can have so large a stack
    try:
        assert sets.get(ISSUER, POOL, mint.kid) is key
        unavailable(lambda sets, key_id: sets.get(ISSUER, POOL, key_id), sets, "other")
    finally:
        threading.stack_size(before)
    assert faults(caplog) == ["RuntimeError"]

    endpoint.now += module.FAILURE_PAUSE
    unknown(lambda sets, key_id: sets.get(ISSUER, POOL, key_id), sets, "other")
