"""``manage.py avp_push`` over real HTTP: what it does, in which order, and what it says where it cannot."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from random import Random

import cedarpy
import pytest
from django.core.management import CommandError, call_command

from django_avp.cedar import quote
from django_avp.deployment.explaining import WRITING_PERMISSIONS, PushError
from django_avp.deployment.items import LOCK_ID
from django_avp.deployment.locking import Lock
from django_avp.deployment.planning import plan
from django_avp.deployment.pushing import Push, Reading
from django_avp.deployment.stored import state_of
from django_avp.engines.synced.calling import Caller
from django_avp.engines.synced.content import Content
from django_avp.engines.synced.pulling import Puller
from django_avp.engines.synced.snapshot import Snapshot
from django_avp.engines.synced.stores import READING_PERMISSIONS
from django_avp.exceptions import PolicyError
from django_avp.policy_files import MAX_POLICY_BYTES
from django_avp.schema_json import schema_json
from django_avp.testing.endpoint import Endpoint, Fault
from tests.deployment.generated import policies, variation
from tests.deployment.support import ENTITIES, OPTIONS, REQUESTS, allowed_by, allowed_in, pull, push, state, write
from tests.engines.test_synced import add_source
from tests.testing.aws import conforming_client

PERMIT = '@id("p") permit (principal, action, resource);'
FORBID = '@id("f") forbid (principal, action, resource) when { context.mfa };'
TEMPLATE = '@id("t") permit (principal == ?principal, action, resource);'
LINK = ("l", "t", {"?principal": ("U", "ann")})
WRITES = ("Create", "Update", "Delete", "Put")
APPLIES = " appliesTo {principal: U, resource: F, context: {mfa: Bool}}"
SCHEMA = f"""
entity G; entity U in [G] = {{level: Long}}; entity F in [F] = {{open?: Bool}};
action any;
action read in [any]{APPLIES};
"""


def writes(endpoint):
    """The operations that wrote, those of the lock among them."""
    return [call.operation for call in endpoint.calls if call.operation.startswith(WRITES)]


def add(client, store, statement, **members):
    definition = {"static": {"statement": statement}}
    return client.create_policy(policyStoreId=store, definition=definition, **members)["policyId"]


def names(content):
    """The names of everything in the store."""
    everything = (*content().policies.values(), *content().templates.values())
    return sorted(item.name.removeprefix("name/") for item in everything)


# What it does


def test_a_second_push_changes_nothing(store, directory, endpoint, content):
    """Names and the service's ids stay."""
    write(directory, state(f"{PERMIT}\n{FORBID}\n{TEMPLATE}", [LINK]))
    out, err = push(directory)
    assert names(content) == ["f", "l", "p", "t"]
    assert "pushed and read back" in out
    assert err.splitlines()[0] == '[1/4] create template permit "t"'
    ids = set(content().policies)
    endpoint.calls.clear()
    out, err = push(directory)
    assert out.endswith("Plan: no difference; 0 calls\n" + f"{store}: nothing to do.\n")
    assert (err, writes(endpoint), set(content().policies)) == ("", [], ids)


def test_a_plan_says_what_differs(store, directory, endpoint, client):
    """With the lines of a statement that do, and nothing is called for it."""
    write(directory, state(f'{PERMIT}\n{FORBID}\n{TEMPLATE}\n@id("gone") {PERMIT[8:]}', [LINK]))
    push(directory)
    write(
        directory,
        state(
            f"{PERMIT.replace('(principal,', '(principal is U,')}\n{FORBID.replace('mfa', 'other')}\n{TEMPLATE}\n"
            '@id("new") permit (principal, action, resource);',
            [("l", "t", {"?principal": ("U", "bob")})],
        ),
    )
    endpoint.calls.clear()
    out, _ = push(directory, "--dry-run")
    assert out.splitlines() == [
        f"{store}: 4 policies; identity source: none of an Amazon Cognito user pool",
        '  ~ change forbid "f"',
        "      @@ -1 +1 @@",
        '      -@id("f") forbid (principal, action, resource) when { context.mfa };',
        '      +@id("f") forbid (principal, action, resource) when { context.other };',
        '    keep permit "gone" (only in the store; --prune deletes it)',
        '-/+ replace permit "l" (link of "t") (link)',
        "      @@ -1,2 +1,2 @@",
        "       template: t",
        '      -?principal: U::"ann"',
        '      +?principal: U::"bob"',
        '  + create permit "new"',
        '-/+ replace permit "p" (principal)',
        "      @@ -1 +1 @@",
        '      -@id("p") permit (principal, action, resource);',
        '      +@id("p") permit (principal is U, action, resource);',
        "Plan: 1 to create, 1 to change, 2 to replace, 1 only in the store; 11 calls",
        f"{store}: nothing was done.",
    ]
    assert writes(endpoint) == []


