"""Whom a policy is for: the users and the groups that are named by what is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from django_avp.cedar import EntityUid
from django_avp.conf import conf
from django_avp.explanation.findings import place_of
from django_avp.explanation.wording import as_written
from django_avp.policies import Policies

__all__ = ["Grant", "grants_of"]

_PRINCIPAL = {"Var": "principal"}
_JUNCTIONS = ("&&", "||")
_OPPOSITES = {"<=": ">", "<": ">=", "==": "!="}
# More alternatives than these are told as the one condition that they are.
_MOST_ALTERNATIVES = 32


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom a policy is for.

    Attributes:
        policy_id: the policy.
        effect: ``"permit"`` or ``"forbid"``.
        place: file and line of the policy or the link.
        whom: a user, a group that the principal has to be in, or ``None`` for everybody.
        conditions: what else has to be true, in Cedar's syntax.
    """

    policy_id: str
    effect: str
    place: str
    whom: EntityUid | None
    conditions: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The grant in JSON's types."""
        return {
            "id": self.policy_id,
            "effect": self.effect,
            "place": self.place,
            "whom": str(self.whom) if self.whom else None,
            "conditions": list(self.conditions),
        }


def grants_of(policies: Policies, policy_id: str, condition: Any) -> Iterator[Grant]:
    """Whom a policy is for, by what is left of its condition."""
    effect = "forbid" if policy_id in policies.forbids else "permit"
    place, source = place_of(policies.statements[policy_id]), policies.statements[policy_id].text
    for alternative in _alternatives(condition):
        parts = [part for part in alternative if not _is_user(part)]
        # A user tells more than a group that the user has to be in.
        named = [uid for part in sorted(parts, key=lambda part: "==" not in part) if (uid := _named(part))]
        whom = named[0] if named else None
        conditions = tuple(as_written(_plain(part), source) for part in parts if not whom or _named(part) != whom)
        yield Grant(policy_id, effect, place, whom, conditions)


def _alternatives(condition: Any) -> list[tuple[Any, ...]]:
    """A condition as alternatives, each of them parts that all have to be true; none, if it is never true."""
    ((operator, operands),) = condition.items()
    if operator == "Value" and isinstance(operands, bool):
        return [()] if operands else []
    if operator not in _JUNCTIONS:
        return [(part,) for part in _single(operator, operands)] or [(condition,)]
    left, right = _alternatives(operands["left"]), _alternatives(operands["right"])
    found = [*left, *right] if operator == "||" else [(*one, *other) for one, other in product(left, right)]
    return found if len(found) <= _MOST_ALTERNATIVES else [(condition,)]


def _single(operator: str, operands: Any) -> list[Any]:
    """A part that wants the principal to be one of several, or in one of several, as parts that name one each."""
    variable, members = ("left", "right") if operator == "in" else ("right", "left")
    if operator not in ("in", "contains") or operands[variable] != _PRINCIPAL:
        return []
    named = operands[members].get("Set", [])
    if len(named) > _MOST_ALTERNATIVES or not all(map(_is_value, named)):
        return []
    return [{"in" if operator == "in" else "==": {"left": _PRINCIPAL, "right": member}} for member in named]


def _plain(part: Any) -> Any:
    """A part as people write it: partial evaluation turns `a > b` into `!(a <= b)`."""
    ((operator, operands),) = part.items()
    negated = operands["arg"] if operator == "!" else {}
    return next(({_OPPOSITES[name]: sides} for name, sides in negated.items() if name in _OPPOSITES), part)


def _is_user(part: Any) -> bool:
    """Whether a part is true of every user."""
    return bool(part == {"is": {"left": _PRINCIPAL, "entity_type": conf.principal_type}})


def _named(part: Any) -> EntityUid | None:
    """The user, or the group, that a part wants the principal to be, or to be in."""
    ((operator, operands),) = part.items()
    if operator not in ("==", "in"):
        return None
    sides = [operands["left"], operands["right"]] if operator == "in" else sorted(operands.values(), key=_is_value)
    if sides[0] != _PRINCIPAL or not _is_value(sides[1]):
        return None
    return EntityUid(**sides[1]["Value"]["__entity"])


def _is_value(side: Any) -> bool:
    return isinstance(side.get("Value"), dict) and "__entity" in side["Value"]
