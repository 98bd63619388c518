"""What of the models Cedar may read."""

from __future__ import annotations

from django_avp import entities
from tests.testapp.models import Account, Album, Photo


@entities.register(Account)
class AccountEntity(entities.ModelEntity):
    attributes = ("name",)
    id_field = "slug"


@entities.register(Album)
class AlbumEntity(entities.ModelEntity):
    attributes = ("title", "owner", "is_public", "archived")
    parents = ("parent", "account")


@entities.register(Photo)
class PhotoEntity(entities.ModelEntity):
    attributes = {  # noqa: RUF012
        "title": "title",
        "owner": "owner",
        "album": "album",
        "albumTitle": "album__title",
        "tags": "tags__name",
        "viewers": "viewers",
        "commenters": "comments__author",
        "is_public": "is_public",
        "size": "size",
        "likes": "likes",
        "taken": "taken",
        "day": "day",
        "exposure": "exposure",
        "address": "address",
        "meta": "meta",
        "file": "file",
    }
    parents = ("album",)
    shapes = {"meta": {"camera": str, "zoom": int, "flags": [str], "nested": {"raw": bool}}}  # noqa: RUF012

    def attribute_initial(self, photo: Photo) -> str | None:
        """The first letter of the title."""
        return photo.title[0] if photo.title else None
