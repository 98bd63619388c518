"""Policy coverage: which policies determined an allow, a deny, or never a decision."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

from django_avp.cedar import Decision
from django_avp.policies import Policies

__all__ = ["Counts", "PolicyCoverage", "Row", "Summary"]


@dataclass(frozen=True, slots=True)
class Counts:
    """How often a policy determined an allow, how often a deny, and how often it could not be evaluated."""

    allow: int = 0
    deny: int = 0
    error: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A policy in the report.

    Attributes:
        policy: its id.
        place: its file and line.
        counts: what it did.
    """

    policy: str
    place: str
    counts: Counts

    @property
    def is_covered(self) -> bool:
        """Whether it determined a decision."""
        return bool(self.counts.allow or self.counts.deny)


class PolicyCoverage:
    """Counts what policies determine, in all threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, list[int]] = {}

    def add(self, decisions: Iterable[Decision]) -> None:
        """Count decisions."""
        for decision in decisions:
            self._add(decision.determining_policies, 0 if decision else 1)
            self._add(decision.errors, 2)

    def merge(self, counts: Mapping[str, Iterable[int]]) -> None:
        """Add what another process has counted."""
        for policy, numbers in counts.items():
            for kind, number in enumerate(numbers):
                self._add([policy], kind, number)

    def as_json(self) -> dict[str, list[int]]:
        """The counts in JSON's types, for :meth:`merge`."""
        with self._lock:
            return {policy: list(numbers) for policy, numbers in self._counts.items()}

    def summary(self, policies: Policies) -> Summary:
        """The report about policies; those that are templates count by their links."""
        counts = self.as_json()
        return Summary(
            tuple(
                Row(policy, os.path.relpath(statement.place), Counts(*counts.get(policy, ())))
                for policy, statement in policies.statements.items()
                if policy not in policies.templates
            )
        )

    def _add(self, policies: Iterable[str], kind: int, number: int = 1) -> None:
        with self._lock:
            for policy in policies:
                self._counts.setdefault(policy, [0, 0, 0])[kind] += number


@dataclass(frozen=True, slots=True)
class Summary:
    """The policies with what they did."""

    rows: tuple[Row, ...]

    @property
    def percent(self) -> float:
        """How many of the policies determined a decision."""
        return 100 * sum(row.is_covered for row in self.rows) / len(self.rows) if self.rows else 100.0

    def lines(self) -> Iterator[str]:
        """The report as text."""
        cells: list[tuple[str, ...]] = [("Policy", "Place", "Allow", "Deny", "Error")]
        cells += [(row.policy, row.place, *map(str, asdict(row.counts).values())) for row in self.rows]
        policy, place = (max(len(line[column]) for line in cells) for column in (0, 1))
        head, *body = [
            f"{line[0]:{policy}}  {line[1]:{place}}  {line[2]:>5}  {line[3]:>5}  {line[4]:>5}" for line in cells
        ]
        yield from (head, "-" * len(head))
        for text, row in zip(body, self.rows, strict=True):
            yield text if row.is_covered else f"{text}  missing"
        covered = sum(row.is_covered for row in self.rows)
        yield "-" * len(head)
        yield f"{covered} of {len(self.rows)} policies determined a decision: {_percent(self.percent)}"

    def as_json(self) -> str:
        """The report as JSON text."""
        document: dict[str, Any] = {
            "percent": self.percent,
            "missing": [row.policy for row in self.rows if not row.is_covered],
            "policies": {row.policy: {"place": row.place, **asdict(row.counts)} for row in self.rows},
        }
        return json.dumps(document, indent=2) + "\n"


def _percent(value: float) -> str:
    """A percentage that is never rounded to more than it is."""
    return f"{int(value * 10) / 10:g}%"
