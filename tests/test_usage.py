"""Where a project names actions, and what it asks them about."""

from __future__ import annotations

import copy

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError
from django.urls import path
from django.views.generic import CreateView, DetailView, ListView
from ninja import NinjaAPI
from rest_framework.views import APIView

from django_avp import ninja
from django_avp.admin import PolicyAdminSite, PolicyInlineModelAdmin, PolicyModelAdmin
from django_avp.cedar import EntityUid
from django_avp.decorators import action_required
from django_avp.mixins import ActionRequiredMixin
from django_avp.rest_framework.permissions import ActionPermission
from django_avp.schema import Schema
from django_avp.usage import Use, all_uses
from tests.rest_framework.api import AlbumViewSet
from tests.testapp.models import Album, Note, Photo, Room, Shelf

PHOTO, ALBUM, APPLICATION = "PhotoFlash::Photo", "PhotoFlash::Album", "PhotoFlash::Application"
api = NinjaAPI(urls_namespace="usage")


@api.get("/photos/{pk}")
@ninja.action_required("ViewPhoto", resource=(Photo, "pk"))
def shown(request, pk: int):
    """An operation of Django Ninja."""


@api.get("/aphotos/{pk}")
@ninja.action_required("EditPhto", resource=(Photo, "pk"))
async def ashown(request, pk: int):
    """An async one, which misspells its action."""


@api.get("/open")
def ungated(request):
    """One without a gate."""


@action_required(
    "EditPhoto",
    resource=(Photo, "pk"),
    also=["DeletePhoto", ("ListPhotos", None), ("ViewAlbum", EntityUid("Album", "1")), ("ViewRoom", Room(pk=1))],
)
def edited(request, pk):
    """A view with more checks."""


@action_required("ViewPhoto", resource=lambda request: None)
def found(request):
    """A view whose resource a request alone tells."""


class Detail(ActionRequiredMixin, DetailView):
    action_required = "ViewPhoto"
    model = Photo


class Create(ActionRequiredMixin, CreateView):
    action_required = "UploadPhoto"
    model = Photo


class Listed(ActionRequiredMixin, ListView):
    action_required = "ListPhotos"
    permitted_action = "ViewPhoto"
    queryset = Photo.objects.all()


class InAlbum(ActionRequiredMixin, ListView):
    action_required = "ViewAlbum"

    def get_action_resource(self):
        """An album that a request tells."""


class Filtered(ActionRequiredMixin, ListView):
    permitted_action = "ViewPhoto"
    model = Photo


class Plain(APIView):
    avp_actions = {"GET": "ViewPhoto"}  # noqa: RUF012
    permission_classes = (ActionPermission,)

    def get(self, request):
        """A handler."""

    def get_object(self):
        """An object that a request tells."""


class Opened(PolicyAdminSite):
    avp_action = "ListPhotos"


class PhotoInline(PolicyInlineModelAdmin, admin.TabularInline):
    avp_actions = {"change": "EditPhto", "list": "Nonsense", "delete": None}  # noqa: RUF012
    model = Photo


class ShelfInline(PolicyInlineModelAdmin, admin.TabularInline):
    avp_actions = {"add": "Moderate"}  # noqa: RUF012
    model = Shelf

    def get_add_resource(self, request, parent):
        """The parent, which a request tells."""


class AlbumAdmin(PolicyModelAdmin):
    avp_actions = {"list": "ListAlbms", "add": None, "publish": "PublishAlbum"}  # noqa: RUF012
    inlines = (PhotoInline,)


class RoomAdmin(admin.ModelAdmin):
    """Django's own, with an inline that is not."""

    inlines = (ShelfInline,)


site, plain = Opened(name="usage"), admin.AdminSite(name="plain-usage")
staff = PolicyAdminSite(name="staff-usage")
for one in (site, plain):
    one.register(Album, AlbumAdmin)
    one.register(Room, RoomAdmin)
    one.register(Note)

urlpatterns = [
    path("admin/", site.urls),
    path("plain/", plain.urls),
    path("staff/", staff.urls),
    path("api/", api.urls),
    path("edited/<int:pk>/", edited),
    path("found/", found),
    *(path(f"{view.__name__}/", view.as_view()) for view in (Detail, Create, Listed, InAlbum, Filtered, Plain)),
    path("albums/", AlbumViewSet.as_view({"get": "list", "delete": "destroy"}, detail=False)),
]


@pytest.fixture
def uses(settings, tmp_path):
    """What this module's views name, by the end of their places."""
    settings.ROOT_URLCONF = __name__
    settings.TEMPLATES = copy.deepcopy(settings.TEMPLATES)
    settings.TEMPLATES[0]["DIRS"] = [tmp_path]

    def collected(end):
        return {(use.action, use.resource_type) for use in all_uses() if use.place.endswith(end)}

    return collected


def test_gates_tell_what_they_are_about(uses):
    """A model's type, the application's, an entity's, or none where a request alone tells."""
    assert uses("test_usage.edited") == {
        ("EditPhoto", PHOTO),
        ("DeletePhoto", PHOTO),
        ("ListPhotos", APPLICATION),
        ("ViewAlbum", ALBUM),
        ("ViewRoom", ""),
    }
    assert uses("test_usage.found") == {("ViewPhoto", "")}


def test_class_based_views_tell_what_they_are_about(uses):
    """Their object, the application, and the rows of their lists."""
    assert uses("Detail") == {("ViewPhoto", PHOTO)}
    assert uses("Create") == {("UploadPhoto", APPLICATION)}
    assert uses("Listed") == {("ListPhotos", APPLICATION), ("ViewPhoto", PHOTO)}
    assert uses("InAlbum") == {("ViewAlbum", "")}
    assert uses("Filtered") == {("ViewPhoto", PHOTO)}


