"""Which rows are decided at all: those whose world is complete, within the limits, and as the schema has it.

A check about any other row is undecided, and so it is not in a list either (rules A2, A5, A7, A9).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django_avp.conf import conf
from django_avp.entities.columns import Column
from django_avp.entities.model_entity import ModelEntity
from django_avp.filtering.comparing import same
from django_avp.filtering.conditions import Condition, all_of, any_of, negated
from django_avp.filtering.dialects import Dialect
from django_avp.filtering.ground import kind_of
from django_avp.filtering.hierarchy import ancestor_types, closure
from django_avp.filtering.limits import is_within_limit
from django_avp.filtering.outcomes import Outcome
from django_avp.filtering.rows import Row
from django_avp.filtering.terms import Members, Record, Reference, id_presence, is_converted, kind_of_field, storage
from django_avp.filtering.untranslatable import Untranslatable
from django_avp.references import Path, References
from django_avp.schema import Attribute, NamedType, Schema, SetType, Type

__all__ = ["Soundness"]


class Soundness:
    """The condition that a row is decided.

    Args:
        schema: what entities have to conform to, if there is a schema.
        references: which references policies follow, whose entities have to conform as well.
        dialect: of the database.
    """

    def __init__(self, schema: Schema | None, references: References, dialect: Dialect) -> None:
        self._schema = schema
        self._dialect = dialect
        self._references = references

    def of(self, row: Row) -> Condition:
        """The condition that a row is decided.

        Raises:
            Untranslatable: the database cannot tell.
        """
        has_id = id_presence(row.reference.id, row.dialect, is_optional=False)
        return all_of([has_id, *self._reached(row, (), True)])

    def _reached(self, row: Row, path: Path, reached: Condition) -> Iterator[Condition]:
        """The conditions that an entity, its ancestors and all that policies come to from it are sound.

        They stand beside each other, for databases take few levels of parentheses.

        Args:
            row: the entity's row.
            path: how policies come to it from the resource.
            reached: the condition that they do, and that it exists.
        """
        otherwise = negated(reached)
        yield from (any_of([otherwise, part]) for part in (self._conforms(row), *self._ancestry(row)))
        for name in sorted(row.definition.declared_names):
            if self._references.step("resource", path, (name,)) is None:
                continue
            for condition, value in row.attribute(name).cases:
                if isinstance(value, Reference) and value.row is not None:
                    yield from self._reached(value.row, (*path, name), all_of([reached, condition, value.row.exists]))

    # The hierarchy

    def _ancestry(self, row: Row) -> Iterator[Condition]:
        if row.definition.plan.parents:
            _require_one_way(row.definition)
            yield from self._above(row, conf.max_depth, (row, conf.max_depth))
            yield is_within_limit(row)

    def _above(self, row: Row, levels: int, lowest: tuple[Row, int]) -> Iterator[Condition]:
        """The conditions that everything above a row is sound, and no further away than a number of levels.

        Args:
            row: a row of the hierarchy.
            levels: how many levels of parents it may have.
            lowest: the row whose ancestors all of them are, and how many levels of parents that one may have.
        """
        for column in row.definition.plan.parents:
            yield self._may_have(row, column)
            if column.is_set:
                members = row.members(column)
                unsound = negated(all_of(self._parent(members.member, levels, None)))
                yield negated(any_of([members.has_unholdable(), members.any(unsound)]))
            else:
                present, parent = row.referred(column)
                parts = [present, *self._parent(parent, levels, lowest)]
                yield from (any_of([row.lacks(column), part]) for part in parts)

    def _parent(self, parent: Reference, levels: int, lowest: tuple[Row, int] | None) -> Iterator[Condition]:
        above = parent.row
        if not levels:
            # What is nearer by another way is not too far away, unless it leads in a circle.
            is_circle = above is not None and above.definition.entity_type in ancestor_types(above.definition)
            nearer = [] if is_circle or lowest is None else list(_within(*lowest))
            yield any_of(
                all_of([present, same(parent, one, self._dialect)])
                for present, one in nearer
                if one.type == parent.type
            )
        elif above is not None:
            yield any_of([negated(above.exists), self._conforms(above)])
            is_none = negated(above.is_named)
            yield from (
                any_of([is_none, part]) for part in self._above(above, levels - 1, lowest or (above, levels - 1))
            )

    def _may_have(self, row: Row, column: Column) -> Condition:
        """The condition that a row has no parent of a type that the schema does not let it have."""
        declared = self._schema.entity_types.get(row.definition.entity_type) if self._schema else None
        if declared is None or column.target in declared.member_of:
            return True
        return negated(row.members(column).any(True)) if column.is_set else row.lacks(column)

    # The schema

    def _conforms(self, row: Row) -> Condition:
        """The condition that an entity is as the schema declares it."""
        if self._schema is None:
            return True
        declared = self._schema.entity_types.get(row.definition.entity_type)
        if declared is None:
            return False
        attributes = declared.shape.attributes
        names = row.definition.declared_names
        if any(attribute.required and name not in names for name, attribute in attributes.items()):
            return False
        return all_of(_has_declared(row, name, attributes.get(name)) for name in sorted(names))


def _has_declared(row: Row, name: str, attribute: Attribute | None) -> Condition:
    """The condition that an attribute of a row is as it is declared."""
    is_optional = attribute is not None and not attribute.required
    if is_optional and row.definition.is_opaque(name):
        return True  # present or not, it is what the method is declared to return
    try:
        outcome = row.attribute(name)
    except Untranslatable:
        # Whether it is present does not matter, and its type is known without the database.
        if is_optional and attribute is not None and _is_of_type(row.definition, name, attribute.type):
            return True
        raise
    return _is_declared(outcome, attribute)


def _is_of_type(definition: ModelEntity, name: str, declared: Type) -> bool:
    column = next((column for column in definition.columns if column.name == name), None)
    element = declared.element if isinstance(declared, SetType) else declared
    return (
        column is not None
        and column.is_set == isinstance(declared, SetType)
        and column.target is None
        and isinstance(element, NamedType)
        and element.name == kind_of_field(column.field)
        and not is_converted(storage(column.field))
    )


def _is_declared(outcome: Outcome, attribute: Attribute | None) -> Condition:
    """The condition that an attribute is present if it is required, absent if it is unknown, and of its type."""
    absent = negated(any_of(condition for condition, _ in outcome.cases))
    if attribute is None:
        return absent
    fitting = any_of(all_of([condition, _fits(value, attribute.type)]) for condition, value in outcome.cases)
    return fitting if attribute.required else any_of([fitting, absent])


def _fits(value: Any, declared: Type) -> Condition:
    if isinstance(declared, NamedType):
        kind = value.type if isinstance(value, Reference) else kind_of(value)
        return kind == {"Boolean": "Bool"}.get(declared.name, declared.name)
    if isinstance(declared, SetType):
        if not isinstance(value, Members):
            return False
        # No member of an empty Set is of a wrong type.
        return any_of([_fits(value.member, declared.element), negated(value.has_other_than(()))])
    if not isinstance(value, Record):
        return False
    names = value.keys | declared.attributes.keys()
    return all_of(_is_declared(value.attribute(name), declared.attributes.get(name)) for name in sorted(names))


def _within(row: Row, levels: int) -> Iterator[tuple[Condition, Reference]]:
    """The ancestors of a row up to a number of levels, by foreign keys, each with the condition that it is named."""
    for column in row.definition.plan.parents if levels else ():
        if not column.is_set:
            present, parent = row.referred(column)
            yield present, parent
            yield from _within_parent(parent.row, levels - 1) if parent.row else ()


def _within_parent(parent: Row, levels: int) -> Iterator[tuple[Condition, Reference]]:
    """The ancestors of a parent, where the parent itself is the row that is named."""
    return ((all_of([parent.is_named, further]), ancestor) for further, ancestor in _within(parent, levels))


def _types_above(definition: ModelEntity, column: Column) -> frozenset[str]:
    above = definition.target(column)
    return ancestor_types(above) if above else frozenset()


def _require_one_way(definition: ModelEntity) -> None:
    """Refuse a hierarchy that leads back into itself in several ways, which has no bounded form."""
    for one in closure(definition):
        back = [column for column in one.plan.parents if one.entity_type in {column.target, *_types_above(one, column)}]
        if len(back) > 1 or any(column.is_set for column in back):
            raise Untranslatable(
                f"{one.model.__name__} leads back to itself by several parents, and no query follows them all",
                "Keep one foreign key in parents, or have the rows checked one by one.",
            )
