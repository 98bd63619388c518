"""``manage.py avp_pull`` over real HTTP: which files it writes, and what it leaves alone."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from random import Random

import cedarpy
import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.core.management.base import SystemCheckError

from django_avp.cedar import EntityUid
from django_avp.policies import load
from django_avp.schema_json import schema_json
from django_avp.testing.endpoint import Fault
from tests.deployment.support import pull, push, state, texts, write
from tests.deployment.test_avp_push import FORBID, LINK, PERMIT, SCHEMA, TEMPLATE, add
from tests.engines.test_synced import add_source

EXAMPLE = Path(__file__).parents[2] / "example_project" / "policies"


# What it writes


def test_each_new_statement_has_a_file_of_its_own(store, directory, client):
    """Named after its id, in folders where the id has some; ids that no file can be called are told by a digest."""
    for name in ("p", "albums/open", "a/b/c"):
        add(client, store, PERMIT[8:].strip(), name=f"name/{name}")
    add(client, store, '@id("Ann\'s photos") permit (principal, action, resource);')
    add(client, store, '@id("../../etc") permit (principal, action, resource);')
    add(client, store, '@id(".hidden") permit (principal, action, resource);')
    bare = add(client, store, "// why\npermit (principal, action, resource);")
    out, _ = pull(directory)
    found = texts(directory)
    assert set(found) == {
        "p.cedar",
        "albums/open.cedar",
        "a/b/c.cedar",
        "Ann-s-photos-0b3cab03.cedar",
        "etc-74ccf3c5.cedar",
        "hidden-16924190.cedar",
        f"{bare}.cedar",
    }
    # Where the store's text has no @id, it is written, and that is no difference.
    assert found[f"{bare}.cedar"] == f'// why\n@id("{bare}")\npermit (principal, action, resource);\n'
    assert found["p.cedar"] == '@id("p")\npermit (principal, action, resource);\n'
    assert (out.count("  + create"), out.count("writes")) == (7, 7)
    assert pull(directory)[0].endswith("nothing to do.\n")
    assert push(directory)[0].endswith("nothing to do.\n")


def test_a_folder_is_not_called_as_a_file(store, directory, client):
    """One policy's folder would be in the place of another one's file."""
    for policy_id in ("a", "a.cedar/b", "a.cedar/template-links.json/b"):
        add(client, store, f'@id("{policy_id}") permit (principal, action, resource);')

    pull(directory)

    assert "a.cedar" in texts(directory)
    assert not any("/" in name for name in texts(directory))
    assert set(load([directory]).statements) == {"a", "a.cedar/b", "a.cedar/template-links.json/b"}
    assert pull(directory)[0].endswith("nothing to do.\n")


def test_ids_that_differ_in_case_have_files_that_differ_in_more(store, directory, client):
    """Some file systems take one for the other."""
    for name in ("photo", "Photo"):
        add(client, store, PERMIT[8:].strip(), name=f"name/{name}")
    pull(directory)
    assert len({name.casefold() for name in texts(directory)}) == 2
    assert pull(directory)[0].endswith("nothing to do.\n")


def test_a_statement_stays_where_it_is(store, directory, client):
    """Only its own text changes; comments, order and the ends of lines stay."""
    directory.mkdir()
    before = (
        '// About p.\n@id("p")\npermit (principal, action, resource);\n\n\n'
        '// About f.\n@id("f") forbid (principal, action, resource) when { context.mfa };\n// The end.\n'
    )
    (directory / "mine.cedar").write_bytes(before.replace("\n", "\r\n").encode())
    push(directory)
    (policy,) = (one for one in client.list_policies(policyStoreId=store)["policies"] if one["effect"] == "Forbid")
    new = '// About f.\n@id("f")\nforbid (principal, action, resource)\nwhen { context.other };'
    client.update_policy(policyStoreId=store, policyId=policy["policyId"], definition={"static": {"statement": new}})
    out, _ = pull(directory)
    after = before.replace(before[before.index("// About f.") : before.index("\n// The end")], new)
    assert (directory / "mine.cedar").read_bytes() == after.replace("\n", "\r\n").encode()
    assert '  ~ change forbid "f"' in out
    assert list(texts(directory)) == ["mine.cedar"]


def test_prune_removes_what_only_the_directory_has(store, directory, client):
    """A file that is empty then goes, too; without it, what stays is told."""
    write(directory, state(f"{PERMIT}\n{FORBID}\n{TEMPLATE}", [LINK, ("m", *LINK[1:])]))
    push(directory)
    (directory / "more.cedar").write_text('\n@id("x") permit (principal, action, resource);\n')
    for name in ("p", "m"):
        client.delete_policy(policyStoreId=store, policyId=f"name/{name}")
    out, _ = pull(directory)
    assert out.count("only in the directory; --prune removes it") == 3
    assert out.endswith("nothing to do.\n")
    out, _ = pull(directory, "--prune")
    assert f"removes {directory}/more.cedar" in out
    found = texts(directory)
    assert set(found) == {"policies.cedar", "template-links.json"}
    assert found["policies.cedar"] == f"{TEMPLATE}\n\n{FORBID}\n"
    assert [link["newId"] for link in json.loads(found["template-links.json"])] == ["l"]
    assert pull(directory, "--prune")[0].endswith("nothing to do.\n")


def test_links_are_written_by_their_ids(store, directory, client, tmp_path):
    """Those that are there are changed in their file."""
    write(directory, state(TEMPLATE, [LINK, ("a", *LINK[1:])]))
    push(directory)
    (directory / "template-links.json").rename(tmp_path / "kept")
    pull(directory)
    assert [link["newId"] for link in json.loads(texts(directory)["template-links.json"])] == ["a", "l"]
    other = write(tmp_path / "other", state(TEMPLATE, [("l", "t", {"?principal": ("U", "bob")}), ("n", *LINK[1:])]))
    push(other)
    pull(directory)
    links = {link["newId"]: link for link in json.loads(texts(directory)["template-links.json"])}
    assert sorted(links) == ["a", "l", "n"]
    assert links["l"]["values"] == {"?principal": {"type": "U", "id": "bob"}}
    assert push(directory)[0].endswith("nothing to do.\n")


def test_an_id_may_become_another_kind_of_thing(store, directory, tmp_path):
    """A policy becomes a link, a link a policy, and a policy a template."""
    push(write(directory, state(f'{PERMIT}\n{TEMPLATE}\n@id("k") {PERMIT[8:]}', [LINK])))
    other = write(
        tmp_path / "other",
        state(
            f'{TEMPLATE}\n@id("l") permit (principal, action, resource);\n@id("k") {TEMPLATE[8:]}',
            [("p", "t", {"?principal": ("U", "bob")})],
        ),
    )
    push(other, "--prune")
    pull(directory, "--prune")
    assert pull(other)[0].endswith("nothing to do.\n")
    assert set(texts(directory)) == {"policies.cedar", "template-links.json", "l.cedar"}
    assert push(directory, "--prune")[0].endswith("nothing to do.\n")


def test_a_schema_that_means_the_same_is_left_alone(store, directory, client):
    """And one that does not is written in Cedar's syntax."""
    push(write(directory, state(PERMIT), f"// Ours.\n{SCHEMA}"))
    assert pull(directory)[0].endswith("nothing to do.\n")
    assert "// Ours." in texts(directory)["schema.cedarschema"]
    wider = SCHEMA.replace("level: Long", "level: Long, rank?: Long")
    document = schema_json(cedarpy.Schema.from_str(wider))
    client.put_schema(policyStoreId=store, definition={"cedarJson": document})
    out, _ = pull(directory)
    assert "  ~ change schema" in out
    assert "rank?: Long" in texts(directory)["schema.cedarschema"]
    (directory / "schema.cedarschema").unlink()
    assert "  + create schema" in pull(directory)[0]
    assert pull(directory)[0].endswith("nothing to do.\n")


