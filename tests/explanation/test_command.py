"""``manage.py avp_explain``: questions from a shell, answers for people and programs."""

from __future__ import annotations

import io
import json
import sys
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection

from django_avp.entities import ModelEntity
from django_avp.runtime import runtime
from django_avp.testing.endpoint import Endpoint, PolicyStore
from tests.conftest import POOL
from tests.engines.test_verified_permissions import OPTIONS, TYPES
from tests.explanation.engines import deciding
from tests.filtering.conftest import registered
from tests.testapp.models import Document

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("patient_caches")]

NS = "PhotoFlash::"
ALL = "permit (principal, action, resource);\n"


def explain(*words, code=0, **options):
    """What the command prints, and the code that it ends with."""
    out = StringIO()
    try:
        call_command("avp_explain", *words, stdout=out, **options)
        ended = 0
    except SystemExit as end:
        ended = end.code
    assert ended == code
    return out.getvalue()


def wrong(*words, **options):
    """What the command says to a question that is none; nothing is asked."""
    with pytest.raises(CommandError) as caught:
        call_command("avp_explain", *words, **options)
    assert caught.value.returncode == 2
    return str(caught.value)


def form(*words, **options):
    """The JSON answer."""
    return json.loads(explain(*words, format="json", **options))


@pytest.fixture
def named(photo):
    """A photo of ann's, as the command takes it."""
    return f"testapp.Photo:{photo.pk}"


# One decision


def test_the_exit_code_is_the_answer(named):
    """0 allowed, 1 denied, 3 undecided; --quiet prints nothing else."""
    assert explain("ann", "EditPhoto", named).startswith("ALLOWED (permitted)\n")
    assert explain("bob", "EditPhoto", named, code=1).startswith("DENIED (not permitted: no permit applies)\n")
    assert "Did you mean" in explain("ann", "EditFoto", named, code=3)
    assert explain("ann", "EditPhoto", named, quiet=True) == ""
    assert explain("bob", "EditPhoto", named, quiet=True, code=1) == ""


def test_the_text_is_what_the_shell_shows(named, photo, authorize):
    """The same explanation as ``request.avp.explain``."""
    assert explain("bob", "EditPhoto", named, code=1) == f"{authorize('bob').explain('EditPhoto', photo)}\n"


def test_json_is_the_explanations(named, photo, authorize):
    """The same values as ``as_json``."""
    found = form("bob", "EditPhoto", named, code=1)

    assert found == authorize("bob").explain("EditPhoto", photo).as_json()
    assert found["allowed"] is False


def test_colours_are_for_terminals(named):
    """Unless they are asked for."""
    assert "\x1b[" not in explain("ann", "EditPhoto", named)
    assert "\x1b[32;1mALLOWED" in explain("ann", "EditPhoto", named, force_color=True)


@pytest.mark.parametrize("name", ["ann", f"{POOL}|ann", f'User::"{POOL}|ann"', f'PhotoFlash::User::"{POOL}|ann"'])
def test_a_user_is_named_by_sub_principal_id_or_entity_id(named, name):
    """All of them are one."""
    assert form(name, "EditPhoto", named)["principal"] == f'{NS}User::"{POOL}|ann"'


def test_other_principals_are_named_by_entity_id(photo, settings):
    """They have no pool, and no user."""
    settings.AVP_REQUIRE_ACTIVE_USER = False
    found = form('Visitor::"x"', "ViewPhoto", f'Photo::"{photo.pk}"', code=1)
    assert (found["principal"], found["groups"]) == (f'{NS}Visitor::"x"', [])
    found = form('User::"x"', "ViewPhoto", f'Photo::"{photo.pk}"', group=["staff"], code=1)
    assert found["groups"] == [f'{NS}Group::"staff"']


@pytest.mark.parametrize("group", ["moderators", f"{POOL}|moderators", f'Group::"{POOL}|moderators"'])
def test_groups_are_named_as_in_the_pool_or_as_in_policies(named, group):
    """And those of the claims come with them."""
    found = form("bob", "DeletePhoto", named, group=[group], claims='{"cognito:groups": ["staff"]}')

    assert found["groups"] == [f'{NS}Group::"{POOL}|staff"', f'{NS}Group::"{POOL}|moderators"']
    assert found["determining_policies"] == ["moderators"]


def test_claims_are_attributes_or_context(named, tmp_path, monkeypatch):
    """An ID token's are the principal's, an access token's the context's; they come as words, files or input."""
    found = form("bob", "EditPhoto", named, claims='{"email": "b"}', access_claims='{"scope": "photos/write"}')
    assert found["context"] == {"token": {"scope": ["photos/write"]}}
    assert found["determining_policies"] == ["scope"]
    file = tmp_path / "claims.json"
    file.write_text('{"email": "b", "sub": "bob"}')
    assert found["entities"] == form("bob", "EditPhoto", named, claims_file=str(file), code=1)["entities"]
    assert {"email": "b"} in [entity["attrs"] for entity in found["entities"]]
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"email": "c"}'))
    found = form("bob", "EditPhoto", named, claims_file="-", code=1)
    assert {"email": "c"} in [entity["attrs"] for entity in found["entities"]]


