"""Processes: forked ones and new ones, ones that load changed code, ones that end, and two versions side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from django.core.cache import caches

from django_avp.authorization import Authorization
from django_avp.engines.caching import CachingEngine
from django_avp.engines.cedar import CedarEngine
from django_avp.engines.sealing import Seal
from django_avp.engines.shared_cache import SharedCache
from django_avp.identity import Identity
from django_avp.observing import Observing
from django_avp.runtime import runtime
from django_avp.testing.endpoint import Endpoint, PolicyStore
from tests.conftest import POOL
from tests.engines.support import batch, check, parsed, photo
from tests.isolation import elsewhere
from tests.isolation.forking import held_locks
from tests.isolation.people import PEOPLE, policies, truth
from tests.isolation.test_users import GUNICORN, UVICORN
from tests.processes import PATIENCE, ROOT, serving
from tests.signin.conftest import browser, pool
from tests.signin.pool import Pool

__all__ = ["browser", "pool"]

STORE = "PSEXAMPLEabcdefg111111"
TYPES = {"principal_type": "PhotoFlash::User", "group_type": "PhotoFlash::Group"}
PERSON = PEOPLE[20]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def until(condition):
    """Wait for what another process does."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture
def get(tokens):
    """Ask a site for somebody, by a connection of its own."""

    def ask(url, path="can/", person=PERSON):
        headers = {"Authorization": f"Bearer {tokens[person.number]}", "X-Nonce": "1", "X-Note": person.email}
        return httpx.get(f"{url}/{path}", headers=headers, timeout=PATIENCE, trust_env=False)

    return ask


def is_own(response, person=PERSON):
    told = response.json()
    assert told.pop("nonce") == "1"
    return response.status_code == 200 and told.items() <= truth(person, person.email).items()


# Forked


@forks
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_locks_that_were_held_hang_no_child(authorize, photo, mint, settings, db):
    """Whatever locks other threads have in the moment of the fork: a child verifies, decides, caches and observes."""
    settings.AVP_CACHE, settings.AVP_CACHE_TTL = "default", 60
    authorization, token = authorize("ann"), mint.id_token("ann")
    assert authorization.can("ViewPhoto", photo)
    runtime.verifier.verify(token)
    authorization.permitted("ViewPhoto", type(photo).objects.all())
    observing = Observing()
    told = []
    observing.await_package("json", lambda: told.append("begun"))
    locks = held_locks()
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child, which is not measured
        signal.alarm(30)
        try:
            runtime.verifier.verify(token)
            identity = Identity.from_claims({"sub": "ann", "aud": "client-1"})
            again = Authorization(identity)
            again._user = authorization.user
            _ = observing.observer
            is_right = bool(again.can("ViewPhoto", photo)) and told == ["begun"]
            again.permitted("ViewPhoto", type(photo).objects.all())
            os._exit(0 if is_right else 1)
        finally:
            os._exit(2)
    for lock in locks:
        lock.release()
    _, status = os.waitpid(child, 0)

    assert len(locks) >= 5
    assert status == 0


@forks
def test_workers_that_are_forked_from_a_warm_process_decide(environment, tokens, get, tmp_path, mint):
    """Gunicorn with ``--preload``: each worker fetches keys and reads the store by itself, and sees what changes."""
    held = PolicyStore.holding(
        parsed(tmp_path / "policies", policies(), _schema(environment)),
        policy_store_id=STORE,
        pool=POOL,
        client_ids=["client-1"],
        **TYPES,
    )
    with Endpoint([held], jwks=mint.jwks) as service, key_server(mint) as keys:
        variables = {
            **environment,
            "SITE_ENGINE": "django_avp.engines.synced.SyncedEngine",
            "SITE_ENDPOINT": service.url,
            "SITE_STORE": STORE,
            "SITE_KEYS": keys.url,
        }
        command = [sys.executable, *GUNICORN[:-1], "--workers=2", "--preload", "tests.isolation.preloaded"]
        with serving(command, variables, tmp_path / "log") as url:
            workers = {}

            def ask(_):
                response = get(url, "process/")
                return response.json()

            with ThreadPoolExecutor(4) as threads:

                def seen():
                    for told in threads.map(ask, range(8)):
                        if told["status"] == "known":
                            assert told["own"].items() <= truth(PERSON, PERSON.email).items()
                            workers[told["pid"]] = told
                    return len(workers) == 2

                until(seen)
            fetched = len(keys.asked)
    assert all(told["pid"] != told["parent"] for told in workers.values())
    assert all("django-avp-sync" in told["threads"] for told in workers.values())
    # The process that was forked, and each worker for itself.
    assert fetched >= 3


