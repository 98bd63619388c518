"""An API in a site: views that have to declare themselves, and what ``manage.py check`` finds in it."""

from __future__ import annotations

import sys

import pytest
from django.core import checks
from django.urls import path
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from django_avp.rest_framework.fields import PermittedActionsField
from django_avp.rest_framework.permissions import ActionPermission
from tests.rest_framework import api

REQUIRED = "django_avp.middleware.AuthorizationRequiredMiddleware"
AUTHENTICATION = "django_avp.rest_framework.authentication.CognitoAuthentication"


class MisspeltSerializer(api.PhotoSerializer):
    """Names an action that is not there."""

    may = PermittedActionsField(actions=["EditPoto"])


class AlbumsMisspelt(serializers.Serializer):
    """Has it nested in it."""

    photos = MisspeltSerializer(many=True)


class Misspelt(api.PhotoViewSet):
    """Derives one action too many, names one wrongly, and forgets one."""

    avp_actions = {"list": "ListPotos"}
    serializer_class = AlbumsMisspelt
    queryset = api.AlbumViewSet.queryset


class Mixed(api.PhotoViewSet):
    """One of its routes is for everybody."""

    permission_classes = (IsAuthenticated,)

    @action(detail=False, permission_classes=[AllowAny & ActionPermission])
    def gated(self, request):
        """Has a gate of its own."""
        return Response("gated")


def view_of(*permissions):
    """A view with permission classes."""
    return type("View", (api.Report,), {"permission_classes": permissions}).as_view()


router = SimpleRouter()
router.register("misspelt", Misspelt, "misspelt")
router.register("mixed", Mixed, "mixed")
urlpatterns = [
    *router.urls,
    path("gated/", view_of(ActionPermission)),
    path("composed/", view_of(AllowAny & ~(~ActionPermission))),
    path("open/", view_of(AllowAny)),
    path("none/", view_of()),
]


@pytest.fixture(autouse=True)
def site(site, api_site):
    """Its URLs, in a site that is strict."""
    site.ROOT_URLCONF = "tests.rest_framework.test_site"
    site.MIDDLEWARE = [*site.MIDDLEWARE, REQUIRED]
    return site


@pytest.mark.parametrize(
    ("address", "status"),
    [("gated", 200), ("composed", 200), ("mixed/gated", 200), ("open", 403), ("none", 403), ("mixed", 403)],
)
def test_d5_a_view_is_declared_by_its_permission(make_api, address, status):
    """Composed or not, of the view or of one of its routes; other permissions are none of ours."""
    Mixed.avp_actions = {"gated": "ListPhotos"}
    response = make_api("ann").get(f"/{address}/")
    assert response.status_code == status
    if status == 403:
        assert response.json()["detail"] == "This page declares no authorization."


def found(identifier):
    """What the checks say, by the place."""
    return {message.msg.partition(": ")[0]: message for message in checks.run_checks() if message.id == identifier}


def test_misspelt_actions_are_found():
    """In mappings, in what is derived, and in serializers, with the nearest name."""
    place = "tests.rest_framework.test_site.Misspelt"
    messages = found("django_avp.E025")
    assert {where for where in messages if where.startswith(place)} == {
        f"{place}.{route}" for route in ("list", "create", "destroy", "photos.may")
    }
    assert messages[f"{place}.list"].hint == "Did you mean 'ListPhotos'?"
    assert messages[f"{place}.photos.may"].hint == "Did you mean 'EditPhoto'?"


def test_what_is_mapped_to_nothing_is_found():
    """Each route once, of views that have the gate."""
    places = {message.msg.partition(" ")[0] for message in checks.run_checks() if message.id == "django_avp.W035"}
    own = "tests.rest_framework.test_site."
    assert {f"{own}Misspelt.publish", f"{own}Misspelt.forgotten", f"{own}View.DELETE"} <= places
    assert not any(place.startswith(f"{own}Mixed.") and place != f"{own}Mixed.gated" for place in places)


def test_an_api_alone_needs_no_middleware(site):
    """Where everything is authenticated by ``CognitoAuthentication``, the middleware is not missed."""
    site.MIDDLEWARE = []
    assert checks.run_checks()
    assert any(message.id == "django_avp.E010" for message in checks.run_checks())
    site.REST_FRAMEWORK = {**site.REST_FRAMEWORK, "DEFAULT_AUTHENTICATION_CLASSES": [AUTHENTICATION]}
    assert not any(message.id == "django_avp.E010" for message in checks.run_checks())


def test_extensions_are_left_out_where_drf_spectacular_is_not_installed(site, monkeypatch):
    """The app starts without what nobody asked for."""
    module = "django_avp.rest_framework.openapi"
    monkeypatch.delitem(sys.modules, module)

    site.INSTALLED_APPS = [name for name in site.INSTALLED_APPS if name != "drf_spectacular"]

    assert module not in sys.modules
