"""Where something was asked: the line of a template, a gate, the line of the project's code, or else the view."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from django_avp.gates import place_of
from django_avp.recording import Place

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["Kind", "Where", "shortened", "where"]

_GATES = ("django_avp.gates", "django_avp.rest_framework.permissions")
# What calls the view, perhaps in another thread: further out is nobody who asked.
_ENDS = ("django.core.handlers", "asgiref", "asyncio", "concurrent", "threading")
# What asks on behalf of others.
_PASSED = ("django_avp", "django", "debug_toolbar", "rest_framework", "adrf", "ninja")


class Kind(Enum):
    """Who asked."""

    TEMPLATE = auto()
    GATE = auto()
    CODE = auto()
    """Code of the project."""
    VIEW = auto()
    """A view, by what it is made of: a class of Django's, of REST framework's or of this package's."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a check was asked; ``text`` is for people."""

    kind: Kind
    text: str


def where(request: HttpRequest, place: Place | None) -> Where:
    """Where the caller is asked from.

    Args:
        request: its view is what asks if no code of the project is found.
        place: where in a template; ``None`` if it is not one that asks.
    """
    if place is not None:
        return Where(Kind.TEMPLATE, f"{place.template}:{place.line}" if place.line else str(place.template))
    frame = inspect.currentframe()
    while frame is not None and not _is_in(module := str(frame.f_globals.get("__name__")), _ENDS):
        if module in _GATES:
            return Where(Kind.GATE, f"gate of {_view(request)}")
        if not _is_in(module, _PASSED):
            function = frame.f_code.co_qualname.partition(".<locals>.<")[0]
            return Where(Kind.CODE, f"{shortened(frame.f_code.co_filename)}:{frame.f_lineno} in {function}")
        frame = frame.f_back
    return Where(Kind.VIEW, _view(request))


def shortened(path: str) -> str:
    """A path as it is seen from where the server was started."""
    return path.removeprefix(f"{Path.cwd()}/")


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _view(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is None:
        return "no view"
    # Django's admin makes its views of methods.
    admin = getattr(match.func, "model_admin", None)
    return place_of(match.func) if admin is None else f"{place_of(type(admin))}.{match.func.__name__}"
