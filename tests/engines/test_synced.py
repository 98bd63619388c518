"""The synced engine over real HTTP: what is read, when, by whom, and what decides."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import cedarpy
import pytest
from botocore.config import Config
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured

from django_avp.authorization import Authorization
from django_avp.cedar import INVALID, Verdict
from django_avp.engines.caching import CachingEngine
from django_avp.engines.shared_cache import SharedCache
from django_avp.engines.synced import SyncedEngine
from django_avp.engines.synced.content import Content
from django_avp.engines.synced.pulling import Puller, _source
from django_avp.engines.synced.sharing import Head, Shared
from django_avp.engines.synced.stores import SyncedStore
from django_avp.engines.verified_permissions.client import Connection
from django_avp.exceptions import AuthorizationUnavailable, PolicyError
from django_avp.identity import Identity
from django_avp.runtime import runtime
from django_avp.schema_json import schema_json
from django_avp.testing.endpoint import Endpoint, Fault
from tests.caches import InterleavingCache, WaitingCache
from tests.engines.support import SCHEMA, batch, check, photo
from tests.testing.aws import conforming_client

pytestmark = pytest.mark.usefixtures("patient_caches")

OPTIONS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
PERMIT = 'permit (principal, action == PhotoFlash::Action::"View", resource);'
FORBID = "forbid (principal, action, resource);"
TEMPLATE = "permit (principal == ?principal, action, resource);"
PATIENCE = 180


@pytest.fixture(scope="module")
def endpoint(mint):
    with Endpoint(jwks=mint.jwks) as endpoint:
        yield endpoint


@pytest.fixture
def client(endpoint):
    """What others write with."""
    return conforming_client(endpoint.url)


@pytest.fixture
def store(client, endpoint, mint, settings):
    """A store of each test's own, with a schema, an identity source and one policy."""
    cache.clear()
    made = client.create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]
    document = schema_json(cedarpy.Schema.from_str(SCHEMA))
    client.put_schema(policyStoreId=made, definition={"cedarJson": document})
    add_source(client, made, mint.pool)
    add(client, made, PERMIT)
    settings.AVP_NAMESPACE = "PhotoFlash"
    settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
    settings.AVP_SYNC_INTERVAL = 0.5
    endpoint.calls.clear()
    return made


@pytest.fixture
def engines():
    """Engines as the workers of a site have them: each with its own thread, all with one cache."""
    made = []

    def make(number=1):
        made.extend(SyncedEngine() for _ in range(number))
        return made[-number:]

    yield make
    for engine in made:
        engine.close()
    # What one of them still does would be in the log and among the calls of the next test.
    until(lambda: not any(thread.name == "django-avp-sync" for thread in threading.enumerate()))


@pytest.fixture
def who(mint, site):
    """A verified user."""
    return lambda name="ann", **claims: verified(mint.id_token(name, **claims))


def verified(token):
    return Identity.from_tokens(id_token=runtime.verifier.verify(token))


def add(client, store, statement, **members):
    return client.create_policy(policyStoreId=store, definition={"static": {"statement": statement}}, **members)[
        "policyId"
    ]


def add_source(client, store, pool, **members):
    source = {
        "userPoolArn": f"arn:aws:cognito-idp:eu-west-1:123456789012:userpool/{pool}",
        "clientIds": ["client-1"],
        "groupConfiguration": {"groupEntityType": "PhotoFlash::Group"},
        **members,
    }
    return client.create_identity_source(
        policyStoreId=store,
        configuration={"cognitoUserPoolConfiguration": source},
        principalEntityType="PhotoFlash::User",
    )["identitySourceId"]


def asking(store, identity, name="View"):
    """One question to a store."""
    made = batch((check(name, photo(1)), []), who=identity)
    return type(made)(made.identity, made.checks, made.worlds, store)


