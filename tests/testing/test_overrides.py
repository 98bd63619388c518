"""Decisions for a block: what they change, what they leave, and that lists agree."""

from __future__ import annotations

import asyncio
from itertools import product
from pathlib import Path
from threading import Thread

import pytest
from django.core.exceptions import PermissionDenied

from django_avp.authorization import Authorization
from django_avp.cedar import INVALID, Cause, EntityUid, Verdict
from django_avp.engines.cedar import CedarEngine
from django_avp.exceptions import UntranslatablePolicyError
from django_avp.runtime import runtime
from django_avp.testing import avp_allow, avp_deny
from tests.conftest import POOL
from tests.engines.support import write
from tests.filtering.conftest import Fixed, parsed
from tests.site_engines import BrokenEngine, CountingEngine, RemoteEngine
from tests.testapp.models import Account, Album, Photo

pytestmark = pytest.mark.django_db

ACTIONS = ["ViewPhoto", "EditPhoto", "DeletePhoto"]


class RemoteCounting(RemoteEngine):
    """Waits for somebody, as far as it says."""

    is_in_process = False


@pytest.fixture
def photos(user, photo):
    """Ann's photo, bob's public one, and one of the archive."""
    archive = Album.objects.create(title="old", account=Account.objects.create(name="Archive", slug="archive"))
    Photo.objects.create(title="noon", owner=user("bob"), is_public=True)
    Photo.objects.create(title="dusk", owner=user("ann"), album=archive)
    return Photo.objects.order_by("pk")


def listed(identity, action, photos):
    return set(Authorization(identity).permitted(action, photos))


def allowed(identity, action, photos):
    authorization = Authorization(identity)
    return {photo for photo in photos if authorization.can(action, photo)}


def test_an_override_decides_for_a_block(avp_identity, photo, avp_allow):
    """What matches is decided and says by whom; before and after, the policies decide."""
    bob = avp_identity("bob")

    with avp_allow("EditPhoto", photo):
        decision = Authorization(bob).can("EditPhoto", photo)
        assert not Authorization(bob).can("DeletePhoto", photo)

    assert (decision.verdict, decision.determining_policies) == (Verdict.PERMITTED, ("avp_allow",))
    assert not Authorization(bob).can("EditPhoto", photo)


def test_a_denial_is_a_forbid(avp_identity, photo, settings, avp_deny):
    """So no other authentication backend grants what was denied."""
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "EditPhoto"}
    ann = avp_identity("ann")

    with avp_deny("EditPhoto"):
        decision = Authorization(ann).can("EditPhoto", photo)
        assert not Authorization(ann).user.has_perm("testapp.change_photo", photo)
        with pytest.raises(PermissionDenied):
            Authorization(ann).require("EditPhoto", photo)

    assert (decision.verdict, decision.determining_policies) == (Verdict.FORBIDDEN, ("avp_deny",))


def test_an_override_may_be_about_one_principal(avp_identity, photo):
    """Named by ``sub``, by entity id, or by an identity."""
    bob, eve = avp_identity("bob"), avp_identity("eve")

    for principal in ("bob", EntityUid("User", f"{POOL}|bob"), bob):
        with avp_allow("EditPhoto", EntityUid("Photo", str(photo.pk)), principal):
            assert Authorization(bob).can("EditPhoto", photo)
            assert not Authorization(eve).can("EditPhoto", photo)


def test_the_innermost_override_decides(avp_identity, photo):
    """Whatever the others say, in either order; the others decide what it does not match."""
    ann, bob = avp_identity("ann"), avp_identity("bob")

    with avp_deny("EditPhoto"), avp_allow("EditPhoto", principal="bob"):
        assert Authorization(bob).can("EditPhoto", photo)
        assert not Authorization(ann).can("EditPhoto", photo)
    with avp_allow("EditPhoto", principal="bob"), avp_deny("EditPhoto"):
        assert not Authorization(bob).can("EditPhoto", photo)


