"""Evaluates expressions of policies with Cedar, about one check and the entities of its world."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum, auto
from pathlib import Path
from typing import Any

import cedarpy

from django_avp.cedar import Check, Entity, EntityUid
from django_avp.expressions import as_policy
from django_avp.filtering import MisfitError
from django_avp.policies import Policies, Statement

__all__ = ["Evaluator", "Outcome"]

_NOWHERE = Statement(Path(), 0, "")


class Outcome(StrEnum):
    """What an expression evaluates to."""

    TRUE = auto()
    FALSE = auto()
    ERROR = auto()


class Evaluator:
    """Answers what an expression evaluates to, and remembers it.

    Every answer is Cedar's: an expression becomes the condition of a policy of its own.

    Args:
        policies: those that the expressions are of; their schema is the one that counts.
        principal: who asks.
        check: what is asked; its context has the claims of the access token.
        entities: the world of the check.

    Raises:
        MisfitError: the entities do not conform to the schema.
    """

    def __init__(self, policies: Policies, principal: Entity, check: Check, entities: Iterable[Entity]) -> None:
        self._policies = policies
        self._schema = policies.schema.handle if policies.schema else None
        self._request = {
            "principal": principal.uid.as_json(),
            "action": check.action.as_json(),
            "resource": check.resource.as_json(),
            "context": check.context or "{}",
        }
        world = {entity.uid: entity for entity in (*entities, principal)}
        self.principal = principal.uid
        self.existing: tuple[EntityUid, ...] = tuple(world)
        self._outcomes: dict[str, Outcome] = {}
        try:
            document = json.dumps([entity.as_json() for entity in world.values()])
            self._entities = cedarpy.Entities.from_json_str(document, self._schema)
        except ValueError:
            # The text may quote claims (rule A8).
            raise MisfitError from None

    def learn(self, expressions: Iterable[Any]) -> None:
        """Evaluate several expressions at once, those that are known apart.

        Raises:
            MisfitError: Cedar takes the question for none, because of its context.
        """
        wanted = {_key(expression): expression for expression in expressions}
        unknown = {key: expression for key, expression in wanted.items() if key not in self._outcomes}
        if unknown:
            self._outcomes.update(zip(unknown, self._evaluated(list(unknown.values())), strict=True))

    def outcome(self, expression: Any) -> Outcome:
        """What an expression evaluates to as a condition: one that is no Bool is an error."""
        self.learn([expression])
        return self._outcomes[_key(expression)]

    def has_value(self, expression: Any) -> bool:
        """Whether an expression can be evaluated, to whatever value."""
        return self.outcome({"==": {"left": expression, "right": expression}}) is not Outcome.ERROR

    def _evaluated(self, expressions: list[Any]) -> list[Outcome]:
        probes = {str(number): as_policy(expression) for number, expression in enumerate(expressions)}
        document = {"staticPolicies": probes, "templates": {}, "templateLinks": []}
        policy_set = cedarpy.PolicySet.from_json_str(json.dumps(document))
        (result,) = cedarpy.is_authorized_batch([self._request], policy_set, self._entities, self._schema)
        if result.decision is cedarpy.Decision.NoDecision:
            raise MisfitError
        named = replace(self._policies, statements=dict.fromkeys(probes, _NOWHERE))
        outcomes = dict.fromkeys(probes, Outcome.FALSE)
        outcomes.update(dict.fromkeys(result.diagnostics.reasons, Outcome.TRUE))
        outcomes.update({named.erring(message): Outcome.ERROR for message in result.diagnostics.errors})
        return list(outcomes.values())


def _key(expression: Any) -> str:
    return json.dumps(expression, sort_keys=True)
