"""Rules B of docs/rules.md: what an answer means."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.template import RequestContext, Template

from django_avp.backends import VerifiedPermissionsBackend
from django_avp.cedar import Cause, Decision, Verdict
from django_avp.runtime import runtime
from tests.site_engines import BrokenEngine, CountingEngine
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db

TAG = '{% load avp %}{% can "EditPhoto" photo %}yes{% endcan %}'


@pytest.fixture
def superuser(user):
    """ann may do everything in Django."""
    ann = user("ann")
    ann.is_superuser = ann.is_staff = True
    ann.save()
    return ann


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.PERMITTED])
def test_b1_only_permitted_is_true(verdict):
    """Every other verdict denies, and a text that looks like one does too."""
    assert Decision(Verdict.PERMITTED)
    assert not Decision(verdict)
    assert not Decision("ALLOW")
    assert not Decision(True)


def test_b1_the_four_verdicts_are_told_apart(authorize, photo):
    """A forbid, nothing that matched, and no answer are three denials."""
    assert authorize("ann").can("EditPhoto", photo).verdict == "permitted"
    assert authorize("ann", "suspended").can("EditPhoto", photo).verdict == "forbidden"
    assert authorize("bob").can("EditPhoto", photo).verdict == "not_permitted"
    with runtime.use_engine(BrokenEngine()):
        assert authorize("ann").can("EditPhoto", photo).verdict == "undecided"


@pytest.mark.parametrize(
    ("setting", "verdict"), [("ignore", "permitted"), ("forbids", "forbidden"), ("any", "forbidden")]
)
def test_b2_an_erroring_forbid_denies_where_it_is_asked_to(authorize, photo, settings, tmp_path, setting, verdict):
    """Cedar skips a forbid that errors; a site may choose not to."""
    (tmp_path / "a.cedar").write_text(
        '@id("all") permit (principal, action, resource);'
        '@id("broken") forbid (principal, action, resource) when { principal.missing };'
    )
    settings.AVP_POLICIES = tmp_path
    settings.AVP_ON_POLICY_ERROR = setting
    decision = authorize("ann").can("EditPhoto", photo)

    assert decision.verdict == verdict
    assert decision.errors == ("broken",)


def test_b3_a_decision_that_was_not_awaited_is_not_true(authorize, photo):
    """`if request.avp.acan(…)` is an error and no allow."""
    answer = authorize("ann").acan("EditPhoto", photo)

    with pytest.raises(TypeError, match="await"):
        bool(answer)


def test_b3_the_twin_is_the_same_decision(authorize, photo):
    """Awaited, it is what can() answers."""
    authorization = authorize("ann")
    _ = authorization.user

    async def scenario():
        return await authorization.acan("EditPhoto", photo)

    assert async_to_sync(scenario)() == authorization.can("EditPhoto", photo)


def test_b4_a_superuser_is_not_let_through(make_client, superuser, photo):
    """Gates, tags and request.avp ask the policies, which know no superuser; has_perm is Django's."""
    Photo.objects.filter(pk=photo.pk).update(owner=None)
    client = make_client("ann")

    assert client.get(f"/photos/{photo.pk}/edit/").status_code == 403
    request = client.get("/open/").wsgi_request
    photo.refresh_from_db()
    assert not request.avp.can("EditPhoto", photo)
    assert Template(TAG).render(RequestContext(request, {"photo": photo})) == ""
    assert request.user.has_perm("testapp.change_photo", photo)


def test_b4_has_perm_adds_what_django_adds_and_nothing_after_a_forbid(authorize, photo, settings):
    """Another backend may grant what no policy permits; after a forbid none is asked. Superusers pass before any."""
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "Moderate"}
    free, suspended = authorize("bob").user, authorize("ann", "suspended").user
    for user in (free, suspended):
        user.user_permissions.add(Permission.objects.get(codename="change_photo"))

    assert free.has_perm("testapp.change_photo")
    assert not suspended.has_perm("testapp.change_photo")
    suspended.is_superuser = True
    assert suspended.has_perm("testapp.change_photo")


def test_b5_the_backend_asks_only_what_it_should(authorize, photo, settings):
    """Mapped permissions and the schema's own actions; all else abstains without a call."""
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "EditPhoto"}
    with runtime.use_engine(CountingEngine()) as engine:
        ann = authorize("ann").user
        assert not ann.has_perm("testapp.add_photo", photo)
        assert not ann.has_perm("testapp.add_photo")
        assert not ann.has_perm("ViewAlbum", photo)
        assert not engine.batches
        assert ann.has_perm("testapp.change_photo", photo)
        assert ann.has_perm("EditPhoto", photo)
        assert len(engine.batches) == 1


def test_b5_without_an_identity_the_backend_abstains(user):
    """Staff who sign in by a password keep their admin."""
    with runtime.use_engine(BrokenEngine()):
        assert VerifiedPermissionsBackend().has_perm(user("ann"), "EditPhoto") is False


def test_b5_permissions_never_raise(authorize, photo, settings):
    """Django does not catch in get_all_permissions."""
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "EditPhoto"}
    with runtime.use_engine(BrokenEngine()):
        assert authorize("ann").user.get_all_permissions(photo) == set()
    assert authorize("ann").user.get_all_permissions(photo) == {"testapp.change_photo"}


def test_b6_a_deactivated_user_does_not_pass_on_a_living_token(make_client, authorize, photo, user, settings):
    """The token cannot be called back, the row can be switched off."""
    client = make_client("ann")
    assert client.get(f"/photos/{photo.pk}/edit/").status_code == 200
    get_user_model().objects.update(is_active=False)

    assert client.get(f"/photos/{photo.pk}/edit/").status_code == 403
    assert client.get("/open/").content == b"hello nobody", "nor a view that asks only who is signed in"
    assert authorize("ann").can("EditPhoto", photo).cause is Cause.INACTIVE
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "EditPhoto"}
    with pytest.raises(PermissionDenied):
        VerifiedPermissionsBackend().has_perm(authorize("ann").user, "testapp.change_photo", photo)


def test_b6_costs_one_query_and_can_be_switched_off(make_client, photo, settings, django_assert_num_queries):
    """Where a site has no use for it; token mode has no row to ask."""
    get_user_model().objects.update(is_active=False)
    client = make_client("ann")
    with django_assert_num_queries(1):
        assert client.get("/cached/").content == b"False"

    settings.AVP_REQUIRE_ACTIVE_USER = False
    assert client.get(f"/photos/{photo.pk}/edit/").status_code == 200
    assert client.get("/open/").content != b"hello nobody"


def test_b6_a_token_without_a_user_does_not_pass(make_client, photo, settings):
    """A resolver that finds nobody denies."""
    settings.AVP_USER_RESOLVER = lambda identity: None

    response = make_client("ann").get(f"/photos/{photo.pk}/edit/")
    assert response.status_code == 403
    assert response.wsgi_request.user.is_anonymous
