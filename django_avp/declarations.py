"""Reads the canonical text of a Cedar schema: its declarations as they stand, names unresolved.

cedarpy parses and checks a schema but tells nothing about it except its canonical text. That text is always well
formed; what people wrote never reaches this reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django_avp.cedar import EntityUid, unquote

__all__ = ["ActionDeclaration", "EntityDeclaration", "Reader", "TypeDeclaration", "join"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\w+(?:::\w+)*|[{}\[\]<>(),;?=@:]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class TypeDeclaration:
    """A common type. A type is a name, ``[element]`` for a Set or ``{name: (type, required)}`` for a Record."""

    namespace: str
    type: Any


@dataclass(frozen=True, slots=True)
class EntityDeclaration:
    """An entity type: names of its parents' types, its shape, the type of its tags, and the ids of an enumeration."""

    namespace: str
    parents: tuple[str, ...]
    shape: Any
    tags: Any = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionDeclaration:
    """An action: the groups that it is in, names of the types that it applies to, and its context."""

    namespace: str
    parents: tuple[EntityUid, ...]
    principals: tuple[str, ...]
    resources: tuple[str, ...]
    context: Any


class Reader:
    """Reads canonical schema text once; what it found is in ``types``, ``entities`` and ``actions``."""

    def __init__(self, text: str) -> None:
        self.types: dict[str, TypeDeclaration] = {}
        self.entities: dict[str, EntityDeclaration] = {}
        self.actions: dict[EntityUid, ActionDeclaration] = {}
        self._tokens: list[str] = _TOKEN.findall(text)
        self._position = 0
        self._read_namespace("")

    # Tokens

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

    def _skip(self, count: int) -> None:
        self._position += count

    # Declarations

    def _read_namespace(self, namespace: str) -> None:
        readers = {"type": self._read_type, "entity": self._read_entity, "action": self._read_action}
        while self._peek() not in ("", "}"):
            self._skip_annotations()
            keyword = self._next()
            if keyword == "namespace":
                name = self._next()
                self._skip(1)
                self._read_namespace(name)
            else:
                readers[keyword](namespace)
            self._skip(1)

    def _skip_annotations(self) -> None:
        while self._accept("@"):
            # Canonical text gives every annotation a value: @name("value").
            self._skip(4)

    def _read_type(self, namespace: str) -> None:
        name = self._next()
        self._skip(1)
        self.types[join(namespace, name)] = TypeDeclaration(namespace, self._type())

    def _read_entity(self, namespace: str) -> None:
        name = self._next()
        parents = self._names() if self._accept("in") else ()
        shape = self._type() if self._accept("=") else {}
        tags = self._type() if self._accept("tags") else None
        ids = tuple(map(unquote, self._names())) if self._accept("enum") else ()
        self.entities[join(namespace, name)] = EntityDeclaration(namespace, parents, shape, tags, ids)

    def _read_action(self, namespace: str) -> None:
        uid = EntityUid(join(namespace, "Action"), _text(self._next()))
        parents = tuple(self._action_groups()) if self._accept("in") else ()
        clauses: dict[str, Any] = {"principal": (), "resource": (), "context": {}}
        if self._accept("appliesTo"):
            self._skip(1)
            while not self._accept("}"):
                clause = self._next()
                self._skip(1)
                clauses[clause] = self._type() if clause == "context" else self._names()
                self._accept(",")
        self.actions[uid] = ActionDeclaration(namespace, parents, *clauses.values())

    def _action_groups(self) -> Iterator[EntityUid]:
        """The references of a list such as ``[Action::"Read", Other::Action::"Write"]``."""
        self._skip(1)
        while self._peek() != "]":
            type_name = self._next()
            self._skip(2)
            yield EntityUid(type_name, unquote(self._next()))
            self._accept(",")
        self._skip(1)

    def _names(self) -> tuple[str, ...]:
        self._skip(1)
        return tuple(token for token in self._until("]") if token != ",")

    def _until(self, end: str) -> Iterator[str]:
        while (token := self._next()) != end:
            yield token

    def _type(self) -> Any:
        token = self._next()
        if token == "Set" and self._accept("<"):
            element = self._type()
            self._skip(1)
            return [element]
        return self._record() if token == "{" else token

    def _record(self) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        while not self._accept("}"):
            self._skip_annotations()
            name = _text(self._next())
            required = not self._accept("?")
            self._skip(1)
            attributes[name] = (self._type(), required)
            self._accept(",")
        return attributes


def join(namespace: str, name: str) -> str:
    """The name of what a namespace declares; the namespace may be the empty one."""
    return f"{namespace}::{name}" if namespace else name


def _text(token: str) -> str:
    """The text of a quoted name; identifiers stand for themselves."""
    return unquote(token) if token.startswith('"') else token
