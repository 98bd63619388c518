"""Tests of ``django_avp.engines.cedar``: evaluation in process, and policies that change while it runs."""

from __future__ import annotations

import dataclasses
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_avp.cedar import INVALID, UNAVAILABLE, Cause, Check, Entity, EntityUid, Verdict
from django_avp.engines.base import Decisions, PolicyEngine
from django_avp.engines.cedar import CedarEngine, evaluate
from django_avp.exceptions import PolicyError
from django_avp.identity import Identity
from tests.engines.support import SCHEMA, action, batch, check, identity, parsed, photo, write
from tests.site_engines import CountingEngine

POLICIES = """
@id("public") permit (principal, action in PhotoFlash::Action::"ReadOnly", resource) when { resource.public };
@id("eds") permit (principal in PhotoFlash::Group::"eu-west-1_AbCdEf123|eds", action, resource);
@id("locked") forbid (principal, action, resource in PhotoFlash::Album::"locked");
@id("album") permit (principal, action, resource) when { resource has album && resource.album.open };
"""
EVERYTHING = '@id("everything") permit (principal, action, resource);'
NOTHING = '@id("nothing") forbid (principal, action, resource);'


def entity(number, **attributes):
    return Entity(photo(number), {"public": False, **attributes})


def album(name, **attributes):
    return Entity(EntityUid("PhotoFlash::Album", name), {"open": False, **attributes})


@pytest.fixture
def policies(tmp_path):
    return parsed(tmp_path / "policies", POLICIES)


@pytest.fixture
def directory(tmp_path, settings):
    """An empty directory that ``AVP_POLICIES`` names."""
    settings.AVP_POLICIES = tmp_path / "live"
    settings.AVP_POLICIES.mkdir()
    return settings.AVP_POLICIES


def events(caplog):
    return [record.getMessage() for record in caplog.records]


# --- Deciding ------------------------------------------------------------------------------------------------------


def test_batches_are_decided_in_order(policies):
    """Each check gets its own answer, with the policies that made it, in the order of the batch."""
    inside = Entity(photo(3), {"public": True}, (album("locked").uid,))
    asked = [
        (check("View", photo(1)), [entity(1, public=True)]),
        (check("Edit", photo(1)), [entity(1, public=True)]),
        (check("View", photo(2)), [entity(2)]),
        (check("View", photo(3)), [inside, album("locked")]),
    ]

    for questions in (asked, asked[::-1]):
        decisions = evaluate(batch(*questions), policies)
        expected = [
            (Verdict.PERMITTED, ("public",)),
            (Verdict.NOT_PERMITTED, ()),
            (Verdict.NOT_PERMITTED, ()),
            (Verdict.FORBIDDEN, ("locked",)),
        ][:: 1 if questions is asked else -1]
        assert [(one.verdict, one.determining_policies) for one in decisions] == expected


def test_empty_batch(policies):
    """Nothing asked, nothing answered."""
    assert evaluate(batch(), policies) == []


def test_groups_are_parents(policies):
    """A principal is in the groups of its pool, and in none of another name."""
    question = (check("Edit"), [entity(1)])

    assert evaluate(batch(question, who=identity(groups=["x", "eds"])), policies)[0]
    assert not evaluate(batch(question, who=identity(groups=["EDS", "ed"])), policies)[0]


def test_entities_are_joined(policies):
    """A world may have several entities, and worlds may share them."""
    where = {"__entity": album("a").uid.as_json()}
    decisions = evaluate(
        batch(*((check(resource=photo(n)), [entity(n, album=where), album("a", open=True)]) for n in (1, 2))), policies
    )

    assert [one.determining_policies for one in decisions] == [("album",), ("album",)]


def test_the_principal_is_its_tokens(policies, tmp_path):
    """An entity in a world cannot take the principal's place (rule A3)."""
    forged = Entity(identity().principal, {}, (EntityUid("PhotoFlash::Group", "eu-west-1_AbCdEf123|eds"),))

    assert not evaluate(batch((check("Edit"), [entity(1), forged])), policies)[0]


