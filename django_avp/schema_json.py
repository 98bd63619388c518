"""A schema in Cedar's JSON format, which is the one that Amazon Verified Permissions takes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import cedarpy

from django_avp.declarations import ActionDeclaration, EntityDeclaration, Reader, join

__all__ = ["MAX_SCHEMA_BYTES", "namespaces", "schema_json", "short_document"]

# Source: Verified Permissions User Guide, "Quotas".
MAX_SCHEMA_BYTES = 100_000


def schema_json(handle: cedarpy.Schema) -> str:
    """A parsed schema as JSON text. It declares the same; annotations are not kept.

    Source: Cedar Policy Language Reference Guide, "JSON schema format".
    """
    return json.dumps(_document(Reader(str(handle)), _as_declared))


def short_document(handle: cedarpy.Schema) -> dict[str, Any]:
    """The same in the one way of writing it: each name as short as it can be, whichever way it came."""
    reader = Reader(str(handle))
    return _document(reader, partial(_short, reader))


def namespaces(handle: cedarpy.Schema) -> list[str]:
    """The namespaces that a schema declares something in; the empty one is ``""``."""
    return sorted(_document(Reader(str(handle)), _as_declared))


def _document(reader: Reader, named: Callable[[str, str], str]) -> dict[str, Any]:
    document: dict[str, Any] = defaultdict(lambda: {"entityTypes": {}, "actions": {}})
    for name, declared in reader.types.items():
        common = _type(declared.type, partial(named, declared.namespace))
        document[declared.namespace].setdefault("commonTypes", {})[_base(name)] = common
    for name, entity in reader.entities.items():
        document[entity.namespace]["entityTypes"][_base(name)] = _entity(entity, partial(named, entity.namespace))
    for uid, action in reader.actions.items():
        document[action.namespace]["actions"][uid.id] = _action(action, partial(named, action.namespace))
    return document


def _as_declared(_: str, name: str) -> str:
    return name


def _short(reader: Reader, namespace: str, name: str) -> str:
    qualifier, _, base = name.rpartition("::")
    # An entity type may have the name of a primitive, which it hides.
    is_hidden = any(one in reader.types or one in reader.entities for one in (base, join(namespace, base)))
    return base if qualifier == namespace or (qualifier == "__cedar" and not is_hidden) else name


def _base(name: str) -> str:
    return name.rpartition("::")[2]


def _entity(declared: EntityDeclaration, named: Callable[[str], str]) -> dict[str, Any]:
    if declared.ids:
        return {"enum": list(declared.ids)}
    tags = {} if declared.tags is None else {"tags": _type(declared.tags, named)}
    return {"memberOfTypes": _names(declared.parents, named), "shape": _type(declared.shape, named), **tags}


def _action(declared: ActionDeclaration, named: Callable[[str], str]) -> dict[str, Any]:
    parents = {"memberOf": [parent.as_json() for parent in declared.parents]} if declared.parents else {}
    if not declared.principals:
        return parents
    return {
        "appliesTo": {
            "principalTypes": _names(declared.principals, named),
            "resourceTypes": _names(declared.resources, named),
            "context": _type(declared.context, named),
        },
        **parents,
    }


def _names(declared: Iterable[str], named: Callable[[str], str]) -> list[str]:
    return [named(name) for name in declared]


def _type(declared: Any, named: Callable[[str], str]) -> dict[str, Any]:
    if isinstance(declared, list):
        return {"type": "Set", "element": _type(declared[0], named)}
    if isinstance(declared, dict):
        attributes = {name: {**_type(kind, named), "required": required} for name, (kind, required) in declared.items()}
        return {"type": "Record", "attributes": attributes}
    return {"type": "EntityOrCommon", "name": named(declared)}
