"""The test site with the toolbar's own views, and with views that ask in ways of their own."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import include, path
from django.utils.decorators import async_only_middleware
from rest_framework import generics, serializers

from django_avp.decorators import action_required
from django_avp.rest_framework.authentication import CognitoAuthentication
from django_avp.rest_framework.fields import PermittedActionsField
from django_avp.rest_framework.permissions import ActionPermission
from tests import admin_urls, urls
from tests.testapp.models import Photo
from tests.testapp.views import PhotoList, moderate


def is_shown(request: HttpRequest) -> bool:
    """Whether there is a toolbar."""
    return "hidden" not in request.GET


def code(request: HttpRequest) -> HttpResponse:
    """Asks one by one."""
    photo = Photo.objects.first()
    first = request.avp.can("ViewPhoto", photo)
    return HttpResponse(str([first, *(request.avp.can("EditPhoto", photo) for _ in "ab")]))


def again(request: HttpRequest) -> HttpResponse:
    """Asks, forgets and asks."""
    request.avp.can("ListPhotos")
    request.avp.forget()
    request.avp.can("ListPhotos")
    return HttpResponse("again")


def unread(request: HttpRequest) -> HttpResponse:
    """Collects what nobody reads."""
    request.avp.collect("ListPhotos")
    return HttpResponse("unread")


def context(request: HttpRequest) -> HttpResponse:
    """Asks with contexts."""
    request.avp.can("EditPhoto", Photo.objects.first(), context={"mfa": True, "note": "value-of-the-note"})
    return HttpResponse("context")


def shown(request: HttpRequest) -> HttpResponse:
    """Shows a page that is planned before it is rendered."""
    return TemplateResponse(request, "gallery.html", {"object_list": Photo.objects.all()})


def surprising(request: HttpRequest) -> HttpResponse:
    """Shows what planning cannot know."""
    return render(request, "unplanned.html", {"photo": Photo.objects.first()})


def rows(request: HttpRequest, action: str) -> HttpResponse:
    """Lists what is permitted."""
    photos = request.avp.permitted(action, Photo.objects.all(), on_untranslatable="check")
    return HttpResponse(f"<body>{photos.count()}</body>")


async def thread(request: HttpRequest) -> HttpResponse:
    """Asks in a thread, from which no way leads back to this line."""
    return HttpResponse(str(await sync_to_async(request.avp.can)("ListPhotos")))


class PermittedList(PhotoList):
    """Filtered by the policies."""

    permitted_action = "ViewPhoto"


class PhotoSerializer(serializers.ModelSerializer):
    """Tells what may be done."""

    may = PermittedActionsField(actions=["EditPhoto", "DeletePhoto"])

    class Meta:
        model = Photo
        fields = ("pk", "may")


class Photos(generics.ListAPIView):
    """A list of REST framework."""

    authentication_classes = (CognitoAuthentication,)
    permission_classes = (ActionPermission,)
    avp_actions = {"GET": "ListPhotos"}  # noqa: RUF012
    queryset = Photo.objects.order_by("pk")
    serializer_class = PhotoSerializer


@async_only_middleware
def asking(get_response):
    """A middleware that asks in a thread, before it is known which view there is."""

    async def middleware(request):
        await sync_to_async(request.avp.can)("Moderate")
        return await get_response(request)

    return middleware


urlpatterns = [
    *urls.urlpatterns,
    path("code/", code),
    path("again/", again),
    path("unread/", unread),
    path("context/", context),
    path("shown/", action_required("ListPhotos")(shown)),
    path("surprising/", action_required("ListPhotos")(surprising)),
    path("two-gates/", action_required("ListPhotos")(moderate)),
    path("rows/<str:action>/", rows),
    path("thread/", thread),
    path("permitted/", PermittedList.as_view()),
    path("api/", Photos.as_view()),
    path("admin/", admin_urls.staff.urls),
    path("__debug__/", include("debug_toolbar.urls")),
]
