"""A schema in Cedar's JSON format, which is the one that Amazon Verified Permissions takes."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import cedarpy

from django_avp.declarations import ActionDeclaration, EntityDeclaration, Reader

__all__ = ["MAX_SCHEMA_BYTES", "namespaces", "schema_json"]

# Source: Verified Permissions User Guide, "Quotas".
MAX_SCHEMA_BYTES = 100_000


def schema_json(handle: cedarpy.Schema) -> str:
    """A parsed schema as JSON text. It declares the same; annotations are not kept.

    Source: Cedar Policy Language Reference Guide, "JSON schema format".
    """
    return json.dumps(_document(Reader(str(handle))))


def namespaces(handle: cedarpy.Schema) -> list[str]:
    """The namespaces that a schema declares something in; the empty one is ``""``."""
    return sorted(_document(Reader(str(handle))))


def _document(reader: Reader) -> dict[str, Any]:
    document: dict[str, Any] = defaultdict(lambda: {"entityTypes": {}, "actions": {}})
    for name, declared in reader.types.items():
        document[declared.namespace].setdefault("commonTypes", {})[_base(name)] = _type(declared.type)
    for name, entity in reader.entities.items():
        document[entity.namespace]["entityTypes"][_base(name)] = _entity(entity)
    for uid, action in reader.actions.items():
        document[action.namespace]["actions"][uid.id] = _action(action)
    return document


def _base(name: str) -> str:
    return name.rpartition("::")[2]


def _entity(declared: EntityDeclaration) -> dict[str, Any]:
    if declared.ids:
        return {"enum": list(declared.ids)}
    tags = {} if declared.tags is None else {"tags": _type(declared.tags)}
    return {"memberOfTypes": list(declared.parents), "shape": _type(declared.shape), **tags}


def _action(declared: ActionDeclaration) -> dict[str, Any]:
    parents = {"memberOf": [parent.as_json() for parent in declared.parents]} if declared.parents else {}
    if not declared.principals:
        return parents
    return {
        "appliesTo": {
            "principalTypes": list(declared.principals),
            "resourceTypes": list(declared.resources),
            "context": _type(declared.context),
        },
        **parents,
    }


def _type(declared: Any) -> dict[str, Any]:
    if isinstance(declared, list):
        return {"type": "Set", "element": _type(declared[0])}
    if isinstance(declared, dict):
        attributes = {name: {**_type(kind), "required": required} for name, (kind, required) in declared.items()}
        return {"type": "Record", "attributes": attributes}
    return {"type": "EntityOrCommon", "name": declared}
