"""``PermittedActionsField``: what is permitted on each row, in one round for all of a response."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework import serializers, viewsets
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from django_avp.cedar import Decision, Verdict
from django_avp.rest_framework.fields import PermittedActionsField
from django_avp.runtime import runtime
from tests.rest_framework.api import PHOTOS, AlbumSerializer, Gated, PhotoDetail, PhotoSerializer
from tests.rest_framework.support import Unreachable, rounds, told
from tests.testapp.models import Album, Comment, Photo


@pytest.fixture
def context(request_of):
    """What a view gives its serializers, for a user."""
    return lambda sub: {"request": request_of(sub)}


def asked(context):
    """The checks of each round."""
    return [round_.checks for round_ in context["request"].avp.rounds]


def test_it_tells_what_request_avp_says(make_api, photos, authorize):
    """Every row of a page, for everybody, as a check by itself."""
    for sub, groups in (("ann", ()), ("bob", ()), ("ed", ("editors",)), ("sam", ("suspended",))):
        alone = authorize(sub, *groups)
        page = told(make_api(sub, *groups).get("/api/photos/"))
        assert page == {
            photo.pk: {action: bool(alone.can(action, photo)) for action in ("ViewPhoto", "EditPhoto", "DeletePhoto")}
            for photo in photos
        }


def test_what_is_nested_joins_the_round(make_api, user):
    """Albums with their photos: one round for all, and no more queries for more albums."""
    client, queries = make_api("ann"), {}
    for albums in (2, 4):
        for name in ("roof", "sea"):
            album = Album.objects.create(title=name, owner=user("ann"))
            for number in range(3):
                Photo.objects.create(title=f"{name} {number}", album=album, owner=album.owner)
        with CaptureQueriesContext(connection) as captured:
            response = client.get("/api/albums/")
        queries[albums] = len(captured)
        assert rounds(response) == [1, albums * (1 + 3 * 3)]
        assert not any(round_.unplanned for round_ in response.wsgi_request.avp.rounds)
        assert all(photo["may"]["EditPhoto"] for album in response.json() for photo in album["photos"])

    assert queries[2] == queries[4]


def test_a_single_related_object_joins_too(context, user):
    """Behind a foreign key, fetched for all rows at once, and absent where there is none."""

    class InAlbum(serializers.ModelSerializer):
        album = AlbumSerializer()

        class Meta:
            model = Photo
            fields = ("id", "album")

    for number in range(3):
        Photo.objects.create(title=str(number), album=Album.objects.create(title="a", owner=user("ann")))
    Photo.objects.create(title="alone")
    given = context("ann")

    serialized = InAlbum(list(Photo.objects.order_by("pk")), many=True, context=given).data

    assert [row["album"] and row["album"]["may"] for row in serialized] == [{"EditAlbum": True}] * 3 + [None]
    assert asked(given) == [3 * (1 + 3)]


def test_it_may_tell_about_a_related_object(context, photo, user):
    """By ``source``, where there is one."""

    class WithAlbum(serializers.ModelSerializer):
        album_may = PermittedActionsField(actions=("ViewAlbum", "EditAlbum"), source="album")

        class Meta:
            model = Photo
            fields = ("id", "album_may")

    Photo.objects.create(title="x", album=Album.objects.create(title="a", owner=user("ann")))
    given = context("ann")

    serialized = WithAlbum(Photo.objects.order_by("pk"), many=True, context=given).data

    assert [row["album_may"] for row in serialized] == [None, {"ViewAlbum": True, "EditAlbum": True}]
    assert asked(given) == [2]


@pytest.mark.parametrize("kind", ["list", "queryset", "tuple"])
def test_every_kind_of_rows_is_one_round(context, photos, kind):
    """What a serializer is given: a page, a queryset, a list."""
    rows = {"list": list, "tuple": tuple, "queryset": lambda rows: rows}[kind](PHOTOS.all())
    given = context("ann")

    assert len(PhotoSerializer(rows, many=True, context=given).data) == 30
    assert asked(given) == [90]


class Behind(serializers.ModelSerializer):
    """What is nested is no relation of the model."""

    photos = PhotoSerializer(source="found", many=True)
    nothing = PhotoSerializer(source="lost", read_only=True, default=None)

    class Meta:
        model = Comment
        fields = ("photos", "nothing")


def test_what_is_at_hand_joins_the_round(context, photo, user):
    """A list that a queryset has prefetched."""
    Comment.objects.create(photo=photo, author=user("ann"))
    Comment.objects.create(photo=Photo.objects.create(title="other"), author=user("ann"))
    comments = list(Comment.objects.order_by("pk").select_related("photo"))
    for comment in comments:
        comment.found = [comment.photo]
    given = context("ann")

    rows = Behind(comments, many=True, context=given).data

    assert [row["photos"][0]["may"]["EditPhoto"] for row in rows] == [True, False]
    assert [(round_.checks, round_.unplanned) for round_ in given["request"].avp.rounds] == [(6, 0)]


def test_a_serializer_of_the_same_object_joins_too(context, photo):
    """``source="*"``."""

    class Flat(serializers.Serializer):
        photo = PhotoSerializer(source="*")

    given = context("ann")
    assert Flat([photo], many=True, context=given).data[0]["photo"]["may"]["EditPhoto"] is True
    assert [(round_.checks, round_.unplanned) for round_ in given["request"].avp.rounds] == [(3, 0)]


def test_what_is_not_there_is_left_out(context, photo):
    """As REST framework leaves it out: there is nothing to tell about."""

    class Far(serializers.ModelSerializer):
        own = PermittedActionsField(actions=["ViewPhoto"])
        far = PermittedActionsField(actions=["ViewAlbum"], source="album.parent")

        class Meta:
            model = Photo
            fields = ("own", "far")

    assert Far(photo, context=context("ann")).data == {"own": {"ViewPhoto": True}}


def test_what_cannot_be_foreseen_is_told_all_the_same(context, photo, user, caplog, monkeypatch):
    """A manager in place of rows, and a relation behind Python code: decided where they are read, and logged."""
    monkeypatch.setattr(Comment, "found", property(lambda comment: [comment.photo]), raising=False)
    comment = Comment.objects.create(photo=photo, author=user("ann"))
    for serializer, what in ((PhotoSerializer, Photo.objects), (Behind, [comment])):
        given = context("bob")
        caplog.clear()
        (row,) = serializer(what, many=True, context=given).data
        assert row.get("may", row.get("photos", [{}])[0].get("may"))["EditPhoto"] is False
        assert [(round_.checks, round_.unplanned) for round_ in given["request"].avp.rounds] == [(3, 1)]
        assert [record.field for record in caplog.records if record.getMessage() == "avp.unplanned_check"] == [
            "PhotoSerializer.may"
        ]


def test_a_view_whose_serializer_fails_fails_after_its_gate(request_of, photo):
    """The refused are refused, and the others see the error."""

    class Failing(PhotoDetail):
        def get_serializer_class(self):
            raise RuntimeError("broken")

    assert Failing.as_view()(request_of("bob"), pk=photo.pk).status_code == 403
    with pytest.raises(RuntimeError, match="broken"):
        Failing.as_view()(request_of("ann"), pk=photo.pk)


def test_what_is_not_decided_is_false(make_api, photo):
    """Hidden like a button that could not be decided, and logged once."""

    class Flaky(Unreachable):
        def decide(self, batch):
            if len(batch.checks) == 1:
                return [Decision(Verdict.PERMITTED)]
            return super().decide(batch)

    with runtime.use_engine(Flaky()):
        response = make_api("ann").get("/api/photos/")

    assert told(response) == {photo.pk: {"ViewPhoto": False, "EditPhoto": False, "DeletePhoto": False}}


def test_a_serializer_without_a_request_says_so(photo):
    """Which field, and what to give it."""
    with pytest.raises(ImproperlyConfigured, match=r'PhotoSerializer.may .*context=\{"request": request\}'):
        PhotoSerializer(photo).data  # noqa: B018


def test_a_request_that_nobody_identified_is_told(photo):
    """As for every other reader."""
    with pytest.raises(ImproperlyConfigured, match="AuthorizationMiddleware"):
        PhotoSerializer(photo, context={"request": APIRequestFactory().get("/")}).data  # noqa: B018


def test_a_row_that_is_not_saved_is_told(context):
    """There is nothing to decide on."""
    with pytest.raises(ValueError, match="not saved"):
        PhotoSerializer(Photo(title="new"), context=context("ann")).data  # noqa: B018


@pytest.mark.parametrize("actions", ["EditPhoto", [], ()])
def test_it_names_actions(actions):
    """In a list of at least one."""
    with pytest.raises(ValueError, match="Name the actions in a list"):
        PermittedActionsField(actions=actions)


def test_it_is_never_written(make_api, photo):
    """What a client sends for it is not looked at."""
    response = make_api("ann").patch(
        f"/api/photos/{photo.pk}/", {"title": "t", "may": {"EditPhoto": False}}, format="json"
    )
    assert response.json()["may"]["EditPhoto"] is True


def test_a_view_without_serializers_has_nothing_to_tell(request_of, photo):
    """A plain view with an object of its own: its gate is all that is asked."""

    class Plain(Gated, APIView):
        avp_actions = {"GET": "ViewPhoto"}
        lookup_field, lookup_url_kwarg = "pk", None

        def get_object(self):
            return photo

        def get(self, request, pk):
            return Response(self.get_object().title)

    request = request_of("ann")
    assert Plain.as_view()(request, pk=photo.pk).data == "dawn"
    assert [round_.checks for round_ in request.avp.rounds] == [1]


class InAlbum(serializers.ModelSerializer):
    """A photo with the photos of its album, itself among them."""

    album = AlbumSerializer(read_only=True)
    siblings = PhotoSerializer(many=True, source="album.photo_set", read_only=True)

    class Meta:
        model = Photo
        fields = ("title", "album", "siblings")


NESTED = {
    "plain": Photo.objects.all(),
    "joined": Photo.objects.select_related("album"),
    "prefetched": Photo.objects.prefetch_related("album__photo_set"),
}


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("fetched", ["plain", "joined"])
def test_after_a_change_nested_rows_are_as_they_are_now(request_of, photo, user, method, fetched):
    """What the gate has read to decide about them is not told; it is still one round."""

    class Photos(Gated, viewsets.ModelViewSet):
        queryset, serializer_class = NESTED[fetched], InAlbum

    photo.album = Album.objects.create(title="a", owner=user("ann"))
    photo.save()
    request = request_of("ann", method, {"title": "new"})

    told = Photos.as_view({method: "update" if method == "put" else "partial_update"})(request, pk=photo.pk).data

    assert [row["title"] for row in (told, *told["album"]["photos"], *told["siblings"])] == ["new"] * 3
    assert all(row["may"]["EditPhoto"] for row in told["siblings"])
    assert [(round_.checks, round_.unplanned) for round_ in request.avp.rounds] == [(4, 0)]


def test_what_an_action_adds_is_among_the_nested_rows(request_of, user):
    """They are read when it is there, and what may be done with it is asked then."""

    class Albums(Gated, viewsets.ReadOnlyModelViewSet):
        queryset, serializer_class, avp_actions = Album.objects.all(), AlbumSerializer, {"add": "EditAlbum"}

        def add(self, request, pk):
            album = self.get_object()
            Photo.objects.create(title="second", owner=album.owner, album=album)
            return Response(self.get_serializer(album).data)

    album = Album.objects.create(title="a", owner=user("ann"))
    album.photo_set.create(title="first", owner=album.owner)
    request = request_of("ann", "post")

    photos = Albums.as_view({"post": "add"}, detail=True)(request, pk=album.pk).data["photos"]

    assert [(row["title"], row["may"]["EditPhoto"]) for row in photos] == [("first", True), ("second", True)]
    assert [(round_.checks, round_.unplanned) for round_ in request.avp.rounds] == [(4, 0), (3, 0)]


def test_what_a_queryset_has_fetched_is_not_fetched_again_to_decide_on_a_change(request_of, photo, user):
    """A refused request reads what the queryset of the view does, and what policies read."""

    class Photos(Gated, viewsets.ModelViewSet):
        queryset, serializer_class = NESTED["prefetched"], InAlbum

    photo.album = Album.objects.create(title="a", owner=user("ann"))
    photo.save()
    view, taken = Photos.as_view({"get": "retrieve", "put": "update"}), {}
    user("bob")
    for method in ("get", "put"):
        with CaptureQueriesContext(connection) as queries:
            assert view(request_of("bob", method), pk=photo.pk).status_code == 403
        taken[method] = len(queries)
    assert taken["get"] == taken["put"]