def test_without_a_schema(tmp_path):
    """Without a schema any claim, attribute, context and type will do."""
    text = """
    permit (principal, action, resource)
    when { principal.jti == "x" && principal["custom:a"] == "b" && context.x.y == [1] && resource.z == 1 };
    permit (principal, action, resource) when { context.token.scope.contains("a") && context.w };
    """
    policies = parsed(tmp_path / "bare", text, schema=None)
    asked = Check(EntityUid("Action", "any"), EntityUid("Thing", "1"), '{"x":{"y":[1]}}')
    world = [Entity(asked.resource, {"z": 1})]
    access = Identity.from_claims({"sub": "ann", "token_use": "access", "scope": "a b"})

    assert evaluate(batch((asked, world), who=identity(jti="x", **{"custom:a": "b"})), policies)[0]
    assert evaluate(batch((Check(asked.action, asked.resource, '{"w":true}'), world), who=access), policies)[0]
    assert not evaluate(batch((asked, world)), policies)[0]


def test_cycle_without_a_schema(tmp_path, caplog):
    """Entities that Cedar does not take together deny their own check only."""
    policies = parsed(tmp_path / "bare", EVERYTHING, schema=None)
    loop = [Entity(photo(1), {}, (photo(2),)), Entity(photo(2), {}, (photo(1),))]
    decisions = evaluate(
        batch((check(resource=photo(1)), loop), (check(resource=photo(3)), [Entity(photo(3))])), policies
    )

    assert decisions[0] == INVALID
    assert decisions[1]
    assert events(caplog) == ["avp.entity_refused"]


# --- Undecided -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "event"),
    [
        (check("Veiw"), "avp.unknown_action"),
        (Check(EntityUid("Action", "View"), photo(1)), "avp.unknown_action"),
        (check("View", album("a").uid), "avp.action_not_applicable"),
        (check("ReadOnly"), "avp.action_not_applicable"),
    ],
)
def test_a7_actions_are_checked_first(tmp_path, caplog, asked, event):
    """An action that the schema does not know, or not for these types, is undecided and logged; the others stand."""
    policies = parsed(tmp_path / "policies", EVERYTHING)
    world = [entity(1), album("a")]

    decisions = evaluate(batch((asked, world), (check(), world), (asked, world)), policies)

    assert (decisions[0], bool(decisions[1]), decisions[2]) == (INVALID, True, INVALID)
    (record,) = caplog.records
    assert record.getMessage() == event
    assert (record.action, record.resource_type) == (str(asked.action), asked.resource.type)
    assert record.principal_type == "PhotoFlash::User"


def test_a7_types_of_principals_are_checked(tmp_path, caplog):
    """An action does not apply to a principal of another type."""
    policies = parsed(tmp_path / "policies", EVERYTHING)
    visitor = Identity(EntityUid("PhotoFlash::Group", "anyone"))

    assert evaluate(batch((check(), [entity(1)]), who=visitor), policies) == [INVALID]
    assert events(caplog) == ["avp.action_not_applicable"]


def test_all_checks_may_be_refused(policies):
    """A batch of which nothing is left is undecided altogether."""
    assert evaluate(batch((check("x"), []), (check("y"), [])), policies) == [INVALID, INVALID]


