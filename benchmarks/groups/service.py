"""Amazon Verified Permissions in another process: our work beside boto3's, several calls at once, and the cache."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from django.conf import settings
from django.core.cache import caches

from benchmarks.canned import STORE, Canned
from benchmarks.core import Case, Group, Row, Wrong
from benchmarks.fixtures import ACTIONS, GROUPS, Site, captured, decided, expected, fill
from benchmarks.photos.models import Photo
from benchmarks.photos.policies import POLICIES, POOL
from django_avp.engines.base import Batch, Engine
from django_avp.engines.caching import CachingEngine
from django_avp.engines.cedar import CedarEngine
from django_avp.engines.shared_cache import SharedCache
from django_avp.engines.synced import SyncedEngine
from django_avp.engines.verified_permissions import VerifiedPermissionsEngine
from django_avp.engines.verified_permissions.client import Connection
from django_avp.identity import Identity
from django_avp.testing import TokenMint
from django_avp.tokens.verifier import TokenVerifier

__all__ = ["build"]

LATE = 0.010
OURS, RAW = "django-avp: 30 checks", "boto3: the same call"
ONE, THREE = "30 checks, 1 call, 10 ms away", "90 checks, 3 calls, 10 ms away"
PAGE = "a page of {} checks, 10 ms away"
WARM = "a page of {} checks, known to Redis"


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases; the service answers at once what it has answered before."""
    user, photos = fill()
    mint = TokenMint()
    settings.AVP_JWKS, settings.AVP_POLICY_STORE_ID = mint.jwks, STORE
    site = Site(directory)
    cedar = site.add("cedar", POLICIES)
    server = Canned(directory / "cedar", mint.jwks, POOL)
    who = Identity.from_tokens(id_token=TokenVerifier().verify(mint.id_token("ann", groups=GROUPS)))
    near, far = _engine(server, 0.0), _engine(server, LATE)
    some, all_ = captured(near, who, photos[:10]), captured(near, who, photos)
    answers = _answers(cedar, some), _answers(cedar, all_)
    settings.AVP_CLIENT_OPTIONS = server.options()
    warm, notes = _warm(far)
    cases = [
        _round(OURS, near, some, answers[0], "cpu"),
        *_boto3(server, near, some, answers[0]),
        _round(ONE, far, some, answers[0]),
        _round(THREE, far, all_, answers[1]),
        *_pages(site, far, warm, who, [photos[:10], photos], expected(user, photos)),
        *_engines(cedar, near, some, answers[0]),
    ]
    rows = [
        Row("g1", "our work on a round of 30 checks, beside boto3's on its call", OURS, RAW, at_most=1.15),
        Row("h1", "90 checks in 3 calls, beside 30 checks in one, 10 ms away", THREE, ONE, at_most=1.5),
        Row(
            "i1", "a page of 30 checks known to Redis, beside the call", WARM.format(30), PAGE.format(30), at_most=0.25
        ),
        Row("i2", "a page of 90 checks known to Redis, beside 3 calls", WARM.format(90), PAGE.format(90), at_most=0.25),
    ]

    def verify() -> None:
        if warm is not None and warm.decide(all_).calls:
            raise Wrong("A page that is said to be known is asked again.")
        if far._connection.client().meta.endpoint_url != server.urls[LATE]:
            raise Wrong("The service that is said to be late answers at once.")

    title = "Amazon Verified Permissions, and engines in its place"
    return Group(title, cases, rows, notes, verify=verify, close=server.close)


def _engine(server: Canned, latency: float) -> VerifiedPermissionsEngine:
    """An engine whose connection is made, with this latency whatever the settings say."""
    engine = VerifiedPermissionsEngine()
    engine._connection = Connection(server.options(latency))
    engine.get_ready(STORE)
    return engine


def _answers(cedar: CedarEngine, batch: Batch) -> list[bool]:
    """What Cedar says in this process."""
    return [bool(decision) for decision in cedar.decide(batch)]


def _round(name: str, engine: Engine, batch: Batch, answers: list[bool], clock: str = "wall") -> Case:
    run = lambda: [bool(decision) for decision in engine.decide(batch)]  # noqa: E731 - what is timed
    return Case(name, run, expected=answers, queries=0, clock=clock)


def _boto3(server: Canned, engine: Engine, batch: Batch, answers: list[bool]) -> list[Case]:
    """boto3 with its defaults and without its validation, given what our engine sends."""
    engine.decide(batch)
    sent = server.last()
    parameters = json.loads(sent)
    session = boto3.session.Session()
    order = [str(check.resource) for check in batch.checks]
    sequence = sorted(range(len(order)), key=order.__getitem__)

    def case(name: str, config: Config | None) -> Case:
        client = session.client("verifiedpermissions", config=config, **server.options())
        run = lambda: _allowed(client.batch_is_authorized_with_token(**parameters))  # noqa: E731 - what is timed
        run()
        if server.last() != sent:
            raise Wrong("boto3 does not send what our engine sends.")
        return Case(name, run, expected=[answers[position] for position in sequence])

    return [case(RAW, None), case(f"{RAW}, not validated", Config(parameter_validation=False))]


def _allowed(response: Any) -> list[bool]:
    return [result["decision"] == "ALLOW" for result in response["results"]]


def _warm(engine: Engine) -> tuple[CachingEngine | None, list[str]]:
    """An engine behind the cache in Redis, if there is one."""
    settings.AVP_CACHE_TTL = 3_000
    try:
        caches["redis"].get("anything")
    except Exception:
        return None, ["No Redis answers on 127.0.0.1:6379, so the cases with one are left out."]
    return CachingEngine(engine, SharedCache("redis")), []


def _pages(
    site: Site,
    far: Engine,
    warm: CachingEngine | None,
    who: Identity,
    pages: Sequence[Sequence[Photo]],
    answers: list[bool],
) -> list[Case]:
    """Pages from instances in hand to decisions, remote and remembered."""
    site.put("far", far)
    engines = {PAGE: "far"}
    if warm is not None:
        site.put("warm", warm)
        engines[WARM] = "warm"
    cases = []
    for name, engine in engines.items():
        for photos in pages:
            checks = len(photos) * len(ACTIONS)
            run = lambda photos=photos: decided(who, photos)  # noqa: E731 - what is timed
            prepare = site.deciding(engine)
            cases.append(
                Case(name.format(checks), run, expected=answers[:checks], queries=0, prepare=prepare, clock="wall")
            )
            prepare()
            run()
    return cases


def _engines(cedar: CedarEngine, near: Engine, batch: Batch, answers: list[bool]) -> list[Case]:
    """The same round of 30 checks by each engine, and by what a cache of the process remembers."""
    synced = SyncedEngine()
    synced.store(STORE).read()
    local = SharedCache("default")
    return [
        _round("CedarEngine: 30 checks", cedar, batch, answers),
        _round("SyncedEngine: 30 checks", synced, batch, answers),
        _round("VerifiedPermissionsEngine: 30 checks", near, batch, answers),
        _round("CedarEngine: 30 checks, remembered", CachingEngine(cedar, local), batch, answers),
        _round("VerifiedPermissionsEngine: 30 checks, remembered", CachingEngine(near, local), batch, answers),
    ]
