"""``user.has_perm``: which permissions are asked, and what the answers mean to Django."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.context_processors import PermWrapper
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.exceptions import PermissionDenied
from django.template import Context, Template

from django_avp.authorization import Authorization
from django_avp.backends import VerifiedPermissionsBackend
from django_avp.cedar import EntityUid
from django_avp.runtime import runtime
from tests.site_engines import BrokenEngine
from tests.testapp.models import Note, Photo

pytestmark = pytest.mark.django_db

ACTIONS = {
    "testapp.change_photo": "EditPhoto",
    "testapp.delete_photo": {"object": "DeletePhoto", "model": "Moderate"},
    "testapp.view_photo": {"object": "ViewPhoto"},
    "auth.view_user": "Moderate",
}


@pytest.fixture(autouse=True)
def mapped(settings):
    """Map Django's permissions to actions."""
    settings.AVP_PERMISSION_ACTIONS = ACTIONS


def grant(user, codename):
    user.user_permissions.add(Permission.objects.get(codename=codename, content_type__app_label="testapp"))


def test_a_mapped_permission_is_decided_on_the_object(authorize, photo):
    """Cedar's answer is Django's."""
    assert authorize("ann").user.has_perm("testapp.change_photo", photo)
    assert not authorize("bob").user.has_perm("testapp.change_photo", photo)


def test_object_and_model_may_be_different_actions(authorize, photo):
    """Deleting one photo is not deleting any."""
    moderator = authorize("mona", "moderators").user

    assert moderator.has_perm("testapp.delete_photo")
    assert authorize("ann").user.has_perm("testapp.delete_photo", photo)
    assert not authorize("ann").user.has_perm("testapp.delete_photo")
    assert not moderator.has_perm("testapp.view_photo")


def test_a_permission_that_is_an_action_is_asked(authorize, photo):
    """A name that the schema knows needs no mapping."""
    moderator = authorize("mona", "moderators").user

    assert moderator.has_perm("photos.publish_photo", photo)
    assert moderator.has_perm("photos.publish_photo")
    assert moderator.has_perm("Moderate", EntityUid("Photo", str(photo.pk)))


@pytest.mark.parametrize(
    ("perm", "resource"),
    [
        ("testapp.add_photo", None),
        ("testapp.add_photo", "photo"),
        ("testapp.change_photo", None),
        ("ViewAlbum", "photo"),
        ("testapp.change_photo", "note"),
        ("testapp.change_photo", "unsaved"),
        ("testapp.change_photo", "unsaved with a key"),
        ("testapp.change_photo", "deleted"),
        ("testapp.change_photo", "text"),
    ],
)
def test_what_is_not_ours_is_not_asked(authorize, photo, engine, perm, resource):
    """Unknown names, other resource types, unregistered models and things that are no rows: no call."""
    resources = {"photo": photo, "note": Note.objects.create(), "text": "x", None: None}
    resources |= {"unsaved": Photo(), "unsaved with a key": Photo(pk=photo.pk), "deleted": Photo.objects.create()}
    resources["deleted"].delete()

    assert not authorize("ann").user.has_perm(perm, resources[resource])
    assert not engine.batches


def test_without_a_schema_only_mapped_permissions_are_asked(authorize, photo, settings, tmp_path):
    """Nobody tells which names are actions."""
    (tmp_path / "a.cedar").write_text("permit (principal, action, resource);")
    settings.AVP_POLICIES = tmp_path
    user = authorize("bob").user

    assert user.has_perm("testapp.change_photo", photo)
    assert not user.has_perm("photos.publish_photo", photo)


def test_a_default_deny_lets_others_grant(authorize, photo, settings):
    """False is an abstention: Django's own permissions still count."""
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "Moderate"}
    bob = authorize("bob").user
    grant(bob, "change_photo")

    assert bob.has_perm("testapp.change_photo")


def test_a_forbid_stops_all_others(authorize, settings):
    """An explicit forbid is final, whatever the tables say."""
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "Moderate"}
    bob = authorize("bob", "suspended").user
    grant(bob, "change_photo")

    assert not bob.has_perm("testapp.change_photo")
    with pytest.raises(PermissionDenied):
        VerifiedPermissionsBackend().has_perm(bob, "testapp.change_photo")


def test_no_decision_is_final_too(authorize, settings):
    """An engine that is down must not turn a forbid into an abstention."""
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "Moderate"}
    bob = authorize("bob").user
    grant(bob, "change_photo")

    with runtime.use_engine(BrokenEngine()):
        assert not bob.has_perm("testapp.change_photo")


