"""A plan for people, in the way of tools for infrastructure, and for programs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django_avp.cedar import quote
from django_avp.deployment.changes import Change, Verb
from django_avp.deployment.items import Item, Kind
from django_avp.deployment.planning import Plan
from django_avp.deployment.schemas import schema_text
from django_avp.engines.synced.content import Source

__all__ = ["as_document", "as_lines", "change_document", "change_lines", "schema_lines", "source_line"]

_SIGNS = {
    Verb.CREATE: "  + create",
    Verb.CHANGE: "  ~ change",
    Verb.REPLACE: "-/+ replace",
    Verb.DELETE: "  - delete",
    Verb.CLEAN_UP: "  - clean up",
    Verb.KEEP: "    keep",
}
_WHY = {
    Verb.CLEAN_UP: " (left by a push that did not come to its end)",
    Verb.KEEP: " (only in the store; --prune deletes it)",
}


def as_lines(plan: Plan) -> Iterator[str]:
    """The plan of a push, a line each: what differs, and the number of calls that it takes."""
    yield from change_lines(plan.changes, _WHY)
    if plan.schema:
        yield from schema_lines(plan.current.schema, plan.schema)
    yield f"Plan: {_counted(plan)}"


def change_lines(changes: Iterable[Change], why: Mapping[Verb, str]) -> Iterator[str]:
    """What differs, with the lines of a statement that do.

    Args:
        changes: what differs.
        why: what is said to a verb.
    """
    for change in changes:
        reason = _reason(change.before, change.item) if change.before else why.get(change.verb, "")
        yield f"{_SIGNS[change.verb]} {change.item.title}{reason}"
        if change.before is not None:
            yield from _difference(_source(change.before), _source(change.item))


def schema_lines(before: str | None, after: str | None) -> Iterator[str]:
    """How a schema changes; both are in Cedar's JSON format."""
    yield f"{_SIGNS[Verb.CHANGE if before else Verb.CREATE]} schema"
    yield from _difference(schema_text(before), schema_text(after))


def as_document(plan: Plan) -> dict[str, Any]:
    """The plan in JSON's types."""
    return {
        "changes": [change_document(change) for change in plan.changes if change.verb is not Verb.KEEP],
        "kept": [change.item.id for change in plan.changes if change.verb is Verb.KEEP],
        "schema": "unchanged" if plan.schema is None else "change" if plan.current.schema else "create",
        "steps": [step.title for step in plan.steps],
    }


def source_line(source: Source | None) -> str:
    """The identity source of a store: whose tokens it takes, and what they become."""
    if source is None:
        return "identity source: none of an Amazon Cognito user pool"
    clients = ", ".join(source.client_ids) or "any"
    return (
        f"identity source: user pool {source.pool}, clients: {clients}, principals: {source.principal_type}, "
        f"groups: {source.group_type}"
    )


def _difference(before: str, after: str) -> Iterator[str]:
    """The lines that differ, as a unified diff without its head, set in by six."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    return (f"      {line}" for number, line in enumerate(lines) if number > 1)


def _source(item: Item) -> str:
    """What there is to see of an item."""
    values = "\n".join(f"{slot}: {kind}::{json.dumps(uid)}" for slot, kind, uid in item.values)
    return item.text or f"template: {quote(item.template)[1:-1]}\n{values}"


def _reason(before: Item, after: Item) -> str:
    """What of a policy changes that the service does not let change in place."""
    if Kind.LINK in (before.kind, after.kind):
        return " (link)"
    both = zip((before.kind, before.effect, *before.scope), (after.kind, after.effect, *after.scope), strict=True)
    parts = zip(("kind", "effect", "principal", "resource"), both, strict=True)
    changed = ", ".join(name for name, (old, new) in parts if old != new)
    return f" ({changed})" if changed else ""


def _counted(plan: Plan) -> str:
    counted = {
        "to create": plan.number(Verb.CREATE) + bool(plan.schema and not plan.current.schema),
        "to change": plan.number(Verb.CHANGE) + bool(plan.schema and plan.current.schema),
        "to replace": plan.number(Verb.REPLACE),
        "to delete": plan.number(Verb.DELETE, Verb.CLEAN_UP),
        "only in the store": plan.number(Verb.KEEP),
    }
    listed = ", ".join(f"{number} {what}" for what, number in counted.items() if number)
    return f"{listed or 'no difference'}; {len(plan.steps)} calls"


def change_document(change: Change) -> dict[str, Any]:
    """A change in JSON's types."""
    item = change.item
    return {"verb": change.verb, "kind": item.kind, "effect": item.effect, "id": item.id, "place": item.place}
