"""Conditions without what their other parts say already: what a row has to fulfil in any case is not asked twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.db.models.lookups import IsNull

from django_avp.filtering.conditions import Condition, all_of, any_of, negated, parts_of, where
from django_avp.filtering.dialects import KeyTest, TextTest

__all__ = ["simplified"]


def simplified(condition: Condition) -> Condition:
    """The same condition, shorter: true for the same rows."""
    return _assuming(condition, _Facts({}), is_negated=False)


class _Facts:
    """Conditions that are known to hold, and the texts that columns are known to be."""

    def __init__(self, known: dict[Q, None]) -> None:
        self._known = known
        self._texts: dict[Any, str] = {}
        for condition in known:
            text = _text_of(condition)
            if text is not None:
                test: Any = condition.children[0]
                self._texts[test.subject] = text

    def with_(self, conditions: Iterable[Q]) -> _Facts:
        """More facts."""
        return _Facts({**self._known, **dict.fromkeys(conditions)})

    def truth_of(self, condition: Q) -> bool | None:
        """Whether a condition holds; ``None`` if the facts do not tell."""
        if condition in self._known:
            return True
        if negated(condition) in self._known:
            return False
        child: Any = condition.children[0]
        if condition.negated or len(condition.children) > 1:
            return None
        if isinstance(child, IsNull) and child.lhs in self._texts:
            return not child.rhs
        if isinstance(child, TextTest) and child.subject in self._texts:
            return child.is_passed_by(self._texts[child.subject])
        return None


def _assuming(condition: Condition, facts: _Facts, *, is_negated: bool) -> Condition:
    """A condition as it can be where facts hold, inside of an odd number of negations or not."""
    if isinstance(condition, bool):
        return condition
    truth = facts.truth_of(condition)
    if truth is not None:
        return truth
    if condition.negated:
        return negated(_assuming(negated(condition), facts, is_negated=not is_negated))
    if len(condition.children) == 1:
        child: Any = condition.children[0]
        return where(child.outside_of_negations()) if isinstance(child, KeyTest) and not is_negated else condition
    is_and = condition.connector == Q.AND
    parts = list(parts_of(condition, condition.connector))
    # Of an AND every other part holds where one counts; of an OR none does.
    single = [part if is_and else negated(part) for part in parts if _is_single(part)]
    inner = facts.with_(part for part in single if isinstance(part, Q))
    joined = all_of if is_and else any_of
    shorter = joined(_assuming(part, facts if _is_single(part) else inner, is_negated=is_negated) for part in parts)
    if is_and and isinstance(shorter, Q):
        shorter = _without_tests_of_known_texts(shorter, is_negated=is_negated)
    return shorter if shorter == condition else _assuming(shorter, facts, is_negated=is_negated)


def _without_tests_of_known_texts(condition: Q, *, is_negated: bool) -> Condition:
    """An AND without what follows from its other parts: a text that equals a literal passes the tests that it does."""
    parts = list(parts_of(condition, Q.AND))
    texts = _Facts(dict.fromkeys(part for part in parts if _text_of(part) is not None))
    # A guard against NULL stays inside of a negation, which would make what is unknown no longer false.
    return all_of(
        part
        for part in parts
        if not _is_single(part)
        or _text_of(part) is not None
        or (is_negated and isinstance(part.children[0], IsNull))
        or not texts.truth_of(part)
    )


def _text_of(condition: Q) -> str | None:
    """The text that a column is known to be, if a condition is that it equals one."""
    test: Any = condition.children[0]
    is_test = not condition.negated and len(condition.children) == 1 and isinstance(test, TextTest)
    return test.text if is_test else None


def _is_single(condition: Q) -> bool:
    inner = condition.children[0] if condition.negated else condition
    return isinstance(inner, Q) and len(inner.children) == 1 and not isinstance(inner.children[0], Q)
