"""What a Cedar schema declares: entity types, actions and the shapes of attributes and contexts.

cedarpy parses and checks a schema but tells nothing about it except its canonical text, so that text is read here.
It is always well formed; text that people wrote never reaches this parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import cedarpy

from django_avp.cedar import EntityUid

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


Type = NamedType | SetType | RecordType


@dataclass(frozen=True, slots=True)
class Attribute:
    """The declared type of an attribute."""

    type: Type
    required: bool


@dataclass(frozen=True, slots=True)
class EntityType:
    """An entity type: its attributes and the types that its parents may have."""

    name: str
    shape: RecordType
    member_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ActionType:
    """An action: the principals and resources it applies to, and the shape of its context."""

    uid: EntityUid
    principals: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    context: RecordType = RecordType()

    def applies_to(self, principal_type: str, resource_type: str) -> bool:
        """Whether the action is meaningful for these types; full evaluation refuses others (rule A7)."""
        return principal_type in self.principals and resource_type in self.resources


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """A parsed schema: cedarpy's handle for evaluation, and what it declares."""

    handle: cedarpy.Schema
    entity_types: Mapping[str, EntityType]
    actions: Mapping[EntityUid, ActionType]

    @classmethod
    def parse(cls, text: str) -> Schema:
        """Parse a schema in Cedar's schema syntax.

        Raises:
            ValueError: cedarpy's message, without a place.
        """
        handle = cedarpy.Schema.from_str(text)
        declared = _Declarations(str(handle))
        return cls(handle, declared.entity_types(), declared.actions())


def _project(kind: Type, value: Any) -> Any:
    if isinstance(kind, RecordType) and isinstance(value, Mapping):
        return kind.project(value)
    if isinstance(kind, SetType) and isinstance(value, list):
        return [_project(kind.element, element) for element in value]
    return value


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\w+(?:::\w+)*|[{}\[\]<>(),;?=@:]', re.DOTALL)


class _Declarations:
    """A reader of canonical schema text: first the declarations as they stand, then their names resolved."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._position = 0
        self._types: dict[str, tuple[str, Any]] = {}
        self._entities: dict[str, tuple[str, list[str], Any]] = {}
        self._actions: dict[EntityUid, tuple[str, dict[str, Any]]] = {}
        self._namespace("")

    def entity_types(self) -> dict[str, EntityType]:
        """The entity types by qualified name."""
        return {
            name: EntityType(
                name, self._record(namespace, shape), frozenset(self._name(namespace, parent) for parent in parents)
            )
            for name, (namespace, parents, shape) in self._entities.items()
        }

    def actions(self) -> dict[EntityUid, ActionType]:
        """The actions by id."""
        return {
            uid: ActionType(
                uid,
                frozenset(self._name(namespace, name) for name in clauses.get("principal", ())),
                frozenset(self._name(namespace, name) for name in clauses.get("resource", ())),
                self._record(namespace, clauses.get("context", {})),
            )
            for uid, (namespace, clauses) in self._actions.items()
        }

    # Reading

    def _next(self) -> str:
        self._position += 1
        return self._tokens[self._position - 1]

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._position += 1
        return True

    def _annotations(self) -> None:
        while self._accept("@"):
            self._next()
            if self._accept("("):
                self._next()
                self._next()

    def _namespace(self, namespace: str) -> None:
        readers = {"type": self._read_type, "entity": self._read_entity, "action": self._read_action}
        while self._peek() not in ("", "}"):
            self._annotations()
            keyword = self._next()
            if keyword == "namespace":
                name = self._next()
                self._next()
                self._namespace(name)
                self._next()
            else:
                readers[keyword](namespace)
                self._next()

    def _read_type(self, namespace: str) -> None:
        name = self._next()
        self._next()
        self._types[_join(namespace, name)] = (namespace, self._type())

    def _read_entity(self, namespace: str) -> None:
        name = self._next()
        parents = self._list() if self._accept("in") else []
        self._accept("=")
        shape = self._type() if self._peek() == "{" else {}
        if self._accept("tags"):
            self._type()
        if self._accept("enum"):
            self._list()
        self._entities[_join(namespace, name)] = (namespace, parents, shape)

    def _read_action(self, namespace: str) -> None:
        uid = EntityUid(_join(namespace, "Action"), _text(self._next()))
        if self._accept("in"):
            self._skip_list()
        clauses: dict[str, Any] = {}
        if self._accept("appliesTo"):
            self._next()
            while not self._accept("}"):
                clause = self._next()
                self._next()
                clauses[clause] = self._type() if clause == "context" else self._list()
                self._accept(",")
        self._actions[uid] = (namespace, clauses)

    def _list(self) -> list[str]:
        self._next()
        return [token for token in self._until("]") if token != ","]

    def _skip_list(self) -> None:
        for _ in self._until("]"):
            continue

    def _until(self, end: str) -> Iterator[str]:
        while (token := self._next()) != end:
            yield token

    def _type(self) -> Any:
        """A type as it stands: a name, ``[element]`` for a Set, ``{name: (type, required)}`` for a Record."""
        token = self._next()
        if token == "Set" and self._accept("<"):
            element = self._type()
            self._next()
            return [element]
        if token != "{":
            return token
        attributes: dict[str, Any] = {}
        while not self._accept("}"):
            self._annotations()
            name = _text(self._next())
            required = not self._accept("?")
            self._next()
            attributes[name] = (self._type(), required)
            self._accept(",")
        return attributes

    # Resolving

    def _record(self, namespace: str, declared: Any) -> RecordType:
        resolved = self._resolve(namespace, declared)
        return resolved if isinstance(resolved, RecordType) else RecordType()

    def _resolve(self, namespace: str, declared: Any) -> Type:
        if isinstance(declared, dict):
            return RecordType(
                {
                    name: Attribute(self._resolve(namespace, kind), required)
                    for name, (kind, required) in declared.items()
                }
            )
        if isinstance(declared, list):
            return SetType(self._resolve(namespace, declared[0]))
        name = self._name(namespace, declared)
        if name in self._types:
            return self._resolve(*self._types[name])
        return NamedType(name)

    def _name(self, namespace: str, name: str) -> str:
        """Resolve a name as Cedar does: in the namespace, then outside of any, then among the primitives."""
        for candidate in (_join(namespace, name), name):
            if candidate in self._types or candidate in self._entities:
                return candidate
        return name.removeprefix("__cedar::")


def _join(namespace: str, name: str) -> str:
    return f"{namespace}::{name}" if namespace else name


def _text(token: str) -> str:
    """The text of a quoted name; identifiers stand for themselves."""
    return EntityUid.parse(f"T::{token}").id if token.startswith('"') else token