def until(condition):
    """Wait for what another thread does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def decision(engine, question):
    """The decision about one check, or what is raised in its place."""
    try:
        return engine.decide(question)[0]
    except AuthorizationUnavailable as error:
        return error


def failures(caplog, store):
    """What the log says of readings that failed."""
    return [record for record in caplog.records if record.msg == "avp.sync_failed" and record.store == store]


def operations(endpoint):
    return [call.operation for call in endpoint.calls]


# What decides


def test_nothing_is_decided_before_the_store_was_read(endpoint, store, engines, who):
    """And no request reads it: the thread does, while requests are told that there is no decision yet."""
    (engine,) = engines()
    question = asking(store, who())
    with endpoint.failing(Fault(is_hung=True)):
        with pytest.raises(AuthorizationUnavailable, match="not read yet"):
            engine.decide(question)
        with pytest.raises(AuthorizationUnavailable):
            engine.policies(store)
    until(lambda: not isinstance(decision(engine, question), Exception))
    assert engine.decide(question)[0].verdict is Verdict.PERMITTED


def test_no_request_makes_a_call(endpoint, store, engines, who, settings):
    """However many are decided."""
    settings.AVP_SYNC_INTERVAL = 600
    (engine,) = engines()
    question = asking(store, who())
    until(lambda: not isinstance(decision(engine, question), Exception))
    endpoint.calls.clear()
    assert all(engine.decide(question)[0] for _ in range(200))
    assert endpoint.calls == []


def test_policies_links_and_templates_are_followed(client, store, engines, who):
    """A change, an addition, a deletion and another text of a template are seen by all workers."""
    workers = engines(3)
    ann = who()
    question = asking(store, ann, "Edit")

    def everybody(expected):
        until(lambda: all(getattr(decision(one, question), "verdict", None) is expected for one in workers))

    everybody(Verdict.NOT_PERMITTED)
    template = client.create_policy_template(policyStoreId=store, statement=TEMPLATE)["policyTemplateId"]
    uid = {"entityType": ann.principal.type, "entityId": ann.principal.id}
    definition = {"templateLinked": {"policyTemplateId": template, "principal": uid}}
    link = client.create_policy(policyStoreId=store, definition=definition)["policyId"]
    everybody(Verdict.PERMITTED)
    assert workers[0].decide(question)[0].determining_policies == (link,)
    narrowed = TEMPLATE.replace("action,", 'action == PhotoFlash::Action::"View",')
    client.update_policy_template(policyStoreId=store, policyTemplateId=template, statement=narrowed)
    everybody(Verdict.NOT_PERMITTED)
    added = add(client, store, PERMIT.replace('== PhotoFlash::Action::"View"', ""))
    everybody(Verdict.PERMITTED)
    closed = PERMIT.replace('== PhotoFlash::Action::"View"', "").replace(";", " when { false };")
    client.update_policy(policyStoreId=store, policyId=added, definition={"static": {"statement": closed}})
    everybody(Verdict.NOT_PERMITTED)
    forbid = add(client, store, FORBID)
    everybody(Verdict.FORBIDDEN)
    client.delete_policy(policyStoreId=store, policyId=forbid)
    everybody(Verdict.NOT_PERMITTED)


@pytest.mark.parametrize(
    ("source", "claims"),
    [
        (None, {}),
        ({"clientIds": ["another"]}, {}),
        ({"groupConfiguration": {"groupEntityType": "PhotoFlash::Team"}}, {}),
        ({"userPoolArn": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Another00"}, {}),
    ],
)  # fmt: skip
def test_c10_a_store_takes_the_tokens_of_its_own_pool_clients_and_types(
    client, store, engines, who, source, claims, caplog
):
    """As the service does; who has no token is asked about by the entity alone."""
    (engine,) = engines()
    assert engine.store(store).read()
    assert engine.decide(asking(store, who()))[0]
    (old,) = client.list_identity_sources(policyStoreId=store)["identitySources"]
    client.delete_identity_source(policyStoreId=store, identitySourceId=old["identitySourceId"])
    if source is not None:
        add_source(client, store, "eu-west-1_AbCdEf123", **source)
    engine.store(store).read()

    assert engine.decide(asking(store, who()))[0] is INVALID
    assert "avp.identity_not_accepted" in [record.msg for record in caplog.records]
    assert engine.decide(asking(store, Identity.from_claims({"sub": "ann"})))[0]
    # The same for lists, of which it decides nothing.
    assert not engine.accepts(store, who())
    assert engine.accepts(store, Identity.from_claims({"sub": "ann"}))


def test_c10_what_was_remembered_does_not_outlive_the_identity_source(client, store, engines, who, settings):
    """A store that takes the tokens of another client now is asked anew, and refuses."""
    settings.AVP_CACHE_TTL = 600
    (synced,) = engines()
    engine = CachingEngine(synced, SharedCache("default"))
    synced.store(store).read()
    assert engine.decide(asking(store, who()))[0]
    (old,) = client.list_identity_sources(policyStoreId=store)["identitySources"]
    client.delete_identity_source(policyStoreId=store, identitySourceId=old["identitySourceId"])
    add_source(client, store, "eu-west-1_AbCdEf123", clientIds=["another"])
    synced.store(store).read()
    assert engine.decide(asking(store, who()))[0] is INVALID


def test_any_client_is_taken_where_the_source_names_none(client, store, engines, who):
    """Which the service does, too."""
    (engine,) = engines()
    (old,) = client.list_identity_sources(policyStoreId=store)["identitySources"]
    client.delete_identity_source(policyStoreId=store, identitySourceId=old["identitySourceId"])
    add_source(client, store, "eu-west-1_AbCdEf123", clientIds=[])
    engine.store(store).read()
    assert engine.decide(asking(store, who()))[0]


def test_g1_what_cedar_cannot_parse_is_told_by_the_name_that_people_know(client, store, engines, who, caplog):
    """The snapshot before it decides on; the error names the policy as people know it (rules A6, G1)."""
    (engine,) = engines()
    engine.store(store).read()
    add(client, store, 'permit (principal, action, resource) when { unknown("x") };', name="name/odd/one")
    with pytest.raises(PolicyError, match=r"odd/one:1: .*unknown"):
        engine.store(store).read()
    assert engine.decide(asking(store, who()))[0].verdict is Verdict.PERMITTED
    until(lambda: any("odd/one" in getattr(record, "cure", "") for record in failures(caplog, store)))


def test_g1_decisions_name_policies_by_the_services_ids_and_places_as_people_do(client, store):
    """The name, else ``@id``, else the id."""
    named = add(client, store, f'@id("noted") {PERMIT}', name="name/a/named")
    noted, bare = add(client, store, f'@id("noted") {PERMIT}'), add(client, store, PERMIT)
    statements = a_worker(store).read().policies.statements
    assert [str(statements[one].path.relative_to(store)) for one in (named, noted, bare)] == ["a/named", "noted", bare]


def test_a_store_without_schema_or_source_is_read(client, store, engines):
    """And a schema that cannot be used is named."""
    empty = client.create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]
    (engine,) = engines()
    snapshot = engine.store(empty).read()
    assert (snapshot.policies.schema, snapshot.content.source, snapshot.content.policies) == (None, None, {})
    with pytest.raises(PolicyError, match="PSx: the schema cannot be used"):
        type(snapshot).of(Content(schema='{"N": {}}'), "PSx", 0)


# How it is read


def test_g5_one_worker_reads_for_all(endpoint, client, store, engines, settings, who, monkeypatch):
    """A thousand policies and eight workers: the calls of one worker, and 23 of them where nothing has changed."""
    monkeypatch.setattr("django_avp.engines.synced.calling._RATE", 100)
    # What was written is not fetched again, and no worker takes the turn of one that is slow.
    monkeypatch.setattr("django_avp.engines.synced.pulling._SETTLING", timedelta(0))
    settings.AVP_SYNC_INTERVAL = 20
    settings.AVP_CLIENT_OPTIONS = {**settings.AVP_CLIENT_OPTIONS, "config": Config(read_timeout=30)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add(client, store, PERMIT), range(999)))
    endpoint.calls.clear()

    readings = [worker.store(store) for worker in engines(8)]
    until(lambda: all(one._snapshot for one in readings))
    known = {one.snapshot().pulled_at for one in readings}
    until(lambda: all(one.snapshot().pulled_at > min(known) for one in readings))
    calls = operations(endpoint)
    passes = [number for number, operation in enumerate(calls) if operation == "ListPolicyTemplates"]
    # Two passes of the listing that agree, and the texts, a hundred at a time.
    first, calm = calls[: passes[2]], calls[passes[2] :][:23]
    assert (first.count("ListPolicies"), first.count("BatchGetPolicy"), len(first)) == (40, 10, 56)
    assert sum(call.checks for call in endpoint.calls if call.operation == "BatchGetPolicy") == 1000
    assert sorted(set(calm)) == ["GetSchema", "ListIdentitySources", "ListPolicies", "ListPolicyTemplates"]
    assert (len(calm), calm.count("ListPolicies")) == (23, 20)
    # A third reading may have begun.
    assert calls[passes[2] + 23 :][:1] in ([], ["ListPolicyTemplates"])


def test_g5_a_change_is_read_though_the_clock_of_the_service_is_behind(client, store):
    """What has another date than before has changed, whichever date that is."""
    template = client.create_policy_template(policyStoreId=store, statement=TEMPLATE)["policyTemplateId"]
    known = Puller(client, store).pull()
    (policy,) = known.policies
    changed = 'permit (principal, action == PhotoFlash::Action::"View", resource) when { false };'
    narrowed = f"{TEMPLATE.removesuffix(';')} when {{ false }};"
    client.update_policy(policyStoreId=store, policyId=policy, definition={"static": {"statement": changed}})
    client.update_policy_template(policyStoreId=store, policyTemplateId=template, statement=narrowed)
    texts = Puller(client, store).pull(known, known_at=time.time() + 3600).texts
    assert texts == {policy: changed, template: narrowed}


def test_reading_keeps_within_the_quota(mint, settings):
    """So that nobody is throttled by it: ten calls a second are the default."""
    with Endpoint(jwks=mint.jwks, has_quotas=True) as endpoint:
        client = conforming_client(endpoint.url)
        policy_store_id = client.create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]
        pauses = []
        puller = Puller(client, policy_store_id, lambda seconds: (pauses.append(seconds), time.sleep(seconds)))
        for _ in range(12):
            puller.pull(Content())
        assert pauses
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        store = a_worker(policy_store_id)

        def change(call):
            if call.operation == "ListIdentitySources":
                add(client, policy_store_id, PERMIT)

        # Eight passes: as many calls of each operation as may be made in a second.
        with endpoint.followed_by(change), pytest.raises(AuthorizationUnavailable, match="changed 8 times"):
            store.read()
        assert not store._pause(0.001)


def test_g5_a_forbid_that_is_replaced_while_pages_are_read_is_never_lost(endpoint, client, store, engines, who):
    """The old one is gone before its page is read, and the new one is on a page that was read already."""
    for _ in range(60):
        add(client, store, PERMIT)
    (engine,) = engines()
    # Identifiers are random: one that is listed on the last page.
    last = max(policy["policyId"] for policy in client.list_policies(policyStoreId=store, maxResults=50)["policies"])
    while (keep := add(client, store, FORBID)) <= last:
        client.delete_policy(policyStoreId=store, policyId=keep)
    engine.store(store).read()
    assert engine.decide(asking(store, who()))[0].verdict is Verdict.FORBIDDEN
    replaced = []

    def replace(call):
        if call.operation == "ListPolicies" and not replaced:
            replaced.append(None)
            while (candidate := add(client, store, FORBID)) >= last:
                client.delete_policy(policyStoreId=store, policyId=candidate)
            client.delete_policy(policyStoreId=store, policyId=keep)
            replaced.append(candidate)

    with endpoint.followed_by(replace):
        engine.store(store).read()
    decided = engine.decide(asking(store, who()))[0]
    assert (decided.verdict, decided.determining_policies) == (Verdict.FORBIDDEN, (replaced[1],))


def test_g5_a_text_that_changes_after_it_was_listed_is_read_again(endpoint, client, store, engines, who):
    """Its date tells."""
    changed = []

    def change(call):
        if call.operation == "ListPolicies" and operations(endpoint).count("ListPolicies") == 2 and not changed:
            changed.append(None)
            (policy,) = client.list_policies(policyStoreId=store)["policies"]
            closed = {"static": {"statement": PERMIT.replace(";", " when { false };")}}
            client.update_policy(policyStoreId=store, policyId=policy["policyId"], definition=closed)

    endpoint.calls.clear()
    with endpoint.followed_by(change):
        content = Puller(client, store).pull()
    assert changed
    assert "false" in next(iter(content.texts.values()))


def test_g5_what_changed_within_the_last_seconds_is_fetched_again(endpoint, client, store):
    """Its text may not have reached every part of the service yet."""
    known = Puller(client, store).pull()
    endpoint.calls.clear()
    assert Puller(client, store).pull(known, time.time()) == known
    assert operations(endpoint).count("BatchGetPolicy") == 1
    endpoint.calls.clear()
    assert Puller(client, store).pull(known, time.time() + 11) == known
    assert operations(endpoint).count("BatchGetPolicy") == 0


def test_g5_a_store_that_never_settles_is_not_taken(endpoint, client, store):
    """It changes at each pass; so nothing is known of it."""

    def change(call):
        if call.operation == "GetSchema":
            add(client, store, PERMIT)

    with endpoint.followed_by(change), pytest.raises(AuthorizationUnavailable, match="changed 8 times"):
        Puller(client, store, lambda seconds: None).pull()


def test_throttled_calls_back_off(endpoint, client, store):
    """Ever longer, and then they give up."""
    pauses = []
    with endpoint.failing(Fault("ThrottlingException")), pytest.raises(client.exceptions.ThrottlingException):
        Puller(client, store, pauses.append).pull()
    waits = [pause for pause in pauses if pause > 0.4]
    assert len(waits) == 4
    assert all(longest / 2 <= pause <= longest for pause, longest in zip(waits, (1, 2, 4, 8), strict=True))


# When it is not there


def test_a_short_outage_is_not_noticed_and_a_long_one_is(endpoint, store, engines, who, settings, caplog):
    """Younger than the maximum age, the snapshot decides; older, nothing does; afterwards it is as before."""
    (engine,) = engines()
    question = asking(store, who())
    until(lambda: decision(engine, question))
    until(lambda: not isinstance(decision(engine, question), Exception))
    with endpoint.failing(Fault("InternalServerException", status=500)):
        until(lambda: failures(caplog, store))
        assert engine.decide(question)[0].verdict is Verdict.PERMITTED
        settings.AVP_SYNC_MAX_AGE = 0.01
        until(lambda: isinstance(decision(engine, question), AuthorizationUnavailable))
        with pytest.raises(AuthorizationUnavailable, match="AVP_SYNC_MAX_AGE"):
            engine.decide(question)
    settings.AVP_SYNC_MAX_AGE = 300
    assert engine.decide(question)[0].verdict is Verdict.PERMITTED


def test_faults_say_what_is_to_be_done(endpoint, store, engines, caplog):
    """The permissions that reading needs, above all; no text of the service is repeated."""
    (engine,) = engines()
    with endpoint.failing(Fault("AccessDeniedException")):
        engine.store(store)
        until(lambda: failures(caplog, store))
    (record, *_) = failures(caplog, store)
    assert (record.code, record.store) == ("AccessDeniedException", store)
    assert "verifiedpermissions:ListPolicies" in record.cure
    assert "As you asked" not in str(vars(record))


def test_an_answer_that_is_none_does_not_end_the_thread(endpoint, store, engines, who, caplog):
    """It is logged by its type, and the next good one is taken."""
    (engine,) = engines()
    with endpoint.failing(Fault(body=b'{"policyTemplates": [{}]}')):
        engine.store(store)
        until(lambda: failures(caplog, store))
    until(lambda: not isinstance(decision(engine, asking(store, who())), Exception))


# Workers


def test_a_new_worker_starts_from_what_the_others_have(endpoint, store, engines, who):
    """Without a call, and at its first request."""
    first, second = engines(2)
    first.store(store).read()
    with endpoint.failing(Fault(is_hung=True)):
        assert second.decide(asking(store, who()))[0].verdict is Verdict.PERMITTED


def a_worker(store):
    """A store as a worker has it, without the thread."""
    return SyncedStore(store, Connection(), SharedCache("default"))


def test_f2_a_snapshot_that_was_forged_is_not_taken(store, caplog):
    """It is signed, as decisions are."""
    a_worker(store).read()
    for name in list(cache._cache):
        cache.set(name.split(":", 2)[2], "forged")
    other = a_worker(store)
    other.look()
    with pytest.raises(AuthorizationUnavailable):
        other.snapshot()
    assert "avp.cache_forged" in [record.msg for record in caplog.records]


def test_a_reading_that_another_worker_has_just_made_is_taken(endpoint, store, settings):
    """Between the look at what there is and the turn to read."""
    settings.CACHES = {"default": {"BACKEND": "tests.caches.InterleavingCache", "LOCATION": "interleaving"}}
    settings.AVP_SYNC_INTERVAL = 60
    one, other = a_worker(store), a_worker(store)
    InterleavingCache.before_add.append(one.read)
    endpoint.calls.clear()
    other.refresh()
    assert operations(endpoint).count("ListPolicies") == 2
    assert other.snapshot().digest == one.snapshot().digest


def test_g5_a_change_that_another_worker_has_read_is_taken(client, store):
    """Not the date of that reading alone."""
    one, other = a_worker(store), a_worker(store)
    one.read()
    other.look()
    add(client, store, "forbid (principal, action, resource);")
    one.read()
    other.look()
    assert other.snapshot().content == one.snapshot().content
    assert len(other.snapshot().content.policies) == 2


def test_g5_what_another_worker_has_read_is_as_old_as_that_reading(store, settings):
    """However lately it was taken."""
    one, other = a_worker(store), a_worker(store)
    snapshot = one.read()
    one._shared.publish(snapshot.content, Head(snapshot.digest, time.time() - 100, 0.1))
    other.look()
    assert other.age >= 100
    settings.AVP_SYNC_MAX_AGE = 90
    with pytest.raises(AuthorizationUnavailable, match="AVP_SYNC_MAX_AGE"):
        other.snapshot()


@pytest.mark.parametrize(
    ("age", "took", "is_due"),
    [(27.5, 0, False), (28, 0, True), (22.5, 5, False), (23, 5, True), (14.5, 20, False), (15, 20, True)],
)
def test_g5_a_store_is_read_so_early_that_a_change_is_seen_within_the_interval(
    endpoint, store, settings, age, took, is_due
):
    """Two looks and the reading itself before it is over; a slow one begins after half of it."""
    settings.AVP_SYNC_INTERVAL = 30
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    worker = a_worker(store)
    worker._take(worker.read(), took, age)
    endpoint.calls.clear()
    assert worker.refresh() == 1
    assert bool(operations(endpoint)) == is_due


def test_what_is_cut_in_the_cache_is_not_taken(endpoint, store, engines, caplog):
    """A head without its content, a head that is not its content's, and one of another version."""
    one, other = a_worker(store), a_worker(store)
    snapshot = one.read()
    shared, until_then = one._shared, time.time() + 20
    shared._cache.set_many({shared._key: ({"digest": "x", "pulled_at": time.time(), "seconds": 0}, until_then)})
    other.look()
    shared._cache.set_many({f"{shared._key}:x": (snapshot.content.as_json(), until_then)})
    other.look()
    assert other._snapshot is None
    shared._cache.set_many({shared._key: ({"of": "another version"}, until_then)})
    (engine,) = engines()
    with endpoint.failing(Fault(is_hung=True)):
        assert engine.store(store)._snapshot is None
    assert failures(caplog, store)


