"""The plan of a push: what differs, and the steps in the order in which nothing opens (rule G4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce

from django_avp.deployment.changes import Change, Verb, changes_between
from django_avp.deployment.items import Item, State
from django_avp.deployment.ordering import ordered
from django_avp.deployment.schemas import is_same_schema, transition
from django_avp.deployment.steps import Act, Phase, Step, applied
from django_avp.exceptions import PolicyError

__all__ = ["Plan", "plan"]

_WRITING = (Verb.CREATE, Verb.CHANGE, Verb.REPLACE)
_CURE = (
    "Push in two parts: first the policies and a schema that fit both, then the rest. Or pass --allow-unsafe-schema, "
    "which puts the new schema before the policies: for that long, requests may be decided by half of the change."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a push does.

    Attributes:
        current: what the store has.
        schema: the schema that the store is to have; ``None`` where it stays.
        changes: what differs, what is only in the store and is kept among it.
        steps: the calls, in their order.
    """

    current: State
    schema: str | None = field(default=None, repr=False)
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def expected(self) -> State:
        """What the store has in the end."""
        return reduce(applied, self.steps, self.current)

    def number(self, *verbs: Verb) -> int:
        """How many changes there are of these."""
        return sum(change.verb in verbs for change in self.changes)


def plan(current: State, wanted: State, *, prune: bool = False, allow_unsafe_schema: bool = False) -> Plan:
    """Plan a push; nothing is called.

    Args:
        current: what the store has.
        wanted: what the directory says.
        prune: whether what only the store has is deleted.
        allow_unsafe_schema: whether the schema may change in a way that lets half of a change decide.

    Raises:
        PolicyError: the schema cannot change without that, or a link is to stay whose template goes.
    """
    changes = changes_between(current, wanted, prune=prune)
    schema = None if wanted.schema is None or is_same_schema(current.schema, wanted.schema) else wanted.schema
    steps, guards = _schema_steps(current, wanted, schema, changes, allow_unsafe_schema) if schema else ([], ())
    steps += ordered(changes, current, guards)
    return Plan(current, schema, changes, tuple(sorted(steps, key=lambda step: step.phase)))


def _schema_steps(
    current: State, wanted: State, schema: str, changes: Iterable[Change], is_unsafe_allowed: bool
) -> tuple[list[Step], tuple[tuple[Phase, str], ...]]:
    """The steps from one schema to another, and the conditions under which everything is forbidden meanwhile."""
    if not current.permits:
        # Nothing is allowed, so nothing can open.
        return [_put(Phase.SCHEMA if current.schema else Phase.FIRST_SCHEMA, schema)], ()
    written = [change.item for change in changes if change.verb in _WRITING and change.item.text]
    closes = any(change.closes for change in changes)
    between = transition(current.schema, schema, written, _statements(current, wanted), closes=closes)
    if between.dangers and not is_unsafe_allowed:
        raise PolicyError("The schema cannot change safely:\n" + "\n".join([*between.dangers, _CURE]))
    if between.dangers:
        return [_put(Phase.SCHEMA, schema)], ()
    steps = [] if is_same_schema(current.schema, between.between) else [_put(Phase.SCHEMA, between.between)]
    if not is_same_schema(between.between, schema):
        steps.append(_put(Phase.FINAL_SCHEMA, schema))
    return steps, between.guards


def _put(phase: Phase, schema: str) -> Step:
    return Step(phase, Act.PUT_SCHEMA, schema=schema)


def _statements(*states: State) -> list[Item]:
    return [item for state in states for item in (*state.policies.values(), *state.templates.values()) if item.text]
