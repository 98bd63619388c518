"""Decisions across requests: what is remembered, for how long, and what a cache may not do."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

import pytest
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_avp.cedar import UNAVAILABLE, Check, Entity, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.engines.base import Decisions
from django_avp.engines.caching import CachingEngine
from django_avp.engines.cedar import evaluate
from django_avp.engines.keys import canonical
from django_avp.engines.shared_cache import SharedCache
from django_avp.engines.verified_permissions import VerifiedPermissionsEngine
from django_avp.exceptions import AuthorizationUnavailable
from django_avp.identity import Identity
from django_avp.policies import load
from django_avp.runtime import runtime
from django_avp.testing.endpoint import Endpoint, Fault, PolicyStore
from tests.caches import CountingCache, HungCache
from tests.engines.support import batch, check, parsed, photo, write

POLICIES = """
@id("public") permit (principal, action == PhotoFlash::Action::"View", resource) when { resource.public };
@id("leveled") permit (principal, action, resource) when { principal has level && principal.level > 3 };
@id("editors") permit (principal in PhotoFlash::Group::"eu-west-1_AbCdEf123|editors", action, resource);
@id("closed") forbid (principal, action, resource) when { resource has title && resource.title == "closed" };
"""
STORE = "PSEXAMPLEabcdefg111111"
TYPES = {"principal_type": "PhotoFlash::User", "group_type": "PhotoFlash::Group"}
OPTIONS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


class Counted:
    """An engine that counts, in process, and fails when it is told to; it does not know its policies."""

    def __init__(self, policies):
        self.known = policies
        self.asked = []
        self.fails = False

    def decide(self, asked):
        if self.fails:
            raise AuthorizationUnavailable
        self.asked.append(len(asked.checks))
        return Decisions(evaluate(asked, self.known))

    async def adecide(self, asked):
        return self.decide(asked)


@pytest.fixture(params=["locmem", "redis"])
def shared(request, settings, patient_caches):
    """A cache, by whichever backend, that is waited for however busy the machine is."""
    backends = {
        "locmem": lambda: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "decisions"},
        "redis": lambda: {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": request.getfixturevalue("redis_url")[0],
        },
    }
    return use(settings, backends[request.param]())


def use(settings, backend):
    settings.CACHES = {**settings.CACHES, "decisions": backend}
    settings.AVP_NAMESPACE = "PhotoFlash"
    settings.AVP_CACHE = "decisions"
    settings.AVP_CACHE_TTL = 60
    caches["decisions"].clear()
    CountingCache.asked.clear()
    return SharedCache("decisions")


@pytest.fixture
def policies(tmp_path):
    return parsed(tmp_path / "policies", POLICIES)


def who(groups=(), **claims):
    return Identity.from_claims({"sub": "ann", "cognito:groups": list(groups), **claims})


def asking(*worlds, identity=None):
    """Whether the photos may be seen; each world is what is so about a photo."""
    return batch(
        *((check("View", photo(pk)), [Entity(photo(pk), world)]) for pk, world in enumerate(worlds)),
        who=identity or who(),
    )


def locmem(settings, name="LocMemCache", module="django.core.cache.backends.locmem"):
    return use(settings, {"BACKEND": f"{module}.{name}", "LOCATION": f"decisions-{name}"})


# What is remembered


def test_a_second_round_asks_nobody(shared, policies):
    """Every verdict is remembered as it was, with the policies that decided; only what is new is asked."""
    inner = Counted(policies)
    engine = CachingEngine(inner, shared)
    question = asking({"public": True}, {"public": False}, {"public": True, "title": "closed"})
    first = engine.decide(question)
    assert [one.verdict for one in first] == [Verdict.PERMITTED, Verdict.NOT_PERMITTED, Verdict.FORBIDDEN]
    again = engine.decide(question)
    assert (list(again), again.calls, inner.asked) == (list(first), 0, [3])
    more = asking({"public": True}, {"public": False}, {"public": True, "title": "closed"}, {"public": True})
    assert [one.verdict for one in engine.decide(more)][3] is Verdict.PERMITTED
    assert inner.asked == [3, 1]


def test_async_rounds_are_the_same(shared, policies):
    """Awaited, and of the same cache."""
    inner = Counted(policies)
    engine = CachingEngine(inner, shared)
    question = asking({"public": True}, {"public": False})
    first = asyncio.run(engine.adecide(question))
    assert list(asyncio.run(engine.adecide(question))) == list(engine.decide(question)) == list(first)
    inner.fails = True
    more = asyncio.run(engine.adecide(asking({"public": True}, {"public": False}, {"public": True})))
    assert list(more) == [*first, UNAVAILABLE]
    with pytest.raises(AuthorizationUnavailable):
        asyncio.run(engine.adecide(asking({"public": True}, identity=who(level=1))))


def test_one_question_and_one_answer_a_round(settings, policies):
    """However many checks it has."""
    engine = CachingEngine(Counted(policies), locmem(settings, "CountingCache", "tests.caches"))
    engine.decide(asking(*[{"public": bool(pk % 2)} for pk in range(50)]))
    assert CountingCache.asked == ["get_many", "set_many"]
    engine.decide(asking(*[{"public": bool(pk % 2)} for pk in range(50)]))
    assert CountingCache.asked == ["get_many", "set_many", "get_many"]


def test_f1_whatever_decides_is_part_of_the_key(settings, policies, tmp_path):
    """Data, groups, claims, context, store, token kinds, error rule and policies: another one asks anew."""
    inner = Counted(policies)
    engine = CachingEngine(inner, locmem(settings))
    question = asking({"public": True, "title": "a"})
    engine.decide(question)
    others = [
        asking({"public": False, "title": "a"}),
        asking({"public": True, "title": "b"}),
        asking({"public": True, "title": "a"}, identity=who(groups=["editors"])),
        asking({"public": True, "title": "a"}, identity=who(level=5)),
        asking({"public": True, "title": "a"}, identity=replace(who(), client_id="other")),
        asking({"public": True, "title": "a"}, identity=replace(who(), _id_token="x")),
        asking({"public": True, "title": "a"}, identity=Identity.from_claims({"sub": "bob"})),
        replace(question, store="other"),
        batch((check("View", photo(0), mfa=True), question.worlds[0]), who=who()),
        batch((check("Edit", photo(0)), question.worlds[0]), who=who()),
        replace(question, worlds=((*question.worlds[0], Entity(EntityUid("PhotoFlash::Album", "x"), {"open": True})),)),
        replace(question, policies=load([write(tmp_path / "other", POLICIES + FORBID_ALL)])),
    ]
    for other in others:
        asked = len(inner.asked)
        engine.decide(other)
        assert len(inner.asked) == asked + 1, other
    settings.AVP_ON_POLICY_ERROR = "any"
    engine.decide(question)
    assert len(inner.asked) == len(others) + 2


FORBID_ALL = '@id("none") forbid (principal, action, resource);'


class Another(Counted):
    """Another engine, which may decide by other policies."""


@pytest.mark.parametrize("is_known", [True, False], ids=["policies of ours", "a service's"])
def test_f1_each_part_counts_where_nothing_else_differs(settings, policies, tmp_path, is_known):
    """Who, of which pool and client, by which tokens; where, by which engine, policies and rule about errors."""
    shared, ann = locmem(settings), who()
    nobody = Identity(EntityUid("PhotoFlash::Visitor", "anonymous"))
    question = replace(asking({"public": True}, identity=ann), policies=policies if is_known else None)

    def key(inner=Counted, **changes):
        (found,) = CachingEngine(inner(policies), shared)._keys(replace(question, **changes)).values()
        return found

    def of(one=ann, **changes):
        return key(identity=replace(one, **changes))

    keys = [
        key(),
        of(principal=EntityUid("PhotoFlash::User", "another")),
        of(nobody),
        of(nobody, principal=EntityUid("PhotoFlash::Visitor", "another")),
        of(groups=(EntityUid("PhotoFlash::Group", "editors"),)),
        of(source=None),
        of(source=replace(ann.source, pool="eu-west-1_another")),
        of(client_id="another"),
        of(_id_token="x"),
        of(_access_token="x"),
        of(_id_token="x", _access_token="x"),
        key(store="another"),
        key(Another),
    ]
    if is_known:
        keys.append(key(policies=load([write(tmp_path / "another", POLICIES + FORBID_ALL)])))
    changed = [
        ("AVP_CLIENT_OPTIONS", {"region_name": "eu-central-1"}),
        ("AVP_CLIENT_OPTIONS", {"endpoint_url": "http://127.0.0.1:1/"}),
        ("AVP_ON_POLICY_ERROR", "any"),
    ]
    for name, value in changed:
        setattr(settings, name, value)
        keys.append(key())
    assert len(set(keys)) == len(keys)


def test_f1_what_does_not_decide_is_no_part_of_the_key(settings, policies):
    """The order of sets and entities, and the claims that each token has anew."""
    inner = Counted(policies)
    engine = CachingEngine(inner, locmem(settings))
    album = EntityUid("PhotoFlash::Album", "x")
    world = (Entity(photo(0), {"public": True}, (album,)), Entity(album, {"open": True}))
    one = batch(
        (check("View", photo(0)), world), who=who(["a", "b"], iat=1, jti="1", auth_time=1, exp=int(time.time()) + 50)
    )
    two = batch(
        (check("View", photo(0)), world[::-1]),
        who=who(["b", "a"], iat=2, jti="2", auth_time=2, exp=int(time.time()) + 60),
    )
    # The policies are known, so a claim that the schema does not declare decides nothing.
    first = engine.decide(replace(one, policies=policies))
    assert list(engine.decide(replace(two, policies=policies))) == list(first)
    assert len(inner.asked) == 1


def test_f1_of_an_access_token_counts_what_a_policy_may_read_about_the_action(settings, policies):
    """In any order; without the schema of a store's own policies all of it counts, but for what each token has anew."""
    inner = Counted(policies)
    engine = CachingEngine(inner, locmem(settings))

    def key(name="View", known=policies, **claims):
        token = Identity.from_claims({"sub": "ann", "token_use": "access", **claims})
        (found,) = engine._keys(replace(batch((check(name), ()), who=token), policies=known)).values()
        return found

    assert key(scope="read write") == key(scope="write read", jti="another", undeclared=1) != key(scope="read")
    assert key("Edit", scope="read") == key("Edit", scope="write")
    assert key(known=None, scope="read write") == key(known=None, scope="write read", jti="another")
    assert key(known=None, undeclared=1) != key(known=None, undeclared=2)