def test_an_id_makes_no_line_of_a_plan(store, directory):
    """What does not print in it is escaped, so that it says nothing that the plan does not."""
    policy_id = 'a"\nPlan: no difference; 0 calls\x1b[8m'
    literal = quote(policy_id)
    write(directory, state(f"@id({literal}) permit (principal, action, resource);"))

    out, _ = push(directory, "--dry-run")

    assert out.splitlines()[1:] == [
        f"  + create permit {literal}",
        "Plan: 1 to create; 1 calls",
        f"{store}: nothing was done.",
    ]
    assert f"[1/1] create permit {literal}" in push(directory)[1]


def test_as_json_the_plan_is_for_programs(store, directory):
    """And the result is in it."""
    write(directory, state(f"{PERMIT}\n{TEMPLATE}", [LINK]))
    out, _ = push(directory, "--format=json", "--dry-run", yes=False)
    planned = json.loads(out)
    out, _ = push(directory, "--format=json")
    assert {**json.loads(out), "result": "nothing was done"} == planned
    assert planned["changes"][2] == {
        "verb": "create",
        "kind": "policy",
        "effect": "permit",
        "id": "p",
        "place": f"{directory}/policies.cedar:3",
    }
    assert (planned["kept"], planned["schema"], len(planned["steps"])) == ([], "unchanged", 3)
    with pytest.raises(CommandError, match="nobody is asked"):
        push(write(directory, state(FORBID)), "--format=json", yes=False)


def test_check_fails_on_drift(store, directory, client):
    """What is only in the store is drift with --prune."""
    write(directory, state(PERMIT))
    with pytest.raises(CommandError, match="is not as"):
        push(directory, "--check")
    push(directory)
    push(directory, "--check")
    add(client, store, FORBID)
    push(directory, "--check")
    with pytest.raises(CommandError, match="1 calls"):
        push(directory, "--check", "--prune")
    push(directory, "--prune")
    push(directory, "--check", "--prune")


@pytest.mark.parametrize(("answer", "is_done"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)])
def test_it_asks(store, directory, content, monkeypatch, answer, is_done):
    """And does nothing without a yes."""
    write(directory, state(PERMIT))
    monkeypatch.setattr("sys.stdin", StringIO(answer))
    if is_done:
        push(directory, yes=False)
    else:
        with pytest.raises(CommandError, match="Nothing was done"):
            push(directory, yes=False)
    assert bool(content().policies) is is_done


def test_where_nobody_answers_nothing_is_done(store, directory, content, monkeypatch):
    """As in a pipeline without --yes."""
    monkeypatch.setattr("sys.stdin", StringIO(""))
    with pytest.raises(CommandError, match="Pass --yes"):
        push(write(directory, state(PERMIT)), yes=False)
    assert not content().policies


def test_g1_policies_are_matched_by_name_then_by_id_annotation_then_by_id(store, directory, client, content):
    """Rule G1: what others have created is changed in its place."""
    named = add(client, store, '@id("other") permit (principal, action, resource);', name="name/n")
    annotated = add(client, store, '// why\n@id("a b")\npermit (principal, action, resource);')
    bare = add(client, store, "permit (principal, action, resource);")
    statement = '@id("{}") permit (principal, action, resource) when {{ context.mfa }};'
    write(directory, state("\n".join(statement.format(one) for one in ("n", "a b", bare))))
    out, _ = push(directory)
    assert "3 to change; 3 calls" in out
    assert set(content().policies) == {named, annotated, bare}
    assert push(directory)[0].endswith("nothing to do.\n")


def test_g1_two_policies_of_one_id_are_told(store, directory, client):
    """By the service's ids of both."""
    first, second = sorted([add(client, store, PERMIT, name="name/p"), add(client, store, PERMIT)])
    with pytest.raises(CommandError, match=f"{first} and {second} are both known as .p."):
        push(write(directory, state(PERMIT)))


def test_g2_an_id_that_cannot_be_a_name_is_replaced_safely(store, directory, content):
    """It has no name, so its @id is what it is known by; what stands in for it has a name."""
    statement = '@id("e f") permit ({}, action, resource);'
    push(write(directory, state(statement.format("principal"))))
    (before,) = content().policies
    _, err = push(write(directory, state(statement.format("principal is U"))))
    assert 'rename permit "e f" to "' in err
    (after,) = content().policies.values()
    assert (after.name, after.policy_id != before) == ("", True)
    assert push(directory)[0].endswith("nothing to do.\n")


def test_a_schema_of_the_store_that_cannot_be_used_is_told():
    """By its store."""
    with pytest.raises(PolicyError, match="PSx: the schema cannot be used"):
        state_of(Content(schema='{"N": {}}'), "PSx")


