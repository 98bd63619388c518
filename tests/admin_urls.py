"""Admin sites: one that an action opens, two by Django's rule, and one without policies to compare with."""

from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.http import HttpResponse
from django.urls import path

from django_avp.admin import PolicyAdminSite, PolicyInlineModelAdmin, PolicyModelAdmin
from tests.testapp.models import Account, Album, Comment, Note, Photo


class Opened(PolicyAdminSite):
    avp_action = "OpenAdmin"


site = Opened()
staff = PolicyAdminSite(name="staff")
django = admin.AdminSite(name="django")
plain = admin.AdminSite(name="plain")


class CommentInline(admin.TabularInline):
    """Django's own: its user's permissions count."""

    model = Comment


class PhotoAdmin(PolicyModelAdmin):
    avp_actions = {"publish": "PublishPhoto"}  # noqa: RUF012
    list_display = ("title", "album")
    list_select_related = ("album",)
    search_fields = ("title",)
    fields = ("title", "album")
    formfield_overrides = {models.ForeignKey: {"required": False}}  # noqa: RUF012
    actions = ("publish", "flag", "touch", "copy")
    ordering = ("pk",)
    inlines = (CommentInline,)

    def get_queryset(self, request):
        """Not the mixin's, and filtered all the same."""
        return Photo.objects.exclude(title="draft")

    def get_search_results(self, request, queryset, search_term):
        """More than those that it was given, as Django's documentation has it."""
        found, may_have_duplicates = super().get_search_results(request, queryset, search_term)
        return (found | Photo.objects.filter(likes=7) if search_term else found), may_have_duplicates

    def get_urls(self):
        return [path("report/", self.admin_site.admin_view(self.report)), *super().get_urls()]

    def report(self, request):
        """A view of its own."""
        return HttpResponse(f"{self.has_view_permission(request)}")

    def has_publish_permission(self, request, obj=None):
        return self.has_avp_permission(request, "publish", obj)

    def has_flag_permission(self, request):
        return request.headers.get("X-Flag") == "on"

    @admin.action(permissions=["publish", "change"])
    def publish(self, request, queryset):
        queryset.update(is_public=True)

    @admin.action(permissions=["flag", "change"])
    def flag(self, request, queryset):
        queryset.update(likes=1)

    @admin.action()
    def touch(self, request, queryset):
        queryset.update(likes=2)

    @admin.action(permissions=["add"])
    def copy(self, request, queryset):
        queryset.update(likes=3)


class PhotoInline(PolicyInlineModelAdmin, admin.TabularInline):
    model = Photo
    fields = ("title",)
    extra = 1

    def get_add_resource(self, request, parent):
        return parent


class SubalbumInline(PolicyInlineModelAdmin, admin.StackedInline):
    """Nobody may do anything here."""

    model = Album
    avp_actions = dict.fromkeys(("view", "add", "change", "delete"))
    fk_name = "parent"


class AlbumAdmin(PolicyModelAdmin):
    list_display = ("pk", "title", "parent", "is_public")
    list_editable = ("title", "parent")
    fields = ("title", "parent")
    search_fields = ("title",)
    formfield_overrides = {models.ForeignKey: {"required": False}}  # noqa: RUF012
    inlines = (PhotoInline, SubalbumInline)
    ordering = ("pk",)


class AccountAdmin(PolicyModelAdmin):
    """Read by those who may add one, and by nobody else."""

    avp_actions = {"list": None, "view": None, "add": "Moderate", "change": None, "delete": None}  # noqa: RUF012


for one in (site, staff, django):
    one.register(Photo, PhotoAdmin)
    one.register(Album, AlbumAdmin)
    one.register(Account, AccountAdmin)
    one.register(Note)


class PlainPhotoAdmin(admin.ModelAdmin):
    """The same without policies."""

    list_display = PhotoAdmin.list_display
    list_select_related = PhotoAdmin.list_select_related
    search_fields = PhotoAdmin.search_fields
    ordering = PhotoAdmin.ordering


plain.register(Photo, PlainPhotoAdmin)
plain.register(Album)
plain.register(Note)

urlpatterns = [
    path("admin/", site.urls),
    path("staff/", staff.urls),
    path("django/", django.urls),
    path("plain/", plain.urls),
]