def _schema(environment):
    with open(os.path.join(environment["SITE_POLICIES"], "schema.cedarschema")) as file:  # noqa: PTH118, PTH123
        return file.read()


@contextmanager
def key_server(mint):
    """A server of the pool's key set."""
    server = Pool(mint)
    server.replies["/keys"] = (200, mint.jwks)
    server.url = f"{server.url}/keys"
    try:
        yield server
    finally:
        server.close()


# New processes, to which things are pickled


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_is_pickled_into_another_process_denies(authorize, mint, method):
    """An authorization and a user that carries one; the process decides for who has a token there."""
    authorization = authorize("ann")
    assert authorization.can("ListPhotos")
    with multiprocessing.get_context(method).Pool(1) as pool:
        arguments = (authorization, authorization.user, mint.jwks, mint.id_token("ann"))
        told = pool.apply_async(elsewhere.asked, arguments).get(PATIENCE)
        with pytest.raises(TypeError, match="not pickled"):
            pool.apply(elsewhere.asked, (authorization.identity, None, None, None))

    assert told == [False, False, True]


# Changed while it runs


def test_runserver_sees_changed_policies_and_code(environment, get, tmp_path):
    """In development: a policy file counts with the next request, and code as soon as the server has loaded it."""
    directory = tmp_path / "policies"
    directory.mkdir()
    (directory / "schema.cedarschema").write_text(_schema(environment))
    (directory / "rights.cedar").write_text(policies())
    code = tmp_path / "reloaded.py"
    code.write_text("def context(request):\n    return {}\n")
    variables = {
        **environment,
        "SITE_POLICIES": str(directory),
        "SITE_CONTEXT": "reloaded.context",
        "SITE_DEBUG": "1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
    }
    command = [sys.executable, "-m", "django", "runserver", "--no-color", "127.0.0.1:{port}"]
    with serving(command, variables, tmp_path / "log") as url:
        told = get(url).json()
        assert (told["moderate"], told["view"]) == (False, PERSON.view)
        (directory / "rights.cedar").write_text("")
        (directory / "other.cedar").write_text(
            'permit (principal, action == PhotoFlash::Action::"Moderate", resource);'
        )
        told = get(url).json()
        assert (told["moderate"], told["view"]) == (True, "000000")
        (directory / "other.cedar").write_text(policies())
        assert get(url).json()["moderate"] is False
        code.write_text('def context(request):\n    return {"note": request.headers["X-Note"]}\n')
        until(lambda: _is_moderator(get, url, code))


def _is_moderator(get, url, code):
    # A reloader that has not seen the file before sees no change of it.
    code.touch()
    try:
        return get(url).json()["moderate"]
    except httpx.TransportError:
        # It is being loaded.
        return False


# Ended


@pytest.mark.parametrize("server", [GUNICORN, UVICORN], ids=["wsgi", "asgi"])
def test_who_is_being_decided_about_is_answered_before_the_end(environment, get, tmp_path, server):
    """SIGTERM in the middle of a decision: the answer is made, and is right; then the process ends as it should."""
    variables = {**environment, "SITE_ENGINE": "tests.isolation.slow.SlowEngine", "SITE_SIGNS": str(tmp_path)}
    with ThreadPoolExecutor(1) as thread, serving([sys.executable, *server], variables, tmp_path / "log") as url:
        asked = thread.submit(get, url, "can/")
        until((tmp_path / "begun").exists)
        pid = int(get(url, "pid/").text)
        os.kill(pid, signal.SIGTERM)
        until(lambda: not _accepts(url))
        (tmp_path / "go").touch()
        assert is_own(asked.result(PATIENCE))


