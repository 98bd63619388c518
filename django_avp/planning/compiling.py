"""Makes a template's steps: what depends on the template alone, worked out once and kept as long as the template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.template import defaulttags, loader_tags
from django.template.base import Node, TextNode, VariableNode
from django.template.library import SimpleNode
from django.templatetags.i18n import LanguageNode
from django.templatetags.l10n import LocalizeNode
from django.templatetags.tz import LocalTimeNode, TimezoneNode

from django_avp.planning import inclusion, steps
from django_avp.planning.steps import Step, Steps
from django_avp.templating import CheckNode

__all__ = ["Compiled", "compiled"]

_KEPT = "_django_avp_steps"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template's steps, and those of the blocks that it defines."""

    steps: Steps
    blocks: Mapping[str, Steps]


def compiled(template: Any) -> Compiled:
    """The steps of a template, which has them from then on."""
    # On the template itself: partials lead back to theirs, so that kept elsewhere neither would ever go.
    known: Compiled | None = vars(template).get(_KEPT)
    if known is None:
        blocks = {block.name: _compile(block.nodelist) for block in _blocks(template.nodelist)}
        known = vars(template)[_KEPT] = Compiled(_compile(template.nodelist), blocks)
    return known


def _blocks(nodes: Iterable[Node]) -> Iterator[loader_tags.BlockNode]:
    """The blocks among nodes and inside of them; tags may keep their content in any list."""
    for node in nodes:
        if isinstance(node, loader_tags.BlockNode):
            yield node
        for attribute in node.child_nodelists:
            yield from _blocks(getattr(node, attribute, None) or ())


def _compile(nodes: Iterable[Node] | None) -> Steps:
    compiled = tuple(step for node in nodes or () for step in _steps(node))
    for position, step in enumerate(compiled):
        if isinstance(step, steps.Ask):
            step.node.rest = compiled[position:]
    return compiled


def _steps(node: Any) -> Iterator[Step]:
    if isinstance(node, TextNode):
        return
    if isinstance(node, CheckNode):
        yield steps.Ask(node, _compile(node.nodelist_true), _compile(node.nodelist_false))
    elif type(node) in _TRANSPARENT:
        yield from _compile(node.nodelist)
    else:
        # A subclass of one of Django's nodes may do something else.
        yield from _KNOWN.get(type(node), _other)(node)


def _variable(node: VariableNode) -> Iterator[Step]:
    if getattr(node.filter_expression.var, "lookups", None) == ("block", "super"):
        yield inclusion.Super()


def _if(node: Any) -> Iterator[Step]:
    branches = tuple((test, _compile(nodes)) for test, nodes in node.conditions_nodelists)
    inside = [step for _, body in branches for step in body]
    yield from inside if _is_silent(inside) else [steps.Choose(branches)]


def _for(node: Any) -> Iterator[Step]:
    body, empty = _compile(node.nodelist_loop), _compile(node.nodelist_empty)
    inside = body + empty
    yield from _opening(inside) if _is_silent(inside) else [steps.Loop(node, body, empty)]


def _with(node: Any) -> Iterator[Step]:
    body = _compile(node.nodelist)
    yield from _opening(body) if _is_silent(body) else [steps.With(node.extra_context, body)]


def _is_silent(inside: Iterable[Step]) -> bool:
    """Whether steps lead to no check: they only change what is known of names."""
    return all(isinstance(step, steps.Bind | steps.Open) for step in inside)


def _opening(inside: Iterable[Step]) -> list[Step]:
    """What remains of silent steps in a block whose names end with it."""
    return [step for step in inside if not isinstance(step, steps.Bind) or step.is_upward]


def _include(node: Any) -> Iterator[Step]:
    yield inclusion.Include(node)


def _extends(node: Any) -> Iterator[Step]:
    yield inclusion.Extend(node, {name: _compile(block.nodelist) for name, block in node.blocks.items()})


def _block(node: Any) -> Iterator[Step]:
    yield inclusion.Block(node.name, _compile(node.nodelist))


def _elsewhere(node: Any) -> Iterator[Step]:
    yield steps.Perhaps(_compile(node.nodelist))


def _regroup(node: Any) -> Iterator[Step]:
    yield steps.Regroup(node)


def _partial(node: Any) -> Iterator[Step]:
    yield inclusion.Partial(node)


def _partial_definition(node: Any) -> Iterator[Step]:
    yield from _compile(node.nodelist if node.inline else None)


def _nothing(node: Any) -> Iterator[Step]:
    yield from ()


# Where tags keep the names that they set: Django's own, and by the same custom many others.
_NAMES = ("target_var", "asvar", "variable_name", "variable", "varname", "var_name")


def _other(node: Any) -> Iterator[Step]:
    names = [getattr(node, attribute, None) for attribute in _NAMES]
    bound = tuple(name for name in names if isinstance(name, str))
    if bound:
        yield steps.Bind(bound, is_upward=isinstance(node, defaulttags.CycleNode))
    is_djangos = type(node).__module__.startswith("django.")
    if not is_djangos or (isinstance(node, SimpleNode) and node.takes_context):
        yield steps.Open()
    bodies = [getattr(node, attribute, None) for attribute in node.child_nodelists]
    body = tuple(step for nodes in bodies for step in _compile(nodes))
    if body:
        yield steps.Perhaps(body)


_TRANSPARENT = frozenset(
    [
        defaulttags.AutoEscapeControlNode,
        defaulttags.SpacelessNode,
        defaulttags.FilterNode,
        LocalizeNode,
    ]
)
_KNOWN: dict[type, Callable[[Any], Iterator[Step]]] = {
    VariableNode: _variable,
    defaulttags.IfNode: _if,
    defaulttags.ForNode: _for,
    defaulttags.WithNode: _with,
    defaulttags.RegroupNode: _regroup,
    defaulttags.CommentNode: _nothing,
    # A query may depend on the language or the time zone, so it is left to rendering.
    LanguageNode: _elsewhere,
    LocalTimeNode: _elsewhere,
    TimezoneNode: _elsewhere,
    loader_tags.IncludeNode: _include,
    loader_tags.ExtendsNode: _extends,
    loader_tags.BlockNode: _block,
}
# Django 6.0 and newer.
_PARTIALS = {"PartialNode": _partial, "PartialDefNode": _partial_definition}
_KNOWN |= {getattr(defaulttags, name): steps for name, steps in _PARTIALS.items() if hasattr(defaulttags, name)}
