"""Reads template expressions ahead of rendering, doing nothing that rendering would not do itself.

INVARIANT: no code of the project runs, no iterator moves, no lazy object is forced, and no query is made whose result
rendering would not use. Whatever would take one of these is ``UNKNOWN``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import date, time, timedelta
from types import (
    BuiltinMethodType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    WrapperDescriptorType,
)
from typing import Any, NamedTuple

from django.core.paginator import Page
from django.db.models import QuerySet
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ManyToManyDescriptor,
    ReverseManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)
from django.db.models.manager import BaseManager
from django.db.models.query_utils import DeferredAttribute
from django.http import QueryDict
from django.template.base import FilterExpression, Variable
from django.utils.functional import LazyObject, Promise, cached_property, empty

from django_avp.planning.errors import leave_to_rendering
from django_avp.planning.filters import filtered
from django_avp.planning.scope import MISSING, UNKNOWN, Later, Scope

__all__ = ["Reader"]

_ABSENT = object()
_ALL: Any = BaseManager.all
_ITERABLES: tuple[type, ...] = (
    list,
    tuple,
    str,
    dict,
    set,
    frozenset,
    range,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
_INDEXED = (list, tuple, str)
_DICT_VIEWS = ("items", "keys", "values")
_IMMUTABLE = (str, int, float, tuple, date, time, timedelta)


class _Fields(NamedTuple):
    field: Any


_TUPLE_FIELD = type(_Fields.__dict__["field"])
_RELATED = (ForwardManyToOneDescriptor, ReverseOneToOneDescriptor)
_KEPT = (cached_property, functools.cached_property)
_MANAGERS = (ReverseManyToOneDescriptor, ManyToManyDescriptor)
# What reads memory and nothing else.
_SLOTS = (GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType, _TUPLE_FIELD)


class Reader:
    """Reads expressions, more or less of them by how certain it is that rendering will read them too.

    Args:
        is_early: whether a gate has yet to decide. Until then no ``cached_property`` is computed (rule D1), and what
            an object does not have it may still be given.

    Attributes:
        is_certain: whether rendering is certain to read what planning comes to.
        may_be_replaced: whether a tag has had the names in its hands, and may have put something else in their place.
    """

    def __init__(self, *, is_early: bool = False) -> None:
        self.is_certain = True
        self.may_be_replaced = False
        self._is_early = is_early
        self._awaited: dict[int, QuerySet[Any]] = {}

    def value(self, expression: FilterExpression, scope: Scope, *, missing: Any = None) -> Any:
        """The value of an expression, ``missing`` for a name that is not there, or ``UNKNOWN``."""
        try:
            value = self._variable(expression.var, scope) if expression.is_var else _settled(expression.var)
            value = missing if value is MISSING else value
            for function, arguments in expression.filters:
                value = filtered(function, value, [self._argument(argument, scope) for argument in arguments])
        except Exception as error:
            leave_to_rendering(error)
            return UNKNOWN
        return value

    def rows(self, sequence: Any) -> Sequence[Any] | None:
        """What ``{% for %}`` iterates; ``None`` if planning may not."""
        if sequence is None:
            return ()
        if type(sequence) is Page:
            return self.rows(sequence.object_list)
        if is_plain(sequence, *_ITERABLES):
            return tuple(sequence)
        return self._fetched(sequence) if is_plain(sequence, QuerySet) else None

    def expect(self, queryset: QuerySet[Any]) -> None:
        """Note that rendering is certain to fetch a queryset, so that what follows may iterate it."""
        if self.is_certain:
            self._awaited[id(queryset)] = queryset

    def _fetched(self, queryset: QuerySet[Any]) -> Sequence[Any] | None:
        if queryset._result_cache is not None:
            return queryset._result_cache
        # What is not sliced may be all of a table, of which a tag shows one page.
        is_shown = self.is_certain and (queryset.query.is_sliced or not self.may_be_replaced)
        if not (is_shown or id(queryset) in self._awaited):
            return None
        try:
            # Rendering finds the rows in the same queryset.
            return tuple(queryset)
        except Exception as error:
            leave_to_rendering(error)
            return None

    # Variables

    def _argument(self, argument: tuple[bool, Any], scope: Scope) -> Any:
        is_variable, value = argument
        return self._variable(value, scope) if is_variable else value

    def _variable(self, variable: Variable, scope: Scope) -> Any:
        if variable.lookups is None:
            return variable.literal
        first, *rest = variable.lookups
        value = self._called(_settled(scope.get(first)))
        for name in rest:
            if value is UNKNOWN or value is MISSING:
                return value
            value = self._called(_settled(self._looked_up(value, name)))
        return value

    def _called(self, value: Any) -> Any:
        """What Django's templates make of a callable: they call it, unless it asks them not to."""
        if not callable(value) or _attribute_of(value, "do_not_call_in_templates") is True:
            return value
        if isinstance(value, BuiltinMethodType):
            owner = value.__self__
            is_view = is_plain(owner, dict) and value.__name__ in _DICT_VIEWS
            # Python's own methods of values that do not change.
            return value() if is_view or isinstance(owner, _IMMUTABLE) else UNKNOWN
        if isinstance(value, MethodType) and value.__func__ is _ALL:
            return _prefetched(value.__self__)
        return UNKNOWN

    def _looked_up(self, value: Any, name: str) -> Any:
        """One step of a dotted name: a key, an attribute, an index, in Django's order."""
        is_mapping = (is_plain(value, dict) and not hasattr(type(value), "__missing__")) or type(value) is QueryDict
        if is_mapping and name in value:
            return value[name]
        is_list = is_plain(value, *_INDEXED, QuerySet) or type(value) is Page
        if hasattr(type(value), "__getitem__") and not (is_mapping or is_list):
            return UNKNOWN
        if not name.isdecimal():
            attribute = self._attribute(value, name)
            return MISSING if attribute is _ABSENT else attribute
        if is_list:
            return self._item(value, int(name))
        return value.get(int(name), MISSING) if is_mapping else MISSING

    def _item(self, value: Any, position: int) -> Any:
        is_fetched = not isinstance(value, QuerySet) or value._result_cache is not None
        # An item of a queryset that is not fetched is a query whose result nobody keeps.
        rows = self.rows(value) if is_fetched else None
        if rows is None:
            return UNKNOWN
        return rows[position] if position < len(rows) else MISSING

    def _attribute(self, value: Any, name: str) -> Any:
        kind = type(value)
        if issubclass(kind, type) or not isinstance(kind.__getattribute__, WrapperDescriptorType):
            return UNKNOWN
        found = _attribute_of(kind, name)
        own = getattr(value, "__dict__", {})
        if found is _ABSENT:
            if name in own:
                return own[name]
            return UNKNOWN if self._is_early or hasattr(kind, "__getattr__") else _ABSENT
        if name in own and not hasattr(type(found), "__set__"):
            return own[name]
        return self._described(value, name, found)

    def _described(self, value: Any, name: str, found: Any) -> Any:
        """An attribute that the class of a value describes."""
        # What is read here stays on the instance: where rendering reads it too, it costs nothing.
        if isinstance(found, _RELATED):
            is_read = self.is_certain or _is_loaded(value, found)
        elif isinstance(found, DeferredAttribute):
            is_read = self.is_certain
        elif isinstance(found, _KEPT):
            is_read = self.is_certain and not self._is_early
        else:
            is_read = isinstance(found, (*_MANAGERS, *_SLOTS)) or found is _ALL
        if is_read:
            return getattr(value, name)
        return UNKNOWN if hasattr(found, "__get__") else found


