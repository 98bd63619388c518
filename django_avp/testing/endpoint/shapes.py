"""The API's shapes of entities, contexts and values, in Cedar's JSON format: both halves of both unions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django_avp.cedar import EntityUid
from django_avp.testing.endpoint.errors import refused
from django_avp.testing.endpoint.fields import items, member
from django_avp.values import extension

__all__ = ["action_of", "as_identifier", "context_of", "entities_of", "entity_uid"]


def entity_uid(value: Any, path: str) -> EntityUid:
    """An ``EntityIdentifier``."""
    return _uid(value, path, "entityType", "entityId")


def as_identifier(uid: EntityUid) -> dict[str, str]:
    """An ``EntityIdentifier`` of the answer."""
    return {"entityType": uid.type, "entityId": uid.id}


def action_of(value: Any, path: str) -> EntityUid:
    """An ``ActionIdentifier``."""
    uid = _uid(value, path, "actionType", "actionId")
    if not uid.is_action:
        raise refused("An action's type is Action, in a namespace or in none.", [path])
    return uid


def _uid(value: Any, path: str, type_name: str, id_name: str) -> EntityUid:
    if not isinstance(value, Mapping) or not all(isinstance(value.get(name), str) for name in (type_name, id_name)):
        raise refused("An identifier has a type and an id.", [path])
    uid = EntityUid(value[type_name], value[id_name])
    if not uid.is_valid:
        raise refused("A type has at most 200 characters, an id 1 to 612 (an action's 512), on one line.", [path])
    return uid


def context_of(value: Any, path: str) -> dict[str, Any]:
    """A ``ContextDefinition`` as a Record."""
    if value is None:
        return {}
    kind, content = member(value, path, "contextMap", "cedarJson")
    if kind == "contextMap":
        return _record(content, path)
    record = _parsed(content, path)
    if not isinstance(record, dict):
        raise refused("A context is a record.", [path])
    return record


def entities_of(value: Any) -> list[dict[str, Any]]:
    """An ``EntitiesDefinition`` as Cedar's JSON entities."""
    if value is None:
        return []
    kind, content = member(value, "entities", "entityList", "cedarJson")
    if kind == "entityList":
        path = "entities.entityList"
        return [_entity(item, f"{path}[{number}]") for number, item in enumerate(items(content, path))]
    entities = _parsed(content, "entities")
    if not isinstance(entities, list) or not all(isinstance(item, dict) and "uid" in item for item in entities):
        raise refused("Entities are a list of objects with a uid.", ["entities"])
    return [{**item, "uid": _cedar_uid(item["uid"])} for item in entities]


def _cedar_uid(value: Any) -> dict[str, str]:
    """The uid of an entity in the shorter one of the two forms that Cedar's JSON format has."""
    value = value.get("__entity", value) if isinstance(value, Mapping) else value
    return _uid(value, "entities", "type", "id").as_json()


def _entity(item: Any, path: str) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise refused("A structure.", [path])
    return {
        "uid": entity_uid(item.get("identifier"), path).as_json(),
        "attrs": _record(item.get("attributes") or {}, path),
        "parents": [entity_uid(parent, path).as_json() for parent in items(item.get("parents"), path)],
        "tags": _record(item.get("tags") or {}, path),
    }


def _parsed(text: Any, path: str) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError) as error:
        raise refused("It is not JSON.", [path]) from error


def _record(values: Any, path: str) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        raise refused("A structure.", [path])
    return {name: _value(value, f"{path}.{name}") for name, value in values.items()}


def _value(value: Any, path: str) -> Any:
    kind, content = member(value, path, *_VALUES)
    return _VALUES[kind](content, path)


# The members of the union AttributeValue.
_VALUES: Mapping[str, Callable[[Any, str], Any]] = {
    "boolean": lambda content, path: content,
    "long": lambda content, path: content,
    "string": lambda content, path: content,
    "entityIdentifier": lambda content, path: {"__entity": entity_uid(content, path).as_json()},
    "set": lambda content, path: [_value(item, path) for item in items(content, path)],
    "record": _record,
    "ipaddr": lambda content, path: extension("ip", content),
    "decimal": lambda content, path: extension("decimal", content),
    "datetime": lambda content, path: extension("datetime", content),
    "duration": lambda content, path: extension("duration", content),
}
