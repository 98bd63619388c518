"""What clients are told: 401, 403 and 503 from anywhere in a view, with codes, and with policies where that is on."""

from __future__ import annotations

import pytest
from django.db import connection
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.settings import APISettings
from rest_framework.test import APIClient
from rest_framework.views import APIView

from django_avp.exceptions import PolicyError
from django_avp.rest_framework.views import exception_handler
from django_avp.runtime import runtime
from tests.rest_framework import api
from tests.rest_framework.support import Unreachable
from tests.testapp.models import Photo


class Requiring(APIView):
    """Requires in its body."""

    authentication_classes = api.Gated.authentication_classes
    permission_classes = (AllowAny,)
    settings = APISettings({"EXCEPTION_HANDLER": "django_avp.rest_framework.views.exception_handler"})

    def get(self, request, pk):
        """The photo's title."""
        photo = Photo.objects.get(pk=pk)
        request.avp.require("EditPhoto", photo)
        return Response({"title": photo.title})

    def put(self, request, pk):
        """Write, then require."""
        Photo.objects.filter(pk=pk).update(title="taken over")
        return self.get(request, pk)

    def post(self, request, pk):
        """Find broken policies."""
        raise PolicyError("photos.cedar:1: broken")


def test_what_is_required_in_a_view_is_answered_like_its_gate(request_of, photo):
    """The owner is let in; the refused, nobody, and an engine that is down are 403, 401 and 503."""
    view = Requiring.as_view()
    assert view(request_of("ann"), pk=photo.pk).data == {"title": "dawn"}
    refused = view(request_of("bob"), pk=photo.pk)
    assert (refused.status_code, refused.data) == (
        403,
        {"detail": "EditPhoto is not permitted.", "code": "forbidden"},
    )
    nobody = view(request_of(None), pk=photo.pk)
    assert (nobody.status_code, nobody.data["code"], nobody["WWW-Authenticate"]) == (401, "unidentified", "Bearer")
    with runtime.use_engine(Unreachable()):
        down = view(request_of("ann"), pk=photo.pk)
    assert (down.status_code, down.data["code"], down["Retry-After"]) == (503, "unavailable", "5")


def test_without_an_authenticator_nobody_is_403(request_of, photo):
    """As REST framework has it: there is no challenge to send."""
    view = type("View", (Requiring,), {"authentication_classes": ()}).as_view()
    assert view(request_of(None), pk=photo.pk).status_code == 403


def test_what_is_not_about_access_is_an_error(request_of, photo):
    """Broken policies are not the client's business."""
    with pytest.raises(PolicyError):
        Requiring.as_view()(request_of("ann", "post"), pk=photo.pk)


@pytest.mark.django_db(transaction=True)
def test_what_a_refused_view_wrote_is_taken_back(request_of, photo, settings):
    """With ``ATOMIC_REQUESTS``, as for every exception of REST framework."""
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        settings.ROOT_URLCONF = "tests.rest_framework.test_views"
        client = APIClient()
        assert client.put(f"/{photo.pk}/").status_code == 401
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    photo.refresh_from_db()
    assert photo.title == "dawn"


def test_every_error_of_one_reason_has_a_code(request_of):
    """REST framework's own too; what is wrong with several fields has none of its own."""
    settings = APISettings({"EXCEPTION_HANDLER": "django_avp.rest_framework.views.exception_handler"})
    view = type("View", (api.PhotoDetail,), {"settings": settings}).as_view()
    assert view(request_of("ann"), pk=7).data["code"] == "not_found"
    assert view(request_of("ann", "post"), pk=7).data["code"] == "method_not_allowed"
    created = type("View", (api.PhotoList,), {"settings": settings, "permission_classes": (AllowAny,)}).as_view()
    assert "code" not in created(request_of("ann", "post", {"title": "x" * 200}), pk=7).data
    assert exception_handler(RuntimeError(), {"view": view, "request": request_of("ann")}) is None


@pytest.mark.parametrize("shown", [False, True])
def test_policies_are_told_where_that_is_on(make_api, request_of, photo, settings, shown):
    """By the gate of an API, from within a view, and by the gates of pages, to programs."""
    settings.AVP_SHOW_POLICIES = shown
    sam = make_api("ann", "suspended")
    expected = ["suspended"] if shown else None
    assert sam.put(f"/api/photos/{photo.pk}/", {"title": "x"}, format="json").json().get("policies") == expected
    assert sam.get(f"/api/either/{photo.pk}/").status_code == 200
    refused = Requiring.as_view()(request_of("bob"), pk=photo.pk)
    assert refused.data.get("policies") == ([] if shown else None)
    settings.ROOT_URLCONF = "tests.urls"
    assert sam.get(f"/photos/{photo.pk}/edit/").json().get("policies") == expected


def test_a_function_view_may_have_a_gate(make_api, photo, settings):
    """Above ``api_view`` or below it."""
    settings.ROOT_URLCONF = "tests.rest_framework.functions"
    for address in ("above", "below"):
        assert make_api("ann").get(f"/{address}/{photo.pk}/").status_code == 200
        assert make_api("bob").get(f"/{address}/{photo.pk}/").status_code == 403
        assert APIClient().get(f"/{address}/{photo.pk}/").status_code == (401 if address == "above" else 403)


urlpatterns = [path("<int:pk>/", Requiring.as_view())]
