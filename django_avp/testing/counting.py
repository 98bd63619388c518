"""Counts the rounds and the calls of a block of a test, whoever makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django_avp.cedar import Check, Decision
from django_avp.rounds import Round
from django_avp.signals import decisions_made

__all__ = ["Counted", "assert_avp_calls", "assert_avp_rounds", "counted_rounds"]


@dataclass(frozen=True, slots=True)
class Counted:
    """A round that was made.

    Attributes:
        round: its record.
        decisions: what was asked, with the answers.
    """

    round: Round
    decisions: Mapping[Check, Decision]

    def __str__(self) -> str:
        numbers = [_count(self.round.checks, "check"), _count(self.round.calls, "call")]
        if self.round.unplanned:
            numbers.append(f"{self.round.unplanned} unplanned")
        answers = (
            f"   {check.action.id} on {check.resource}: {decision.verdict.value}"
            for check, decision in self.decisions.items()
        )
        return "\n".join([", ".join(numbers), *answers])


@contextmanager
def counted_rounds() -> Iterator[list[Counted]]:
    """Yield a list to which every round of the block is added, in all threads."""
    made: list[Counted] = []

    def add(round: Round, decisions: Mapping[Check, Decision], **others: Any) -> None:
        made.append(Counted(round, dict(decisions)))

    decisions_made.connect(add, weak=False)
    try:
        yield made
    finally:
        decisions_made.disconnect(add)


@contextmanager
def assert_avp_rounds(number: int) -> Iterator[list[Counted]]:
    """Assert that a block makes so many rounds; yields the list of them, which fills as they are made.

    Raises:
        AssertionError: it makes more or fewer; the message lists each round with its checks.
    """
    __tracebackhide__ = True
    with counted_rounds() as made:
        yield made
    _compare(number, len(made), "round", made)


@contextmanager
def assert_avp_calls(number: int) -> Iterator[list[Counted]]:
    """Assert that a block makes so many calls of the engine; yields the list of its rounds.

    Raises:
        AssertionError: it makes more or fewer; the message lists each round with its checks.
    """
    __tracebackhide__ = True
    with counted_rounds() as made:
        yield made
    _compare(number, sum(one.round.calls for one in made), "call", made)


def _compare(expected: int, number: int, noun: str, made: list[Counted]) -> None:
    __tracebackhide__ = True
    if number != expected:
        listed = "".join(f"\n{position}. {one}" for position, one in enumerate(made, start=1))
        raise AssertionError(f"{_count(number, noun)} made, {expected} expected{':' if made else '.'}{listed}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
