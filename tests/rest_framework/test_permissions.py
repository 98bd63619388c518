"""``ActionPermission``: which action is required, on what, in how many rounds, and what else may be said about it."""

from __future__ import annotations

import logging
import re

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework import generics, mixins, serializers, viewsets
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from django_avp.authorization import Authorization
from django_avp.cedar import EntityUid
from django_avp.exceptions import KeySetUnavailableError
from django_avp.rest_framework.actions import cedar_action, routed_actions
from django_avp.rest_framework.permissions import ActionPermission
from django_avp.runtime import runtime
from tests.rest_framework import api
from tests.rest_framework.support import Unreachable, rounds, send
from tests.testapp.models import Account, Album, Photo

TITLE = {"title": "new"}


# Which action


@pytest.mark.parametrize(
    ("method", "address", "data", "allowed", "refused"),
    [
        ("get", "/api/photos/", None, 200, 200),
        ("post", "/api/photos/", TITLE, 403, 403),
        ("get", "/api/photos/{pk}/", None, 200, 403),
        ("head", "/api/photos/{pk}/", None, 200, 403),
        ("put", "/api/photos/{pk}/", TITLE, 200, 403),
        ("patch", "/api/photos/{pk}/", TITLE, 200, 403),
        ("delete", "/api/photos/{pk}/", None, 204, 403),
        ("post", "/api/photos/{pk}/publish/", None, 200, 403),
        ("options", "/api/photos/{pk}/", None, 200, 403),
        ("get", "/api/list/", None, 200, 200),
        ("post", "/api/list/", TITLE, 403, 403),
        ("get", "/api/list/{pk}/", None, 200, 403),
        ("put", "/api/list/{pk}/", TITLE, 200, 403),
        ("patch", "/api/list/{pk}/", TITLE, 200, 403),
        ("delete", "/api/list/{pk}/", None, 204, 403),
        ("get", "/api/report/", None, 200, 200),
        ("post", "/api/report/", {}, 403, 403),
    ],
)
def test_every_route_asks_its_action(make_api, photo, method, address, data, allowed, refused):
    """The owner passes and a stranger does not, by router, generic view and plain view; each in one round."""
    address = address.format(pk=photo.pk)
    for sub, status in (("bob", refused), ("ann", allowed)):
        response = send(make_api(sub), method, address, data)
        assert response.status_code == status, response.content
        if method not in ("get", "head") or "{pk}" in address:
            assert len(rounds(response)) == 1
    assert Photo.objects.filter(pk=photo.pk).exists() is (method != "delete")


def test_a_refused_write_changes_nothing(make_api, photo):
    """Neither the row nor the table."""
    for method, address in (("put", f"/api/photos/{photo.pk}/"), ("post", "/api/photos/")):
        assert send(make_api("bob"), method, address, {"title": "taken over"}).status_code == 403
    assert list(Photo.objects.values_list("title", flat=True)) == ["dawn"]


