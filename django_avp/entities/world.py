"""The world of a check: every entity that has to exist when it is decided.

INVARIANT: the world is a function of the check and of stored rows alone. Whatever else is decided in the same batch
changes no answer (rule A1), nothing is left out silently (rule A2), and the number of queries grows with the depth of
the hierarchy, never with the number of checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Any

from django.db import models

from django_avp.cedar import Entity, EntityUid
from django_avp.conf import conf
from django_avp.entities.nodes import Nodes, with_uids
from django_avp.entities.registry import Registry
from django_avp.references import Path, References, Root

__all__ = ["MAX_ANCESTORS", "Start", "World", "WorldFault", "Worlds", "with_uids"]

# Verified Permissions quotas: "Transitive parents per resource" is 100 with the resource itself.
MAX_ANCESTORS = 99

Start = tuple[EntityUid, Root, Path]
"""An entity of a check and how policies come to it: as ``resource``, from ``context`` by a path, or by its name."""


class WorldFault(Exception):  # noqa: N818 - never leaves the package; its text is a code for logs
    """Raised when a check cannot be decided on all that belongs to it."""


@dataclass(frozen=True, slots=True)
class World:
    """The entities of a check; ``fault`` names why there is no complete world, and then nothing is decided."""

    entities: tuple[Entity, ...] = ()
    fault: str = ""


class Worlds:
    """Builds worlds and remembers rows for the length of a request: one snapshot of each (rule A4)."""

    def __init__(self, registry: Registry) -> None:
        self._nodes = Nodes(registry)
        self._ancestors: dict[tuple[EntityUid, ...], tuple[EntityUid, ...]] = {}

    def see(self, uid: EntityUid, instance: models.Model) -> EntityUid:
        """Take a snapshot of an instance unless it was seen before, and return the id that it had then."""
        return self._nodes.see(uid, instance)

    def forget(self) -> None:
        """Read everything from the database from now on: what was loaded may be derived from what was written."""
        self._nodes.forget()
        self._ancestors.clear()

    def build(self, starts: Mapping[Any, Iterable[Start]], references: References) -> dict[Any, World]:
        """Build a world for each key of ``starts``, which maps it to the entities that its check begins at.

        The entities that policies name and read belong to every world.
        """
        named = tuple((uid, uid, ()) for uid in references.named_entities())
        groups = {key: (*group, *named) for key, group in starts.items()}
        if not any(groups.values()):
            return dict.fromkeys(groups, World())
        # Several actions on one resource begin at the same entities.
        distinct = dict.fromkeys(groups.values())
        self._load([start for group in distinct for start in group], references)
        worlds = {group: self._world(group, references) for group in distinct}
        return {key: worlds[group] for key, group in groups.items()}

    def _load(self, starts: Iterable[Start], references: References) -> None:
        """Load the worlds of all checks together, a level at a time."""
        reached: dict[EntityUid, None] = {}
        for states in islice(self._levels(starts, references), _limit(references) + 1):
            uids = [uid for uid, _, _ in states]
            self._nodes.load(uids)
            reached.update(dict.fromkeys(uids))
        for generation in islice(self._generations(reached), conf.max_depth + 1):
            self._nodes.load(generation)

    def _world(self, starts: Iterable[Start], references: References) -> World:
        try:
            reached = self._reach(starts, references)
        except WorldFault as fault:
            return World(fault=str(fault))
        return World(tuple([node.entity for uid in reached if (node := self._nodes.get(uid))]))

    def _reach(self, starts: Iterable[Start], references: References) -> dict[EntityUid, None]:
        """Every entity of a world."""
        reached: dict[EntityUid, None] = {}
        for depth, states in enumerate(self._levels(starts, references)):
            if depth > _limit(references):
                raise WorldFault("too_deep")
            for uid, root, path in states:
                node = self._nodes.get(uid)
                # A dangling reference is an entity that does not exist; a resource has to be there.
                if node is None and (root, path) == ("resource", ()) and self._nodes.definition(uid.type) is not None:
                    raise WorldFault("no_entity")
                if uid not in reached:
                    reached[uid] = None
                    if node is not None and node.parents:
                        reached.update(dict.fromkeys(self._above(node.parents)))
        return reached

    def _above(self, parents: tuple[EntityUid, ...]) -> tuple[EntityUid, ...]:
        """The ancestors of entities that have these parents."""
        ancestors = self._ancestors.get(parents)
        if ancestors is None:
            ancestors = self._ancestors[parents] = self._ancestry(parents)
        return ancestors

    def _ancestry(self, parents: tuple[EntityUid, ...]) -> tuple[EntityUid, ...]:
        """Entities that are parents, and their ancestors."""
        ancestry: dict[EntityUid, None] = {}
        for depth, generation in enumerate(self._generations(parents), start=1):
            if depth > conf.max_depth:
                raise WorldFault("too_deep")
            if not all(parent.is_valid for parent in generation):
                raise WorldFault("invalid_id")
            ancestry.update(dict.fromkeys(generation))
            if len(ancestry) > MAX_ANCESTORS:
                raise WorldFault("too_many_parents")
        self._refuse_cycles(ancestry)
        return tuple(ancestry)

    def _refuse_cycles(self, uids: Iterable[EntityUid]) -> None:
        # Cedar refuses all entities of a batch when some are their own ancestors. Such a one is an ancestor of its
        # parents, too.
        parents = {uid: node.parents for uid in uids if (node := self._nodes.get(uid))}
        try:
            TopologicalSorter(parents).prepare()
        except CycleError:
            raise WorldFault("cycle") from None

    # Walking what is loaded. A level is worked out when it is asked for, so that the one before can be loaded.

    def _levels(self, starts: Iterable[Start], references: References) -> Iterator[list[Start]]:
        """The places that policies come to, by the number of references on the way."""
        seen = dict.fromkeys(starts)
        level = list(seen)
        depth = 0
        while level:
            yield level
            if depth == references.length:
                # No policy follows more references.
                return
            depth += 1
            following = dict.fromkeys(state for reached in level for state in self._followed(reached, references))
            level = [state for state in following if state not in seen]
            seen.update(dict.fromkeys(level))

    def _followed(self, state: Start, references: References) -> Iterator[Start]:
        uid, root, path = state
        node = self._nodes.get(uid)
        for names, targets in node.references.items() if node else ():
            step = references.step(root, path, names)
            if step is not None:
                yield from ((target, root, step) for target in targets)

    def _generations(self, uids: Iterable[EntityUid]) -> Iterator[list[EntityUid]]:
        """Entities, their parents, the parents of these, …, each once."""
        seen = dict.fromkeys(uids)
        level = list(seen)
        while level:
            yield level
            nodes = [node for uid in level if (node := self._nodes.get(uid))]
            following = dict.fromkeys(parent for node in nodes for parent in node.parents)
            level = [uid for uid in following if uid not in seen]
            seen.update(dict.fromkeys(level))


def _limit(references: References) -> int:
    """How many references are followed: all of those that policies follow, where that is known."""
    return conf.max_depth if references.length is None else references.length