@pytest.mark.parametrize("size", [1, 2, 7, 64])
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a5_a_bad_row_denies_itself_only(tmp_path, caplog, size, place):
    """A row without an attribute that the schema requires is undecided; the others are decided as without it."""
    policies = parsed(tmp_path / "policies", EVERYTHING)
    bad = {"first": 0, "middle": size // 2, "last": size - 1}[place]
    worlds = [[entity(n)] if n != bad else [Entity(photo(n), {"title": "hush"})] for n in range(size)]

    decisions = evaluate(batch(*((check(resource=photo(n)), world) for n, world in enumerate(worlds))), policies)

    assert [bool(one) for one in decisions] == [n != bad for n in range(size)]
    assert decisions[bad] == INVALID
    (record,) = caplog.records
    assert record.getMessage() == "avp.entity_refused"
    assert record.causes == ("PhotoFlash::Photo lacks public",)
    assert "hush" not in str(vars(record))


def test_a5_bad_rows_are_logged_once(tmp_path, caplog):
    """However many rows are bad, and wherever, one line tells of their kind."""
    policies = parsed(tmp_path / "policies", EVERYTHING)
    worlds = [[Entity(photo(n), {"publik": True, "a": 1})] if n % 3 else [entity(n)] for n in range(20)]

    decisions = evaluate(batch(*((check(resource=photo(n)), world) for n, world in enumerate(worlds))), policies)

    assert [bool(one) for one in decisions] == [not n % 3 for n in range(20)]
    (record,) = caplog.records
    assert record.causes == (
        "PhotoFlash::Photo lacks public",
        "PhotoFlash::Photo may not have a",
        "PhotoFlash::Photo may not have publik",
    )


@pytest.mark.parametrize(
    "bad",
    [
        Entity(photo(1), {"public": "yes"}),
        Entity(photo(1), {"public": True}, (EntityUid("PhotoFlash::Group", "g"),)),
        Entity(EntityUid("PhotoFlash::Movie", "1"), {}),
        Entity(photo(1), {"public": True}, (photo(1),)),
    ],
)
def test_a5_other_misfits(tmp_path, caplog, bad):
    """A value of another type, a parent that is not allowed, a type that is not declared, a cycle: all are refused."""
    policies = parsed(tmp_path / "policies", EVERYTHING)

    decisions = evaluate(batch((check(), [bad]), (check(resource=photo(2)), [entity(2)])), policies)

    assert (decisions[0], bool(decisions[1])) == (INVALID, True)
    (record,) = caplog.records
    assert (record.getMessage(), hasattr(record, "causes")) == ("avp.entity_refused", False)


def test_a5_a_bad_entity_denies_all_that_need_it(tmp_path):
    """Checks that share an entity which does not conform are undecided, each of them."""
    policies = parsed(tmp_path / "policies", EVERYTHING)
    bad = Entity(EntityUid("PhotoFlash::Album", "a"), {})
    worlds = [[entity(0), bad], [entity(1)], [entity(2), bad], [entity(3)]]

    decisions = evaluate(batch(*((check(resource=photo(n)), world) for n, world in enumerate(worlds))), policies)

    assert [bool(one) for one in decisions] == [False, True, False, True]


def test_claims_that_do_not_conform_decide_nothing(tmp_path, caplog):
    """A claim of another type than declared makes every check undecided, as at AVP, and no claim is told."""
    policies = parsed(tmp_path / "policies", EVERYTHING)
    questions = [(check(resource=photo(n)), [entity(n)]) for n in range(5)]

    assert evaluate(batch(*questions, who=identity(level="hush")), policies) == [INVALID] * 5
    assert events(caplog) == ["avp.entity_refused"]
    assert "hush" not in str(vars(caplog.records[0]))
    assert all(evaluate(batch(*questions, who=identity(level=3)), policies))


def test_claims_that_are_missing_decide_nothing(tmp_path, caplog):
    """A claim that the schema requires has to be in every token; the log names it."""
    policies = parsed(tmp_path / "policies", EVERYTHING, SCHEMA.replace("email?", "email"))

    assert evaluate(batch((check(), [entity(1)])), policies) == [INVALID]
    assert caplog.records[0].causes == ("PhotoFlash::User lacks email",)
    assert evaluate(batch((check(), [entity(1)]), who=identity(email="e")), policies)[0]


def test_claims_of_a_reserved_name_decide_nothing(tmp_path, caplog):
    """Claims that cannot be told apart make every check undecided."""
    policies = parsed(tmp_path / "policies", EVERYTHING, SCHEMA.replace("email?: String", "custom?: { dept?: String }"))
    who = identity(custom="hush", **{"custom:dept": "it"})

    assert evaluate(batch((check(), [entity(1)]), (check("Edit"), [entity(1)]), who=who), policies) == [INVALID] * 2
    (record,) = caplog.records
    assert (record.getMessage(), record.principal_type) == ("avp.entity_refused", "PhotoFlash::User")
    assert "hush" not in str(vars(record))


@pytest.mark.parametrize("context", [{"mfa": "hush"}, {"nope": "hush"}])
def test_context_that_does_not_conform(tmp_path, caplog, context):
    """A check whose own context is not as declared is undecided, alone, and logged without the context."""
    policies = parsed(tmp_path / "policies", EVERYTHING)
    decisions = evaluate(batch((check(**context), [entity(1)]), (check(mfa=True), [entity(1)])), policies)

    assert (decisions[0], bool(decisions[1])) == (INVALID, True)
    (record,) = caplog.records
    assert record.getMessage() == "avp.no_decision"
    assert "hush" not in str(vars(record))


# --- Errors of policies --------------------------------------------------------------------------------------------

BROKEN_PERMIT = '@id("broken permit") permit (principal, action, resource) when { principal.level > 1 };'
BROKEN_FORBID = '@id("broken\\"forbid") forbid (principal, action, resource) when { principal.level > 1 };'
PERMIT_ID, FORBID_ID = "broken permit", 'broken"forbid'
P, F, N, U = Verdict.PERMITTED, Verdict.FORBIDDEN, Verdict.NOT_PERMITTED, Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("setting", "text", "verdict", "determining"),
    [
        ("ignore", BROKEN_PERMIT, N, ()),
        ("ignore", BROKEN_FORBID, N, ()),
        ("ignore", EVERYTHING + BROKEN_PERMIT, P, ("everything",)),
        ("ignore", EVERYTHING + BROKEN_FORBID, P, ("everything",)),
        ("ignore", EVERYTHING + NOTHING + BROKEN_FORBID, F, ("nothing",)),
        ("forbids", BROKEN_PERMIT, N, ()),
        ("forbids", BROKEN_FORBID, F, (FORBID_ID,)),
        ("forbids", EVERYTHING + BROKEN_PERMIT, P, ("everything",)),
        ("forbids", EVERYTHING + BROKEN_FORBID, F, (FORBID_ID,)),
        ("forbids", EVERYTHING + NOTHING + BROKEN_FORBID, F, ("nothing", FORBID_ID)),
        ("any", BROKEN_PERMIT, N, ()),
        ("any", BROKEN_FORBID, F, (FORBID_ID,)),
        ("any", EVERYTHING + BROKEN_PERMIT, U, ()),
        ("any", EVERYTHING + BROKEN_FORBID, F, (FORBID_ID,)),
        ("any", EVERYTHING + NOTHING + BROKEN_PERMIT, F, ("nothing",)),
        ("any", EVERYTHING + BROKEN_PERMIT + BROKEN_FORBID, F, (FORBID_ID,)),
    ],
)
def test_b2_errors_of_policies(tmp_path, settings, caplog, setting, text, verdict, determining):
    """What a policy that cannot be evaluated does to the answer is set; its id is on the decision and in the log."""
    settings.AVP_ON_POLICY_ERROR = setting
    policies = parsed(tmp_path / "policies", text)

    decisions = evaluate(batch((check(), [entity(1)]), (check("Edit"), [entity(1)])), policies)

    erring = {PERMIT_ID} & {*policies.statements} | {FORBID_ID} & {*policies.statements}
    for decision in decisions:
        assert (decision.verdict, decision.determining_policies) == (verdict, determining)
        assert set(decision.errors) == erring
        assert decision.cause == (Cause.INVALID if verdict is U else Cause.NONE)
    (record,) = caplog.records
    assert (record.getMessage(), set(record.policies)) == ("avp.policy_errors", erring)


