"""What is found about policies, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from pathlib import Path
from typing import Any

from django_avp.explanation.evaluation import Outcome
from django_avp.policies import Statement

__all__ = ["Finding", "PolicyOutcome", "PolicyReport", "place_of"]


class PolicyOutcome(StrEnum):
    """What a policy says to a check."""

    APPLIES = auto()
    DOES_NOT_APPLY = "does not apply"
    ERROR = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    """The part of a policy that keeps it from applying.

    Attributes:
        kind: ``"principal"``, ``"action"``, ``"resource"``, ``"when"`` or ``"unless"``; empty for a side of another.
        expression: the smallest expression that settles it, in Cedar's syntax.
        outcome: what Cedar evaluates the expression to.
        code: of an error; see :data:`django_avp.explanation.ERRORS`.
        inner: the sides, where none of them alone settles it.
    """

    kind: str
    expression: str
    outcome: Outcome
    code: str = ""
    inner: tuple[Finding, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The finding in JSON's types."""
        return {
            "kind": self.kind,
            "expression": self.expression,
            "outcome": self.outcome.value,
            "code": self.code,
            "inner": [finding.as_json() for finding in self.inner],
        }


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """One policy, or one link to a template, and what it says to the check.

    Attributes:
        policy_id: its id.
        effect: ``"permit"`` or ``"forbid"``.
        statement: its source and place; of a link, those of the template.
        template_id: the id of the template that it links to; empty for a policy.
        link: where the link stands; ``None`` for a policy.
        outcome: whether it applies.
        finding: why not; ``None`` if it applies.
        is_determining: whether the decision names it.
        is_candidate: whether it is about this action and these types of principal and resource.
    """

    policy_id: str
    effect: str
    statement: Statement
    outcome: PolicyOutcome
    finding: Finding | None = None
    template_id: str = ""
    link: Statement | None = None
    is_determining: bool = False
    is_candidate: bool = True

    @property
    def place(self) -> str:
        """File and line, as seen from the working directory."""
        return place_of(self.statement)

    def as_json(self) -> dict[str, Any]:
        """The report in JSON's types."""
        return {
            "id": self.policy_id,
            "effect": self.effect,
            "outcome": self.outcome.value,
            "determining": self.is_determining,
            "candidate": self.is_candidate,
            "place": self.place,
            "template": self.template_id,
            "link": place_of(self.link) if self.link else "",
            "text": self.statement.text,
            "finding": self.finding.as_json() if self.finding else None,
        }


def place_of(statement: Statement) -> str:
    """File and line, as seen from the working directory where the file is below it."""
    here = Path.cwd()
    path = statement.path.relative_to(here) if statement.path.is_relative_to(here) else statement.path
    return f"{path}:{statement.line}"
