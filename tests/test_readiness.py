"""Tests of ``django_avp.readiness``: what is told before the first request, and what is not done to find out."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cedarpy
import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured

from django_avp import readiness
from django_avp.engines.caching import CachingEngine
from django_avp.exceptions import KeySetUnavailableError, TokenInvalidError
from django_avp.readiness import Part, Readiness
from django_avp.runtime import runtime
from django_avp.schema_json import schema_json
from django_avp.testing.endpoint import Endpoint
from tests.engines.support import SCHEMA
from tests.testing.aws import conforming_client

POOL = "eu-west-1_AbCdEf123"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
UPDATED_ISSUER = ISSUER.replace("cognito-idp", "issuer-cognito-idp")
KEYS = f"key set of {POOL}"
ENGINES = {
    "verified": "django_avp.engines.verified_permissions.VerifiedPermissionsEngine",
    "synced": "django_avp.engines.synced.SyncedEngine",
}
OPTIONS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


class Unlucky:
    """Cannot be built, and says something that nobody should read."""

    def __init__(self):
        raise RuntimeError("a secret")


class Bare:
    """An engine that knows no policies and makes no calls."""


class Stocked(Bare):
    """An engine with policies, and a ``store`` that is something else."""

    store = "a shelf"

    def policies(self, store):
        return None

    def decide(self, batch):
        raise AssertionError("nothing is decided")

    async def adecide(self, batch):
        raise AssertionError("nothing is decided")


class KeyServer:
    """A real HTTP server on the loopback address that has a key set at some paths."""

    def __init__(self, jwks):
        self.documents = {"/jwks.json": json.dumps(jwks).encode()}
        self.paths = []
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.paths.append(self.path)
                server.asked.set()
                server.may_answer.wait(10)
                document = server.documents.get(self.path)
                self.send_response(404 if document is None else 200)
                self.end_headers()
                self.wfile.write(document or b"")

            def log_message(self, format, *args):
                """Write nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self):
        self.may_answer.set()
        self.server.shutdown()
        self.thread.join(10)
        self.server.server_close()


def join(*names):
    """Wait for threads that nobody waits for any more."""
    for thread in threading.enumerate():
        if thread.name in names:
            thread.join(10)


@pytest.fixture
def server(settings, monkeypatch, mint):
    """A key server that the settings name for every issuer."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = KeyServer(mint.jwks)
    settings.AVP_JWKS = None
    settings.AVP_JWKS_URL = f"{server.url}/jwks.json"
    yield server
    server.close()
    join("django-avp-key-set", "django-avp-readiness")


@pytest.fixture(scope="module")
def endpoint(mint):
    """The local service."""
    with Endpoint(jwks=mint.jwks) as endpoint:
        yield endpoint


@pytest.fixture
def store(settings, endpoint, mint):
    """A policy store of the local service with one policy, and nothing in the cache."""
    cache.clear()
    client = conforming_client(endpoint.url)
    made = client.create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]
    client.put_schema(policyStoreId=made, definition={"cedarJson": schema_json(cedarpy.Schema.from_str(SCHEMA))})
    client.create_policy(
        policyStoreId=made, definition={"static": {"statement": "permit (principal, action, resource);"}}
    )
    settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
    settings.AVP_POLICY_STORE_ID = made
    endpoint.calls.clear()
    yield made
    engine = runtime.engine
    engine = engine._engine if isinstance(engine, CachingEngine) else engine
    if hasattr(engine, "close"):
        engine.close()
        join("django-avp-sync")


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    """A machine on which boto3 finds neither a region nor credentials."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.fixture(params=["sync", "async"])
def check(request):
    """``check`` and ``acheck``: every fact below holds for both."""
    if request.param == "sync":
        return readiness.check
    return lambda **options: asyncio.run(readiness.acheck(**options))


# --- The report ----------------------------------------------------------------------------------------------------


def test_a_report_is_ready_if_all_parts_are():
    """One problem is enough, and it is told with the name of its part."""
    report = Readiness((Part("a"), Part("b", "is down", 7.5)))

    assert not report.is_ready
    assert report.problems == ("b: is down",)
    assert Readiness((Part("a"),)).is_ready
    assert Readiness((Part("a"),)).problems == ()


def test_a_site_is_ready_and_nothing_is_decided(check, engine):
    """The engine and the key set of each pool are looked at, and no check is decided for it."""
    assert check() == Readiness((Part(KEYS), Part("engine")))
    assert engine.batches == []


