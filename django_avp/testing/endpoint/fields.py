"""Members of requests, checked as the API's model has them: what is out of shape is refused by its path."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from django_avp.testing.endpoint.errors import refused

__all__ = ["boolean", "choice", "items", "member", "name", "record", "text"]

_NAME = re.compile(r"(name/[a-zA-Z0-9/_-]{1,145})?")


def member(value: Any, path: str, *names: str) -> tuple[str, Any]:
    """The one member that a union has, and its content."""
    given = [name for name in names if isinstance(value, Mapping) and value.get(name) is not None]
    if len(given) != 1:
        raise refused(f"Give one of {' and '.join(names)}.", [path])
    return given[0], value[given[0]]


def text(container: Any, key: str, path: str = "", *, most: int = 200, default: str | None = None) -> str:
    """A text of at most ``most`` characters; without a default it must be there and have one.

    Args:
        container: the structure that has it.
        key: its name.
        path: the path of the structure, with a dot after it.
        most: the most characters.
        default: what an absent one is.
    """
    value = container.get(key, default) if isinstance(container, Mapping) else None
    if not isinstance(value, str) or len(value) > most or (default is None and not value):
        raise refused(f"A text of at most {most} characters.", [f"{path}{key}"])
    return value


def record(container: Any, key: str, path: str = "") -> Mapping[str, Any]:
    """A structure."""
    value = container.get(key) if isinstance(container, Mapping) else None
    if not isinstance(value, Mapping):
        raise refused("A structure.", [f"{path}{key}"])
    return value


def items(value: Any, path: str) -> list[Any]:
    """A list, empty where it is absent."""
    if value is not None and not isinstance(value, list):
        raise refused("A list.", [path])
    return value or []


def choice(container: Mapping[str, Any], key: str, path: str, values: Collection[str], default: str = "") -> str:
    """One of an enumeration's values."""
    value = container.get(key, default)
    if value not in values:
        raise refused(f"One of {', '.join(values)}.", [f"{path}{key}"])
    return str(value)


def boolean(container: Mapping[str, Any], key: str, path: str = "") -> bool:
    """A boolean, false where it is absent."""
    value = container.get(key, False)
    if not isinstance(value, bool):
        raise refused("A boolean.", [f"{path}{key}"])
    return value


def name(request: Mapping[str, Any]) -> str:
    """The name of a policy or a template, ``name/…``; empty for none."""
    value = request.get("name", "")
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise refused("A name is name/ and letters, digits, -, / and _: at most 150 characters.", ["name"])
    return value