def test_b2_errors_of_links(tmp_path, settings):
    """A link of a forbid counts as one."""
    settings.AVP_ON_POLICY_ERROR = "forbids"
    directory = write(
        tmp_path / "policies",
        EVERYTHING + '@id("t") forbid (principal, action, resource == ?resource) when { principal.level > 1 };',
    )
    (directory / "template-links.json").write_text(
        '[{"templateId": "t", "newId": "l", "values": {"?resource": {"type": "PhotoFlash::Photo", "id": "1"}}}]'
    )
    settings.AVP_POLICIES = directory

    (decision,) = CedarEngine().decide(batch((check(), [entity(1)])))

    assert (decision.verdict, decision.determining_policies) == (Verdict.FORBIDDEN, ("l",))


@pytest.mark.parametrize(
    "message", ["something new", "error while evaluating policy `gone`: x", r"error while evaluating policy `\q`: x"]
)
def test_b2_a_policy_that_cannot_be_told(policies, message):
    """Where the message does not tell the policy, no other one is blamed, and none of the text is kept."""
    assert policies.erring(message) == "unknown"


def test_b2_unknown_policies_may_be_forbids(tmp_path, settings):
    """An error of a policy that cannot be told counts as a forbid's."""
    settings.AVP_ON_POLICY_ERROR = "forbids"
    policies = parsed(tmp_path / "policies", EVERYTHING + BROKEN_PERMIT)
    untold = dataclasses.replace(policies, statements={})

    (decision,) = evaluate(batch((check(), [entity(1)])), untold)

    assert (decision.verdict, decision.errors) == (Verdict.FORBIDDEN, ("unknown",))