def test_an_override_holds_in_all_threads(avp_identity, settings):
    """A live server answers in another one."""
    settings.AVP_USER_MODE = "token"
    bob, decisions = avp_identity("bob"), []

    with avp_allow("Moderate"):
        thread = Thread(target=lambda: decisions.append(Authorization(bob).can("Moderate")))
        thread.start()
        thread.join()

    assert [bool(decision) for decision in decisions] == [True]


@pytest.mark.django_db(transaction=True)
def test_a_task_sees_overrides(avp_identity, photo):
    """``acan`` is decided as ``can`` is, in part by the override and in part by the policies."""
    bob = avp_identity("bob")

    async def ask():
        authorization = Authorization(bob)
        for action in ACTIONS:
            authorization.collect(action, photo)
        return [bool(await authorization.acan(action, photo)) for action in ACTIONS]

    with avp_allow("EditPhoto"):
        assert asyncio.run(ask()) == [False, True, False]
    with avp_allow("ViewPhoto"), avp_allow("EditPhoto"), avp_allow("DeletePhoto"):
        assert asyncio.run(ask()) == [True, True, True]


def test_what_overrides_decide_is_not_asked(avp_identity, photo):
    """The engine is asked for the rest, and not at all if nothing is left."""
    with runtime.use_engine(CountingEngine()) as engine, avp_allow("EditPhoto"):
        authorization = Authorization(avp_identity("bob"))
        authorization.collect(["EditPhoto", "ViewPhoto"], photo)
        assert authorization.can("EditPhoto", photo)
        assert [check.action.id for check in engine.batches[0].checks] == ["ViewPhoto"]

        assert Authorization(avp_identity("bob")).can("EditPhoto", photo)
        assert len(engine.batches) == 1


@pytest.mark.django_db(transaction=True)
def test_an_engine_that_is_down_stops_only_the_rest(avp_identity, photo):
    """What is decided beforehand is decided; the others are unavailable, as without overrides."""
    bob = avp_identity("bob")

    async def ask(authorization):
        return await authorization.acan("EditPhoto", photo), await authorization.acan("ViewPhoto", photo)

    class Down(BrokenEngine):
        async def adecide(self, batch):
            return self.decide(batch)

    with runtime.use_engine(Down()), avp_allow("EditPhoto"):
        for read in (
            lambda avp: (avp.can("EditPhoto", photo), avp.can("ViewPhoto", photo)),
            lambda avp: asyncio.run(ask(avp)),
        ):
            authorization = Authorization(bob)
            authorization.collect(["EditPhoto", "ViewPhoto"], photo)
            edit, view = read(authorization)
            assert edit
            assert view.cause is Cause.UNAVAILABLE
        alone = Authorization(bob).can("ViewPhoto", photo)
        assert alone.cause is Cause.UNAVAILABLE
        assert asyncio.run(ask(Authorization(bob)))[1].cause is Cause.UNAVAILABLE


