"""What a policy consists of: its scope and its clauses, as expressions that Cedar can evaluate one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django_avp.cedar import EntityUid
from django_avp.policies import Policies, Statement, parse

__all__ = ["Part", "PolicyParts", "parts_of"]

_SCOPE = ("principal", "action", "resource")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a policy, which has to be true for the policy to apply; false, if it is an ``unless``.

    Attributes:
        kind: ``"principal"``, ``"action"`` or ``"resource"`` for the scope, ``"when"`` or ``"unless"`` for a clause.
        expression: the part in Cedar's JSON format, slots of a template filled.
    """

    kind: str
    expression: Any

    @property
    def awaited(self) -> str:
        """What the expression has to be."""
        return "false" if self.kind == "unless" else "true"


@dataclass(frozen=True, slots=True)
class PolicyParts:
    """A policy or a link, taken apart.

    Attributes:
        policy_id: its id.
        template_id: the id of the template that it links to; empty for a policy.
        statement: its text and place; of a link, those of the template.
        link: the place of a link; empty for a policy.
        is_forbid: whether its effect is ``forbid``.
        parts: the scope and then the clauses, in the order that Cedar evaluates them.
        types: the entity types that the scope asks for, by variable.
    """

    policy_id: str
    template_id: str
    statement: Statement
    link: Statement | None
    is_forbid: bool
    parts: tuple[Part, ...]
    types: Mapping[str, str]


def parts_of(policies: Policies) -> Iterator[PolicyParts]:
    """Take policies and links apart; a template without links says nothing."""
    templates = policies.policy_set.templates()
    links = {link["id"]: (template["id"], link["values"]) for template in templates for link in template["links"]}
    for policy_id, statement in policies.statements.items():
        if policy_id in policies.templates:
            continue
        template_id, values = links.get(policy_id, ("", {}))
        own = policies.statements[template_id] if template_id else statement
        _, document = parse(own)
        yield PolicyParts(
            policy_id=policy_id,
            template_id=template_id,
            statement=own,
            link=statement if template_id else None,
            is_forbid=policy_id in policies.forbids,
            parts=(*_scope_parts(document, values), *_clauses(document)),
            types=dict(_types(document, values)),
        )


def _clauses(policy: Mapping[str, Any]) -> Iterator[Part]:
    return (Part(condition["kind"], condition["body"]) for condition in policy["conditions"])


def _scope_parts(policy: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[Part]:
    for variable in _SCOPE:
        for expression in _expressions({"Var": variable}, policy[variable], values):
            yield Part(variable, expression)


def _expressions(variable: Any, constraint: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[Any]:
    """A constraint of a scope as the expressions that it stands for."""
    if constraint["op"] == "is":
        yield {"is": {"left": variable, "entity_type": constraint["entity_type"]}}
        if "in" in constraint:
            yield {"in": {"left": variable, "right": _target(constraint["in"], values)}}
    elif constraint["op"] != "All":
        yield {constraint["op"]: {"left": variable, "right": _target(constraint, values)}}


def _target(constraint: Mapping[str, Any], values: Mapping[str, str]) -> Any:
    """The entity, or the set of entities, that a variable is compared with."""
    if "entities" in constraint:
        return {"Set": [_entity(uid) for uid in constraint["entities"]]}
    return _entity(_named(constraint, values))


def _named(constraint: Mapping[str, Any], values: Mapping[str, str]) -> Mapping[str, str]:
    if "slot" in constraint:
        return EntityUid.parse(values[constraint["slot"]]).as_json()
    entity: Mapping[str, str] = constraint["entity"]
    return entity


def _entity(uid: Mapping[str, str]) -> Any:
    return {"Value": {"__entity": dict(uid)}}


def _types(policy: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable in ("principal", "resource"):
        constraint = policy[variable]
        if constraint["op"] == "is":
            yield variable, constraint["entity_type"]
        elif constraint["op"] == "==":
            yield variable, _named(constraint, values)["type"]