def test_a_schema_that_other_tools_put_is_left_alone(store, directory, client):
    """With the comments of the file; the type of its tags is the same, however it is named."""
    document = {"": {"entityTypes": {"U": {"tags": {"type": "String"}}}, "actions": {}}}
    client.put_schema(policyStoreId=store, definition={"cedarJson": json.dumps(document)})
    add(client, store, PERMIT)
    directory.mkdir()
    (directory / "schema.cedarschema").write_text("// Why\nentity U tags String;\n")
    assert "change schema" not in pull(directory)[0]
    assert texts(directory)["schema.cedarschema"].startswith("// Why")


def test_the_identity_source_is_shown(store, directory, client, mint):
    """It decides whose tokens are taken, and is no file's matter."""
    add(client, store, PERMIT)
    assert "identity source: none" in pull(directory, "--dry-run")[0]
    add_source(client, store, mint.pool)
    assert (
        "identity source: user pool eu-west-1_AbCdEf123, clients: client-1, principals: PhotoFlash::User, groups: "
        "PhotoFlash::Group"
    ) in pull(directory, "--dry-run")[0]
    document = json.loads(pull(directory, "--dry-run", "--format=json")[0])
    assert document["identity_source"]["pool"] == mint.pool


# What it does not


def test_nothing_is_written_for_a_plan(store, directory, client, monkeypatch):
    """Nor without a yes; --check fails on drift."""
    add(client, store, PERMIT)
    out, _ = pull(directory, "--dry-run", yes=False)
    assert out.endswith(f"writes {directory}/p.cedar\n{store}: nothing was done.\n")
    with pytest.raises(CommandError, match="not as"):
        pull(directory, "--check", yes=False)
    monkeypatch.setattr("sys.stdin", StringIO("no\n"))
    with pytest.raises(CommandError, match="Nothing was done"):
        pull(directory, yes=False)
    assert not directory.exists()
    monkeypatch.setattr("sys.stdin", StringIO("y\n"))
    pull(directory, yes=False)
    pull(directory, "--check", yes=False)


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("policies.cedar", f'{PERMIT}\n@id("mine") forbid (principal, action, resource);'),
        ("f.cedar", '@id("mine") forbid (principal, action, resource);'),
        ("schema.cedarschema", "entity U;"),
    ],
)
def test_what_is_saved_while_it_asks_is_not_written_over(store, directory, client, monkeypatch, name, saved):
    """Be it another policy of a file that changes, or a file in the place of one that is new."""
    write(directory, state(PERMIT))
    add(client, store, PERMIT.replace(";", " when { context.mfa };"))
    add(client, store, FORBID)
    before = texts(directory)

    class Editor(StringIO):
        """Somebody who saves a file before the answer is read."""

        def readline(self, *args):
            (directory / name).write_text(saved)
            return super().readline(*args)

    monkeypatch.setattr("sys.stdin", Editor("y\n"))
    with pytest.raises(CommandError, match="have changed since they were read. Nothing was done"):
        pull(directory, yes=False)
    assert texts(directory) == {**before, name: saved}
    pull(directory)
    assert saved.splitlines()[-1] in texts(directory)[name]