# What a directory must have


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("permit (principal, action, resource);", r"policies.cedar:1: the policy has no @id"),
        ('@id("x--guard") permit (principal, action, resource);', r"policies.cedar:1: .*Rename it"),
        ('@id("x--old-2") permit (principal, action, resource);', "Rename it"),
        (f'@id("{LOCK_ID}") permit (principal, action, resource);', "Rename it"),
        (f'@id("x") permit (principal, action, resource) when {{ "{"x" * 10_000}" == "" }};', "Split it"),
        ('@id("a")\npermit (principal, action, resource)\nwhen { resource. };', r"policies.cedar:3: "),
        ('@id("a") permit (principal, action, resource) when { resource.nothing };', r"policies.cedar:1: .*nothing"),
    ],
)
def test_policies_that_a_store_would_not_take_are_refused_before_any_call(store, directory, endpoint, text, message):
    """With file, line, cause and cure."""
    directory.mkdir()
    (directory / "policies.cedar").write_text(text)
    (directory / "schema.cedarschema").write_text(SCHEMA)
    with pytest.raises(CommandError, match=message):
        push(directory)
    assert endpoint.calls == []


def test_broken_cedar_is_shown_with_a_caret(store, directory):
    """Below the place."""
    directory.mkdir()
    (directory / "a.cedar").write_text('@id("a")\npermit (principal, action, resource) when { resource. };')
    with pytest.raises(CommandError) as caught:
        push(directory)
    assert str(caught.value).splitlines()[-1].strip() == "^"


def test_links_need_an_id_that_is_a_name(store, directory):
    """A link has no other one."""
    write(directory, state(TEMPLATE, [("e f", *LINK[1:])]))
    with pytest.raises(CommandError, match="cannot be the name of a link"):
        push(directory)


def test_a_schema_has_a_size(store, directory):
    """The service's."""
    attributes = ", ".join(f"attribute_with_a_long_name_{number}: String" for number in range(2_000))
    write(directory, state(PERMIT), SCHEMA.replace("entity G;", f"entity G = {{{attributes}}};"))
    with pytest.raises(CommandError, match="the service takes 100000"):
        push(directory)


def test_a_directory_without_policies_is_no_wish_to_delete_everything(store, directory, tmp_path):
    """Nor is one that is not there."""
    directory.mkdir()
    with pytest.raises(CommandError, match="No policy found"):
        push(directory, "--prune")
    with pytest.raises(CommandError, match="is not a directory"):
        push(tmp_path / "nowhere", "--prune")


# Where the service does not


def test_what_it_lacks_is_told(store, directory, endpoint, settings, monkeypatch):
    """Permissions, the store, credentials, the region, names."""
    write(directory, state(PERMIT))
    with endpoint.failing(Fault("AccessDeniedException")), pytest.raises(CommandError, match="CreatePolicyTemplate"):
        push(directory)
    with pytest.raises(CommandError, match="nowhere: ResourceNotFoundException. There is no such policy store"):
        push(directory, "--store=nowhere")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    settings.AVP_CLIENT_OPTIONS = {"region_name": "eu-west-1", "endpoint_url": endpoint.url}
    with pytest.raises(CommandError, match=f"{store}: NoCredentialsError. Give this process valid AWS credentials"):
        push(directory)
    settings.AVP_CLIENT_OPTIONS = {}
    with pytest.raises(CommandError, match="NoRegionError"):
        push(directory)
    settings.AVP_POLICY_STORE_ID = None
    with pytest.raises(CommandError, match="--store: AVP_POLICY_STORE_ID is missing"):
        push(directory)
    settings.AVP_POLICY_STORE_ID = lambda request: store
    with pytest.raises(CommandError, match="is a callable"):
        push(directory)
    settings.AVP_POLICIES = ()
    with pytest.raises(CommandError, match="Name the directory"):
        call_command("avp_push")


def test_a_role_that_may_only_read_is_told_what_is_missing(store, directory, endpoint, content):
    """At its first write, which is the lock's: nothing was made."""
    write(directory, state(PERMIT))
    denied = Fault("AccessDeniedException", operations=["CreatePolicy"])
    with (
        endpoint.failing(denied),
        pytest.raises(CommandError, match="^take the lock: AccessDenied.*CreatePolicy") as caught,
    ):
        push(directory)
    assert "0 of 1 steps were made." in str(caught.value)
    assert not content().policies


def test_throttling_in_the_middle_is_waited_for(mint, directory, settings, monkeypatch):
    """More policies than the service lets create in a second."""
    monkeypatch.setattr("django_avp.engines.synced.calling._RATE", 100_000)
    monkeypatch.setattr("django_avp.engines.synced.calling._PAUSES", (0.4, 0.4, 0.4, 0.4))
    write(directory, state("\n".join(f'@id("p{number}") {PERMIT[8:]}' for number in range(14))))
    with Endpoint(jwks=mint.jwks, has_quotas=True) as endpoint:
        client = conforming_client(endpoint.url)
        settings.AVP_POLICY_STORE_ID = client.create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        push(directory)
        created = [call.operation for call in endpoint.calls].count("CreatePolicy")
        assert len(endpoint._service.stores[settings.AVP_POLICY_STORE_ID].content.policies) == 14
    # The lock's and the policies', and those that were refused.
    assert created > 15


