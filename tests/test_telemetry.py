"""``django_avp.telemetry`` with OpenTelemetry's own SDK: what is recorded, inside of what, and what never is."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from urllib.error import HTTPError

import pytest
from asgiref.sync import async_to_sync
from botocore.exceptions import ClientError
from django.core.cache import cache
from django.test import AsyncClient
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from django_avp.authorization import asker_of
from django_avp.cedar import UNAVAILABLE
from django_avp.engines.base import Decisions
from django_avp.engines.cedar import CedarEngine
from django_avp.engines.verified_permissions import VerifiedPermissionsEngine
from django_avp.exceptions import (
    AuthorizationUnavailable,
    KeySetUnavailableError,
    PolicyError,
    TokenInvalidError,
    UntranslatablePolicyError,
)
from django_avp.observing import Observer, Observing, observing
from django_avp.policies import load
from django_avp.runtime import runtime
from django_avp.telemetry import Telemetry
from django_avp.testing.endpoint import Endpoint, Fault, PolicyStore
from django_avp.tokens.alb_keys import LoadBalancerKeys
from django_avp.tokens.keys import KeySets
from tests.processes import PATIENCE, ROOT
from tests.settings import AVP_POLICIES
from tests.testapp.models import Photo
from tests.testing.aws import conforming_client

POOL = "eu-west-1_AbCdEf123"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
STORE = "PSEXAMPLEabcdefg111111"
OPTIONS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
CEDAR = {"avp.engine": "CedarEngine"}


class Recorded:
    """What an SDK that keeps everything in memory was told."""

    def __init__(self):
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider(resource=Resource({}), shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader], resource=Resource({}), shutdown_on_exit=False)
        self.tracer = self.tracers.get_tracer("test")

    def spans(self, name=None):
        """The spans that have ended, of one name or all."""
        return [span for span in self.exporter.get_finished_spans() if name in (None, span.name)]

    def span(self, name="avp.round"):
        """The only one of a name."""
        (span,) = self.spans(name)
        return span

    def points(self):
        """Every measurement, with its instrument."""
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return [(one, point) for scope in scopes for one in scope.metrics for point in one.data.data_points]

    def measured(self, name):
        """Values, or how many durations there are, by attributes."""
        points = [point for metric, point in self.points() if metric.name == name]
        return [(dict(point.attributes), getattr(point, "count", getattr(point, "value", None))) for point in points]

    def text(self):
        """All that would be exported."""
        points = [f"{metric.to_json()} {dict(point.attributes)}" for metric, point in self.points()]
        return "\n".join([*(span.to_json() for span in self.spans()), *points])


@pytest.fixture
def recorded():
    """An SDK that is told of everything in this test."""
    recorded = Recorded()
    with observing.use(Telemetry(recorded.tracers, recorded.meters)):
        yield recorded
    recorded.tracers.shutdown()
    recorded.meters.shutdown()


@pytest.fixture(params=["sync", "async"])
def ask(request, db):
    """Collect actions on a resource and have them decided, by ``decide`` or by ``adecide``."""

    def sync(authorization, *actions, resource=None):
        authorization.collect(actions, resource)
        authorization.decide()

    def asynchronous(authorization, *actions, resource=None):
        authorization.collect(actions, resource)
        async_to_sync(authorization.adecide)()

    return sync if request.param == "sync" else asynchronous


@pytest.fixture
def unsaved_users(settings):
    """No rows for users: nothing reads the database on the way."""
    settings.AVP_USER_MODE = "token"


pytestmark = pytest.mark.usefixtures("unsaved_users")


class Within(CedarEngine):
    """Keeps the span that is current while it decides."""

    def __init__(self):
        super().__init__()
        self.spans = []

    def decide(self, batch):
        self.spans.append(trace.get_current_span())
        return super().decide(batch)


class Failing(CedarEngine):
    """Raises what it is told to."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def decide(self, batch):
        raise self.error