def test_as_json_it_is_for_programs(store, directory, client):
    """What differs, what is kept, and the files."""
    policy = add(client, store, PERMIT)
    directory.mkdir()
    (directory / "mine.cedar").write_text(FORBID)
    document = json.loads(pull(directory, "--format=json")[0])
    assert document == {
        "store": store,
        "result": "written",
        "changes": [
            {"verb": "create", "kind": "policy", "effect": "permit", "id": "p", "place": f"{store}/{policy}:1"}
        ],
        "kept": ["f"],
        "schema": "unchanged",
        "files": {f"{directory}/p.cedar": "write"},
        "identity_source": None,
    }


def test_all_files_are_written_or_none(store, directory, client):
    """One that cannot be keeps the others from being changed."""
    directory.mkdir()
    (directory / "a.cedar").write_text(PERMIT)
    (directory / "b").write_text("no directory")
    push(directory)
    client.update_policy(
        policyStoreId=store,
        policyId="name/p",
        definition={"static": {"statement": '@id("p") permit (principal, action, resource) when { true };'}},
    )
    add(client, store, FORBID, name="name/b/c")
    with pytest.raises(CommandError, match=r"b/c.cedar: cannot be written \(.*\)\. Let this process write there"):
        pull(directory)
    assert texts(directory) == {"a.cedar": PERMIT, "b": "no directory"}


def test_what_a_push_left_is_no_policy_of_a_directory(store, directory, client):
    """It is the push that finishes it."""
    add(client, store, PERMIT, name="name/p--old")
    with pytest.raises(CommandError, match="p--old. Finish it with avp_push"):
        pull(directory)


def test_ids_that_no_file_takes_are_refused(store, directory, client):
    """Nothing is written that could not be read again."""
    add(client, store, '@id("a`b") permit (principal, action, resource);')
    with pytest.raises(CommandError, match="no id has a backtick, and the store has a`b. Rename it there"):
        pull(directory)
    assert not directory.exists()


def test_in_a_directory_an_id_is_of_one_thing(store, directory, client):
    """A store takes one name for a policy and for a template."""
    policy = add(client, store, PERMIT, name="name/x")
    template = client.create_policy_template(
        policyStoreId=store, statement="permit (principal == ?principal, action, resource);", name="name/x"
    )["policyTemplateId"]
    with pytest.raises(CommandError, match=f"{policy} and the template {template} are both known as .x."):
        pull(directory)


def test_what_it_lacks_is_told(store, directory, endpoint, client):
    """Broken files, permissions, the store, statements without an id."""
    with endpoint.failing(Fault("AccessDeniedException")), pytest.raises(CommandError, match="ListPolicyTemplates"):
        pull(directory)
    with pytest.raises(CommandError, match="nowhere: ResourceNotFoundException"):
        pull(directory, "--store=nowhere")
    add(client, store, 'permit (principal, action, resource) when { unknown("x") };', name="name/odd")
    with pytest.raises(CommandError, match="odd:1: .*unknown"):
        pull(directory)
    client.delete_policy(policyStoreId=store, policyId="name/odd")
    directory.mkdir()
    (directory / "a.cedar").write_text("permit (principal, action, resource);")
    with pytest.raises(CommandError, match="a.cedar:1: the policy has no @id"):
        pull(directory)
    (directory / "a.cedar").write_text("permit (principal, action, resource")
    with pytest.raises(CommandError, match="a.cedar:1: "):
        pull(directory)


