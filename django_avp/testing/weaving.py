"""Overrides as a part of the policies, so that a list is filtered by what single checks are decided by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cedarpy

from django_avp.cedar import Check, EntityUid, Verdict
from django_avp.policies import Policies, Statement, parse, ready

__all__ = ["Override", "woven"]

_EFFECTS = {Verdict.PERMITTED: "permit", Verdict.FORBIDDEN: "forbid"}


@dataclass(frozen=True, slots=True)
class Override:
    """What a test has decided beforehand.

    Attributes:
        name: the id of the policy that is told to have decided.
        verdict: permitted or forbidden.
        action: the action that it is about.
        resource: the resource; ``None`` for every one.
        principal: the principal; ``None`` for every one.
    """

    name: str
    verdict: Verdict
    action: EntityUid
    resource: EntityUid | None = None
    principal: EntityUid | None = None

    def matches(self, principal: EntityUid, check: Check) -> bool:
        """Whether it decides a check."""
        return (
            check.action == self.action
            and self.resource in (None, check.resource)
            and self.principal in (None, principal)
        )

    @property
    def text(self) -> str:
        """The same as a policy."""
        parts = {"action": self.action, "resource": self.resource, "principal": self.principal}
        condition = " && ".join(f"{name} == {uid}" for name, uid in parts.items() if uid)
        return f"{_EFFECTS[self.verdict]} (principal, action, resource) when {{ {condition} }};"


def woven(policies: Policies, overrides: Sequence[Override]) -> Policies:
    """The policies with overrides in them: no policy but the override itself decides what it matches.

    Args:
        policies: what decides otherwise.
        overrides: the innermost first, which excludes the others.
    """
    document: dict[str, Any] = {"staticPolicies": {}, "templates": {}, "templateLinks": []}
    guards: list[Any] = []
    own: dict[str, Statement] = {}
    for override in overrides:
        name = override.name if override.name not in own else f"{override.name} {len(own) + 1}"
        own[name] = Statement(Path(override.name), 1, override.text)
        kind, policy = parse(own[name])
        document[kind][name] = {**policy, "conditions": [*guards, *policy["conditions"]]}
        guards += [{**condition, "kind": "unless"} for condition in policy["conditions"]]
    for policy_id, statement in policies.statements.items():
        if statement.is_link:
            document["templateLinks"].append(json.loads(statement.text))
            continue
        kind, policy = parse(statement)
        # First, so that a policy that cannot be evaluated is not asked at all.
        document[kind][policy_id] = {**policy, "conditions": [*guards, *policy["conditions"]]}
    forbids = [name for name in own if document["staticPolicies"][name]["effect"] == "forbid"]
    policy_set = cedarpy.PolicySet.from_json_str(json.dumps(document))
    return replace(
        policies,
        statements={**policies.statements, **own},
        forbids=policies.forbids.union(forbids),
        digest=f"{policies.digest}+{'+'.join(map(repr, overrides))}",
        **ready(document, policy_set, policies.schema),
    )
