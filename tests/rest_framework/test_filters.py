"""``PermittedFilterBackend``: lists, counts, pages and addresses of what may be seen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from rest_framework import mixins, viewsets
from rest_framework.filters import SearchFilter
from rest_framework.metadata import BaseMetadata
from rest_framework.response import Response
from rest_framework.test import APIClient

from django_avp.engines.cedar import CedarEngine
from django_avp.exceptions import AuthorizationUnavailable, KeySetUnavailableError, UntranslatablePolicyError
from django_avp.rest_framework.filters import PermittedFilterBackend
from django_avp.runtime import runtime
from tests.rest_framework import api
from tests.rest_framework.support import Unreachable, rounds, send, told
from tests.testapp.models import Photo

TITLE = {"title": "new"}


def add_untranslatable_policy(settings, tmp_path):
    """Decide by one more policy, which has no counterpart in SQL."""
    policies = Path(settings.AVP_POLICIES if not isinstance(settings.AVP_POLICIES, list) else settings.AVP_POLICIES[0])
    shutil.copytree(policies, tmp_path / "policies")
    liked = "permit (principal, action, resource is PhotoFlash::Photo) when { resource.likes * 2 > 10 };"
    (tmp_path / "policies" / "liked.cedar").write_text(liked)
    settings.AVP_POLICIES = tmp_path / "policies"


@pytest.mark.parametrize(("sub", "seen"), [("ann", 30), ("bob", 15)])
def test_rows_and_count_are_those_that_may_be_seen(make_api, photos, sub, seen):
    """In at most two rounds with the gate and the field, and in no more queries than the list by itself."""
    client = make_api(sub)
    with CaptureQueriesContext(connection) as plain:
        client.get("/api/photos/")
    with CaptureQueriesContext(connection) as filtered:
        response = client.get("/api/visible/")

    assert response.json()["count"] == len(told(response)) == seen
    assert all(may["ViewPhoto"] for may in told(response).values())
    assert rounds(response) == [1, 3 * seen]
    assert len(filtered) <= len(plain)


def test_pages_follow(make_api, photos, user):
    """The second page begins where the first one ends."""
    for number in range(30):
        Photo.objects.create(title=f"more {number}", is_public=True)
    first, second = (told(make_api("bob").get(f"/api/visible/?page={page}")) for page in (1, 2))
    assert (len(first), len(second)) == (30, 15)
    assert not set(first) & set(second)


def test_what_is_hidden_is_404_and_what_is_refused_is_403(make_api, photo):
    """By its address, in one round with gate and field; written to or not."""
    public = Photo.objects.create(title="public", is_public=True)
    for method in ("get", "put", "delete"):
        hidden = send(make_api("bob"), method, f"/api/visible/{photo.pk}/", TITLE if method == "put" else None)
        assert (hidden.status_code, len(rounds(hidden))) == (404, 1)
        refused = send(make_api("bob"), method, f"/api/visible/{public.pk}/", TITLE if method == "put" else None)
        assert refused.status_code == (200 if method == "get" else 403)
        assert len(rounds(refused)) == 1
    assert make_api("ann").get(f"/api/visible/{photo.pk}/").status_code == 200
    assert make_api("ann").get("/api/visible/nothing/").status_code == 404
    assert APIClient().get(f"/api/visible/{photo.pk}/").status_code == 401


def test_it_works_beside_other_filters(request_of, photos):
    """What they leave is decided, and what it leaves can be filtered further."""
    view = type("View", (api.PhotoList,), {"filter_backends": (SearchFilter, PermittedFilterBackend)})
    view.search_fields = ("title",)
    request = request_of("bob")
    request.GET = {"search": "photo 1"}
    response = view.as_view()(request)
    titles = {row["title"] for row in response.data}
    assert titles == {f"photo {number}" for number in (10, 12, 14, 16, 18)}
    assert len(request.avp.rounds) == 1

    mine = view(request=request, kwargs={}, format_kwarg=None)
    rows = PermittedFilterBackend().filter_queryset(request, Photo.objects.all(), mine)
    assert rows.filter(title="photo 3").count() == 0
    assert rows.filter(title="photo 4").count() == rows.exclude(title="photo 4").count() - 13 == 1


def test_by_itself_it_shows_nobody_nothing(request_of, photos):
    """A view without the gate lists what may be seen, and that is nothing for who is not identified."""
    view = type("View", (api.PhotoList,), {"filter_backends": (PermittedFilterBackend,), "permission_classes": ()})
    assert view.as_view()(request_of(None)).data == []
    assert len(view.as_view()(request_of("bob")).data) == 15


def test_what_is_not_decided_is_503(request_of, photos):
    """Not an empty list, which would be believed; neither without an engine nor without keys."""
    view = type("View", (api.PhotoList,), {"filter_backends": (PermittedFilterBackend,), "permission_classes": ()})
    with runtime.use_engine(Unreachable()):
        assert view.as_view()(request_of("bob")).status_code == 503
    fault = KeySetUnavailableError("unreachable", "The key set cannot be fetched.")
    view.authentication_classes = ()
    assert view.as_view()(request_of(None, fault=fault)).status_code == 503


def test_what_is_wrong_with_a_queryset_is_not_an_empty_list(request_of, photos):
    """An error of the project's code is seen."""

    class Broken(models.IntegerField):
        def from_db_value(self, value, expression, connection):
            raise ValueError("broken")

    view = type("View", (api.PhotoList,), {"filter_backends": (PermittedFilterBackend,)})
    view.queryset = view.queryset.annotate(odd=models.ExpressionWrapper(models.F("likes"), output_field=Broken()))
    with pytest.raises(ValueError, match="broken"):
        view.as_view()(request_of("ann"))


