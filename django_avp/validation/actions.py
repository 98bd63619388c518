"""Actions that code names: those that the schema does not know, and those asked about what they do not apply to."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from django_avp.schema import ActionType, Schema
from django_avp.usage import Use
from django_avp.vocabulary import action_uid

__all__ = ["inapplicable_actions", "unknown_actions"]


def unknown_actions(schema: Schema, uses: Iterable[Use]) -> Iterator[tuple[str, str, str]]:
    """The places that name an action that the schema does not know, each with the problem and the cure."""
    names = [uid.id for uid in schema.actions]
    places = dict.fromkeys((use.action, use.place) for use in uses)
    for name, place in places:
        try:
            action = action_uid(name)
        except ValueError as error:
            yield place, str(error), ""
            continue
        if action not in schema.actions:
            close = difflib.get_close_matches(action.id, names, 1)
            cure = f"Did you mean {close[0]!r}?" if close else "Declare it in schema.cedarschema."
            yield place, f"the schema has no action {action.id!r}, so it would always be denied.", cure


def inapplicable_actions(schema: Schema, uses: Iterable[Use]) -> Iterator[tuple[str, str, str]]:
    """The places that ask a known action about a type that it does not apply to; each with the problem and the cure."""
    for use in uses:
        action = _known(schema, use.action)
        if action is not None and use.resource_type and use.resource_type not in action.resources:
            yield (
                use.place,
                f"the schema does not apply {action.uid.id!r} to {use.resource_type}, so it would always be denied.",
                "Add the type to the action's `resource`, or ask about another resource.",
            )


def _known(schema: Schema, name: str) -> ActionType | None:
    try:
        return schema.actions.get(action_uid(name))
    except ValueError:
        return None
