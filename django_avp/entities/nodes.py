"""The graph of entities as far as a request knows it: what each entity is and where it leads, worked out once."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models, router

from django_avp.cedar import Entity, EntityUid
from django_avp.conf import conf
from django_avp.entities.columns import Column
from django_avp.entities.model_entity import ModelEntity, Plan
from django_avp.entities.registry import Registry
from django_avp.entities.rows import Row, complete, read
from django_avp.references import Path
from django_avp.values import Unholdable, is_too_deep, to_value

__all__ = ["Node", "Nodes", "Targets", "with_uids"]

_Place = tuple[ModelEntity | None, type[models.Model] | None, str | None, Any]
"""Which entity a stored instance is: by its definition, since a proxy may have its own, model, database and key."""

Targets = dict[EntityUid, models.Model | None]
"""Entities that a value names, with the instance where the value holds it."""

logger = logging.getLogger("django_avp")


@dataclass(frozen=True, slots=True)
class Node:
    """An entity, its parents, and the entities that its attributes lead to."""

    entity: Entity
    references: Mapping[Path, Iterable[EntityUid]]

    @property
    def parents(self) -> tuple[EntityUid, ...]:
        """The direct parents."""
        return self.entity.parents


class Nodes:
    """Every entity that a request has looked at, as it was then (rule A4)."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._definitions: dict[str, ModelEntity | None] = {}
        self._plans: dict[str, tuple[Plan, tuple[Column, ...]]] = {}
        self._uids: dict[_Place, EntityUid] = {}
        self._rows: dict[EntityUid, Row] = {}
        self._nodes: dict[EntityUid, Node | None] = {}
        # The database that an entity is read from, and the row that tells: its own, or the first one that refers to it.
        self._origins: dict[EntityUid, tuple[str | None, models.Model]] = {}
        self._is_stale = False

    def see(self, uid: EntityUid, instance: models.Model) -> EntityUid:
        """Take a snapshot of an instance and of all that it brought along, unless they were seen before.

        Returns:
            The id under which the instance was first seen: a form may have written another one on it.

        Raises:
            ImproperlyConfigured: another database has a row with that id, which was seen before.
        """
        place = _place_of(instance, self.definition(uid.type))
        uid = self._uids.get(place, uid)
        snapshots: dict[EntityUid, Row] = {}
        seen = [(uid, instance)]
        for one, row in seen:  # grows while it is walked
            self._come(one, row._state.db, row)
            definition = None if self._is_stale else self.definition(one.type)
            if definition is not None and not any(one in known for known in (snapshots, self._rows, self._nodes)):
                plan, leading = self._plan(definition, one.type)
                snapshot = snapshots[one] = Row.of(definition, plan, row)
                for column in leading:
                    seen.extend(column.loaded_targets(snapshot.instance))
        # All or nothing, so that an error comes again.
        self._rows.update(snapshots)
        self._uids[place] = uid
        return uid

    def _come(self, uid: EntityUid, database: str | None, row: models.Model) -> None:
        """Note in which database an entity is, by its row or by one that refers to it.

        Two rows with one id are one entity to policies, so they must be one row.
        """
        known, first = self._origins.setdefault(uid, (database, row))
        # An instance that code has made of a row's values is of no database.
        if database == known or None in (database, known) or router.allow_relation(first, row):
            return
        raise ImproperlyConfigured(
            f'The databases "{known}" and "{database}" have a {uid.type} of one id. Policies cannot tell them apart: '
            "name an id_field whose values differ, or have the allow_relation of a database router say that they are "
            "one."
        )

    def _refer(self, target: EntityUid, row: models.Model) -> None:
        """Note that a row refers to an entity, which is read where that row is, unless a router says otherwise."""
        known, definition = self._origins.get(target), self.definition(target.type)
        is_elsewhere = known is None or known[1]._state.db != row._state.db
        if is_elsewhere and definition is not None:
            self._come(target, router.db_for_read(definition.model, instance=row), row)

    def forget(self) -> None:
        """Read everything from the database from now on: any instance may have been loaded before the write."""
        self._is_stale = True
        self._uids.clear()
        self._rows.clear()
        self._nodes.clear()

    def definition(self, entity_type: str) -> ModelEntity | None:
        """The definition of an entity type whose entities may exist."""
        if entity_type not in self._definitions:
            # Principals and groups exist only as the token's (rule A3).
            is_reserved = entity_type in (conf.principal_type, conf.group_type)
            self._definitions[entity_type] = None if is_reserved else self._registry.of_type(entity_type)
        return self._definitions[entity_type]

    def _plan(self, definition: ModelEntity, entity_type: str) -> tuple[Plan, tuple[Column, ...]]:
        """What to read of rows, and the columns that lead to entities which may exist."""
        known = self._plans.get(entity_type)
        if known is None:
            plan = definition.plan
            leading = tuple(column for column in plan.references if self.definition(str(column.target)))
            known = self._plans[entity_type] = plan, leading
        return known

    def get(self, uid: EntityUid) -> Node | None:
        """A loaded node; ``None`` where there is no such row, or the type is not registered."""
        return self._nodes.get(uid)

    def load(self, uids: Iterable[EntityUid]) -> None:
        """Work out the nodes that are not known yet, by a fixed number of queries for each type."""
        groups: dict[str, list[EntityUid]] = defaultdict(list)
        for uid in uids:
            if uid not in self._nodes and uid.is_valid:
                groups[uid.type].append(uid)
        for entity_type, group in groups.items():
            definition = self.definition(entity_type)
            if definition is not None:
                self._read(definition, [uid for uid in group if uid not in self._rows])
                rows = {uid: self._rows[uid] for uid in group if uid in self._rows}
                complete(definition, rows.values())
                nodes = {uid: self._node(uid, row) for uid, row in rows.items() if row.is_complete}
                # All or nothing here, too.
                self._nodes.update(dict.fromkeys(group) | nodes)

    def _read(self, definition: ModelEntity, uids: Iterable[EntityUid]) -> None:
        groups: dict[str, list[str]] = defaultdict(list)
        for uid in uids:
            origin = self._origins.get(uid)
            groups[(origin and origin[0]) or router.db_for_read(definition.model)].append(uid.id)
        for database, ids in groups.items():
            for row in read(definition, ids, database):
                # Under the id that it has, whatever it was found by.
                found = definition.uid(row.instance)
                self._come(found, database, row.instance)
                self._rows[found] = row

    def _node(self, uid: EntityUid, row: Row) -> Node:
        definition = row.definition
        attributes: dict[str, Any] = {}
        references: dict[Path, Iterable[EntityUid]] = {}
        named = {column: column.targets(row.values[column]) for column in row.plan.references}
        for column in row.plan.attributes:
            # Cedar cannot look into a Set: its members need not exist.
            if column in named and not column.is_set:
                references[column.name,] = named[column]
                for target in named[column]:
                    _put(attributes, column.name, to_value, target)
            else:
                _put(attributes, column.name, column.to_cedar, row.values[column])
        for name, method in definition.computed.items():
            found: dict[Path, Targets] = {}
            value = getattr(definition, method)(row.instance)
            # What Cedar cannot hold is an absent attribute (rule A5).
            value = None if is_too_deep(value) else with_uids(value, (name,), found, self._registry)
            _put(attributes, name, to_value, value)
            references.update(found)
            for target, instance in (pair for targets in found.values() for pair in targets.items()):
                if instance is not None:
                    self.see(target, instance)
        parents = dict.fromkeys(parent for column in row.plan.parents for parent in named[column])
        for target in (*parents, *(target for targets in references.values() for target in targets)):
            self._refer(target, row.instance)
        return Node(Entity(uid, attributes, tuple(parents)), references)


