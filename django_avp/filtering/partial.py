"""Partial evaluation: what is left of the policies when all but the resource, or all but the principal, is known.

cedarpy calls this experimental; no other module knows of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from django_avp.cedar import Entity, EntityUid
from django_avp.policies import Policies
from django_avp.slicing import Asked

__all__ = ["MisfitError", "Residuals", "conforms", "residuals", "residuals_for_anybody"]


# What is left of a policy has to be compiled, too: as much work as many checks.
_WORTH = 100


class MisfitError(Exception):
    """Raised when Cedar takes the question for none, so that nothing is decided."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """What is left of every policy.

    Attributes:
        conditions: the condition of each policy, by its id, in Cedar's JSON format.
        errors: ids of the policies that cannot be evaluated, whatever the resource (rule E4).
    """

    conditions: Mapping[str, Any]
    errors: frozenset[str]

    def bound(self, placeholder: EntityUid, principal: EntityUid) -> Residuals:
        """The same with the principal in the place of another entity."""
        conditions = {key: _bound(part, placeholder, principal) for key, part in self.conditions.items()}
        return Residuals(conditions, self.errors)


def residuals(
    policies: Policies,
    principal: EntityUid,
    action: EntityUid,
    context: str,
    entities: Iterable[Entity],
    resource_type: str,
) -> Residuals:
    """Evaluate policies as far as they do not depend on the resource; those whose scope cannot match are left out.

    Args:
        policies: the policies and their schema.
        principal: who asks; it is among ``entities``.
        action: the action, which applies to the principal.
        context: a Record as JSON text; empty for none.
        entities: what exists apart from the resource.
        resource_type: the type of the resource.

    Raises:
        MisfitError: the context or the entities do not conform to the schema.
    """
    # The resource is left out, never made up: a policy that names it must stay (facts of partial evaluation).
    request = {"principal": str(principal), "action": str(action), "context": context or "{}"}
    known = {entity.uid: entity for entity in entities}
    part = policies.slices.fitting(
        Asked.about({principal}, known),
        policies.about_actions({action}, known),
        Asked.about_any(resource_type),
        checks=_WORTH,
    )
    return _left(policies, part.policy_set, request, known.values())


def residuals_for_anybody(
    policies: Policies, action: EntityUid, resource: EntityUid, context: str, entities: Iterable[Entity]
) -> Residuals:
    """Evaluate policies as far as they do not depend on the principal, which is a variable in what is left.

    Args:
        policies: the policies and their schema.
        action: the action, which applies to the resource.
        resource: what is asked about; it is among ``entities``.
        context: a Record as JSON text; empty for none.
        entities: what exists apart from the principal.

    Raises:
        MisfitError: the context or the entities do not conform to the schema.
    """
    request = {"action": str(action), "resource": str(resource), "context": context or "{}"}
    left = _left(policies, policies.policy_set, request, entities)
    return Residuals({key: _named(part) for key, part in left.conditions.items()}, left.errors)


def _left(
    policies: Policies, part: cedarpy.PolicySet, request: Mapping[str, str], entities: Iterable[Entity]
) -> Residuals:
    schema = policies.schema.handle if policies.schema else None
    document = json.dumps([entity.as_json() for entity in entities])
    try:
        handle = cedarpy.Entities.from_json_str(document, schema)
        result = cedarpy.is_authorized_partial(dict(request), part, handle, schema)
    except ValueError:
        # The text may quote claims (rule A8).
        raise MisfitError from None
    errors = frozenset(policies.erring(message) for message in result.diagnostics.errors)
    if not result.residuals and result.decision is cedarpy.Decision.NoDecision:
        raise MisfitError
    return Residuals({policy: _condition(residual) for policy, residual in result.residuals.items()}, errors)


def conforms(policies: Policies, entity: Entity) -> bool:
    """Whether an entity is as the schema declares it; nothing is decided about a principal that is not."""
    try:
        handle = policies.schema.handle if policies.schema else None
        cedarpy.Entities.from_json_str(json.dumps([entity.as_json()]), handle)
    except ValueError:
        return False
    return True


def _bound(condition: Any, placeholder: EntityUid, principal: EntityUid) -> Any:
    if condition == {"__entity": placeholder.as_json()}:
        return {"__entity": principal.as_json()}
    if isinstance(condition, list):
        return [_bound(item, placeholder, principal) for item in condition]
    if isinstance(condition, dict):
        return {key: _bound(item, placeholder, principal) for key, item in condition.items()}
    return condition


def _condition(residual: Mapping[str, Any]) -> Any:
    # The scope and all conditions of a policy are one by now.
    (condition,) = residual["conditions"]
    return condition["body"]


def _named(node: Any) -> Any:
    """A condition with the principal as a variable, and entities that there are not by their ids (rule E3)."""
    if isinstance(node, list):
        return [_named(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("unknown"), list):
        name = node["unknown"][0]["Value"]
        return {"Var": name} if name == "principal" else {"Value": {"__entity": EntityUid.parse(name).as_json()}}
    return {key: _named(item) for key, item in node.items()}
