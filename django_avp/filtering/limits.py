"""How many ancestors a row may have, which Verified Permissions limits (rule A2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db.models import Case, Count, F, IntegerField, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThanOrEqual

from django_avp.conf import conf
from django_avp.entities.columns import Column
from django_avp.entities.model_entity import ModelEntity
from django_avp.entities.world import MAX_ANCESTORS
from django_avp.filtering.conditions import Condition, not_null, where
from django_avp.filtering.rows import Row, leads_exactly
from django_avp.filtering.untranslatable import Untranslatable

__all__ = ["is_within_limit"]

Way = tuple[Column, ...]
_CURE = "Declare fewer parents, lower AVP_MAX_DEPTH, or have the rows checked one by one."


def is_within_limit(row: Row) -> Condition:
    """The condition that a row has no more ancestors than may be sent.

    Raises:
        Untranslatable: the database cannot count them.
    """
    ways = list(islice(_ways(row.definition, conf.max_depth), MAX_ANCESTORS + 1))
    if len(ways) > MAX_ANCESTORS:
        raise Untranslatable(f"the hierarchy may have more than {MAX_ANCESTORS} ancestors", _CURE)
    if not any(column.is_set for way in ways for column in way):
        return True
    if not all(leads_exactly(column, row.dialect) for way in ways for column in way[:-1]):
        raise Untranslatable("ancestors are named by texts that the database does not tell apart", _CURE)
    types = [way[-1].target for way in ways]
    if len(set(types)) < len(types):
        raise Untranslatable("entities are ancestors in several ways, and the database cannot count them once", _CURE)
    total, *further = (_count(row, way) for way in ways)
    for count in further:
        total += count
    return where(LessThanOrEqual(total, Value(MAX_ANCESTORS)))


def _ways(definition: ModelEntity, levels: int) -> Iterator[Way]:
    """The columns that lead to an ancestor, one after the other, for each of them."""
    for column in definition.plan.parents if levels else ():
        yield (column,)
        above = definition.target(column)
        yield from ((column, *way) for way in (_ways(above, levels - 1) if above else ()))


def _count(row: Row, way: Way) -> Any:
    """How many ancestors a way leads to."""
    column, *further = way
    if column.is_set:
        return _count_members(row, way)
    if further:
        return _count(row.referred(column)[1].row, tuple(further))  # type: ignore[arg-type]
    present, _ = row.referred(column)
    return Value(1) if present is True else Case(When(present, Value(1)), default=Value(0))


def _count_members(row: Row, way: Way) -> Any:
    column, *further = way
    members = row.members(column)
    expression, inner = members.member.id.expression, members.member.row
    for step in further:
        expression, inner = F(inner.prefix + step.path), inner.leading(step)
    counted = members.queryset.filter(not_null(expression)).order_by().annotate(avp_all=Value(1)).values("avp_all")
    counted = counted.annotate(avp_count=Count(expression, distinct=True)).values("avp_count")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))