def test_its_action_may_be_named(request_of, photos):
    """Rows that may be edited, say."""
    view = type("View", (api.PhotoList,), {"filter_backends": (PermittedFilterBackend,)})
    view.avp_permitted_action = "EditPhoto"
    assert view.as_view()(request_of("bob")).data == []
    assert len(view.as_view()(request_of("ann")).data) == 30


def test_a_view_that_does_not_say_which_is_told(request_of):
    """Nothing is derived from a view that names no model."""
    view = type("View", (api.PhotoList,), {"filter_backends": (PermittedFilterBackend,), "permission_classes": ()})
    view.queryset = view.serializer_class = None
    view.get_queryset = lambda self: Photo.objects.all()
    with pytest.raises(ImproperlyConfigured, match="avp_permitted_action"):
        view.as_view()(request_of("ann"))


def test_what_has_no_counterpart_in_sql_is_checked_or_told(request_of, photos, settings, tmp_path):
    """Row by row, if the backend says so; an error else."""
    add_untranslatable_policy(settings, tmp_path)
    Photo.objects.filter(title="photo 1").update(likes=6)
    view = type("View", (api.PhotoList,), {"filter_backends": (PermittedFilterBackend,)})
    assert len(view.as_view()(request_of("bob")).data) == 16
    strict = type("Strict", (PermittedFilterBackend,), {"on_untranslatable": "raise"})
    view.filter_backends = (strict,)
    with pytest.raises(UntranslatablePolicyError, match=r"resource\.likes"):
        view.as_view()(request_of("bob"))


def test_an_object_that_is_not_decided_is_503(make_api, photo):
    """Not 404, which would be believed."""
    with runtime.use_engine(Unreachable()):
        assert make_api("ann").get(f"/api/visible/{photo.pk}/").status_code == 503


class Removal(api.Gated, mixins.DestroyModelMixin, viewsets.GenericViewSet):
    """A view that serializes nothing."""

    queryset, filter_backends = api.PHOTOS, (PermittedFilterBackend,)


class PerRoute(api.Gated, viewsets.ModelViewSet):
    """A serializer for each route that has one."""

    queryset, filter_backends = api.PHOTOS, (PermittedFilterBackend,)

    def get_serializer_class(self):
        return {"retrieve": api.PhotoSerializer, "metadata": api.PlainSerializer}[self.action]


@pytest.mark.parametrize("viewset", [Removal, PerRoute])
def test_a_route_needs_no_serializer_to_delete(request_of, photo, viewset):
    """What a view does not serialize it is not asked about; hidden, deleted, and gone."""
    view = viewset.as_view({"delete": "destroy"})

    assert view(request_of("bob", "delete"), pk=photo.pk).status_code == 404
    assert [view(request_of("ann", "delete"), pk=photo.pk).status_code for _ in range(2)] == [204, 404]