def is_plain(value: Any, *kinds: type) -> bool:
    """Whether a value is of one of these types and is iterated as they are, also where it is of a subclass."""
    kind = type(value)
    return any(
        issubclass(kind, one) and all(getattr(kind, name, None) is getattr(one, name, None) for name in _READING)
        for one in kinds
    )


_READING = ("__iter__", "__len__", "__getitem__", "_fetch_all")


def _settled(value: Any) -> Any:
    """A value that may be looked into: what a lazy object wraps if it is there, what is to come later."""
    kind = type(value)  # isinstance() would force a lazy object to tell its class
    if kind is Later:
        return value.make()
    if issubclass(kind, LazyObject):
        wrapped = vars(value).get("_wrapped", empty)
        return UNKNOWN if wrapped is empty else wrapped
    return UNKNOWN if issubclass(kind, Promise) else value


def _attribute_of(value: Any, name: str) -> Any:
    """An attribute as the class, or a class and its bases, hold it, without any descriptor's doing."""
    kind = value if isinstance(value, type) else type(value)
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), _ABSENT)


def _is_loaded(instance: Any, descriptor: Any) -> bool:
    """Whether a related instance is there without a query."""
    if descriptor.is_cached(instance):
        return True
    field = getattr(descriptor, "field", None)
    return field is not None and instance.__dict__.get(field.attname, _ABSENT) is None


def _prefetched(manager: Any) -> Any:
    """The rows of ``album.photos.all`` if they were prefetched: any other queryset would be another one each time."""
    name = getattr(manager, "prefetch_cache_name", None)
    if name is None and hasattr(manager, "field"):
        name = manager.field.remote_field.cache_name
    instance = getattr(manager, "instance", None)
    rows = getattr(instance, "_prefetched_objects_cache", {}).get(name) if isinstance(manager, BaseManager) else None
    return UNKNOWN if rows is None else rows