def test_names_are_derived_from_the_model():
    """In English, whatever the model is called in Django; a route that is not REST framework's own has none."""

    def actions(name):
        meta = type("Meta", (), {"model": type(name, (), {})})
        serializer = type("Serializer", (serializers.Serializer,), {"Meta": meta})
        view = type("View", (viewsets.ModelViewSet,), {"serializer_class": serializer})()
        view.action_map = {"get": "list", "post": "create", "delete": "destroy", "put": "update", "patch": "spin"}
        return [cedar_action(view, method) for method in ("GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "TRACE")]

    assert actions("Photo") == [*["ListPhotos"] * 2, "CreatePhoto", "DeletePhoto", "EditPhoto", None, None]
    plurals = {"Category": "Categories", "Box": "Boxes", "Day": "Days", "Watch": "Watches", "News": "Newses"}
    assert {name: actions(name)[0] for name in plurals} == {name: f"List{many}" for name, many in plurals.items()}


def test_names_that_a_view_gives_come_first():
    """By what REST framework calls it, PATCH as PUT unless it has its own, then by method; nothing is no name."""
    view = api.PhotoViewSet()
    view.action_map = {"get": "list", "patch": "partial_update", "put": "update", "delete": "destroy"}
    view.avp_actions = {"list": "A", "GET": "B", "update": "C", "DELETE": "D", "metadata": "E"}
    assert [cedar_action(view, m) for m in ("GET", "PATCH", "PUT", "DELETE", "OPTIONS")] == ["A", "C", "C", "D", "E"]
    view.avp_actions = {"partial_update": "F", "destroy": None}
    assert [cedar_action(view, m) for m in ("PATCH", "PUT", "DELETE")] == ["F", "EditPhoto", None]


class ListOrDetail(api.Gated, mixins.ListModelMixin, mixins.RetrieveModelMixin, generics.GenericAPIView):
    """A generic view of two addresses."""

    queryset, serializer_class = api.PHOTOS, api.PlainSerializer

    def get(self, request, pk=None):
        return self.list(request) if pk is None else self.retrieve(request, pk)


def test_a_generic_view_that_lists_and_shows_asks_what_its_address_names(request_of, photo):
    """With the lookup keyword in the URL it is a detail, whichever mixin stands first; OPTIONS follows."""
    view = ListOrDetail.as_view()

    assert view(request_of("ann"), pk=photo.pk).data["title"] == "dawn"
    assert view(request_of("bob"), pk=photo.pk).status_code == 403
    assert view(request_of("bob")).status_code == 200
    statuses = [view(request_of("bob", "options"), **given).status_code for given in ({"pk": photo.pk}, {})]
    assert statuses == [403, 200]


def test_who_may_list_may_not_show_by_a_generic_view_of_both(request_of, photo, settings, tmp_path):
    """Without a schema, too, which would not know such a question: a list's action opens no row."""
    (tmp_path / "p.cedar").write_text('permit (principal, action == PhotoFlash::Action::"ListPhotos", resource);')
    settings.AVP_POLICIES = tmp_path
    runtime.reset()

    assert ListOrDetail.as_view()(request_of("ann")).status_code == 200
    assert ListOrDetail.as_view()(request_of("ann"), pk=photo.pk).status_code == 403


@pytest.mark.parametrize(
    ("method", "address", "route"),
    [("get", "/api/photos/{}/forgotten/", "forgotten"), ("delete", "/api/report/", "DELETE")],
)
def test_what_is_not_mapped_is_refused_and_named(make_api, photo, caplog, method, address, route):
    """In the answer by its route, in the log with the view; nothing is asked."""
    with caplog.at_level(logging.ERROR, "django_avp"):
        response = send(make_api("ann"), method, address.format(photo.pk))

    assert (response.status_code, response.json()["code"]) == (403, "unmapped")
    assert repr(route) in response.json()["detail"]
    (record,) = [record for record in caplog.records if record.getMessage() == "avp.unmapped_action"]
    assert record.route == route
    assert record.view.startswith("tests.rest_framework.api.")
    assert rounds(response) == []


def test_a_method_that_a_view_does_not_have_is_405(make_api):
    """As REST framework has it, for those who are identified."""
    assert make_api("ann").put("/api/photos/").status_code == 405
    assert make_api("ann").generic("TRACE", "/api/photos/").status_code == 405
    assert APIClient().put("/api/photos/").status_code == 401


# On what


@pytest.fixture
def album(user):
    """An album of ann's."""
    return Album.objects.create(title="roof", owner=user("ann"), account=Account.objects.create(name="a", slug="a"))


def test_lists_and_new_rows_ask_about_their_parent(make_api, album):
    """The album that the address names decides, and it is 404 if there is none."""
    address = f"/api/albums/{album.pk}/photos/"

    created = send(make_api("ann"), "post", address, TITLE)
    assert (created.status_code, created.json()["may"]["EditPhoto"]) == (201, True)
    assert make_api("ann").get(address).json()["count"] == 1
    assert {send(make_api("bob"), method, address).status_code for method in ("get", "post")} == {403}
    assert make_api("ann").get(f"/api/albums/{album.pk + 1}/photos/").status_code == 404
    (photo,) = Photo.objects.all()
    assert make_api("ann").get(f"{address}{photo.pk}/").status_code == 200
    other = Album.objects.create(title="other", owner=album.owner)
    assert make_api("ann").get(f"/api/albums/{other.pk}/photos/{photo.pk}/").status_code == 404


def test_a_parent_is_fetched_once(make_api, album):
    """Also for a page that asks about every method."""
    client = make_api("ann")
    with CaptureQueriesContext(connection) as queries:
        response, _ = page(client, f"/api/albums/{album.pk}/photos/")

    assert (response.status_code, rounds(response)) == (200, [2])
    albums = [query["sql"] for query in queries if "FROM testapp_album " in re.sub('["`]', "", query["sql"])]
    assert len([sql for sql in albums if "LIMIT" in sql]) == 1


def test_a_parent_may_be_said_in_every_way(request_of, album):
    """A pair, a method, a cached property, an entity id; nothing found is 404."""
    ways = [
        {"avp_resource": (Album, "pk")},
        {"avp_resource": lambda self: Album.objects.get(pk=self.kwargs["pk"])},
        {"avp_resource": property(lambda self: album)},
        {"avp_resource": EntityUid("Album", str(album.pk))},
    ]
    for way in ways:
        view = type("View", (api.PhotoList,), way).as_view()
        assert view(request_of("ann"), pk=album.pk).status_code == 200
        assert view(request_of("bob"), pk=album.pk).status_code == 403
    view = type("View", (api.PhotoList,), {"avp_resource": lambda self: None}).as_view()
    assert view(request_of("ann"), pk=album.pk).status_code == 404


def test_a_plain_view_asks_about_the_object_that_it_checks(request_of, photo):
    """``check_object_permissions`` asks the method's action about any object; 403 for who may not."""

    class Move(api.Gated, APIView):
        avp_actions = {"POST": "EditPhoto"}

        def avp_resource(self):
            return photo

        def post(self, request):
            self.check_object_permissions(request, Photo.objects.get(title=request.data["title"]))
            return Response("moved")

    Photo.objects.create(title="not mine")
    statuses = {
        (sub, title): Move.as_view()(request_of(sub, "post", {"title": title})).status_code
        for sub in ("ann", "bob")
        for title in ("dawn", "not mine")
    }
    assert statuses == {("ann", "dawn"): 200, ("ann", "not mine"): 403, ("bob", "dawn"): 403, ("bob", "not mine"): 403}


def test_a_plain_view_may_have_a_get_object_of_its_own(request_of, photo):
    """It is no generic view's: it takes arguments, and its object is asked about where the view says so."""

    class Detail(api.Gated, APIView):
        avp_actions = {"GET": "ViewPhoto"}
        avp_resource = (Photo, "pk")

        def get_object(self, pk):
            return Photo.objects.get(pk=pk)

        def get(self, request, pk):
            return Response(self.get_object(pk).title)

    assert Detail.as_view()(request_of("ann"), pk=photo.pk).data == "dawn"
    assert Detail.as_view()(request_of("bob"), pk=photo.pk).status_code == 403


def test_an_object_is_asked_about_whatever_a_view_calls_its_attributes(request_of, photo):
    """``response`` is REST framework's once there is one, and the view's own until then."""

    class Merge(api.PhotoList):
        response = "pending"
        avp_actions = {"create": "ListPhotos"}

        def create(self, request, pk):
            self.response = Response("not yet")
            self.check_object_permissions(request, photo)
            return Response("merged")

    for sub in ("ann", "bob"):
        assert Merge.as_view()(request_of(sub, "post"), pk=photo.pk).status_code == 403


def test_an_object_of_no_model_is_told(request_of):
    """What a view of something else gets is an error that names the cure."""

    class Other(api.Gated, generics.RetrieveAPIView):
        avp_actions = {"retrieve": "ViewPhoto"}

        def get_object(self):
            return {"title": "a dict"}

    with pytest.raises(TypeError, match="A resource is a registered model instance"):
        Other.as_view()(request_of("ann"), pk=1)


# In how many rounds (rule D6)


@pytest.mark.parametrize(
    ("method", "data", "checks"), [("get", None, 3), ("put", TITLE, 3), ("patch", TITLE, 3), ("delete", None, 1)]
)
def test_d6_gate_and_fields_of_an_object_are_one_round(make_api, photo, method, data, checks):
    """Decided on the object, which is fetched once."""
    api.PhotoViewSet.fetched = 0
    response = send(make_api("ann"), method, f"/api/photos/{photo.pk}/", data)

    assert response.status_code in (200, 204)
    assert rounds(response) == [checks]
    assert api.PhotoViewSet.fetched == 1
    assert not any(round_.unplanned for round_ in response.wsgi_request.avp.rounds)


def test_d6_a_list_is_two_rounds_and_as_many_queries_as_without_the_field(make_api, photos):
    """The gate, then the page; the field costs no query."""
    client = make_api("ann")
    taken = {}
    for address in ("/api/photos/", "/api/list/"):
        with CaptureQueriesContext(connection) as queries:
            response = client.get(address)
        assert response.status_code == 200
        taken[address] = len(queries), rounds(response)

    assert taken["/api/photos/"][1] == [1, 90]
    assert taken["/api/list/"][1] == [1]
    # The pages of the first are counted.
    assert taken["/api/photos/"][0] == taken["/api/list/"][0] + 1


def test_d6_a_new_row_is_asked_about_when_it_is_there(make_api):
    """One round for the gate; the field about the new row is another, because before there was nothing to ask about."""
    for address, expected in (("/api/list/", [1]), ("/api/photos/", [1, 3])):
        response = send(make_api("ed", "editors"), "post", address, TITLE)
        assert response.status_code == 201
        assert rounds(response) == expected
    assert response.json()["may"] == {"ViewPhoto": True, "EditPhoto": True, "DeletePhoto": False}


def test_d6_nothing_is_provisional(make_api, photo):
    """What could not be decided is refused before the view runs, and can be tried again."""
    with runtime.use_engine(Unreachable()):
        response = send(make_api("ann"), "delete", f"/api/photos/{photo.pk}/")

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response["Retry-After"] == "5"
    assert Photo.objects.filter(pk=photo.pk).exists()


def test_d6_what_get_object_checks_by_itself_is_checked_when_the_view_takes_it(request_of, photo):
    """A view's own ``get_object`` may check anything; the gate decides on what it returns all the same."""
    checked = []

    class Own(api.PhotoDetail):
        permission_classes = (ActionPermission, api.Never | AllowAny)

        def get_object(self):
            checked.append("fetched")
            self.check_object_permissions(self.request, photo)
            return Photo.objects.get(pk=self.kwargs["pk"])

        def check_object_permissions(self, request, obj):
            checked.append(obj.title)
            super().check_object_permissions(request, obj)

        def retrieve(self, request, *args, **kwargs):
            again = self.get_object()
            self.kwargs = {"pk": other.pk}
            return Response([again.title, self.get_object().title])

    other = Photo.objects.create(title="other", owner=photo.owner)
    response = Own.as_view()(request_of("ann"), pk=photo.pk)

    assert response.data == ["dawn", "other"]
    assert checked == ["fetched", "dawn", "fetched", "dawn"]
    assert Own.as_view()(request_of("bob"), pk=photo.pk).status_code == 403


def test_d2_nothing_is_fetched_for_the_unidentified(photo):
    """401, whether the row exists or not."""
    for pk in (photo.pk, photo.pk + 1):
        with CaptureQueriesContext(connection) as queries:
            response = APIClient().get(f"/api/photos/{pk}/")
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
        assert not queries.captured_queries


def test_what_does_not_exist_is_404(make_api):
    """For whoever is identified, in JSON and as a page, with the forms of neither."""
    assert make_api("ann").get("/api/photos/7/").status_code == 404
    assert make_api("ann").get("/api/photos/x/").status_code == 404
    page = make_api("ann").get("/api/photos/7/", HTTP_ACCEPT="text/html")
    assert page.status_code == 404
    assert b'value="DELETE"' not in page.content


# Composed


@pytest.mark.parametrize(
    ("address", "owner", "stranger", "nobody"),
    [
        ("both", 200, 403, 401),
        ("neither", 403, 403, 401),
        ("either", 200, 200, 401),
        ("never-or", 200, 403, 401),
        ("not", 403, 200, 401),
        ("not-unmapped", 403, 403, 401),
        ("or-unmapped", 403, 403, 401),
    ],
)
def test_permissions_are_composed_of_what_policies_decide(make_api, photo, address, owner, stranger, nobody):
    """``&``, ``|`` and ``~`` combine yes and no; nobody, and what is not mapped, pass none of them."""
    address = f"/api/{address}/{photo.pk}/"

    assert make_api("ann").get(address).status_code == owner
    assert make_api("bob").get(address).status_code == stranger
    assert APIClient().get(address).status_code == nobody


@pytest.mark.parametrize("address", ["both", "neither", "either", "never-or", "not"])
def test_what_is_not_decided_is_refused_however_it_is_composed(make_api, photo, settings, address):
    """By an engine that is down, by a question that is not one, and for a user who is deactivated."""
    with runtime.use_engine(Unreachable()):
        assert make_api("ann").get(f"/api/{address}/{photo.pk}/").status_code == 503
    client = make_api("ann")
    photo.owner.is_active = False
    photo.owner.save()
    assert client.get(f"/api/{address}/{photo.pk}/").status_code == 403


def test_a_misspelt_action_does_not_open_its_negation(request_of, photo):
    """An action that the schema does not know is not decided."""
    for permission in (ActionPermission, ~ActionPermission, ActionPermission | AllowAny):
        view = api.combined(permission, avp_actions={"retrieve": "VeiwPhoto"})
        response = view(request_of("ann"), pk=photo.pk)
        assert (response.status_code, response.data["code"]) == (403, "forbidden")


# OPTIONS and forms


def test_options_tells_what_is_permitted_in_one_round(make_api, photo):
    """Any action of the view opens it; it lists the fields of what may be written."""
    detail = make_api("ann").options(f"/api/photos/{photo.pk}/")
    assert (rounds(detail), set(detail.json()["actions"])) == ([3], {"PUT"})
    listed = make_api("ann").options("/api/photos/")
    assert (rounds(listed), "actions" in listed.json()) == ([2], False)
    assert set(make_api("ed", "editors").options("/api/photos/").json()["actions"]) == {"POST"}
    assert make_api("bob").options(f"/api/photos/{photo.pk}/").status_code == 403
    assert APIClient().options("/api/photos/").status_code == 401


def test_options_may_have_an_action_of_its_own(request_of, photo):
    """Named as ``"metadata"``; without any action it is refused like everything else."""
    mapped = api.combined(ActionPermission, avp_actions={"metadata": "DeletePhoto"})
    unmapped = type("View", (api.Gated, APIView), {}).as_view()

    assert mapped(request_of("ann", "options"), pk=photo.pk).status_code == 200
    assert mapped(request_of("ed", "options"), pk=photo.pk).status_code == 403
    assert unmapped(request_of("ann", "options")).status_code == 403


def page(client, address, method="get", data=None):
    response = getattr(client, method)(address, data, HTTP_ACCEPT="text/html")
    html = response.content.decode()
    forms = {name for name in ("PUT", "PATCH", "DELETE", "OPTIONS") if f'data-method="{name}"' in html}
    return response, forms | ({"POST"} if 'id="post-object-form"' in html or 'id="raw-post' in html else set())


@pytest.mark.parametrize(
    ("sub", "groups", "forms"),
    [("ann", (), {"PUT", "PATCH", "DELETE", "OPTIONS"}), ("ed", ("editors",), {"PUT", "PATCH", "OPTIONS"})],
)
def test_the_browsable_api_shows_forms_that_work_in_one_round(make_api, photo, sub, groups, forms):
    """Its page asks about every method; all of it is decided with the gate."""
    response, shown = page(make_api(sub, *groups), f"/api/photos/{photo.pk}/")

    assert response.status_code == 200
    assert shown - {"POST"} == forms
    assert rounds(response) == [3]


def test_the_browsable_api_after_a_write(make_api, photo, user):
    """The form for another row is there as before, and a page about what is gone does not fail."""
    client = make_api("ann")
    listed, _ = page(make_api("ed", "editors"), "/api/list/")
    assert (rounds(listed), "<form" in listed.content.decode()) == ([2], True)
    created, _ = page(make_api("ed", "editors"), "/api/list/", "post", TITLE)
    assert (created.status_code, rounds(created)) == (201, [2])
    assert 'name="title"' in created.content.decode()
    gone, _ = page(client, f"/api/photos/{photo.pk}/", "delete")
    assert (gone.status_code, rounds(gone)) == (200, [3])
    assert not Photo.objects.filter(pk=photo.pk).exists()


# Without its surroundings


def test_without_middleware_and_authentication_it_says_what_is_missing(photo):
    """A request that nobody has identified is an error, not a guess."""
    view = type("View", (api.PhotoDetail,), {"authentication_classes": ()}).as_view()

    with pytest.raises(ImproperlyConfigured, match="CognitoAuthentication"):
        view(APIRequestFactory().get("/"), pk=photo.pk)


def test_a_token_that_cannot_be_verified_now_is_503(request_of, photo):
    """Whoever authenticates."""
    fault = KeySetUnavailableError("unreachable", "The key set cannot be fetched.")
    view = type("View", (api.PhotoDetail,), {"authentication_classes": ()}).as_view()
    assert view(request_of(None, fault=fault), pk=photo.pk).status_code == 503


def test_signed_in_by_other_means_is_403(request_of, photo, user):
    """A user whom no token stands for is known, and no policy knows them."""
    request = request_of("ann")
    request.avp = Authorization(None, request=request)
    request._force_auth_user = user("ann")

    response = api.PhotoDetail.as_view()(request, pk=photo.pk)

    assert (response.status_code, response.data["code"]) == (403, "unidentified")


def test_the_anonymous_principal_is_asked(settings, photo):
    """What it is refused is 401: whoever signs in may be permitted."""
    settings.AVP_ANONYMOUS_PRINCIPAL = 'Visitor::"anybody"'
    public = Photo.objects.create(title="public", is_public=True)

    assert APIClient().get(f"/api/photos/{public.pk}/").status_code == 200
    assert APIClient().get(f"/api/photos/{photo.pk}/").status_code == 401


# For system checks


def test_routes_and_fields_are_known_without_a_request():
    """Of viewsets, generic and plain views."""

    def routes(view):
        return {name: action for name, action, _ in routed_actions(view)}

    viewset = api.PhotoViewSet.as_view({"get": "list", "post": "publish", "patch": "forgotten"})
    assert routes(viewset) == {"list": "ListPhotos", "publish": "PublishPhoto", "forgotten": None}
    assert routes(api.PhotoList.as_view()) == {"list": "ListPhotos", "create": "CreatePhoto"}
    asked = {name: (action, resource) for name, action, resource in routed_actions(ListOrDetail.as_view())}
    assert asked == {"list": ("ListPhotos", None), "retrieve": ("ViewPhoto", (Photo, "pk"))}
    named = list(ActionPermission.named_actions(api.AlbumViewSet.as_view({"get": "retrieve"})))
    assert named[0] == ("retrieve", "ViewAlbum", (Album, "pk"))
    assert ("may", "EditAlbum", (Album, "pk")) in named
    assert ("photos.may", "DeletePhoto", (Photo, "pk")) in named
    assert routes(api.Report.as_view())["DELETE"] is None
