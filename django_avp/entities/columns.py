"""ORM paths as Cedar values: which column an attribute reads, how it is loaded, and what it becomes.

INVARIANT: a value depends on stored rows alone. What a query of the page loaded is used where it is the same as the
stored rows, so a prefetch that filters is not (rule A1).
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.files import File
from django.db import models
from django.db.models.fields.reverse_related import ManyToOneRel

from django_avp.cedar import EntityUid
from django_avp.values import Unholdable, to_value

__all__ = ["NOT_LOADED", "Column", "Shape", "conforming", "entity_id", "stored"]

Shape = type | list[Any] | Mapping[str, Any]
"""The declared shape of JSON: ``str``, ``int`` or ``bool``, a list of one shape (a Set), or a dict (a Record)."""

NOT_LOADED = object()
"""What a column is on an instance that would have to ask the database for it."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The column behind a Cedar attribute or parent.

    Attributes:
        name: the Cedar attribute's name.
        path: ORM path of the column, for ``values_list``.
        relations: relation fields on the way to the column.
        field: the field at the end.
        is_set: whether a relation on the way is to many, so that the value is a Set.
        shape: declared shape of a JSON column.
        target: entity type if the value is an entity's id.
        target_key: field that is the id of the entities that the value names.
        target_relations: relation fields on the way to these entities.
    """

    name: str
    path: str
    relations: tuple[Any, ...]
    field: models.Field[Any, Any]
    is_set: bool = False
    shape: Shape | None = None
    target: str | None = None
    target_key: Any = None
    target_relations: tuple[Any, ...] = ()
    _convert: Callable[[Any], Any] = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_convert", _conversion(self))

    def loaded(self, instance: models.Model) -> Any:
        """The column's value, or a list of them for a Set, without a query; ``NOT_LOADED`` if it takes one."""
        if not self.is_set:
            return stored(_followed(instance, self.relations), self.field)
        values = [stored(row, self.field) for row in _reached(instance, self.relations)]
        return NOT_LOADED if any(value is NOT_LOADED for value in values) else values

    def loaded_targets(self, instance: models.Model) -> Iterator[tuple[EntityUid, models.Model]]:
        """The entities that the value of a reference names, as far as their instances are loaded."""
        relations = self.target_relations
        for row in _reached(instance, relations) if self.is_set else (_followed(instance, relations),):
            key = stored(row, self.target_key)
            if key is not None and key is not NOT_LOADED:
                yield self.named(key), row

    def targets(self, value: Any) -> tuple[EntityUid, ...]:
        """The entities that a value of a reference names, each once."""
        if not self.is_set:
            return () if value is None else (self.named(value),)
        ids = {entity_id(self.target_key, item) for item in value if item is not None}
        return tuple(EntityUid(str(self.target), item) for item in sorted(ids))

    def named(self, value: Any) -> EntityUid:
        """The entity that one value of a reference names."""
        return EntityUid(str(self.target), entity_id(self.target_key, value))

    def to_cedar(self, value: Any) -> Any:
        """The value in Cedar's JSON format.

        Raises:
            Unholdable: Cedar cannot hold it; the attribute is absent (rule A5).
        """
        return self._members(value) if self.is_set else self._convert(value)

    def _members(self, values: Collection[Any]) -> list[Any]:
        # Each once and in order: a join repeats them, and no database promises an order.
        members = {}
        for value in values:
            try:
                member = self._convert(value)
            except Unholdable:
                continue
            members[json.dumps(member, sort_keys=True)] = member
        return [members[text] for text in sorted(members)]


def _conversion(column: Column) -> Callable[[Any], Any]:
    """What makes one value of a column a value in Cedar's JSON format; it raises ``Unholdable`` of NULL."""
    if column.target:
        return lambda value: to_value(None if value is None else column.named(value))
    if column.shape is not None:
        shape = column.shape
        return lambda value: to_value(conforming(value, shape))
    if isinstance(column.field, models.GenericIPAddressField):
        return lambda value: to_value(None if value is None else _address(value))
    return to_value


def entity_id(field: Any, value: Any) -> str:
    """The text of an id as the database would return it: ``"007"`` in an integer field is the number 7."""
    if _is_plain(field, value):
        return str(value)
    try:
        value = field.to_python(value)
    except ValidationError:
        return str(value)
    return str(value.value if isinstance(value, Enum) else value)


