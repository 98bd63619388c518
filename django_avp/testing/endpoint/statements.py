"""One policy or template as the service reads it: what is in its scope, and what it may not change into."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cedarpy

from django_avp.cedar import EntityUid
from django_avp.expressions import balanced
from django_avp.policy_files import MAX_NESTING, MAX_POLICY_BYTES, nesting
from django_avp.testing.endpoint.errors import over_quota, refused
from django_avp.testing.endpoint.shapes import as_identifier

__all__ = ["Statement"]

_EFFECTS = {"permit": "Permit", "forbid": "Forbid"}


@dataclass(frozen=True, slots=True)
class Statement:
    """The Cedar text of one policy or template.

    Attributes:
        text: as it was given.
        cedar: the policy in Cedar's JSON format.
        slots: the placeholders it has, such as ``?principal``.
    """

    text: str
    cedar: Mapping[str, Any] = field(repr=False)
    slots: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, path: str) -> Statement:
        """Read one policy or one template.

        Raises:
            ServiceError: it is too large, does not parse, or is not one alone.
        """
        if len(text.encode()) > MAX_POLICY_BYTES:
            raise over_quota(f"A policy has at most {MAX_POLICY_BYTES} bytes.", "POLICY")
        if nesting(text) > MAX_NESTING:
            raise refused("It is nested too deeply.", [path])
        try:
            document = json.loads(cedarpy.policies_to_json_str(text))
        except ValueError as error:
            raise refused(str(error), [path]) from error
        policies = [*document["staticPolicies"].values(), *document["templates"].values()]
        if len(policies) != 1:
            raise refused("A statement is one policy.", [path])
        (policy,) = policies
        slots = (_slot(policy[name]) for name in ("principal", "resource"))
        return cls(text, balanced(policy), tuple(slot for slot in slots if slot))

    def validate(self, schema: cedarpy.Schema, path: str) -> None:
        """Hold it against a schema, as a store with ``STRICT`` validation does.

        Raises:
            ServiceError: it does not conform.
        """
        errors = [error.error for error in cedarpy.validate_policies(self.text, schema).errors]
        if errors:
            raise refused(errors[0], [path])

    @property
    def effect(self) -> str:
        """``"Permit"`` or ``"Forbid"``."""
        return _EFFECTS[self.cedar["effect"]]

    def told(self, values: Mapping[str, EntityUid]) -> dict[str, Any]:
        """What the API tells of a policy's scope; ``values`` fill the slots of a template."""
        told: dict[str, Any] = {"effect": self.effect}
        for name in ("principal", "resource"):
            uid = values.get(f"?{name}") or _entity(self.cedar[name])
            if uid:
                told[name] = as_identifier(uid)
        actions = _actions(self.cedar["action"])
        if actions:
            told["actions"] = [{"actionType": action.type, "actionId": action.id} for action in actions]
        return told

    def has_scope_of(self, other: Statement) -> bool:
        """Whether effect, principal and resource are the same, which an update cannot change."""
        return all(self.cedar[name] == other.cedar[name] for name in ("effect", "principal", "resource"))


def _constraint(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ``==`` or ``in`` of a scope, also of ``is … in``."""
    inner: Mapping[str, Any] = scope.get("in", scope)
    return inner


def _slot(scope: Mapping[str, Any]) -> str | None:
    return _constraint(scope).get("slot")


def _entity(scope: Mapping[str, Any]) -> EntityUid | None:
    entity = _constraint(scope).get("entity")
    return EntityUid(entity["type"], entity["id"]) if entity else None


def _actions(scope: Mapping[str, Any]) -> list[EntityUid]:
    entities = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
    return [EntityUid(entity["type"], entity["id"]) for entity in entities]
