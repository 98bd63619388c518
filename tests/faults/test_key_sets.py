"""Key servers that misbehave, and floods of made-up key ids: who has a token with a known key does not notice."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import cycle, repeat

import pytest

from django_avp.exceptions import TokenError
from django_avp.testing import TokenMint
from django_avp.tokens import keys as module
from django_avp.tokens.alb import LoadBalancers
from django_avp.tokens.alb_keys import MOST_LOOKUPS, LoadBalancerKeys
from django_avp.tokens.documents import MAX_BYTES, TIMEOUT, fetch_document
from django_avp.tokens.keys import KeySets
from django_avp.tokens.verifier import TokenVerifier, VerifiedToken
from tests.faults.flood import CONNECTIONS, PATH, made_up, p99
from tests.faults.key_server import FAULTS, HUGE, MANY, SLOW, KeyServer, key_set
from tests.following import subsection
from tests.hostile.servers import Site
from tests.processes import ROOT, serving
from tests.soak import SOAKING, runs
from tests.tokens.test_alb import ARN, LoadBalancer

# Seconds that a test waits for what other threads do, on a machine that has much to do.
PATIENCE = 30
# Attackers in threads, and as many in tasks.
ATTACKERS = 4
# Windows of calm, and as many of a fault, in turn; and verifications in each, by a thread and as many by a task.
WINDOWS = runs(2, 5)
SAMPLES = runs(30, 100)
# A fetch that a token waits for while the server is silent. All of what is slow takes longer than `FLOOR`.
SHORT_TIMEOUT = 0.5
RATIO = 3
# In seconds. A verification takes less than 0.1 ms, and 3 times as much is nothing that the scheduler of a busy machine
# keeps to. Who waits for a fetch that is slow or does not come waits for more than twice this.
FLOOR = 0.2
# How many bytes of what is too large may be under way to who does not read them: the buffers of two sockets.
BUFFERED = 20_000_000
# How many bytes a document may hold in memory while it is read: as it came, in pieces and put together.
HELD = 4 * MAX_BYTES
assert min(SLOW, SHORT_TIMEOUT) > 2 * FLOOR


@pytest.fixture(scope="module")
def old() -> TokenMint:
    """A key of the issuer besides the one of the mint."""
    return TokenMint()


@pytest.fixture
def server(settings, mint, monkeypatch) -> Iterator[KeyServer]:
    """The issuer's key server, which has the mint's key and does as it should."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = KeyServer(key_set(mint))
    settings.AVP_JWKS = None
    settings.AVP_JWKS_URL = f"{server.url}/jwks.json"
    yield server
    server.close()
    fetches_end()


class Clock:
    """A clock under the test's control."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def until(self, holds: Callable[[], bool]) -> None:
        """Let pauses pass until something holds: on a busy machine a fetch may be late."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < deadline
            self.now += module.PAUSE


@pytest.fixture
def clock() -> Clock:
    """The clock of pauses."""
    return Clock()


def a_verifier(clock: Callable[[], float] = time.monotonic, timeout: float = PATIENCE) -> TokenVerifier:
    """One that fetches key sets as a site does, by a clock and with an end to waits."""
    return TokenVerifier(KeySets(fetch=partial(fetch_document, timeout=timeout), clock=clock, timeout=timeout))


def fetches_end() -> None:
    """Wait until no fetch is under way."""
    deadline = time.monotonic() + PATIENCE
    for thread in threading.enumerate():
        if thread.name == "django-avp-key-set":
            thread.join(deadline - time.monotonic())
            assert not thread.is_alive(), "A fetch does not end."


