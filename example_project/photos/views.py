"""The pages: each has its gate, and what its template asks is decided together with that."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse_lazy
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.views.generic import CreateView, DeleteView, DetailView, ListView, TemplateView, UpdateView

from django_avp.cedar import EntityUid
from django_avp.decorators import action_required
from django_avp.http import HttpRequest
from django_avp.mixins import ActionRequiredMixin
from example_project.photos.drawing import draw
from example_project.photos.forms import FIRST_SEED, LAST_SEED, PhotoForm, UploadForm
from example_project.photos.models import Album, Photo, data_uri

APPLICATION = EntityUid("Application", "default")


def all_photos() -> QuerySet[Photo]:
    """Photos with everything that pages show and policies read, so that no row costs a query."""
    return Photo.objects.select_related("owner", "album__account", "album__owner").prefetch_related("tags")


def all_albums() -> QuerySet[Album]:
    """Albums with everything that pages show and policies read."""
    return Album.objects.select_related("account", "owner")


class Gallery(ActionRequiredMixin, ListView):  # type: ignore[type-arg]
    """The photos that may be seen, 30 a page: the policies are a part of the query, so that pages are full.

    The gate, two questions about each photo and two about each album are one round.
    """

    request: HttpRequest
    action_required = "ListPhotos"
    permitted_action = "ViewPhoto"
    template_name = "photos/gallery.html"
    context_object_name = "photos"
    paginate_by = 30

    @property
    def words(self) -> str:
        """What is searched for."""
        return self.request.GET.get("q", "").replace("\0", "").strip()

    def get_queryset(self) -> QuerySet[Photo]:
        return all_photos().filter(title__icontains=self.words) if self.words else all_photos()

    @cached_property
    def albums(self) -> list[Album]:
        """The albums of the navigation."""
        return list(all_albums())

    def get_planning_context(self) -> dict[str, Any]:
        """The albums are shown on every page, so what it asks about them joins the gate's round."""
        return {"albums": self.albums}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**self.get_planning_context(), **kwargs)

    @property
    def may_upload(self) -> bool:
        """Whether any album takes an upload, for the menu of those that do."""
        return any(self.request.avp.can("UploadPhoto", album) for album in self.albums)


class AlbumPage(Gallery):
    """The photos of one album."""

    action_required = "ViewAlbum"
    template_name = "photos/album.html"

    @cached_property
    def album(self) -> Album:
        """The album that the address names."""
        return get_object_or_404(all_albums(), slug=self.kwargs["slug"])

    def get_action_resource(self) -> Album:
        return self.album

    def get_queryset(self) -> QuerySet[Photo]:
        return super().get_queryset().filter(album=self.album)

    def get_planning_context(self) -> dict[str, Any]:
        """The album as well."""
        return super().get_planning_context() | {"album": self.album}


class PhotoDetail(ActionRequiredMixin, DetailView):  # type: ignore[type-arg]
    """One photo, large."""

    action_required = "ViewPhoto"
    queryset = all_photos()
    template_name = "photos/detail.html"


class PhotoEdit(ActionRequiredMixin, UpdateView):  # type: ignore[type-arg]
    """Change a photo's title, visibility and tags."""

    action_required = "EditPhoto"
    queryset = all_photos()
    form_class = PhotoForm
    template_name = "photos/edit.html"

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, f"“{form.instance}” is saved.")
        return super().form_valid(form)


class PhotoDelete(ActionRequiredMixin, DeleteView):  # type: ignore[type-arg]
    """Ask once more, then delete a photo."""

    action_required = "DeletePhoto"
    queryset = all_photos()
    success_url = reverse_lazy("photos:gallery")
    template_name = "photos/delete.html"

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, f"“{self.object}” is deleted.")
        return super().form_valid(form)


class PhotoUpload(ActionRequiredMixin, CreateView):  # type: ignore[type-arg]
    """Put a new photo into an album. The album is part of the address: it is what the gate judges."""

    request: HttpRequest
    action_required = "UploadPhoto"
    template_name = "photos/upload.html"
    form_class = UploadForm

    @cached_property
    def albums(self) -> list[Album]:
        """All albums: those that take an upload are offered instead of this one."""
        return list(all_albums())

    def get_action_resource(self) -> Album:
        return self.album

    @cached_property
    def album(self) -> Album:
        """The album that the address names."""
        return get_object_or_404(all_albums(), slug=self.kwargs["slug"])

    def get_planning_context(self) -> dict[str, Any]:
        """The albums to choose from, one of them this one."""
        return {"albums": self.albums, "album": self.album}

    def get_initial(self) -> dict[str, Any]:
        seed = FIRST_SEED + secrets.randbelow(LAST_SEED - FIRST_SEED)
        return {"motif": Photo.Motif.MOUNTAINS, "is_public": self.album.is_public, "seed": seed}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**self.get_planning_context(), **kwargs)
        return context | {"motifs": _previewed(context["form"])}

    def form_valid(self, form: Any) -> HttpResponse:
        form.instance.album = self.album
        form.instance.owner = self.request.user
        messages.success(self.request, f"“{form.instance}” is in the album now.")
        return super().form_valid(form)


def _previewed(form: UploadForm) -> list[tuple[Any, SafeString]]:
    """The buttons of the motifs, each with what it will look like."""
    seed = str(form["seed"].value())
    number = int(seed) if seed.isdecimal() and len(seed) <= len(str(LAST_SEED)) else FIRST_SEED
    return [(button, data_uri(draw(str(button.data["value"]), number))) for button in form["motif"]]


@action_required("ViewPhoto", resource=(Photo, "pk"))
def photo_image(request: HttpRequest, pk: int) -> HttpResponse:
    """The picture itself. Its address is no secret: who asks for it is checked like on any page."""
    photo = get_object_or_404(Photo, pk=pk)
    policy = "default-src 'none'; sandbox"
    return HttpResponse(photo.image, content_type="image/svg+xml", headers={"Content-Security-Policy": policy})


class WhatMayIDo(ActionRequiredMixin, TemplateView):
    """Every action with its decision and the policies that decided, for one photo, its album and the site."""

    request: HttpRequest
    action_required = "ListPhotos"
    template_name = "photos/what.html"
    most = 90

    @cached_property
    def photos(self) -> list[Photo]:
        """The photos to choose from, the newest first."""
        return list(all_photos()[: self.most])

    @cached_property
    def photo(self) -> Photo | None:
        """The chosen photo: the one in the address, else the newest."""
        chosen = self.request.GET.get("photo", "")
        if chosen.isdecimal():
            return get_object_or_404(all_photos(), pk=int(chosen))
        return next(iter(self.photos), None)

    @property
    def questions(self) -> list[tuple[str, Any, str]]:
        """Action, resource and what to call the resource."""
        questions: list[tuple[str, Any, str]] = [("ListPhotos", APPLICATION, "the site")]
        if self.photo is not None:
            album = self.photo.album
            questions += [(action, album, "the album") for action in ("ViewAlbum", "UploadPhoto")]
            questions += [(action, self.photo, "the photo") for action in ("ViewPhoto", "EditPhoto", "DeletePhoto")]
        return questions

    def get_planning_context(self) -> dict[str, Any]:
        """All that the page shows."""
        return {"photo": self.photo, "photos": self.photos, "questions": self.questions}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**self.get_planning_context(), **kwargs)
