"""Which models are Cedar entities, and what of them a decision may read.

An app's ``entities.py`` is discovered as ``admin.py`` is::

    @entities.register(Photo)
    class PhotoEntity(entities.ModelEntity):
        attributes = ["title", "owner"]
        parents = ["album"]
"""

from __future__ import annotations

from django_avp.entities.model_entity import ModelEntity
from django_avp.entities.registry import register, registry

__all__ = ["ModelEntity", "register", "registry"]