class Tries:
    """Tokens that were tried, with the code of each refusal and the seconds that it took."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.seconds: list[float] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        """Try one."""
        code, before = "", time.perf_counter()
        try:
            yield
        except TokenError as error:
            code = error.code
        self.seconds.append(time.perf_counter() - before)
        self.codes.append(code)


def code_of(verifier: TokenVerifier | Proofs, token: str) -> str:
    """Why a token is refused; empty if it is not."""
    tries = Tries()
    with tries.one():
        verifier.verify(token)
    return tries.codes[0]


class Proofs:
    """The proofs of a load balancer about one user, verified as tokens are.

    Args:
        balancers: which the site is behind.
        token: the user's.
    """

    def __init__(self, balancers: LoadBalancers, token: VerifiedToken) -> None:
        self._balancers = balancers
        self._token = token

    def verify(self, data: str) -> None:
        self._balancers.confirm(data, self._token)

    async def averify(self, data: str) -> None:
        await self._balancers.aconfirm(data, self._token)


def attacked(
    verifier: TokenVerifier | Proofs, known: Sequence[str], attack: Callable[[], Iterator[str]]
) -> tuple[Tries, Tries]:
    """Verify known tokens in a thread and in a task, while others in threads and in tasks try what they have.

    Returns:
        What became of the known tokens, and of the others'.
    """
    mine, theirs = Tries(), Tries()
    is_over = threading.Event()

    def attacker() -> None:
        tokens = attack()
        while not is_over.is_set():
            with theirs.one():
                verifier.verify(next(tokens))
            is_over.wait(0.002)

    async def task() -> None:
        tokens = attack()
        while not is_over.is_set():
            with theirs.one():
                await verifier.averify(next(tokens))
            await asyncio.sleep(0.002)

    async def tasks() -> None:
        attackers = [asyncio.ensure_future(task()) for _ in range(ATTACKERS)]
        for _, token in zip(range(SAMPLES), cycle(known), strict=False):
            with mine.one():
                await verifier.averify(token)
            await asyncio.sleep(0.001)
        await asyncio.gather(*attackers)

    with ThreadPoolExecutor(ATTACKERS + 1) as threads:
        working = [threads.submit(attacker) for _ in range(ATTACKERS)]
        loop = threads.submit(asyncio.run, tasks())
        for _, token in zip(range(SAMPLES), cycle(known), strict=False):
            with mine.one():
                verifier.verify(token)
            time.sleep(0.001)
        is_over.set()
        for future in [*working, loop]:
            future.result(PATIENCE)
    return mine, theirs


# --- Faults --------------------------------------------------------------------------------------------------------

# A silent server costs time, so beside the other tests only some of its kinds are tried.
BRIEF = ["hung", "dripping headers", "dripping chunks", "huge", "HTML", "redirect"]
TRIED = [name for name, fault in FAULTS.items() if SOAKING or not fault.is_silent or name in BRIEF]


@pytest.mark.parametrize("name", ["down", *TRIED])
def test_known_keys_go_on(server, mint, clock, name):
    """Whatever the key server does: known tokens are accepted as fast as before, and the others refused.

    There is one fetch for each pause, and it ends.
    """
    fault = FAULTS.get(name)
    verifier = a_verifier(clock, SHORT_TIMEOUT if fault and fault.is_silent else PATIENCE)
    known = [mint.id_token(sub=f"user-{number}") for number in range(10)]
    server.elsewhere = f"{server.url}/elsewhere"
    clock.until(lambda: all(code_of(verifier, token) == "" for token in known))
    calm, faulty = [], []
    for _ in range(WINDOWS):
        mine, theirs = attacked(verifier, known, lambda: made_up(mint.id_token(pool="eu-west-1_Other")))
        assert {*mine.codes, *theirs.codes} == {"", "foreign_issuer"}
        calm += mine.seconds

        clock.now += module.PAUSE
        server.paths.clear()
        if fault is None:
            server.close()
        else:
            server.fault = fault
        mine, theirs = attacked(verifier, known, lambda: made_up(mint.id_token()))
        # What was begun in this pause is over in it.
        expected = "unknown_key" if fault and fault.brings_keys else "key_set"
        fetches_end()
        assert code_of(verifier, next(made_up(known[0]))) == expected
        assert set(mine.codes) == {""}
        assert expected in theirs.codes
        assert set(theirs.codes) <= {expected, "key_set"}
        assert server.paths == (["/jwks.json"] if fault else [])
        faulty += mine.seconds
        server.heal()
        if fault is None:
            server.open()

    assert p99(faulty) <= max(RATIO * p99(calm), FLOOR)
    clock.until(lambda: code_of(verifier, next(made_up(known[0]))) == "unknown_key")
    assert code_of(verifier, known[0]) == ""


@pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith(("huge", "endless", "gzip"))])
def test_memory_is_bounded(server, mint, clock, name):
    """Of 100 MB no more than the limit is held, and the rest is not even sent."""
    verifier = a_verifier(clock)
    assert code_of(verifier, mint.id_token()) == ""
    clock.now += module.PAUSE
    server.fault, server.sent = FAULTS[name], 0
    tracemalloc.start()
    try:
        code_of(verifier, next(made_up(mint.id_token())))
        fetches_end()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < HELD
    assert server.sent < BUFFERED < HUGE


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.is_silent])
def test_a_fetch_ends_with_its_time(server, name):
    """However the bytes come: one by one, too, each in time for the read that waits for it."""
    server.fault = FAULTS[name]

    with pytest.raises(TimeoutError):
        fetch_document(f"{server.url}/jwks.json", timeout=0.2)


def test_redirects_lead_nowhere(server, mint, old, clock):
    """Where a redirect leads is not asked, so no key from there is believed."""
    other = KeyServer(key_set(old))
    verifier = a_verifier(clock)
    assert code_of(verifier, mint.id_token()) == ""
    server.elsewhere, server.fault = f"{other.url}/jwks.json", FAULTS["redirect"]
    for _ in range(3):
        clock.now += module.PAUSE
        assert code_of(verifier, old.id_token()) == "key_set"
    other.close()

    assert server.paths == ["/jwks.json"] * 4
    assert other.paths == []
    assert code_of(verifier, mint.id_token()) == ""


# --- Rotation ------------------------------------------------------------------------------------------------------


@contextmanager
def flood(verifier: TokenVerifier, token: str) -> Iterator[Tries]:
    """Have threads and tasks try made-up key ids until the block is left."""
    is_over, tries = threading.Event(), Tries()

    def attacker() -> None:
        for bad in made_up(token):
            if is_over.wait(0.001):
                return
            with tries.one():
                verifier.verify(bad)

    async def task() -> None:
        for bad in made_up(token):
            if is_over.is_set():
                return
            with tries.one():
                await verifier.averify(bad)
            await asyncio.sleep(0.001)

    async def tasks() -> None:
        await asyncio.gather(*[task() for _ in range(ATTACKERS)])

    with ThreadPoolExecutor(2 * ATTACKERS) as threads:
        working = [threads.submit(attacker) for _ in range(ATTACKERS)]
        working += [threads.submit(asyncio.run, tasks()) for _ in range(ATTACKERS)]
        try:
            yield tries
        finally:
            is_over.set()
            for future in working:
                future.result(PATIENCE)


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_rotation_under_a_flood(server, mint, old, clock):
    """Keys come and go while made-up key ids keep the pause busy: each change is seen with the one fetch of a pause."""
    verifier = a_verifier(clock)
    tokens = {"mint": mint.id_token(), "old": old.id_token()}
    assert code_of(verifier, tokens["mint"]) == ""
    with flood(verifier, mint.id_token()) as tries:
        # The fetch of the first of them would otherwise land in the pause of the first change.
        until(lambda: bool(tries.codes))
        fetches_end()
        for _ in range(runs(3, 100)):
            for published, accepted in (((mint, old), {"mint", "old"}), ((old,), {"old"}), ((mint,), {"mint"})):
                server.document = key_set(*published)
                server.paths.clear()
                seen = len(tries.codes)
                clock.now += module.PAUSE
                # Some may have begun before the change.
                until(lambda seen=seen: len(tries.codes) > seen + 10 * ATTACKERS and bool(server.paths))
                fetches_end()

                assert {name for name, token in tokens.items() if code_of(verifier, token) == ""} == accepted
                assert server.paths == ["/jwks.json"]
    assert set(tries.codes) <= {"unknown_key", "key_set"}


def test_a_wrong_key_is_believed_until_the_next_fetch(server, mint, old, clock):
    """A key server is believed: with another key under the same id it locks the users out until it has mended that."""
    verifier = a_verifier(clock)
    token, unknown = mint.id_token(), mint.id_token(headers={"kid": "unknown"})
    assert code_of(verifier, token) == ""
    wrong = json.dumps({"keys": [{**old.jwks["keys"][0], "kid": mint.kid}]}).encode()
    server.document = lambda path: wrong
    clock.now += module.PAUSE
    assert code_of(verifier, unknown) == "unknown_key"
    assert code_of(verifier, token) == "signature"

    server.document = key_set(mint)
    clock.now += module.KEY_ID_PAUSE
    assert code_of(verifier, unknown) == "unknown_key"
    assert code_of(verifier, token) == ""


# --- Floods --------------------------------------------------------------------------------------------------------

THREADS, LOOPS, TASKS = 16, 4, 16


@pytest.mark.parametrize("name", [None, "HTML", "slow"])
def test_one_fetch_for_all_threads_and_loops(server, mint, clock, name):
    """Threads and event loops that come at once with a key id each, made up or not, have one fetch for a pause."""
    verifier = a_verifier(clock)
    pause = module.FAILURE_PAUSE if name == "HTML" else module.PAUSE
    assert code_of(verifier, mint.id_token()) == ""
    server.fault = FAULTS[name] if name else server.fault
    token, tries = mint.id_token(), Tries()

    def one(barrier: threading.Barrier) -> None:
        barrier.wait(PATIENCE)
        with tries.one():
            verifier.verify(next(made_up(token)))

    async def task() -> None:
        with tries.one():
            await verifier.averify(next(made_up(token)))

    async def tasks(barrier: threading.Barrier) -> None:
        barrier.wait(PATIENCE)
        await asyncio.gather(*[task() for _ in range(TASKS)])

    with ThreadPoolExecutor(THREADS + LOOPS) as pool:
        for _ in range(runs(3, 100)):
            server.paths.clear()
            clock.now += pause
            barrier = threading.Barrier(THREADS + LOOPS)
            working = [pool.submit(one, barrier) for _ in range(THREADS)]
            working += [pool.submit(lambda barrier=barrier: asyncio.run(tasks(barrier))) for _ in range(LOOPS)]
            for future in working:
                future.result(PATIENCE)
            fetches_end()
            assert server.paths == ["/jwks.json"]
    assert set(tries.codes) <= {"unknown_key", "key_set"}
    assert len(tries.codes) == runs(3, 100) * (THREADS + LOOPS * TASKS)


RATE = 10_000
"""Tokens with made-up key ids for each second, in one process."""
FLOODERS = 8
BURST = 25
# In seconds: how long a window lasts, of which there are as many of calm as of a flood.
LASTS = runs(500, 5_000) / 1_000
# How long the first of them wait while the key server is silent.
SILENCE = TIMEOUT if SOAKING else SHORT_TIMEOUT
FLOODED = runs(1, 3)


@pytest.mark.parametrize(
    ("name", "way"),
    [("healthy", "tasks"), ("hung", "threads"), *([("healthy", "threads"), ("hung", "tasks")] if SOAKING else [])],
)
def test_a_flood_of_unknown_key_ids(server, mint, name, way):
    """10,000 made-up key ids for each second cost known tokens no more than as many tokens that nobody looks up."""
    verifier = a_verifier(timeout=SILENCE if name == "hung" else PATIENCE)
    known = [mint.id_token(sub=f"user-{number}") for number in range(10)]
    until(lambda: all(code_of(verifier, token) == "" for token in known))
    fault = FAULTS.get(name, server.fault)
    begun = time.monotonic()
    calm, flooded, others, rates = [], [], [], []
    server.fault, server.paths = fault, []
    for number in range(2 * FLOODED):
        is_calm = number % 2 == 0
        bad = made_up(mint.id_token(pool="eu-west-1_Other" if is_calm else mint.pool))
        tokens = [next(bad) for _ in range(int(RATE * LASTS))]
        before = time.monotonic()
        mine, theirs = FLOODS[way](verifier, known, tokens)
        rates.append(len(theirs.codes) / (time.monotonic() - before))
        assert set(mine.codes) == {""}
        if is_calm:
            assert set(theirs.codes) == {"foreign_issuer"}
            calm += mine.seconds
        else:
            assert set(theirs.codes) <= {"unknown_key", "key_set"}
            flooded += mine.seconds
            others += theirs.seconds
    pause = module.PAUSE if name == "healthy" else module.FAILURE_PAUSE
    assert 1 <= len(server.paths) <= 1 + (time.monotonic() - begun) / pause
    print(
        f"\n{name}, {way}: {min(rates):.0f} to {max(rates):.0f} a second; p99 of known tokens "
        f"{p99(flooded) * 1000:.2f} ms, calm {p99(calm) * 1000:.2f} ms; p99 of the others {p99(others) * 1000:.2f} ms; "
        f"{len(server.paths)} fetches in {time.monotonic() - begun:.0f} s"
    )

    assert p99(flooded) <= max(RATIO * p99(calm), FLOOR * SILENCE / SHORT_TIMEOUT)


def flood_of_threads(verifier: TokenVerifier, known: Sequence[str], tokens: list[str]) -> tuple[Tries, Tries]:
    """Verify known tokens in this thread, while others verify what they have, at a rate."""
    mine, theirs, is_over = Tries(), Tries(), threading.Event()

    def flooder(share: list[str]) -> None:
        begun = time.monotonic()
        for number, token in enumerate(share):
            if number % BURST == 0:
                time.sleep(max(0, begun + number * FLOODERS / RATE - time.monotonic()))
            with theirs.one():
                verifier.verify(token)
            if time.monotonic() > begun + LASTS:
                break

    with ThreadPoolExecutor(FLOODERS) as threads:
        working = [threads.submit(flooder, tokens[number::FLOODERS]) for number in range(FLOODERS)]
        for token in cycle(known):
            if all(future.done() for future in working):
                break
            with mine.one():
                verifier.verify(token)
            is_over.wait(0.001)
        for future in working:
            future.result()
    return mine, theirs


def flood_of_tasks(verifier: TokenVerifier, known: Sequence[str], tokens: list[str]) -> tuple[Tries, Tries]:
    """The same in tasks of one event loop."""
    mine, theirs = Tries(), Tries()

    async def flooder(share: list[str]) -> None:
        begun = time.monotonic()
        for number, token in enumerate(share):
            if number % BURST == 0:
                await asyncio.sleep(max(0, begun + number * FLOODERS / RATE - time.monotonic()))
            with theirs.one():
                await verifier.averify(token)
            if time.monotonic() > begun + LASTS:
                break

    async def main() -> None:
        working = [asyncio.ensure_future(flooder(tokens[number::FLOODERS])) for number in range(FLOODERS)]
        for token in cycle(known):
            if all(future.done() for future in working):
                break
            with mine.one():
                await verifier.averify(token)
            await asyncio.sleep(0.001)
        await asyncio.gather(*working)

    asyncio.run(main())
    return mine, theirs


FLOODS = {"threads": flood_of_threads, "tasks": flood_of_tasks}


# --- Over HTTP -----------------------------------------------------------------------------------------------------

SERVERS = {
    "wsgi": [
        "gunicorn",
        "--threads=4",
        "--keep-alive=60",
        "--bind=127.0.0.1:{port}",
        "django.core.wsgi:get_wsgi_application()",
    ],
    "asgi": ["uvicorn", "--log-level=warning", "--port={port}", "--factory", "django.core.asgi:get_asgi_application"],
}
# In seconds. Requests wait for each other on a machine that has much to do, and for half a second, once, for the first
# fetch that fails. Without an end to that, four threads that wait for a silent issuer would cost 2 seconds.
HTTP_FLOOR = 1.2
VISITORS = 2


@contextmanager
def flooding(port: int, token: str, seconds: float) -> Iterator[list[str]]:
    """Have another process send tokens of made-up key ids until the block is left; what it printed is added then."""
    printed: list[str] = []
    command = [sys.executable, "-m", "tests.faults.flood", str(port), str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin
        process.stdin.write(token)
        process.stdin.close()
        yield printed
        assert process.stdout
        printed.append(process.stdout.read())
    assert process.returncode == 0


def visit(port: int, token: str, seconds: float) -> list[float]:
    """Visit a page again and again, and tell how long each visit took."""
    site, taken = Site(port), []
    end = time.perf_counter() + seconds
    while (before := time.perf_counter()) < end:
        answer = site.get(PATH, ("Authorization", f"Bearer {token}"))
        assert answer.status == 200, answer.text
        taken.append(time.perf_counter() - before)
    site.close()
    return taken


@pytest.mark.parametrize("way", SERVERS)
@pytest.mark.parametrize("name", ["healthy", "hung"] if SOAKING else ["hung"])
def test_a_flood_over_http(server, mint, tmp_path, name, way):
    """Users are served while others send made-up key ids as fast as they are answered, and the key server is silent."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
        "SITE_JWKS_URL": f"{server.url}/jwks.json",
    }
    seconds = runs(2, 15)
    calm, flooded, told = [], [], []
    with serving([sys.executable, "-m", *SERVERS[way]], environment, tmp_path / "log") as url:
        port = int(url.rpartition(":")[2])
        token = mint.id_token(groups=["moderators"])
        visit(port, token, 0.1)
        server.fault, server.paths = FAULTS.get(name, server.fault), []
        begun = time.monotonic()
        for number in range(2 * runs(1, 2)):
            is_calm = number % 2 == 0
            bad = mint.id_token(pool="eu-west-1_Other" if is_calm else mint.pool)
            with flooding(port, bad, seconds) as printed, ThreadPoolExecutor(VISITORS) as threads:
                visits = [threads.submit(visit, port, token, seconds) for _ in range(VISITORS)]
                (calm if is_calm else flooded).extend(taken for visit in visits for taken in visit.result())
            result = json.loads(printed[0])
            told.append(result)
            assert set(result["statuses"]) <= ({"401"} if is_calm else {"401", "503"})
        waited = time.monotonic() - begun
    pause = module.PAUSE if name == "healthy" else module.FAILURE_PAUSE
    assert 1 <= len(server.paths) <= 1 + waited / pause
    rates = [sum(result["statuses"].values()) / result["seconds"] for result in told]
    print(
        f"\n{name}, {way}: {min(rates):.0f} to {max(rates):.0f} requests a second over {CONNECTIONS} connections; "
        f"p99 of users {p99(flooded) * 1000:.0f} ms, calm {p99(calm) * 1000:.0f} ms; p99 of the others "
        f"{[round(result['p99'] * 1000) for result in told]} ms; {len(server.paths)} fetches in {waited:.0f} s"
    )

    assert p99(flooded) <= max(RATIO * p99(calm), HTTP_FLOOR)


