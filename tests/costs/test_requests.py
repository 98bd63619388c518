"""What is told of a log is what the site that wrote it has really called: requests, the wire, and the cache."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import caches
from pythonjsonlogger.json import JsonFormatter

from django_avp.conf import conf
from django_avp.costs import Reading, Simulation
from django_avp.costs.simulating import STRATEGIES
from django_avp.policies import load
from django_avp.runtime import runtime
from django_avp.testing.endpoint import Endpoint, PolicyStore
from tests.testapp.models import Album, Photo

STORE = "PSEXAMPLEabcdefg111111"
OPTIONS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
LOCMEM = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "costs"}


@pytest.fixture
def log(tmp_path):
    """Where the site writes its rounds, as the documentation configures it."""
    path = tmp_path / "rounds.log"
    logger, handler = logging.getLogger("django_avp.rounds"), logging.FileHandler(path)
    renamed = {"levelname": "level", "name": "logger", "message": "event"}
    handler.setFormatter(JsonFormatter("%(levelname)s %(name)s %(message)s", rename_fields=renamed, timestamp=True))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield path
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)
    handler.close()


@pytest.fixture
def service(mint, site, settings):
    """The test site on the wire."""
    store = PolicyStore.holding(load(conf.policies), policy_store_id=STORE, pool=mint.pool)
    with Endpoint([store], jwks=mint.jwks) as endpoint:
        settings.AVP_ENGINE = "django_avp.engines.verified_permissions.VerifiedPermissionsEngine"
        settings.AVP_POLICY_STORE_ID = STORE
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        settings.CACHES = {**settings.CACHES, "costs": LOCMEM}
        settings.AVP_CACHE = "costs"
        runtime.reset()
        yield endpoint
        caches["costs"].clear()


@pytest.fixture
def visit(make_client, make_async_client, user):
    """Have three people look at pages of one check, of 31, 90 and others; some twice, and some with other data."""

    def visit():
        album = Album.objects.create(title="summer")
        photos = [Photo.objects.create(title="dawn", owner=user("ann"), album=album) for _ in range(30)]
        first = f"/photos/{photos[0].pk}/"
        ann, bob, mona = make_client("ann"), make_client("bob"), make_client("mona", "moderators")
        for client in (ann, bob, ann, mona):
            for address in ("/moderate/", "/photos/", "/gallery/", first):
                client.get(address)
        # By the token of a refresh.
        make_client("ann", jti="another").get(f"{first}edit/")
        for photo in photos[:13]:
            photo.title = "dusk"
            photo.save()
        ann.get("/gallery/")
        Photo.objects.filter(pk__gt=photos[9].pk).delete()
        ann.get("/photos/")
        # The second one asks in two rounds.
        for address in ("/agallery/", f"{first}async/"):
            async_to_sync(make_async_client("ann").get)(address)
        make_client("ann", email="ann@example.com").get("/photos/")
        Photo.objects.all().delete()

    return visit


def played(log):
    """The log, played through: single and batch calls by strategy and seconds."""
    simulation, reading = Simulation([0, 60]), Reading()
    with log.open("rb") as lines:
        for logged in reading.rounds(lines):
            simulation.take(logged)
    assert (reading.foreign, reading.broken, simulation.pages, simulation.rounds) == (0, 0, 22, 23)
    return simulation, {(one.strategy, one.ttl): (one.singles, one.batches) for one in simulation.outcomes()}


@pytest.mark.django_db
@pytest.mark.parametrize("ttl", [0, 60])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_calls_that_are_told_are_those_that_were_made(service, settings, visit, log, strategy, ttl):
    """Of each kind, by each strategy, with decisions remembered and without."""
    settings.AVP_CALL_STRATEGY, settings.AVP_CACHE_TTL = strategy, ttl
    visit()
    simulation, told = played(log)
    made = Counter(call.operation for call in service.calls)

    assert told[strategy, ttl] == (made["IsAuthorizedWithToken"], made["BatchIsAuthorizedWithToken"])
    assert simulation.calls == made.total()
    # No two of the six cases are alike.
    assert len({*told.values()}) == 6


@pytest.mark.django_db
def test_the_log_of_a_site_that_decides_in_process_tells_what_the_service_would_be_asked(service, settings, visit, log):
    """So it is known before the engine is changed."""
    engine, settings.AVP_ENGINE = settings.AVP_ENGINE, "django_avp.engines.cedar.CedarEngine"
    visit()
    simulation, told = played(log)
    assert (simulation.calls, service.calls) == (23, [])

    settings.AVP_ENGINE = engine
    for ttl in (0, 60):
        settings.AVP_CACHE_TTL = ttl
        service.calls.clear()
        visit()
        made = Counter(call.operation for call in service.calls)
        assert told["auto", ttl] == (made["IsAuthorizedWithToken"], made["BatchIsAuthorizedWithToken"])
