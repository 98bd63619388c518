"""``manage.py avp_schema``: the file that it writes, checks and prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command, execute_from_command_line
from django.core.management.base import SystemCheckError
from django.urls import path

from django_avp import entities
from django_avp.cedar import EntityUid
from django_avp.conf import conf
from django_avp.decorators import action_required
from django_avp.entities import registry
from django_avp.policies import load
from django_avp.schema import Schema


@pytest.fixture
def policies(tmp_path, settings):
    """A copy of the test project's policies."""
    directory = tmp_path / "policies"
    shutil.copytree(Path(conf.policies[0]), directory)
    settings.AVP_POLICIES = directory
    return directory


def run(capsys, *arguments):
    call_command("avp_schema", *arguments, no_color=True)
    return capsys.readouterr().out


def test_what_is_right_is_not_written(policies, capsys):
    """The file of the test project is what it declares, so that it keeps its time of change."""
    schema = policies / "schema.cedarschema"
    os.utime(schema, ns=(1, 1))

    assert "nothing is changed" in run(capsys)
    assert "is what the project declares" in run(capsys, "--check")
    assert schema.stat().st_mtime_ns == 1


def test_what_is_out_of_date_is_shown_and_written(policies, capsys):
    """The check fails with the difference, and the command writes it; a second run changes nothing."""
    schema = policies / "schema.cedarschema"
    right = schema.read_text()
    schema.write_text(right.replace('    "likes": Long,\n', ""))

    with pytest.raises(CommandError, match=r"schema\.cedarschema is not what the project declares. Run manage"):
        call_command("avp_schema", "--check")
    assert "+    likes: Long,\n" in capsys.readouterr().out
    assert "likes" not in schema.read_text()
    assert "is written" in run(capsys)
    assert "    likes: Long,\n" in schema.read_text()
    assert Schema.parse(schema.read_text()).entity_types == Schema.parse(right).entity_types
    assert "nothing is changed" in run(capsys)


@pytest.mark.django_db  # which system checks of Django 6.1 ask
def test_system_checks_do_not_stop_what_mends_them(policies, capsys):
    """They fail where the schema lacks what an entity sends, and the command writes just that."""
    schema = policies / "schema.cedarschema"
    schema.write_text(schema.read_text().replace('    "likes": Long,\n', ""))

    with pytest.raises(SystemCheckError, match="'likes'"):
        call_command("check")
    execute_from_command_line(["manage.py", "avp_schema"])
    assert "    likes: Long,\n" in schema.read_text()


def test_a_schema_is_made_from_nothing(policies, capsys, tmp_path):
    """It declares all that the project declares, and can be printed, or written elsewhere."""
    (policies / "schema.cedarschema").unlink()

    printed = run(capsys, "--print")
    assert not (policies / "schema.cedarschema").exists()
    run(capsys, "--output", str(tmp_path / "new" / "schema.cedarschema"))
    assert (tmp_path / "new" / "schema.cedarschema").read_text() == printed
    run(capsys)
    found = load([policies]).schema
    assert found.entity_types["PhotoFlash::Photo"].shape.attributes.keys() >= {"likes", "meta", "tags"}
    assert found.entity_types["PhotoFlash::Album"].member_of == {"PhotoFlash::Album", "PhotoFlash::Account"}


