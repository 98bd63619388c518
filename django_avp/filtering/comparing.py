"""Equality and order of values, of which at least one is in the database.

INVARIANT: values are compared where they are present, so a condition here says nothing about NULL.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F, Value
from django.db.models.lookups import Exact, LessThan

from django_avp.cedar import EntityUid
from django_avp.filtering.conditions import Condition, all_of, any_of, negated, where
from django_avp.filtering.dialects import Dialect, KeyTest, Template, TextTest, literal
from django_avp.filtering.extensions import Extension
from django_avp.filtering.ground import kind_of
from django_avp.filtering.terms import Members, Record, Reference, Term, is_text
from django_avp.filtering.untranslatable import Untranslatable
from django_avp.values import LONG_MAX, LONG_MIN

__all__ = ["less", "same"]

# An integer as every database writes it, with no more digits than 64 bits have.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_DAY = 86_400_000  # milliseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DECIMAL = models.DecimalField(max_digits=19, decimal_places=4)


def same(left: Any, right: Any, dialect: Dialect) -> Condition:
    """The condition that two values are equal; values of different kinds are not.

    Raises:
        Untranslatable: the database cannot tell.
    """
    if kind_of(left) != kind_of(right):
        return False
    for kind, compare in _EQUALITIES:
        for one, other in ((left, right), (right, left)):
            if isinstance(one, kind):
                condition: Condition = compare(one, other, dialect)
                return condition
    return bool(left == right)


def _same_term(term: Term, other: Any, dialect: Dialect) -> Condition:
    if isinstance(other, Term):
        return _same_terms(term, other, dialect)
    if term.kind in ("datetime", "duration"):
        return _is_at(term, other.value)
    if is_text(term.field):
        # No text has a NUL that is present (rule E6), and PostgreSQL takes none as a parameter.
        if "\0" in other:
            return False
        sql = dialect.same_collated_text if term.is_collated else dialect.same_text
        return where(TextTest(sql, term.expression, "equals", other))
    value = _parameter(term, other)
    return False if value is None else where(Exact(term.expression, value))


def _same_terms(left: Term, right: Term, dialect: Dialect) -> Condition:
    if is_text(left.field) and is_text(right.field):
        return where(Template(dialect.same_columns, left.text(dialect), right.text(dialect)))
    if _are_comparable(left, right):
        return where(Exact(left.expression, right.expression))
    raise Untranslatable(
        f"two columns of the kind {left.kind} are compared, which the database may hold otherwise than Cedar",
        "Compare each with a value of the request.",
    )


def _same_reference(reference: Reference, other: Any, dialect: Dialect) -> Condition:
    if reference.type != other.type:
        return False
    if isinstance(other, Reference):
        return _same_terms(reference.id, other.id, dialect)
    return same_id(reference, other, dialect)


def same_id(reference: Reference, uid: EntityUid, dialect: Dialect) -> Condition:
    """The condition that a reference is an entity of the same type."""
    if not uid.is_valid:
        # A column whose value is no id refers to nothing (rule A9).
        return False
    if reference.keys is not None and is_text(reference.id.field):
        field = reference.id.field
        condition = _same_term(Term("String", F(field.name), field), uid.id, dialect)
        rows = reference.keys.filter(condition)
        return where(KeyTest(reference.id.expression, uid.id, reference.key, rows))
    if reference.id.kind == "String":
        return _same_term(reference.id, uid.id, dialect)
    # `Album::"007"` is not the primary key 7 (rule E6).
    if not _INTEGER.fullmatch(uid.id) or not LONG_MIN <= int(uid.id) <= LONG_MAX:
        return False
    return where(Exact(reference.id.expression, Value(int(uid.id))))


def _same_members(members: Members, other: Any, dialect: Dialect) -> Condition:
    if isinstance(other, Members):
        raise Untranslatable("two Sets of the database are compared", "Compare each with a Set of the policy.")
    values = tuple(other)
    return all_of([*(members.contains(value) for value in values), negated(members.has_other_than(values))])


def _same_record(record: Record, other: Any, dialect: Dialect) -> Condition:
    if isinstance(other, Record):
        raise Untranslatable("two Records of the database are compared", "Compare their attributes.")
    if not other.keys() <= record.keys:
        return False
    return all_of(
        any_of(all_of([condition, same(value, other[name], dialect)]) for condition, value in outcome.cases)
        if name in other
        else negated(any_of(condition for condition, _ in outcome.cases))
        for name, outcome in ((name, record.attribute(name)) for name in sorted(record.keys))
    )


def _same_fields(record: dict[str, Any], other: Any, dialect: Dialect) -> Condition:
    if record.keys() != other.keys():
        return False
    return all_of(same(value, other[name], dialect) for name, value in record.items())


def _same_elements(elements: tuple[Any, ...], other: Any, dialect: Dialect) -> Condition:
    pairs = ((elements, other), (other, elements))
    return all_of(any_of(same(item, one, dialect) for one in among) for items, among in pairs for item in items)


# What holds values of the database comes before what holds other values.
_EQUALITIES: tuple[tuple[type, Any], ...] = (
    (Term, _same_term),
    (Reference, _same_reference),
    (Members, _same_members),
    (Record, _same_record),
    (dict, _same_fields),
    (tuple, _same_elements),
)


def less(left: Any, right: Any, dialect: Dialect) -> Condition:
    """The condition that one value is less than another of its kind, which has an order.

    Raises:
        Untranslatable: the database cannot tell.
    """
    if not isinstance(left, Term) and not isinstance(right, Term):
        return _number(left) < _number(right)
    if isinstance(left, Term) and isinstance(right, Term):
        if _are_comparable(left, right):
            return where(LessThan(left.expression, right.expression))
        _same_terms(left, right, dialect)
    if isinstance(left, Term):
        return _below(left, _number(right))
    # right > left, in whole numbers: not right < left + 1
    return negated(_below(right, _number(left) + 1))


def _below(term: Term, bound: int) -> Condition:
    """The condition that a term is less than a number: of units, ten-thousandths or milliseconds."""
    if term.kind in ("datetime", "duration"):
        return _before(term, bound)
    if term.kind == "decimal":
        return where(LessThan(term.expression, Value(Decimal(bound) / 10_000, _DECIMAL)))
    if bound > LONG_MAX:
        return True
    return where(LessThan(term.expression, Value(bound)))


def _before(term: Term, milliseconds: int) -> Condition:
    """The condition that a moment or a duration, floored to milliseconds, is less than a number of them (rule E7)."""
    try:
        if term.kind == "duration":
            value: Any = timedelta(milliseconds=milliseconds)
            if abs(value // timedelta(microseconds=1)) > LONG_MAX:
                return milliseconds > 0
        elif isinstance(term.field, models.DateTimeField):
            value = _EPOCH + timedelta(milliseconds=milliseconds)
        else:
            value = date(1970, 1, 1) + timedelta(days=-(-milliseconds // _DAY))
    except OverflowError:
        # Beyond what the column can hold, on one side or the other.
        return milliseconds > 0
    return where(LessThan(term.expression, Value(value, term.field)))


def _is_at(term: Term, milliseconds: int) -> Condition:
    if term.kind == "datetime" and not isinstance(term.field, models.DateTimeField) and milliseconds % _DAY:
        return False
    return all_of([_before(term, milliseconds + 1), negated(_before(term, milliseconds))])


def _parameter(term: Term, value: Any) -> Any:
    """A value as a parameter to compare a column with; ``None`` if no row can have it."""
    if isinstance(term.field, models.UUIDField):
        return Value(UUID(value), term.field) if _is_uuid(value) else None
    if term.kind == "decimal":
        return Value(Decimal(value.value) / 10_000, _DECIMAL)
    if term.kind == "ipaddr":
        address, prefix = value.value
        return Template("{0}::inet", literal(str(address))) if prefix == address.max_prefixlen else None
    return Value(value)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _are_comparable(left: Term, right: Term) -> bool:
    """Whether a database holds two columns in the same way, and no finer than Cedar sees them."""
    if isinstance(left.field, models.DateTimeField) or isinstance(right.field, models.DateTimeField):
        return False
    if type(left.field).db_type is not type(right.field).db_type:
        return False
    return any(isinstance(left.field, kind) and isinstance(right.field, kind) for kind in _COMPARABLE)


_COMPARABLE = (
    models.BooleanField,
    models.IntegerField,
    models.UUIDField,
    models.DecimalField,
    models.DateField,
    models.GenericIPAddressField,
)


def _number(value: Any) -> int:
    return int(value.value if isinstance(value, Extension) else value)
