"""``VerifiedPermissionsEngine`` through real boto3, over HTTP, to the local endpoint."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import boto3
import pytest
from asgiref.sync import async_to_sync
from botocore.config import Config
from botocore.validate import ParamValidator
from django.core.exceptions import ImproperlyConfigured
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import django_avp
from django_avp.cedar import INVALID, UNAVAILABLE, Cause, Check, Entity, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.engines.base import Batch
from django_avp.engines.breaker import Breaker
from django_avp.engines.cedar import evaluate
from django_avp.engines.synced import SyncedEngine
from django_avp.engines.verified_permissions import VerifiedPermissionsEngine
from django_avp.identity import Identity
from django_avp.policies import load
from django_avp.runtime import runtime
from django_avp.testing.endpoint import Endpoint, PolicyStore
from django_avp.testing.endpoint.server import Fault
from django_avp.tokens.verifier import TokenVerifier
from django_avp.values import to_json
from tests.engines.support import action, check, parsed, photo, write

POLICIES = """
@id("public") permit (principal, action == PhotoFlash::Action::"View", resource) when { resource.public };
@id("open-album") permit (principal, action, resource)
when { resource has album && resource.album.open };
@id("titled") permit (principal, action == PhotoFlash::Action::"Edit", resource)
when { resource.title like "mine*" };
@id("leveled") permit (principal, action, resource) when { principal has level && principal.level > 3 };
@id("mfa") permit (principal, action == PhotoFlash::Action::"View", resource) when { context has mfa && context.mfa };
@id("scope") permit (principal, action == PhotoFlash::Action::"View", resource)
when { context has token && context.token has scope && context.token.scope.contains("write") };
@id("editors") permit (principal in PhotoFlash::Group::"eu-west-1_AbCdEf123|editors", action, resource);
@id("closed") forbid (principal, action, resource) when { resource in PhotoFlash::Album::"closed" };
@id("untitled") forbid (principal, action == PhotoFlash::Action::"Edit", resource) when { resource.title == "none" };
"""
OPTIONS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}
STORE = "PSEXAMPLEabcdefg111111"
TYPES = {"principal_type": "PhotoFlash::User", "group_type": "PhotoFlash::Group"}


@pytest.fixture(scope="module")
def policies(tmp_path_factory):
    return parsed(tmp_path_factory.mktemp("store") / "policies", POLICIES)


@pytest.fixture(scope="module")
def endpoint(policies, mint):
    store = PolicyStore.holding(policies, policy_store_id=STORE, pool=mint.pool, client_ids=["client-1"], **TYPES)
    with Endpoint([store], jwks=mint.jwks) as endpoint:
        yield endpoint


@pytest.fixture
def engine(endpoint, settings):
    """The engine, and the endpoint's log of this test alone."""
    settings.AVP_NAMESPACE = "PhotoFlash"
    settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
    endpoint.calls.clear()
    return VerifiedPermissionsEngine()


@pytest.fixture
def who(mint, site):
    """Make verified identities: of an ID token, an access token, or both."""
    site.AVP_NAMESPACE = "PhotoFlash"
    verifier = TokenVerifier()

    def make(*kinds, groups=(), scope="read", **claims):
        tokens = {}
        if "access" in kinds:
            tokens["access_token"] = verifier.verify(mint.access_token("ann", groups=groups, scope=scope))
        if "id" in kinds or not kinds:
            tokens["id_token"] = verifier.verify(mint.id_token("ann", groups=groups, **claims))
        return Identity.from_tokens(**tokens)

    return make


def world(number, *, public=False, album=None, **attributes):
    """A photo's entity."""
    attributes = {"public": public, **attributes}
    if album:
        attributes["album"] = {"__entity": album.as_json()}
    return Entity(photo(number), attributes, (album,) if album else ())


def batch(identity, *questions, store=STORE):
    checks, worlds = tuple(one for one, _ in questions), tuple(tuple(entities) for _, entities in questions)
    return Batch(identity, checks, worlds, store)


def views(number, actions=("View",)):
    """Distinct checks: every action on each of so many photos."""
    return [(check(name, photo(pk)), [world(pk, public=pk % 2 == 0)]) for pk in range(number) for name in actions]


def asked(endpoint):
    return [(call.operation, call.checks) for call in endpoint.calls]


# Calls


