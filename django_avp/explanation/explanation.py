"""A decision and all that led to it, as a value, as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django_avp.cedar import Check, Decision, Entity, EntityUid
from django_avp.explanation.findings import PolicyOutcome, PolicyReport
from django_avp.explanation.refusals import Refusal
from django_avp.explanation.text import lines

__all__ = ["Explanation"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and all that led to it.

    Entities and context are data and claims: they stay out of ``repr``.

    Attributes:
        check: what was asked.
        decision: the answer, as ``can`` gives it.
        principal: who asked; ``None`` for nobody.
        groups: the principal's groups.
        refusal: why no policy was asked; ``None`` if they were.
        policies: every policy and every link, those that decided first.
        notes: what else there is to know, in sentences.
        entities: what existed for the decision.
        context: the context of the decision, the claims of the access token among it.
    """

    check: Check
    decision: Decision
    principal: EntityUid | None
    groups: tuple[EntityUid, ...] = ()
    refusal: Refusal | None = None
    policies: tuple[PolicyReport, ...] = ()
    notes: tuple[str, ...] = ()
    entities: tuple[Entity, ...] = field(default=(), repr=False)
    context: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def determining(self) -> tuple[PolicyReport, ...]:
        """The policies that the decision names."""
        return tuple(policy for policy in self.policies if policy.is_determining)

    @property
    def candidates(self) -> tuple[PolicyReport, ...]:
        """The policies that are about this action and these types of principal and resource."""
        return tuple(policy for policy in self.policies if policy.is_candidate)

    @property
    def errors(self) -> tuple[PolicyReport, ...]:
        """The policies that could not be evaluated."""
        return tuple(policy for policy in self.policies if policy.outcome is PolicyOutcome.ERROR)

    def __str__(self) -> str:
        """The explanation for people, with data and claims."""
        return "\n".join(line.text for line in lines(self))

    def as_json(self) -> dict[str, Any]:
        """The explanation in JSON's types."""
        refusal = self.refusal
        return {
            "principal": str(self.principal) if self.principal else None,
            "groups": [str(group) for group in self.groups],
            "action": str(self.check.action),
            "resource": str(self.check.resource),
            "allowed": self.decision.is_allowed,
            "verdict": self.decision.verdict.value,
            "cause": self.decision.cause.value,
            "determining_policies": list(self.decision.determining_policies),
            "errors": list(self.decision.errors),
            "refusal": {"code": refusal.code, "cause": refusal.cause, "cure": refusal.cure} if refusal else None,
            "policies": [policy.as_json() for policy in self.policies],
            "notes": list(self.notes),
            "entities": [entity.as_json() for entity in self.entities],
            "context": dict(self.context),
        }
