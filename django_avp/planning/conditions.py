"""Evaluates the conditions of ``{% if %}`` as far as planning may (rule D3)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.paginator import Page
from django.db.models import Model, QuerySet
from django.template.smartif import TokenBase

from django_avp.cedar import Decision, EntityUid
from django_avp.planning.reading import Reader, is_plain
from django_avp.planning.scope import UNKNOWN, Scope

__all__ = ["condition", "is_comparable"]

_SCALARS = (bool, int, float, str, bytes, Decimal, date, time, timedelta, UUID, EntityUid)
_CONTAINERS = (list, tuple, dict, set, frozenset, range)

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda one, other: one in other,
    "not in": lambda one, other: one not in other,
    "is": operator.is_,
    "is not": operator.is_not,
}


def condition(token: TokenBase, reader: Reader, scope: Scope) -> bool | None:
    """Whether a condition holds; ``None`` where only rendering can tell."""
    return _truth(_value(token, reader, scope), reader)


def _value(token: Any, reader: Reader, scope: Scope) -> Any:
    if token.id == "literal":
        return reader.value(token.value, scope)
    first = _value(token.first, reader, scope)
    if token.id in _COMPARISONS:
        return _compared(token.id, first, _value(token.second, reader, scope))
    is_true = _truth(first, reader)
    if is_true is None:
        return UNKNOWN
    if token.id == "not":
        return not is_true
    # Rendering does not look at the second part either if the first one decides.
    return first if is_true is (token.id == "or") else _value(token.second, reader, scope)


def _truth(value: Any, reader: Reader) -> bool | None:
    if value is UNKNOWN:
        return None
    if isinstance(value, QuerySet) and is_plain(value, QuerySet):
        if value._result_cache is not None:
            return bool(value._result_cache)
        reader.expect(value)  # to ask whether there are rows fetches them
        return None
    if value is None or isinstance(value, (*_SCALARS, *_CONTAINERS, Decision)):
        return bool(value)
    if type(value) is Page:
        return _truth(value.object_list, reader)
    has_own_truth = hasattr(type(value), "__bool__") or hasattr(type(value), "__len__")
    return None if has_own_truth else True


def _compared(name: str, one: Any, other: Any) -> Any:
    if one is UNKNOWN or other is UNKNOWN:
        return UNKNOWN
    is_searched = name in ("in", "not in")
    items = _items(other) if is_searched else (other,)
    is_known = name in ("is", "is not") or (items is not None and all(map(is_comparable, (one, *items))))
    if not is_known:
        return UNKNOWN
    try:
        return _COMPARISONS[name](one, other)
    except Exception:
        # What cannot be compared is false in a template.
        return False


def _items(value: Any) -> Any:
    if isinstance(value, QuerySet):
        return value._result_cache
    return tuple(value) if is_plain(value, str, *_CONTAINERS) else (value,)


def is_comparable(value: Any) -> bool:
    """Whether no code of the project runs when a value is compared."""
    kind = type(value)
    is_row = issubclass(kind, Model) and kind.__eq__ is Model.__eq__
    is_flat = issubclass(kind, list | tuple) and all(map(is_comparable, value))
    return value is None or issubclass(kind, _SCALARS) or is_row or is_flat