# --- Load balancers ------------------------------------------------------------------------------------------------

# A load balancer's key comes alone.
OF_SETS = {"many keys", "ids that repeat", "small keys alone"}


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in OF_SETS] if SOAKING else BRIEF)
def test_known_load_balancer_keys_go_on(settings, server, mint, clock, name):
    """Whatever the server of load balancers' keys does: proofs by a known key hold, and a new one is fetched later.

    Made-up key ids have so many fetches within a pause and no more, and one at a time while fetches fail.
    """
    fault, balancer, other = FAULTS[name], LoadBalancer(), LoadBalancer()
    documents = {f"/{balancer.kid}": balancer.pem}
    server.document = lambda path: documents.get(path, b"")
    server.elsewhere = f"{server.url}/{balancer.kid}"
    timeout = SHORT_TIMEOUT if fault.is_silent else PATIENCE
    keys = LoadBalancerKeys(fetch=partial(fetch_document, timeout=timeout), clock=clock, timeout=timeout)
    settings.AVP_JWKS = mint.jwks
    token = TokenVerifier().verify(mint.access_token(sub="ann"))
    proofs = Proofs(LoadBalancers([ARN], f"{server.url}/{{kid}}", keys), token)
    data = balancer.data()
    clock.until(lambda: code_of(proofs, data) == "")
    calm, faulty, fetches = [], [], []
    for _ in range(WINDOWS):
        mine, theirs = attacked(proofs, [data], lambda: repeat("garbage"))
        assert {*mine.codes, *theirs.codes} == {"", "alb_data"}
        calm += mine.seconds

        clock.now += module.KEY_ID_PAUSE
        server.fault, server.paths = fault, []
        mine, theirs = attacked(proofs, [data], lambda: made_up(data))
        fetches_end()
        assert set(mine.codes) == {""}
        assert set(theirs.codes) <= {"alb_key", "alb_unknown_key"}
        faulty += mine.seconds
        fetches.append(len(server.paths))

    assert p99(faulty) <= max(RATIO * p99(calm), FLOOR)
    assert 1 <= fetches[0] <= MOST_LOOKUPS
    assert set(fetches[1:]) == {1}
    server.heal()
    documents[f"/{other.kid}"] = other.pem
    clock.until(lambda: code_of(proofs, other.data()) == "")