def stored(row: Any, field: models.Field[Any, Any]) -> Any:
    """A field of a row as the database would return it, for code assigns ``"7"``, ``F("likes") + 1``, …"""
    if row is None or row is NOT_LOADED:
        return row
    # Only the database knows what it has worked out: after a write, an instance may still hold what was there before.
    value = NOT_LOADED if isinstance(field, models.GeneratedField) else row.__dict__.get(field.attname, NOT_LOADED)
    if _is_plain(field, value) or value is None or value is NOT_LOADED:
        return value
    if isinstance(value, File):
        # Django makes a file without a name of NULL, and stores one as the empty text.
        return NOT_LOADED if value.name is None else value.name
    if hasattr(value, "resolve_expression"):
        return NOT_LOADED
    if isinstance(field, models.GenericIPAddressField):
        return value  # to_python takes zones off, and what is stored has them
    try:
        value = field.to_python(value)
        if isinstance(field, models.JSONField):
            # Tuples become lists, and keys texts; and code changes what is there in place.
            return json.loads(json.dumps(value, cls=field.encoder), cls=field.decoder)
    except (ValidationError, ValueError, TypeError, ArithmeticError, RecursionError):
        return NOT_LOADED
    if isinstance(field, models.DecimalField) and _is_rounded(field, value):
        return NOT_LOADED
    return copy.deepcopy(value) if isinstance(value, dict | list) else value


def _is_rounded(field: models.DecimalField[Any, Any], value: Any) -> bool:
    """Whether the database holds a number with fewer places; how it rounds, it knows alone."""
    # Of what is no number, it is a letter.
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return isinstance(exponent, int) and -exponent > field.decimal_places


def _is_plain(field: Any, value: Any) -> bool:
    """Whether a value is as the database returns it, of the very type that a field of Django's has."""
    return type(value) is _PLAIN.get(type(field).to_python)


# The methods return a value of this type as it is. A field with a method of its own may not.
_PLAIN: Mapping[Any, type] = {
    models.BooleanField.to_python: bool,
    models.CharField.to_python: str,
    models.DateField.to_python: date,
    models.DateTimeField.to_python: datetime,
    models.IntegerField.to_python: int,
    models.TextField.to_python: str,
    models.UUIDField.to_python: UUID,
}


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


def _followed(row: Any, relations: Iterable[Any]) -> Any:
    """The instance that relations to one lead to; ``None`` for NULL and ``NOT_LOADED`` for what takes a query."""
    for relation in relations:
        if row is None or row is NOT_LOADED:
            break
        row = _related(row, relation)
    return row


def _reached(instance: models.Model, relations: Iterable[Any]) -> list[Any]:
    """The instances that relations lead to, of which some are to many; otherwise as :func:`_followed`."""
    reached: list[Any] = [instance]
    for relation in relations:
        is_to_many = relation.one_to_many or relation.many_to_many
        following: list[Any] = []
        for row in reached:
            if is_to_many and row is not None and row is not NOT_LOADED:
                following += _prefetched(row, relation)
            else:
                following.append(_followed(row, (relation,)))
        reached = following
    return reached


def _related(instance: models.Model, relation: Any) -> Any:
    if relation.concrete and instance.__dict__.get(relation.attname, NOT_LOADED) is None:
        return None
    cached: Any = instance._state.fields_cache.get(relation.cache_name)
    # A Prefetch may have put None here for a row that it filtered out, a view a row that is not saved, or
    # request.user, which is lazy: only a stored instance is believed.
    return cached if issubclass(type(cached), models.Model) and not cached._state.adding else NOT_LOADED


def _prefetched(instance: models.Model, relation: Any) -> list[Any]:
    name = relation.get_accessor_name() if isinstance(relation, ManyToOneRel) else relation.name
    prefetched = getattr(instance, "_prefetched_objects_cache", {}).get(name)
    if prefetched is None:
        return [NOT_LOADED]
    query = prefetched.query
    # A plain prefetch asks by the relation alone; with more conditions, or DISTINCT ON, rows may be missing.
    is_plain = len(query.where.children) == 1 and not query.distinct_fields
    return list(prefetched) if is_plain else [NOT_LOADED]


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError as error:
        # SQLite and MySQL keep any text.
        raise Unholdable("not an IP address") from error
