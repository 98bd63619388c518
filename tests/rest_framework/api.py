"""An API of photos and albums, as a project writes it; ``api.urlpatterns`` are its URLs."""

from __future__ import annotations

from django.urls import include, path
from rest_framework import generics, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from django_avp.rest_framework.authentication import CognitoAuthentication
from django_avp.rest_framework.fields import PermittedActionsField
from django_avp.rest_framework.filters import PermittedFilterBackend
from django_avp.rest_framework.permissions import ActionPermission
from tests.testapp.models import Album, Photo

BUTTONS = ["ViewPhoto", "EditPhoto", "DeletePhoto"]
# With all that the entities of tests/testapp/entities.py are made of.
PHOTOS = (
    Photo.objects.select_related("owner", "album__account", "album__owner")
    .prefetch_related("tags", "viewers", "comments__author")
    .order_by("pk")
)


class PhotoSerializer(serializers.ModelSerializer):
    """A photo, and what may be done with it."""

    may = PermittedActionsField(actions=BUTTONS)

    class Meta:
        model = Photo
        fields = ("id", "title", "is_public", "may")


class PlainSerializer(serializers.ModelSerializer):
    """A photo alone."""

    class Meta:
        model = Photo
        fields = ("id", "title", "is_public")


class AlbumSerializer(serializers.ModelSerializer):
    """An album with its photos, and what may be done with all of them."""

    may = PermittedActionsField(actions=["EditAlbum"])
    photos = PhotoSerializer(many=True, source="photo_set", read_only=True)

    class Meta:
        model = Album
        fields = ("id", "title", "may", "photos")


class Pages(PageNumberPagination):
    """Pages of 30."""

    page_size = 30


class Gated:
    """What every view of this API has."""

    authentication_classes = (CognitoAuthentication,)
    permission_classes = (ActionPermission,)


class PhotoViewSet(Gated, viewsets.ModelViewSet):
    """Everything derived from the model, and one route more."""

    queryset = PHOTOS
    serializer_class = PhotoSerializer
    pagination_class = Pages
    avp_actions = {"publish": "PublishPhoto"}

    fetched = 0

    def get_object(self):
        """Count how often the object is fetched."""
        type(self).fetched += 1
        return super().get_object()

    @action(detail=True, methods=["post"])
    def publish(self, request, pk):
        """An extra route about an object."""
        photo = self.get_object()
        photo.is_public = True
        photo.save()
        return Response({"published": photo.pk})

    @action(detail=True)
    def forgotten(self, request, pk):
        """An extra route that nobody mapped."""
        return Response("never")


class VisiblePhotos(PhotoViewSet):
    """The same, of what may be seen."""

    filter_backends = (PermittedFilterBackend,)


class AlbumPhotos(PhotoViewSet):
    """Photos of an album, which decides about lists and new photos."""

    avp_resource = (Album, "album_pk")

    def get_queryset(self):
        """Those of the album."""
        return PHOTOS.filter(album=self.kwargs["album_pk"])

    def perform_create(self, serializer):
        """A new photo belongs to the album."""
        serializer.save(album_id=self.kwargs["album_pk"], owner=self.request.user)


class AlbumViewSet(Gated, viewsets.ReadOnlyModelViewSet):
    """Albums, with what is nested in them."""

    queryset = Album.objects.select_related("owner", "account").order_by("pk")
    serializer_class = AlbumSerializer


class PhotoList(Gated, generics.ListCreateAPIView):
    """A generic view without a router."""

    queryset = PHOTOS
    serializer_class = PlainSerializer


class PhotoDetail(Gated, generics.RetrieveUpdateDestroyAPIView):
    """Another."""

    queryset = PHOTOS
    serializer_class = PhotoSerializer


class Report(Gated, APIView):
    """A plain view, by method."""

    avp_actions = {"GET": "ListPhotos", "POST": "CreatePhoto"}

    def get(self, request):
        """How many there are."""
        return Response({"photos": Photo.objects.count()})

    def post(self, request):
        """Nothing."""
        return Response({"done": True})

    def delete(self, request):
        """Not mapped."""
        return Response({"done": True})


class Never(BasePermission):
    """Lets nobody through."""

    def has_permission(self, request, view):
        return False

    def has_object_permission(self, request, view, obj):
        return False


def combined(permission, **attributes):
    """A view of one photo with a permission."""
    return type("Combined", (PhotoDetail,), {"permission_classes": (permission,), **attributes}).as_view()


router = SimpleRouter()
router.register("photos", PhotoViewSet, "photo")
router.register("visible", VisiblePhotos, "visible")
router.register("albums", AlbumViewSet, "album")
router.register(r"albums/(?P<album_pk>\d+)/photos", AlbumPhotos, "album-photo")

urlpatterns = [
    path("api/", include(router.urls)),
    path("api/list/", PhotoList.as_view()),
    path("api/list/<int:pk>/", PhotoDetail.as_view()),
    path("api/report/", Report.as_view()),
    path("api/both/<int:pk>/", combined(ActionPermission & AllowAny)),
    path("api/neither/<int:pk>/", combined(ActionPermission & Never)),
    path("api/either/<int:pk>/", combined(ActionPermission | AllowAny)),
    path("api/never-or/<int:pk>/", combined(Never | ActionPermission)),
    path("api/not/<int:pk>/", combined(~ActionPermission)),
    path("api/not-unmapped/<int:pk>/", combined(~ActionPermission, avp_actions=dict.fromkeys(["retrieve"]))),
    path("api/or-unmapped/<int:pk>/", combined(ActionPermission | AllowAny, avp_actions=dict.fromkeys(["retrieve"]))),
]
