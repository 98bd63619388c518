"""The API: the same photos, gates and policies as the pages, for programs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import filters, mixins, serializers, viewsets
from rest_framework.routers import APIRootView, DefaultRouter

from django_avp.rest_framework.fields import PermittedActionsField
from django_avp.rest_framework.filters import PermittedFilterBackend
from example_project.photos.forms import FIRST_SEED, LAST_SEED
from example_project.photos.models import Album, Photo, Tag
from example_project.photos.views import all_albums, all_photos


class AlbumSerializer(serializers.ModelSerializer[Album]):
    """An album, and what its reader may do with it."""

    may = PermittedActionsField(actions=["ViewAlbum", "UploadPhoto"])

    class Meta:
        model = Album
        fields = ("slug", "title", "is_public", "archived", "may")


class PhotoSerializer(serializers.ModelSerializer[Photo]):
    """A photo, and what its reader may do with it. Album and owner decide who may do what, so nobody writes them."""

    album = serializers.SlugRelatedField[Album](slug_field="slug", read_only=True)
    owner = serializers.CharField(source="owner.first_name", read_only=True)
    tags = serializers.SlugRelatedField(slug_field="name", many=True, queryset=Tag.objects.all(), required=False)
    may = PermittedActionsField(actions=["ViewPhoto", "EditPhoto", "DeletePhoto"])

    class Meta:
        model = Photo
        fields: tuple[str, ...] = ("id", "title", "album", "owner", "is_public", "tags", "created", "may")
        read_only_fields = ("created",)


class UploadSerializer(PhotoSerializer):
    """A new photo, which has a motif in the place of a file."""

    seed = serializers.IntegerField(min_value=FIRST_SEED, max_value=LAST_SEED, write_only=True)

    class Meta(PhotoSerializer.Meta):
        fields = (*PhotoSerializer.Meta.fields, "motif", "seed")


class Albums(viewsets.ReadOnlyModelViewSet[Album]):
    """The albums that may be seen. Who may open the gallery may list them, so that action is named."""

    avp_actions = {"list": "ListPhotos"}
    filter_backends = (PermittedFilterBackend,)
    serializer_class = AlbumSerializer
    queryset = all_albums()
    lookup_field = "slug"


class Photos(
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    mixins.ListModelMixin,
    viewsets.GenericViewSet[Photo],
):
    """The photos that may be seen. Actions follow from the model: ListPhotos, ViewPhoto, EditPhoto, DeletePhoto."""

    filter_backends = (filters.SearchFilter, PermittedFilterBackend)
    search_fields = ("title",)
    serializer_class = PhotoSerializer
    queryset = all_photos()


class AlbumPhotos(mixins.ListModelMixin, mixins.CreateModelMixin, viewsets.GenericViewSet[Photo]):
    """The photos of one album, which is what is asked about: who may see it, and who may upload to it."""

    avp_actions = {"list": "ViewAlbum", "create": "UploadPhoto"}
    avp_resource = (Album, "album_slug")
    avp_permitted_action = "ViewPhoto"
    filter_backends = (PermittedFilterBackend,)
    serializer_class = UploadSerializer
    queryset = all_photos()

    def get_queryset(self) -> QuerySet[Photo]:
        return super().get_queryset().filter(album__slug=self.kwargs["album_slug"])

    def perform_create(self, serializer: Any) -> None:
        album = Album.objects.get(slug=self.kwargs["album_slug"])
        serializer.save(album=album, owner=self.request.user)


class Root(APIRootView):
    """What there is, for whoever may open the gallery."""

    avp_actions = {"GET": "ListPhotos"}


class Router(DefaultRouter):
    """Routes from ``/api/`` on."""

    APIRootView = Root


router = Router()
router.register("albums", Albums)
router.register("photos", Photos)
router.register("albums/(?P<album_slug>[-a-zA-Z0-9_]+)/photos", AlbumPhotos, basename="album-photos")
