"""A row of a list, and the rows that it leads to: what Cedar sees of them, as terms of the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Exists, F, ManyToManyField, OuterRef, QuerySet, Subquery
from django.db.models.constants import LOOKUP_SEP
from django.db.models.fields.reverse_related import ManyToManyRel, ManyToOneRel
from django.db.models.lookups import Exact

from django_avp.entities.columns import Column
from django_avp.entities.model_entity import EXPRESSION_CURE, ModelEntity
from django_avp.filtering.collections import RelatedMembers, array_members
from django_avp.filtering.conditions import Condition, Joined, all_of, is_movable, is_null, mapped, not_null, where
from django_avp.filtering.dialects import DIALECTS, Dialect, Template
from django_avp.filtering.documents import Document
from django_avp.filtering.outcomes import FAILS, Outcome, known, truth
from django_avp.filtering.terms import (
    Reference,
    Term,
    id_presence,
    is_exact,
    presence,
    refuse_converted,
    storage,
    term_of,
)
from django_avp.filtering.untranslatable import Untranslatable

__all__ = ["Row", "unfilterable"]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row, by the way that leads to it from the list's own.

    Attributes:
        definition: what of its model Cedar may read.
        dialect: of the database.
        prefix: ORM path to it, ending in ``__``; empty for the list's own row.
        is_optional: whether its columns may be NULL because there is no such row.
        key: the column by which a relation finds it.
        is_kept: whether a constraint of the database keeps the row that a foreign key names.
        is_exact: whether it is the row that is named. Not where a join takes two texts for one: then the text that
            names it may be the id of no entity.
    """

    definition: ModelEntity
    dialect: Dialect
    prefix: str = ""
    is_optional: bool = False
    key: str = "pk"
    is_kept: bool = True
    is_exact: bool = True

    @property
    def reference(self) -> Reference:
        """The row as an entity."""
        field = self.definition.identifier
        term = _id_term(F(self.prefix + field.name), field, self.dialect)
        return Reference(self.definition.entity_type, term, self)

    @property
    def exists(self) -> Condition:
        """The condition that there is such a row, and not just its key."""
        path = f"{self.prefix}{self.key}"
        if not self.is_exact:
            # No subquery: MariaDB remembers what one came to, for all texts that the collation takes for one.
            is_same = where(Template(self.dialect.same_columns, Joined(path), F(path)))
            return all_of([not_null(Joined(path)), is_same])
        if not self.is_kept:
            return where(Exists(QuerySet(self.definition.model).filter(Exact(F(self.key), OuterRef(path)))))
        return not_null(F(path)) if self.is_optional else True

    @property
    def is_named(self) -> Condition:
        """The condition that the row that is joined is the one that is named, if there is one."""
        return True if self.is_exact else self.exists

    # Attributes

    def attribute(self, name: str) -> Outcome:
        """An attribute's value; an error where it is absent.

        Raises:
            Untranslatable: the database does not know it.
        """
        if name in self.definition.computed:
            return self._computed(name)
        columns = (column for column in self.definition.plan.attributes if column.name == name)
        return next((self._value(column) for column in columns), FAILS)

    def _value(self, column: Column) -> Outcome:
        field = getattr(column.field, "output_field", column.field)
        if column.is_set:
            return known(self.members(column)).given(self.exists)
        if column.target is not None:
            present, reference = self.referred(column)
            return known(reference).given(present)
        refuse_converted(field)
        expression = F(self.prefix + column.path)
        if column.shape is not None:
            return Document(expression, self.dialect).value(column.shape)
        if field.get_internal_type() == "ArrayField":
            present = not_null(expression) if self._may_lack(column) else True
            return known(array_members(expression, field, self.dialect)).given(present)
        return self._single(term_of(expression, field, self.dialect), is_optional=self._may_lack(column))

    def _single(self, term: Term, *, is_optional: bool) -> Outcome:
        present = presence(term, self.dialect, is_optional=is_optional)
        if term.kind == "Bool":
            return truth(where(Exact(term.expression, models.Value(True)))).given(present)
        return known(term).given(present)

    def _computed(self, name: str) -> Outcome:
        found = self.definition.expression(name)
        if found is None:
            raise Untranslatable(
                f"attribute_{name} is computed in Python, and no database knows it",
                f"Give its ORM expression: a method expression_{name}(self).",
            )
        if isinstance(found, Column):
            return self._value(found)
        if fault := self.definition.fault(name):
            raise Untranslatable(fault, EXPRESSION_CURE)
        return self._single(term_of(self._moved(found), found.output_field, self.dialect), is_optional=True)

    def _moved(self, expression: Any) -> Any:
        """An expression of the columns of this row, as the list's own row sees it."""
        if not self.prefix:
            return expression
        if is_movable(expression):
            return mapped(expression, lambda column: F(self.prefix + column.name))
        # Its names are those of a query of this row, so it gets one.
        key = self.definition.identifier.name
        row: QuerySet[Any] = (
            QuerySet(self.definition.model).order_by().filter(Exact(F(key), OuterRef(self.prefix + key)))
        )
        return Subquery(row.values(avp_attribute=expression), expression.output_field)

    # Relations

    def referred(self, column: Column) -> tuple[Condition, Reference]:
        """The condition that a column names an entity, and that entity."""
        is_optional = self._may_lack(column)
        term = _id_term(F(self.prefix + column.path), column.field, self.dialect)
        present = id_presence(term, self.dialect, is_optional=is_optional)
        path = self.prefix + LOOKUP_SEP.join(relation.name for relation in column.target_relations)
        return present, Reference(str(column.target), term, self.leading(column), *_key_of(column, path, self.dialect))

    def lacks(self, column: Column) -> Condition:
        """The condition that a column is NULL, or that there is no row."""
        return is_null(F(self.prefix + column.path)) if self._may_lack(column) else False

    def members(self, column: Column) -> RelatedMembers:
        """The Set that a relation to many leads to.

        Raises:
            Untranslatable: it is a relation that Django makes no subquery of.
        """
        position = next(place for place, relation in enumerate(column.relations) if is_to_many(relation))
        queryset, prefix = self._related(column.relations[:position], column.relations[position])
        *_, path = column.path.split(LOOKUP_SEP, position + 1)
        further = column.relations[position + 1 :]
        is_optional = column.field.null or any(_may_be_null(relation) for relation in further)
        expression = F(prefix + path)
        if column.target is None:
            term = term_of(expression, column.field, self.dialect)
            present = presence(term, self.dialect, is_optional=is_optional)
            return RelatedMembers(queryset, term, present, self.dialect)
        term = _id_term(expression, column.field, self.dialect)
        names = "".join(f"{relation.name}{LOOKUP_SEP}" for relation in column.target_relations[position + 1 :])
        path = (prefix + names).removesuffix(LOOKUP_SEP)
        keys = _key_of(column, path, self.dialect)
        reference = Reference(column.target, term, self.leading(column, prefix + names), *keys)
        present = id_presence(term, self.dialect, is_optional=is_optional)
        return RelatedMembers(queryset, reference, present, self.dialect)

    def _related(self, before: tuple[Any, ...], relation: Any) -> tuple[QuerySet[Any], str]:
        """The rows that a relation to many leads to, of one outer row, and the path from them to its model."""
        model: Any
        if isinstance(relation, ManyToManyField | ManyToManyRel):
            field = relation if isinstance(relation, ManyToManyField) else relation.field
            names = [field.m2m_field_name(), field.m2m_reverse_field_name()]
            link, target = names if relation is field else reversed(names)
            model, prefix = field.remote_field.through, f"{target}{LOOKUP_SEP}"
        elif isinstance(relation, ManyToOneRel):
            model, link, prefix = relation.related_model, relation.field.name, ""
        else:
            raise Untranslatable(
                f"{relation.name!r} is a relation that no subquery follows", "Leave it out of the policy."
            )
        path = "".join(f"{hop.name}{LOOKUP_SEP}" for hop in before)
        key = OuterRef(self.prefix + path + model._meta.get_field(link).target_field.name)
        # Not through a manager: one that hides rows would hide what a forbid is about.
        return QuerySet(model).filter(Exact(F(link), key)), prefix

    def leading(self, column: Column, prefix: str | None = None) -> Row | None:
        """The row that a column names; ``None`` where nothing but its id is known.

        Args:
            column: a reference.
            prefix: the path to that row, if it is another one than by the relations of the column.
        """
        definition = self.definition.target(column)
        if definition is None:
            return None
        if prefix is None:
            prefix = self.prefix + "".join(f"{relation.name}{LOOKUP_SEP}" for relation in column.target_relations)
        last = column.target_relations[-1]
        is_optional = column.is_set or self.is_optional or any(map(_may_be_null, column.target_relations))
        is_kept = not last.concrete or last.many_to_many or last.db_constraint
        key = _key(last).name
        return Row(definition, self.dialect, prefix, is_optional, key, is_kept, leads_exactly(column, self.dialect))

    def _may_lack(self, column: Column) -> bool:
        """Whether a column may be NULL, or the row that it is in may not be there."""
        return self.is_optional or column.field.null or any(map(_may_be_null, column.relations))


