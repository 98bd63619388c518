"""Checks that are alike: as far as policies can tell, their resources are the same, so they are decided once.

Cedar sees of a resource its type, its attributes and its ancestors, and cannot look into its id: it can only compare
it with another one. So where the id of a resource stands nowhere but in its own entity, neither in a policy that may
match nor in anything that it can be compared with, another id in its place changes no decision, no reason and no error.

INVARIANT: what might tell two checks apart keeps them apart.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from typing import Any

from django_avp.cedar import Entity, EntityUid
from django_avp.engines.base import Batch
from django_avp.needs import Needs

__all__ = ["Likeness"]


class Likeness:
    """Tells which checks of a batch are alike.

    Args:
        batch: the checks, with their worlds.
        principal: who asks.
        needs: what of entities the policies read.
        named: the entities that policies name which may match.
    """

    def __init__(self, batch: Batch, principal: Entity, needs: Needs, named: Collection[EntityUid]) -> None:
        self._batch = batch
        self._needs = needs
        self._named = named
        self._kinds: dict[tuple[EntityUid, int], int] = {}
        self._forms: dict[Hashable, int] = {}
        worlds = {id(world): world for world in batch.worlds}.values()
        self._compared = {principal.uid}
        for entity in {id(entity): entity for world in worlds for entity in (*world, principal)}.values():
            self._compared.update(entity.parents)
            for value in entity.attributes.values():
                _add_references(value, self._compared)

    def groups(self, positions: Iterable[int]) -> Collection[list[int]]:
        """Positions of checks, those that are alike together."""
        groups: dict[Hashable, list[int]] = {}
        for position in positions:
            check = self._batch.checks[position]
            kind = self._kind(check.resource, self._batch.worlds[position])
            # What a context holds may be compared with the resource.
            is_alone = kind is None or "__entity" in check.context
            key = position if is_alone else (check.action, check.context, kind)
            groups.setdefault(key, []).append(position)
        return groups.values()

    def _kind(self, resource: EntityUid, world: tuple[Entity, ...]) -> int | None:
        """The same number for resources that policies cannot tell apart; ``None`` for one of its own kind."""
        place = (resource, id(world))
        kind = self._kinds.get(place)
        if kind is None:
            form = self._form(resource, world)
            kind = self._kinds[place] = -1 if form is None else self._forms.setdefault(form, len(self._forms))
        return None if kind < 0 else kind

    def _form(self, resource: EntityUid, world: tuple[Entity, ...]) -> Hashable:
        """All that policies can tell of a resource; ``None`` if it may be told from every other one."""
        is_compared = resource in self._named or resource in self._compared or resource.is_action
        if is_compared or self._needs.is_enumerated(resource.type):
            return None
        own: Entity | None = None
        others = []
        for entity in world:
            if entity.uid == resource:
                own = entity
            else:
                others.append(entity.uid)
        if own is None:
            return None
        try:
            # As text, because attributes have no hash.
            return resource.type, repr(self._needs.attributes(own)), own.parents, tuple(others)
        except ValueError:
            # It does not conform, and is refused by itself.
            return None


def _add_references(value: Any, found: set[EntityUid]) -> None:
    """Add the entities that a value in Cedar's JSON format names."""
    if isinstance(value, dict):
        named = value.get("__entity")
        if isinstance(named, dict):
            found.add(EntityUid(named["type"], named["id"]))
            return
        value = value.values()
    elif not isinstance(value, list):
        return
    for item in value:
        if not isinstance(item, str):
            _add_references(item, found)
