"""A question that was put to an engine, with what its answer was made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from django_avp.cedar import Check, Decision
from django_avp.entities.world import World
from django_avp.exceptions import TokenError
from django_avp.identity import Identity

__all__ = ["Asked"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its answer.

    Attributes:
        check: what was asked.
        decision: the answer, as ``can`` gives it.
        identity: who asked; ``None`` for nobody.
        world: the entities of the check; empty where it was settled before they were read.
        store: the policy store that decides; ``None`` for the engine's own.
        fault: why the token identifies nobody.
        error: why the engine could not tell its policies.
        has_user: whether the identity has a Django user.
        is_context_refused: whether the context is one that cannot be sent.
    """

    check: Check
    decision: Decision
    identity: Identity | None = None
    world: World = field(default=World(), repr=False)
    store: str | None = None
    fault: TokenError | None = None
    error: str = ""
    has_user: bool = True
    is_context_refused: bool = False
