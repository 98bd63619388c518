"""What policies may know of the law."""

from __future__ import annotations

from django_avp import entities
from tests.elsewhere.legal.models import Clause, Document


@entities.register(Clause)
class ClauseEntity(entities.ModelEntity):
    attributes = ("is_secret",)
    parents = ("parent",)


@entities.register(Document)
class DocumentEntity(entities.ModelEntity):
    attributes = {"title": "title", "signers": "signers", "signed": "signature__on"}  # noqa: RUF012
    parents = ("clauses",)
    type = "Contract"