class Unknowing(CedarEngine):
    """Cannot tell by which policies it decides."""

    def policies(self, store=None):
        raise PolicyError("never to be seen")


class Patient(CedarEngine):
    """Decides when as many rounds are under way as it was told."""

    def __init__(self, rounds, tracer=None):
        super().__init__()
        self.rounds = rounds
        self.tracer = tracer or trace.NoOpTracer()
        self.waiting = 0
        self.asked = asyncio.Event()

    async def adecide(self, batch):
        self.waiting += 1
        if self.waiting == self.rounds:
            self.asked.set()
        await self.asked.wait()
        with self.tracer.start_as_current_span("call"):
            return self.decide(batch)


# --- Rounds ----------------------------------------------------------------------------------------------------------


def test_a_round_is_a_span_and_is_measured(recorded, ask, authorize, photo):
    """What came of it is told in numbers: checks, calls, verdicts; the store, if there is one, on the span alone."""
    authorization = authorize("ann")
    asker_of(authorization)._store = STORE
    ask(authorization, "ViewPhoto", "EditPhoto", "Moderate", resource=photo)
    authorization.can("DeletePhoto", photo)

    first, second = recorded.spans("avp.round")
    assert dict(first.attributes) == CEDAR | {
        "avp.policy_store.id": STORE,
        "avp.round.check_count": 3,
        "avp.round.call_count": 1,
        "avp.round.unplanned_count": 0,
        "avp.round.permitted_count": 2,
        "avp.round.not_permitted_count": 1,
    }
    assert first.kind is trace.SpanKind.INTERNAL
    assert first.status.is_unset
    assert (first.end_time - first.start_time) / 1e6 == pytest.approx(authorization.rounds[0].milliseconds, abs=1e-3)
    assert second.attributes["avp.round.permitted_count"] == 1
    assert recorded.measured("avp.round.duration") == [(CEDAR, 2)]
    assert recorded.measured("avp.calls") == [(CEDAR, 2)]
    assert recorded.measured("avp.checks") == [
        (CEDAR | {"avp.verdict": "permitted"}, 3),
        (CEDAR | {"avp.verdict": "not_permitted"}, 1),
    ]
    assert recorded.measured("avp.unplanned_checks") == []


def test_durations_are_seconds_in_buckets_that_fit(recorded, authorize, photo):
    """By the conventions; a round in process takes less than a millisecond, so buckets begin below."""
    authorization = authorize("ann")
    authorization.can("ViewPhoto", photo)

    ((metric, point),) = [pair for pair in recorded.points() if pair[0].name == "avp.round.duration"]
    assert metric.unit == "s"
    assert point.sum == authorization.rounds[0].milliseconds / 1000
    assert point.explicit_bounds[0] == 0.0005
    assert point.explicit_bounds[-1] == 10


def test_every_verdict_is_counted(recorded, ask, authorize, photo):
    """A forbid, and what nobody permits."""
    ask(authorize("eve", "suspended"), "ViewPhoto", resource=photo)
    ask(authorize("eve"), "ViewPhoto", resource=photo)

    assert recorded.measured("avp.checks") == [
        (CEDAR | {"avp.verdict": "forbidden"}, 1),
        (CEDAR | {"avp.verdict": "not_permitted"}, 1),
    ]
    assert [span.attributes.get("avp.round.forbidden_count") for span in recorded.spans()] == [1, None]


def test_an_unplanned_check_is_counted(recorded, authorize, photo):
    """It cost a round that planning did not foresee."""
    authorization = authorize("ann")
    authorization.answer(authorization.check("ViewPhoto", photo), is_planned=False)

    assert recorded.span().attributes["avp.round.unplanned_count"] == 1
    assert recorded.measured("avp.unplanned_checks") == [(CEDAR, 1)]


