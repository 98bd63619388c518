"""Where a project names actions: in gates of its views, in permission classes, in its admin and in its templates."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from django.db import models
from django.template import TemplateDoesNotExist, TemplateSyntaxError, engines
from django.template.backends.django import DjangoTemplates
from django.template.base import Node, Template
from django.templatetags.cache import CacheNode
from django.urls import URLPattern, URLResolver, get_resolver
from django.views.generic.detail import SingleObjectMixin
from django.views.generic.edit import BaseCreateView

from django_avp.cedar import EntityUid
from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.gates import Gate, permission_classes_of, place_of
from django_avp.mixins import ActionRequiredMixin
from django_avp.templatetags.avp import CanNode

__all__ = ["Use", "all_uses", "cached_checks", "unmapped_routes", "views"]


@dataclass(frozen=True, slots=True)
class Use:
    """An action that is named at a place.

    Attributes:
        action: as it is written.
        place: ``"templates/photo.html:12"`` or ``"photos.views.edit"``.
        resource_type: the entity type that it is asked about; empty where that is not written down.
        resource_name: what a template calls the resource; empty elsewhere.
    """

    action: str
    place: str
    resource_type: str = ""
    resource_name: str = ""


def all_uses() -> Iterator[Use]:
    """The actions that views, admins, templates and the mapping of permissions name, each once."""
    yield from dict.fromkeys(chain(_view_uses(), _admin_uses(), _template_uses(), _permission_uses()))


def views(patterns: Iterable[URLPattern | URLResolver] | None = None) -> Iterator[Any]:
    """Every view of the project's URLs."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns)
        else:
            yield pattern.callback


def _view_uses() -> Iterator[Use]:
    """The actions that gates of views name."""
    for view, place in chain.from_iterable(map(_operations, views())):
        gate = getattr(view, "avp_gate", None)
        if isinstance(gate, Gate):
            yield from _gate_uses(gate, place)
        view_class: Any = getattr(view, "view_class", object)
        if issubclass(view_class, ActionRequiredMixin):
            yield from _class_uses(view_class, place)
        for route, action, resource in _routes(view):
            if action is not None:
                yield Use(action, f"{place}.{route}", _type_of(resource))


def _operations(view: Any) -> Iterator[tuple[Any, str]]:
    """The view, or the operations of Django Ninja that it chooses from, each with its place."""
    closure = inspect.getclosurevars(view).nonlocals if inspect.isfunction(view) else {}
    operations = getattr(closure.get("self"), "operations", None)
    if operations is None:
        yield view, place_of(view)
    else:
        yield from ((operation.run, place_of(operation.view_func)) for operation in operations)


def _gate_uses(gate: Gate, place: str) -> Iterator[Use]:
    yield Use(gate.action, place, _type_of(gate.resource))
    for item in gate.also:
        action, resource = (item, gate.resource) if isinstance(item, str) else item
        yield Use(action, place, _type_of(resource))


def _class_uses(view_class: Any, place: str) -> Iterator[Use]:
    queryset = getattr(view_class, "queryset", None)
    model = getattr(view_class, "model", None) if queryset is None else queryset.model
    row_type = _type_of((model, "pk"))
    if view_class.action_required:
        is_own = view_class.get_action_resource is not ActionRequiredMixin.get_action_resource
        is_of_object = issubclass(view_class, SingleObjectMixin) and not issubclass(view_class, BaseCreateView)
        own_type = "" if is_own else row_type if is_of_object else _type_of(None)
        yield Use(view_class.action_required, place, own_type)
    if view_class.permitted_action:
        yield Use(view_class.permitted_action, place, row_type)


def _type_of(resource: Any) -> str:
    """The entity type of what a gate is about: a pair that begins with a model, an entity id, or the application."""
    if resource is None:
        return conf.application.type
    if isinstance(resource, EntityUid):
        return resource.in_namespace(conf.namespace).type
    model = resource[0] if isinstance(resource, tuple) else type(resource)
    is_model = isinstance(model, type) and issubclass(model, models.Model)
    definition = registry.find(model) if is_model else None
    return definition.entity_type if definition else ""


def unmapped_routes() -> Iterator[str]:
    """The places of what views of an API do and map to no action."""
    for view in views():
        yield from (f"{place_of(view)}.{route}" for route, action, _ in _routes(view) if action is None)


def _routes(view: Any) -> Iterator[tuple[str, str | None, Any]]:
    """What the permission classes of a view ask for, by what the view does."""
    for permission in permission_classes_of(view):
        if hasattr(permission, "named_actions"):
            yield from permission.named_actions(view)


def _admin_uses() -> Iterator[Use]:
    """The actions that the admin names: its sites, the admins of their models, and inlines."""
    # Django marks the views of its admin with the site and the admin that they are of.
    owners = dict.fromkeys(getattr(view, name, None) for view in views() for name in ("admin_site", "model_admin"))
    for owner in chain(owners, chain.from_iterable(map(_inlines, owners))):
        if hasattr(owner, "named_actions"):
            for place, action, resource in owner.named_actions():
                yield Use(action, place, _type_of(resource))


def _inlines(owner: Any) -> Iterator[Any]:
    for inline in getattr(owner, "inlines", ()):
        yield inline(owner.model, owner.admin_site)


def _permission_uses() -> Iterator[Use]:
    """The actions that ``AVP_PERMISSION_ACTIONS`` names: for an object, and for all of a model."""
    types = {f"{one.model._meta.app_label}.{one.model._meta.model_name}": one.entity_type for one in registry}
    for permission, actions in conf.permission_actions.items():
        app_label, _, codename = permission.partition(".")
        object_type = types.get(f"{app_label}.{codename.rpartition('_')[2]}", "")
        types_of_kinds = {"object": object_type, "model": _type_of(None)}
        for kind, action in ({"object": actions} if isinstance(actions, str) else actions).items():
            yield Use(action, f"AVP_PERMISSION_ACTIONS[{permission!r}]", types_of_kinds.get(kind, ""))


def _template_uses() -> Iterator[Use]:
    """The actions that ``{% can %}`` tags name, where they are written as text."""
    for template in _templates():
        for node in _tags(template):
            action = node.action.var
            if isinstance(action, str):
                name = str(node.resources[0].var) if node.resources else ""
                yield Use(action, _place(template, node), "" if name else _type_of(None), name)


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
