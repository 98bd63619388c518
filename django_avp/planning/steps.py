"""What planning does at the nodes of a template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import django
from django.db.models import Model
from django.template.base import FilterExpression, Template
from django.template.defaulttags import ForNode, GroupedResult, RegroupNode
from django.template.loader_tags import ExtendsNode, IncludeNode, construct_relative_path

from django_avp.cedar import EntityUid
from django_avp.planning.conditions import condition, is_comparable
from django_avp.planning.scope import UNKNOWN, Scope
from django_avp.planning.walk import Walk
from django_avp.templating import CheckNode, Question

__all__ = [
    "Ask",
    "Bind",
    "Block",
    "Choose",
    "Extend",
    "Include",
    "Loop",
    "Open",
    "Partial",
    "Perhaps",
    "Regroup",
    "Step",
    "Super",
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
            walk.questions.append(Question(action, resources, context))
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
class Include(Step):
    """``{% include %}``: another template, with the names of this one or with its own alone."""

    node: IncludeNode

    def take(self, walk: Walk) -> None:
        template = self._template(walk)
        if template is None or not walk.compiled(template).steps:
            return
        names = {name: walk.value(value, "") for name, value in self.node.extra_context.items()}
        if self.node.isolated_context:
            walk.enter(template, Scope(names))
        else:
            with walk.scope.pushed(names):
                walk.enter(template)

    def asks(self, walk: Walk) -> bool:
        if self.node.template.is_var:
            return True
        template = self._template(walk)
        return template is not None and walk.asks(walk.compiled(template).steps)

    def _template(self, walk: Walk) -> Any:
        named = walk.value(self.node.template, "")
        if isinstance(named, str):
            origin: Any = self.node.origin
            return walk.select(construct_relative_path(origin.template_name, named))
        if isinstance(named, list | tuple):
            return walk.select(*named)
        return _template_of(named)


def _template_of(value: Any) -> Any:
    """The template of a value that is one, or one of Django's backend."""
    template = getattr(value, "template", value) if callable(getattr(value, "render", None)) else None
    return template if hasattr(template, "nodelist") else None


@dataclass(frozen=True, slots=True, eq=False)
class Extend(Step):
    """``{% extends %}``: the template above, with the blocks of this one."""

    node: ExtendsNode
    blocks: Mapping[str, Steps]

    def take(self, walk: Walk) -> None:
        named = walk.value(self.node.parent_name, "")
        parent = walk.parent(named, self.node) if isinstance(named, str) else _template_of(named)
        if parent is None:
            return
        walk.blocks = {} if walk.blocks is None else walk.blocks
        above = walk.compiled(parent)
        is_root = not any(isinstance(step, Extend) for step in above.steps)
        for blocks in [self.blocks, above.blocks] if is_root else [self.blocks]:
            for name, steps in blocks.items():
                walk.blocks.setdefault(name, []).insert(0, steps)
        walk.run(above.steps)

    def asks(self, walk: Walk) -> bool:
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Block(Step):
    """``{% block %}``: the steps of the template that overrides it last."""

    name: str
    body: Steps

    def take(self, walk: Walk) -> None:
        overriding = (walk.blocks or {}).get(self.name)
        chosen = overriding.pop() if overriding else None
        before, walk.block = walk.block, self.name
        with walk.scope.pushed({"block": UNKNOWN}):
            walk.run(self.body if chosen is None else chosen)
        walk.block = before
        if chosen is not None and overriding is not None:
            overriding.append(chosen)

    def asks(self, walk: Walk) -> bool:
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Super(Step):
    """``{{ block.super }}``: the block that this one overrides."""

    def take(self, walk: Walk) -> None:
        if walk.block is not None and (walk.blocks or {}).get(walk.block):
            Block(walk.block, ()).take(walk)

    def asks(self, walk: Walk) -> bool:
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Partial(Step):
    """``{% partial %}``: a part that ``{% partialdef %}`` has named, where it is shown (rule D3)."""

    node: Any

    def take(self, walk: Walk) -> None:
        partial = self._named()
        if partial is not None:
            walk.enter(partial)

    def asks(self, walk: Walk) -> bool:
        partial = self._named()
        return partial is not None and walk.asks(walk.compiled(partial).steps)

    def _named(self) -> Template | None:
        try:
            named: Template = self.node.partial_mapping[self.node.partial_name]
        except KeyError:
            return None
        return named


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
    """A tag that puts something into variables."""

    names: tuple[str, ...]

    def take(self, walk: Walk) -> None:
        walk.scope.bind(dict.fromkeys(self.names, UNKNOWN))

    def asks(self, walk: Walk) -> bool:
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Open(Step):
    """A tag of the project, which may put anything into the context."""

    def take(self, walk: Walk) -> None:
        walk.scope.is_open = True
