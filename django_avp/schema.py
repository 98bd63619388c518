"""What a Cedar schema declares: entity types, actions and the shapes of attributes and contexts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cedarpy

from django_avp.cedar import EntityUid
from django_avp.declarations import Reader, join
from django_avp.policy_files import MAX_NESTING, nesting
from django_avp.values import RESERVED_KEYS

__all__ = ["ActionType", "Attribute", "EntityType", "NamedType", "RecordType", "Schema", "SetType", "Type"]


@dataclass(frozen=True, slots=True)
class NamedType:
    """A primitive (``String``), an extension (``decimal``) or an entity type (``PhotoFlash::User``)."""

    name: str


@dataclass(frozen=True, slots=True)
class SetType:
    """A Set of one element type."""

    element: Type


@dataclass(frozen=True, slots=True)
class RecordType:
    """A Record of declared attributes."""

    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def project(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what is declared, at every depth (rule A7); ``record`` is in Cedar's JSON format."""
        return {
            name: _project(self.attributes[name].type, value)
            for name, value in record.items()
            if name in self.attributes
        }

    def lacking(self, names: Collection[str]) -> list[str]:
        """The required attributes that are not among names."""
        return sorted(name for name, attribute in self.attributes.items() if attribute.required and name not in names)

    def undeclared(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are no attribute."""
        return sorted(name for name in names if name not in self.attributes)


Type = NamedType | SetType | RecordType


@dataclass(frozen=True, slots=True)
class Attribute:
    """The declared type of an attribute."""

    type: Type
    required: bool


@dataclass(frozen=True, slots=True)
class EntityType:
    """An entity type: its attributes, the types that its parents may have, and the type of its tags."""

    name: str
    shape: RecordType
    member_of: frozenset[str] = frozenset()
    tags: Type | None = None


@dataclass(frozen=True, slots=True)
class ActionType:
    """An action: the principals and resources it applies to, the shape of its context, and all groups that it is in."""

    uid: EntityUid
    principals: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    context: RecordType = RecordType()
    groups: frozenset[EntityUid] = frozenset()

    def applies_to(self, principal_type: str, resource_type: str) -> bool:
        """Whether the action is meaningful for these types; full evaluation refuses others (rule A7)."""
        return principal_type in self.principals and resource_type in self.resources


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """A parsed schema: cedarpy's handle for evaluation, and what it declares."""

    handle: cedarpy.Schema
    entity_types: Mapping[str, EntityType]
    actions: Mapping[EntityUid, ActionType]

    def applies(self, action: EntityUid, principal_type: str, resource_type: str) -> bool:
        """Whether there is such an action, and it is meaningful for these types (rule A7)."""
        return action in self.actions and self.actions[action].applies_to(principal_type, resource_type)

    @classmethod
    def parse(cls, text: str) -> Schema:
        """Parse a schema in Cedar's schema syntax.

        Raises:
            ValueError: cedarpy's message, without a place; or it is nested too deeply.
        """
        if nesting(text, "([{<", ")]}>") > MAX_NESTING:
            raise ValueError("Records and Sets that are nested too deeply")
        return cls.of(cedarpy.Schema.from_str(text))

    @classmethod
    def of(cls, handle: cedarpy.Schema) -> Schema:
        """Read what a schema declares that cedarpy has parsed, from either of its syntaxes.

        Raises:
            ValueError: types or groups of actions are declared by others, hundreds of levels deep.
        """
        try:
            resolver = _Resolver(Reader(str(handle)))
            return cls(handle, resolver.entity_types(), resolver.actions())
        except RecursionError as error:
            raise ValueError("types or groups of actions that are nested too deeply") from error


def _project(kind: Type, value: Any) -> Any:
    # Where a Record is declared, an entity or a decimal stays as it is, to be refused as one.
    if isinstance(kind, RecordType) and isinstance(value, Mapping) and RESERVED_KEYS.isdisjoint(value):
        return kind.project(value)
    if isinstance(kind, SetType) and isinstance(value, list):
        return [_project(kind.element, element) for element in value]
    return value


class _Resolver:
    """Turns declarations into types: every name is resolved in the namespace it stands in."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        # Each name once: what is declared by another one twice would double with each level.
        self._types: dict[str, Type] = {}
        self._groups_of: dict[EntityUid, frozenset[EntityUid]] = {}

    def entity_types(self) -> dict[str, EntityType]:
        """The entity types by qualified name."""
        return {
            name: EntityType(
                name,
                self._record(declared.namespace, declared.shape),
                self._names(declared.namespace, declared.parents),
                None if declared.tags is None else self._type(declared.namespace, declared.tags),
            )
            for name, declared in self._reader.entities.items()
        }

    def actions(self) -> dict[EntityUid, ActionType]:
        """The actions by id."""
        return {
            uid: ActionType(
                uid,
                self._names(declared.namespace, declared.principals),
                self._names(declared.namespace, declared.resources),
                self._record(declared.namespace, declared.context),
                self._groups(uid),
            )
            for uid, declared in self._reader.actions.items()
        }

    def _groups(self, uid: EntityUid) -> frozenset[EntityUid]:
        """The groups that an action is in, and those that these are in; Cedar refuses cycles."""
        if uid not in self._groups_of:
            declared = self._reader.actions[uid]
            # A group of the same namespace may be named without it.
            parents = [self._action(declared.namespace, parent) for parent in declared.parents]
            self._groups_of[uid] = frozenset(parents).union(*(self._groups(parent) for parent in parents))
        return self._groups_of[uid]

    def _action(self, namespace: str, named: EntityUid) -> EntityUid:
        inner = EntityUid(join(namespace, named.type), named.id)
        return inner if named.type == "Action" and inner in self._reader.actions else named

    def _names(self, namespace: str, names: Iterable[str]) -> frozenset[str]:
        return frozenset(self._name(namespace, name) for name in names)

    def _record(self, namespace: str, declared: Any) -> RecordType:
        resolved = self._type(namespace, declared)
        return resolved if isinstance(resolved, RecordType) else RecordType()

    def _type(self, namespace: str, declared: Any) -> Type:
        if isinstance(declared, dict):
            return RecordType(
                {name: Attribute(self._type(namespace, kind), required) for name, (kind, required) in declared.items()}
            )
        if isinstance(declared, list):
            return SetType(self._type(namespace, declared[0]))
        name = self._name(namespace, declared)
        common = self._reader.types.get(name)
        if common is None:
            return NamedType(name)
        if name not in self._types:
            self._types[name] = self._type(common.namespace, common.type)
        return self._types[name]

    def _name(self, namespace: str, name: str) -> str:
        """Resolve a name as Cedar does: in the namespace, then outside of any, then among the primitives.

        A qualified name is never relative, and Cedar refuses names in a namespace that hide those outside of any.
        """
        inner = name if "::" in name else join(namespace, name)
        for candidate in (inner, name):
            if candidate in self._reader.types or candidate in self._reader.entities:
                return candidate
        return name.removeprefix("__cedar::")
