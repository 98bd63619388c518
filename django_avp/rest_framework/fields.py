"""A serializer field that tells what is permitted on each object, decided for a whole page at once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from copy import copy
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.db import models
from rest_framework import serializers
from rest_framework.fields import SkipField
from rest_framework.permissions import SAFE_METHODS

from django_avp.gates import authorization_of
from django_avp.planning import leave_to_rendering

if TYPE_CHECKING:
    from django_avp.authorization import Authorization
    from django_avp.cedar import Check

__all__ = ["PermittedActionsField", "collect_object", "collect_rows", "declared_actions"]

logger = logging.getLogger("django_avp")

_PLANNED = "_avp_planned"
# What is answered without a serialized object; a view need not have a serializer for it.
_UNTOLD = ("DELETE", "OPTIONS")


class PermittedActionsField(serializers.Field):  # type: ignore[type-arg]
    """``{"EditPhoto": true, "DeletePhoto": false}``: what the request's principal may do with the object.

    All that a response will tell is decided in one round: with the gate for the object of a view with
    ``ActionPermission``, else when the first object is serialized. That covers every row of a list, and nested
    serializers, whose relations are fetched in one query each. What could not be decided is false.

    Args:
        actions: the Cedar actions.
        source: the related object to tell about, in place of the serialized one.

    Raises:
        ValueError: no action is named.
    """

    def __init__(self, *, actions: Iterable[str], **kwargs: Any) -> None:
        self.actions = () if isinstance(actions, str) else tuple(actions)
        if not self.actions:
            raise ValueError('Name the actions in a list: PermittedActionsField(actions=["EditPhoto"]).')
        super().__init__(**{"source": "*", **kwargs, "read_only": True})

    def to_representation(self, instance: Any) -> dict[str, bool]:
        """Tell about one object.

        Raises:
            ImproperlyConfigured: the serializer has no request, or the object's model is not registered.
            ValueError: the object is not saved.
        """
        authorization = self._authorization()
        checks, is_planned = self._plan(authorization, instance)
        return {
            action: check is not None and bool(authorization.answer(check, is_planned=is_planned))
            for action, check in zip(self.actions, checks, strict=True)
        }

    async def ato_representation(self, instance: Any) -> dict[str, bool]:
        """The same as :meth:`to_representation`, for serializers that await their fields."""
        authorization = self._authorization()
        await sync_to_async(self._plan)(authorization, instance)
        await authorization.adecide()
        return await sync_to_async(self.to_representation)(instance)

    def resources(self, rows: Iterable[Any]) -> list[Any]:
        """What the field tells about, for rows that will be serialized; none where it cannot be reached."""
        return [found for row in rows for found in _reached(self, row)]

    def _authorization(self) -> Authorization:
        request = self.context.get("request")
        if request is None:
            raise ImproperlyConfigured(
                f"{type(self.parent).__name__}.{self.field_name} does not know who asks. Give the serializer the "
                'request: context={"request": request}.'
            )
        return authorization_of(request)

    def _plan(self, authorization: Authorization, instance: Any) -> tuple[list[Check | None], bool]:
        """The checks about an object, which now are decided or in the next round, and whether that was foreseen.

        The first that is not brings along all that the response will tell.
        """
        checks = [authorization.check(action, instance) for action in self.actions]
        root: Any = self.root
        if not _are_expected(checks, authorization) and not hasattr(root, _PLANNED):
            setattr(root, _PLANNED, True)
            collect_rows(root, _rows(root), authorization)
        is_planned = _are_expected(checks, authorization)
        if not is_planned:
            place = f"{type(self.parent).__name__}.{self.field_name}"
            logger.warning("avp.unplanned_check", extra={"action": ", ".join(self.actions), "field": place})
            authorization.collect(self.actions, instance)
        return checks, is_planned


def collect_object(view: Any, instance: models.Model, authorization: Authorization) -> None:
    """Add to the next round what a view will tell about its object, by the serializer that it has for it."""
    if view.request.method in _UNTOLD or not hasattr(view, "get_serializer"):
        return
    try:
        serializer = view.get_serializer(instance)
    except Exception as error:
        # The view raises it, once the gate has let the request in.
        leave_to_rendering(error)
        return
    # What a request may change is read again when it has.
    collect_rows(serializer, [instance], authorization, is_kept=view.request.method in SAFE_METHODS)


def collect_rows(serializer: Any, rows: Iterable[Any], authorization: Authorization, *, is_kept: bool = True) -> None:
    """Add to the next round what a serializer will tell about rows, and about what is nested in them.

    Args:
        serializer: one with the rows' fields.
        rows: what it will serialize.
        authorization: the request's.
        is_kept: whether the rows keep the relations that are fetched for it, which serializing then reads.
    """
    saved = [row for row in rows if isinstance(row, models.Model) and row.pk is not None]
    for field in _asking_fields(serializer) if saved else ():
        if isinstance(field, PermittedActionsField):
            authorization.collect(field.actions, field.resources(saved))
        else:
            collect_rows(field, _related(field, saved, is_kept=is_kept), authorization, is_kept=is_kept)


def declared_actions(serializer_class: Any) -> Iterator[tuple[str, str, Any]]:
    """The fields of a serializer class and of those nested in it, each with an action that it names; for tools.

    The last is what the action is asked about, as in a gate: a pair with the serializer's model.
    """
    serializer_class = getattr(serializer_class, "child", serializer_class)
    model = getattr(getattr(serializer_class, "Meta", None), "model", None)
    for name, field in getattr(serializer_class, "_declared_fields", {}).items():
        if isinstance(field, PermittedActionsField):
            yield from ((name, action, (model, "pk")) for action in field.actions)
        else:
            yield from ((f"{name}.{inner}", *rest) for inner, *rest in declared_actions(field))


def _are_expected(checks: Iterable[Check | None], authorization: Authorization) -> bool:
    return all(check is None or authorization.expects(check) for check in checks)


def _asking_fields(serializer: Any) -> list[Any]:
    """The fields that tell what is permitted, and the nested serializers that have such fields."""
    fields = getattr(getattr(serializer, "child", serializer), "fields", None) or {}
    return [
        field
        for field in fields.values()
        if isinstance(field, PermittedActionsField)
        or (isinstance(field, serializers.BaseSerializer) and not field.write_only and _asking_fields(field))
    ]


def _rows(root: Any) -> Iterable[Any]:
    """What a serializer is about to tell of, as far as it is in memory."""
    instance = getattr(root, "instance", None)
    if not isinstance(root, serializers.ListSerializer):
        return [instance]
    is_unread = isinstance(instance, models.QuerySet) and instance._result_cache is None
    return () if is_unread or isinstance(instance, models.Manager) else instance or ()


def _related(field: Any, rows: list[models.Model], *, is_kept: bool) -> list[Any]:
    """The related objects that a nested serializer will serialize, fetched for all rows at once."""
    if field.source_attrs:
        if not is_kept:
            rows = [_apart(row, field.source_attrs) for row in rows]
        try:
            # What serializing would do row by row.
            models.prefetch_related_objects(rows, "__".join(field.source_attrs))
        except (AttributeError, ValueError):
            # No relation. What is at hand already is no work to read: a list that a queryset prefetched, say.
            rows = [row for row in rows if field.source_attrs[0] in vars(row)]
    return [found for row in rows for found in _reached(field, row)]


def _apart(row: models.Model, path: list[str]) -> models.Model:
    """A copy of a row, and of what it has of a path: the row itself will not have what is fetched onto them."""
    copied: Any = copy(row)
    copied._prefetched_objects_cache = {**getattr(row, "_prefetched_objects_cache", {})}
    name, *further = path
    related = copied._state.fields_cache.get(name)
    if further and related is not None:
        copied._state.fields_cache[name] = _apart(related, further)
    return copied  # type: ignore[no-any-return]


def _reached(field: Any, row: Any) -> Iterable[Any]:
    try:
        value = field.get_attribute(row)
    except (AttributeError, KeyError, SkipField, ObjectDoesNotExist):
        return ()
    if isinstance(value, models.Manager):
        return value.all()
    if isinstance(value, models.QuerySet | list | tuple):
        return value
    return () if value is None else (value,)
