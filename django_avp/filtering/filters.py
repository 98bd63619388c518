"""A condition put into a queryset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap
from typing import Any, TypeVar

from django.db.models import BooleanField, Model, QuerySet
from django.db.models.expressions import BaseExpression
from django.db.models.sql import Query
from django.db.models.sql.constants import INNER
from django.db.models.sql.where import AND, WhereNode

from django_avp.filtering.conditions import Condition, in_groups

__all__ = ["Filter"]

Row = TypeVar("Row", bound=Model)


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
    """A condition, with the query that it makes of a queryset without any of its own: made once, and taken into others.

    Args:
        condition: the condition. It joins nothing that would repeat a row.
        model: the model that its columns are of.
    """

    def __init__(self, condition: Condition, model: type[Model]) -> None:
        self.condition = condition if isinstance(condition, bool) else in_groups(condition)
        if isinstance(self.condition, bool):
            return
        query = QuerySet(model).filter(self.condition).query
        self._model = model._meta.concrete_model
        self._tables: dict[str, Any] = query.alias_map
        self._references: dict[str, int] = query.alias_refcount
        self._prefixes: frozenset[str] = query.subq_aliases
        self._where = _Where(query.where)

    @property
    def tables(self) -> int:
        """How many tables it joins, the model's own among them."""
        # Those that nothing refers to are not.
        return 0 if isinstance(self.condition, bool) else sum(map(bool, self._references.values()))

    @property
    def loses_rows(self) -> bool:
        """Whether it takes rows to be there that no constraint keeps: Django looks at NULL alone."""
        if isinstance(self.condition, bool):
            return False
        within = ((query.alias_map, query.alias_refcount) for query in _queries(self._where))
        return any(starmap(_loses_rows, [(self._tables, self._references), *within]))

    def of(self, queryset: QuerySet[Row]) -> QuerySet[Row]:
        """The rows of a queryset that fulfil the condition; itself for all of them."""
        if isinstance(self.condition, bool):
            return queryset.all() if self.condition else queryset.none()
        if not self._fits(queryset.query):
            return self._filtered(queryset)
        # To name every column again takes longer than the database does.
        rows = queryset.all()
        self._join(rows.query)
        rows.query.where.add(self._where, AND)
        return rows

    def _filtered(self, queryset: QuerySet[Row]) -> QuerySet[Row]:
        """As Django filters, by rows of their own where the condition's paths could be taken for annotations."""
        if not queryset.query.annotations:
            return queryset.filter(self.condition)
        # By the key's own name: an annotation may be called "pk", too.
        key = queryset.model._meta.pk.name
        return queryset.filter(**{f"{key}__in": QuerySet(queryset.model).filter(self.condition).values(key)})

    def _fits(self, query: Any) -> bool:
        """Whether what both call by one name is one table, joined alike; Django tells what cannot be filtered."""
        if query.is_sliced or query.combinator or query.get_meta().concrete_model is not self._model:
            return False
        return all(query.alias_map.get(alias, table) == table for alias, table in self._tables.items())

    def _join(self, query: Any) -> None:
        """Join the condition's tables as Django does for an AND: inner, if one of both needs a row there."""
        query.subq_aliases |= self._prefixes
        for alias, table in self._tables.items():
            known = query.alias_map.get(alias)
            if known is None:
                query.table_map[table.table_name] = [*query.table_map.get(table.table_name, ()), alias]
            # Those that nothing refers to are joined to nothing; Django counts them when it makes a name.
            if known is None or (table.join_type == INNER and self._references[alias]):
                query.alias_map[alias] = table
            query.alias_refcount[alias] = query.alias_refcount.get(alias, 0) + self._references[alias]


def _queries(expression: Any) -> Iterator[Query]:
    """The queries within an expression."""
    if isinstance(expression, Query):
        yield expression
        sources = [expression.where, *expression.annotations.values()]
    else:
        sources = expression.get_source_expressions() if hasattr(expression, "get_source_expressions") else []
    for source in sources:
        yield from _queries(source)


def _loses_rows(tables: dict[str, Any], references: dict[str, int]) -> bool:
    joins = (table for alias, table in tables.items() if references[alias] and table.join_type == INNER)
    return not all(getattr(join.join_field, "db_constraint", True) for join in joins)