# There and back


def requests_of(policies, number):
    """Generated requests, and the entities of each."""
    random = Random(number)  # noqa: S311 - no secret
    declared_actions = policies.schema.actions.values()
    actions = sorted((action.uid for action in declared_actions if action.principals), key=str)
    for _ in range(number):
        user, group, photo, album = (f"PhotoFlash::{kind}" for kind in ("User", "Group", "Photo", "Album"))
        owner = {"__entity": {"type": user, "id": random.choice(["ann", "bob"])}}
        albums = {"type": album, "id": random.choice(["studio-drafts", "front-pages", "a"])}
        shared = {"owner": owner, "title": "x", "is_public": random.random() < 0.5}
        attributes = {
            **shared,
            "album": {"__entity": albums},
            "tags": random.sample(["press", "x"], random.randint(0, 2)),
            "created": {"__extn": {"fn": "datetime", "arg": "2026-01-01"}},
        }
        groups = random.sample(["moderators", "contributors", "suspended", "viewers"], random.randint(0, 2))
        everybody = [{"type": group, "id": f"eu-west-1_Photo4mo1|{one}"} for one in groups]
        entities = [
            {"uid": {"type": user, "id": "ann"}, "attrs": {}, "parents": everybody},
            {"uid": albums, "attrs": {**shared, "archived": random.random() < 0.5}, "parents": []},
            {"uid": {"type": photo, "id": "1"}, "attrs": attributes, "parents": [albums]},
        ]
        action = random.choice(actions)
        declared = policies.schema.actions[action]
        resource = random.choice(sorted(declared.resources) or [photo])
        uids = {photo: "1", album: albums["id"]}
        asked = EntityUid(resource, uids.get(resource, "default"))
        yield (
            {"principal": {"type": user, "id": "ann"}, "action": action.as_json(), "resource": asked.as_json()},
            entities,
        )


def test_there_and_back_the_same_policies_decide_the_same(store, directory):
    """The example's, pushed and pulled into an empty folder, on 1,000 generated requests; a second push is empty."""
    push(EXAMPLE)
    pull(directory)
    before, after = load([EXAMPLE]), load([directory])
    assert set(before.statements) == set(after.statements)
    assert push(EXAMPLE)[0].endswith("nothing to do.\n")
    assert push(directory, "--prune")[0].endswith("nothing to do.\n")
    decided = set()
    for request, entities in requests_of(before, 1_000):
        answers = [
            cedarpy.is_authorized(request, one.policy_set, json.dumps(entities), one.schema.handle)
            for one in (before, after)
        ]
        first, second = ((one.decision, sorted(one.diagnostics.reasons)) for one in answers)
        assert first == second
        decided.add(answers[0].decision)
    assert decided == {cedarpy.Decision.Allow, cedarpy.Decision.Deny}


def test_a_site_gets_its_first_policies(store, directory, settings, client):
    """Before the system checks find any, which they miss; what they find of a site is no matter of a push either."""
    settings.AVP_POLICIES = directory
    add(client, store, PERMIT)
    with pytest.raises(SystemCheckError):
        call_command("check")
    assert load_command_class("django_avp", "avp_push").requires_system_checks == ()
    command = load_command_class("django_avp", "avp_pull")
    assert command.requires_system_checks == ()
    call_command(command, "--yes", stdout=StringIO())
    assert len(texts(directory)) == 1


def test_the_directories_of_the_settings_are_the_default(store, directory, tmp_path, settings, client):
    """What is new goes into the first one."""
    second = write(tmp_path / "second", state(PERMIT))
    directory.mkdir()
    settings.AVP_POLICIES = [directory, second]
    call_command("avp_push", "--yes", "--settle=0", stdout=StringIO(), stderr=StringIO())
    add(client, store, FORBID, name="name/f")
    call_command("avp_pull", "--yes", stdout=StringIO())
    assert (set(texts(directory)), set(texts(second))) == ({"f.cedar"}, {"policies.cedar"})


def test_nothing_is_written_beside_a_directory_that_is_missing(store, tmp_path, settings, client):
    """What it has would be written a second time, also if the others are empty; where none is there, one is made."""
    first, second = tmp_path / "first", tmp_path / "second"
    settings.AVP_POLICIES = [first, second]
    add(client, store, PERMIT)
    second.mkdir()
    with pytest.raises(CommandError, match="AVP_POLICIES: .*first is not a directory"):
        call_command("avp_pull", "--yes", stdout=StringIO())
    assert (first.exists(), texts(second)) == (False, {})
    second.rmdir()
    call_command("avp_pull", "--yes", stdout=StringIO())
    assert len(texts(first)) == 1
