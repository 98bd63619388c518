"""ORM paths as Cedar values: which column an attribute reads, how it is loaded, and what it becomes.

INVARIANT: a value depends on stored rows alone. What a query of the page loaded is used where it is the same as the
stored rows, so a prefetch that filters is not (rule A1).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models.fields.files import FieldFile
from django.db.models.fields.reverse_related import ForeignObjectRel

from django_avp.cedar import EntityUid, Unholdable, extension, to_value

__all__ = ["NOT_LOADED", "Column", "Shape", "conforming"]

Shape = type | list[Any] | Mapping[str, Any]
"""The declared shape of JSON: ``str``, ``int`` or ``bool``, a list of one shape (a Set), or a dict (a Record)."""

NOT_LOADED = object()
"""What a column is on an instance that would have to ask the database for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The column behind a Cedar attribute or parent.

    Attributes:
        name: the Cedar attribute's name.
        path: ORM path of the column, for ``values_list``.
        relations: relation fields on the way to the column.
        field: the field at the end.
        target: entity type if the value is an entity's id.
        is_set: whether a relation on the way is to many, so that the value is a Set.
        shape: declared shape of a JSON column.
        direct: the relation to the entities that the value names, if it is one of the model's own.
    """

    name: str
    path: str
    relations: tuple[Any, ...]
    field: models.Field[Any, Any]
    target: str | None = None
    is_set: bool = False
    shape: Shape | None = None
    direct: Any = None

    def loaded(self, instance: models.Model) -> Any:
        """The column's value, or a list of them for a Set, without a query; ``NOT_LOADED`` if it takes one."""
        values = list(self._walk(instance, 0))
        if any(value is NOT_LOADED for value in values):
            return NOT_LOADED
        return values if self.is_set else values[0]

    def _walk(self, instance: models.Model, step: int) -> Iterator[Any]:
        if step == len(self.relations):
            yield instance.__dict__.get(self.field.attname, NOT_LOADED)
            return
        for related in related_instances(instance, self.relations[step]):
            if related is None or related is NOT_LOADED:
                yield related
            else:
                yield from self._walk(related, step + 1)

    def to_cedar(self, value: Any) -> Any:
        """The value in Cedar's JSON format.

        Raises:
            Unholdable: Cedar cannot hold it; the attribute is absent (rule A5).
        """
        if self.is_set:
            return list(self._members(value))
        return self._single(value)

    def targets(self, instance: models.Model, value: Any) -> dict[EntityUid, models.Model | None]:
        """The entities that a reference names, each with the related instance where it is loaded."""
        if self.target is None:
            return {}
        key = self.field if self.relations else self.field.target_field
        related = related_instances(instance, self.direct) if self.direct else []
        loaded = {str(row.__dict__.get(key.attname)): row for row in related if isinstance(row, models.Model)}
        ids = [str(item) for item in (value if self.is_set else [value]) if item is not None]
        return {EntityUid(self.target, item): loaded.get(item) for item in ids}

    def _members(self, values: Collection[Any]) -> Iterator[Any]:
        # Equal values once: a join repeats them, a Set does not.
        for value in dict.fromkeys(values):
            try:
                yield self._single(value)
            except Unholdable:
                continue

    def _single(self, value: Any) -> Any:
        if value is None:
            raise Unholdable("NULL")
        if self.target:
            return to_value(EntityUid(self.target, str(value)))
        if self.shape is not None:
            return to_value(conforming(value, self.shape))
        if isinstance(self.field, models.GenericIPAddressField):
            return extension("ip", value)
        return to_value(value.name if isinstance(value, FieldFile) else value)


def related_instances(instance: models.Model, relation: Any) -> list[Any]:
    """What a relation leads to without a query: instances, ``[None]`` for NULL, ``[NOT_LOADED]`` if it takes one."""
    if relation.one_to_many or relation.many_to_many:
        return _prefetched(instance, relation)
    if not isinstance(relation, ForeignObjectRel) and instance.__dict__.get(relation.attname, NOT_LOADED) is None:
        return [None]
    # A Prefetch may have put None here for a row that it filtered out: only an instance is believed.
    cached = instance._state.fields_cache.get(relation.cache_name)
    return [NOT_LOADED if cached is None else cached]


def _prefetched(instance: models.Model, relation: Any) -> list[Any]:
    name = relation.get_accessor_name() if isinstance(relation, ForeignObjectRel) else relation.name
    prefetched = getattr(instance, "_prefetched_objects_cache", {}).get(name)
    # A plain prefetch asks by the relation alone; more conditions, or a slice, mean that rows may be missing.
    if prefetched is None or len(prefetched.query.where.children) != 1 or prefetched.query.is_sliced:
        return [NOT_LOADED]
    return list(prefetched)


def conforming(value: Any, shape: Shape) -> Any:
    """The part of a JSON value that has the declared shape (rule E8); ``None`` where it has not."""
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            return None
        fields = {name: conforming(value.get(name), part) for name, part in shape.items()}
        return {name: item for name, item in fields.items() if item is not None}
    if isinstance(shape, list):
        return [conforming(item, shape[0]) for item in value] if isinstance(value, list) else None
    # bool is an int in Python, and is not in Cedar.
    return value if type(value) is shape else None
