"""From policies to the condition of a queryset."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

from django_avp.conf import conf
from django_avp.entities.model_entity import ModelEntity
from django_avp.exceptions import UntranslatablePolicyError
from django_avp.filtering.conditions import Condition, all_of, any_of, negated
from django_avp.filtering.dialects import Dialect
from django_avp.filtering.evaluation import Evaluator
from django_avp.filtering.ground import Entities, ground
from django_avp.filtering.partial import Residuals
from django_avp.filtering.question import Question
from django_avp.filtering.rows import Row
from django_avp.filtering.simplifying import simplified
from django_avp.filtering.soundness import Soundness
from django_avp.filtering.untranslatable import Untranslatable, cedar_text
from django_avp.policies import UNKNOWN, Policies

__all__ = ["Bound", "compiled"]


class Bound(Enum):
    """What to do about what has no exact counterpart in SQL."""

    EXACT = auto()
    """Refuse it."""
    MOST = auto()
    """Let all rows in that it may permit."""
    LEAST = auto()
    """Leave all rows out that it may refuse."""


def compiled(
    policies: Policies,
    left: Residuals,
    question: Question,
    definition: ModelEntity,
    dialect: Dialect,
    bound: Bound = Bound.EXACT,
) -> tuple[Condition, bool]:
    """Compile what is left of the policies.

    Args:
        policies: what decides.
        left: what is left of them when the question is known.
        question: what is asked.
        definition: the entities that the rows are.
        dialect: of their database.
        bound: what to do about what has no exact counterpart.

    Returns:
        The condition that a row is permitted, and whether it is personal: another for each principal.

    Raises:
        UntranslatablePolicyError: a policy has no exact counterpart in SQL.
    """
    compiler = _Compiler(policies, question, Row(definition, dialect), bound)
    return compiler.condition(left), compiler.is_personal


class _Compiler:
    def __init__(self, policies: Policies, question: Question, row: Row, bound: Bound) -> None:
        self._policies = policies
        self._bound = bound
        self._soundness = Soundness(policies.schema, policies.references, row.dialect)
        self._row = row
        variables = {
            "principal": question.principal.uid,
            "action": question.action,
            "context": ground(json.loads(question.context)) if question.context else {},
        }
        entities = Entities.of([question.principal, *question.entities])
        self._evaluator = Evaluator(row, variables, entities)

    @property
    def is_personal(self) -> bool:
        """Whether the condition depends on who the principal is."""
        return self._evaluator.is_personal

    def condition(self, left: Residuals) -> Condition:
        """The condition that a row is permitted."""
        # In order, because Cedar's own changes, and databases remember queries by their text.
        conditions = sorted(left.conditions.items())
        permits = {key: part for key, part in conditions if key not in self._policies.forbids}
        forbids = {key: part for key, part in conditions if key in self._policies.forbids}
        is_permitted = any_of(self._is_true(key, part) for key, part in permits.items())
        if is_permitted is False:
            return False
        is_forbidden = any_of(self._is_true(key, part) for key, part in forbids.items())
        fails = self._fails(left)
        # Most rows are left out by the policies: databases ask in this order what no index tells.
        return simplified(all_of([is_permitted, negated(is_forbidden), negated(fails), self._is_decided()]))

    def _is_decided(self) -> Condition:
        try:
            return self._soundness.of(self._row)
        except Untranslatable as refusal:
            return self._refuse(UntranslatablePolicyError(refusal.reason, cure=refusal.cure), most=True, least=False)

    def _is_true(self, policy_id: str, condition: Any) -> Condition:
        """The rows for which a policy is true. One part of it that never is settles that, whatever the others are."""
        parts: list[Condition] = []
        refused: Untranslatable | None = None
        for part in _conjuncts(condition):
            try:
                parts.append(self._evaluator.evaluate(part).is_true)
            except Untranslatable as refusal:
                refused = refused or refusal
        whole = all_of(parts)
        if refused is not None and whole is not False:
            # It may be true where its other parts are.
            is_permit = policy_id not in self._policies.forbids
            return self._refuse(_explained(refused, policy_id), most=is_permit and whole, least=not is_permit and whole)
        return whole

    def _fails(self, left: Residuals) -> Condition:
        """The rows that ``AVP_ON_POLICY_ERROR`` denies because a policy cannot be evaluated (rule B2)."""
        if conf.on_policy_error == "ignore":
            return False
        counting = self._policies.forbids if conf.on_policy_error == "forbids" else left.conditions.keys()
        if any(key in counting or key == UNKNOWN for key in left.errors):
            return True
        return any_of(self._error_of(key, part) for key, part in sorted(left.conditions.items()) if key in counting)

    def _error_of(self, policy_id: str, condition: Any) -> Condition:
        try:
            return self._evaluator.evaluate(condition).fails
        except Untranslatable as refusal:
            return self._refuse(_explained(refusal, policy_id), most=False, least=True)

    def _refuse(self, error: UntranslatablePolicyError, *, most: Condition, least: Condition) -> Condition:
        """What stands in for a part that is refused, where most or least rows are permitted by it."""
        if self._bound is Bound.EXACT:
            raise error
        return most if self._bound is Bound.MOST else least


def _conjuncts(condition: Any) -> Iterator[Any]:
    """The operands of ``a && b && …``."""
    if set(condition) == {"&&"}:
        yield from _conjuncts(condition["&&"]["left"])
        yield from _conjuncts(condition["&&"]["right"])
    else:
        yield condition


def _explained(refusal: Untranslatable, policy_id: str) -> UntranslatablePolicyError:
    return UntranslatablePolicyError(
        refusal.reason, cure=refusal.cure, policy_id=policy_id, construct=cedar_text(refusal.expression)
    )
