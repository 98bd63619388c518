"""The world of a check: every entity that has to exist when it is decided.

INVARIANT: the world is a function of the check and of stored rows alone. Whatever else is decided in the same batch
changes no answer (rule A1), nothing is left out silently (rule A2), and the number of queries grows with the depth of
the hierarchy, never with the number of checks.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from django_avp.cedar import Entity, EntityUid
from django_avp.conf import conf
from django_avp.entities.columns import NOT_LOADED, Column
from django_avp.entities.model_entity import ModelEntity
from django_avp.entities.registry import Registry
from django_avp.references import Path, References, Root
from django_avp.values import LONG_MAX, Unholdable, to_value

__all__ = ["MAX_ANCESTORS", "Start", "World", "WorldFault", "Worlds", "with_uids"]

# Verified Permissions quotas: "Transitive parents per resource" is 100 with the resource itself.
MAX_ANCESTORS = 99

Start = tuple[EntityUid, Root, Path]
"""An entity of a check and how policies come to it: as ``resource``, from ``context`` by a path, or by its name."""
Targets = dict[EntityUid, models.Model | None]

logger = logging.getLogger("django_avp")


class WorldFault(Exception):  # noqa: N818 - never leaves the package; its text is a code for logs
    """Raised when a check cannot be decided on all that belongs to it."""


@dataclass(frozen=True, slots=True)
class World:
    """The entities of a check; ``fault`` names why there is no complete world, and then nothing is decided."""

    entities: tuple[Entity, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Node:
    """A loaded row: its entity, and where its references lead, with the instance where the row brought it along."""

    entity: Entity
    parents: Targets
    references: Mapping[Path, Targets]


class Worlds:
    """Builds worlds and remembers rows for the length of a request: one snapshot of each (rule A4)."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._snapshots: dict[EntityUid, models.Model | None] = {}
        self._nodes: dict[EntityUid, _Node | None] = {}
        self._definitions: dict[str, ModelEntity | None] = {}

    def see(self, uid: EntityUid, instance: models.Model) -> None:
        """Take a snapshot of an instance, unless its entity was seen before."""
        if uid not in self._snapshots:
            self._snapshots[uid] = copy.copy(instance)

    def forget(self, uid: EntityUid) -> None:
        """Read the entity from the database the next time, and with it all that may have been derived from it."""
        self._snapshots[uid] = None
        self._nodes.clear()

    def build(self, starts: Mapping[Any, Iterable[Start]], references: References) -> dict[Any, World]:
        """Build a world for each key of ``starts``, which maps it to the entities that its check begins at."""
        self._load({start for group in starts.values() for start in group}, references)
        return {key: self._world(group, references) for key, group in starts.items()}

    # One world

    def _world(self, starts: Iterable[Start], references: References) -> World:
        try:
            reached = self._reach(starts, references)
        except WorldFault as fault:
            return World(fault=str(fault))
        return World(tuple(node.entity for uid in reached if (node := self._nodes.get(uid))))

    def _reach(self, starts: Iterable[Start], references: References) -> dict[EntityUid, None]:
        """Every entity of a world."""
        reached: dict[EntityUid, None] = {}
        states = list(starts)
        for uid, root, path in states:  # grows while it is walked
            node = self._node(uid)
            if node is None:
                # A dangling reference is an entity that does not exist; a resource has to be there.
                if uid in self._nodes and (root, path) == ("resource", ()):
                    raise WorldFault("no_entity")
                continue
            reached[uid] = None
            reached.update(self._ancestors(uid))
            for target, step, _ in _followed(node, root, path, references):
                if (target, root, step) not in states:
                    states.append((target, root, step))
        return reached

    def _ancestors(self, uid: EntityUid) -> dict[EntityUid, None]:
        ancestors: dict[EntityUid, None] = {}
        level = [uid]
        for _ in range(conf.max_depth + 1):
            level = [parent for child in level if (node := self._node(child)) for parent in node.parents]
            if uid in level:
                raise WorldFault("cycle")
            level = [parent for parent in dict.fromkeys(level) if parent not in ancestors]
            ancestors.update(dict.fromkeys(level))
            if len(ancestors) > MAX_ANCESTORS:
                raise WorldFault("too_many_parents")
            if not level:
                return ancestors
        raise WorldFault("too_deep")

    def _node(self, uid: EntityUid) -> _Node | None:
        """A loaded row; ``None`` where there is none or the type is not registered."""
        if not uid.is_valid:
            raise WorldFault("invalid_id")
        if uid not in self._nodes and self._definition(uid.type):
            raise WorldFault("too_deep")
        return self._nodes.get(uid)

    # Loading what is missing, a level at a time

    def _load(self, starts: set[Start], references: References) -> None:
        frontier: dict[Start | EntityUid, models.Model | None] = dict.fromkeys(starts)
        seen: set[Start | EntityUid] = set()
        length = references.length
        levels = conf.max_depth + (conf.max_depth if length is None else length) + 2
        while frontier and levels:
            levels -= 1
            seen.update(frontier)
            self._load_nodes({_uid(state): instance for state, instance in frontier.items()})
            frontier = {
                state: instance
                for reached in frontier
                for state, instance in self._next(reached, references)
                if state not in seen
            }

    def _next(
        self, state: Start | EntityUid, references: References
    ) -> Iterator[tuple[Start | EntityUid, models.Model | None]]:
        node = self._nodes.get(_uid(state))
        if node is None:
            return
        yield from node.parents.items()
        if isinstance(state, tuple):
            _, root, path = state
            for target, step, instance in _followed(node, root, path, references):
                yield (target, root, step), instance

    def _load_nodes(self, found: Mapping[EntityUid, models.Model | None]) -> None:
        wanted = {uid: instance for uid, instance in found.items() if uid not in self._nodes}
        for uid, instance in wanted.items():
            if instance is not None:
                self.see(uid, instance)
        for entity_type, uids in _by_type(wanted):
            definition = self._definition(entity_type)
            if definition is not None:
                self._read(definition, [uid for uid in uids if self._snapshots.get(uid) is None])
                rows = {uid: row for uid in uids if (row := self._snapshots.get(uid)) is not None}
                self._nodes.update(dict.fromkeys(uids))
                self._nodes.update(_nodes(definition, rows))

    def _definition(self, entity_type: str) -> ModelEntity | None:
        if entity_type not in self._definitions:
            # Principals and groups exist only as the token's (rule A3).
            reserved = entity_type in (conf.principal_type, conf.group_type)
            self._definitions[entity_type] = None if reserved else self._registry.of_type(entity_type)
        return self._definitions[entity_type]

    def _read(self, definition: ModelEntity, uids: list[EntityUid]) -> None:
        keys = {uid.id: key for uid in uids if (key := _key(definition.identifier, uid.id)) is not None}
        if keys:
            # The base manager: a default manager that hides rows would hide ancestors, and with them a forbid.
            rows = definition.model._base_manager.filter(**{f"{definition.identifier.name}__in": keys.values()})
            for row in rows:
                uid = definition.uid(row)
                # Compared exactly: some collations find other ids than the one asked for.
                if uid.id in keys:
                    self._snapshots[uid] = row