def test_the_span_is_current_while_the_engine_decides(recorded, ask, authorize, photo):
    """So what an engine does is inside of it, and the round inside of the request; afterwards it is not current."""
    with runtime.use_engine(Within()) as engine, recorded.tracer.start_as_current_span("request") as request:
        ask(authorize("ann"), "ViewPhoto", resource=photo)
        assert trace.get_current_span() is request

    assert engine.spans[0].get_span_context() == recorded.span().context
    assert recorded.span().parent == request.get_span_context()


def test_rounds_of_tasks_do_not_meet(recorded, authorize):
    """Under way at once, each is inside of its own request, and what its engine does inside of it."""
    requests = [authorize("ann"), authorize("bob"), authorize("eve")]

    async def serve(number, authorization):
        with recorded.tracer.start_as_current_span(f"request {number}"):
            await authorization.acan("ListPhotos")

    async def serve_all():
        with runtime.use_engine(Patient(3, recorded.tracer)):
            await asyncio.gather(*(serve(*each) for each in enumerate(requests)))

    asyncio.run(serve_all())

    by_id = {span.context.span_id: span for span in recorded.spans()}
    paths = [
        (by_id[by_id[call.parent.span_id].parent.span_id].name, by_id[call.parent.span_id].name)
        for call in recorded.spans("call")
    ]
    assert sorted(paths) == [(f"request {number}", "avp.round") for number in range(3)]


# --- What goes wrong -------------------------------------------------------------------------------------------------


def assert_failed(span, error_type):
    """The status and the kind of error are all that is told of it."""
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.status.description is None
    assert span.attributes["error.type"] == error_type
    assert span.events == ()


def test_an_engine_that_is_down_is_an_error(recorded, ask, authorize, photo):
    """The checks are undecided, and the duration is that of a failure."""
    with runtime.use_engine(Failing(AuthorizationUnavailable("never to be seen"))):
        ask(authorize("ann"), "ViewPhoto", "EditPhoto", resource=photo)

    failing = {"avp.engine": "Failing"}
    assert_failed(recorded.span(), "AuthorizationUnavailable")
    assert recorded.span().attributes["avp.round.undecided_count"] == 2
    assert recorded.measured("avp.round.duration") == [(failing | {"error.type": "AuthorizationUnavailable"}, 1)]
    assert recorded.measured("avp.checks") == [(failing | {"avp.verdict": "undecided"}, 2)]


def test_answers_of_a_service_that_is_down_are_an_error(recorded, ask, authorize, engine, monkeypatch):
    """An engine that raises nothing says it in its decisions."""
    monkeypatch.setattr(engine, "decide", lambda batch: Decisions([UNAVAILABLE], calls=3))
    ask(authorize("ann"), "ListPhotos")

    assert_failed(recorded.span(), "unavailable")
    assert recorded.span().attributes["avp.round.call_count"] == 3


def test_what_nobody_foresaw_goes_on_and_ends_the_span(recorded, ask, authorize):
    """Its kind is told, and nothing of its text."""
    with runtime.use_engine(Failing(ValueError("never to be seen"))), pytest.raises(ValueError, match="never"):
        ask(authorize("ann"), "ListPhotos")

    assert_failed(recorded.span(), "ValueError")
    assert not trace.get_current_span().get_span_context().is_valid
    assert "never" not in recorded.text()


def test_a_round_that_is_cancelled_is_an_error(recorded, authorize):
    """As when the client has gone; its checks stay to be decided."""
    authorization = authorize("ann")
    authorization.collect("ListPhotos")

    async def give_up():
        engine = Patient(2)
        with runtime.use_engine(engine):
            task = asyncio.create_task(authorization.adecide())
            while not engine.waiting:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(give_up())

    assert_failed(recorded.span(), "CancelledError")
    assert authorization.can("ListPhotos")


def test_policies_that_are_not_known_make_checks_undecided(recorded, ask, authorize):
    """No engine is asked then, so there is no round; the checks are counted all the same."""
    with runtime.use_engine(Unknowing()):
        ask(authorize("ann"), "ListPhotos", "Moderate")

    assert recorded.spans() == []
    undecided = {"avp.engine": "Unknowing", "avp.verdict": "undecided", "error.type": "PolicyError"}
    assert recorded.measured("avp.checks") == [(undecided, 2)]