def test_it_keeps_within_the_quota(mint, directory, settings):
    """So that nobody is throttled by it: no call is refused."""
    write(directory, state("\n".join(f'@id("p{number}") {PERMIT[8:]}' for number in range(12))))
    with Endpoint(jwks=mint.jwks, has_quotas=True) as endpoint:
        client = conforming_client(endpoint.url)
        settings.AVP_POLICY_STORE_ID = client.create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        push(directory)
        assert [call.operation for call in endpoint.calls].count("CreatePolicy") == 13


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_g3_a_lost_answer_creates_nothing_twice(store, directory, endpoint, content, monkeypatch, capfd):
    """The same client token goes with every attempt; that of a policy without a name is all that tells it is there."""
    monkeypatch.setattr("django_avp.engines.synced.calling._PAUSES", (0, 0, 0, 0))
    write(directory, state('@id("e f") permit (principal, action, resource);'))
    lost = []

    def lose(call):
        if call.operation == "CreatePolicy" and content().policies and len(lost) < 3:
            lost.append(call)
            raise ConnectionAbortedError

    with endpoint.followed_by(lose):
        push(directory)
    assert len(lost) == 3
    assert len(content().policies) == 1
    assert "ConnectionAbortedError" in capfd.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_g3_a_lost_answer_to_a_deletion_is_no_end(store, directory, endpoint, content, monkeypatch, capfd):
    """What was deleted is not there the second time."""
    monkeypatch.setattr("django_avp.engines.synced.calling._PAUSES", (0, 0, 0, 0))
    push(write(directory, state(f"{PERMIT}\n{TEMPLATE}", [LINK])))
    write(directory, state(PERMIT))
    lost = []

    def lose(call):
        if call.operation.startswith("Delete") and len(lost) < 3:
            lost.append(call)
            raise ConnectionAbortedError

    with endpoint.followed_by(lose):
        push(directory, "--prune")
    assert (len(lost), names(content)) == (3, ["p"])
    assert "ConnectionAbortedError" in capfd.readouterr().err


# Interrupted


class Interrupting(StringIO):
    """A stream that Ctrl-C is pressed at, when it is written to for some time."""

    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def write(self, text):
        self.lines -= bool(text.strip())
        if self.lines < 0:
            raise KeyboardInterrupt
        return super().write(text)


def run(client, store, wanted, lines=None):
    """Push a state, and press Ctrl-C before a call; without the command, whose clients take longer than all else."""
    reading = Reading(client, store)
    made = plan(reading.read(), wanted, prune=True)
    report = Interrupting(len(made.steps) if lines is None else lines).write
    try:
        if made.steps:
            Push(client, store, settle=0, report=report).run(made, reading)
    except PushError as error:
        return str(error)
    assert made.expected == wanted
    return ""


def test_g4_over_http_pushes_that_are_interrupted_open_nothing(client, make_store, store, endpoint):
    """Sixty pairs, each interrupted before some call and resumed; after every call the store itself is asked."""
    resumed = 0
    for number in range(60):
        random = Random(number)  # noqa: S311 - no secret
        name = make_store()
        stored = endpoint._service.stores[name]
        before = policies(random)
        after = variation(random, before)
        seen = []

        def look(call, stored=stored, seen=seen):
            if call.operation.startswith(WRITES):
                seen.append(allowed_by(stored.content.policy_set))

        run(client, name, before)
        old = allowed_by(stored.content.policy_set)
        with endpoint.followed_by(look):
            resumed += "Interrupted" in run(client, name, after, random.randint(0, 6))
            run(client, name, after)
        new = allowed_by(stored.content.policy_set)
        assert (old, new) == (allowed_in(before), allowed_in(after))
        assert all(allowed <= old | new for allowed in seen)
        assert plan(Reading(client, name).read(), after, prune=True).steps == ()
    assert resumed > 30


@pytest.mark.parametrize("principal", ["principal", "principal == ?principal"])
def test_a_forbid_of_the_most_bytes_can_change(store, client, content, principal):
    """Its guard has a longer id, and fits into the limit, too; a push that stops there goes on with it."""
    text = f'@id("f") forbid ({principal}, action, resource) when {{{{ context.note == "{{}}" }}}};'
    first, second = (state(text.format(letter * (MAX_POLICY_BYTES - len(text.format(""))))) for letter in "ab")
    run(client, store, first)
    assert "Interrupted. 1 of 3 steps were made" in run(client, store, second, 1)
    assert names(content) == ["f", "f--guard"]
    run(client, store, second)
    assert names(content) == ["f"]


