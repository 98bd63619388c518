"""A condition put into a queryset."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from django_avp.filtering.conditions import Condition

__all__ = ["Filter"]

Row = TypeVar("Row", bound=Model)

# What says how a queryset was made, and nothing about its rows.
_HISTORY = frozenset({"filter_is_sticky", "used_aliases"})


class Filter:
    """A condition, and the query that it makes of a queryset without any of its own, which is made once.

    Args:
        condition: the condition.
        model: the model that its columns are of.
    """

    def __init__(self, condition: Condition, model: type[Model]) -> None:
        self.condition = condition
        plain: QuerySet[Any] = QuerySet(model)
        self._plain = _state(plain)
        self._query: Any = None if isinstance(condition, bool) else plain.filter(condition).query

    def of(self, queryset: QuerySet[Row]) -> QuerySet[Row]:
        """The rows of a queryset that fulfil the condition; itself for all of them."""
        if isinstance(self.condition, bool):
            return queryset.all() if self.condition else queryset.none()
        if _state(queryset) != self._plain:
            return queryset.filter(self.condition)
        # To name every column again takes longer than the database does.
        rows = queryset.all()
        rows.query = self._query.clone()
        return rows


def _state(queryset: QuerySet[Any]) -> dict[str, Any]:
    return {name: value for name, value in vars(queryset.query).items() if name not in _HISTORY}
