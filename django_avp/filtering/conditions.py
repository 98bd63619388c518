"""Conditions on rows: ``Q`` objects that are two-valued, with ``True`` and ``False`` for those that need no database.

INVARIANT: a condition is true or false for every row, never unknown. What a NULL would make unknown stands beside a
condition that excludes the NULL, and SQL's ``FALSE AND NULL`` is false. So NOT is the complement (rule E10).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from django.db.models import Expression, F, Lookup, OuterRef, Q
from django.db.models.constants import LOOKUP_SEP
from django.db.models.lookups import IsNull

__all__ = [
    "Condition",
    "Joined",
    "all_of",
    "any_of",
    "in_groups",
    "is_movable",
    "is_null",
    "mapped",
    "negated",
    "not_null",
    "parts_of",
    "where",
]

Condition: TypeAlias = Q | bool

# SQLite takes 1,000 operands in a row, each of which is a level of the expression to it.
_ROW = 250


class Joined(F):
    """The key of a row that is joined, for which Django takes the column that names it in its place."""

    def resolve_expression(self, query: Any = None, allow_joins: bool = True, reuse: Any = None, *_: Any) -> Any:
        """The column itself."""
        names = self.name.split(LOOKUP_SEP)  # type: ignore[attr-defined]
        meta, alias = query.get_meta(), query.get_initial_alias()
        field = query.names_to_path(names, meta)[1]
        if not field.is_relation:
            joined = query.setup_joins(names, meta, alias, can_reuse=reuse)
            return joined.targets[0].get_col(joined.joins[-1])
        # A key that names another row would be followed to that one.
        joined = query.setup_joins(names[:-1], meta, alias, can_reuse=reuse)
        return field.get_col(joined.joins[-1])


def where(expression: Any) -> Q:
    """The condition that a boolean expression is true; for no row may it be NULL where the condition counts."""
    return Q(expression)


def is_null(expression: Any) -> Q:
    """The condition that there is no value."""
    return Q(IsNull(expression, True))


def not_null(expression: Any) -> Q:
    """The condition that there is a value."""
    return Q(IsNull(expression, False))


def all_of(conditions: Iterable[Condition]) -> Condition:
    """The condition that all conditions hold."""
    return _joined(conditions, Q.AND)


def any_of(conditions: Iterable[Condition]) -> Condition:
    """The condition that one of the conditions holds."""
    return _joined(conditions, Q.OR)


def negated(condition: Condition) -> Condition:
    """The complement."""
    if isinstance(condition, bool):
        return not condition
    child: Any = condition.children[0]
    if len(condition.children) == 1 and isinstance(child, IsNull):
        return Q(IsNull(child.lhs, not child.rhs))
    if condition.negated and isinstance(child, Q):
        return child
    return Q(condition, _negated=True)


def _joined(conditions: Iterable[Condition], connector: str) -> Condition:
    """Join conditions, each once. ``True`` absorbs an OR, ``False`` an AND, and so do two that exclude each other."""
    absorbing = connector == Q.OR
    parts: dict[Q, None] = {}
    for condition in conditions:
        if isinstance(condition, bool):
            if condition is absorbing:
                return absorbing
            continue
        parts.update(dict.fromkeys(parts_of(condition, connector)))
    if not parts:
        return not absorbing
    if len(parts) > 1 and any(negated(part) in parts for part in parts):
        return absorbing
    return next(iter(parts)) if len(parts) == 1 else Q(*parts, _connector=connector)


def in_groups(condition: Q) -> Q:
    """The same condition with nowhere more operands in a row than every database takes."""
    parts = [in_groups(child) if isinstance(child, Q) else child for child in condition.children]
    while len(parts) > _ROW:
        groups = [parts[start : start + _ROW] for start in range(0, len(parts), _ROW)]
        # Django puts groups of one connector into one row again, unless they are negated.
        parts = [Q(Q(*group, _connector=condition.connector, _negated=True), _negated=True) for group in groups]
    return Q(*parts, _connector=condition.connector, _negated=condition.negated)


def parts_of(condition: Q, connector: str) -> Iterator[Q]:
    """The operands of an AND or an OR; a condition that is none is its own."""
    if condition.connector == connector and len(condition.children) > 1 and not condition.negated:
        for child in condition.children:
            yield child if isinstance(child, Q) else Q(child)
    else:
        yield condition


def is_movable(expression: Any) -> bool:
    """Whether every name of a column in an expression is an ``F`` that :func:`mapped` replaces.

    Subqueries and ``Q`` name columns in other ways, and so may a lookup among several values.
    """
    if type(expression) in (F, OuterRef):
        return True
    if not isinstance(expression, Expression) or isinstance(getattr(expression, "rhs", None), list | tuple | set):
        return False
    return all(item is None or is_movable(item) for item in _sources(expression))


def mapped(expression: Any, name: Any) -> Any:
    """A movable expression with every name of a column replaced, ``F("title")`` by ``name(F("title"))``."""
    if isinstance(expression, F):
        return name(expression)
    clone = expression.copy()
    sources = [item and mapped(item, name) for item in _sources(expression)]
    clone.set_source_expressions(sources)
    if not isinstance(clone, Lookup):
        # Django tells expressions apart by what they were made of, and would take this one for the first.
        clone.identity = (expression.identity, *sources)
    return clone


def _sources(expression: Any) -> list[Any]:
    """What an expression is made of. Django leaves out an ``F`` on the right of a lookup until it is resolved."""
    sources: list[Any] = expression.get_source_expressions()
    is_left_out = isinstance(expression, Lookup) and len(sources) == 1 and hasattr(expression.rhs, "resolve_expression")
    return [*sources, expression.rhs] if is_left_out else sources
