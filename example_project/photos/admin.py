"""Django's admin by the same policies as the pages: nobody is staff here, and nobody is a superuser."""

from __future__ import annotations

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from django_avp.admin import PolicyAdminSite, PolicyInlineModelAdmin, PolicyModelAdmin
from example_project.photos.models import Album, Photo


class PhotoFlashAdmin(PolicyAdminSite):
    """Opens to whoever may open the gallery, and shows them what they may see there."""

    avp_action = "ListPhotos"
    site_header = site_title = "PhotoFlash"


site = PhotoFlashAdmin()


@admin.register(Photo, site=site)
class PhotoAdmin(PolicyModelAdmin):
    """Actions follow from the model: ListPhotos, ViewPhoto, EditPhoto, DeletePhoto."""

    # Photos are uploaded to an album, on its page.
    avp_actions: ClassVar[dict[str, str | None]] = {"add": None}
    list_display = ("title", "album", "taken_by", "is_public", "created")
    list_filter = ("is_public", "album")
    list_select_related = ("album", "owner")
    search_fields = ("title",)
    date_hierarchy = "created"
    fields = ("title", "is_public", "tags", "album", "taken_by", "created")
    readonly_fields = ("album", "taken_by", "created")
    filter_horizontal = ("tags",)
    actions = ("publish",)

    @admin.display(description="taken by", ordering="owner__first_name")
    def taken_by(self, photo: Photo) -> str:
        """A name; the user name is the principal's id."""
        return photo.owner.first_name

    @admin.action(description="Make selected photos public", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Photo]) -> None:
        """Gets the photos that the user may edit, and no others."""
        queryset.update(is_public=True)


class PhotoInline(PolicyInlineModelAdmin, admin.TabularInline):  # type: ignore[type-arg]
    """The photos of an album that may be viewed."""

    model = Photo
    avp_actions: ClassVar[dict[str, str | None]] = {"add": None}
    fields = ("title", "is_public")
    show_change_link = True


@admin.register(Album, site=site)
class AlbumAdmin(PolicyModelAdmin):
    """To look at: the policies know no action that changes an album."""

    avp_actions: ClassVar[dict[str, str | None]] = {"list": "ListPhotos", "add": None, "change": None, "delete": None}
    list_display = ("title", "account", "is_public", "archived")
    list_select_related = ("account",)
    fields = ("title", "account", "is_public", "archived", "cover")
    inlines = (PhotoInline,)