# --- The engine ----------------------------------------------------------------------------------------------------


def test_engine_decides_the_settings_policies(directory):
    """The engine has the policies of ``AVP_POLICIES``, for every store; it is one call."""
    write(directory, POLICIES)
    engine = CedarEngine()
    decisions = engine.decide(batch((check(), [entity(1, public=True)])))

    assert isinstance(engine, PolicyEngine)
    assert isinstance(decisions, Decisions)
    assert decisions.calls == 1
    assert decisions[0].determining_policies == ("public",)
    assert engine.policies("store") is engine.policies() is engine.policies(None)


@pytest.mark.parametrize("is_async", [False, True])
def test_engine_can_be_subclassed(directory, is_async):
    """A subclass that counts what passes through ``decide`` sees each batch once, sync and async."""
    write(directory, EVERYTHING)
    engine, asked = CountingEngine(), batch((check(), [entity(1)]))
    coroutine = engine.adecide(asked) if is_async else None
    decisions = run(coroutine) if coroutine else engine.decide(asked)

    assert decisions[0]
    assert engine.batches == [asked]


def run(coroutine):
    """Run a coroutine that never waits."""
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    return stopped.value.value


# --- Changes while it runs -----------------------------------------------------------------------------------------


def verdict(engine):
    return engine.decide(batch((check(), [entity(1)])))[0].verdict


def rewrite(path, text):
    """Write a file with a time that differs for sure."""
    path.write_text(text)
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))


def test_policies_are_parsed_once(directory, settings):
    """Outside of development files are not looked at again."""
    settings.DEBUG = False
    write(directory, EVERYTHING)
    engine = CedarEngine()
    before = engine.policies()

    rewrite(directory / "policies.cedar", NOTHING)

    assert engine.policies() is before
    assert verdict(engine) is Verdict.PERMITTED


def test_policies_are_read_again_in_development(directory, settings):
    """In development a file that changes, appears or disappears counts at once; else nothing is parsed again."""
    settings.DEBUG = True
    write(directory, EVERYTHING)
    engine = CedarEngine()
    before = engine.policies()
    assert engine.policies() is before

    rewrite(directory / "policies.cedar", NOTHING)
    assert verdict(engine) is Verdict.FORBIDDEN
    rewrite(directory / "policies.cedar", EVERYTHING)
    (directory / "more.cedar").write_text(NOTHING)
    assert verdict(engine) is Verdict.FORBIDDEN
    (directory / "more.cedar").unlink()
    assert verdict(engine) is Verdict.PERMITTED
    (directory / "schema.cedarschema").unlink()
    assert engine.policies().schema is None
    (directory / "template-links.json").write_text("[]")
    after = engine.policies()
    assert after is engine.policies() is not before