def _accepts(url):
    try:
        httpx.get(f"{url}/pid/", timeout=1, trust_env=False)
    except httpx.TransportError:
        return False
    return True


# Two versions side by side


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "permitted",
        [],
        ["permitted"],
        ["permitted", []],
        ["allowed", [], []],
        ["undecided", [], []],
        [True, [], []],
    ],
    ids=repr,
)
def test_decisions_that_another_version_remembers_are_none_here(settings, tmp_path, value):
    """Signed by this site, in the right place, and of another form: decided anew."""
    settings.AVP_NAMESPACE, settings.AVP_CACHE_TTL = "PhotoFlash", 60
    parsed(tmp_path / "policies", "forbid (principal, action, resource);")
    settings.AVP_POLICIES = tmp_path / "policies"
    cache = SharedCache("default")
    engine, question = CachingEngine(CedarEngine(), cache), batch((check("View", photo(1)), []))
    (key,) = engine._keys(question).values()
    cache.set_many({key: (value, time.time() + 60)})
    assert caches["default"]._cache

    decisions = engine.decide(question)

    assert decisions[0].verdict.value == "forbidden"
    assert not decisions.cached


def test_decisions_under_the_keys_of_another_version_are_not_looked_for(settings):
    """The form of what is kept is a part of its key."""
    cache = SharedCache("default")
    cache.set_many({"key": ("value", time.time() + 60)})
    sealed = Seal("django_avp.shared_cache").sealed(["key", time.time() + 60, "value"])
    assert cache.get_many(["key"], 60) == {"key": "value"}
    cache.delete("key")
    caches["default"].set("django_avp:1:key", sealed)
    caches["default"].set("django_avp:3:key", sealed)

    assert cache.get_many(["key"], 60) == {}


@pytest.mark.parametrize("held", [[], "text", {"record": "x"}, ["x"], ["x", 1, 2], [None, 1], ["x", None]], ids=repr)
def test_a_session_of_another_version_is_no_error(browser, held):
    """Who has signed in with it stays signed in until the tokens expire, as who has no refresh token."""
    browser.sign_in()
    session = browser.session
    session["_avp_sign_in"] = held
    session["_avp_sign_in_attempts"] = held
    session.save()

    assert browser.me()["principal"] == f"{POOL}|ann"
    assert browser.get("/sign-in/callback/?state=x&code=y").status_code < 500
    assert browser.get("/sign-in/").status_code == 302
    assert browser.sign_in().status_code == 302


@pytest.mark.parametrize("packed", [[], "text", {}, ["ann"], ["ann", 1, "", ""], ["ann", "1", "", "", ""]], ids=repr)
def test_a_record_of_another_version_is_none(browser, packed):
    """When its tokens are due, who had them is asked to sign in, as if they had signed out."""
    browser.pool.lifetime = 30
    browser.sign_in()
    record = browser.session["_avp_sign_in"][0]
    store = type(browser.session)(record)
    store["django_avp_signin_record"] = packed
    store.save()

    assert browser.get("/me/").status_code == 200
    assert "_avp_sign_in" not in browser.session


# Checked before it is deployed


def test_the_example_has_nothing_of_ours_to_mend_when_it_is_deployed(tmp_path):
    """``check --deploy`` with the example's production settings tells of Django's own matters alone."""
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "EXAMPLE_DATA_DIR": str(tmp_path),
        "DJANGO_DEBUG": "off",
        "DJANGO_SECRET_KEY": "x" * 60 + "0123456789",
        "DJANGO_ALLOWED_HOSTS": "example.com",
        "COGNITO_USER_POOL_ID": POOL,
        "COGNITO_CLIENT_ID": "client-1",
    }
    command = [sys.executable, "-m", "django", "check", "--deploy", "--no-color"]
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)  # noqa: S603
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "django_avp" not in done.stderr
