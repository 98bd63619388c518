"""A batch as calls on the wire: chunks within the limits of Amazon Verified Permissions, and their parameters.

Source: Verified Permissions API reference, version 2021-12-01, and "Quotas for Amazon Verified Permissions".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django_avp.cedar import Check, Entity, EntityUid
from django_avp.identity import Identity
from django_avp.schema import Schema
from django_avp.values import to_json

__all__ = ["Call", "Caller", "Item", "calls", "fault_of"]

MAX_CHECKS = 30
MAX_ENTITIES = 100
# The quota is 1 MB for a request; the rest is for what is around checks, entities and tokens.
MAX_BYTES = 1_000_000 - 4_096


@dataclass(frozen=True, slots=True)
class Item:
    """A check as it goes on the wire, with the entities that it needs in Cedar's JSON format.

    Attributes:
        check: the check.
        request: action, resource and context as the API names them.
        entities: each entity's JSON text by its id; principal and groups come from the token (rule A3).
    """

    check: Check
    request: Mapping[str, Any]
    entities: Mapping[EntityUid, str] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of the check itself."""
        return len(json.dumps(self.request))


class Caller:
    """Who asks, as the API takes it: by tokens, or as a principal with its own entity (rule A3).

    Args:
        identity: who asks.
        schema: what claims without a token are cut to, for what the store's schema does not declare is refused.

    Raises:
        Unholdable: the claims have no form in Cedar.
    """

    def __init__(self, identity: Identity, schema: Schema | None = None) -> None:
        given = {"identityToken": identity._id_token, "accessToken": identity._access_token}
        self.tokens = {name: token for name, token in given.items() if token is not None}
        self.principal: Mapping[str, Any] = {}
        self.entity = ""
        self._claims: Mapping[str, Any] = {}
        self._schema = schema
        if not self.tokens:
            self.principal = {"principal": _entity(identity.principal)}
            self.entity = _text(identity.entity(schema))
            self._claims = identity.token_context()
        # The types that only the principal and its groups are of.
        self._own = {identity.principal.type, *(group.type for group in identity.groups)}
        if identity.source is not None:
            self._own |= {identity.source.principal_type, identity.source.group_type}

    @property
    def room(self) -> int:
        """Bytes that a request has left for checks and entities."""
        return MAX_BYTES - sum(map(len, self.tokens.values())) - _size(self.entity)

    def item(self, check: Check, world: Iterable[Entity]) -> Item:
        """A check on the wire."""
        request: dict[str, Any] = {
            **self.principal,
            "action": {"actionType": check.action.type, "actionId": check.action.id},
            "resource": _entity(check.resource),
        }
        context = self._context(check)
        if context:
            request["context"] = {"cedarJson": context}
        entities = {entity.uid: _text(entity) for entity in world if entity.uid.type not in self._own}
        return Item(check, request, entities)

    def _context(self, check: Check) -> str:
        """A check's context; with an access token AVP itself adds ``context.token``."""
        if not self._claims:
            return check.context
        declared = self._schema.actions.get(check.action) if self._schema else None
        claims: Mapping[str, Any] = {"token": self._claims}
        claims = declared.context.project(claims) if declared else claims
        return to_json({**(json.loads(check.context) if check.context else {}), **claims})


def fault_of(item: Item, room: int) -> str:
    """Why a check is over a limit by itself, so that no call could hold it; empty if it is not."""
    fault = ""
    if not all(uid.is_valid for uid in (item.check.action, item.check.resource, *item.entities)):
        fault = "invalid_id"
    elif len(item.entities) > MAX_ENTITIES:
        fault = "too_many_entities"
    elif item.size + sum(map(_size, item.entities.values())) > room:
        fault = "too_large"
    return fault


@dataclass(frozen=True, slots=True)
class Call:
    """One call, and the checks that it decides."""

    caller: Caller = field(repr=False)
    store: str
    items: tuple[Item, ...]
    is_batch: bool

    @property
    def operation(self) -> str:
        """The operation, as boto3 names it."""
        return f"{'batch_' if self.is_batch else ''}is_authorized{'_with_token' if self.caller.tokens else ''}"

    @property
    def parameters(self) -> dict[str, Any]:
        """What is sent: each entity once."""
        parameters: dict[str, Any] = {"policyStoreId": self.store, **self.caller.tokens}
        entities = {uid: text for item in self.items for uid, text in item.entities.items()}
        texts = [*entities.values(), *([self.caller.entity] if self.caller.entity else [])]
        if texts:
            parameters["entities"] = {"cedarJson": f"[{','.join(texts)}]"}
        requests = [item.request for item in self.items]
        return {**parameters, "requests": requests} if self.is_batch else {**parameters, **requests[0]}

    def apart(self) -> tuple[Call, ...]:
        """Its checks, each in a call of its own."""
        return tuple(Call(self.caller, self.store, (item,), False) for item in self.items)


def calls(caller: Caller, items: Iterable[Item], store: str, strategy: str) -> Iterator[Call]:
    """The calls that decide checks, each of which is within the limits.

    Args:
        caller: who asks.
        items: the checks.
        store: policy store id or alias.
        strategy: ``"single"`` for a call for each check, ``"batch"`` for batch operations alone, ``"auto"`` for a
            single call where a chunk has one check, which costs a thirtieth.
    """
    chunks = [[item] for item in items] if strategy == "single" else _chunks(items, caller.room)
    for chunk in chunks:
        yield Call(caller, store, tuple(chunk), strategy == "batch" or len(chunk) > 1)


def _chunks(items: Iterable[Item], room: int) -> list[list[Item]]:
    """Checks in as few chunks as their number allows; those about one resource stay together."""
    chunks: list[_Chunk] = []
    for item in sorted(items, key=lambda one: str(one.check.resource)):
        chunk = next((chunk for chunk in chunks if chunk.takes(item, room)), None)
        if chunk is None:
            chunk = _Chunk()
            chunks.append(chunk)
        chunk.add(item)
    return [chunk.items for chunk in chunks]


class _Chunk:
    """Checks of one call, and the entities that they share."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._entities: set[EntityUid] = set()
        self._size = 0

    def takes(self, item: Item, room: int) -> bool:
        """Whether there is room for one more."""
        entities = self._entities | item.entities.keys()
        is_small = self._size + self._more(item) <= room
        return len(self.items) < MAX_CHECKS and len(entities) <= MAX_ENTITIES and is_small

    def add(self, item: Item) -> None:
        """Take one more."""
        self._size += self._more(item)
        self._entities |= item.entities.keys()
        self.items.append(item)

    def _more(self, item: Item) -> int:
        new = (text for uid, text in item.entities.items() if uid not in self._entities)
        return item.size + sum(map(_size, new))


def _entity(uid: EntityUid) -> dict[str, str]:
    return {"entityType": uid.type, "entityId": uid.id}


def _text(entity: Entity) -> str:
    return json.dumps(entity.as_json(), ensure_ascii=False)


def _size(text: str) -> int:
    """Bytes on the wire, where JSON text is text in JSON."""
    return len(json.dumps(text))