@pytest.mark.parametrize(
    ("checks", "calls"),
    [
        (1, [("IsAuthorizedWithToken", 1)]),
        (2, [("BatchIsAuthorizedWithToken", 2)]),
        (30, [("BatchIsAuthorizedWithToken", 30)]),
        (31, [("BatchIsAuthorizedWithToken", 30), ("IsAuthorizedWithToken", 1)]),
        (90, [("BatchIsAuthorizedWithToken", 30)] * 3),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_page_is_as_few_calls_as_the_limits_allow(engine, endpoint, who, settings, checks, calls, is_async):
    """One check is a single call, up to thirty are one batch, ninety are three, under way at once."""
    # They wait for each other, however busy the machine is.
    settings.AVP_CLIENT_OPTIONS = {**settings.AVP_CLIENT_OPTIONS, "config": Config(read_timeout=60)}
    question = batch(who(), *views(checks))
    with endpoint.meeting(len(calls)):
        decisions = asyncio.run(engine.adecide(question)) if is_async else engine.decide(question)

    assert [bool(decision) for decision in decisions] == [pk % 2 == 0 for pk in range(checks)]
    assert sorted(asked(endpoint)) == sorted(calls)
    assert decisions.calls == len(calls)


@pytest.mark.parametrize(
    ("strategy", "calls"),
    [
        ("single", [("IsAuthorizedWithToken", 1)] * 3),
        ("batch", [("BatchIsAuthorizedWithToken", 3)]),
        ("auto", [("BatchIsAuthorizedWithToken", 3)]),
    ],
)
def test_the_strategy_chooses_the_operations(engine, endpoint, who, settings, strategy, calls):
    """Calls are counted at the endpoint."""
    settings.AVP_CALL_STRATEGY = strategy
    assert [bool(one) for one in engine.decide(batch(who(), *views(3)))] == [True, False, True]
    assert asked(endpoint) == calls
    endpoint.calls.clear()
    engine.decide(batch(who(), *views(1)))
    assert asked(endpoint) == [("BatchIsAuthorizedWithToken" if strategy == "batch" else "IsAuthorizedWithToken", 1)]


def test_nothing_is_asked_for_nothing(engine, endpoint, who):
    """An empty batch is no call."""
    assert engine.decide(batch(who())) == ()
    assert endpoint.calls == []


def test_entities_are_sent_once_and_only_where_they_are_needed(engine, endpoint, who):
    """Checks on one resource share a chunk, and a chunk has at most a hundred entities."""

    def crowd(pk):
        albums = [Entity(EntityUid("PhotoFlash::Album", f"{pk}-{number}"), {"open": True}) for number in range(40)]
        return [world(pk, public=pk < 3), *albums]

    questions = [(check(name, photo(pk)), crowd(pk)) for pk in range(3) for name in ("View", "Edit")]
    decisions = engine.decide(batch(who(), *questions, (check("View", photo(9)), crowd(9))))

    assert [bool(one) for one in decisions] == [True, False] * 3 + [False]
    assert sorted(asked(endpoint)) == [("BatchIsAuthorizedWithToken", 3), ("BatchIsAuthorizedWithToken", 4)]


def test_principals_and_groups_never_go_on_the_wire_as_entities(engine, endpoint, who):
    """With a token they come from the token alone (rule A3), and the endpoint refuses them as AVP does."""
    user = Entity(EntityUid("PhotoFlash::User", "eu-west-1_AbCdEf123|bob"), {"level": 9})
    group = Entity(EntityUid("PhotoFlash::Group", "eu-west-1_AbCdEf123|editors"))

    assert engine.decide(batch(who(), (check(), [world(1, public=True), user, group])))[0]


def test_checks_without_entities_send_none(engine, endpoint, who):
    """About an application, say; the same threads serve call after call."""
    assert not engine.decide(batch(who(), (check(), [])))[0]
    for _ in range(2):
        assert len(engine.decide(batch(who(), *views(60)))) == 60


# Who asks


@pytest.mark.parametrize(
    ("kinds", "decided"),
    [
        (("id",), [False, True, True]),
        (("access",), [True, False, True]),
        (("id", "access"), [True, True, True]),
    ],
)
def test_tokens_go_through(engine, endpoint, who, kinds, decided):
    """Claims of an ID token are the principal's, those of an access token the context's, groups are of both."""
    is_scoped = who("access" if "access" in kinds else "id", *kinds, scope="write read")
    is_leveled = who(*kinds, level=5)
    in_group = who(*kinds, groups=["editors"])

    assert [
        bool(engine.decide(batch(one, (check(), [world(1)])))[0]) for one in (is_scoped, is_leveled, in_group)
    ] == decided


def test_without_a_token_the_principal_is_asked_about(engine, endpoint, site, tmp_path):
    """The anonymous principal, and a task's identity, whose claims are cut to the project's schema."""
    site.AVP_NAMESPACE = "PhotoFlash"
    site.AVP_POLICIES = write(tmp_path / "policies", POLICIES)
    visitor = Identity(EntityUid("PhotoFlash::User", "visitor"))
    editor = Identity.from_claims({"sub": "eve", "cognito:groups": ["editors"]})
    access = Identity.from_claims({"sub": "eve", "token_use": "access", "scope": "write"})
    question = [(check(), [world(1)])]

    assert not engine.decide(batch(visitor, *question))[0]
    assert [bool(one) for one in engine.decide(batch(visitor, *views(3)))] == [True, False, True]
    assert asked(endpoint) == [("IsAuthorized", 1), ("BatchIsAuthorized", 3)]
    assert engine.decide(batch(editor, *question))[0].determining_policies == ("editors",)
    assert engine.decide(batch(access, *question))[0].determining_policies == ("scope",)
    edits = engine.decide(batch(access, (check("Edit"), [world(1, title="mine")])))
    assert edits[0].determining_policies == ("titled",)
    # The claims go beside what the context has of its own.
    strong = engine.decide(batch(access, (check(mfa=True), [world(1)]), (check(mfa=False), [world(1)])))
    assert [one.determining_policies for one in strong] == [("mfa", "scope"), ("scope",)]


def test_a_store_is_needed(engine, who):
    """The message names the setting."""
    with pytest.raises(ImproperlyConfigured, match="AVP_POLICY_STORE_ID"):
        engine.decide(batch(who(), *views(1), store=None))


# The same answers as Cedar in process


def cases():
    """What a check may be about: claims, a photo and where it is, an action and a context."""
    album = st.sampled_from([None, "open", "closed", "shut", "nowhere"])
    attributes = st.fixed_dictionaries(
        {"public": st.booleans()}, optional={"title": st.sampled_from(["mine", "none", "minefield", "x"])}
    )
    one = st.tuples(
        st.sampled_from(["View", "Edit", "Fly"]),
        st.integers(1, 3),
        st.sampled_from([{}, {"mfa": True}, {"mfa": False}]),
    )
    return st.fixed_dictionaries(
        {
            "kinds": st.sampled_from([("id",), ("access",), ("id", "access")]),
            "groups": st.sampled_from([(), ("editors",), ("viewers",)]),
            "level": st.sampled_from([None, 1, 5]),
            "scope": st.sampled_from(["read", "write read"]),
            "photos": st.tuples(*[st.tuples(attributes, album)] * 3),
            "questions": st.lists(one, min_size=4, max_size=8, unique_by=repr),
        }
    )


ALBUMS = {
    "open": Entity(EntityUid("PhotoFlash::Album", "open"), {"open": True}),
    "closed": Entity(EntityUid("PhotoFlash::Album", "closed"), {"open": True}),
    "shut": Entity(
        EntityUid("PhotoFlash::Album", "shut"), {"open": False}, (EntityUid("PhotoFlash::Album", "closed"),)
    ),
}


def world_of(number, case):
    """The photo's entities, as the request would build them."""
    attributes, place = case["photos"][number - 1]
    album = EntityUid("PhotoFlash::Album", place) if place else None
    found = [world(number, album=album, **attributes)]
    for name in {"open": ["open"], "closed": ["closed"], "shut": ["shut", "closed"]}.get(place, []):
        found.append(ALBUMS[name])
    return found


def test_the_same_question_has_the_same_answer_everywhere(endpoint, policies, who, site):
    """Decisions and determining policies of all engines, over a thousand cases and more."""
    site.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
    remote, synced = VerifiedPermissionsEngine(), SyncedEngine()
    synced.store(STORE).read()
    seen = {"checks": 0, "verdicts": set()}

    @given(cases())
    @hypothesis_settings(
        max_examples=350,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    def compare(case):
        claims = {} if case["level"] is None else {"level": case["level"]}
        identity = who(*case["kinds"], groups=case["groups"], scope=case["scope"], **claims)
        questions = [
            (
                Check(action(name), photo(number), to_json(context if name == "View" else {})),
                world_of(number, case),
            )
            for name, number, context in case["questions"]
            if name != "Fly"
        ]
        if not questions:
            return
        question = batch(identity, *{one[0]: one for one in questions}.values())
        question = replace(question, store=STORE)
        here, there = evaluate(question, policies), remote.decide(question)
        assert list(synced.decide(question)) == here
        assert [(one.verdict, one.determining_policies) for one in there] == [
            (one.verdict, one.determining_policies) for one in here
        ]
        # Errors are told as such, and not which policies they are of.
        assert [bool(one.errors) for one in there] == [bool(one.errors) for one in here]
        seen["checks"] += len(question.checks)
        seen["verdicts"] |= {one.verdict for one in here}

    compare()
    assert seen["checks"] >= 1000
    assert seen["verdicts"] == {Verdict.PERMITTED, Verdict.FORBIDDEN, Verdict.NOT_PERMITTED}


def test_a1_alone_and_in_any_batch_the_answer_is_the_same(engine, who):
    """A batch-mate's entities change nothing: each chunk may hold more than a check needs, never less."""
    questions = [(check("View", photo(pk)), [world(pk, public=pk % 3 == 0)]) for pk in range(40)]
    together = engine.decide(batch(who(), *questions))

    assert [engine.decide(batch(who(), one))[0] for one in questions] == list(together)


# What is refused before it is sent


@pytest.mark.parametrize(
    ("question", "fault"),
    [
        ((check("View", photo("x" * 613)), []), "invalid_id"),
        ((check("View", photo(1)), [world("a\nb")]), "invalid_id"),
        ((check(), [world(number) for number in range(101)]), "too_many_entities"),
        ((check(), [world(1, title="x" * 1_000_000)]), "too_large"),
        ((check("View", photo(1), note="x" * 1_000_000), [world(1)]), "too_large"),
    ],
)
def test_a9_what_is_over_a_limit_is_refused_here(engine, endpoint, who, caplog, question, fault):
    """That check alone, by a line that names it; the others are asked."""
    decisions = engine.decide(batch(who(), question, (check("View", photo(2)), [world(2, public=True)])))

    assert list(decisions)[0] is INVALID
    assert decisions[1]
    assert asked(endpoint) == [("IsAuthorizedWithToken", 1)]
    record = next(record for record in caplog.records if record.msg == "avp.check_refused")
    assert (record.fault, record.action) == (fault, "View")


def test_large_worlds_go_in_several_calls(engine, endpoint, who):
    """None is over a megabyte."""
    large = [(check("View", photo(pk)), [world(pk, public=True, title="é" * 50_000)]) for pk in range(5)]

    assert all(engine.decide(batch(who(), *large)))
    assert sorted(checks for _, checks in asked(endpoint)) == [2, 3]


@pytest.mark.parametrize("character", ["x", '"', "\\", "\t", "é", "\N{GRINNING FACE}"])
@pytest.mark.parametrize("part", ["title", "note", "id"])
def test_no_call_is_over_a_megabyte_whatever_its_characters_take(engine, who, character, part):
    """An escape in a text that is JSON in JSON is up to twelve bytes; as many checks go in a call as have room."""

    def question(pk):
        text = character * 20_000
        if part == "id":
            return check("View", photo(f"{pk}{character * 600}")), []
        if part == "note":
            return check("View", photo(pk), note=text), [world(pk, public=True)]
        return check("View", photo(pk)), [world(pk, public=True, title=text)]

    calls = engine._plan(batch(who(), *map(question, range(12)))).calls

    sizes = [len(json.dumps(call.parameters)) for call in calls]
    assert max(sizes) <= 1_000_000
    assert len(calls) == math.ceil(sum(sizes) / 1_000_000)
    assert sorted(item.position for call in calls for item in call.items) == list(range(12))


def test_claims_that_cedar_cannot_hold_are_told_without_their_values(engine, endpoint, site, caplog):
    """Nothing is asked about such a principal."""
    site.AVP_NAMESPACE = "PhotoFlash"
    nested: dict = {}
    for _ in range(5_000):
        nested = {"a": nested}
    identity = Identity.from_claims({"sub": "ann", "deep": nested})

    assert list(engine.decide(batch(identity, *views(2)))) == [INVALID, INVALID]
    assert "avp.entity_refused" in caplog.messages
    assert endpoint.calls == []


# What goes wrong


UNAVAILABLE_FAULTS = [
    Fault("ThrottlingException", members={"serviceCode": "x", "quotaCode": "L-1FC83DB7"}),
    Fault("InternalServerException", status=500),
    Fault("AccessDeniedException"),
    Fault("ResourceNotFoundException", members={"resourceId": "x", "resourceType": "POLICY_STORE"}),
    Fault("ExpiredTokenException"),
    Fault("UnrecognizedClientException"),
    Fault("SomethingNew"),
    Fault(is_reset=True),
    Fault(body=b"<html>"),
    Fault(body=b"[]"),
    Fault(body=b'{"decision": "AL'),
]
VISITOR = Identity(EntityUid("PhotoFlash::User", "visitor"))


@pytest.mark.parametrize("fault", UNAVAILABLE_FAULTS, ids=lambda fault: fault.error or str(fault.body))
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("checks", [1, 3])
@pytest.mark.parametrize("has_token", [True, False])
def test_a_service_that_fails_decides_nothing(engine, endpoint, who, fault, is_async, checks, has_token, caplog):
    """At every operation: denied, as unavailable, with one line; the next good call works."""
    question = batch(who() if has_token else VISITOR, *views(checks))
    with endpoint.failing(fault):
        decisions = asyncio.run(engine.adecide(question)) if is_async else engine.decide(question)
    assert not any(decisions)
    assert all(one.verdict is Verdict.UNDECIDED for one in decisions)
    assert len([record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]) == 1
    assert engine.decide(question)[0]


def test_faults_that_somebody_has_to_mend_say_how(engine, endpoint, who, caplog):
    """Credentials, permissions and the store are told apart, and no text of the service is repeated."""
    for code, cure in [
        ("ExpiredTokenException", "credentials"),
        ("AccessDeniedException", "verifiedpermissions:IsAuthorizedWithToken"),
        ("ResourceNotFoundException", "AVP_POLICY_STORE_ID"),
    ]:
        caplog.clear()
        with endpoint.failing(Fault(code)):
            assert list(engine.decide(batch(who(), *views(1)))) == [UNAVAILABLE]
        (record,) = [record for record in caplog.records if record.msg == "avp.service_refused"]
        assert record.levelname == "CRITICAL"
        assert cure in record.cure
        assert "As you asked" not in str(vars(record))


def test_without_a_region_or_credentials_nothing_is_decided(endpoint, who, settings, monkeypatch, caplog):
    """Told as what is missing."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for options, cure in [({}, "region"), ({"region_name": "eu-west-1", "endpoint_url": endpoint.url}, "credentials")]:
        caplog.clear()
        settings.AVP_CLIENT_OPTIONS = options
        assert list(VerifiedPermissionsEngine().decide(batch(who(), *views(1)))) == [UNAVAILABLE]
        assert cure in next(record.cure for record in caplog.records if record.msg == "avp.service_refused")


def test_a1_a_check_that_is_refused_changes_no_other_answer(engine, endpoint, who, caplog):
    """A call that the service refuses is asked again check by check."""
    questions = [*views(3), (check("Fly"), [world(1)])]
    decisions = engine.decide(batch(who(), *questions))

    assert [bool(one) for one in decisions] == [True, False, True, False]
    assert decisions[3] is INVALID
    assert asked(endpoint) == [("BatchIsAuthorizedWithToken", 4), *[("IsAuthorizedWithToken", 1)] * 4]
    assert decisions.calls == 5
    assert caplog.messages.count("avp.request_refused") == 1


def test_a_bad_request_of_ours_is_denied_and_told_by_its_fields(engine, endpoint, who, caplog):
    """Asking again would not help."""
    decisions = engine.decide(batch(who(), (check("Fly"), [world(1)])))

    assert list(decisions) == [INVALID]
    record = next(record for record in caplog.records if record.msg == "avp.request_refused")
    assert record.fields == ("action",)


ODD = [
    b"{}",
    b'{"decision": "ALLOW", "determiningPolicies": [null], "errors": []}',
    b'{"decision": "MAYBE", "determiningPolicies": [], "errors": []}',
    b'{"decision": "allow", "determiningPolicies": [], "errors": []}',
    b'{"decision": "ALLOW", "principal": {"entityType": "PhotoFlash::User", "entityId": "somebody"}}',
    b'{"results": []}',
    b'{"results": "ALLOW"}',
]


@pytest.mark.parametrize("body", ODD)
@pytest.mark.parametrize("checks", [1, 2])
def test_an_odd_answer_decides_nothing(engine, endpoint, who, body, checks, caplog):
    """Another decision, another principal, another number of results."""
    with endpoint.failing(Fault(body=body)):
        decisions = engine.decide(batch(who(), *views(checks)))

    assert not any(decisions)
    assert "avp.odd_answer" in caplog.messages


def test_results_in_another_order_decide_nothing(engine, endpoint, who, caplog):
    """Each echoes its question, and an echo that does not fit denies all of them."""
    question = batch(who(), *views(2))
    results = [
        {
            "request": {
                "action": {"actionType": "PhotoFlash::Action", "actionId": "View"},
                "resource": {"entityType": "PhotoFlash::Photo", "entityId": str(number)},
            },
            "decision": "ALLOW",
            "determiningPolicies": [{"policyId": "public"}],
            "errors": [],
        }
        for number in range(2)
    ]
    elsewhere = {
        "action": {"actionType": "PhotoFlash::Action", "actionId": "Edit"},
        "resource": {"entityType": "PhotoFlash::Album", "entityId": "2"},
    }
    others = [{**result, "request": elsewhere} for result in results]
    for answers, allowed in [
        (results, [True, True]),
        (results[::-1], [False, False]),
        (results * 2, [False, False]),
        (others, [False, False]),
    ]:
        with endpoint.failing(Fault(body=json.dumps({"results": answers}).encode())):
            assert [bool(one) for one in engine.decide(question)] == allowed
    with endpoint.failing(Fault(body=json.dumps({"results": [results[0], {"decision": "ALLOW"}]}).encode())):
        assert not any(engine.decide(question))


def test_answers_that_are_swapped_decide_nothing(engine, endpoint, who):
    """Also where two checks differ in nothing but their context, or are about somebody else."""
    strict, lenient = [(check("View", photo(1), mfa=mfa), [world(1)]) for mfa in (False, True)]
    question = batch(who(), strict, lenient)
    ids = {
        "action": {"actionType": "PhotoFlash::Action", "actionId": "View"},
        "resource": {"entityType": "PhotoFlash::Photo", "entityId": "1"},
    }
    results = [
        {"request": {**ids, "context": {"cedarJson": one.context}}, "decision": "ALLOW" if allow else "DENY"}
        for (one, _), allow in ((strict, False), (lenient, True))
    ]
    for answers, allowed in [(results, [False, True]), (results[::-1], [False, False])]:
        with endpoint.failing(Fault(body=json.dumps({"results": answers}).encode())):
            assert [bool(one) for one in engine.decide(question)] == allowed
    somebody = {"entityType": "PhotoFlash::User", "entityId": "somebody"}
    forged = [{"request": {**ids, "principal": somebody}, "decision": "ALLOW"}] * 2
    with endpoint.failing(Fault(body=json.dumps({"results": forged}).encode())):
        assert not any(engine.decide(batch(VISITOR, strict, lenient)))


def test_a_refused_batch_is_an_answer_to_the_breaker(engine, endpoint, who):
    """The probe that finds the service back may itself be refused; its checks are asked all the same."""
    engine._breaker = Breaker(failures=1, pause=0)
    engine._breaker.record(is_failure=True)
    engine._breaker._pause = 60

    assert [bool(one) for one in engine.decide(batch(who(), *views(1), (check("Fly"), [world(1)])))] == [True, False]


def test_b2_an_allow_with_errors_follows_the_setting(engine, endpoint, who, settings):
    """AVP skips a policy that errs; which one it was is not told, so the strict settings deny."""
    album = ALBUMS["open"]
    entity = Entity(photo(1), {"public": True, "album": {"__entity": album.uid.as_json()}})
    question = batch(who(), (check("Edit"), [entity, album]))
    decision = engine.decide(question)[0]
    assert decision
    assert decision.errors == ("unknown",)
    for setting in ("any", "forbids"):
        settings.AVP_ON_POLICY_ERROR = setting
        decision = engine.decide(question)[0]
        assert (decision.verdict, decision.cause) == (Verdict.UNDECIDED, Cause.INVALID)


# Calm


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_service_that_hangs_is_not_waited_for(engine, endpoint, who, settings, attempts):
    """Sixteen workers have their answers within five seconds, and a random pause of botocore's if there is one; then
    nobody waits, until one tries again."""
    config = Config(retries={"total_max_attempts": attempts})
    settings.AVP_CLIENT_OPTIONS = {**settings.AVP_CLIENT_OPTIONS, "config": config}
    longest = 5 if attempts == 1 else engine._connection.patience
    question = batch(who(), *views(2))
    assert engine.decide(question)[0]
    with endpoint.failing(Fault(is_hung=True)), ThreadPoolExecutor(16) as workers:
        started = time.monotonic()
        answers = list(workers.map(lambda _: engine.decide(question), range(16)))
        assert time.monotonic() - started < longest
        assert not any(one for decisions in answers for one in decisions)
        asked_before = len(endpoint.calls)
        assert list(engine.decide(question)) == [UNAVAILABLE] * 2
        assert len(endpoint.calls) == asked_before
    engine._breaker = Breaker()
    assert engine.decide(question)[0]


def test_what_has_not_begun_when_a_request_is_cancelled_is_not_asked(engine, endpoint, who, monkeypatch):
    """As when the client has gone: of three calls the first is under way, and the others would be for nobody."""
    monkeypatch.setattr("django_avp.engines.verified_permissions.engine._CONCURRENT", 1)
    is_gone = threading.Event()

    async def leave():
        loop, task = asyncio.get_running_loop(), asyncio.create_task(engine.adecide(batch(who(), *views(90))))
        task.add_done_callback(lambda task: is_gone.set())

        def cancel(called):
            loop.call_soon_threadsafe(task.cancel)
            assert is_gone.wait(60)

        with endpoint.followed_by(cancel):
            await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(leave())

    assert engine.decide(batch(who(), *views(1)))[0]
    assert asked(endpoint) == [("BatchIsAuthorizedWithToken", 30), ("IsAuthorizedWithToken", 1)]


def test_a_service_that_is_late_is_waited_for(engine, endpoint, who):
    """As long as it keeps to its two seconds."""
    with endpoint.failing(Fault(delay=0.2)):
        assert engine.decide(batch(who(), *views(1)))[0]


def test_a_service_over_its_quotas_is_unavailable(policies, who, mint, settings):
    """Thirty batch calls a second are the default; what is over that is throttled, and tried again once."""
    store = PolicyStore.holding(policies, policy_store_id=STORE, pool=mint.pool, **TYPES)
    with Endpoint([store], jwks=mint.jwks, has_quotas=True) as endpoint:
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        engine = VerifiedPermissionsEngine()
        question = batch(who(), *views(2))
        assert [bool(engine.decide(question)[0]) for _ in range(30)] == [True] * 30
        with ThreadPoolExecutor(16) as workers:
            answers = list(workers.map(lambda _: engine.decide(question)[0], range(200)))

    assert UNAVAILABLE in answers
    assert all(answer in (UNAVAILABLE,) or answer for answer in answers)


def test_the_breaker_lets_one_probe_through():
    """After failures in a row; a success closes it."""
    breaker = Breaker(failures=2, pause=0.05)
    breaker.record(is_failure=True)
    breaker.record(is_failure=False)
    breaker.record(is_failure=True)
    assert breaker.admits()
    breaker.record(is_failure=True)
    assert not breaker.admits()
    deadline = time.monotonic() + 5
    while not breaker.admits():
        assert time.monotonic() < deadline
    assert not breaker.admits()
    breaker.record(is_failure=False)
    assert breaker.admits()


def test_one_client_serves_a_process(engine, endpoint, who):
    """It names itself, and options are merged over ours."""
    engine.decide(batch(who(), *views(1)))
    client = engine._connection.client()
    engine.decide(batch(who(), *views(2)))

    assert engine._connection.client() is client
    assert f"django-avp/{django_avp.__version__}" in endpoint.calls[0].user_agent
    config = client.meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (1, 2, 2)


def test_client_options_are_merged(engine, endpoint, who, settings):
    """What the project says wins."""
    settings.AVP_CLIENT_OPTIONS = {**settings.AVP_CLIENT_OPTIONS, "config": Config(read_timeout=1)}
    engine.decide(batch(who(), *views(1)))

    config = engine._connection.client().meta.config
    assert (config.read_timeout, config.connect_timeout) == (1, 1)


def test_every_answer_is_one_of_the_service_s_model(endpoint, mint, site):
    """By botocore's own model of outputs, with its checks of inputs on."""
    client = boto3.client("verifiedpermissions", endpoint_url=endpoint.url, **OPTIONS)
    token = mint.id_token("ann")
    item = {
        "action": {"actionType": "PhotoFlash::Action", "actionId": "View"},
        "resource": {"entityType": "PhotoFlash::Photo", "entityId": "1"},
    }
    principal = {"principal": {"entityType": "PhotoFlash::User", "entityId": "x"}}
    site.AVP_NAMESPACE = "PhotoFlash"
    for operation, arguments in [
        ("IsAuthorized", {**principal, **item}),
        ("IsAuthorizedWithToken", {"identityToken": token, **item}),
        ("BatchIsAuthorized", {"requests": [{**principal, **item}] * 2}),
        ("BatchIsAuthorizedWithToken", {"identityToken": token, "requests": [item]}),
    ]:
        method = client.meta.method_to_api_mapping
        name = next(python for python, api in method.items() if api == operation)
        response = getattr(client, name)(policyStoreId=STORE, **arguments)
        del response["ResponseMetadata"]
        shape = client.meta.service_model.operation_model(operation).output_shape
        assert not ParamValidator().validate(response, shape).has_errors()


# The site on it


@pytest.fixture
def service(mint, site, settings):
    """The test site, decided by its own policies at the endpoint."""
    store = PolicyStore.holding(load(conf.policies), policy_store_id=STORE, pool=mint.pool)
    with Endpoint([store], jwks=mint.jwks) as endpoint:
        settings.AVP_ENGINE = "django_avp.engines.verified_permissions.VerifiedPermissionsEngine"
        settings.AVP_POLICY_STORE_ID = STORE
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        runtime.reset()
        yield endpoint


@pytest.mark.django_db
def test_a7_what_the_schema_does_not_declare_is_not_sent(service, settings, make_client, photo, caplog):
    """Else the service, which knows the schema, would refuse the whole call."""
    settings.AVP_CONTEXT = lambda request: {"mfa": True, "undeclared": 1}
    assert make_client("ann").get(f"/photos/{photo.pk}/").content.strip() == b"dawn edit list mfa"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.django_db
def test_pages_are_the_same_and_their_calls_are_counted(service, make_client, photo):
    """A page of one check is a single call, one with buttons a batch; 401, 403 and 503 are what they are in process."""
    assert make_client("mona", "moderators").get("/moderate/").status_code == 200
    assert asked(service) == [("IsAuthorizedWithToken", 1)]
    service.calls.clear()
    response = make_client("ann").get(f"/photos/{photo.pk}/")
    assert response.content.strip() == b"dawn edit list mfa"
    assert asked(service) == [("BatchIsAuthorizedWithToken", 4)]
    assert [(round_.checks, round_.calls) for round_ in response.wsgi_request.avp.rounds] == [(4, 1)]
    assert make_client("bob").get(f"/photos/{photo.pk}/edit/").status_code == 403
    with service.failing(Fault("ThrottlingException")):
        response = make_client("ann").get(f"/photos/{photo.pk}/")
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert make_client("ann").get("/open/").status_code == 200
    assert make_client("ann").get(f"/photos/{photo.pk}/").status_code == 200


def test_a_site_whose_service_hangs_answers_what_needs_no_decision(service, make_client, settings):
    """Sixteen workers wait for it, and have their 503; everybody else is served."""
    settings.AVP_USER_MODE = "token"
    client = make_client("mona", "moderators")
    assert client.get("/moderate/").status_code == 200
    with service.failing(Fault(is_hung=True)), ThreadPoolExecutor(16) as workers:
        waiting = [workers.submit(make_client("mona", "moderators").get, "/moderate/") for _ in range(16)]
        assert make_client("ann").get("/open/").status_code == 200
        assert not any(one.done() for one in waiting)
        assert [one.result().status_code for one in waiting] == [503] * 16
        assert client.get("/moderate/").status_code == 503
    runtime.reset()
    assert client.get("/moderate/").status_code == 200


@pytest.mark.django_db
def test_async_pages_await_it(service, make_async_client, photo):
    """Nothing asks it synchronously under an event loop."""

    async def scenario():
        response = await make_async_client("ann").get(f"/aphotos/{photo.pk}/")
        assert response.content.strip() == b"dawn edit list mfa"

    async_to_sync(scenario)()
    assert asked(service) == [("BatchIsAuthorizedWithToken", 4)]
