"""What planning does where a template leads into another one: includes, inheritance, partials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.template.base import Template
from django.template.loader_tags import ExtendsNode, IncludeNode, construct_relative_path

from django_avp.planning.scope import UNKNOWN, Scope
from django_avp.planning.steps import Step, Steps
from django_avp.planning.walk import Walk

__all__ = ["Block", "Extend", "Include", "Partial", "Super"]


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
