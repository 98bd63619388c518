"""The filters of Django that planning applies: those that only look at plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.template import defaultfilters

from django_avp.planning.scope import MISSING, UNKNOWN

__all__ = ["filtered"]

_TEXT = {defaultfilters.lower, defaultfilters.upper}
_ROWS = {defaultfilters.first, defaultfilters.last}
# Of what is no list, nothing is raised.
_LENIENT = {defaultfilters.default, defaultfilters.length, defaultfilters.slice_filter}
_NUMBERS = {defaultfilters.add, defaultfilters.divisibleby}
_SCALARS = (str, int, float)


def filtered(function: Callable[..., Any], value: Any, arguments: list[Any]) -> Any:
    """A filter's result; ``UNKNOWN`` if the filter may do more than look at its arguments.

    ``random``, for one, would move the generator of random numbers, and a filter of the project may do anything.
    """
    if any(one is UNKNOWN or one is MISSING for one in (value, *arguments)):
        return UNKNOWN
    if function is defaultfilters.default_if_none:
        return function(value, *arguments)
    is_fetched = isinstance(value, QuerySet) and value._result_cache is not None
    is_scalar = value is None or isinstance(value, _SCALARS)
    is_list = isinstance(value, list | tuple | str) or is_fetched
    is_applied = (
        (function in _LENIENT and (is_scalar or is_list))
        or (function in _ROWS and is_list)
        or (function in _NUMBERS and is_scalar)
        or (function in _TEXT and is_scalar)
    )
    return function(value, *arguments) if is_applied else UNKNOWN