# --- Engines ---------------------------------------------------------------------------------------------------------


def test_the_decision_cache_is_counted(recorded, ask, authorize, photo, settings, patient_caches):
    """Hits and misses are checks; the engine is told by its own name, not by the cache's."""
    cache.clear()
    settings.AVP_CACHE, settings.AVP_CACHE_TTL = "default", 60
    ask(authorize("ann"), "ViewPhoto", resource=photo)
    ask(authorize("ann"), "ViewPhoto", "EditPhoto", resource=photo)

    result = "avp.cache.result"
    assert recorded.measured("avp.cache.lookups") == [({result: "miss"}, 2), ({result: "hit"}, 1)]
    assert [span.attributes["avp.engine"] for span in recorded.spans()] == ["CedarEngine"] * 2


@pytest.fixture
def endpoint(mint, settings):
    """The local service, with the policies of the tests in a store."""
    settings.AVP_NAMESPACE = "PhotoFlash"
    types = {"principal_type": "PhotoFlash::User", "group_type": "PhotoFlash::Group"}
    store = PolicyStore.holding(load([AVP_POLICIES]), policy_store_id=STORE, pool=mint.pool, **types)
    with Endpoint([store], jwks=mint.jwks) as endpoint:
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        settings.AVP_POLICY_STORE_ID = STORE
        yield endpoint


@pytest.mark.parametrize("number", [2, 70])
@pytest.mark.django_db(transaction=True)
def test_calls_of_boto3_are_inside_of_the_round(recorded, ask, authorize, user, endpoint, number):
    """In whichever thread they are made: an instrumentation of botocore has the round for a parent."""
    photos = Photo.objects.bulk_create(Photo(title="x", owner=user("ann")) for _ in range(number))
    engine, inside = VerifiedPermissionsEngine(), []
    events = engine._connection.client().meta.events
    events.register("before-call", lambda **_: inside.append(trace.get_current_span().get_span_context()))
    with runtime.use_engine(engine):
        authorization = authorize("ann")
        authorization.collect("ViewPhoto", photos)
        ask(authorization)

    calls = -(-number // 30)
    assert inside == [recorded.span().context] * calls
    assert recorded.span().attributes["avp.round.call_count"] == calls
    assert recorded.span().attributes["avp.round.permitted_count"] == number
    assert recorded.span().attributes["avp.policy_store.id"] == STORE


@pytest.mark.usefixtures("patient_caches")
def test_a_synced_store_is_read_in_a_span_and_has_an_age(recorded, ask, authorize, endpoint, settings):
    """Reading is a span and a duration; the age is told as long as the store is in use."""
    cache.clear()
    settings.AVP_ENGINE, settings.AVP_SYNC_INTERVAL = "django_avp.engines.synced.SyncedEngine", 600
    settings.AVP_SYNC_MAX_AGE = 600
    store = runtime.engine.store(STORE)
    store.read()
    ask(authorize("ann"), "ListPhotos")

    reading = recorded.spans("avp.policy_store.read")[0]
    assert dict(reading.attributes) == {"avp.policy_store.id": STORE}
    assert recorded.measured("avp.policy_store.read.duration")[0][0] == {}
    ((attributes, age),) = recorded.measured("avp.policy_store.age")
    assert attributes == {"avp.policy_store.id": STORE}
    assert 0 <= age <= store.age
    assert recorded.span().attributes["avp.engine"] == "SyncedEngine"
    runtime.engine.close()
    runtime.reset()
    del store
    join("django-avp-sync")
    assert recorded.measured("avp.policy_store.age") == []


@pytest.mark.usefixtures("patient_caches")
def test_a_store_that_cannot_be_read_is_an_error(recorded, endpoint, settings):
    """The kind is the service's word for it."""
    cache.clear()
    settings.AVP_ENGINE = "django_avp.engines.synced.SyncedEngine"
    gone = conforming_client(endpoint.url).create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]
    conforming_client(endpoint.url).delete_policy_store(policyStoreId=gone)
    engine = runtime.engine
    with pytest.raises(ClientError):
        engine.store(gone).read()
    engine.close()
    join("django-avp-sync")

    for span in recorded.spans("avp.policy_store.read"):
        assert_failed(span, "ResourceNotFoundException")
    (counted,) = recorded.measured("avp.policy_store.read.duration")
    assert counted == ({"error.type": "ResourceNotFoundException"}, len(recorded.spans()))
    assert recorded.measured("avp.policy_store.age") == []


