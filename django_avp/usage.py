"""Where a project names actions: in the gates of its views, in permission classes and in its templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from django.template.backends.django import DjangoTemplates
from django.template.base import Node, Template
from django.templatetags.cache import CacheNode
from django.urls import URLPattern, URLResolver, get_resolver

from django_avp.gates import Gate, permission_classes_of, place_of
from django_avp.mixins import ActionRequiredMixin
from django_avp.templatetags.avp import CanNode

__all__ = ["Use", "cached_checks", "template_uses", "unmapped_routes", "view_uses", "views"]


@dataclass(frozen=True, slots=True)
class Use:
    """An action that is named at a place, ``"templates/photo.html:12"`` or ``"photos.views.edit"``."""

    action: str
    place: str


def views(patterns: Iterable[URLPattern | URLResolver] | None = None) -> Iterator[Any]:
    """Every view of the project's URLs."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns)
        else:
            yield pattern.callback


def view_uses() -> Iterator[Use]:
    """The actions that gates of views name."""
    for view in views():
        place = place_of(view)
        gate = getattr(view, "avp_gate", None)
        if isinstance(gate, Gate):
            named = (gate.action, *(item if isinstance(item, str) else item[0] for item in gate.also))
            yield from (Use(action, place) for action in named)
        view_class: Any = getattr(view, "view_class", object)
        if issubclass(view_class, ActionRequiredMixin):
            named = (view_class.action_required, view_class.permitted_action)
            yield from (Use(action, place) for action in named if action)
        yield from (Use(action, f"{place}.{route}") for route, action in _routes(view) if action is not None)


def unmapped_routes() -> Iterator[str]:
    """The places of what views of an API do and map to no action."""
    for view in views():
        yield from (f"{place_of(view)}.{route}" for route, action in _routes(view) if action is None)


def _routes(view: Any) -> Iterator[tuple[str, str | None]]:
    """What the permission classes of a view ask for, by what the view does."""
    for permission in permission_classes_of(view):
        if hasattr(permission, "named_actions"):
            yield from permission.named_actions(view)


def template_uses() -> Iterator[Use]:
    """The actions that ``{% can %}`` tags name, where they are written as text."""
    for template in _templates():
        for node in _tags(template):
            action = node.action.var
            if isinstance(action, str):
                yield Use(action, _place(template, node))


def cached_checks() -> Iterator[str]:
    """The places of ``{% can %}`` tags inside of ``{% cache %}``."""
    for template in _templates():
        for node in template.nodelist.get_nodes_by_type(CacheNode):
            yield from (_place(template, inner) for inner in _tags(node))


def _tags(part: Any) -> list[CanNode]:
    return part.nodelist.get_nodes_by_type(CanNode)  # type: ignore[no-any-return]


def _templates() -> Iterator[Template]:
    """Every template of Django's engines that can be parsed; the others tell their error when they are used."""
    for backend in engines.all():
        if isinstance(backend, DjangoTemplates):
            for name in sorted(_names(backend)):
                try:
                    yield backend.engine.get_template(name)
                except (TemplateSyntaxError, TemplateDoesNotExist, UnicodeDecodeError):
                    continue


def _names(backend: DjangoTemplates) -> set[str]:
    directories = {Path(directory) for loader in _loaders(backend.engine.template_loaders) for directory in loader}
    return {
        path.relative_to(directory).as_posix()
        for directory in directories
        for path in directory.rglob("*")
        if path.is_file() and path.suffix in (".html", ".txt", ".xml", ".js", ".css", ".svg")
    }


def _loaders(loaders: Iterable[Any]) -> Iterator[Iterable[str]]:
    for loader in loaders:
        if hasattr(loader, "loaders"):
            yield from _loaders(loader.loaders)
        elif hasattr(loader, "get_dirs"):
            yield loader.get_dirs()


def _place(template: Template, node: Node) -> str:
    return f"{template.origin.name}:{node.token.lineno if node.token else 0}"