def test_other_directories_count_at_once(directory, settings, tmp_path):
    """When ``AVP_POLICIES`` names other directories, those decide, also outside of development."""
    write(directory, EVERYTHING)
    engine = CedarEngine()
    assert verdict(engine) is Verdict.PERMITTED

    settings.AVP_POLICIES = [directory, write(tmp_path / "more", "", schema=None)]
    (tmp_path / "more" / "policies.cedar").write_text(NOTHING)
    assert verdict(engine) is Verdict.FORBIDDEN

    settings.AVP_POLICIES = directory
    assert verdict(engine) is Verdict.PERMITTED


def test_a_broken_edit_is_told_until_it_is_mended(directory, settings):
    """A file that is broken in development decides nothing, the old policies neither, and says so each time."""
    settings.DEBUG = True
    write(directory, EVERYTHING)
    engine = CedarEngine()

    rewrite(directory / "policies.cedar", EVERYTHING[:-1])
    for _ in range(2):
        with pytest.raises(PolicyError, match="policies.cedar:1: unexpected end of input"):
            engine.policies()
        with pytest.raises(PolicyError, match="policies.cedar:1: unexpected end of input"):
            verdict(engine)
    rewrite(directory / "policies.cedar", NOTHING)

    assert verdict(engine) is Verdict.FORBIDDEN


@pytest.mark.django_db
def test_a_broken_edit_makes_decisions_unavailable(directory, settings, authorize, caplog):
    """What was asked meanwhile is undecided, to be asked again; the log has file, line, cause and cure."""
    settings.DEBUG = True
    settings.AVP_USER_MODE = "token"
    write(directory, EVERYTHING)
    assert authorize("ann").can("Edit", photo(1)).verdict is Verdict.UNDECIDED  # no such photo
    allowed = EntityUid("PhotoFlash::Site", "main")
    site = SCHEMA.replace("entity Group;", "entity Group, Site;").replace(
        "[Photo, Album] };", "[Photo, Album, Site] };"
    )
    rewrite(directory / "schema.cedarschema", site)
    assert authorize("ann").can("Edit", allowed)

    rewrite(directory / "policies.cedar", EVERYTHING[:-1])
    caplog.clear()
    decision = authorize("ann").can("Edit", allowed)

    assert decision == UNAVAILABLE
    (record,) = (record for record in caplog.records if record.getMessage() == "avp.engine_unavailable")
    assert record.cause.endswith(
        "policies.cedar:1: unexpected end of input. Close what is open; a `;` may be missing at the end."
    )
    rewrite(directory / "policies.cedar", EVERYTHING)
    assert authorize("ann").can("Edit", allowed)


def test_an_engine_is_not_built_on_broken_policies(directory):
    """Without usable policies there is no engine."""
    with pytest.raises(PolicyError, match="No policy found"):
        CedarEngine()


def test_threads_see_the_old_policies_or_the_new(directory, settings):
    """While files change, each batch is decided by one whole set of policies, and in the end by the last."""
    settings.DEBUG = True
    path = write(directory, EVERYTHING) / "policies.cedar"
    engine, stop = CedarEngine(), threading.Event()

    def ask():
        found = set()
        while not stop.is_set():
            decision = engine.decide(batch((check(), [entity(1)])))[0]
            found.add((decision.verdict, decision.determining_policies))
        return found

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        for number in range(20):
            beside = path.with_name("beside")
            rewrite(beside, (EVERYTHING, NOTHING)[number % 2])
            os.replace(beside, path)
            engine.policies()
        stop.set()

    found = set().union(*(one.result() for one in asked))
    assert found <= {(Verdict.PERMITTED, ("everything",)), (Verdict.FORBIDDEN, ("nothing",))}
    assert verdict(engine) is Verdict.FORBIDDEN


def test_actions_of_the_batch_are_the_schemas(policies):
    """Groups of actions are known from the schema alone; no entity of an action is sent."""
    (decision,) = evaluate(batch((check("View"), [entity(1, public=True)])), policies)

    assert decision.determining_policies == ("public",)
    assert action("ReadOnly") in policies.schema.actions