def test_tokens_are_verified_and_never_shown(named, mint, tmp_path):
    """One token, or a pair; what is in them decides."""
    file = tmp_path / "token"
    token = mint.id_token("ann", groups=["moderators"])
    access = mint.access_token("ann", groups=["moderators"], scope="photos/write")
    file.write_text(token)
    text = explain("EditPhoto", named, token_file=str(file))
    assert f'{NS}Group::"{POOL}|moderators"' in text
    file.write_text(f"{token}\n{access}\n")
    found = explain("EditPhoto", named, token_file=str(file), format="json")
    assert json.loads(found)["context"]["token"]["scope"] == ["photos/write"]
    for secret in (token, access, token.rpartition(".")[2]):
        assert secret not in text + found
    file.write_text(mint.id_token("ann", expires_in=-5))
    assert "expired" in wrong("EditPhoto", named, token_file=str(file))
    file.write_text(f"{token}\n{mint.id_token('bob')}")
    assert wrong("EditPhoto", named, token_file=str(file)).startswith("The two tokens are of one kind.")
    file.write_text(" ")
    assert wrong("EditPhoto", named, token_file=str(file)).startswith("Give one token")


def test_a_context_and_a_store_belong_to_the_question(named, settings):
    """The store is needed where a callable names it."""
    settings.AVP_POLICY_STORE_ID = lambda request: "of a request"
    assert "Name the store" in wrong("bob", "EditPhoto", named)
    found = form("bob", "EditPhoto", named, context='{"mfa": true}', store="x")
    assert found["determining_policies"] == ["mfa-preview"]


def test_the_application_is_asked_about_without_a_resource(db):
    """As in ``can``."""
    assert form("ann", "ListPhotos")["resource"] == f'{NS}Application::"default"'


def test_nobody_is_made_because_somebody_asked(named, settings):
    """Not in the database, and not where there is none."""
    before = get_user_model().objects.count()
    explain("zoe", "EditPhoto", named, code=1)
    explain("zoe", what=True)
    assert get_user_model().objects.count() == before
    settings.AVP_USER_MODE = "token"
    explain("zoe", "EditPhoto", named, code=1)


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        ([], {}, "Say who asks"),
        (["", "ListPhotos"], {}, "Say who asks"),
        (["ann", "EditPhoto"], {"context": "[" * 100_000}, "--context takes a JSON object"),
        (["ann"], {}, "The words are: [USER] ACTION [RESOURCE]."),
        (["ann", "EditPhoto", "testapp.Photo:1", "more"], {}, "The words are"),
        ([], {"who": True}, "The words are: --who ACTION [RESOURCE]."),
        (["ann", "testapp.Photo:1", "more"], {"what": True}, "The words are: --what [USER] [RESOURCE]."),
        (["ann", "EditPhoto", "photo 1"], {}, "'photo 1' is no resource."),
        (["ann", "EditPhoto", "testapp.Foto:1"], {}, "'testapp.Foto:1' is no resource."),
        (["ann", "EditPhoto", "testapp.Photo:77"], {}, "There is no testapp.Photo with the key '77'."),
        (["ann", "EditPhoto", "testapp.Photo:x"], {}, "There is no testapp.Photo with the key 'x'."),
        (["ann", "EditPhoto", "testapp.Document:x"], {}, "There is no testapp.Document with the key 'x'."),
        (["ann", "EditPhoto", 'Photo::"1'], {}, "is not an entity id"),
        (['User::"ann', "EditPhoto"], {}, "is not an entity id"),
        (["ann", "EditPhoto"], {"claims": "{secret"}, "--claims takes a JSON object"),
        (["ann", "EditPhoto"], {"context": "[1]"}, "--context takes a JSON object"),
        (["ann", "EditPhoto"], {"context": '{"note": 1.5}'}, "Cedar has no float"),
        (["ann", "EditPhoto"], {"context": '{"token": {}}'}, '"token" is reserved'),
        (["ann", "EditPhoto"], {"claims": '{"sub": "bob"}'}, "The claims have another sub than USER."),
        (["ann", "EditPhoto"], {"claims": '{"cognito:groups": 1}'}, "The groups claim is not a list of names."),
        (["ann", "EditPhoto"], {"claims_file": "/nowhere"}, "/nowhere cannot be read (FileNotFoundError)."),
        (["EditPhoto"], {"token_file": "/nowhere"}, "/nowhere cannot be read (FileNotFoundError)."),
        (['Visitor::"x"', "ViewPhoto"], {"claims": '{"email": "secret"}'}, "has no claims"),
        (['User::"x"', "ViewPhoto"], {"access_claims": '{"scope": "secret"}'}, "has no claims"),
        (["ViewFoto"], {"who": True}, "Did you mean"),
        (["ViewPhoto"], {"who": True, "quiet": True}, "--quiet is for one decision"),
        (["ann"], {"what": True, "quiet": True}, "--quiet is for one decision"),
        (["ViewPhoto"], {"who": True, "group": ["a"], "claims": "{}"}, "leave out --group, --claims."),
        (["ViewPhoto"], {"who": True, "token_file": "/nowhere"}, "leave out --token-file."),
        (["ViewPhoto"], {"token_file": "/nowhere", "access_claims": "{}"}, "leave out --access-claims."),
    ],
)
def test_wrong_use_is_told_with_the_cure(words, options, message):
    """With an exit code of its own, and without a claim."""
    found = wrong(*words, **options)

    assert message in found
    assert "secret" not in found