def test_ctrl_c_is_no_end_without_a_word(store, directory, content):
    """It tells what was made, gives the lock back, and has the exit code that shells expect."""
    write(directory, state(f"{PERMIT}\n{FORBID}"))
    with pytest.raises(CommandError, match='^create permit "p": Interrupted. 1 of 2 steps were made. Run') as caught:
        call_command("avp_push", str(directory), "--yes", "--settle=0", stdout=StringIO(), stderr=Interrupting(1))
    assert caught.value.returncode == 130
    assert names(content) == ["f"]
    push(directory)
    assert names(content) == ["f", "p"]


def test_a_push_that_was_killed_leaves_its_lock_and_can_be_taken_over(store, directory, endpoint, content):
    """The next one says since when, and goes on from there when it is told to."""
    write(directory, state(f"{PERMIT}\n{FORBID}"))
    with ExitStack() as stack:

        def die(call):
            if call.operation == "CreatePolicy" and len(content().policies) == 2:
                stack.enter_context(endpoint.failing(Fault("AccessDeniedException")))

        stack.enter_context(endpoint.followed_by(die))
        with pytest.raises(CommandError, match="1 of 2 steps were made. Run avp_push again") as caught:
            push(directory)
    assert "The lock could not be given back (AccessDeniedException)" in caught.value.written[1]
    assert names(content) == [LOCK_ID, "f"]
    assert "Somebody pushes, or was killed while pushing" in push(directory, "--dry-run")[0]
    with pytest.raises(CommandError, match="somebody pushes, so what is there is neither old nor new"):
        pull(directory)
    with pytest.raises(CommandError, match=r"somebody pushes since 20\d\d-.*--take-over"):
        push(directory)
    out, _ = push(directory, "--take-over")
    assert "1 to create" in out
    assert names(content) == ["f", "p"]


def test_the_lock_of_a_push_that_was_killed_at_its_end_is_taken_away(store, directory, client, content, strict):
    """Also where there is nothing to do any more."""
    write(directory, state(PERMIT), SCHEMA)
    push(directory)
    Lock(Caller(client), strict).take()
    assert push(directory)[0].endswith("nothing to do.\n")
    assert push(directory, "--take-over")[0].endswith("nothing to do.\n")
    assert not Reading(client, strict).is_locked
    directory.joinpath("schema.cedarschema").unlink()
    client.put_schema(policyStoreId=strict, definition={"cedarJson": "{}"})
    with pytest.raises(CommandError, match="^take the lock: ValidationException"):
        push(directory, "--take-over")


# Two at once


def test_the_second_of_two_pushes_is_refused(store, directory, tmp_path, endpoint, content):
    """While the first goes on and comes to its end."""
    write(directory, state(f"{PERMIT}\n{FORBID}"))
    other = write(tmp_path / "other", state('@id("q") permit (principal, action, resource);'))
    refused = []

    def push_too(call):
        if call.operation == "CreatePolicy" and len(content().policies) == 2 and not refused:
            refused.append(None)
            with pytest.raises(CommandError, match="somebody pushes since") as caught:
                push(other)
            refused[0] = str(caught.value)

    with endpoint.followed_by(push_too):
        push(directory)
    assert "0 of 1 steps" in refused[0]
    assert names(content) == ["f", "p"]
    push(other)
    assert names(content) == ["f", "p", "q"]


def test_of_pushes_at_the_same_moment_each_is_made_whole_or_not_at_all(store, tmp_path, content):
    """Four of them, which know nothing of each other; who was refused is served the next time."""
    directories = [
        write(tmp_path / str(number), state("\n".join(f'@id("{number}{one}") {PERMIT[8:]}' for one in "abc")))
        for number in range(4)
    ]

    def attempt(directory):
        try:
            return "read back" in push(directory)[0]
        except CommandError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(attempt, directories))
    made = [number for number, result in enumerate(results) if result is True]
    refusals = [result for result in results if result is not True]
    assert made
    assert all("somebody pushes" in text or "changed since the plan" in text for text in refusals)
    assert names(content) == [f"{number}{one}" for number in made for one in "abc"]
    for directory in directories:
        push(directory)
    assert len(names(content)) == 12


def test_a_push_whose_place_is_taken_stops(store, directory, tmp_path, endpoint, content):
    """At its next phase; it gives back no lock but its own."""
    write(directory, state(f"{PERMIT}\n{FORBID}"))
    other = write(tmp_path / "other", state('@id("q") permit (principal, action, resource);'))
    taken = []

    def take(call):
        if call.operation == "CreatePolicy" and len(content().policies) == 2 and not taken:
            taken.append(None)
            taken[0] = push(other, "--take-over")

    with endpoint.followed_by(take), pytest.raises(CommandError, match="another push has taken the place of this one"):
        push(directory)
    assert "pushed and read back" in taken[0][0]
    assert names(content) == ["f", "q"]


