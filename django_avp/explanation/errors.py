"""What is wrong with an expression that Cedar cannot evaluate, in codes and words of our own.

Cedar's own text may quote entities, and so claims (rule A8): what happened is found by asking further questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_avp.explanation.evaluation import Evaluator, Outcome
from django_avp.explanation.reasons import Reason

__all__ = ["ERRORS", "code_of"]

ERRORS: Mapping[str, str] = {
    "no_attribute": "there is no such attribute; ask `has` before",
    "no_tag": "there is no such tag; ask `hasTag` before",
    "no_entity": "the entity does not exist, or its type is not registered",
    "other_principal": (
        "it is another user, and users exist only as the principal: keep what you need of others on the resource "
        "(rule A3)"
    ),
    "overflow": "the result does not fit into 64 bits",
    "not_bool": "it is no Bool",
    "wrong_type": "a value is of a type that the operator does not take",
    "bad_call": "the function does not take these values",
}
"""The codes of errors, and what they mean."""

_ARITHMETIC = frozenset({"+", "-", "*", "neg"})
_NAMED = frozenset({".", "getTag"})


def code_of(reason: Reason, evaluator: Evaluator) -> str:
    """The code of an error; its reason is the innermost expression that is one."""
    ((operator, operands),) = reason.expression.items()
    if reason.is_bool and evaluator.has_value(reason.expression):
        return "not_bool"
    if operator in _NAMED:
        return _access(operator, operands, evaluator)
    if operator in _ARITHMETIC:
        return "overflow" if all(_is_long(value, evaluator) for value in operands.values()) else "wrong_type"
    return "bad_call" if isinstance(operands, list) else "wrong_type"


def _access(operator: str, operands: Any, evaluator: Evaluator) -> str:
    """Why an attribute or a tag cannot be read."""
    left, absent = operands["left"], "no_attribute" if operator == "." else "no_tag"
    if evaluator.outcome({"has" if operator == "." else "hasTag": operands}) is Outcome.ERROR:
        return "wrong_type"
    is_user = {"is": {"left": left, "entity_type": evaluator.principal.type}}
    of_user = evaluator.outcome(is_user)
    if of_user is Outcome.ERROR:
        # A Record.
        return absent
    if evaluator.outcome({"contains": {"left": _set_of(evaluator), "right": left}}) is Outcome.TRUE:
        return absent
    return "other_principal" if of_user is Outcome.TRUE else "no_entity"


def _set_of(evaluator: Evaluator) -> Any:
    return {"Set": [{"Value": {"__entity": uid.as_json()}} for uid in evaluator.existing]}


def _is_long(expression: Any, evaluator: Evaluator) -> bool:
    # It overflows for none.
    return evaluator.has_value({"*": {"left": expression, "right": {"Value": 0}}})