def test_policies_that_cannot_be_read_do_not_stop_overrides(avp_identity, photo, settings):
    """A page whose checks are all decided beforehand needs no policy store."""
    settings.AVP_ENGINE = "django_avp.engines.synced.SyncedEngine"
    settings.AVP_POLICY_STORE_ID = "PSEXAMPLEabcdefg111111"
    settings.AVP_CLIENT_OPTIONS = {"endpoint_url": "http://127.0.0.1:9", "region_name": "eu-west-1"}
    settings.AVP_CLIENT_OPTIONS |= {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    runtime.reset()

    with avp_allow("EditPhoto"):
        assert Authorization(avp_identity("bob")).can("EditPhoto", photo)
        assert Authorization(avp_identity("bob")).can("ViewPhoto", photo).cause is Cause.UNAVAILABLE
    runtime.engine.close()


def test_a_question_that_the_schema_does_not_have_stays_undecided(avp_identity, photo):
    """An action that does not apply to a resource is as wrong as without the override."""
    with avp_allow("EditPhoto"):
        decision = Authorization(avp_identity("ann")).can("EditPhoto", EntityUid("Application", "default"))

    assert decision.verdict is Verdict.UNDECIDED


def test_the_unidentified_and_the_inactive_are_not_let_in(avp_identity, photo, user):
    """Overrides take the place of policies, not of tokens."""
    inactive = user("ina")
    inactive.is_active = False
    inactive.save()

    with avp_allow("EditPhoto"):
        assert not Authorization(None).can("EditPhoto", photo)
        assert Authorization(avp_identity("ina")).can("EditPhoto", photo).cause is Cause.INACTIVE


def test_c10_overrides_let_nobody_in_whom_the_store_does_not_take(avp_identity, photos):
    """Single checks and lists agree about that, too."""

    class Closed(CedarEngine):
        def accepts(self, store, identity):
            return False

        def decide(self, batch):
            return [INVALID for check in batch.checks]

    with runtime.use_engine(Closed()), avp_allow("EditPhoto"):
        assert allowed(avp_identity("ann"), "EditPhoto", photos) == set()
        assert listed(avp_identity("ann"), "EditPhoto", photos) == set()


def test_a_misspelt_override_is_refused(photo, settings, tmp_path):
    """One that matches nothing would prove nothing; without a schema nobody can tell."""
    with pytest.raises(ValueError, match=r'avp_allow: the schema has no PhotoFlash::Action::"EditFoto"'):
        avp_allow("EditFoto").__enter__()
    with pytest.raises(TypeError, match="A resource is a registered model instance, an EntityUid or None, not a str"):
        avp_allow("EditPhoto", "Photo").__enter__()
    with pytest.raises(TypeError, match="A principal is a sub, an EntityUid, an Identity or None, not a int"):
        avp_deny("EditPhoto", principal=7).__enter__()

    settings.AVP_POLICIES = write(tmp_path, "permit (principal, action, resource);", schema=None)
    with avp_allow("EditFoto"):
        assert runtime.engine.overrides


def test_a_store_of_each_tenant_is_not_asked_for_its_actions(avp_identity, photo, settings):
    """Which store decides is known in a request only."""
    settings.AVP_POLICY_STORE_ID = lambda request: "PSEXAMPLEabcdefg111111"

    with avp_allow("EditFoto"):
        assert Authorization(avp_identity("ann"), store="PSEXAMPLEabcdefg111111").can("EditPhoto", photo)


# Lists

OVERRIDES = [
    (),
    ((avp_allow, {}),),
    ((avp_deny, {}),),
    ((avp_allow, {"principal": "bob"}),),
    ((avp_deny, {"principal": "bob"}),),
    ((avp_allow, {"resource": 0}),),
    ((avp_deny, {"resource": 1}),),
    ((avp_allow, {"resource": 2}),),
    ((avp_deny, {}), (avp_allow, {"resource": 2}), (avp_deny, {"resource": 2, "principal": "bob"})),
    ((avp_allow, {}), (avp_deny, {"resource": 0}), (avp_allow, {"principal": "ann"})),
    ((avp_allow, {"resource": 0}), (avp_allow, {"resource": 1}), (avp_allow, {"resource": 2})),
]


SCHEMA = Path(__file__).parents[1] / "policies" / "schema.cedarschema"
# Permits, a forbid, and one that cannot be evaluated about rows without a title.
POLICIES = """
@id("owner") permit (principal, action, resource is PhotoFlash::Photo) when { resource.owner == principal };
@id("moderators") permit (
  principal in PhotoFlash::Group::"eu-west-1_AbCdEf123|moderators", action == PhotoFlash::Action::"EditPhoto", resource
);
@id("archived") forbid (
  principal, action == PhotoFlash::Action::"EditPhoto", resource in PhotoFlash::Account::"archive"
);
@id("titled") permit (principal, action, resource is PhotoFlash::Photo) when { resource.title == "noon" };
"""


@pytest.mark.parametrize("overrides", OVERRIDES)
def test_lists_agree_with_single_checks(avp_identity, photos, overrides, settings, tmp_path):
    """For actions and principals of every kind, the rows of one query are those that single checks allow."""
    settings.AVP_POLICIES = write(tmp_path, POLICIES, schema=SCHEMA.read_text())
    settings.AVP_MAX_DEPTH = 2  # conditions are as long as hierarchies may be deep
    identities = [avp_identity("ann"), avp_identity("bob"), avp_identity("mia", groups=["moderators"])]

    def entered(rest):
        if rest:
            (function, arguments), *others = rest
            row = arguments.get("resource")
            given = {**arguments, "resource": None if row is None else photos[row]}
            with function("EditPhoto", **given):
                return entered(others)
        return {
            (action, identity.principal.id): (listed(identity, action, photos), allowed(identity, action, photos))
            for action, identity in product(["ViewPhoto", "EditPhoto"], identities)
        }

    for question, (rows, single) in entered(overrides).items():
        assert rows == single, question


def test_lists_are_one_query_under_overrides(avp_identity, photos, django_assert_num_queries):
    """They are not decided row by row; conditions are kept as without overrides."""
    with avp_allow("EditPhoto", photos[1], principal="ann"):
        authorization = Authorization(avp_identity("ann"))
        authorization.permitted("EditPhoto", photos)
        with django_assert_num_queries(1):
            assert len(authorization.permitted("EditPhoto", photos)) == 2
        assert authorization.rounds == []


def test_a_policy_that_fails_to_evaluate_does_not_undo_an_override(avp_identity, photos, settings):
    """It is not asked about what is overridden, also where an erring forbid denies."""
    settings.AVP_ON_POLICY_ERROR = "forbids"
    ann = avp_identity("ann")
    text = '@id("old") forbid (principal, action, resource) when { resource.title == "x" && resource.likes < 0 };'
    Photo.objects.update(title=None)

    with runtime.use_engine(Fixed(parsed(text))):
        assert not allowed(ann, "EditPhoto", photos)
        with avp_allow("EditPhoto"):
            assert listed(ann, "EditPhoto", photos) == allowed(ann, "EditPhoto", photos) == set(photos)


def test_lists_of_an_engine_that_names_another_for_them_agree(avp_identity, photos):
    """A remote engine's lists are filtered by the policies that the other knows, with the overrides among them."""
    with runtime.use_engine(RemoteCounting()), avp_allow("EditPhoto", principal="bob"):
        bob = avp_identity("bob")
        assert listed(bob, "EditPhoto", photos) == allowed(bob, "EditPhoto", photos) == set(photos)
        assert not runtime.engine.is_in_process
        batch = CountingEngine()
        with runtime.use_engine(batch):
            allowed(bob, "EditPhoto", photos)
        assert runtime.lists_engine.decide(batch.batches[0])[0]
        assert asyncio.run(runtime.lists_engine.adecide(batch.batches[0]))[0]


def test_lists_of_policies_that_nobody_knows_are_refused(avp_identity, photos):
    """As without overrides; decided row by row they agree."""

    class Opaque:
        is_in_process = True

        def decide(self, batch):
            return CedarEngine().decide(batch)

    with runtime.use_engine(Opaque()), avp_allow("EditPhoto", photos[1]):
        ann = Authorization(avp_identity("ann"))
        with pytest.raises(UntranslatablePolicyError):
            ann.permitted("EditPhoto", photos)
        rows = ann.permitted("EditPhoto", photos, on_untranslatable="check")
        assert set(rows) == allowed(avp_identity("ann"), "EditPhoto", photos)
        assert photos[1] in rows


def test_lists_of_a_policy_store_agree(avp_server, avp_identity, photos):
    """The rows of the synced copy of a store are those that the endpoint allows, templates and links included."""
    synced = runtime.lists_engine
    synced.store("local").read()

    with avp_allow("EditPhoto", principal="bob"), avp_deny("EditPhoto", photos[0]):
        for sub in ("ann", "bob"):
            identity = avp_identity(sub)
            assert listed(identity, "EditPhoto", photos) == allowed(identity, "EditPhoto", photos)
    synced.close()