def test_f1_no_part_of_a_question_is_taken_for_another(settings, policies):
    """What is moved from the action to the resource, or from one world to the next, makes another key."""
    engine = CachingEngine(Counted(policies), locmem(settings))
    album, other = EntityUid("PhotoFlash::Album", "x"), EntityUid("PhotoFlash::Album", "y")
    photos = [photo("1"), photo('1","'), EntityUid('PhotoFlash::Photo","1', ""), EntityUid("PhotoFlash", "Photo::1")]
    worlds = [
        [],
        [Entity(album)],
        [Entity(album), Entity(other)],
        [Entity(album, {}, (other,))],
        [Entity(album, {"x": []})],
        [Entity(album, {"x": ["y"]})],
        [Entity(album, {"x": "y"})],
    ]
    questions = [(check("View", resource), world) for resource in photos for world in worlds]
    keys = [key for question in questions for key in engine._keys(batch(question, who=who())).values()]
    assert len(set(keys)) == len(questions)


@given(st.recursive(st.booleans() | st.integers(0, 9) | st.text(max_size=2), lambda inner: st.lists(inner, max_size=3)))
@hypothesis_settings(max_examples=50, deadline=None)
def test_f1_sets_have_no_order(value):
    """At every depth."""
    turned = value[::-1] if isinstance(value, list) else value
    assert canonical({"a": value}) == canonical({"a": turned})


