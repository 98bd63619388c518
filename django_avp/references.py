"""Which references policies follow from the resource, the context and the entities they name.

A policy that reads ``resource.album.is_public`` needs the album to exist when it is evaluated, one that compares
``resource.album == context.album`` does not. Known for all policies, this makes the world of a check a function of
the check alone (rule A1) without loading what nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django_avp.cedar import EntityUid

__all__ = ["EVERYTHING", "Mentions", "Path", "References", "Root", "read_attributes"]

Root = str | EntityUid
Path = tuple[str, ...]

# Expressions whose (left) operand must exist to be evaluated; `is` looks at the type alone.
_READS = frozenset({".", "has", "hasTag", "getTag", "in"})


@dataclass(frozen=True, slots=True)
class References:
    """Paths of attribute names that lead to an entity some policy reads.

    ``paths`` maps a root (``"resource"``, ``"context"`` or an entity id named in a policy) to its paths; the empty
    path is the root itself. ``None`` stands for policies that are not known: every reference may be followed.
    ``length`` tells how many references the longest path follows; ``None`` where that is not known.
    """

    paths: Mapping[Root, frozenset[Path]] | None
    length: int | None = field(init=False, compare=False)
    _beginnings: Mapping[Root, frozenset[Path]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lengths = None if self.paths is None else [len(path) for paths in self.paths.values() for path in paths]
        object.__setattr__(self, "length", None if lengths is None else max(lengths, default=0))
        beginnings = {
            root: frozenset(path[:length] for path in paths for length in range(len(path) + 1))
            for root, paths in (self.paths or {}).items()
        }
        object.__setattr__(self, "_beginnings", beginnings)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> References:
        """Collect the references of a policy set in Cedar's JSON format."""
        found: dict[Root, set[Path]] = {}
        for kind in ("staticPolicies", "templates"):
            for policy in document[kind].values():
                for condition in policy["conditions"]:
                    for root, path in _read_places(condition["body"]):
                        found.setdefault(root, set()).add(path)
        return cls({root: frozenset(paths) for root, paths in found.items()})

    def step(self, root: Root, path: Path, names: Path) -> Path | None:
        """The path that attribute names lead on to; ``None`` where nothing reads what is there."""
        if self.paths is None:
            return ANYWHERE
        further = (*path, *names)
        return further if further in self._beginnings.get(root, ()) else None

    def named_entities(self) -> tuple[EntityUid, ...]:
        """The entities that policies name and read."""
        return tuple(root for root in self.paths or () if isinstance(root, EntityUid))


@dataclass(frozen=True, slots=True)
class Mentions:
    """What policies speak of anywhere, whether or not they follow it.

    Attributes:
        entities: the entities that they name, in their scopes, in conditions and in template links.
        attributes: the names of attributes that they read or look for.
    """

    entities: frozenset[EntityUid] = frozenset()
    attributes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Mentions:
        """Collect the mentions of a policy set in Cedar's JSON format."""
        entities, attributes = set(), set()
        stack: list[Any] = [document]
        while stack:
            item = stack.pop()
            if isinstance(item, list):
                stack.extend(item)
            elif isinstance(item, Mapping):
                if isinstance(item.get("type"), str) and isinstance(item.get("id"), str):
                    entities.add(EntityUid(item["type"], item["id"]))
                if isinstance(item.get("attr"), str):
                    attributes.add(item["attr"])
                stack.extend(item.values())
        return cls(frozenset(entities), frozenset(attributes))


EVERYTHING = References(None)
ANYWHERE: Path = ("*",)
"""The one place beyond the root when every reference is followed."""


def read_attributes(policy: Mapping[str, Any]) -> Iterator[tuple[Root, Path]]:
    """The attributes that a policy in Cedar's JSON format reads or looks for, each as a root and a path from it."""
    for condition in policy["conditions"]:
        yield from _attributes(condition["body"])


def _attributes(expression: Any) -> Iterator[tuple[Root, Path]]:
    for operator, operands in _operations(expression):
        if operator in (".", "has"):
            yield from _places(operands["left"], (operands["attr"],))
        for operand in _children(operator, operands):
            yield from _attributes(operand)


def _read_places(expression: Any) -> Iterator[tuple[Root, Path]]:
    """The places an expression reads from, in all its parts."""
    for operator, operands in _operations(expression):
        if operator in _READS or (operator == "is" and "in" in operands):
            yield from _places(operands["left"])
        for operand in _children(operator, operands):
            yield from _read_places(operand)


def _places(expression: Any, names: Path = ()) -> Iterator[tuple[Root, Path]]:
    """Where the value of ``expression.name.name…`` may come from: a root and the attribute names on the way.

    INVARIANT: all that can evaluate to an entity is here. What is not (a comparison, a Set, a call) never does.
    """
    for operator, operands in _operations(expression):
        if operator == "Var":
            yield operands, names
        elif operator == "Value" and isinstance(operands, dict) and "__entity" in operands:
            yield EntityUid(operands["__entity"]["type"], operands["__entity"]["id"]), names
        elif operator == ".":
            yield from _places(operands["left"], (operands["attr"], *names))
        elif operator == "getTag":
            yield from _places(operands["left"], ("", *names))
        elif operator == "if-then-else":
            yield from _places(operands["then"], names)
            yield from _places(operands["else"], names)
        elif operator == "Record" and names:
            # A Record written in the policy hands its field on.
            yield from _places(operands.get(names[0]), names[1:])


def _operations(expression: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(expression, dict):
        yield from expression.items()


def _children(operator: str, operands: Any) -> list[Any]:
    if operator in ("Value", "Var"):
        return []
    if isinstance(operands, list):
        return operands
    return list(operands.values()) if isinstance(operands, dict) else []
