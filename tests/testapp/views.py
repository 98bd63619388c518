"""Views of every kind, as a project writes them."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model, login, logout
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.views.decorators.cache import cache_page
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import DetailView, ListView, UpdateView, View

from django_avp.decorators import action_required
from django_avp.mixins import ActionRequiredMixin
from django_avp.shortcuts import arender
from tests.testapp.models import Album, Photo

BUTTONS = ["ViewPhoto", "EditPhoto", "DeletePhoto"]


def open_page(request: HttpRequest) -> HttpResponse:
    """Not gated."""
    return HttpResponse(f"hello {request.user.get_username() or 'nobody'}")


class PhotoList(ActionRequiredMixin, ListView):
    """Gated on the application; nobody names the buttons of its rows."""

    action_required = "ListPhotos"
    paginate_by = 30
    queryset = (
        Photo.objects.select_related("owner", "album__account", "album__owner").prefetch_related("tags").order_by("pk")
    )
    template_name = "gallery.html"


class AsyncPhotoList(PhotoList):
    """The same, async."""

    async def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        return await sync_to_async(super().get)(request, *args, **kwargs)


class AlbumList(ActionRequiredMixin, ListView):
    """Albums, and the photos in each."""

    action_required = "ListPhotos"
    queryset = (
        Album.objects.select_related("owner", "account")
        .prefetch_related(Prefetch("photo_set", PhotoList.queryset))
        .order_by("pk")
    )
    template_name = "albums.html"


class AsyncAlbumList(AlbumList):
    """The same, async."""

    async def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        return await sync_to_async(super().get)(request, *args, **kwargs)


class PhotoDetail(ActionRequiredMixin, DetailView):
    """Gated on its object."""

    action_required = "ViewPhoto"
    model = Photo
    template_name = "photo.html"


class AsyncPhotoPage(PhotoDetail):
    """The same, async."""

    async def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        return await sync_to_async(super().get)(request, *args, **kwargs)


class PhotoUpdate(ActionRequiredMixin, UpdateView):
    """Its form writes on the instance that the gate judged."""

    action_required = "EditPhoto"
    model = Photo
    fields = ("title", "owner")
    template_name = "photo.html"
    success_url = "/open/"


class AsyncPhotoDetail(ActionRequiredMixin, DetailView):
    """An async class-based view."""

    action_required = "ViewPhoto"
    model = Photo

    async def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        photo = self.get_object()
        return JsonResponse({"edit": bool(await request.avp.acan("EditPhoto", photo))})


@action_required("EditPhoto", resource=(Photo, "pk"), also=["DeletePhoto", ("ListPhotos", None)])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """A gated function."""
    photo = get_object_or_404(Photo, pk=pk)
    return JsonResponse({"delete": bool(request.avp.can("DeletePhoto", photo)), "rounds": len(request.avp.rounds)})


async def find_photo(request: HttpRequest, pk: int) -> Photo:
    return await Photo.objects.aget(pk=pk)


@action_required("EditPhoto", resource=find_photo, also=["DeletePhoto"])
async def aedit(request: HttpRequest, pk: int) -> HttpResponse:
    """A gated coroutine function."""
    photo = await Photo.objects.aget(pk=pk)
    decision = await request.avp.acan("DeletePhoto", photo)
    return JsonResponse({"delete": bool(decision), "rounds": len(request.avp.rounds)})


@action_required("EditPhoto", resource=lambda request, pk: get_object_or_404(Photo, pk=pk), raise_404=True)
def hidden(request: HttpRequest, pk: int) -> HttpResponse:
    """Looks as if there were nothing."""
    return HttpResponse("here")


def gallery(request: HttpRequest) -> HttpResponse:
    """Not gated, and rendered in the view."""
    return render(request, "gallery.html", {"object_list": PhotoList.queryset.all()})


async def agallery(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    return await arender(request, "gallery.html", {"object_list": PhotoList.queryset.all()})


def response(request: HttpRequest) -> HttpResponse:
    """Not gated, and rendered by Django."""
    return TemplateResponse(request, "gallery.html", {"object_list": PhotoList.queryset.all()})


def unplanned(request: HttpRequest) -> HttpResponse:
    """Shows what planning cannot know."""
    return render(request, "unplanned.html", {"photo": Photo.objects.first()})


async def aresponse(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    return TemplateResponse(request, "gallery.html", {"object_list": PhotoList.queryset.all()})


@action_required("Moderate")
def moderate(request: HttpRequest) -> HttpResponse:
    """Gated on the application."""
    return HttpResponse("moderating")


@csrf_exempt
def exempt(request: HttpRequest) -> HttpResponse:
    """An API view without Django's CSRF check."""
    return HttpResponse("done")


def plain(request: HttpRequest) -> HttpResponse:
    """A view with Django's CSRF check."""
    return HttpResponse("done")


@cache_page(60)
def cached(request: HttpRequest) -> HttpResponse:
    """A page of decisions that is cached by mistake."""
    return HttpResponse(str(bool(request.avp.can("Moderate"))))


def require(request: HttpRequest, pk: int) -> HttpResponse:
    """Requires in its body."""
    request.avp.require("EditPhoto", get_object_or_404(Photo, pk=pk))
    return HttpResponse("ok")


def boom(request: HttpRequest) -> HttpResponse:
    """Fails."""
    raise RuntimeError("boom")


class SignIn(View):
    """Signs in by a session."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("sign in here")

    def post(self, request: HttpRequest) -> HttpResponse:
        if "out" in request.POST:
            logout(request)
        else:
            user = get_user_model().objects.get(username=request.POST["username"])
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return HttpResponse(str(bool(request.avp.can("ListPhotos"))))


sign_in = SignIn.as_view()