@pytest.mark.parametrize("is_known", [True, False], ids=["policies of ours", "a service's"])
@pytest.mark.parametrize("claim", ["exp", "iat", "jti", "auth_time"])
def test_f1_what_each_token_has_anew_counts_where_a_policy_can_read_it(settings, tmp_path, claim, is_known):
    """As the engine's schema says: a policy may want the user to have signed in lately."""
    shared = locmem(settings)
    settings.AVP_NAMESPACE = ""
    types = f"entity User = {{ {claim}?: Long }}; entity Photo;"
    schema = f"{types} action View appliesTo {{ principal: User, resource: Photo }};"
    other = schema.replace(f"{claim}?: Long", "")
    token = other.replace("resource: Photo", f"resource: Photo, context: {{ token?: {{ {claim}?: Long }} }}")
    for number, (text, use, counts) in enumerate([(schema, "id", True), (other, "id", False), (token, "access", True)]):
        known = load([write(tmp_path / f"s{number}", "permit (principal, action, resource);", text)])
        inner = Counted(None)
        inner.schema = lambda store, known=known: known.schema
        engine = CachingEngine(inner, shared)
        question = replace(
            batch((Check(EntityUid("Action", "View"), EntityUid("Photo", "1")), ())),
            policies=known if is_known else None,
        )
        pair = [
            engine._keys(replace(question, identity=replace(who(token_use=use, **{claim: value}), expires_at=None)))
            for value in (1000, 2000)
        ]
        assert (pair[0] != pair[1]) is counts, text


