"""Why a part of a policy is true, false or an error: the smallest expressions that make it so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django_avp.explanation.evaluation import Evaluator, Outcome

__all__ = ["Reason", "reason_of"]

# What ends the evaluation of `a && b` and of `a || b`.
_DECISIVE = {"&&": Outcome.FALSE, "||": Outcome.TRUE}
_COMPOUND = frozenset({*_DECISIVE, "!", "if-then-else"})
_OPERANDS = ("left", "right", "arg", "in")


@dataclass(frozen=True, slots=True)
class Reason:
    """An expression, what it evaluates to, and the reasons for that, where there are several.

    Attributes:
        expression: in Cedar's JSON format.
        outcome: what Cedar says that it is.
        is_bool: whether a Bool was wanted here.
        inner: each of the sides that make it so; empty where the expression tells it all.
    """

    expression: Any
    outcome: Outcome
    is_bool: bool = True
    inner: tuple[Reason, ...] = ()


def reason_of(expression: Any, evaluator: Evaluator) -> Reason:
    """The smallest reason for what an expression is."""
    outcome = evaluator.outcome(expression)
    if outcome is Outcome.ERROR:
        return _erring(expression, True, evaluator)
    operator, operands = _operation(expression)
    if operator in _DECISIVE:
        return _of_sides(expression, operator, outcome, evaluator)
    if operator == "!" and _operation(operands["arg"])[0] in _COMPOUND:
        return reason_of(operands["arg"], evaluator)
    if operator == "if-then-else":
        inner = tuple(reason_of(part, evaluator) for part in (operands["if"], _taken(operands, evaluator)))
        return Reason(expression, outcome, inner=inner)
    return Reason(expression, outcome)


def _of_sides(expression: Any, operator: str, outcome: Outcome, evaluator: Evaluator) -> Reason:
    """The reason for what `a && b` or `a || b` is: one side that settles it, or else all of them."""
    sides = list(_sides(expression, operator))
    evaluator.learn(sides)
    if outcome is _DECISIVE[operator]:
        decisive = next(side for side in sides if evaluator.outcome(side) is outcome)
        return reason_of(decisive, evaluator)
    return Reason(expression, outcome, inner=tuple(reason_of(side, evaluator) for side in sides))


def _sides(expression: Any, operator: str) -> Iterator[Any]:
    """The operands of `a && b && …` from left to right, however they are put in brackets."""
    if _operation(expression)[0] != operator:
        yield expression
    else:
        yield from _sides(expression[operator]["left"], operator)
        yield from _sides(expression[operator]["right"], operator)


def _erring(expression: Any, is_bool: bool, evaluator: Evaluator) -> Reason:
    """The innermost expression that is an error."""
    for part, wants_bool in _evaluated(expression, is_bool, evaluator):
        is_error = evaluator.outcome(part) is Outcome.ERROR if wants_bool else not evaluator.has_value(part)
        if is_error:
            return _erring(part, wants_bool, evaluator)
    return Reason(expression, Outcome.ERROR, is_bool)


def _evaluated(expression: Any, is_bool: bool, evaluator: Evaluator) -> Iterator[tuple[Any, bool]]:
    """The operands that Cedar comes to, in order, and whether each has to be a Bool."""
    operator, operands = _operation(expression)
    if operator in _DECISIVE:
        # If the left is no error, it did not end the evaluation: nothing would be an error then.
        yield operands["left"], True
        yield operands["right"], True
    elif operator == "!":
        yield operands["arg"], True
    elif operator == "if-then-else":
        yield operands["if"], True
        yield _taken(operands, evaluator), is_bool
    elif operator not in ("Var", "Value"):
        yield from ((part, False) for part in _parts(operator, operands))


def _parts(operator: str, operands: Any) -> Iterator[Any]:
    if operator == "Record":
        return iter(operands.values())
    # A Set or the call of a function has a list.
    return iter(operands) if isinstance(operands, list) else (operands[key] for key in _OPERANDS if key in operands)


def _taken(operands: Any, evaluator: Evaluator) -> Any:
    """The branch that an `if` takes."""
    return operands["then"] if evaluator.outcome(operands["if"]) is Outcome.TRUE else operands["else"]


def _operation(expression: Any) -> tuple[str, Any]:
    ((operator, operands),) = expression.items()
    return operator, operands
