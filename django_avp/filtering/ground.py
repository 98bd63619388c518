"""Values that are the same for every row, and the entities that a policy may look up apart from any row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django_avp.cedar import Entity, EntityUid
from django_avp.filtering.extensions import CONSTRUCTORS, Extension

__all__ = ["Entities", "ground", "kind_of"]

Members = tuple[Any, ...]
"""A Set, of ground values or of values that rows have; it may name one value twice."""


def ground(value: Any) -> Any:
    """A value of Cedar's JSON format: ``bool``, ``int``, ``str``, ``EntityUid``, ``Extension``, tuple or dict."""
    if isinstance(value, list):
        return tuple(ground(item) for item in value)
    if not isinstance(value, Mapping):
        return value
    if "__entity" in value:
        return EntityUid(value["__entity"]["type"], value["__entity"]["id"])
    if "__extn" in value:
        return CONSTRUCTORS[value["__extn"]["fn"]](value["__extn"]["arg"])
    return {name: ground(item) for name, item in value.items()}


def kind_of(value: Any) -> str:
    """Cedar's type of a value, ground or not, as error messages name it."""
    if isinstance(value, Extension):
        return value.kind
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    return str(value.kind)


# In order: bool is an int.
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "Bool"),
    (int, "Long"),
    (str, "String"),
    (EntityUid, "Entity"),
    (tuple, "Set"),
    (dict, "Record"),
)


@dataclass(frozen=True, slots=True)
class Entities:
    """The entities that exist for every row: the principal, and those that policies and the context name."""

    by_uid: Mapping[EntityUid, Entity]

    @classmethod
    def of(cls, entities: Iterable[Entity]) -> Entities:
        """The entities by their ids."""
        return cls({entity.uid: entity for entity in entities})

    def attributes(self, uid: EntityUid) -> Mapping[str, Any]:
        """The attributes of an entity, in Cedar's JSON format; none of one that does not exist."""
        return self.by_uid[uid].attributes if uid in self.by_uid else {}

    def ancestry(self, uid: EntityUid) -> dict[EntityUid, None]:
        """What the entity is ``in``: itself, its parents, the parents of these, …"""
        found = {uid: None}
        for one in (waiting := [uid]):  # grows while it is walked
            for parent in self.by_uid[one].parents if one in self.by_uid else ():
                if parent not in found:
                    found[parent] = None
                    waiting.append(parent)
        return found
