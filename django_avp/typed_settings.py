"""Reads a setting as one type, and says which setting is wrong and what it must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import empty
from django.utils.module_loading import import_string

from django_avp.cedar import EntityUid

__all__ = [
    "UNSET",
    "flag",
    "function",
    "holder",
    "number",
    "one_of",
    "read",
    "snapshot",
    "text",
    "texts",
    "uid",
    "wrong",
]


class _Unset(Enum):
    UNSET = "unset"


UNSET = _Unset.UNSET
"""In place of the value of a setting that is not set."""


def read(name: str, default: object = None) -> Any:
    """A setting as it is now, or the default where it is not set.

    The same as ``getattr(settings, name, default)``, which raises and catches two errors on its way to a default: five
    times the time, for most settings of most sites, in every request.
    """
    found: object = settings._wrapped  # type: ignore[misc]  # the stubs do not have it
    return getattr(settings if found is empty else found, name, default)


def holder() -> object:
    """Where ``settings`` itself looks: ``override_settings`` puts another one there, and assignments reach it."""
    found: object = settings._wrapped  # type: ignore[misc]
    return settings if found is empty else found


def snapshot(value: object) -> object:
    """A copy of a setting's value that is equal to it until it is changed, in place as well.

    A function stays what it is, and the copy of what cannot be looked into is equal to nothing.
    """
    if isinstance(value, Mapping):
        return {name: snapshot(item) for name, item in value.items()}
    if isinstance(value, list):
        return [snapshot(item) for item in value]
    if isinstance(value, tuple):
        return tuple(snapshot(item) for item in value)
    if isinstance(value, set | frozenset):
        return frozenset(value)
    return value if value is None or callable(value) or isinstance(value, str | int | float | _Unset) else object()


def wrong(name: str, value: object, wanted: str) -> ImproperlyConfigured:
    """The error of a setting that is not what it must be."""
    return ImproperlyConfigured(f"{name} is {value!r}; it must be {wanted}.")


def text(name: str, default: str, wanted: str) -> str:
    """A setting that is text."""
    value: object = read(name, default)
    if not isinstance(value, str):
        raise wrong(name, value, wanted)
    return value


def texts(name: str, value: object, wanted: str) -> tuple[str, ...]:
    """A value that is one text or several."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple | set | frozenset) or not all(isinstance(one, str) for one in found):
        raise wrong(name, value, wanted)
    return tuple(found)


def flag(name: str, default: bool) -> bool:
    """A setting that is true or false."""
    value: object = read(name, default)
    # "False" from an environment variable would count as true.
    if not isinstance(value, bool):
        raise wrong(name, value, "True or False")
    return value


def one_of(name: str, choices: tuple[str, ...]) -> str:
    """A setting that is one of several words, the first unless it is set."""
    value: object = read(name, choices[0])
    for choice in choices:
        if value == choice:
            return choice
    raise wrong(name, value, f"one of {', '.join(map(repr, choices))}")


def function(name: str) -> Callable[..., Any] | None:
    """A setting that is a function or the dotted path of one."""
    value: object = read(name)
    try:
        found = import_string(value) if isinstance(value, str) else value
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{name}: {value!r} cannot be imported ({error}). Name a function by its dotted path, or give the function."
        ) from error
    if found is not None and not callable(found):
        raise wrong(name, value, "a function or the dotted path of one")
    return found


def number(name: str, default: int, wanted: str) -> float:
    """A setting that is a number, not below zero."""
    value: object = read(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise wrong(name, value, wanted)
    return value


def uid(name: str, value: object) -> EntityUid:
    """A value that is an entity id or the text form of one."""
    try:
        found = EntityUid.parse(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error
    if not isinstance(found, EntityUid):
        raise wrong(name, value, """an entity id, such as 'Application::"default"'""")
    return found