def test_operations_of_django_ninja_are_views(uses):
    """Sync and async; those without a gate name nothing."""
    assert uses("test_usage.shown") == {("ViewPhoto", PHOTO)}
    assert uses("test_usage.ashown") == {("EditPhto", PHOTO)}
    assert not uses("test_usage.ungated")


def test_routes_of_rest_framework_tell_what_they_are_about(uses):
    """Details their row, lists the application; a plain view with get_object does not tell."""
    assert uses("AlbumViewSet.list") == {("ListAlbums", APPLICATION)}
    assert uses("AlbumViewSet.destroy") == {("DeleteAlbum", ALBUM)}
    assert uses("Plain.GET") == {("ViewPhoto", "")}
    assert ("EditAlbum", ALBUM) in uses("AlbumViewSet.may")


def test_admins_tell_what_they_are_about(uses):
    """Sites, admins and inlines: derived actions too, and nothing that nobody is asked about."""
    assert uses("Opened.avp_action") == {("ListPhotos", APPLICATION)}
    assert uses("AlbumAdmin.avp_actions['list']") == {("ListAlbms", APPLICATION)}
    assert uses("AlbumAdmin.avp_actions['change']") == {("EditAlbum", ALBUM)}
    assert uses("AlbumAdmin.avp_actions['publish']") == {("PublishAlbum", ALBUM)}
    assert uses("PhotoInline.avp_actions['change']") == {("EditPhto", PHOTO)}
    assert uses("PhotoInline.avp_actions['add']") == {("CreatePhoto", APPLICATION)}
    assert uses("ShelfInline.avp_actions['add']") == {("Moderate", "")}
    unasked = ("AlbumAdmin.avp_actions['add']", "PhotoInline.avp_actions['list']", "PhotoInline.avp_actions['delete']")
    assert not any(map(uses, unasked))


def test_permissions_tell_the_model_that_they_name(uses, settings):
    """For objects; what is asked of all of a model is asked of the application."""
    settings.AVP_PERMISSION_ACTIONS = {
        "photos.change_photo": "EditPhoto",
        "photos.view_album": {"object": "ViewAlbum", "model": "ListAlbums"},
        "elsewhere.add_thing": {"object": "AddThing"},
    }
    label = Photo._meta.app_label
    settings.AVP_PERMISSION_ACTIONS[f"{label}.delete_photo"] = "DeletePhoto"

    found = {use for use in all_uses() if use.place.startswith("AVP_PERMISSION_ACTIONS")}

    assert Use("DeletePhoto", f"AVP_PERMISSION_ACTIONS['{label}.delete_photo']", PHOTO) in found
    assert Use("ListAlbums", "AVP_PERMISSION_ACTIONS['photos.view_album']", APPLICATION) in found
    assert Use("AddThing", "AVP_PERMISSION_ACTIONS['elsewhere.add_thing']", "") in found


def test_templates_tell_the_names_of_what_they_are_about(uses, tmp_path):
    """Without a resource it is the application."""
    (tmp_path / "page.html").write_text(
        '{% load avp %}{% can "EditPhoto" photo.album as may %}\n'
        '{% can "ListPhotos" %}{% endcan %}{% can action %}{% endcan %}'
    )

    found = {use for use in all_uses() if "page.html" in use.place}

    assert found == {
        Use("EditPhoto", f"{tmp_path}/page.html:1", "", "photo.album"),
        Use("ListPhotos", f"{tmp_path}/page.html:2", APPLICATION),
    }


@pytest.mark.django_db
def test_a_misspelt_action_is_found_wherever_it_is(uses, tmp_path, capsys):
    """In views, operations, admins, inlines, templates and serializers, with the place and the nearest right name."""
    (tmp_path / "page.html").write_text('{% load avp %}\n{% can "EditPhotos" photo as may %}')

    with pytest.raises(SystemCheckError) as raised:
        call_command("check")

    said = str(raised.value)
    for place in ("page.html:2: the schema has no action 'EditPhotos'", "ashown: the schema has no action 'EditPhto'"):
        assert place in said
    assert "test_usage.AlbumAdmin.avp_actions['list']: the schema has no action 'ListAlbms'" in said
    assert "test_usage.PhotoInline.avp_actions['change']: the schema has no action 'EditPhto'" in said
    assert said.count("Did you mean 'EditPhoto'?") == 4
    assert "AlbumViewSet.may: the schema has no action 'EditAlbum'" in said
    with pytest.raises(CommandError):
        call_command("avp_validate")
    told = capsys.readouterr().out
    for place in ("page.html:2", "ashown", "AlbumViewSet.may", "PhotoInline.avp_actions['change']"):
        assert f"{place}: error: the schema has no action" in told
    assert told.count("hint: Did you mean 'EditPhoto'?") == 4


def test_a_schema_declares_what_admins_name(uses, capsys):
    """``avp_schema``: the actions of a site, its admins and their inlines, with the types that they are asked about."""
    call_command("avp_schema", "--print", no_color=True)
    declared = Schema.parse(capsys.readouterr().out).actions

    assert declared[EntityUid("PhotoFlash::Action", "PublishAlbum")].resources == {ALBUM}
    assert declared[EntityUid("PhotoFlash::Action", "ListAlbms")].resources == {APPLICATION}
    assert PHOTO in declared[EntityUid("PhotoFlash::Action", "EditPhto")].resources
