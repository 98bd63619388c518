"""Which Cedar action a request to a view needs: named in the view's ``avp_actions``, or derived from its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import models
from rest_framework import mixins

from django_avp.vocabulary import model_action

__all__ = [
    "cedar_action",
    "is_about_an_object",
    "names_an_object",
    "needed_actions",
    "route_name",
    "routed_actions",
    "viewing_action",
]

# What generic views do, by method. Of two for one method, the second is about the object that the address names.
_MIXINS: tuple[tuple[str, type, str], ...] = (
    ("get", mixins.ListModelMixin, "list"),
    ("get", mixins.RetrieveModelMixin, "retrieve"),
    ("post", mixins.CreateModelMixin, "create"),
    ("put", mixins.UpdateModelMixin, "update"),
    ("patch", mixins.UpdateModelMixin, "partial_update"),
    ("delete", mixins.DestroyModelMixin, "destroy"),
)
_VERBS = {
    "list": "List",
    "create": "Create",
    "retrieve": "View",
    "update": "Edit",
    "partial_update": "Edit",
    "destroy": "Delete",
}
# HEAD needs what GET does, and OPTIONS any of the others.
_WITHOUT_ACTIONS = ("HEAD", "OPTIONS")
_OF_OBJECTS = frozenset(["retrieve", "update", "partial_update", "destroy"])
# Async viewsets have names of their own for the same.
_TWINS = {
    "alist": "list",
    "acreate": "create",
    "aretrieve": "retrieve",
    "aupdate": "update",
    "partial_aupdate": "partial_update",
    "adestroy": "destroy",
}


def cedar_action(view: Any, method: str) -> str | None:
    """The Cedar action that a method of a view needs; ``None`` if the view maps it to none.

    Args:
        view: a view that handles a request, or one that was made as for a request.
        method: ``"GET"``; ``"HEAD"`` needs what that does.
    """
    return _mapped_route(view, route_name(view, method), method)


def viewing_action(view: Any) -> str | None:
    """The Cedar action that a view needs to show one object; ``None`` if it maps that to none."""
    return _mapped(view, "retrieve")


def needed_actions(view: Any, method: str) -> list[tuple[str, str]]:
    """The methods that are asked about for one of them, each with its Cedar action; none if nothing is mapped.

    Any action of the view opens ``OPTIONS``, which tells about the others, unless ``"metadata"`` names one.
    """
    methods = [method]
    if method == "OPTIONS" and cedar_action(view, method) is None:
        methods = [other for other in view.allowed_methods if other not in _WITHOUT_ACTIONS]
    return [(one, action) for one in methods if (action := cedar_action(view, one)) is not None]


def routed_actions(callback: Any) -> Iterator[tuple[str, str | None, Any]]:
    """What a view does, by its names, each with its Cedar action or ``None``, and what it is asked about; for tools.

    Args:
        callback: a view of the framework, as URLs hold it.
    """
    view = callback.cls(**callback.initkwargs)
    view.action_map = getattr(callback, "actions", None)
    methods = view.allowed_methods if view.action_map is None else map(str.upper, view.action_map)
    for method in methods:
        if method not in _WITHOUT_ACTIONS:
            for name in _route_names(view, method):
                yield name or method, _mapped_route(view, name, method), _asked_about(view, name)


def _asked_about(view: Any, name: str) -> Any:
    """What a route is about, as a gate has it; a callable where that is told by a request alone."""
    detail = name in _OF_OBJECTS if name in _VERBS else getattr(view, "detail", None)
    if detail is None and hasattr(view, "get_object"):
        return view.get_object
    return (_model_class(view), view.lookup_field) if detail else getattr(view, "avp_resource", None)


def route_name(view: Any, method: str) -> str:
    """What a method of a view is called: ``"list"``, ``"publish"``, ``"metadata"``; empty for plain views."""
    names = _route_names(view, method)
    return names[-1] if len(names) > 1 and names_an_object(view) else names[0]


def _route_names(view: Any, method: str) -> list[str]:
    """What a method of a view may be called; two names where a generic view is both a list and a detail."""
    key = "get" if method == "HEAD" else method.lower()
    if key == "options":
        return ["metadata"]
    routes: Mapping[str, str] | None = getattr(view, "action_map", None)
    if routes is not None:
        name = routes.get(key) or ""
        return [_TWINS.get(name, name)]
    return [name for verb, mixin, name in _MIXINS if verb == key and isinstance(view, mixin)] or [""]


def names_an_object(view: Any) -> bool:
    """Whether the address of a request names one object, by the keyword that the view looks it up with."""
    return (getattr(view, "lookup_url_kwarg", None) or getattr(view, "lookup_field", None)) in view.kwargs


def is_about_an_object(view: Any, method: str) -> bool:
    """Whether a method of a view that handles a request is about one object, and not about all of them."""
    name = route_name(view, method)
    if name in _VERBS:
        return name in _OF_OBJECTS
    if not (hasattr(view, "get_object") and hasattr(view, "lookup_field")):
        return False  # a plain view may have a method of that name, which takes what it likes
    detail: bool | None = getattr(view, "detail", None)
    return names_an_object(view) if detail is None else detail


def _mapped_route(view: Any, name: str, method: str) -> str | None:
    return _mapped(view, name, "update" if name == "partial_update" else name, "GET" if method == "HEAD" else method)


def _mapped(view: Any, name: str, *others: str) -> str | None:
    declared: Mapping[str, str | None] = getattr(view, "avp_actions", None) or {}
    for key in (name, *others):
        if key in declared:
            # Nothing is no mapping, and no mapping is refused.
            return declared[key] or None
    model = _model(view)
    verb = _VERBS.get(name)
    return model_action(verb, model) if verb and model else None


def _model(view: Any) -> str | None:
    model = _model_class(view)
    return None if model is None else model.__name__


def _model_class(view: Any) -> type[models.Model] | None:
    # Only what is written down: the same for a request, for system checks and for the OpenAPI schema.
    queryset = getattr(view, "queryset", None)
    if queryset is not None:
        return queryset.model  # type: ignore[no-any-return]
    return getattr(getattr(getattr(view, "serializer_class", None), "Meta", None), "model", None)