def unfilterable(definition: ModelEntity, names: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Those of the attributes that no database knows as Cedar does: each with the reason, and what to do about it."""
    row = Row(definition, DIALECTS["postgresql"])  # the one that knows most
    for name in sorted(definition.declared_names.intersection(names)):
        try:
            row.attribute(name)
        except Untranslatable as refusal:
            yield name, refusal.reason, refusal.cure


def leads_exactly(column: Column, dialect: Dialect) -> bool:
    """Whether the row that is joined has the id that stands in the column."""
    relation = column.target_relations[-1]
    # In reverse, the column is of the row that is joined.
    is_reverse = not relation.concrete and not relation.many_to_many
    is_id = storage(_key(relation)) is storage(column.target_key)
    return is_reverse or not is_id or is_exact(column.target_key, dialect)


def _key(relation: Any) -> Any:
    """The column of a row by which a relation finds it."""
    if relation.many_to_many:
        return relation.related_model._meta.pk
    return relation.target_field if relation.concrete else relation.remote_field


def _key_of(column: Column, path: str, dialect: Dialect) -> tuple[F, QuerySet[Any]] | tuple[()]:
    """The foreign key that leads to an entity, and the rows that it leads to; nothing, if none does.

    Only where the id is unique, and keys are compared exactly: a foreign key leads to one row.
    """
    relation = column.target_relations[-1]
    is_key = relation.many_to_many or (relation.concrete and not relation.one_to_many)
    if not is_key or not column.target_key.unique or column.target_key.primary_key:
        return ()
    target = _key(relation)
    return (
        (F(path), QuerySet(relation.related_model).order_by().values(target.name)) if is_exact(target, dialect) else ()
    )


def is_to_many(relation: Any) -> bool:
    """Whether a relation may lead to several rows."""
    return bool(relation.one_to_many or relation.many_to_many)


def _may_be_null(relation: Any) -> bool:
    # Nothing but a constraint keeps the row that a foreign key names.
    return (
        is_to_many(relation) or not relation.concrete or relation.null or not getattr(relation, "db_constraint", True)
    )


def _id_term(expression: Any, field: Any, dialect: Dialect) -> Term:
    term = term_of(expression, field, dialect)
    if term.kind not in ("Long", "String"):
        raise Untranslatable(
            f"the id of the entity is a {type(term.field).__name__}", "Name a column of text or integers as id_field."
        )
    return term
