"""Filters of lists: what they offer are rows, too, whose names and values are for those who may view them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.filters import (
    AllValuesFieldListFilter,
    FieldListFilter,
    RelatedFieldListFilter,
    RelatedOnlyFieldListFilter,
)
from django.contrib.admin.utils import get_fields_from_path, get_model_from_relation, reverse_field_path
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from django_avp.admin.base import PolicyOptions

__all__ = ["permitted_filter"]


class _Related(RelatedFieldListFilter):
    """The filter of a relation that offers the rows that may be viewed, if their model's admin asks the policies."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        """The rows that may be chosen, each as its key and its name."""
        model: Any = get_model_from_relation(field)
        options = model_admin.admin_site._registry.get(model)
        if not isinstance(options, PolicyOptions):
            return super().field_choices(field, request, model_admin)
        viewed: QuerySet[Any] = options.permitted(request, "view", self._limited(field, request, model_admin))
        return field.get_choices(
            include_blank=False,
            ordering=self.field_admin_ordering(field, request, model_admin),
            limit_choices_to=Q(pk__in=viewed.order_by().values("pk")),
        )

    def _limited(self, field: Any, request: HttpRequest, model_admin: Any) -> QuerySet[Any]:
        limits = field.get_limit_choices_to() if hasattr(field, "get_limit_choices_to") else field.limit_choices_to
        return QuerySet(get_model_from_relation(field)).complex_filter(limits)


class _RelatedOnly(_Related, RelatedOnlyFieldListFilter):
    """The same, of rows that a row of the list has."""

    def _limited(self, field: Any, request: HttpRequest, model_admin: Any) -> QuerySet[Any]:
        used = model_admin.get_queryset(request).order_by().values(f"{self.field_path}__pk")
        return QuerySet(get_model_from_relation(field)).filter(pk__in=used)


class _AllValues(AllValuesFieldListFilter):
    """The filter of a field's values, which are those of rows that may be viewed, when they are of related rows."""

    def __init__(self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str):
        super().__init__(field, request, params, model, model_admin, field_path)
        related: Any = reverse_field_path(model, field_path)[0]
        options = model_admin.admin_site._registry.get(related)
        if related != model and isinstance(options, PolicyOptions):
            viewed = options.permitted(request, "view", related._default_manager.all())
            self.lookup_choices = viewed.distinct().order_by(field.name).values_list(field.name, flat=True)


_PERMITTED: dict[Any, Any] = {
    RelatedFieldListFilter: _Related,
    RelatedOnlyFieldListFilter: _RelatedOnly,
    AllValuesFieldListFilter: _AllValues,
}


def permitted_filter(model: Any, item: Any) -> Any:
    """A filter that offers what may be viewed, in the place of one of Django's; others stay as they are.

    Args:
        model: the model of the list.
        item: as in ``list_filter``: a path of fields, a path with a filter, or a filter.
    """
    if isinstance(item, str):
        field = get_fields_from_path(model, item)[-1]
        defaults: Any = FieldListFilter._field_list_filters  # type: ignore[attr-defined]
        path, chosen = item, next(kind for test, kind in defaults if test(field))
    elif isinstance(item, list | tuple):
        path, chosen = item
    else:
        return item
    return (path, _PERMITTED[chosen]) if chosen in _PERMITTED else item