def join(*names):
    """Wait for threads that nobody waits for any more."""
    for thread in threading.enumerate():
        if thread.name in names:
            thread.join(10)


# --- Tokens and keys -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sync", "async"])
def get(request):
    """Read a key by ``get`` or by ``aget``."""
    if request.param == "sync":
        return lambda keys, *place: keys.get(*place)
    return lambda keys, *place: asyncio.run(keys.aget(*place))


def test_a_key_set_is_fetched_inside_of_the_request(recorded, get, settings, mint):
    """Though a thread fetches it: a request that waited shows what for, and an instrumented client is inside."""
    settings.AVP_JWKS, inside = None, []

    def fetch(url):
        inside.append(trace.get_current_span().get_span_context())
        return json.dumps(mint.jwks).encode()

    with recorded.tracer.start_as_current_span("request") as request:
        assert get(KeySets(fetch=fetch), ISSUER, POOL, mint.kid)
    join("django-avp-key-set")

    span = recorded.span("avp.key_set.fetch")
    assert inside == [span.context]
    assert span.parent == request.get_span_context()
    assert span.status.is_unset
    assert recorded.measured("avp.key_set.fetch.duration") == [({}, 1)]


@pytest.mark.parametrize(("document", "error_type"), [(None, "OSError"), (b"{}", "no usable key")])
def test_a_key_set_that_cannot_be_had_is_an_error(recorded, get, settings, mint, document, error_type):
    """Whether the address does not answer, or answers with no key set."""
    settings.AVP_JWKS = None

    def fetch(url):
        if document is None:
            raise OSError("never to be seen")
        return document

    with pytest.raises(KeySetUnavailableError):
        get(KeySets(fetch=fetch), ISSUER, POOL, mint.kid)
    join("django-avp-key-set")

    assert_failed(recorded.span("avp.key_set.fetch"), error_type)
    assert recorded.measured("avp.key_set.fetch.duration") == [({"error.type": error_type}, 1)]


@pytest.mark.parametrize(("code", "error_type"), [(404, "not there"), (500, "HTTP 500")])
def test_a_load_balancers_key_that_cannot_be_had_is_an_error(recorded, get, code, error_type):
    """One that does not exist, too."""

    def fetch(url):
        raise HTTPError(url, code, "never to be seen", {}, None)

    with pytest.raises((TokenInvalidError, KeySetUnavailableError)):
        get(LoadBalancerKeys(fetch=fetch), "https://keys.example/never-to-be-seen")
    join("django-avp-key-set")

    assert_failed(recorded.span("avp.key_set.fetch"), error_type)
    assert "never" not in recorded.text()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_tokens_are_counted_by_what_is_wrong_with_them(recorded, client, mint, kind):
    """One for each request that has a token; a good one has no error."""

    def get(**headers):
        if kind == "sync":
            return client.get("/open/", headers=headers)
        return asyncio.run(AsyncClient().get("/open/", headers=headers))

    good, expired = mint.id_token("ann"), mint.id_token("ann", exp=1)
    for token in (good, good, expired, "nonsense.nonsense.nonsense"):
        get(authorization=f"Bearer {token}")
    get()

    assert recorded.measured("avp.token.verifications") == [
        ({}, 2),
        ({"error.type": "expired"}, 1),
        ({"error.type": "malformed"}, 1),
    ]


