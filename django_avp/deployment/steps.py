"""The steps of a push, one call each, and what each makes of a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from django_avp.cedar import quote
from django_avp.deployment.items import Item, Kind, State
from django_avp.deployment.statements import with_id

__all__ = ["Act", "Phase", "Step", "applied"]


class Phase(IntEnum):
    """The phases of a push, in their order (rule G4)."""

    FIRST_SCHEMA = 0
    GUARD_TEMPLATES = 1
    GUARDS = 2
    SET_ASIDE = 3
    SCHEMA = 4
    TEMPLATES = 5
    FORBIDS_CHANGE = 6
    FORBIDS_CREATE = 7
    PERMITS_DELETE = 8
    PERMITS_CHANGE = 9
    PERMITS_CREATE = 10
    PERMITS_CLEAR = 11
    FINAL_SCHEMA = 12
    FORBIDS_DELETE = 13
    TEMPLATES_DELETE = 14


class Act(StrEnum):
    """What a step does."""

    CREATE = "create"
    CHANGE = "change"
    RENAME = "rename"
    DELETE = "delete"
    PUT_SCHEMA = "put schema"


@dataclass(frozen=True, slots=True)
class Step:
    """One call.

    Attributes:
        phase: when.
        act: what it does.
        item: what it creates, what it changes something into, or what is renamed or deleted.
        new_id: the id that it renames to.
        schema: the schema that it puts, in Cedar's JSON format.
    """

    phase: Phase
    act: Act
    item: Item | None = None
    new_id: str = ""
    schema: str = field(default="", repr=False)

    @property
    def title(self) -> str:
        """What it does, in words."""
        renamed = f" to {quote(self.new_id)}" if self.new_id else ""
        return f"{self.act} {self.item.title}{renamed}" if self.item else str(self.act)


def applied(state: State, step: Step) -> State:
    """What a store has after a step."""
    item = step.item
    if item is None:
        return replace(state, schema=step.schema)
    if item.kind is Kind.TEMPLATE:
        renamed = {item.id: step.new_id} if step.new_id else {}
        policies = {key: _relinked(policy, renamed) for key, policy in state.policies.items()}
        return replace(state, policies=policies, templates=_written(state.templates, item, step))
    return replace(state, policies=_written(state.policies, item, step))


def _written(items: Mapping[str, Item], item: Item, step: Step) -> dict[str, Item]:
    others = {key: other for key, other in items.items() if key != item.id}
    if step.act is Act.DELETE:
        return others
    if step.act is Act.RENAME:
        # Known under its name from now on, whatever @id its text has.
        item = replace(item, id=step.new_id, text=with_id(item.text, step.new_id))
    return {**others, item.id: item}


def _relinked(policy: Item, renamed: Mapping[str, str]) -> Item:
    return replace(policy, template=renamed[policy.template]) if policy.template in renamed else policy