class Unreadable(ModelEntity):
    """Asks a table that is not there."""

    def attribute_kind(self, instance):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM nowhere")


def test_a_database_that_cannot_be_asked_is_no_denial(db):
    """Who expects a denial of a program must not find one there."""
    document = Document.objects.create()
    seen = 'permit (principal, action, resource) when { resource.kind == "x" };'
    told = pytest.raises(CommandError, match=r"Nothing could be decided \(OperationalError\)")
    with registered({Document: Unreadable}), deciding(seen), told as caught:
        call_command("avp_explain", "ann", "View", f"testapp.Document:{document.pk}")
    assert caught.value.returncode == 3


def test_an_instance_that_no_entity_is_registered_for_is_told(db):
    """With the lines that register it."""
    get_user_model().objects.create(username="x")
    assert "@entities.register(User)" in wrong("ann", "EditPhoto", f"auth.User:{get_user_model().objects.get().pk}")


# Who, and what


def test_who_may_is_told_as_text_and_json(named):
    """Without anybody who asks."""
    assert f'  {NS}User::"{POOL}|ann" (permit owner, ' in explain("ViewPhoto", named, who=True)
    assert form("ViewPhoto", named, who=True)["grants"][0]["id"] == "owner"


def test_what_somebody_may_is_decided_in_one_round(named, engine):
    """Every action that the schema has for the types, with its verdict and the policies that decided."""
    text = explain("ann", named, what=True)

    assert len(engine.batches) == 1
    assert f'{NS}Action::"EditPhoto"             permitted      owner\n' in text
    assert f'{NS}Action::"Moderate"              not permitted\n' in text
    assert form("ann", named, what=True)[0] == {
        "action": f'{NS}Action::"DeletePhoto"',
        "allowed": True,
        "verdict": "permitted",
        "determining_policies": ["owner"],
    }


def test_what_somebody_may_without_a_resource_is_about_the_application(db):
    """And a type that no action applies to has none."""
    assert [item["action"] for item in form("ann", what=True)] == [
        f'{NS}Action::"ListPhotos"',
        f'{NS}Action::"Moderate"',
        f'{NS}Action::"photos.publish_photo"',
    ]
    assert explain("ann", 'Group::"x"', what=True) == "No action applies to such a principal and resource.\n"


# Engines


@pytest.mark.parametrize("name", ["synced.SyncedEngine", "verified_permissions.VerifiedPermissionsEngine"])
def test_a_store_is_read_before_it_is_asked_about(photo, mint, settings, tmp_path, name):
    """Nothing else in so young a process would have; where it cannot be read, the error of the engine says so."""
    with deciding(f'@id("all") {ALL}') as policies:
        store = PolicyStore.holding(
            policies, policy_store_id="PSEXAMPLEabcdefg111111", pool=POOL, client_ids=["client-1"], **TYPES
        )
    settings.AVP_ENGINE = f"django_avp.engines.{name}"
    settings.AVP_POLICY_STORE_ID = "PSEXAMPLEabcdefg111111"
    runtime.reset()
    file = tmp_path / "token"
    file.write_text(mint.id_token("ann"))
    with Endpoint([store], jwks=mint.jwks) as endpoint:
        settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
        found = form("EditPhoto", f"testapp.Photo:{photo.pk}", token_file=str(file))
        assert (found["policies"][0]["outcome"], found["policies"][0]["determining"]) == ("applies", True)
        assert (found["allowed"], found["notes"]) == (True, [])
        runtime.lists_engine.close()
    runtime.reset()
    # Another one: what was read of the first is shared with other workers, and may be so a moment later.
    settings.AVP_POLICY_STORE_ID = "PSEXAMPLEabcdefg222222"
    err = StringIO()
    text = explain("ann", "EditPhoto", f"testapp.Photo:{photo.pk}", code=3, stderr=err)
    assert "was not read yet" in text or "The engine did not answer." in text
    assert "The policy store could not be read (" in err.getvalue()
    runtime.lists_engine.close()
    settings.AVP_POLICY_STORE_ID = None
    assert "AVP_POLICY_STORE_ID is missing" in wrong("ann", "EditPhoto", f"testapp.Photo:{photo.pk}")