# --- Lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_filters_of_lists_are_counted(recorded, authorize, photo):
    """Compiled at first, kept for the next, or with rows checked one by one; no list is a round unless it is that."""
    for _ in range(2):
        authorize("ann").permitted("ViewPhoto", Photo.objects.all())
    way = "avp.list.filter.way"
    assert recorded.measured("avp.list.filters") == [({way: "compiled"}, 1), ({way: "kept"}, 1)]
    assert recorded.spans() == []

    with runtime.use_engine(Unlisted()):
        with pytest.raises(UntranslatablePolicyError):
            authorize("ann").permitted("ViewPhoto", Photo.objects.all())
        authorize("ann").permitted("ViewPhoto", Photo.objects.all(), on_untranslatable="check")
    assert ({way: "checked"}, 1) in recorded.measured("avp.list.filters")
    assert len(recorded.spans("avp.round")) == 1


class Unlisted(CedarEngine):
    """Does not tell its policies."""

    policies = None

    def decide(self, batch):
        return CedarEngine().decide(batch)


# --- Nothing secret --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_nothing_secret_is_recorded(recorded, settings, mint, client, user, endpoint):
    """Whoever asks for whatever, and whatever fails: no token, claim, principal, resource or text of an error."""
    cache.clear()
    claims = {"email": "ann@secret.example", "custom:cost_center": "secret-center"}
    secret_photo = Photo.objects.create(title="secret-title", owner=user("secret-sub"), pk=987654321)
    token = mint.id_token("secret-sub", groups=["secret-group"], **claims)
    forged = f"{token[:-8]}AAAAAAAA"
    settings.AVP_CACHE, settings.AVP_CACHE_TTL = "default", 60
    for engine in ("cedar.CedarEngine", "verified_permissions.VerifiedPermissionsEngine"):
        settings.AVP_ENGINE = f"django_avp.engines.{engine}"
        for bearer in (token, forged):
            headers = {"authorization": f"Bearer {bearer}"}
            client.get(f"/photos/{secret_photo.pk}/", headers=headers)
            client.get("/photos/", headers=headers)
        with endpoint.failing(Fault("AccessDeniedException")):
            client.get(f"/photos/{secret_photo.pk}/edit/", headers={"authorization": f"Bearer {token}"})
    settings.AVP_JWKS, settings.AVP_JWKS_URL = None, "http://127.0.0.1:1/secret-url"
    runtime.reset()
    client.get("/photos/", headers={"authorization": f"Bearer {token}"})
    join("django-avp-key-set")

    text = recorded.text()
    assert len(recorded.spans("avp.round")) >= 3
    assert recorded.spans("avp.key_set.fetch")
    verified = recorded.measured("avp.token.verifications")
    assert {attributes.get("error.type") for attributes, _ in verified} == {None, "signature", "key_set"}
    for secret in (*token.split("."), POOL, "secret", "ann@", str(secret_photo.pk), "ViewPhoto", mint.kid):
        assert secret not in text, secret


# --- Where there is no OpenTelemetry ---------------------------------------------------------------------------------


DECIDING = """
import os, sys, types
{before}
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
{after}
from django.conf import settings
settings.AVP_USER_MODE = "token"
from django_avp.authorization import Authorization
from django_avp.identity import Identity
from django_avp.observing import observing
authorization = Authorization(Identity.from_claims({{"sub": "ann", "aud": "client-1"}}))
print(bool(authorization.can("ListPhotos")), bool(authorization.can("Moderate")), type(observing.observer).__name__)
{last}
"""
ABSENT = 'sys.modules["opentelemetry"] = None'
ANOTHER = 'sys.modules["opentelemetry"] = types.ModuleType("opentelemetry")'
SDK = """
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
metrics.set_meter_provider(MeterProvider([reader]))
"""
SHOWN = """
print([span.name for span in exporter.get_finished_spans()])
(metrics,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
print(metrics.scope.name, metrics.scope.version, sorted(metric.name for metric in metrics.metrics))
"""