def test_each_pool_and_each_store_is_a_part(check, settings):
    """By their ids; tenants' stores are those that are named."""
    settings.AVP_USER_POOLS = {POOL: ["client-1"], "eu-west-1_Second": ["client-1"]}
    names = [part.name for part in check(stores=["one", "two"]).parts]

    assert names == [KEYS, "key set of eu-west-1_Second", "engine with one", "engine with two"]
    assert [part.name for part in check(stores=[]).parts][-1] == "engine"


def test_settings_that_are_missing_are_told(check, settings):
    """Without pools there is nothing to look at."""
    del settings.AVP_USER_POOLS

    with pytest.raises(ImproperlyConfigured, match="AVP_USER_POOLS is missing"):
        check()


# --- Key sets ------------------------------------------------------------------------------------------------------


def test_key_sets_are_fetched_and_kept(check, server, mint):
    """A probe warms a worker up: the first token finds its key, and later probes fetch nothing."""
    assert check().is_ready
    assert check().is_ready
    server.close()

    assert check().is_ready
    assert runtime.verifier.verify(mint.id_token(sub="ann"))
    assert server.paths == ["/jwks.json"]


def test_a_probe_does_not_pause_the_look_for_new_keys(server, mint):
    """A key that is published after the probe is found at once."""
    assert readiness.check().is_ready
    with pytest.raises(TokenInvalidError):
        runtime.verifier.verify(mint.sign({"iss": ISSUER}, {"kid": "new"}))

    assert len(server.paths) == 2


def test_a_key_set_that_cannot_be_fetched_is_a_problem(check, server):
    """So is one that is no key set; the next probe after the pause sees that it is there."""
    server.documents.clear()

    assert check().problems == (f"{KEYS}: The key set of the issuer cannot be fetched.",)


def test_any_issuer_of_a_pool_will_do(check, settings, server):
    """A pool's tokens have one of two issuers, and its keys are at both or at one."""
    settings.AVP_JWKS_URL = {ISSUER: f"{server.url}/none", UPDATED_ISSUER: f"{server.url}/jwks.json"}

    assert check().is_ready
    assert server.paths == ["/none", "/jwks.json"]


def test_one_pool_without_keys_is_enough(check, settings, server):
    """Its users would get 503; the problem names it."""
    settings.AVP_USER_POOLS = {POOL: ["client-1"], "eu-west-1_Second": ["client-1"]}
    settings.AVP_JWKS_URL = {POOL: f"{server.url}/jwks.json", "eu-west-1_Second": f"{server.url}/none"}

    assert [part.is_ready for part in check().parts] == [True, False, True]


def test_a_key_set_given_inline_is_not_fetched(check, settings):
    """It only has to hold a usable key."""
    settings.AVP_JWKS = {"keys": []}

    (problem,) = check().problems
    assert "AVP_JWKS holds no usable key" in problem


def test_what_hangs_is_a_problem_when_time_is_up(check, server):
    """No probe waits longer than it was told, and what answered is still told."""
    server.may_answer.clear()
    assert runtime.engine
    # A fetch gives up by itself after two seconds, and says so.
    report = check(timeout=0.5)

    assert report.problems == (f"{KEYS}: There was no answer in time.",)
    assert report.parts[1].is_ready


def test_probes_share_a_fetch(server):
    """However often a probe comes while the server hangs, it is asked once."""
    server.may_answer.clear()
    for _ in range(5):
        assert not readiness.check(timeout=0.01).is_ready
    assert server.asked.wait(10)
    server.may_answer.set()
    join("django-avp-readiness")

    assert readiness.check().is_ready
    assert server.paths == ["/jwks.json"]


def test_a_fetch_that_fails_is_not_repeated_at_once(server):
    """Probes keep the pause after a failure, as tokens do."""
    server.documents.clear()
    for _ in range(3):
        with pytest.raises(KeySetUnavailableError):
            runtime.verifier.load_keys(POOL)

    assert len(server.paths) == 1


def test_the_event_loop_is_free_meanwhile(server):
    """Tasks go on while a probe waits: one of them lets the server answer."""
    server.may_answer.clear()

    async def answer():
        while not server.asked.is_set():
            await asyncio.sleep(0.001)
        server.may_answer.set()

    async def both():
        report, _ = await asyncio.gather(readiness.acheck(), answer())
        return report

    assert asyncio.run(both()).is_ready


# --- Engines -------------------------------------------------------------------------------------------------------