def test_a_store_that_changed_since_the_plan_is_left_alone(store, directory, client, endpoint, content):
    """The plan that was agreed to is not the one that would be made now."""
    write(directory, state(PERMIT))
    added = []

    def change(call):
        if call.operation == "CreatePolicy" and not added:
            added.append(None)
            add(client, store, FORBID, name="name/f")

    with endpoint.followed_by(change), pytest.raises(CommandError, match="changed since the plan was made"):
        push(directory)
    assert names(content) == ["f"]


def test_a_lock_that_has_just_gone_is_told_without_a_time(store, directory, client, endpoint, content):
    """Between the refusal and the question since when it is there."""
    push(write(directory, state(FORBID)))
    add(client, store, PERMIT, name=f"name/{LOCK_ID}")
    write(directory, state(PERMIT))
    gone = Fault("ResourceNotFoundException", operations=["GetPolicy"])
    with endpoint.failing(gone), pytest.raises(CommandError, match="somebody pushes. Wait"):
        push(directory)


def test_the_lock_decides_nothing(store, client):
    """Not even where the store is read while somebody pushes: it forbids nothing."""
    Lock(Caller(client), store).take()
    add(client, store, PERMIT)
    content = Puller(client, store).pull()
    assert len(content.policies) == 2
    assert len(allowed_by(Snapshot.of(content, store, 0).policies.policy_set)) == len(REQUESTS)
    assert list(Reading(client, store).read().policies) == ["p"]


def test_a_lock_that_was_never_taken_is_not_given_back(store, client, endpoint):
    """So that no other one goes."""
    Lock(Caller(client), store).release()
    assert writes(endpoint) == []


# Waiting


def test_g4_between_phases_the_store_is_read_back(store, directory, endpoint):
    """With --settle, until it shows what was written."""
    push(write(directory, state(f"{PERMIT}\n{FORBID}")))
    write(directory, state(f"{PERMIT}\n{FORBID.replace('mfa', 'other')}"))
    endpoint.calls.clear()
    push(directory, settle=0.01)
    operations = [call.operation for call in endpoint.calls]
    first, second, third = [number for number, one in enumerate(operations) if one.startswith(WRITES)][1:4]
    assert operations[first:third].count("ListPolicies") >= 4
    assert "ListPolicies" in operations[first:second]


def test_a_time_to_wait_is_not_negative(store, directory):
    """Nor anything but a number."""
    for wrong in ("-1", "soon"):
        with pytest.raises(CommandError, match="--settle"):
            push(directory, settle=wrong)


def test_a_store_that_does_not_show_what_was_written_ends_it(store, directory, client, endpoint, content):
    """Somebody else writes, too, who knows of no lock."""
    write(directory, state(f"{PERMIT}\n{FORBID}"))
    added = []

    def change(call):
        if call.operation == "CreatePolicy" and len(content().policies) == 2 and not added:
            added.append(None)
            add(client, store, FORBID, name="name/x")

    with endpoint.followed_by(change), pytest.raises(CommandError, match="does not show what was written.*1 of 2"):
        push(directory, settle=0.01)
    assert LOCK_ID not in names(content)


# Schemas


@pytest.fixture
def strict(make_store, store, settings):
    """A store that validates, and is empty."""
    settings.AVP_POLICY_STORE_ID = make_store("STRICT")
    return settings.AVP_POLICY_STORE_ID


def test_a_store_that_validates_gets_its_schema_before_anything_else(strict, directory, endpoint):
    """Even before the lock, which is a policy, too."""
    write(directory, state(f"{PERMIT}\n{FORBID}"), SCHEMA)
    out, err = push(directory)
    assert "  + create schema" in out
    assert "Plan: 3 to create; 3 calls" in out
    assert err.startswith("[1/3] put schema\n")
    assert endpoint._service.stores[strict].content.schema
    assert push(directory)[0].endswith("nothing to do.\n")


def test_a_store_that_validates_needs_a_schema(strict, directory):
    """What the service says of a policy is told."""
    write(directory, state(PERMIT))
    with pytest.raises(CommandError, match="ValidationException.*the store has no schema"):
        push(directory)


def schema_of(text):
    return schema_json(cedarpy.Schema.from_str(text))


WIDER = SCHEMA.replace(
    "action read",
    "action erase in [any] appliesTo {principal: U, resource: [F, G], context: {mfa: Bool}};\naction read",
)
ERASE = '@id("e") forbid (principal, action == Action::"erase", resource);'


