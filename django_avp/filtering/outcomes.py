"""What evaluating an expression comes to, for all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django_avp.filtering.conditions import Condition, all_of, any_of, negated

__all__ = ["FAILS", "Outcome", "known", "truth"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Values by the rows that have them.

    Attributes:
        cases: pairs of a condition and the value that the expression has there. The conditions exclude each other; for
            a row where none holds, evaluating the expression is an error (rule E1).
    """

    cases: tuple[tuple[Condition, Any], ...]

    def then(self, function: Callable[[Any], Outcome]) -> Outcome:
        """What a function of the value comes to."""
        found = [(all_of([outer, inner]), value) for outer, case in self.cases for inner, value in function(case).cases]
        truths = {value: any_of(condition for condition, one in found if one is value) for value in (True, False)}
        others = [(condition, value) for condition, value in found if not isinstance(value, bool)]
        return _outcome([*((condition, value) for value, condition in truths.items()), *others])

    def given(self, condition: Condition) -> Outcome:
        """The same where a condition holds; an error elsewhere."""
        return _outcome([(all_of([condition, case]), value) for case, value in self.cases])

    @property
    def is_true(self) -> Condition:
        """The rows for which it is true."""
        return any_of(condition for condition, value in self.cases if value is True)

    @property
    def fails(self) -> Condition:
        """The rows for which evaluating it is an error, or not a truth value."""
        return negated(any_of(condition for condition, value in self.cases if isinstance(value, bool)))


def known(value: Any) -> Outcome:
    """One value for all rows."""
    return Outcome(((True, value),))


def truth(condition: Condition) -> Outcome:
    """True where a condition holds, and false elsewhere."""
    return _outcome([(condition, True), (negated(condition), False)])


def _outcome(cases: list[tuple[Condition, Any]]) -> Outcome:
    return Outcome(tuple((condition, value) for condition, value in cases if condition is not False))


FAILS = Outcome(())
"""An error for every row."""
