"""What a list is asked for, apart from its rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from django_avp.cedar import Entity, EntityUid

__all__ = ["Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """Which resources may the principal do an action on?

    Attributes:
        principal: who asks, with its claims and its groups.
        action: the action.
        context: a Record in Cedar's JSON format as text, with the claims of the access token; empty for none.
        entities: what exists beside the principal: what policies and the context name, and the ancestors of these.
    """

    principal: Entity
    action: EntityUid
    context: str = field(default="", repr=False)
    entities: tuple[Entity, ...] = ()
