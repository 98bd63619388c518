"""Views of every kind, as a project writes them."""

from __future__ import annotations

from django.contrib.auth import get_user_model, login, logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_page
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import DetailView, ListView, UpdateView, View

from django_avp.decorators import action_required
from django_avp.mixins import ActionRequiredMixin
from tests.testapp.models import Photo

BUTTONS = ["ViewPhoto", "EditPhoto", "DeletePhoto"]


def open_page(request: HttpRequest) -> HttpResponse:
    """Not gated."""
    return HttpResponse(f"hello {request.user.get_username() or 'nobody'}")


class PhotoList(ActionRequiredMixin, ListView):
    """Gated on the application; its buttons join the gate's round."""

    action_required = "ListPhotos"
    queryset = (
        Photo.objects.select_related("owner", "album__account", "album__owner").prefetch_related("tags").order_by("pk")
    )
    template_name = "gallery.html"

    def get_queryset(self):
        if not hasattr(self, "rows"):
            self.rows = super().get_queryset()
        return self.rows

    def get_also_checks(self):
        return [(action, list(self.get_queryset())) for action in BUTTONS]


class PhotoDetail(ActionRequiredMixin, DetailView):
    """Gated on its object."""

    action_required = "ViewPhoto"
    model = Photo
    template_name = "photo.html"


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
    """Collects, then renders."""
    photos = list(PhotoList.queryset.all())
    request.avp.collect(BUTTONS, photos)
    return render(request, "gallery.html", {"object_list": photos})


async def agallery(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    photos = [photo async for photo in PhotoList.queryset.all()]
    request.avp.collect(BUTTONS, photos)
    await request.avp.adecide()
    return render(request, "gallery.html", {"object_list": photos})


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
