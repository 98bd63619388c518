"""Which parts of a policy no list can be filtered by, whoever asks: told before anybody does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django_avp.cedar import Entity, EntityUid
from django_avp.entities.model_entity import ModelEntity
from django_avp.filtering.dialects import Dialect
from django_avp.filtering.evaluation import Evaluator
from django_avp.filtering.ground import Entities, ground
from django_avp.filtering.rows import Row
from django_avp.filtering.untranslatable import Untranslatable, cedar_text
from django_avp.schema import RecordType, SetType, Type
from django_avp.values import extension

__all__ = ["untranslatable_parts"]

_SAMPLES: Mapping[str, Any] = {
    "Bool": True,
    "Long": 1,
    "String": "text",
    "decimal": extension("decimal", "1.0"),
    "datetime": extension("datetime", "2024-01-01"),
    "duration": extension("duration", "1h"),
    "ipaddr": extension("ip", "127.0.0.1"),
}
_LOGIC: Mapping[str, tuple[str, ...]] = {
    "&&": ("left", "right"),
    "||": ("left", "right"),
    "!": ("arg",),
    "if-then-else": ("if", "then", "else"),
}
_OPPOSITES = {">": "<=", ">=": "<", "!=": "=="}


def untranslatable_parts(
    policy: Mapping[str, Any],
    definition: ModelEntity,
    dialect: Dialect,
    principal: tuple[str, RecordType],
    action: EntityUid,
    context: RecordType,
) -> Iterator[tuple[str, str, str]]:
    """The parts of a policy's conditions that have no exact counterpart in SQL, for one kind of question.

    A part is a condition without ``&&``, ``||``, ``!`` and ``if``. Claims and context are made up by their types.

    Args:
        policy: in Cedar's JSON format.
        definition: the entities that the rows are.
        dialect: of their database.
        principal: the type of the principal, and its claims.
        action: the action that is asked about.
        context: the context of its checks.

    Yields:
        The part in Cedar's syntax, the reason and the cure.
    """
    principal_type, claims = principal
    uid = EntityUid(principal_type, "somebody")
    variables = {"principal": uid, "action": action, "context": ground(_sample(context))}
    evaluator = Evaluator(Row(definition, dialect), variables, Entities.of([Entity(uid, _sample(claims))]))
    for condition in policy["conditions"]:
        for part in _parts(_as_in_residuals(condition["body"])):
            try:
                evaluator.evaluate(part)
            except Untranslatable as refusal:
                yield cedar_text(refusal.expression), refusal.reason, refusal.cure


def _as_in_residuals(node: Any) -> Any:
    """An expression with the operators that partial evaluation leaves (rule E5)."""
    if isinstance(node, list):
        return [_as_in_residuals(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {name: _as_in_residuals(item) for name, item in node.items()}
    for operator, opposite in _OPPOSITES.items():
        if isinstance(node.get(operator), dict) and "right" in node[operator]:
            return {"!": {"arg": {opposite: node[operator]}}}
    if isinstance(node.get("is"), dict) and "in" in node["is"]:
        is_of_type = {"is": {name: item for name, item in node["is"].items() if name != "in"}}
        return {"&&": {"left": is_of_type, "right": {"in": {"left": node["is"]["left"], "right": node["is"]["in"]}}}}
    return node


def _parts(expression: Any) -> Iterator[Any]:
    ((operator, operands),) = expression.items()
    if operator in _LOGIC:
        for name in _LOGIC[operator]:
            yield from _parts(operands[name])
    else:
        yield expression


def _sample(kind: Type) -> Any:
    """Some value of a type, in Cedar's JSON format."""
    if isinstance(kind, RecordType):
        return {name: _sample(attribute.type) for name, attribute in kind.attributes.items()}
    if isinstance(kind, SetType):
        return [_sample(kind.element)]
    return _SAMPLES.get(kind.name) or {"__entity": {"type": kind.name, "id": "some"}}
