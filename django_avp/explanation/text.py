"""Writes an explanation for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from django_avp.cedar import Entity, EntityUid, Verdict, quote
from django_avp.explanation.errors import ERRORS
from django_avp.explanation.evaluation import Outcome
from django_avp.explanation.findings import Finding, PolicyOutcome, PolicyReport, place_of

if TYPE_CHECKING:
    from django_avp.explanation.explanation import Explanation

__all__ = ["Line", "Role", "heading", "lines"]

_VERDICTS: Mapping[Verdict, str] = {
    Verdict.PERMITTED: "permitted",
    Verdict.FORBIDDEN: "forbidden: a forbid applies, and wins over every permit",
    Verdict.NOT_PERMITTED: "not permitted: no permit applies",
    Verdict.UNDECIDED: "undecided, and so denied",
}
# What the scope of a policy asks for, by the first two words.
_SCOPE: Mapping[str, str] = {
    "principal ==": "it is another principal",
    "principal in": "the principal is not a member",
    "principal is": "the principal is of another type",
    "action ==": "it is another action",
    "action in": "it is another action",
    "resource ==": "it is another resource",
    "resource in": "the resource is not in it",
    "resource is": "the resource is of another type",
}


class Role(Enum):
    """What a line is, for those who show it in colour."""

    ALLOWED = auto()
    DENIED = auto()
    HEADING = auto()
    NOTE = auto()
    PLAIN = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text."""

    text: str
    role: Role = Role.PLAIN


def lines(explanation: Explanation) -> Iterator[Line]:
    """The lines of an explanation."""
    yield from _answer(explanation)
    if explanation.refusal is not None:
        yield Line("")
        yield Line(f"{explanation.refusal.cause} [{explanation.refusal.code}]", Role.NOTE)
        yield Line(explanation.refusal.cure)
    for note in explanation.notes:
        yield Line("")
        yield Line(note, Role.NOTE)
    yield from _policies(explanation)
    yield from _data(explanation)


def _answer(explanation: Explanation) -> Iterator[Line]:
    decision, check = explanation.decision, explanation.check
    word, role = ("ALLOWED", Role.ALLOWED) if decision else ("DENIED", Role.DENIED)
    yield Line(f"{word} ({_VERDICTS[decision.verdict]})", role)
    yield Line(f"  principal  {explanation.principal or 'nobody'}")
    if explanation.principal is not None:
        yield Line(f"  groups     {_listed(explanation.groups) or 'none'}")
    yield Line(f"  action     {check.action}")
    yield Line(f"  resource   {check.resource}")


# Policies


def _policies(explanation: Explanation) -> Iterator[Line]:
    deciding, known = explanation.determining, {policy.policy_id for policy in explanation.policies}
    strange = [name for name in explanation.decision.determining_policies if name not in known]
    if deciding or strange:
        yield from heading("Decided by")
        yield from (Line(f"  {name}: its text is not known here") for name in strange)
        for policy in deciding:
            yield from _report(policy)
            yield from _source(policy)
    others = [policy for policy in explanation.candidates if not policy.is_determining]
    if others:
        yield from heading("Other policies about such an action, principal and resource")
        for policy in others:
            yield from _report(policy)
    apart = [policy.policy_id for policy in explanation.policies if not policy.is_candidate]
    if apart:
        yield from heading("Policies about other actions or types")
        yield Line(f"  {', '.join(sorted(apart))}")


def _report(policy: PolicyReport) -> Iterator[Line]:
    of_template = f", by {policy.template_id} at {policy.place}" if policy.link else ""
    place = place_of(policy.link) if policy.link else policy.place
    said = "cannot be evaluated" if policy.outcome is PolicyOutcome.ERROR else policy.outcome.value
    yield Line(f"  {policy.effect} {policy.policy_id} {said} ({place}{of_template})")
    if policy.finding is not None:
        yield from _finding(policy.finding, "    ")


def _source(policy: PolicyReport) -> Iterator[Line]:
    return (Line(f"    {line}".rstrip()) for line in policy.statement.text.splitlines())


def _finding(finding: Finding, indent: str) -> Iterator[Line]:
    before = f"{finding.kind}: " if finding.kind in ("when", "unless") else ""
    said = "an error" if finding.outcome is Outcome.ERROR else finding.outcome.value
    why = ERRORS[finding.code] if finding.code else _of_scope(finding)
    yield Line(f"{indent}{before}`{finding.expression}` is {said}{why and f': {why}'}")
    for side in finding.inner:
        yield from _finding(side, f"{indent}  ")


def _of_scope(finding: Finding) -> str:
    is_scope = finding.kind in ("principal", "action", "resource")
    return _SCOPE[" ".join(finding.expression.split()[:2])] if is_scope else ""


# Data


def _data(explanation: Explanation) -> Iterator[Line]:
    if explanation.entities:
        yield from heading("Entities")
    for entity in explanation.entities:
        yield from _entity(entity)
    if explanation.context:
        yield from heading("Context")
        yield from _record(explanation.context, "  ")


def _entity(entity: Entity) -> Iterator[Line]:
    parents = f" in {_listed(entity.parents)}" if entity.parents else ""
    yield Line(f"  {entity.uid}{parents}")
    yield from _record(entity.attributes, "    ")


def _record(record: Mapping[str, Any], indent: str) -> Iterator[Line]:
    return (Line(f"{indent}{_name(name)}: {_value(value)}") for name, value in record.items())


def _name(name: str) -> str:
    # What does not print is escaped: a terminal would act on it.
    return name if name.isidentifier() else quote(name)


def _value(value: Any) -> str:
    """A value of Cedar's JSON format, written as in a policy."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if not isinstance(value, Mapping):
        return json.dumps(value)
    if "__entity" in value:
        return str(EntityUid(**value["__entity"]))
    if "__extn" in value:
        return f"{value['__extn']['fn']}({quote(value['__extn']['arg'])})"
    return f"{{{', '.join(f'{_name(name)}: {_value(item)}' for name, item in value.items())}}}"


def heading(text: str) -> Iterator[Line]:
    """A heading after an empty line."""
    yield Line("")
    yield Line(text, Role.HEADING)


def _listed(uids: Iterable[EntityUid]) -> str:
    return ", ".join(map(str, uids))
