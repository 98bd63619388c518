"""A statement as an item: its id, effect and scope, and the ``@id`` that it is written with."""

from __future__ import annotations

import json
import re

from django_avp.cedar import quote
from django_avp.deployment.items import Item, Kind
from django_avp.policies import Statement, parse

__all__ = ["as_item", "with_id"]

_STRING = r'"(?:[^"\\]|\\.)*"'
# Comments and strings are stepped over whole, so that no `@id` in them is taken for the annotation.
_ID = re.compile(rf"//[^\n]*|(?P<id>@\s*id\b(?:\s*\(\s*{_STRING}\s*\))?)|{_STRING}", re.DOTALL)
_LEAD = re.compile(r"\A(?:\s|//[^\n]*)*")


def as_item(statement: Statement, item_id: str = "", service_id: str = "") -> Item:
    """Read a statement.

    Args:
        statement: its text and its place.
        item_id: its id; the one that its ``@id`` gives it without, or else the service's, or none.
        service_id: the service's id of what is in a store.

    Raises:
        PolicyError: it does not parse.
    """
    kind, policy = parse(statement)
    item_id = item_id or policy.get("annotations", {}).get("id") or service_id
    return Item(
        kind=Kind.TEMPLATE if kind == "templates" else Kind.POLICY,
        id=item_id,
        effect=policy["effect"],
        text=with_id(statement.text, item_id) if item_id else statement.text,
        scope=tuple(json.dumps(policy[side], sort_keys=True) for side in ("principal", "resource")),
        place=statement.place,
        service_id=service_id,
    )


def with_id(text: str, item_id: str) -> str:
    """A statement with this ``@id``, with line feeds at the ends of its lines and without blank around it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    annotation = f"@id({quote(item_id)})"
    for piece in _ID.finditer(text):
        if piece["id"]:
            return text[: piece.start()] + annotation + text[piece.end() :]
    # Comments stay before it.
    return _LEAD.sub(lambda lead: f"{lead[0]}{annotation}\n", text, count=1)
