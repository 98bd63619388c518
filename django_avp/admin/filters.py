"""Filters of lists: what they offer are rows, too, whose names are for those who may view them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.filters import RelatedFieldListFilter
from django.contrib.admin.utils import get_model_from_relation
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from django_avp.admin.base import PolicyOptions

__all__ = ["PermittedRelatedFieldListFilter"]


class PermittedRelatedFieldListFilter(RelatedFieldListFilter):
    """The filter of a relation that offers the rows that may be viewed, if their model's admin asks the policies."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """The rows that may be chosen, each as its key and its name."""
        model: Any = get_model_from_relation(field)
        options = model_admin.admin_site._registry.get(model)
        if not isinstance(options, PolicyOptions):
            return super().field_choices(field, request, model_admin)
        limits = field.get_limit_choices_to() if hasattr(field, "get_limit_choices_to") else field.limit_choices_to
        viewed: QuerySet[Any] = options.permitted(request, "view", QuerySet(model).complex_filter(limits))
        return field.get_choices(
            include_blank=False,
            ordering=self.field_admin_ordering(field, request, model_admin),
            limit_choices_to=Q(pk__in=viewed.order_by().values("pk")),
        )