def asking(schema):
    """Whether a store allows the requests of all actions that its schema takes."""
    uids = ("read", "write", "erase")
    actions = [{"type": "Action", "id": uid} for uid in uids]
    requests = [{**request, "action": action} for action in actions for request in REQUESTS[:8]]
    known = [one for one in ENTITIES if one["uid"]["type"] != "Action"]
    entities = cedarpy.Entities.from_json_str(json.dumps(known), schema=schema)
    return requests, entities


def allowed_under(content):
    """What a store allows whose schema refuses what it does not declare, as the service does."""
    handle = content.schema.schema.handle
    requests, entities = asking(handle)
    return allowed_by(content.policy_set, requests, entities, handle)


def test_g4_schema_first_would_open_access(strict, directory, endpoint, client):
    """A new action comes with its forbid; until that is there, the old permit of everything must not allow it."""
    stored = endpoint._service.stores[strict]
    push(write(directory, state(PERMIT), SCHEMA))
    old, seen = allowed_under(stored.content), []
    write(directory, state(f"{PERMIT}\n{ERASE}"), WIDER)

    def look(call):
        if call.operation.startswith(WRITES):
            seen.append(allowed_under(stored.content))

    with endpoint.followed_by(look):
        _, err = push(directory)
    new = allowed_under(stored.content)
    assert all(allowed <= old | new for allowed in seen)
    assert old == new
    assert [line.partition("] ")[2] for line in err.splitlines()] == [
        'create forbid "avp-push-schema--guard"',
        "put schema",
        'create forbid "e"',
        'delete forbid "avp-push-schema--guard"',
    ]
    # The order that looks right.
    client.delete_policy(policyStoreId=strict, policyId="name/e")
    assert not allowed_under(stored.content) <= old | new


def test_what_the_old_schema_alone_declares_goes_at_the_end(strict, directory, endpoint):
    """The union comes first, what only the old one declares is forbidden before permits, and then the new one comes."""
    push(write(directory, state(f"{PERMIT}\n{ERASE}"), WIDER))
    write(directory, state(PERMIT), WIDER.replace("erase", "print").replace("level: Long", "rank: Long"))
    _, err = push(directory, "--prune")
    assert [line.partition("] ")[2] for line in err.splitlines()] == [
        'create forbid "avp-push-schema--guard"',
        "put schema",
        'create forbid "avp-push-schema--guard-2"',
        "put schema",
        'delete forbid "e"',
        'delete forbid "avp-push-schema--guard"',
        'delete forbid "avp-push-schema--guard-2"',
    ]
    assert push(directory)[0].endswith("nothing to do.\n")


def test_a_store_that_validates_gets_actions_of_several_namespaces(strict, directory):
    """One comes, and is guarded in words that the store takes; a namespace goes as well."""
    text = "namespace {} {{entity U, F; action {} appliesTo {{principal: U, resource: F}};}}"
    first = text.format("A", "read")
    push(write(directory, state(PERMIT), first + text.format("B", "read")))
    write(
        directory,
        state(f"{PERMIT}\n{ERASE.replace('Action::', 'B::Action::')}"),
        first + text.format("B", "read, erase"),
    )
    _, err = push(directory)
    assert [line.partition("] ")[2] for line in err.splitlines()] == [
        'create forbid "avp-push-schema--guard"',
        "put schema",
        'create forbid "e"',
        'delete forbid "avp-push-schema--guard"',
    ]
    _, err = push(write(directory, state(PERMIT), first), "--prune")
    assert 'create forbid "avp-push-schema--guard"' in err
    assert push(directory)[0].endswith("nothing to do.\n")


def test_a_schema_alone_is_pushed(strict, directory, endpoint):
    """With nothing else to do; an attribute that is new needs no guard."""
    push(write(directory, state(PERMIT), SCHEMA))
    write(directory, state(PERMIT), SCHEMA.replace("level: Long", "level: Long, rank?: Long"))
    out, err = push(directory)
    assert out.splitlines()[1:7] == [
        "  ~ change schema",
        "      @@ -7,3 +7,4 @@",
        "       entity U in [G] = {",
        "      -  level: Long",
        "      +  level: Long,",
        "      +  rank?: Long",
    ]
    assert err == "[1/1] put schema\n"


def test_a_schema_that_other_tools_put_can_change(store, directory, client):
    """Their JSON names a primitive otherwise than Cedar's syntax does; it is the same type."""
    kind = {"shape": {"type": "Record", "attributes": {"name": {"type": "String"}}}}
    applies = {"principalTypes": ["U"], "resourceTypes": ["F"]}
    document = {"": {"entityTypes": {"U": kind, "F": {}}, "actions": {"read": {"appliesTo": applies}}}}
    client.put_schema(policyStoreId=store, definition={"cedarJson": json.dumps(document)})
    text = "entity U = {{name: String{}}}; entity F; action read appliesTo {{principal: U, resource: F}};"
    push(write(directory, state(PERMIT), text.format("")))
    _, err = push(write(directory, state(PERMIT), text.format(", level?: Long")))
    assert err == "[1/1] put schema\n"


