"""What of entities the policies need: an attribute that none of them reads is not given to Cedar.

An attribute costs as much as the evaluation of several policies. But where there is a schema, an entity has to conform
to it as a whole, or nothing is decided about it (rule A7): what is left out is looked at here.

INVARIANT: an attribute is left out only if no policy names it and Cedar would have taken it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import cedarpy

from django_avp.cedar import Entity
from django_avp.declarations import join
from django_avp.schema import EntityType, NamedType, Schema, SetType, Type
from django_avp.schema_json import schema_json

__all__ = ["Needs"]

_Test: TypeAlias = Callable[[Any], bool]

_PRIMITIVES: Mapping[str, type] = {"Bool": bool, "String": str, "Long": int}
_EXTENSIONS = {"datetime": "datetime", "decimal": "decimal", "duration": "duration", "ipaddr": "ip"}


class Needs:
    """The attributes that decisions need, and the schema that is content with them.

    Args:
        read: the names of all attributes that policies read or look for, of whatever entity.
        schema: what entities have to conform to, if there is a schema.
    """

    def __init__(self, read: Collection[str], schema: Schema | None) -> None:
        self._read = frozenset(read)
        self._lean = None if schema is None else _Lean.of(schema, self._read)

    def of(self, entity: Entity) -> dict[str, Any]:
        """What of an entity is needed, as an element of Cedar's JSON entities document.

        Raises:
            ValueError: it lacks an attribute that the schema requires.
        """
        return {
            "uid": entity.uid.as_json(),
            "attrs": self.attributes(entity),
            "parents": [parent.as_json() for parent in entity.parents],
        }

    def attributes(self, entity: Entity) -> dict[str, Any]:
        """The attributes of an entity that are needed. Raises what :meth:`of` does."""
        if self._lean is None:
            return {
                name: value
                for name, value in entity.attributes.items()
                if name in self._read or not _is_holdable(value)
            }
        unread = self._lean.unread.get(entity.uid.type, _ALL_READ)
        if not unread.required <= entity.attributes.keys():
            raise ValueError("An attribute that the schema requires is absent.")
        return {
            name: value
            for name, value in entity.attributes.items()
            if (accepts := unread.accepted.get(name)) is None or not accepts(value)
        }

    @property
    def handle(self) -> cedarpy.Schema | None:
        """The schema to evaluate with: the same, but for attributes that no policy reads, which may be absent."""
        return None if self._lean is None else self._lean.handle

    def is_enumerated(self, entity_type: str) -> bool:
        """Whether the schema lists the ids that entities of a type may have."""
        return self._lean is not None and entity_type in self._lean.enumerated


@dataclass(frozen=True, slots=True)
class _Unread:
    """The attributes of an entity type that no policy reads.

    Attributes:
        accepted: tells of each whether a value is certainly one that Cedar takes.
        required: those that have to be there all the same.
    """

    accepted: Mapping[str, _Test] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


_ALL_READ = _Unread()


@dataclass(frozen=True, slots=True)
class _Lean:
    """A schema that requires no attribute which policies do not read, and these attributes by entity type."""

    handle: cedarpy.Schema
    unread: Mapping[str, _Unread]
    enumerated: frozenset[str]

    @classmethod
    def of(cls, schema: Schema, read: Collection[str]) -> _Lean:
        document = json.loads(schema_json(schema.handle))
        unread: dict[str, _Unread] = {}
        enumerated = frozenset(name for name, part in _entity_types(document) if "enum" in part)
        # An id of an enumeration is not looked up here.
        plain = {name: declared for name, declared in schema.entity_types.items() if name not in enumerated}
        for name, part in _entity_types(document):
            # The shape of several types may be one that they share: what of that is read by whom is not told apart.
            attributes = part.get("shape", {}).get("attributes", {})
            own = {one: schema.entity_types[name].shape.attributes[one] for one in attributes if one not in read}
            required = frozenset(one for one, attribute in own.items() if attribute.required)
            unread[name] = _Unread({one: _test(own[one].type, plain) for one in own}, required)
            for one in required:
                attributes[one]["required"] = False
        return cls(cedarpy.Schema.from_json_str(json.dumps(document)), unread, enumerated)


def _entity_types(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entity types of a schema in Cedar's JSON format, by qualified name."""
    for namespace, declared in document.items():
        yield from ((join(namespace, name), part) for name, part in declared["entityTypes"].items())


def _is_holdable(value: Any) -> bool:
    """Whether Cedar certainly holds a value without a schema: one that nests deeply it may refuse."""
    if isinstance(value, list):
        return all(not isinstance(item, list) and _is_holdable(item) for item in value)
    return not isinstance(value, dict) or "__entity" in value or "__extn" in value


def _test(kind: Type, entity_types: Mapping[str, EntityType]) -> _Test:
    """What tells whether a value in Cedar's JSON format is certainly of a type: not, where Cedar might know better."""
    if isinstance(kind, NamedType):
        return _test_of_name(kind.name, entity_types)
    if isinstance(kind, SetType):
        element = _test(kind.element, entity_types)
        return lambda value: isinstance(value, list) and all(map(element, value))
    parts = {name: _test(attribute.type, entity_types) for name, attribute in kind.attributes.items()}
    return lambda value: (
        isinstance(value, dict)
        and not kind.undeclared(value)
        and not kind.lacking(value)
        and all(parts[name](item) for name, item in value.items())
    )


def _test_of_name(name: str, entity_types: Mapping[str, EntityType]) -> _Test:
    if name in entity_types:
        return lambda value: isinstance(value, dict) and "__entity" in value and value["__entity"].get("type") == name
    if name in _PRIMITIVES:
        primitive = _PRIMITIVES[name]
        return lambda value: type(value) is primitive
    function = _EXTENSIONS.get(name)
    return lambda value: (
        function is not None and isinstance(value, dict) and value.get("__extn", {}).get("fn") == function
    )
