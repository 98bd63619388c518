"""What planning does at the nodes of a template: questions, conditions, loops and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import django
from django.db.models import Model
from django.template.base import FilterExpression
from django.template.defaulttags import ForNode, GroupedResult, RegroupNode

from django_avp.cedar import EntityUid
from django_avp.planning.conditions import condition, is_comparable
from django_avp.planning.scope import UNKNOWN
from django_avp.planning.walk import Walk
from django_avp.templating import CheckNode, Question

__all__ = [
    "Ask",
    "Bind",
    "Choose",
    "Loop",
    "Open",
    "Perhaps",
    "Regroup",
    "Step",
    "Steps",
    "With",
]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Something that planning does at a node."""

    def take(self, walk: Walk) -> None:
        """Do it."""

    def asks(self, walk: Walk) -> bool:
        """Whether it leads to a check, or may: by default, whether one of the steps inside of it does."""
        parts = [getattr(self, field.name) for field in fields(self)]
        return any(walk.asks(part) for part in parts if isinstance(part, tuple))


Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Ask(Step):
    """``{% can %}``: notes the question, and looks into both parts."""

    node: CheckNode
    true: Steps
    false: Steps

    def take(self, walk: Walk) -> None:
        action = walk.value(self.node.action, "")
        resources = tuple(walk.value(resource) for resource in self.node.resources)
        context = {name: walk.value(value, "") for name, value in self.node.keywords.items()}
        is_named = all(isinstance(resource, Model | EntityUid) for resource in resources)
        if is_named and not any(value is UNKNOWN for value in (action, *context.values())):
            walk.questions.append(Question(action, resources, self.node.place, context))
        if self.node.variable is not None:
            walk.scope.bind({self.node.variable: UNKNOWN})
        with walk.perhaps():
            walk.run(self.true)
            walk.run(self.false)

    def asks(self, walk: Walk) -> bool:
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Choose(Step):
    """``{% if %}``: takes the branch that rendering takes, or all that it may take (rule D3)."""

    branches: Sequence[tuple[Any, Steps]]

    def take(self, walk: Walk) -> None:
        with ExitStack() as stack:
            for test, steps in self.branches:
                holds = True if test is None else condition(test, walk.reader, walk.scope)
                if holds is None:
                    # From here on only rendering knows.
                    stack.enter_context(walk.perhaps())
                if holds is not False:
                    walk.run(steps)
                if holds:
                    return

    def asks(self, walk: Walk) -> bool:
        return any(walk.asks(steps) for _, steps in self.branches)


@dataclass(frozen=True, slots=True, eq=False)
class Loop(Step):
    """``{% for %}``: takes its steps once for each item; what only rendering knows is left to it."""

    node: ForNode
    body: Steps
    empty: Steps

    def take(self, walk: Walk) -> None:
        if not walk.asks((self,)):
            return
        sequence = walk.value(self.node.sequence)
        rows = walk.reader.rows(sequence)
        if rows:
            self._take_each(walk, rows)
        elif rows is not None:
            walk.run(self.empty)

    def _take_each(self, walk: Walk, rows: Sequence[Any]) -> None:
        outer = walk.scope.get("forloop")
        with walk.scope.pushed({}):
            for number, row in enumerate(reversed(rows) if self.node.is_reversed else rows):
                counters = _counters(number, len(rows), outer if isinstance(outer, dict) else {})
                walk.scope.bind({"forloop": counters})
                if len(self.node.loopvars) == 1:
                    walk.scope.bind({self.node.loopvars[0]: row})
                    walk.run(self.body)
                    continue
                is_pair = issubclass(type(row), tuple | list) and len(row) == len(self.node.loopvars)
                values = row if is_pair else [UNKNOWN] * len(self.node.loopvars)
                with walk.scope.pushed(dict(zip(self.node.loopvars, values, strict=True))):
                    walk.run(self.body)


def _counters(number: int, length: int, outer: Mapping[str, Any]) -> dict[str, Any]:
    counters = {
        "parentloop": outer,
        "counter0": number,
        "counter": number + 1,
        "revcounter": length - number,
        "revcounter0": length - number - 1,
        "first": number == 0,
        "last": number == length - 1,
    }
    return {**counters, "length": length} if django.VERSION >= (6, 0) else counters


@dataclass(frozen=True, slots=True, eq=False)
class With(Step):
    """``{% with %}``: names for a part of the template."""

    names: Mapping[str, FilterExpression]
    body: Steps

    def take(self, walk: Walk) -> None:
        with walk.scope.pushed({name: walk.value(value, "") for name, value in self.names.items()}):
            walk.run(self.body)


@dataclass(frozen=True, slots=True, eq=False)
class Perhaps(Step):
    """A tag that planning does not know, and that shows its content or not, with more names perhaps."""

    body: Steps

    def take(self, walk: Walk) -> None:
        with walk.perhaps():
            walk.run(self.body)


@dataclass(frozen=True, slots=True, eq=False)
class Regroup(Step):
    """``{% regroup %}``: the groups that rendering will make."""

    node: RegroupNode

    def take(self, walk: Walk) -> None:
        walk.scope.bind({self.node.var_name: self._groups(walk)})

    def _groups(self, walk: Walk) -> Any:
        rows = walk.reader.rows(walk.value(self.node.target))
        keys = [self._key(walk, row) for row in rows or ()]
        if rows is None or not all(map(is_comparable, keys)):
            return UNKNOWN
        pairs = groupby(zip(keys, rows, strict=True), lambda pair: pair[0])
        return [GroupedResult(key, [row for _, row in group]) for key, group in pairs]

    def _key(self, walk: Walk, row: Any) -> Any:
        with walk.scope.pushed({self.node.var_name: row}):
            return walk.value(self.node.expression)

    def asks(self, walk: Walk) -> bool:
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Bind(Step):
    """A tag that puts something into variables, of its own part of the template or of those around it, too."""

    names: tuple[str, ...]
    is_upward: bool = False

    def take(self, walk: Walk) -> None:
        if self.is_upward:
            walk.scope.lose(self.names)
        walk.scope.bind(dict.fromkeys(self.names, UNKNOWN))

    def asks(self, walk: Walk) -> bool:
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Open(Step):
    """A tag of the project, which may put anything into the context."""

    def take(self, walk: Walk) -> None:
        walk.scope.is_open = True
        walk.reader.may_be_replaced = True