def test_staff_keep_what_is_not_ours_when_the_engine_is_down(authorize):
    """Unmapped permissions are left to Django's tables."""
    bob = authorize("bob").user
    grant(bob, "add_photo")

    with runtime.use_engine(BrokenEngine()):
        assert bob.has_perm("testapp.add_photo")


def test_users_without_a_token_are_left_to_others(user, engine):
    """No identity, no question."""
    backend = VerifiedPermissionsBackend()

    assert not backend.has_perm(user("ann"), "testapp.change_photo")
    assert not backend.has_perm(AnonymousUser(), "testapp.change_photo")
    assert backend.get_all_permissions(user("ann")) == set()
    assert not engine.batches


@pytest.mark.parametrize("who", ["a user", "nobody"])
def test_users_without_a_token_have_no_permission_of_the_visitors(authorize, user, photo, settings, who):
    """What ``AVP_ANONYMOUS_PRINCIPAL`` may is told by ``request.avp``, and is nobody's permission."""
    settings.AVP_ANONYMOUS_PRINCIPAL = str(authorize("ann").identity.principal)
    visitor, backend = Authorization(None), VerifiedPermissionsBackend()
    assert visitor.can("EditPhoto", photo)

    asked = user("bob") if who == "a user" else AnonymousUser()
    asked.avp = visitor
    assert not backend.has_perm(asked, "testapp.change_photo", photo)
    assert not async_to_sync(backend.ahas_perm)(asked, "testapp.change_photo", photo)
    assert backend.get_all_permissions(asked, photo) == set()
    assert not backend.has_module_perms(asked, "testapp")


def test_all_permissions_are_decided_in_one_round(authorize, photo, engine):
    """The set is what the policies permit of what is mapped."""
    assert authorize("ann").user.get_all_permissions(photo) == {
        "testapp.change_photo",
        "testapp.delete_photo",
        "testapp.view_photo",
    }
    assert len(engine.batches) == 1
    assert authorize("mona", "moderators").user.get_all_permissions() == {"testapp.delete_photo", "auth.view_user"}


def test_all_permissions_never_raise(authorize, photo):
    """Django does not catch there: a forbid and an engine that is down are just fewer permissions."""
    assert authorize("mona", "moderators", "suspended").user.get_all_permissions() == set()
    with runtime.use_engine(BrokenEngine()):
        assert authorize("ann").user.get_all_permissions(photo) == set()


def test_a_forbid_takes_nothing_out_of_what_other_backends_list(authorize, settings):
    """Django joins what they say; only ``has_perm`` stops at the forbid, as the documentation tells."""
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "Moderate"}
    bob = authorize("bob", "suspended").user
    grant(bob, "change_photo")

    assert not bob.has_perm("testapp.change_photo")
    assert bob.get_all_permissions() == {"testapp.change_photo"}
    assert bob.has_module_perms("testapp")


@pytest.mark.parametrize("thing", ["text", 5, Photo(), Photo(pk=1), object()])
def test_things_that_are_no_rows_have_no_permissions(authorize, thing):
    """Whatever Django is handed: no error, and none on the application in its place."""
    ann = authorize("mona", "moderators").user

    assert ann.get_all_permissions(thing) == async_to_sync(ann.aget_all_permissions)(thing) == set()
    assert not ann.has_perm("testapp.delete_photo", thing)


def test_policies_do_not_tell_users_from_groups(authorize, photo):
    """Where a permission is from is the tables' to say; whom the policies permit it is not known without a token."""
    ann = authorize("ann").user
    grant(ann, "add_photo")
    backend = "django_avp.backends.VerifiedPermissionsBackend"

    assert ann.get_user_permissions() == async_to_sync(ann.aget_user_permissions)() == {"testapp.add_photo"}
    assert ann.get_user_permissions(photo) == ann.get_group_permissions(photo) == set()
    assert ann.get_group_permissions() == async_to_sync(ann.aget_group_permissions)() == set()
    assert not get_user_model().objects.with_perm("testapp.change_photo", backend=backend, obj=photo)


