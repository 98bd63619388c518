"""A round in as few calls as the limits of Amazon Verified Permissions allow: 30 checks, 100 entities and 1 MB."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

from django_avp.cedar import EntityUid
from django_avp.engines.verified_permissions.calls import Call, Caller, Item, size_of

__all__ = ["calls"]

MAX_CHECKS = 30
MAX_ENTITIES = 100

Weigh = Callable[[Item, Iterable[EntityUid]], int]
"""How many bytes a check takes, together with those of its entities that are named."""


def calls(
    caller: Caller, items: Sequence[Item], store: str, strategy: str, refuse: Callable[[Item, str], object]
) -> tuple[Call, ...]:
    """The calls that decide checks, each of which is within the limits.

    Args:
        caller: who asks.
        items: the checks.
        store: policy store id or alias.
        strategy: ``"single"`` for a call for each check, ``"batch"`` for batch operations alone, ``"auto"`` for a
            single call where a chunk has one check, which costs a thirtieth.
        refuse: called with a check that no call could hold, and why.
    """

    def made(sound: Iterable[Item], weigh: Weigh) -> tuple[Call, ...]:
        chunks = [[item] for item in sound] if strategy == "single" else _chunks(sound, caller.room, weigh)
        return tuple(
            Call(caller, store, tuple(chunk), is_batch=strategy == "batch" or len(chunk) > 1) for chunk in chunks
        )

    invalid = _invalid(items)
    sound = _sound(items, lambda item: _fault_of(item, invalid), refuse)
    found = made(sound, lambda item, uids: 0)
    if all(call.is_small for call in found):
        return found
    # To weigh each part takes as long as all the rest, so it is done where it may matter.
    weigh = _scales(sound)
    fault = "too_large"
    sound = _sound(sound, lambda item: fault if weigh(item, item.entities) > caller.room else "", refuse)
    return made(sound, weigh)


def _invalid(items: Iterable[Item]) -> AbstractSet[EntityUid]:
    """The ids that AVP does not take (rule A9)."""
    named = (uid for item in items for uid in (item.check.action, item.check.resource))
    uids = set(named).union(*(item.entities for item in items))
    return {uid for uid in uids if not uid.is_valid}


def _fault_of(item: Item, invalid: AbstractSet[EntityUid]) -> str:
    """Why a check is over a limit by itself, so that no call could hold it; empty if it is not."""
    fault = ""
    if invalid and not invalid.isdisjoint((item.check.action, item.check.resource, *item.entities)):
        fault = "invalid_id"
    elif len(item.entities) > MAX_ENTITIES:
        fault = "too_many_entities"
    return fault


def _sound(items: Iterable[Item], fault_of: Callable[[Item], str], refuse: Callable[[Item, str], object]) -> list[Item]:
    """The checks without a fault."""
    sound = []
    for item in items:
        fault = fault_of(item)
        if fault:
            refuse(item, fault)
        else:
            sound.append(item)
    return sound


def _scales(items: Iterable[Item]) -> Weigh:
    """How many bytes checks and their entities take."""
    entities = {uid: entity for item in items for uid, entity in item.entities.items()}
    sizes = {uid: size_of(entity) for uid, entity in entities.items()}
    return lambda item, uids: item.size + sum(sizes[uid] for uid in uids)


def _chunks(items: Iterable[Item], room: int, weigh: Weigh) -> list[list[Item]]:
    """Checks in as few chunks as their number allows; those about one resource stay together."""
    chunks: list[_Chunk] = []
    for item in sorted(items, key=lambda one: (one.check.resource.type, one.check.resource.id)):
        if not any(chunk.takes(item) for chunk in chunks):
            chunks.append(_Chunk(item, room, weigh))
    return [chunk.items for chunk in chunks]


class _Chunk:
    """Checks of one call, and the entities that they share.

    Args:
        first: its first check, for which there is always room.
        room: bytes that it has.
        weigh: how many bytes of it a check takes.
    """

    def __init__(self, first: Item, room: int, weigh: Weigh) -> None:
        self.items: list[Item] = []
        self._entities: set[EntityUid] = set()
        self._room = room
        self._weigh = weigh
        self.takes(first)

    def takes(self, item: Item) -> bool:
        """Take one more if there is room for it and for those of its entities that are new; whether there was."""
        new = item.entities.keys() - self._entities
        if len(self.items) == MAX_CHECKS or len(self._entities) + len(new) > MAX_ENTITIES:
            return False
        size = self._weigh(item, new)
        if size > self._room:
            return False
        self.items.append(item)
        self._entities |= new
        self._room -= size
        return True
