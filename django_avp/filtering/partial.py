"""Partial evaluation: what is left of the policies when all but the resource is known.

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

__all__ = ["MisfitError", "Residuals", "conforms", "residuals"]


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
    policies: Policies, principal: EntityUid, action: EntityUid, context: str, entities: Iterable[Entity]
) -> Residuals:
    """Evaluate policies as far as they do not depend on the resource.

    Args:
        policies: the policies and their schema.
        principal: who asks; it is among ``entities``.
        action: the action, which applies to the principal.
        context: a Record as JSON text; empty for none.
        entities: what exists apart from the resource.

    Raises:
        MisfitError: the context or the entities do not conform to the schema.
    """
    schema = policies.schema.handle if policies.schema else None
    # The resource is left out, never made up: a policy that names it must stay (facts of partial evaluation).
    request = {"principal": str(principal), "action": str(action), "context": context or "{}"}
    document = json.dumps([entity.as_json() for entity in entities])
    try:
        handle = cedarpy.Entities.from_json_str(document, schema)
        result = cedarpy.is_authorized_partial(request, policies.policy_set, handle, schema)
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