def _place_of(instance: models.Model, definition: ModelEntity | None) -> _Place:
    """Where an instance is stored, or would be, as an entity of a definition."""
    return definition, instance._meta.concrete_model, instance._state.db, instance.pk


def _put(attributes: dict[str, Any], name: str, convert: Callable[[Any], Any], value: Any) -> None:
    try:
        attributes[name] = convert(value)
    except Unholdable:
        return
    except TypeError:
        # One bad row must not deny the page (rule A5), but this is a mistake in the code and not in the row.
        logger.warning("avp.attribute_unholdable", extra={"attribute": name, "type": type(value).__name__})


def with_uids(value: Any, path: Path, references: dict[Path, Targets], registry: Registry) -> Any:
    """Replace model instances in a value by their ids, and note where they stand.

    Members of a Set are not noted: Cedar cannot look into a Set, so they need not exist.
    """
    if isinstance(value, models.Model):
        uid = registry.reference(value)
        references.setdefault(path, {})[uid] = value
        return uid
    if isinstance(value, EntityUid):
        uid = value.in_namespace(conf.namespace)
        references.setdefault(path, {}).setdefault(uid, None)
        return uid
    if isinstance(value, Mapping):
        return {name: with_uids(item, (*path, str(name)), references, registry) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | models.QuerySet):
        members = [with_uids(item, path, {}, registry) for item in value]
        # A set stays one, for its order means nothing, and a tuple stays hashable to be a member of one.
        kind = frozenset if isinstance(value, set | frozenset) else tuple if isinstance(value, tuple) else list
        return kind(members)
    return value
