"""Answers of Amazon Verified Permissions as decisions: believed only where they fit the question."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django_avp.cedar import INVALID, Cause, Decision, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.engines.verified_permissions.calls import Call, Item

__all__ = ["decisions_of"]

logger = logging.getLogger("django_avp")

# In place of the id of a policy that could not be evaluated: AVP tells a text, which may quote claims (rule A8).
_UNKNOWN = ("unknown",)


def decisions_of(call: Call, response: Mapping[str, Any], principal: EntityUid) -> list[Decision]:
    """The decisions of a call, one for each of its checks.

    An answer that does not fit decides nothing at all: another number of results, an echo of another question, another
    principal than ours, or a decision that is neither ``ALLOW`` nor ``DENY``.
    """
    results = response.get("results") if call.is_batch else [response]
    if not isinstance(results, list) or not _fits(call, results, response.get("principal"), principal):
        logger.error("avp.odd_answer", extra={"checks": len(call.items), "operation": call.operation})
        return [INVALID] * len(call.items)
    return [_decision(result) for result in results]


def _fits(call: Call, results: list[Any], told: object, principal: EntityUid) -> bool:
    is_ours = told is None or told == {"entityType": principal.type, "entityId": principal.id}
    if not is_ours or len(results) != len(call.items):
        return False
    return all(_is_answer(result, item, call) for result, item in zip(results, call.items, strict=True))


def _is_answer(result: Any, item: Item, call: Call) -> bool:
    if not isinstance(result, dict) or result.get("decision") not in ("ALLOW", "DENY"):
        return False
    if not all(isinstance(policy, dict) for policy in result.get("determiningPolicies") or ()):
        return False
    if not call.is_batch:
        return True
    echo = result.get("request")
    if not isinstance(echo, dict):
        return False
    # Whoever echoes the context at all echoes ours: two checks may differ in nothing else.
    return echo == item.request or all(
        echo.get(name) == value for name, value in item.request.items() if name != "context" or name in echo
    )


def _decision(result: Mapping[str, Any]) -> Decision:
    policies = tuple(sorted(str(policy.get("policyId", "")) for policy in result.get("determiningPolicies") or ()))
    errors = _UNKNOWN if result.get("errors") else ()
    if result["decision"] == "ALLOW":
        if errors and conf.on_policy_error != "ignore":
            # Which policies they were is not told: any of them may have been a forbid.
            return Decision(Verdict.UNDECIDED, (), errors, Cause.INVALID)
        return Decision(Verdict.PERMITTED, policies, errors)
    return Decision(Verdict.FORBIDDEN if policies else Verdict.NOT_PERMITTED, policies, errors)