def test_an_engine_that_cannot_be_imported_is_a_problem(check, settings):
    """The cause is told."""
    settings.AVP_ENGINE = "no.such.Engine"

    (problem,) = check().problems
    assert problem.startswith("engine: AVP_ENGINE: 'no.such.Engine' cannot be imported")


def test_policies_that_cannot_be_parsed_are_a_problem(check, settings, tmp_path):
    """The file and the line are told, as at start-up."""
    (tmp_path / "wrong.cedar").write_text("permit (principal")
    settings.AVP_POLICIES = tmp_path

    (problem,) = check().problems
    assert "wrong.cedar" in problem


def test_what_nobody_foresaw_is_told_by_its_kind_alone(check, settings):
    """The text of such an error may hold anything."""
    settings.AVP_ENGINE = f"{__name__}.Unlucky"

    assert check().problems == ("engine: It cannot be used (RuntimeError).",)


@pytest.mark.parametrize("name", ["Bare", "Stocked"])
def test_other_engines_have_to_be_built(check, settings, name):
    """More is not known of an engine that makes no calls of ours and reads no stores."""
    settings.AVP_ENGINE = f"{__name__}.{name}"

    assert check().parts[-1] == Part("engine")


@pytest.mark.parametrize("ttl", [0, 30])
def test_the_service_is_not_called(check, settings, store, endpoint, ttl):
    """A region and credentials are enough; decisions that are remembered change nothing."""
    settings.AVP_ENGINE, settings.AVP_CACHE, settings.AVP_CACHE_TTL = ENGINES["verified"], "default", ttl

    assert check() == Readiness((Part(KEYS), Part(f"engine with {store}")))
    assert endpoint.calls == []


@pytest.mark.usefixtures("no_credentials")
@pytest.mark.parametrize(
    ("options", "kind"), [({}, "NoRegionError"), ({"region_name": "eu-west-1"}, "NoCredentialsError")]
)
def test_a_client_that_cannot_sign_is_a_problem(check, settings, options, kind):
    """Without a region or credentials every call would fail; nothing is called to find out."""
    settings.AVP_ENGINE, settings.AVP_CLIENT_OPTIONS = ENGINES["verified"], options

    assert check(timeout=60).problems == (f"engine: It cannot be used ({kind}).",)


def test_a_store_is_read_before_a_synced_engine_is_ready(check, settings, store):
    """The first probe starts the reading; then the age of what was read is told, until it is too old."""
    settings.AVP_ENGINE, settings.AVP_SYNC_INTERVAL = ENGINES["synced"], 0.5
    deadline = time.monotonic() + 60
    while not (report := check(timeout=60)).is_ready:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    part = report.parts[-1]

    assert part.name == f"engine with {store}"
    assert 0 <= part.age < 20
    settings.AVP_SYNC_MAX_AGE = 0
    assert "longer than AVP_SYNC_MAX_AGE" in check().problems[0]


def test_a_store_that_cannot_be_read_is_a_problem(check, settings, store):
    """Whatever keeps it from being read, nothing could be decided."""
    settings.AVP_ENGINE = ENGINES["synced"]
    settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": "http://127.0.0.1:1"}

    (problem,) = check().problems
    assert problem == f"engine with {store}: The policy store was not read yet; manage.py avp_sync reads it beforehand."


def test_stores_that_requests_name_are_read_if_they_are_named_here(check, settings, store):
    """Of a callable nothing is known without a request, so only the engine is looked at."""
    settings.AVP_ENGINE, settings.AVP_POLICY_STORE_ID = ENGINES["synced"], lambda request: store

    assert check() == Readiness((Part(KEYS), Part("engine")))
    assert check(stores=[store]).parts[-1].name == f"engine with {store}"


# --- The view of the documentation -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("site")
def test_the_view_of_the_documentation_answers(rf, settings, caplog):
    """200 if all is there, else 503 with the part that is not; why is in the log alone."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "operating.md").read_text()
    (block,) = [
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "django_avp.readiness" in block
    ]
    names = {"__name__": "ready"}
    exec(block, names)  # noqa: S102 - what the page shows
    response = names["ready"](rf.get("/ready/"))
    assert (response.status_code, json.loads(response.content)) == (200, {KEYS: True, "engine": True})
    assert "no-store" in response["Cache-Control"]

    settings.AVP_ENGINE = "no.such.Engine"
    response = names["ready"](rf.get("/ready/"))
    assert (response.status_code, json.loads(response.content)) == (503, {KEYS: True, "engine": False})
    assert b"no.such" not in response.content
    assert "no.such.Engine" in caplog.text
