"""Checks and calls as they go on the wire: what is sent about a check, by whom, and the parameters of a call.

Source: Verified Permissions API reference, version 2021-12-01, and "Quotas for Amazon Verified Permissions".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django_avp.cedar import Check, Entity, EntityUid
from django_avp.identity import Identity
from django_avp.schema import Schema
from django_avp.values import to_json

__all__ = ["Call", "Caller", "Item", "size_of"]

# The quota is 1 MB for a request; the rest is for what is around checks, entities and tokens.
MAX_BYTES = 1_000_000 - 4_096
# What a character takes at most, as two escapes.
_BYTES_OF_CHARACTER = 12
# What a check takes at most apart from its ids and its context: three types, and the names of fields.
_BYTES_OF_FRAME = 1_000


@dataclass(frozen=True, slots=True)
class Item:
    """A check as it goes on the wire, with the entities that it needs.

    Attributes:
        position: where it stands in the batch.
        check: the check.
        request: action, resource and context as the API names them.
        length: characters of its ids and its context.
        entities: what has to exist for it, by id; principal and groups come from the token (rule A3).
    """

    position: int
    check: Check
    request: Mapping[str, Any]
    length: int
    entities: Mapping[EntityUid, Entity] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of the check itself."""
        return len(json.dumps(self.request))


class Caller:
    """Who asks, as the API takes it: by tokens, or as a principal with its own entity (rule A3).

    Args:
        identity: who asks.
        schema: what claims without a token are cut to, for what the store's schema does not declare is refused.

    Attributes:
        tokens: those that are sent.
        entities: the principal's own, without a token.
        room: bytes that a request has left for checks and entities.

    Raises:
        Unholdable: the claims have no form in Cedar.
    """

    def __init__(self, identity: Identity, schema: Schema | None = None) -> None:
        given = {"identityToken": identity._id_token, "accessToken": identity._access_token}
        self.tokens = {name: token for name, token in given.items() if token is not None}
        self.entities: tuple[Entity, ...] = ()
        self._principal: Mapping[str, Any] = {}
        self._claims: Mapping[str, Any] = {}
        self._schema = schema
        if not self.tokens:
            self.entities = (identity.entity(schema),)
            self._principal = {"principal": _entity(identity.principal)}
            self._claims = identity.token_context()
        self.room = MAX_BYTES - sum(map(len, self.tokens.values())) - sum(map(size_of, self.entities))
        self._length = len(identity.principal.id) if self._principal else 0
        # The types that only the principal and its groups are of.
        self._own = {identity.principal.type, *(group.type for group in identity.groups)}
        if identity.source is not None:
            self._own |= {identity.source.principal_type, identity.source.group_type}

    def item(self, position: int, check: Check, world: Iterable[Entity]) -> Item:
        """A check on the wire."""
        action, resource, context = check.action, check.resource, self._context(check)
        request: dict[str, Any] = {
            **self._principal,
            "action": {"actionType": action.type, "actionId": action.id},
            "resource": _entity(resource),
        }
        if context:
            request["context"] = {"cedarJson": context}
        length = self._length + len(action.id) + len(resource.id) + len(context)
        entities = {entity.uid: entity for entity in world if entity.uid.type not in self._own}
        return Item(position, check, request, length, entities)

    def _context(self, check: Check) -> str:
        """A check's context; with an access token AVP itself adds ``context.token``."""
        if not self._claims:
            return check.context
        declared = self._schema.actions.get(check.action) if self._schema else None
        claims: Mapping[str, Any] = {"token": self._claims}
        claims = declared.context.project(claims) if declared else claims
        return to_json({**(json.loads(check.context) if check.context else {}), **claims})


class Call:
    """One call, and the checks that it decides.

    Args:
        caller: who asks.
        store: policy store id or alias.
        items: the checks.
        is_batch: whether it is a batch operation, or the one about a single check.

    Attributes:
        parameters: what is sent: each entity once.
    """

    def __init__(self, caller: Caller, store: str, items: tuple[Item, ...], *, is_batch: bool) -> None:
        self.items = items
        self.is_batch = is_batch
        self._caller = caller
        self._store = store
        entities = {uid: entity for item in items for uid, entity in item.entities.items()}
        documents = [entity.as_json() for entity in (*entities.values(), *caller.entities)]
        self._entities = _text(documents) if documents else ""
        self.parameters = self._parameters()

    def _parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = {"policyStoreId": self._store, **self._caller.tokens}
        if self._entities:
            parameters["entities"] = {"cedarJson": self._entities}
        requests = [item.request for item in self.items]
        return {**parameters, "requests": requests} if self.is_batch else {**parameters, **requests[0]}

    @property
    def operation(self) -> str:
        """The operation, as boto3 names it."""
        return f"{'batch_' if self.is_batch else ''}is_authorized{'_with_token' if self._caller.tokens else ''}"

    @property
    def is_small(self) -> bool:
        """Whether it is within the limit of bytes, however many its characters take."""
        length = len(self._entities) + sum(item.length for item in self.items)
        return length * _BYTES_OF_CHARACTER + len(self.items) * _BYTES_OF_FRAME <= self._caller.room

    def apart(self) -> tuple[Call, ...]:
        """Its checks, each in a call of its own."""
        return tuple(Call(self._caller, self._store, (item,), is_batch=False) for item in self.items)


def size_of(entity: Entity) -> int:
    """Bytes of an entity on the wire, where JSON text is text in JSON."""
    return len(json.dumps(_text(entity.as_json())))


def _entity(uid: EntityUid) -> dict[str, str]:
    return {"entityType": uid.type, "entityId": uid.id}


def _text(document: object) -> str:
    # Attributes are values that were converted, which have no cycles.
    return json.dumps(document, ensure_ascii=False, check_circular=False)
