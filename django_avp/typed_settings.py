"""Reads a setting as one type, and says which setting is wrong and what it must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_avp.cedar import EntityUid

__all__ = ["flag", "function", "number", "one_of", "text", "texts", "uid", "wrong"]


def wrong(name: str, value: object, wanted: str) -> ImproperlyConfigured:
    """The error of a setting that is not what it must be."""
    return ImproperlyConfigured(f"{name} is {value!r}; it must be {wanted}.")


def text(name: str, default: str, wanted: str) -> str:
    """A setting that is text."""
    value: object = getattr(settings, name, default)
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
    value: object = getattr(settings, name, default)
    # "False" from an environment variable would count as true.
    if not isinstance(value, bool):
        raise wrong(name, value, "True or False")
    return value


def one_of(name: str, choices: tuple[str, ...]) -> str:
    """A setting that is one of several words, the first unless it is set."""
    value: object = getattr(settings, name, choices[0])
    for choice in choices:
        if value == choice:
            return choice
    raise wrong(name, value, f"one of {', '.join(map(repr, choices))}")


def function(name: str) -> Callable[..., Any] | None:
    """A setting that is a function or the dotted path of one."""
    value: object = getattr(settings, name, None)
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
    value: object = getattr(settings, name, default)
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