@pytest.mark.parametrize(("claim", "counts"), [("exp", True), ("iat", False), ("jti", False), ("auth_time", False)])
def test_f1_of_what_each_token_has_anew_the_expiry_counts_where_nobody_knows_a_schema(
    settings, tmp_path, claim, counts
):
    """A service would be called with each refresh, else; policies of ours are not called, and may read anything."""
    ours = load([write(tmp_path / "policies", "permit (principal, action, resource);", None)])
    engine = CachingEngine(Counted(None), locmem(settings))

    def keys(policies):
        asked = [batch((check(), ()), who=replace(who(**{claim: value}), expires_at=None)) for value in (1000, 2000)]
        return [engine._keys(replace(one, policies=policies)) for one in asked]

    assert (keys(None)[0] != keys(None)[1]) is counts
    assert keys(ours)[0] != keys(ours)[1]


# For how long


def test_nothing_is_remembered_past_the_token(settings, policies):
    """Its expiry ends the memory, whatever the setting says."""
    inner = Counted(policies)
    engine = CachingEngine(inner, locmem(settings))
    expires_at = time.time() + 0.3
    question = asking({"public": True}, identity=replace(who(), expires_at=expires_at))
    engine.decide(question)
    engine.decide(question)
    assert inner.asked == [1] or time.time() > expires_at
    while time.time() <= expires_at:
        pass
    asked = len(inner.asked)
    engine.decide(question)
    engine.decide(question)
    assert len(inner.asked) == asked + 2


def test_denials_have_a_time_of_their_own(settings, policies):
    """Zero remembers none, so that what was just allowed is seen at once."""
    settings.AVP_CACHE_DENIED_TTL = 0
    inner = Counted(policies)
    shared = locmem(settings)
    settings.AVP_CACHE_DENIED_TTL = 0
    engine = CachingEngine(inner, shared)
    for _ in range(3):
        engine.decide(asking({"public": True}, {"public": False}))
    assert inner.asked == [2, 1, 1]


def test_what_was_not_decided_is_not_remembered(settings, policies, caplog):
    """An error is over when the engine is back; what is known already is known meanwhile."""
    inner = Counted(policies)
    engine = CachingEngine(inner, locmem(settings))
    inner.fails = True
    with pytest.raises(AuthorizationUnavailable):
        engine.decide(asking({"public": True}))
    inner.fails = False
    assert engine.decide(asking({"public": True}))[0]
    inner.fails = True
    both = engine.decide(asking({"public": True}, {"public": True}))
    assert (both[0].verdict, both[1]) == (Verdict.PERMITTED, UNAVAILABLE)
    assert "avp.engine_unavailable" in [record.msg for record in caplog.records]
    inner.fails = False
    wrong = batch((check("Fly", photo(0)), []), who=who())
    assert not any(engine.decide(wrong)[0] for _ in range(2))
    assert inner.asked == [1, 1, 1]


def test_an_engine_that_answers_something_else_is_not_remembered(settings, policies, caplog):
    """Too few answers decide nothing."""
    inner = Counted(policies)
    inner.decide = lambda asked: [evaluate(asked, policies)[0]]
    engine = CachingEngine(inner, locmem(settings))
    for _ in range(2):
        assert not any(engine.decide(asking({"public": True}, {"public": True})))
    assert [record.msg for record in caplog.records] == ["avp.odd_answer"] * 2


