"""Sets of the database: what relations lead to, lists in JSON, and arrays of PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.models import Exists, QuerySet

from django_avp.entities.columns import Shape
from django_avp.filtering.comparing import same
from django_avp.filtering.conditions import Condition, all_of, any_of, negated, not_null, where
from django_avp.filtering.dialects import Dialect, Template
from django_avp.filtering.ground import kind_of
from django_avp.filtering.terms import Members, Reference, Term, term_of
from django_avp.filtering.untranslatable import Untranslatable

__all__ = ["RelatedMembers", "array_members", "json_members"]


class RelatedMembers(Members):
    """What a relation to many leads to.

    Args:
        queryset: the rows that hold the members, of one outer row.
        member: the value of one, of a row where it is present.
        present: the condition that it is.
        dialect: of the database.
    """

    def __init__(self, queryset: QuerySet[Any], member: Term | Reference, present: Condition, dialect: Dialect) -> None:
        self.member = member
        self.queryset = queryset
        self._present = present
        self._dialect = dialect

    def contains(self, value: Any) -> Condition:
        """The condition that a value is in the Set."""
        return self.any(same(self.member, _outer(value), self._dialect))

    def has_other_than(self, values: Sequence[Any]) -> Condition:
        """The condition that something else than these values is in the Set."""
        return self.any(negated(any_of(same(self.member, _outer(value), self._dialect) for value in values)))

    def has_unholdable(self) -> Condition:
        """The condition that something is there that is no member, because Cedar does not hold it."""
        return self._exists(all_of([not_null(_expression(self.member)), negated(self._present)]))

    def any(self, condition: Condition) -> Condition:
        """The condition that one of the members fulfils a condition, which is about the inner row."""
        return self._exists(all_of([self._present, condition]))

    def _exists(self, condition: Condition) -> Condition:
        if condition is False:
            return False
        return where(Exists(self.queryset if condition is True else self.queryset.filter(condition)))


def _expression(member: Term | Reference) -> Any:
    return member.id.expression if isinstance(member, Reference) else member.expression


def _outer(value: Any) -> Any:
    if isinstance(value, Term | Reference):
        return value.outer()
    if kind_of(value) in ("Set", "Record"):
        # No member is one, so none is equal.
        return ()
    return value


class _Items(Members):
    """Values inside of one column.

    Args:
        column: the column.
        items: the FROM clause of its items, and the tests that one has to pass to count.
        member: the value of an item.
        dialect: of the database.
    """

    def __init__(self, column: Any, items: str, member: Term, dialect: Dialect) -> None:
        self._column = column
        self.member = member
        self._items = items
        self._dialect = dialect

    def contains(self, value: Any) -> Condition:
        """The condition that a value is in the Set."""
        return self._any(same(self.member, value, self._dialect))

    def has_other_than(self, values: Sequence[Any]) -> Condition:
        """The condition that something else than these values is in the Set."""
        return self._any(negated(any_of(same(self.member, value, self._dialect) for value in values)))

    def _any(self, condition: Condition) -> Condition:
        if condition is False:
            return False
        rows = f"EXISTS (SELECT 1 FROM {self._items}"  # noqa: S608 - column, path and values are expressions
        if condition is True:
            return where(Template(f"{rows})", self._column))
        return where(Template(f"{rows} AND {{1}})", self._column, condition))


def json_members(column: Any, items: str, shape: Shape, dialect: Dialect) -> Members:
    """The Set that a JSON list is, without the items that have not the declared shape.

    Raises:
        Untranslatable: a Set of Sets or of Records.
    """
    if not isinstance(shape, type):
        raise Untranslatable(
            "a Set of Sets or Records is in JSON", "Leave it out of the policy, or have the rows checked one by one."
        )
    kind, value, held, field = _JSON[shape]
    names = ", ".join(f"'{name}'" for name in dialect.json_kinds[shape])
    tests = [f"{dialect.item['json_type']} IN ({names})", dialect.item[held] if held else ""]
    member = Term(kind, Template(dialect.item[value], output_field=field), field)
    return _Items(column, f"{items} WHERE {' AND '.join(filter(None, tests))}", member, dialect)


_JSON: dict[Any, tuple[str, str, str, Any]] = {
    str: ("String", "json_text", "json_holds_text", models.TextField()),
    int: ("Long", "json_long", "json_holds_long", models.BigIntegerField()),
    bool: ("Bool", "json_true", "", models.BooleanField()),
}


def array_members(column: Any, field: Any, dialect: Dialect) -> Members:
    """The Set that an array of PostgreSQL is.

    Raises:
        Untranslatable: the database does not hold its items as Cedar would.
    """
    member = term_of(Template("item", output_field=field.base_field), field.base_field, dialect)
    return _Items(column, "UNNEST({0}) item WHERE item IS NOT NULL", member, dialect)