def test_a_store_that_is_stopped_waits_no_longer(endpoint, store, engines):
    """Not even for a quota."""
    (engine,) = engines()
    stopped = engine.store(store)
    stopped.stop()
    with endpoint.failing(Fault("ThrottlingException")), pytest.raises(AuthorizationUnavailable, match="stops"):
        stopped.read()


def test_async_rounds_are_the_same(store, engines, who):
    """They never wait, so they are decided where they are."""
    (engine,) = engines()
    engine.store(store).read()
    question = asking(store, who())
    assert list(asyncio.run(engine.adecide(question))) == list(engine.decide(question))


def test_an_event_loop_is_free_while_a_store_begins(store, engines, who, settings):
    """The first question of a process asks the cache what others have read, and may have to wait for it."""
    settings.CACHES = {"default": {"BACKEND": "tests.caches.WaitingCache"}}
    settings.AVP_USER_MODE = "token"
    authorization = Authorization(who(), store=store, context={"mfa": True})

    async def ask():
        task = asyncio.create_task(authorization.acan("View", photo(1))._decide())
        assert await asyncio.to_thread(WaitingCache.is_asked.wait, PATIENCE)
        WaitingCache.may_answer.set()
        await task

    with runtime.use_engine(*engines()):
        asyncio.run(ask())

    assert WaitingCache.was_answered == [True]


