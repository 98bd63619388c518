"""What a request asks and what is decided, told while it happens to whoever wants to show it: most often nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from django_avp.cedar import Check, Decision, EntityUid

if TYPE_CHECKING:
    from django.db.models import Model

    from django_avp.engines.base import Batch
    from django_avp.rounds import Round

__all__ = ["Filtering", "Place", "Recorder"]

Filtering = Literal["query", "rows", "nothing"]
"""How a list is permitted: by a condition of its query, row by row, or not at all, because nobody is identified."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a template asks: its name, and the line where that is known."""

    template: str | None
    line: int | None = None


class Recorder(Protocol):
    """Is told what an :class:`~django_avp.authorization.Authorization` is asked and what it decides.

    It is the request's ``avp_recorder`` when its authorization is made.
    """

    def asked(self, check: Check, place: Place | None, *, is_read: bool, is_known: bool) -> None:
        """A check was collected, or read.

        Args:
            check: what is asked.
            place: where in a template; ``None`` where the code that calls asks.
            is_read: whether the decision is wanted now.
            is_known: whether it is made already.
        """

    def settled(self, checks: Collection[Check], decision: Decision) -> None:
        """These checks were decided without an engine."""

    def decided(
        self,
        batch: Batch,
        decisions: Mapping[Check, Decision],
        round_: Round,
        *,
        unplanned: Collection[Check],
        cached: Collection[Check],
    ) -> None:
        """A round was decided.

        Args:
            batch: what the engine was asked.
            decisions: its answers.
            round_: what is counted of it.
            unplanned: the checks that a template read before anybody had expected them.
            cached: the checks whose decisions were remembered from another request.
        """

    def listed(self, action: EntityUid, model: type[Model], filtering: Filtering) -> None:
        """A queryset was narrowed to the rows on which an action is permitted."""
