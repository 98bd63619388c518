"""Rows as the request first saw them: snapshots of a page's instances, the rest read in bulk.

INVARIANT: the number of queries does not grow with the number of rows.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router

from django_avp.entities.columns import NOT_LOADED, Column, stored
from django_avp.entities.model_entity import ModelEntity, Plan
from django_avp.values import LONG_MAX, LONG_MIN

__all__ = ["Row", "complete", "read"]


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its key, and the values of the columns that its entity is made of.

    Attributes:
        definition: what the entity is made of.
        plan: its columns.
        instance: the row's instance, for methods that compute attributes a copy; of another one only where it came
            from is looked at again.
        key: its primary key.
        values: of the columns.
    """

    definition: ModelEntity
    plan: Plan
    instance: models.Model
    key: Any
    values: dict[Column, Any]

    @classmethod
    def of(cls, definition: ModelEntity, plan: Plan, instance: models.Model) -> Row:
        """Take a snapshot: nothing that the instance or what it brought along says is looked at again (rule A4)."""
        if not issubclass(type(instance), models.Model):
            instance = copy.copy(instance)  # request.user is lazy; its copy is the user
        if definition.computed:
            instance = _copy(instance, definition.model)
        values = {column: column.loaded(instance) for column in plan.columns}
        return cls(definition, plan, instance, getattr(instance, definition.model._meta.pk.attname), values)

    @property
    def is_complete(self) -> bool:
        """Whether every column is loaded; after :func:`complete`, whether the row still exists."""
        return all(value is not NOT_LOADED for value in self.values.values())


def read(definition: ModelEntity, ids: Iterable[str], database: str) -> Iterator[Row]:
    """Read rows by the ids of their entities, in one query.

    It may find others than were asked for: ``"007"`` is the key 7, and some collations ignore case.
    """
    field = definition.identifier
    keys = [key for entity in ids if (key := _key(field, entity)) is not None]
    if keys:
        plan = definition.plan
        for instance in _queryset(definition, database).filter(**{f"{field.name}__in": keys}):
            yield Row.of(definition, plan, instance)


def complete(definition: ModelEntity, rows: Iterable[Row]) -> None:
    """Read the columns that are not loaded: all single ones in one query, and each Set in one.

    A row that is gone meanwhile stays incomplete.
    """
    for database, group in _by_database(row for row in rows if not row.is_complete).items():
        columns = list(group[0].values)
        _fetch(definition, database, [column for column in columns if not column.is_set], group)
        for column in columns:
            if column.is_set:
                _fetch(definition, database, [column], group)


def _fetch(definition: ModelEntity, database: str, columns: Collection[Column], rows: Iterable[Row]) -> None:
    lacking = [row for row in rows if any(row.values[column] is NOT_LOADED for column in columns)]
    if not lacking:
        return
    to_python = definition.model._meta.pk.to_python
    keys = [to_python(row.key) for row in lacking]
    needed = [column for column in columns if any(row.values[column] is NOT_LOADED for row in lacking)]
    paths = list(dict.fromkeys(["pk", *(column.path for column in needed)]))
    found = defaultdict(list)
    for values in _queryset(definition, database).filter(pk__in=keys).values_list(*paths):
        found[values[0]].append(values)
    for row, key in zip(lacking, keys, strict=True):
        for column in needed:
            if row.values[column] is NOT_LOADED and key in found:
                members = [values[paths.index(column.path)] for values in found[key]]
                row.values[column] = members if column.is_set else members[0]


def _queryset(definition: ModelEntity, database: str) -> models.QuerySet[models.Model]:
    # Not through a manager: one that hides rows would hide ancestors, and with them a forbid.
    return models.QuerySet(definition.model, using=database)


def _by_database(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[router.db_for_read(row.definition.model, instance=row.instance)].append(row)
    return groups


def _copy(instance: models.Model, model: type[models.Model]) -> models.Model:
    """A copy that shares nothing that changes, as an instance of the registered model and not of a proxy or child."""
    snapshot = model.__new__(model)
    snapshot.__dict__.update(instance.__dict__)
    snapshot._state = copy.copy(instance._state)
    snapshot._state.fields_cache = dict(instance._state.fields_cache)
    if "_prefetched_objects_cache" in instance.__dict__:
        snapshot.__dict__["_prefetched_objects_cache"] = dict(instance.__dict__["_prefetched_objects_cache"])
    for field in model._meta.concrete_fields:
        # What is no value yet, or none that the field takes, is deferred: methods read what is stored.
        value = stored(instance, field)
        if value is NOT_LOADED:
            snapshot.__dict__.pop(field.attname, None)
        else:
            snapshot.__dict__[field.attname] = value
    return snapshot


def _key(field: models.Field[Any, Any], entity: str) -> Any:
    """The field's value that an entity's id may be; ``None`` if it is none that a database takes."""
    try:
        value = field.to_python(entity)
    except (ValidationError, ValueError):
        return None
    return None if isinstance(value, int) and not LONG_MIN <= value <= LONG_MAX else value
