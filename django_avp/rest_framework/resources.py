"""What a request to a view is about: the object that it names, fetched once, or what its rows belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import models
from django.http import Http404
from rest_framework.exceptions import NotFound

from django_avp.authorization import Resource
from django_avp.cedar import EntityUid
from django_avp.entities import registry
from django_avp.gates import Gate, found_or_404
from django_avp.rest_framework.actions import is_about_an_object

__all__ = ["is_lookup", "resource_of"]

_FETCHED = "_avp_fetched"
_LOOKUP = "_avp_lookup"
_PARENT = "_avp_parent"


def resource_of(view: Any, method: str) -> Resource:
    """The resource of a method of a view that handles a request.

    For what is about one object it is that object, which the view will not fetch again; for lists and new rows it is
    the view's ``avp_resource``, or the application.

    Raises:
        NotFound: there is no such object.
    """
    try:
        return _object(view) if is_about_an_object(view, method) else _parent(view)
    except Http404 as error:
        # As REST framework does; what shows forms catches exceptions of the framework only.
        raise NotFound(*error.args) from error


def is_lookup(view: Any) -> bool:
    """Whether the queryset that a view has filtered now is the one in which its ``get_object`` looks the object up.

    That is while the gate fetches the object, and without such a gate the first one.
    """
    if _LOOKUP not in vars(view):
        vars(view)[_LOOKUP] = False
        return True
    return bool(vars(view)[_LOOKUP])


@dataclass
class _Fetched:
    """The object of a view, or why there is none."""

    kwargs: dict[str, Any]
    instance: Any = None
    uid: EntityUid | None = None
    error: Exception | None = None
    checked: list[Any] = field(default_factory=list)


def _object(view: Any) -> Resource:
    fetched: _Fetched | None = vars(view).get(_FETCHED)
    if fetched is None or fetched.kwargs != view.kwargs:
        fetched = vars(view)[_FETCHED] = _fetch(view)
    if fetched.error is not None:
        raise fetched.error
    # A row that was deleted meanwhile has no key any more.
    is_deleted = isinstance(fetched.instance, models.Model) and fetched.instance.pk is None
    return fetched.uid if is_deleted else fetched.instance


def _fetch(view: Any) -> _Fetched:
    """Fetch the object as the view does, but for permissions: those are checked when the view takes it (rule D6)."""
    is_async = getattr(view, "view_is_async", False) and hasattr(view, "aget_object")
    name = "aget_object" if is_async else "get_object"
    method = getattr(view, name)
    fetched = _Fetched(dict(view.kwargs))
    check_permissions = view.check_object_permissions
    view.check_object_permissions = lambda request, obj: fetched.checked.append(obj)
    vars(view)[_LOOKUP] = True
    try:
        fetched.instance = found_or_404(async_to_sync(method)() if is_async else method())
        if isinstance(fetched.instance, models.Model):
            fetched.uid = registry.uid(fetched.instance)
    except (Http404, NotFound) as error:
        fetched.error = error
        return fetched
    finally:
        view.check_object_permissions = check_permissions
        vars(view)[_LOOKUP] = False

    def take() -> Any:
        if view.kwargs != fetched.kwargs:
            return method()
        for instance in fetched.checked:
            view.check_object_permissions(view.request, instance)
        return fetched.instance

    async def atake() -> Any:
        return await (method() if view.kwargs != fetched.kwargs else sync_to_async(take)())

    setattr(view, name, atake if is_async else take)
    return fetched


def _parent(view: Any) -> Resource:
    resource = getattr(view, "avp_resource", None)
    if resource is None:
        return None
    if _PARENT not in vars(view):
        if isinstance(resource, tuple):
            found = Gate("", resource).find(view.request, view.kwargs)
        else:
            found = found_or_404(resource() if callable(resource) else resource)
        vars(view)[_PARENT] = found
    parent: Resource = vars(view)[_PARENT]
    return parent
