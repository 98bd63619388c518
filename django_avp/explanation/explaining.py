"""From a question and its answer to the explanation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from django_avp.cedar import Cause, Check, Decision
from django_avp.conf import conf
from django_avp.engines.base import Batch, accepts, policies_of
from django_avp.engines.cedar import evaluate, with_token
from django_avp.exceptions import AvpError
from django_avp.explanation.asked import Asked
from django_avp.explanation.errors import code_of
from django_avp.explanation.evaluation import Evaluator, Outcome
from django_avp.explanation.explanation import Explanation
from django_avp.explanation.findings import Finding, PolicyOutcome, PolicyReport
from django_avp.explanation.parts import PolicyParts, parts_of
from django_avp.explanation.reasons import Reason, reason_of
from django_avp.explanation.refusals import (
    CLAIMS,
    ENGINE,
    NOT_ACCEPTED,
    Refusal,
    before_policies,
    misfit_context,
    misfit_entities,
    misfit_types,
)
from django_avp.explanation.wording import as_written
from django_avp.filtering import MisfitError
from django_avp.identity import Identity
from django_avp.policies import Policies
from django_avp.runtime import runtime
from django_avp.values import Unholdable

__all__ = ["explained", "known_policies"]

_UNREADABLE = (
    "The engine does not tell the policies that it decides by, so there is no more to explain than their ids. "
    "SyncedEngine, CedarEngine and VerifiedPermissionsEngine tell them."
)


class _Refused(Exception):  # noqa: N818 - never leaves the module
    """Raised when a check is none that Cedar takes."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def known_policies(store: str | None) -> tuple[Policies | None, str]:
    """The policies that decide for a store, or why they are not known, in a sentence."""
    try:
        return policies_of(runtime.lists_engine, store), _UNREADABLE
    except AvpError as error:
        return None, f"The policies cannot be read now, so there is no more to explain than their ids: {error}"


def explained(asked: Asked) -> Explanation:
    """Explain the answer to a question, by Cedar and the policies that the engine tells."""
    identity = asked.identity
    principal, groups = (identity.principal, identity.groups) if identity else (None, ())
    bare = Explanation(asked.check, asked.decision, principal, groups, refusal=before_policies(asked))
    if bare.refusal is not None or identity is None:
        return bare
    policies, why_not = known_policies(asked.store)
    if policies is None:
        refusal = ENGINE if _is_refused(asked.decision) else None
        return replace(bare, refusal=refusal, notes=(why_not,), entities=asked.world.entities)
    try:
        return _by_policies(bare, asked, identity, policies)
    except _Refused as refused:
        notes = () if _is_refused(asked.decision) else (f"The engine decided it nevertheless: {_DIFFERS}",)
        return replace(bare, refusal=refused.refusal, notes=notes, entities=asked.world.entities)


def _is_refused(decision: Decision) -> bool:
    """Whether an engine took the question for none; an error of a policy is no such thing (rule B2)."""
    return decision.cause is Cause.INVALID and not decision.errors


def _by_policies(bare: Explanation, asked: Asked, identity: Identity, policies: Policies) -> Explanation:
    evaluator, context = _evaluator(asked, identity, policies)
    taken_apart = list(parts_of(policies))
    expressions = [part.expression for policy in taken_apart for part in policy.parts]
    try:
        evaluator.learn([{"Value": True}, *expressions])
    except MisfitError:
        raise _Refused(misfit_context(policies.schema, asked.check, json.loads(context or "{}"))) from None
    reports = [_report(policy, asked, evaluator) for policy in taken_apart]
    batch = Batch(identity, (asked.check,), (asked.world.entities,), asked.store, policies)
    return replace(
        bare,
        refusal=ENGINE if _is_refused(asked.decision) else None,
        policies=tuple(sorted(reports, key=_order)),
        notes=tuple(_notes(asked.decision, evaluate(batch, policies)[0])),
        entities=(*asked.world.entities, identity.entity(policies.schema)),
        context=json.loads(context or "{}"),
    )


def _evaluator(asked: Asked, identity: Identity, policies: Policies) -> tuple[Evaluator, str]:
    """What evaluates the parts of policies, and the context that they see."""
    if not accepts(runtime.lists_engine, asked.store, identity):
        raise _Refused(NOT_ACCEPTED)
    refusal = misfit_types(policies.schema, asked.check, identity.principal.type)
    if refusal is not None:
        raise _Refused(refusal)
    try:
        principal = identity.entity(policies.schema)
        context = with_token(asked.check.context, identity.token_context(), asked.check.action, policies.schema)
    except Unholdable:
        raise _Refused(CLAIMS) from None
    check = replace(asked.check, context=context)
    try:
        return Evaluator(policies, principal, check, asked.world.entities), context
    except MisfitError:
        raise _Refused(misfit_entities(policies, (*asked.world.entities, principal))) from None


# Policies


def _report(policy: PolicyParts, asked: Asked, evaluator: Evaluator) -> PolicyReport:
    report = PolicyReport(
        policy_id=policy.policy_id,
        effect="forbid" if policy.is_forbid else "permit",
        statement=policy.statement,
        outcome=PolicyOutcome.APPLIES,
        template_id=policy.template_id,
        link=policy.link,
        is_determining=policy.policy_id in asked.decision.determining_policies,
        is_candidate=_is_candidate(policy, asked.check, evaluator),
    )
    for part in policy.parts:
        outcome = evaluator.outcome(part.expression)
        if outcome.value != part.awaited:
            said = PolicyOutcome.ERROR if outcome is Outcome.ERROR else PolicyOutcome.DOES_NOT_APPLY
            finding = _finding(part.kind, reason_of(part.expression, evaluator), policy.statement.text, evaluator)
            return replace(report, outcome=said, finding=finding)
    return report


def _is_candidate(policy: PolicyParts, check: Check, evaluator: Evaluator) -> bool:
    """Whether a policy is about the action and the types of principal and resource."""
    types = {"principal": evaluator.principal.type, "resource": check.resource.type}
    actions = [part.expression for part in policy.parts if part.kind == "action"]
    return policy.types.items() <= types.items() and all(evaluator.outcome(one) is Outcome.TRUE for one in actions)


def _finding(kind: str, reason: Reason, source: str, evaluator: Evaluator) -> Finding:
    code = code_of(reason, evaluator) if reason.outcome is Outcome.ERROR else ""
    inner = tuple(_finding("", side, source, evaluator) for side in reason.inner)
    return Finding(kind, as_written(reason.expression, source), reason.outcome, code, inner)


def _order(report: PolicyReport) -> tuple[bool, bool, bool, str]:
    """Those that decided first, then those that failed, permits before forbids."""
    is_error = report.outcome is PolicyOutcome.ERROR
    return not report.is_determining, not is_error, report.effect != "permit", report.policy_id


# Notes

_DIFFERS = "the policies that are known here are not those that decided, or the decision is remembered from before."


def _notes(decision: Decision, here: Decision) -> Iterable[str]:
    return [*_difference(decision, here), *_strictness(decision)]


def _difference(decision: Decision, here: Decision) -> Iterator[str]:
    if decision.verdict is not here.verdict or set(decision.determining_policies) != set(here.determining_policies):
        yield (
            f"Evaluated here, the answer is {here.verdict.value} by {', '.join(here.determining_policies) or 'none'}: "
            f"{_DIFFERS}"
        )


def _strictness(decision: Decision) -> Iterator[str]:
    if decision.errors and not decision and conf.on_policy_error != "ignore":
        yield f'AVP_ON_POLICY_ERROR is "{conf.on_policy_error}": a policy that cannot be evaluated may deny.'