def test_while_nothing_permits_a_schema_is_put_at_once(strict, directory):
    """There is nothing that could open, so nothing stands in its way."""
    push(write(directory, state(FORBID), SCHEMA))
    write(directory, state(PERMIT), SCHEMA.replace("level: Long", "level: String"))
    assert push(directory)[1].startswith("[1/2] put schema\n")


@pytest.mark.parametrize(
    ("policies", "schema", "message"),
    [
        ("", ("level: Long", "level: String"), "U.level has one type in the old schema and another in the new one"),
        (
            '@id("g") forbid (principal, action in Action::"any", resource);',
            ("action read in [any]", f"action write in [any]{APPLIES};\naction read"),
            'Action::"read" leaves Action::"any", which a policy asks for',
        ),
        (
            '@id("g") permit (principal, action, resource) when { principal.level > 1 };',
            ("resource: F,", "resource: [F, H],"),
            "",
        ),
    ],
)
def test_a_schema_that_cannot_change_safely_is_refused(strict, directory, endpoint, policies, schema, message):
    """Unless --allow-unsafe-schema says so; what is named is the cause."""
    text = SCHEMA.replace("entity G;", "entity G, H;")
    push(write(directory, state(f"{PERMIT}\n{policies}"), text))
    write(directory, state(f"{PERMIT}\n{policies}"), text.replace(*schema))
    if message:
        endpoint.calls.clear()
        with pytest.raises(CommandError, match=f"(?s)cannot change safely.*{message}.*--allow-unsafe-schema"):
            push(directory)
        assert writes(endpoint) == []
    push(directory, "--allow-unsafe-schema")
    assert push(directory)[0].endswith("nothing to do.\n")


# The documentation


def test_the_permissions_of_the_page_are_those_of_the_calls(strict, store, settings, directory, tmp_path, endpoint):
    """Pulling, and pushing everything there is: created, changed, replaced, deleted, refused."""
    endpoint.calls.clear()
    template = '@id("t") forbid (principal == ?principal, action, resource) when {{ {} }};'
    push(write(directory, state(f"{PERMIT}\n{template.format('true')}", [LINK]), SCHEMA))
    push(write(directory, state(f"{FORBID}\n{template.format('false')}", [LINK]), SCHEMA), "--prune")
    push(write(directory, state(FORBID.replace("mfa", "mfa == true")), SCHEMA), "--prune")
    pull(tmp_path / "pulled")
    # A batch has no permission of its own.
    called = {call.operation.replace("BatchGet", "Get") for call in endpoint.calls}
    page = (Path(__file__).parents[2] / "docs/deploying.md").read_text()
    (block,) = re.findall(r"```json\n(\{\n  \"Version\".*?)```", page, re.DOTALL)
    statements = json.loads(block)["Statement"]
    assert sorted(f"verifiedpermissions:{one}" for one in called) == sorted(
        action for statement in statements for action in statement["Action"]
    )
    assert all(one in WRITING_PERMISSIONS for one in called)
    reading = {one for one in called if one.startswith(("List", "Get")) and one in READING_PERMISSIONS}
    assert {f"verifiedpermissions:{one}" for one in reading} == set(statements[0]["Action"])


def test_the_plan_of_the_page_is_the_one_that_is_shown(store, directory, client, mint):
    """Word for word."""
    group = 'PhotoFlash::Group::"eu-west-1_AbCdEf123|suspended"'
    view = 'action == PhotoFlash::Action::"ViewPhoto", resource'
    suspended = f'@id("suspended")\nforbid (principal in {group}, action, resource)\n'
    viewers = f'@id("viewers")\npermit ({{}}, {view});'
    moderators = '@id("moderators")\npermit (principal, action, resource);'
    directory.mkdir()
    path = directory / "photos.cedar"
    path.write_text("\n\n".join([f"{suspended}when {{ context.mfa }};", viewers.format("principal"), moderators]))
    add_source(client, store, mint.pool)
    push(directory)
    add(client, store, "permit (principal, action, resource);", name="name/by-hand")
    press = '@id("press")\npermit (principal, action, resource);'
    changed = f"{suspended}unless {{ resource.is_public }};"
    path.write_text("\n\n".join([changed, viewers.format("principal is PhotoFlash::User"), moderators, press]))
    out, _ = push(directory, "--dry-run")
    page = (Path(__file__).parents[2] / "docs/deploying.md").read_text()
    (block,) = re.findall(r"```text\n\$ ./manage.py avp_push\n(.*?)Push into", page, re.DOTALL)
    assert out.replace(store, "PSEXAMPLEabcdefg111111").rpartition("PSEXAMPLE")[0] == block
