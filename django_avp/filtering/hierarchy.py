"""What a row is ``in``: its parents, the parents of these, … unrolled to ``AVP_MAX_DEPTH`` levels (rule E9)."""

from __future__ import annotations

from typing import Any

from django_avp.conf import conf
from django_avp.entities.columns import Column
from django_avp.entities.model_entity import ModelEntity
from django_avp.filtering.comparing import same
from django_avp.filtering.conditions import Condition, all_of, any_of
from django_avp.filtering.rows import Row
from django_avp.filtering.terms import Reference

__all__ = ["ancestor_types", "closure", "is_below"]


def is_below(row: Row, ancestor: Any, levels: int | None = None) -> Condition:
    """The condition that an entity is an ancestor of a row, and not the row itself.

    Args:
        row: the row.
        ancestor: an ``EntityUid``, or a :class:`Reference` of the list's row.
        levels: how many levels of parents are followed; ``AVP_MAX_DEPTH`` by default.

    Raises:
        Untranslatable: the database cannot compare the ids.
    """
    levels = conf.max_depth if levels is None else levels
    if not levels or ancestor.type not in ancestor_types(row.definition):
        return False
    return any_of(_is_via(row, column, ancestor, levels) for column in row.definition.plan.parents)


def _is_via(row: Row, column: Column, ancestor: Any, levels: int) -> Condition:
    if column.is_set:
        members = row.members(column)
        inner = ancestor.outer() if isinstance(ancestor, Reference) else ancestor
        further = _is_above(members.member, inner, levels)
        return members.any(any_of([same(members.member, inner, row.dialect), further]))
    present, parent = row.referred(column)
    is_parent = all_of([present, same(parent, ancestor, row.dialect)])
    # Where there is no parent, the columns of its own parents are NULL, and no ancestor is found there.
    return any_of([is_parent, _is_above(parent, ancestor, levels)])


def _is_above(parent: Reference, ancestor: Any, levels: int) -> Condition:
    return all_of([parent.row.is_named, is_below(parent.row, ancestor, levels - 1)]) if parent.row else False


def closure(definition: ModelEntity) -> list[ModelEntity]:
    """A definition, and those of all entities that its own may be in."""
    found = [definition]
    for one in found:  # grows while it is walked
        above = [one.target(column) for column in one.plan.parents]
        found += [parent for parent in dict.fromkeys(above) if parent is not None and parent not in found]
    return found


def ancestor_types(definition: ModelEntity) -> frozenset[str]:
    """The entity types that a definition's entities may be in, at any distance."""
    return frozenset(str(column.target) for one in closure(definition) for column in one.plan.parents)
