"""What of the models policies may read."""

from __future__ import annotations

from benchmarks.photos.models import Album, Photo
from django_avp import entities


@entities.register(Album)
class AlbumEntity(entities.ModelEntity):
    id_field = "slug"


@entities.register(Photo)
class PhotoEntity(entities.ModelEntity):
    attributes = ("title", "owner", "is_public", "likes", "created")
    parents = ("album",)
