"""The kinds of questions that a policy may be about: by its scope, and by what the schema applies actions to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django_avp.cedar import EntityUid
from django_avp.references import Path, Root
from django_avp.schema import NamedType, RecordType, Schema, Type

__all__ = ["Environment", "environments", "owners_on_the_way"]


@dataclass(frozen=True, slots=True)
class Environment:
    """An action, and types of a principal and of a resource that it applies to."""

    principal: str
    action: EntityUid
    resource: str


def environments(policy: Mapping[str, Any], schema: Schema) -> Iterator[Environment]:
    """The environments that the scope of a policy in Cedar's JSON format admits."""
    for action in _actions(policy["action"], schema):
        declared = schema.actions[action]
        for principal in sorted(declared.principals):
            for resource in sorted(declared.resources):
                if _admits(policy["principal"], principal) and _admits(policy["resource"], resource):
                    yield Environment(principal, action, resource)


def _actions(scope: Mapping[str, Any], schema: Schema) -> list[EntityUid]:
    if scope["op"] == "All":
        return sorted(schema.actions, key=str)
    named = scope.get("entities") or [scope["entity"]]
    wanted = {EntityUid(entity["type"], entity["id"]) for entity in named}
    if scope["op"] == "==":
        return [uid for uid in wanted if uid in schema.actions]
    return [uid for uid in sorted(schema.actions, key=str) if wanted & {uid, *schema.actions[uid].groups}]


def _admits(scope: Mapping[str, Any], entity_type: str) -> bool:
    """Whether a scope may hold for an entity of a type; what something is ``in`` may be of another."""
    if "entity_type" in scope:
        return bool(scope["entity_type"] == entity_type)
    if scope["op"] == "==" and "entity" in scope:
        return bool(scope["entity"]["type"] == entity_type)
    return True


def owners_on_the_way(root: Root, path: Path, environment: Environment, schema: Schema) -> Iterator[tuple[str, str]]:
    """The entity types that the attributes of a path are read of, each with the attribute.

    Args:
        root: ``"principal"``, ``"resource"``, ``"context"`` or an entity.
        path: the names of attributes from there on.
        environment: what the root is.
        schema: what the attributes are.
    """
    kind: Type | None = _type_of(root, environment, schema)
    for name in path:
        owner = schema.entity_types.get(kind.name) if isinstance(kind, NamedType) else None
        shape = owner.shape if owner else kind
        if owner:
            yield owner.name, name
        attributes = shape.attributes if isinstance(shape, RecordType) else {}
        kind = attributes[name].type if name in attributes else None


def _type_of(root: Root, environment: Environment, schema: Schema) -> Type:
    if isinstance(root, EntityUid):
        return NamedType(root.type)
    if root == "context":
        return schema.actions[environment.action].context
    return NamedType(environment.principal if root == "principal" else environment.resource)