def test_claims_without_a_form_are_the_engines_own_affair(settings, policies):
    """They have no key, so they are neither looked up nor remembered."""
    inner = Counted(policies)
    engine = CachingEngine(inner, locmem(settings))
    odd = asking({"public": True})
    odd = replace(odd, identity=replace(odd.identity, _id_claims={"sub": "ann", "deep": deep(3000)}))
    for _ in range(2):
        assert not any(engine.decide(odd))
    assert inner.asked == [1, 1]


def deep(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


# What a cache may not do


def test_f2_a_value_that_was_forged_cut_or_moved_is_a_miss(shared, policies, caplog):
    """It is logged, decides nothing, and the engine is asked."""
    inner = Counted(policies)
    engine = CachingEngine(inner, shared)
    denied, allowed = asking({"public": False}), asking({"public": True})
    (denied_key,), (allowed_key,) = engine._keys(denied).values(), engine._keys(allowed).values()
    engine.decide(allowed)
    store = caches["decisions"]
    kept = store.get(f"django_avp:2:{allowed_key}")
    # A decision that allows, put where one that denies belongs.
    for forged in (kept, kept[:-3], "x", "", 7, b"x", ["permitted", [], []], kept.replace(":", ";")):
        caplog.clear()
        store.set(f"django_avp:2:{denied_key}", forged)
        asked = len(inner.asked)
        assert engine.decide(denied)[0].verdict is Verdict.NOT_PERMITTED
        assert len(inner.asked) == asked + 1
        assert [record.msg for record in caplog.records] == ["avp.cache_forged"]


def test_f2_keys_and_values_tell_nothing_and_survive_a_new_secret(settings, policies):
    """A key is a digest; values are read with the fallbacks of SECRET_KEY, and no longer without."""
    inner = Counted(policies)
    shared = locmem(settings)
    shared.set_many({"k": ("v", time.time() + 60)})
    assert shared.get_many(["k"], 60) == {"k": "v"}
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [old]
    assert SharedCache("decisions").get_many(["k"], 60) == {"k": "v"}
    settings.SECRET_KEY_FALLBACKS = []
    assert SharedCache("decisions").get_many(["k"], 60) == {}
    engine = CachingEngine(inner, SharedCache("decisions"))
    (key,) = engine._keys(asking({"public": True, "title": "secret"}, identity=who(email="ann@example.com"))).values()
    assert len(key) == 64


def test_a_broken_cache_is_as_none(settings, policies, caplog):
    """And it is logged without what it says."""
    inner = Counted(policies)
    engine = CachingEngine(inner, locmem(settings, "BrokenCache", "tests.caches"))
    for _ in range(3):
        assert engine.decide(asking({"public": True}))[0]
    failures = [record for record in caplog.records if record.msg == "avp.cache_failed"]
    assert (failures[0].error, failures[0].levelname) == ("ConnectionError", "WARNING")
    # After two failures in a row it is left alone for some seconds.
    assert len(failures) == 2


def test_a_cache_that_hangs_is_as_none(settings, policies):
    """After the first one nobody waits for it longer than half a second, and soon nobody at all."""
    engine = CachingEngine(Counted(policies), locmem(settings, "HungCache", "tests.caches"))
    begun = time.monotonic()
    try:
        assert all(engine.decide(asking({"public": True}))[0] for _ in range(50))
    finally:
        HungCache.released.set()
    assert time.monotonic() - begun < 5


def test_the_first_question_of_a_process_has_more_time(settings, monkeypatch):
    """A worker that has just begun finds what the others have left there, though its client is loaded first."""
    monkeypatch.setattr("django_avp.engines.shared_cache._FIRST_PATIENCE", 60)
    locmem(settings).set_many({"k": ("v", time.time() + 60)})
    settings.CACHES["decisions"]["BACKEND"] = "tests.caches.LateCache"
    del caches["decisions"]
    late = SharedCache("decisions")
    assert late.get_many(["k"], 60) == {"k": "v"}
    assert late.get_many(["k"], 60) == {}


def test_redis_that_stops_changes_no_answer(settings, policies, redis_url, caplog):
    """In the middle of a run."""
    url, process = redis_url
    caplog.set_level(logging.WARNING)
    shared = use(settings, {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url})
    inner = Counted(policies)
    engine = CachingEngine(inner, shared)
    question = asking(*[{"public": bool(pk % 2)} for pk in range(10)])
    expected = list(engine.decide(question))
    for step in range(20):
        if step == 10:
            process.kill()
            process.wait(10)
        assert list(engine.decide(question)) == expected
    assert len(inner.asked) == 11
    assert "avp.cache_failed" in [record.msg for record in caplog.records]


# A site with it


@pytest.fixture
def service(mint, site, settings, shared):
    """The test site on the wire, with a cache of decisions."""
    settings.AVP_NAMESPACE = "PhotoFlash"
    store = PolicyStore.holding(load(conf.policies), policy_store_id=STORE, pool=mint.pool)
    with Endpoint([store], jwks=mint.jwks) as endpoint:
        settings.AVP_ENGINE = "django_avp.engines.verified_permissions.VerifiedPermissionsEngine"
        settings.AVP_POLICY_STORE_ID = STORE
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        runtime.reset()
        yield endpoint


@pytest.mark.django_db
def test_a_second_identical_page_makes_no_call(service, make_client, photo, settings):
    """Nor does it with the token of a refresh; another photo, group or claim is asked about."""
    signed_in = {"origin_jti": "one", "event_id": "sign-in"}

    def calls(*groups, **claims):
        service.calls.clear()
        response = make_client("ann", *groups, **signed_in, **claims).get(f"/photos/{photo.pk}/")
        assert response.status_code == 200
        return len(service.calls)

    assert isinstance(runtime.engine, CachingEngine)
    assert (calls(), calls()) == (1, 0)
    assert calls(iat=time.time() - 5, jti="another") == 0
    assert calls("moderators") == 1
    assert calls(email="ann@example.com") == 1
    photo.title = "dusk"
    photo.save()
    assert (calls(), calls()) == (1, 0)
    settings.AVP_CACHE_TTL = 0
    assert not isinstance(runtime.engine, CachingEngine)
    assert (calls(), calls()) == (1, 1)


@pytest.mark.django_db
def test_a_policy_that_is_changed_is_seen_after_the_time(service, make_client, photo, settings):
    """Not before, because nobody tells; the time begins with the answer, so after the first request has come."""
    settings.AVP_CACHE_TTL = 1
    client = VerifiedPermissionsEngine()._connection.client()
    address, ann = f"/photos/{photo.pk}/", make_client("ann")
    begun = time.monotonic()
    assert ann.get(address).status_code == 200
    client.create_policy(
        policyStoreId=STORE, definition={"static": {"statement": "forbid (principal, action, resource);"}}
    )
    assert ann.get(address).status_code == 200 or time.monotonic() - begun > 0.9
    while ann.get(address).status_code != 403:
        assert time.monotonic() - begun < 20
    assert time.monotonic() - begun > 0.9


@pytest.mark.django_db
def test_the_service_may_be_gone_while_all_is_known(service, make_client, photo):
    """A page that was asked before is answered."""
    address, ann = f"/photos/{photo.pk}/", make_client("ann")
    expected = ann.get(address).content
    with service.failing(Fault(is_reset=True)):
        assert ann.get(address).content == expected
        assert make_client("bob").get(address).status_code == 503


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the server breaks connections off, as in a failover")
@pytest.mark.django_db(transaction=True)
def test_a_cache_in_the_database_outlives_its_connections(settings):
    """Threads that serve no request have theirs closed all the same, and open others."""
    settings.CACHES = {
        **settings.CACHES,
        "rows": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "avp_cache"},
    }
    call_command("createcachetable", verbosity=0)
    try:
        cache = SharedCache("rows")
        until = time.time() + 300
        cache.set_many({"key": ("value", until)})
        assert cache.get_many(["key"], 600) == {"key": "value"}
        with connection.cursor() as cursor:
            # Whoever else has a connection to this database is a thread of the cache's.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        cache.set_many({"key": ("other", until)})
        cache.set_many({"key": ("other", until)})
        assert cache.get_many(["key"], 600) == {"key": "other"}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE avp_cache")