def _uid(state: Start | EntityUid) -> EntityUid:
    return state[0] if isinstance(state, tuple) else state


def _by_type(uids: Iterable[EntityUid]) -> Iterator[tuple[str, list[EntityUid]]]:
    for entity_type, group in groupby(sorted(uids, key=lambda uid: uid.type), key=lambda uid: uid.type):
        yield entity_type, list(group)


def _followed(
    node: _Node, root: Root, path: Path, references: References
) -> Iterator[tuple[EntityUid, Path, models.Model | None]]:
    """The references of a node that policies follow further."""
    for names, targets in node.references.items():
        step = references.step(root, path, names)
        if step is not None:
            yield from ((target, step, instance) for target, instance in targets.items())


def _key(field: models.Field[Any, Any], entity_id: str) -> Any:
    """The field's value whose text is ``entity_id``; ``None`` if there is none (``"007"`` is not the number 7)."""
    field = getattr(field, "target_field", field)
    try:
        value = field.to_python(entity_id)
    except (ValidationError, ValueError):
        return None
    if isinstance(value, int) and abs(value) > LONG_MAX:
        return None
    return value if str(value) == entity_id else None


def _nodes(definition: ModelEntity, rows: Mapping[EntityUid, models.Model]) -> dict[EntityUid, _Node]:
    columns = (*definition.columns, *definition.parent_columns)
    values = {column: _values(definition, column, rows) for column in columns}
    return {uid: _node(definition, uid, row, values) for uid, row in rows.items()}


def _values(definition: ModelEntity, column: Column, rows: Mapping[EntityUid, models.Model]) -> dict[EntityUid, Any]:
    """A column's value for every row: from what is loaded, the rest by one query."""
    values = {uid: column.loaded(row) for uid, row in rows.items()}
    missing = {rows[uid].pk: uid for uid, value in values.items() if value is NOT_LOADED}
    if missing:
        found: dict[Any, list[Any]] = {pk: [] for pk in missing}
        queryset = definition.model._base_manager.filter(pk__in=list(missing))
        for pk, value in queryset.values_list("pk", column.path):
            found[pk].append(value)
        for pk, uid in missing.items():
            members = [value for value in found[pk] if value is not None]
            values[uid] = members if column.is_set else next(iter(members), None)
    return values


def _node(
    definition: ModelEntity, uid: EntityUid, row: models.Model, values: Mapping[Column, Mapping[EntityUid, Any]]
) -> _Node:
    attributes: dict[str, Any] = {}
    references: dict[Path, Targets] = {}
    for column in definition.columns:
        value = values[column][uid]
        _put(attributes, column.name, column.to_cedar, value)
        references[column.name,] = column.targets(row, value)
    for name, method in definition.computed.items():
        value = with_uids(getattr(definition, method)(row), (name,), references, definition.registry)
        _put(attributes, name, to_value, value)
    parents: dict[EntityUid, models.Model | None] = {}
    for column in definition.parent_columns:
        parents.update(column.targets(row, values[column][uid]))
    return _Node(Entity(uid, attributes, tuple(parents)), parents, references)


def _put(attributes: dict[str, Any], name: str, convert: Callable[[Any], Any], value: Any) -> None:
    try:
        attributes[name] = convert(value)
    except Unholdable:
        return
    except TypeError:
        # One bad row must not deny the page (rule A5), but this is a mistake in the code and not in the row.
        logger.warning("avp.attribute_unholdable", extra={"attribute": name, "type": type(value).__name__})


def with_uids(value: Any, path: Path, references: dict[Path, Targets], registry: Registry) -> Any:
    """Replace model instances in a computed value by their ids, and note where they stand."""
    if isinstance(value, models.Model):
        uid = registry.reference(value)
        references.setdefault(path, {})[uid] = value
        return uid
    if isinstance(value, EntityUid):
        uid = value.in_namespace(conf.namespace)
        references.setdefault(path, {}).setdefault(uid, None)
        return uid
    if isinstance(value, Mapping):
        return {name: with_uids(item, (*path, name), references, registry) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | models.QuerySet):
        return [with_uids(item, path, references, registry) for item in value]
    return value