def test_a_serializer_that_fails_fails_after_the_filter(request_of, photo):
    """What is hidden is 404 all the same, and who may see the row sees the error."""
    view = PerRoute.as_view({"get": "retrieve", "put": "update"})

    assert view(request_of("ann"), pk=photo.pk).data["may"]["EditPhoto"] is True
    assert view(request_of("bob", "put"), pk=photo.pk).status_code == 404
    with pytest.raises(KeyError, match="update"):
        view(request_of("ann", "put"), pk=photo.pk)


def test_options_serializes_no_object(request_of, photo):
    """So it needs no serializer, with metadata that tells of none."""

    class Silent(BaseMetadata):
        def determine_metadata(self, request, view):
            return {}

    view = type("View", (PerRoute,), {"metadata_class": Silent, "get_serializer": None}).as_view({"get": "retrieve"})
    assert view(request_of("ann", "options"), pk=photo.pk).status_code == 200
    assert view(request_of("bob", "options"), pk=photo.pk).status_code == 404


class Shown(api.Gated, viewsets.ReadOnlyModelViewSet):
    """A photo by its title or as the latest, and the photos of its owner."""

    queryset, serializer_class, filter_backends = api.PHOTOS, api.PlainSerializer, (PermittedFilterBackend,)
    avp_actions = {"siblings": "ViewPhoto"}
    lookup_field = "title"

    def get_object(self):
        if self.kwargs["title"] != "latest":
            return super().get_object()
        latest = self.filter_queryset(self.get_queryset()).latest("pk")
        self.check_object_permissions(self.request, latest)
        return latest

    def siblings(self, request, title):
        rows = self.filter_queryset(api.PHOTOS.filter(owner=self.get_object().owner))
        return Response([row.title for row in rows])


class ShownByKey(Shown):
    """The same by keys, which "latest" cannot be."""

    lookup_field, lookup_url_kwarg = "pk", "title"


class Unguarded(Shown):
    """The same, of which nothing is fetched before it runs."""

    permission_classes = ()


@pytest.mark.parametrize("viewset", [Shown, Unguarded])
@pytest.mark.parametrize(("sub", "titles"), [("ann", ["0", "1", "2"]), ("bob", ["0", "2"])])
def test_what_else_a_detail_filters_is_a_list(request_of, user, viewset, sub, titles):
    """Rows beside the object that the address names, and not that one alone."""
    for number in range(3):
        Photo.objects.create(title=str(number), owner=user("ann"), is_public=number != 1)
    view = viewset.as_view({"get": "siblings"}, detail=True)

    assert view(request_of(sub), title="0").data == titles


@pytest.mark.parametrize("viewset", [Shown, ShownByKey, Unguarded])
def test_a_view_may_find_its_object_in_another_way(request_of, photos, viewset):
    """An alias in the place of a key: among what may be seen."""
    view = viewset.as_view({"get": "retrieve"})

    assert view(request_of("ann"), title="latest").data["title"] == "photo 29"
    assert view(request_of("bob"), title="latest").data["title"] == "photo 28"


@pytest.mark.parametrize("title", ["photo 1", "latest", "nothing"])
def test_an_object_that_cannot_be_decided_is_503(request_of, photos, title):
    """However it is looked for, and whether it is there or not: the same is told of each."""

    class Unread(CedarEngine):
        def policies(self, store=None):
            raise AuthorizationUnavailable

    with runtime.use_engine(Unread()):
        assert Unguarded.as_view({"get": "retrieve"})(request_of("ann"), title=title).status_code == 503


@pytest.mark.parametrize("viewset", [Shown, Unguarded])
def test_an_object_by_its_address_is_a_check(request_of, photo, settings, tmp_path, viewset):
    """One for a row that is there, whatever SQL cannot say; none at all for a row that is not."""
    add_untranslatable_policy(settings, tmp_path)
    view = viewset.as_view({"get": "retrieve"})

    for title, status, checks in (("dawn", 200, [1]), ("dusk", 404, [])):
        request = request_of("ann")
        assert view(request, title=title).status_code == status
        assert [round_.checks for round_ in request.avp.rounds] == checks