def test_load_balancer_keys_are_not_looked_for_elsewhere(settings, server, mint, clock):
    """Where a redirect leads is not asked, so no key from there is believed."""
    balancer, forger = LoadBalancer(), LoadBalancer()
    other = KeyServer(lambda path: forger.pem)
    server.elsewhere, server.fault = f"{other.url}/{forger.kid}", FAULTS["redirect"]
    keys = LoadBalancerKeys(clock=clock, timeout=PATIENCE)
    settings.AVP_JWKS = mint.jwks
    token = TokenVerifier().verify(mint.access_token(sub="ann"))
    proofs = Proofs(LoadBalancers([ARN], f"{server.url}/{{kid}}", keys), token)

    assert code_of(proofs, forger.data(kid=balancer.kid)) == "alb_key"
    assert code_of(proofs, forger.data()) == "alb_key"
    other.close()
    assert (server.paths, other.paths) == ([f"/{balancer.kid}"], [])


# --- The documentation ---------------------------------------------------------------------------------------------


def test_the_figures_of_the_documentation_are_those_of_the_tests():
    """What it says was tried is what these tests try."""
    text = " ".join(subsection(ROOT / "docs" / "security.md", "What was tried", "Key sets").split())

    # One of the ways is that nobody listens.
    for words in (
        f"misbehaves in {len(FAULTS) + 1} ways",
        f"{HUGE // 1_000_000} MB of body",
        f"{MANY:,} keys",
        f"{ATTACKERS} threads and {ATTACKERS} tasks",
        f"at most {RATIO} times as much as in calm, or {FLOOR} seconds",
        f"any wait for a fetch would be {min(SLOW, SHORT_TIMEOUT)} seconds",
        f"less than {BUFFERED // 1_000_000} MB leave the server",
        f"the process holds less than {HELD // 1_000_000} MB",
        f"{THREADS} threads and {LOOPS} event loops with {TASKS} tasks each",
        f"up to {RATE:,} a second intended",
        f"with {CONNECTIONS} connections",
        f"have {MOST_LOOKUPS} fetches within a pause at most",
        f"one request waits {TIMEOUT:.0f} seconds",
    ):
        assert words in text
