"""The names that a template sees while it is planned, and what stands for a value that planning does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

__all__ = ["MISSING", "UNKNOWN", "Later", "Scope"]


class _Absence(Enum):
    UNKNOWN = auto()
    MISSING = auto()


UNKNOWN = _Absence.UNKNOWN
"""A value that only rendering will have."""
MISSING = _Absence.MISSING
"""No value: rendering will not have one either."""

# What every context of Django begins with.
_BUILTINS: Mapping[str, Any] = {"True": True, "False": False, "None": None}


@dataclass(frozen=True, slots=True, eq=False)
class Later:
    """A value that is made when a template names it; ``make`` returns the same one each time."""

    make: Callable[[], Any]


class Scope:
    """A stack of names, as a context of Django is one, that knows whether it is all of them.

    Args:
        layers: from the outermost to the innermost; they are copied.
        is_open: whether rendering may know more names, so that one that is not here is unknown and not missing.
    """

    def __init__(self, *layers: Mapping[str, Any], is_open: bool = False) -> None:
        self._layers: list[dict[str, Any]] = [dict(layer) for layer in (_BUILTINS, *layers)]
        self.is_open = is_open

    def get(self, name: str) -> Any:
        """The value of a name, ``UNKNOWN`` or ``MISSING``."""
        for layer in reversed(self._layers):
            if name in layer:
                return layer[name]
        return UNKNOWN if self.is_open else MISSING

    def bind(self, values: Mapping[str, Any]) -> None:
        """Set names in the innermost layer."""
        self._layers[-1].update(values)

    def lose(self, names: Iterable[str]) -> None:
        """Know these names no more, wherever they were set."""
        for layer in self._layers:
            layer.update((name, UNKNOWN) for name in names if name in layer)

    @contextmanager
    def pushed(self, values: Mapping[str, Any]) -> Iterator[None]:
        """A layer of its own for a block."""
        self._layers.append(dict(values))
        try:
            yield
        finally:
            self._layers.pop()
