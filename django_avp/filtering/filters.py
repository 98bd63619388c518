"""A condition put into a queryset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db.models import BooleanField, Model, QuerySet
from django.db.models.expressions import BaseExpression
from django.db.models.sql.where import WhereNode

from django_avp.filtering.conditions import Condition, in_groups

__all__ = ["Filter"]

Row = TypeVar("Row", bound=Model)

# What says how a queryset was made, and nothing about its rows.
_HISTORY = frozenset({"filter_is_sticky", "used_aliases"})


class _Where(BaseExpression):
    """All that a query has in its WHERE: compiled to SQL once, for as long as its tables keep their names.

    Where they get others, in a subquery or a union, Django changes a copy of an expression, by the methods here.

    Args:
        where: the condition of a query, which is not changed.
    """

    def __init__(self, where: WhereNode) -> None:
        super().__init__(output_field=BooleanField())
        self.set_source_expressions([where])

    def get_source_expressions(self) -> list[Any]:
        """What is compiled."""
        return [self._where]

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        """Take another condition, of which no SQL is known."""
        self._where: Any = exprs[0]
        self._compiled: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def get_group_by_cols(self) -> list[Any]:
        """The columns that it looks at, where it stands beside a condition of aggregates."""
        columns: list[Any] = self._where.get_group_by_cols()
        return columns

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """The SQL and its parameters."""
        if connection.alias not in self._compiled:
            sql, params = compiler.compile(self._where)
            self._compiled[connection.alias] = (sql, tuple(params))
        return self._compiled[connection.alias]


class Filter:
    """A condition, and the query that it makes of a queryset without any of its own, which is made once.

    Args:
        condition: the condition.
        model: the model that its columns are of.
    """

    def __init__(self, condition: Condition, model: type[Model]) -> None:
        self.condition = condition if isinstance(condition, bool) else in_groups(condition)
        plain: QuerySet[Any] = QuerySet(model)
        self._plain = _state(plain)
        self._query: Any = (
            None if isinstance(self.condition, bool) else _compiled_once(plain.filter(self.condition).query)
        )

    def of(self, queryset: QuerySet[Row]) -> QuerySet[Row]:
        """The rows of a queryset that fulfil the condition; itself for all of them."""
        if isinstance(self.condition, bool):
            return queryset.all() if self.condition else queryset.none()
        if _state(queryset) != self._plain:
            return queryset.filter(self.condition)
        # To name every column again takes longer than the database does.
        rows = queryset.all()
        rows.query = self._query.clone()
        # Clones have these lists in common, and this query has clones for as long as the process lives.
        rows.query.table_map = {table: [*aliases] for table, aliases in self._query.table_map.items()}
        return rows


def _state(queryset: QuerySet[Any]) -> dict[str, Any]:
    return {name: value for name, value in vars(queryset.query).items() if name not in _HISTORY}


def _compiled_once(query: Any) -> Any:
    where: Any = _Where(query.where)
    query.where = WhereNode([where])
    return query
