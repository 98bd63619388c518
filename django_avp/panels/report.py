"""What the panel shows of a request, as values that JSON has. Contexts, claims and attributes are not among them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django_avp.authorization import Authorization, asker_of
from django_avp.cedar import Decision, EntityUid
from django_avp.conf import conf
from django_avp.panels.places import Kind, shortened
from django_avp.panels.recorder import Asked, DecidedRound, Listed, RequestRecorder

if TYPE_CHECKING:
    from django_avp.policies import Policies

__all__ = ["report", "summary_of"]

_NAMED = 5
"""How many checks of a late round are named in its warning."""

_FILTERING = {
    "query": "in its query",
    "rows": "row by row, as a policy has no counterpart in SQL",
    "nothing": "no row: nobody is identified",
}
_AGAIN = "It had been decided before, and was forgotten in between: request.avp.forget() decides everything anew."
_UNPLANNED = (
    "Planning cannot know what this tag is about. Collect it in the view, with request.avp.collect(…), or name it in "
    "get_planning_context(): see “One round” in the documentation of templates."
)
_AFTER_GATE = (
    "The template was planned only when the gate had been decided. A generic view with ActionRequiredMixin plans it "
    "with its gate; what the template needs besides, get_planning_context() or the gate's also= tells early: see “What "
    "joins the gate's round” in the documentation of views."
)
_CURES = {
    Kind.TEMPLATE: _AFTER_GATE,
    Kind.GATE: "This is the gate of what was found after the first decision. Name it in the first gate's also=.",
    Kind.CODE: "Collect it before the first decision is read, with request.avp.collect(…) or the gate's also=.",
    Kind.VIEW: (
        "The view asked for what it had found after its gate. A list of an API takes two rounds, its gate and its "
        "rows: see “What may be done next” in the documentation of Django REST framework."
    ),
}


def report(recorder: RequestRecorder, authorization: Authorization) -> dict[str, Any]:
    """Everything that the panel shows.

    Args:
        recorder: has what the request asked.
        authorization: the request's.
    """
    counts = [round_.counts for round_ in recorder.rounds]
    return {
        "summary": summary_of(authorization),
        "principal": _principal(authorization),
        "fault": authorization.fault.code if authorization.fault else "",
        "calls": sum(round_.calls for round_ in counts),
        "milliseconds": sum(round_.milliseconds for round_ in counts),
        "rounds": [_round(number, round_) for number, round_ in enumerate(recorder.rounds, 1)],
        "late": [_late(number, round_) for number, round_ in enumerate(recorder.rounds, 1) if number > 1],
        "checks": [_check(asked) for asked in recorder.checks],
        "policies": {source["id"]: source for round_ in recorder.rounds for source in _sources(round_)},
        "lists": [_list(listed, times) for listed, times in recorder.lists.items()],
    }


def summary_of(authorization: Authorization) -> str:
    """What a request cost, in a line."""
    rounds = authorization.rounds
    if not rounds:
        return "no round"
    checks = sum(round_.checks for round_ in rounds)
    milliseconds = sum(round_.milliseconds for round_ in rounds)
    return f"{_counted(len(rounds), 'round')}, {_counted(checks, 'check')}, {milliseconds:.1f} ms"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _principal(authorization: Authorization) -> str:
    identity = asker_of(authorization).identity
    principal = identity.principal if identity else conf.anonymous_principal
    return str(principal) if principal else ""


def _round(number: int, round_: DecidedRound) -> dict[str, Any]:
    counts = round_.counts
    return {
        "number": number,
        "began": round_.began.text,
        "checks": counts.checks,
        "calls": counts.calls,
        "cached": sum(asked.is_cached for asked in round_.checks),
        "unplanned": sum(not asked.is_planned for asked in round_.checks),
        "milliseconds": counts.milliseconds,
    }


def _late(number: int, round_: DecidedRound) -> dict[str, Any]:
    """What a round after the first one was about, and how it would not have been needed."""
    unplanned = [asked for asked in round_.checks if not asked.is_planned]
    named = unplanned or round_.checks
    return {
        "number": number,
        "began": round_.began.text,
        "checks": [_named(asked, round_) for asked in named[:_NAMED]],
        "more": max(len(named) - _NAMED, 0),
        "cure": _cure(round_),
    }


def _named(asked: Asked, round_: DecidedRound) -> str:
    first = next(iter(asked.places))
    place = "" if first == round_.began else f" ({first.text})"
    return f"{_label(asked.check.action)} on {_label(asked.check.resource)}{place}"


def _cure(round_: DecidedRound) -> str:
    if any(asked.is_again for asked in round_.checks):
        return _AGAIN
    if round_.began.kind is Kind.TEMPLATE and round_.counts.unplanned:
        return _UNPLANNED
    return _CURES[round_.began.kind]


def _check(asked: Asked) -> dict[str, Any]:
    decision = asked.decision
    # Not by its truth: a decision that denies is false.
    policies, errors = ((), ()) if decision is None else (decision.determining_policies, decision.errors)
    return {
        "action": _label(asked.check.action),
        "resource": _label(asked.check.resource),
        # Their values may be request data.
        "context": sorted(json.loads(asked.check.context or "{}")),
        "decision": _verdict(decision),
        "is_allowed": bool(decision),
        "policies": list(policies),
        "errors": list(errors),
        "places": [place.text for place in asked.places],
        "is_planned": asked.is_planned,
        "round": asked.round,
        "is_cached": asked.is_cached,
        "reads": asked.reads,
    }


def _verdict(decision: Decision | None) -> str:
    if decision is None:
        return "not decided"
    words = decision.verdict.value.replace("_", " ")
    return f"{words}: {decision.cause.value}" if decision.cause else words


def _label(uid: EntityUid) -> str:
    """An id as people write it: without the project's own namespace, and an action by its name alone."""
    kind = uid.type.removeprefix(f"{conf.namespace}::")
    return uid.id if kind == "Action" else str(EntityUid(kind, uid.id))


def _list(listed: Listed, times: int) -> dict[str, Any]:
    return {
        "action": _label(listed.action),
        "model": listed.model._meta.label,
        "filtering": _FILTERING[listed.filtering],
        "where": listed.where.text,
        "times": times,
    }


def _sources(round_: DecidedRound) -> Iterator[dict[str, str]]:
    """The policies that decided, or could not be evaluated, as far as they are known."""
    decisions = [asked.decision for asked in round_.checks if asked.decision is not None]
    named = {name: None for decision in decisions for name in (*decision.determining_policies, *decision.errors)}
    for policy_id in named:
        if round_.policies is not None and policy_id in round_.policies.statements:
            yield _source(round_.policies, policy_id)


def _source(policies: Policies, policy_id: str) -> dict[str, str]:
    statement, link = policies.statements[policy_id], ""
    if statement.is_link:
        link = f"{shortened(statement.place)} {statement.text}"
        statement = policies.statements[json.loads(statement.text)["templateId"]]
    effect = "forbid" if policy_id in policies.forbids else "permit"
    return {
        "id": policy_id,
        "effect": effect,
        "place": shortened(statement.place),
        "text": statement.text,
        "link": link,
    }