def test_several_permissions_are_each_decided(authorize, photo, engine):
    """All of them are needed; together in one round if they were collected, each in its own if not."""
    ann = authorize("ann").user
    both = ["testapp.change_photo", "testapp.delete_photo"]

    assert ann.has_perms(both, photo)
    assert async_to_sync(ann.ahas_perms)(both, photo)
    assert len(engine.batches) == 2
    assert not ann.has_perms([*both, "testapp.add_photo"], photo)
    bob = authorize("bob").user
    bob.avp.collect(["EditPhoto", "DeletePhoto"], photo)
    assert not bob.has_perms(both, photo)
    assert not async_to_sync(bob.ahas_perms)(both, photo)
    assert len(engine.batches) == 3


def test_perms_in_templates_are_the_policies_answers(authorize):
    """``{{ perms }}`` asks without an object, so of the application; all of a module in one round."""
    mona, ann = authorize("mona", "moderators").user, authorize("ann").user
    text = "{% if perms.testapp %}{{ perms.testapp.delete_photo }} {{ perms.testapp.change_photo }}{% endif %}"
    template = Template(text + "{% if 'auth.view_user' in perms %} users{% endif %}")

    assert template.render(Context({"perms": PermWrapper(mona)})) == "True False users"
    assert template.render(Context({"perms": PermWrapper(ann)})) == ""
    assert len(mona.avp.rounds) == 1


def test_stateless_users_answer_as_rows_do(authorize, photo, settings):
    """``AVP_USER_MODE = "token"``: every method that a user has, sync and async."""
    settings.AVP_USER_MODE = "token"
    mona = authorize("mona", "moderators").user

    assert mona.get_all_permissions() == {"testapp.delete_photo", "auth.view_user"}
    assert async_to_sync(mona.aget_all_permissions)() == {"testapp.delete_photo", "auth.view_user"}
    assert mona.get_user_permissions() == mona.get_group_permissions() == set()
    assert mona.has_module_perms("auth")
    assert async_to_sync(mona.ahas_module_perms)("auth")
    assert mona.has_perms(["testapp.delete_photo", "auth.view_user"])
    assert async_to_sync(mona.ahas_perms)(["testapp.delete_photo", "auth.view_user"])
    assert not mona.has_perm("testapp.change_photo", photo)
    assert not async_to_sync(mona.ahas_perm)("testapp.change_photo", photo)


def test_the_deactivated_have_no_permissions(authorize, photo):
    """None of the policies' either, and no error (rule B6)."""
    ann = authorize("ann").user
    ann.is_active = False

    assert ann.get_all_permissions(photo) == async_to_sync(ann.aget_all_permissions)(photo) == set()
    assert not ann.has_perm("testapp.change_photo", photo)
    assert not ann.has_module_perms("testapp")


def test_a_module_is_seen_with_any_of_its_permissions(authorize):
    """The admin's index asks this."""
    moderator = authorize("mona", "moderators").user

    assert moderator.has_module_perms("testapp")
    assert moderator.has_module_perms("auth")
    assert not moderator.has_module_perms("sites")
    assert not authorize("ann").user.has_module_perms("testapp")


def test_the_async_twins_answer_the_same(authorize, photo, user):
    """ahas_perm and the others do not fall back to Django's defaults, which would not ask for an object."""

    async def signed_in(*args):
        return await (await sync_to_async(authorize)(*args)).auser()

    async def scenario():
        ann, mona = await signed_in("ann"), await signed_in("mona", "moderators")
        suspended = await signed_in("bob", "suspended")
        nobody = await sync_to_async(user)("nobody")
        backend = VerifiedPermissionsBackend()

        assert await ann.ahas_perm("testapp.change_photo", photo)
        assert not await mona.ahas_perm("testapp.change_photo", photo)
        assert not await ann.ahas_perm("testapp.add_photo", photo)
        assert await mona.ahas_module_perms("auth")
        assert not await ann.ahas_module_perms("auth")
        assert "testapp.delete_photo" in await ann.aget_all_permissions(photo)
        assert not await backend.ahas_perm(nobody, "testapp.change_photo", photo)
        assert await backend.aget_all_permissions(nobody) == set()
        assert not await backend.ahas_module_perms(nobody, "auth")
        with pytest.raises(PermissionDenied):
            await backend.ahas_perm(suspended, "testapp.change_photo", photo)

    async_to_sync(scenario)()


def test_the_backend_identifies_nobody():
    """Signing in is not its business."""
    backend = VerifiedPermissionsBackend()

    assert backend.authenticate(None, username="ann", password="x") is None
    assert backend.get_user(1) is None