def decided(**parts):
    """What a process of its own prints that decides two checks."""
    code = DECIDING.format(**{"before": "", "after": "", "last": "", **parts})
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    process = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout.splitlines()


@pytest.mark.parametrize("before", [ABSENT, ANOTHER], ids=["absent", "another package's part"])
def test_without_the_api_all_is_decided_as_usual(before):
    """Nobody watches, and nobody misses it."""
    assert decided(before=before) == ["True False Observer"]


@pytest.mark.parametrize("place", ["before", "after"])
def test_without_an_sdk_all_is_decided_as_usual(place):
    """The API alone does nothing, whoever has imported it."""
    assert decided(**{place: "import opentelemetry.trace"}) == ["True False Telemetry"]


def test_an_api_that_nobody_uses_is_not_imported():
    """It is installed here, and nothing in the process has asked for it: there is nobody to tell."""
    assert decided(last='print("opentelemetry" in sys.modules)') == ["True False Observer", "False"]


def test_somebody_who_comes_later_is_told_from_then_on():
    """The package is looked for whenever something is to be told, once it is found never again."""
    observing_, told = Observing(), []
    observing_.await_package("tests.nobody", lambda: told.append("called"))
    assert type(observing_.observer) is Observer
    assert told == []

    sys.modules["tests.nobody"] = sys.modules["tests"]
    try:
        assert type(observing_.observer) is Observer
        # A thread that was second.
        observing_._begin("tests.nobody")
        _ = observing_.observer
    finally:
        del sys.modules["tests.nobody"]

    assert told == ["called"]


def test_what_watches_this_process_records_nothing(ask, authorize, photo):
    """It is OpenTelemetry's, as it is installed here, and no SDK is configured: spans are none."""
    with runtime.use_engine(Within()) as engine:
        ask(authorize("ann"), "ViewPhoto", resource=photo)

    assert type(observing.observer) is Telemetry
    assert not engine.spans[0].is_recording()


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_sdk_is_found_by_itself(place):
    """No setting of ours is needed, whether the site configures it before or after Django's start."""
    answers, spans, measured = decided(**{place: SDK}, last=SHOWN)

    assert answers == "True False Telemetry"
    assert spans == "['avp.round', 'avp.round']"
    assert measured == "django_avp 0.1.0 ['avp.calls', 'avp.checks', 'avp.round.duration']"


def test_who_watches_nothing_is_told_and_does_nothing(ask, authorize, photo, settings, mint, client, endpoint):
    """The observer that is there without OpenTelemetry: rounds, caches, threads, lists and keys work as ever."""
    cache.clear()
    with observing.use(Observer()):
        for engine in ("verified_permissions.VerifiedPermissionsEngine", "synced.SyncedEngine", "cedar.CedarEngine"):
            settings.AVP_ENGINE = f"django_avp.engines.{engine}"
            if engine.startswith("synced"):
                runtime.engine.store(STORE).read()
            ask(authorization := authorize("ann"), "ListPhotos")
            assert authorization.can("ListPhotos")
            getattr(runtime.engine, "close", bool)()
        assert authorize("ann").permitted("ViewPhoto", Photo.objects.all()).get() == photo
        with runtime.use_engine(Unknowing()):
            assert not authorize("ann").can("ListPhotos")
        with runtime.use_engine(Failing(AuthorizationUnavailable())):
            assert not authorize("ann").can("ListPhotos")
        assert client.get("/photos/", headers={"authorization": f"Bearer {mint.id_token('ann')}"}).status_code == 200
        settings.AVP_JWKS = None
        assert KeySets(fetch=lambda url: json.dumps(mint.jwks).encode()).get(ISSUER, POOL, mint.kid)
    join("django-avp-key-set", "django-avp-sync")