def test_an_identity_source_that_is_no_user_pool_is_none():
    """So no token of its is taken."""
    assert _source({"configuration": {"openIdConnectConfiguration": {}}, "principalEntityType": "User"}) is None


def test_threads_end_with_their_engine(store, engines):
    """Nobody has to close it: an engine that is dropped, in a child of a fork or by a reset, is gone."""
    before = set(threading.enumerate())
    engine = SyncedEngine()
    engine.store(store).read()
    own = {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("django-avp")}
    assert {thread.name for thread in own} == {"django-avp-sync", "django-avp-cache"}
    assert all(thread.daemon for thread in own)
    del engine
    gc.collect()
    until(lambda: not any(thread.is_alive() for thread in own))


def test_a_child_of_a_fork_has_a_thread_of_its_own(store, who, settings):
    """The parent's does not live there, and its engine is not used there."""
    settings.AVP_ENGINE = "django_avp.engines.synced.SyncedEngine"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    runtime.engine.store(store).read()
    question = asking(store, who())
    assert runtime.engine.decide(question)[0]
    child = os.fork()
    if not child:
        try:
            until(lambda: not isinstance(decision(runtime.engine, question), Exception))
            os._exit(0 if runtime.engine.decide(question)[0] else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    runtime.reset()


def test_the_stores_of_a_process_are_bounded(store, client, engines, monkeypatch, who):
    """The one that was not used for longest goes, and comes back when it is asked for."""
    monkeypatch.setattr("django_avp.engines.synced.engine._MOST_STORES", 1)
    other = client.create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]
    (engine,) = engines()
    first = engine.store(store)
    first.read()
    engine.store(other)
    assert first._stop.is_set()
    assert engine.decide(asking(store, who()))[0].verdict is Verdict.PERMITTED


def test_a_store_has_to_be_named(engines):
    """With the cure."""
    (engine,) = engines()
    with pytest.raises(ImproperlyConfigured, match="AVP_POLICY_STORE_ID is missing"):
        engine.decide(asking(None, Identity.from_claims({"sub": "ann"})))


def test_content_is_written_and_read_back(client, store):
    """As JSON, digest included."""
    add(client, store, FORBID, name="name/x")
    content = Puller(client, store).pull()
    again = Content.from_json(json.loads(json.dumps(content.as_json())))
    assert (again, again.digest) == (content, content.digest)


def test_what_was_read_in_another_region_decides_nothing(settings):
    """A store's alias may be the same in two Regions, and so may the cache."""
    cache.clear()
    content, head = Content({}, {}, {}, None, None), Head("digest", time.time(), 0.1)

    def of_region(name):
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "region_name": name}
        return Shared("policy-store-alias/photos", SharedCache("default"))

    of_region("eu-west-1").publish(content, head)
    assert of_region("eu-west-1").head() == head
    assert of_region("us-east-1").head() is None
