"""What policies may know of the wiki."""

from __future__ import annotations

from django.db.models.functions import Length

from django_avp import entities
from tests.elsewhere.wiki.models import Document


@entities.register(Document)
class DocumentEntity(entities.ModelEntity):
    attributes = ("title", "author", "readers", "node")
    parents = ("node",)
    type = "Page"

    def attribute_length(self, document: Document) -> int:
        """How long the title is."""
        return len(document.title)

    def expression_length(self) -> Length:
        """The same in SQL."""
        return Length("title")
