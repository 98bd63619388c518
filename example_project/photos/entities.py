"""What Cedar policies may know of accounts, albums and photos; ``policies/schema.cedarschema`` says the same."""

from __future__ import annotations

from django_avp import entities
from example_project.photos.models import Account, Album, Photo


@entities.register(Account)
class AccountEntity(entities.ModelEntity):
    id_field = "slug"  # policies name accounts and albums: PhotoFlash::Account::"northlight"


@entities.register(Album)
class AlbumEntity(entities.ModelEntity):
    id_field = "slug"
    attributes = ["archived", "is_public", "owner", "title"]
    parents = ["account"]


@entities.register(Photo)
class PhotoEntity(entities.ModelEntity):
    attributes = {
        "album": "album",
        "created": "created",
        "is_public": "is_public",
        "owner": "owner",
        "tags": "tags__name",
        "title": "title",
    }
    parents = ["album"]
