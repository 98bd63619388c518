"""What a directory and a policy store have in common: policies, templates and links under the ids that people know."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from django_avp.cedar import quote

__all__ = ["LOCK_ID", "SCHEMA_GUARD", "Item", "Kind", "State", "is_reserved", "marked", "name_of"]

LOCK_ID = "avp-push--lock"
"""The id of the policy whose being there says that somebody pushes."""
SCHEMA_GUARD = "avp-push-schema"
"""What the guard of a schema in transit stands for."""

# Source: the API's model, shape PolicyName; the prefix takes five of its 150 characters.
_NAME = re.compile(r"[a-zA-Z0-9/_-]{1,145}")
_MARK = re.compile(r"--(?:guard|old|lock)(?:-\d+)?$")


class Kind(StrEnum):
    """What something in a store is."""

    POLICY = "policy"
    TEMPLATE = "template"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Item:
    """A static policy, a template or a link. Two are equal if the store need not be touched for one to be the other.

    Attributes:
        kind: which of the three.
        id: the name in the store without ``name/``, else ``@id``, else the service's id (rule G1).
        effect: ``"permit"`` or ``"forbid"``; of a link, its template's.
        text: the statement of a policy or a template, with its ``@id``.
        scope: principal and resource in Cedar's JSON format, which never change.
        template: of a link, the id of its template.
        values: of a link, what fills each slot: ``(("?principal", type, id), …)``.
        place: where it stands, for people.
        service_id: the service's id of what is in a store.
    """

    kind: Kind
    id: str
    effect: str
    text: str = field(default="", repr=False)
    scope: tuple[str, ...] = ()
    template: str = ""
    values: tuple[tuple[str, str, str], ...] = ()
    place: str = field(default="", compare=False)
    service_id: str = field(default="", compare=False)

    @property
    def is_forbid(self) -> bool:
        """Whether it forbids."""
        return self.effect == "forbid"

    @property
    def title(self) -> str:
        """What people call it, such as ``forbid "suspended"``; a line break in its id makes no line."""
        if self.kind is Kind.LINK:
            return f"{self.effect} {quote(self.id)} (link of {quote(self.template)})"
        return f"{'template ' if self.kind is Kind.TEMPLATE else ''}{self.effect} {quote(self.id)}"


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a directory or a store has.

    Attributes:
        policies: static policies and links by id.
        templates: templates by id.
        schema: in Cedar's JSON format; ``None`` without one.
    """

    policies: Mapping[str, Item] = field(default_factory=dict)
    templates: Mapping[str, Item] = field(default_factory=dict)
    schema: str | None = field(default=None, repr=False)

    def links_of(self, template: str) -> list[Item]:
        """The links of a template."""
        return [item for item in self.policies.values() if item.kind is Kind.LINK and item.template == template]

    @property
    def permits(self) -> bool:
        """Whether anything permits."""
        return any(not item.is_forbid for item in self.policies.values())


def is_reserved(item_id: str) -> bool:
    """Whether an id is one that a push gives to what stands in for something else."""
    return _MARK.search(item_id) is not None


def name_of(item_id: str) -> str:
    """The name in the store for an id; empty where the id cannot be one (rule G2)."""
    return f"name/{item_id}" if _NAME.fullmatch(item_id) else ""


def marked(item_id: str, mark: str, taken: Container[str]) -> str:
    """An id for what stands in for something: ``<id>--guard``, and a number where that is taken.

    Args:
        item_id: what it stands in for.
        mark: ``"guard"`` or ``"old"``.
        taken: the ids that are there.
    """
    base = f"{item_id}--{mark}"
    if not name_of(f"{base}-999"):
        base = f"{hashlib.sha256(item_id.encode()).hexdigest()[:16]}--{mark}"
    number, found = 1, base
    while found in taken:
        number += 1
        found = f"{base}-{number}"
    return found
