"""The test site with a sign-in."""

from __future__ import annotations

from django.contrib.auth import logout
from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from django_avp.decorators import action_required


def me(request):
    """Who asks, and why nobody does."""
    identity, fault = request.avp.identity, request.avp.fault
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse(
        {
            "principal": identity and identity.principal.id,
            "fault": fault and fault.code,
            "visits": request.session["visits"],
        }
    )


async def ame(request):
    """The same, to be awaited."""
    identity, fault = request.avp.identity, request.avp.fault
    return JsonResponse({"principal": identity and identity.principal.id, "fault": fault and fault.code})


def leave(request):
    """Another way out: Django's own."""
    logout(request)
    return HttpResponse("gone")


@action_required("ListPhotos")
def gated(request):
    """A page behind a gate."""
    return HttpResponse("in")


urlpatterns = [
    path("", include("django_avp.signin.urls")),
    path("me/", me),
    path("ame/", ame),
    path("leave/", leave),
    path("gated/", gated),
    path("", include("tests.urls")),
]