def test_the_examples_schema_is_what_it_declares(capsys):
    """In a process of its own, as its users run it."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "manage.py", "avp_schema", "--check"],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "example_project.settings"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "is what the project declares" in done.stdout


def test_djangos_own_models_are_resources_under_types_of_their_own(settings, tmp_path, capsys):
    """Users and groups as resources are not the principals of tokens (rule A3); the schema that results validates."""
    settings.AVP_POLICIES, settings.AVP_NAMESPACE = tmp_path, ""
    (tmp_path / "a.cedar").write_text(
        '@id("own") permit (principal is User, action, resource is Account) when { resource.is_staff };'
    )
    models = {
        User: ("Account", ["username", "is_staff", "date_joined", "groups", "user_permissions"], ["groups"]),
        Group: ("Team", ["name", "permissions"], []),
        Permission: ("Permission", ["codename"], []),
    }
    before = [definition.model for definition in registry]
    kept = {model: registry._definitions.pop(model) for model in before}
    try:
        for model, (type_name, attributes, parents) in models.items():
            members = {"type": type_name, "attributes": attributes, "parents": parents}
            registry.register(model)(type("Entity", (entities.ModelEntity,), members))
        settings.ROOT_URLCONF = __name__
        run(capsys)
        policies = load([tmp_path])
    finally:
        registry._definitions.clear()
        registry._definitions.update(kept)

    assert policies.warnings == ()
    assert policies.schema.entity_types["Account"].member_of == {"Team"}
    assert set(policies.schema.entity_types) == {"Account", "Application", "Group", "Permission", "Team", "User"}
    shown = {action.uid.id: action.resources for action in policies.schema.actions.values()}
    assert shown["EditAccount"] == {"Account"}
    assert shown["ListAccounts"] == {"Application"}


def test_settings_and_policies_tell_what_code_does_not(policies, settings, capsys):
    """An anonymous principal's type, no context of access tokens, and what an action is about by its policies."""
    settings.AVP_ANONYMOUS_PRINCIPAL = 'Visitor::"anybody"'
    settings.AVP_TOKEN_USE = ("id",)
    settings.AVP_APPLICATION = 'Account::"all"'
    settings.AVP_PERMISSION_ACTIONS = {
        "x.one": {"object": "One"},
        "x.two": {"object": "Two"},
        "x.three": {"object": "Three"},
        "x.four": {"object": "Four"},
    }
    (policies / "schema.cedarschema").unlink()
    (policies / "more.cedar").write_text(
        'permit (principal, action == PhotoFlash::Action::"One", resource is PhotoFlash::Album);\n'
        'permit (principal, action in [PhotoFlash::Action::"Two"], resource == PhotoFlash::Account::"a");\n'
        'permit (principal, action in PhotoFlash::Action::"Three", resource == ?resource)'
        "when { principal has email_verified && principal.email_verified && context has note };"
    )

    run(capsys)

    schema = load([policies]).schema
    about = {uid.id: {name.rpartition("::")[2] for name in action.resources} for uid, action in schema.actions.items()}
    assert about["One"] == {"Album"}
    assert about["Two"] == {"Account"}
    assert about["Four"] == {"Account", "Album", "Photo"}
    visitor = schema.actions[EntityUid("PhotoFlash::Action", "One")].principals
    assert visitor == {"PhotoFlash::User", "PhotoFlash::Visitor"}
    assert "token" not in schema.actions[EntityUid("PhotoFlash::Action", "One")].context.attributes
    assert "PhotoFlash::Application" not in schema.entity_types
    assert schema.entity_types["PhotoFlash::User"].shape.attributes["email_verified"].type.name == "Bool"


@action_required("EditAccount", resource=(User, "pk"), also=[("ListAccounts", None)])
def edit(request, pk):
    """A view of a user."""


urlpatterns = [path("<int:pk>/", edit)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("schema.cedarschema", "entity A;\nentity B = { a: Strin };\n", r"schema.cedarschema:2: .*Strin[^$]*\^"),
        ("a.cedar", "permit (principal, action, resource)\nwhen { resource. };", r"a.cedar:2: .*[^$]*\^"),
        ("schema.cedarschema", b"\xff", "cannot be read as UTF-8"),
    ],
)
def test_what_is_broken_is_told_with_its_place(settings, tmp_path, name, text, message):
    """File, line, and a caret below the column; nothing is written."""
    settings.AVP_POLICIES = tmp_path
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(CommandError, match=message):
        call_command("avp_schema")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_cannot_be_declared_or_written_is_told(settings, tmp_path, policies):
    """A directory that is missing, one that cannot be written, and the name of an action that is none."""
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("avp_schema", "--output", str(policies / "photos.cedar" / "schema.cedarschema"))
    settings.AVP_PERMISSION_ACTIONS = {"photos.change_photo": 'Action::"Edit'}
    with pytest.raises(CommandError, match="is not an entity id"):
        call_command("avp_schema")
    settings.AVP_POLICIES, settings.BASE_DIR = [], tmp_path
    with pytest.raises(CommandError, match=r"There is no directory for schema.cedarschema. Name it in AVP_POLICIES"):
        call_command("avp_schema")


@pytest.mark.parametrize("option", ["--check", "--print", "--output=elsewhere", None])
def test_nothing_is_written_beside_a_directory_that_is_missing(policies, settings, tmp_path, monkeypatch, option):
    """It may have the schema, or policies that tell what is declared."""
    monkeypatch.chdir(tmp_path)
    settings.AVP_POLICIES = [tmp_path / "gone", policies]

    with pytest.raises(CommandError, match="AVP_POLICIES: .*gone is not a directory"):
        call_command("avp_schema", *filter(None, [option]))

    assert list(tmp_path.iterdir()) == [policies]


@pytest.mark.parametrize("option", ["--check", "--print", None])
def test_a_link_to_nowhere_is_told(policies, option):
    """It may have led to the schema; in CI it is a message, and no traceback."""
    (policies / "more").symlink_to("nowhere")

    with pytest.raises(CommandError, match="policies/more: leads nowhere that this process may read"):
        call_command("avp_schema", *filter(None, [option]))


def test_a_site_gets_its_first_schema(settings, tmp_path, capsys):
    """Where no directory is there yet, the first one is made."""
    settings.AVP_POLICIES = [tmp_path / "first", tmp_path / "second"]

    assert "is written" in run(capsys)
    assert (tmp_path / "first" / "schema.cedarschema").is_file()
    assert not (tmp_path / "second").exists()
