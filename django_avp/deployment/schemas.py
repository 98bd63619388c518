"""Schemas compared by what they declare, and the one that holds while a store goes from one to another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cedarpy

from django_avp.cedar import EntityUid
from django_avp.deployment.items import Item, Kind
from django_avp.deployment.schema_union import union
from django_avp.deployment.steps import Phase
from django_avp.policies import validation_errors
from django_avp.policy_files import MAX_POLICY_BYTES
from django_avp.references import Mentions
from django_avp.schema import Schema
from django_avp.schema_json import MAX_SCHEMA_BYTES, short_document

__all__ = ["Transition", "guard_item", "is_same_schema", "schema_text", "transition"]


@dataclass(frozen=True, slots=True)
class Transition:
    """How a store goes from one schema to another.

    Attributes:
        between: the schema that holds while policies are written, in Cedar's JSON format.
        guards: conditions under which everything is forbidden meanwhile, each with the phase in which that begins:
            from the beginning what the old schema does not declare, and before permits are created what the new one
            does not.
        dangers: why it cannot be made without a request being decided by half of a change.
    """

    between: str
    guards: tuple[tuple[Phase, str], ...] = ()
    dangers: tuple[str, ...] = ()


def is_same_schema(one: str | None, other: str | None) -> bool:
    """Whether two schemas, in Cedar's JSON format, declare the same."""
    if one is None or other is None:
        return one is other
    return one == other or _meaning(one) == _meaning(other)


def schema_text(schema: str | None) -> str:
    """A schema in Cedar's own syntax; empty without one."""
    return str(cedarpy.Schema.from_json_str(schema)) if schema else ""


def transition(
    old: str | None, new: str, written: Iterable[Item], mentioned: Iterable[Item], *, closes: bool = True
) -> Transition:
    """The way from one schema to another.

    Args:
        old: what the store has, in Cedar's JSON format; ``None`` without one.
        new: what it is to have.
        written: the statements that are to be there afterwards.
        mentioned: all statements, the old ones among them.
        closes: whether anything may be allowed before and not afterwards.
    """
    groups = tuple(_changed_groups(old, new, mentioned))
    if old is None:
        return Transition(new, dangers=groups)
    before, after = _schema(old), _schema(new)
    beginning, ending = _undeclared(before, after), _undeclared(after, before)
    try:
        # Where nothing closes, requests that are taken early are allowed nothing but what they are to be allowed.
        between = union(old, new, has_new_parents=not (closes or ending))
        handle = cedarpy.Schema.from_json_str(between)
    except ValueError as error:
        return Transition(new, dangers=(*groups, f"{error}."))
    guards = ((Phase.GUARDS, beginning), (Phase.FORBIDS_CREATE, ending))
    dangers = [*groups, *_misfits(handle, written)]
    if len(between.encode()) > MAX_SCHEMA_BYTES:
        dangers.append(f"The old schema and the new one have more than {MAX_SCHEMA_BYTES} bytes together.")
    if any(len(condition.encode()) > MAX_POLICY_BYTES - 200 for _, condition in guards):
        dangers.append("Too many actions and types are declared for one policy to forbid all others meanwhile.")
    return Transition(between, tuple(guard for guard in guards if guard[1]), tuple(dangers))


def guard_item(condition: str, item_id: str) -> Item:
    """The policy that forbids what one of two schemas does not declare."""
    text = f'@id("{item_id}")\nforbid (principal, action, resource)\nwhen {{ {condition} }};'
    everything = json.dumps({"op": "All"})
    return Item(Kind.POLICY, item_id, "forbid", text, (everything, everything))


# What a schema declares


def _schema(text: str) -> Schema:
    return Schema.of(cedarpy.Schema.from_json_str(text))


def _meaning(text: str) -> object:
    handle = cedarpy.Schema.from_json_str(text)
    schema, document = Schema.of(handle), short_document(handle)
    enumerated = [
        (namespace, name, set(entity.get("enum", ())))
        for namespace, part in sorted(document.items())
        for name, entity in sorted(part["entityTypes"].items())
    ]
    # Types do not tell a primitive from an entity type that hides it; names do.
    named = document if "__cedar::" in json.dumps(document) else None
    return schema.entity_types, schema.actions, enumerated, named


def _groups(text: str) -> dict[EntityUid, frozenset[EntityUid]]:
    return {uid: action.groups for uid, action in _schema(text).actions.items()}


# What stands in the way


def _changed_groups(old: str | None, new: str, statements: Iterable[Item]) -> Iterator[str]:
    """Actions whose groups change although a policy asks for the group."""
    after = _groups(new)
    # Without a schema, no action is in a group.
    before = _groups(old) if old else dict.fromkeys(after, frozenset[EntityUid]())
    text = "\n".join(item.text for item in statements)
    asked_for = Mentions.of(json.loads(cedarpy.policies_to_json_str(text))).entities
    for uid in sorted(before.keys() & after.keys(), key=str):
        for group in sorted(before[uid] ^ after[uid], key=str):
            if group in asked_for:
                yield f"{uid} {'joins' if group in after[uid] else 'leaves'} {group}, which a policy asks for."


def _misfits(between: cedarpy.Schema, statements: Iterable[Item]) -> Iterator[str]:
    for item in statements:
        if validation_errors(item.text, between):
            yield f"{item.place}: {item.title} conforms to the new schema, but not while the old one holds, too."


def _undeclared(one: Schema, other: Schema) -> str:
    """The condition of what one schema does not take and the other does: whole actions, and types of others."""
    known = {uid: action for uid, action in one.actions.items() if action.principals}
    conditions = []
    others = {uid for uid, action in other.actions.items() if action.principals}
    if others - known.keys():
        conditions.append(f"!({_is_listed(known, others)})" if known else "true")
    for uid, action in known.items():
        wider = other.actions.get(uid, action)
        if wider.principals - action.principals or wider.resources - action.resources:
            sides = [_is_one("principal", action.principals), _is_one("resource", action.resources)]
            conditions.append(f"(action == {uid} && !({' && '.join(sides)}))")
    return " || ".join(conditions)


def _is_listed(known: Iterable[EntityUid], others: Iterable[EntityUid]) -> str:
    """The condition that the action is a known one; under a schema that has others, too, it is well-typed."""
    listed: dict[str, list[str]] = {}
    for uid in sorted(known, key=str):
        listed.setdefault(uid.type, []).append(str(uid))
    lists = {kind: f"[{', '.join(uids)}].contains(action)" for kind, uids in listed.items()}
    if len({uid.type for uid in others} | lists.keys()) == 1:
        return "".join(lists.values())
    # Actions of two namespaces have two types, which are not compared with each other.
    return " || ".join(f"(action is {kind} && {contains})" for kind, contains in lists.items())


def _is_one(side: str, types: Iterable[str]) -> str:
    return f"({' || '.join(f'{side} is {name}' for name in sorted(types))})"
