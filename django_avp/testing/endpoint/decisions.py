"""The four operations that decide, within the service's limits and by Cedar."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import cedarpy

from django_avp.cedar import EntityUid
from django_avp.identity import Identity
from django_avp.testing.endpoint.errors import refused
from django_avp.testing.endpoint.service import Service
from django_avp.testing.endpoint.shapes import action_of, as_identifier, context_of, entities_of, entity_uid
from django_avp.testing.endpoint.state import Content
from django_avp.values import Unholdable

__all__ = ["OPERATIONS"]

MAX_CHECKS = 30
MAX_ENTITIES = 100


@dataclass(frozen=True, slots=True)
class _Principal:
    """Who is asked about: its entity as Cedar has it, and the claims of an access token."""

    uid: EntityUid
    entity: Mapping[str, Any] | None = None
    token: Mapping[str, Any] = field(default_factory=dict)


def _is_authorized(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    content = service.store(request).content
    principal = _Principal(entity_uid(request.get("principal"), "principal"))
    return _Evaluation(content, request).decide(principal, request, "")


def _is_authorized_with_token(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    content = service.store(request).content
    identity, principal = _of_token(content, service.jwks, request)
    answer = _Evaluation(content, request, _types(identity), principal).decide(principal, request, "")
    return {**answer, "principal": as_identifier(principal.uid)}


def _batch_is_authorized(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    evaluation = _Evaluation(service.store(request).content, request)
    items = _items(request)
    for name in ("principal", "resource"):
        if all(item.get(name) == items[0].get(name) for item in items):
            break
    else:
        raise refused("All requests have one principal, or all have one resource.", ["requests"])
    results = []
    for number, item in enumerate(items):
        path = f"requests[{number}]."
        principal = _Principal(entity_uid(item.get("principal"), f"{path}principal"))
        results.append({"request": item, **evaluation.decide(principal, item, path)})
    return {"results": results}


def _batch_is_authorized_with_token(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    content = service.store(request).content
    identity, principal = _of_token(content, service.jwks, request)
    evaluation = _Evaluation(content, request, _types(identity), principal)
    results = [
        {"request": item, **evaluation.decide(principal, item, f"requests[{number}].")}
        for number, item in enumerate(_items(request))
    ]
    return {"principal": as_identifier(principal.uid), "results": results}


OPERATIONS: Mapping[str, Callable[[Service, Mapping[str, Any]], dict[str, Any]]] = {
    "IsAuthorized": _is_authorized,
    "IsAuthorizedWithToken": _is_authorized_with_token,
    "BatchIsAuthorized": _batch_is_authorized,
    "BatchIsAuthorizedWithToken": _batch_is_authorized_with_token,
}


def _of_token(content: Content, jwks: Mapping[str, Any], request: Mapping[str, Any]) -> tuple[Identity, _Principal]:
    if content.source is None:
        raise refused("The policy store has no identity source.", ["policyStoreId"])
    identity = content.source.source.identity(request, jwks)
    try:
        entity = identity.entity(content.schema.schema if content.schema else None)
        token = identity.token_context()
    except Unholdable as error:
        raise refused("A claim of the token cannot be held.", ["identityToken", "accessToken"]) from error
    return identity, _Principal(identity.principal, entity.as_json(), token)


def _types(identity: Identity) -> Collection[str]:
    """The types that only the token's principal and its groups are of (rule A3)."""
    return {identity.principal.type, *([identity.source.group_type] if identity.source else [])}


def _items(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = request.get("requests")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_CHECKS:
        raise refused(f"A batch has 1 to {MAX_CHECKS} requests.", ["requests"])
    if not all(isinstance(item, Mapping) for item in items):
        raise refused("Each is a structure.", ["requests"])
    return items


class _Evaluation:
    """The entities of a call, and Cedar's answers about them.

    Args:
        content: what is in the policy store.
        request: the call.
        reserved: entity types that come from the token alone.
        principal: whose entity the token makes.
    """

    def __init__(
        self,
        content: Content,
        request: Mapping[str, Any],
        reserved: Collection[str] = (),
        principal: _Principal | None = None,
    ) -> None:
        self._policy_set = content.policy_set
        self._schema = content.schema.schema if content.schema else None
        entities = entities_of(request.get("entities"))
        # Without a token there may be as many principals as resources.
        if len(entities) > (MAX_ENTITIES if reserved else 2 * MAX_ENTITIES):
            raise refused("There are too many entities.", ["entities"])
        if any(entity["uid"].get("type") in reserved for entity in entities):
            raise refused("Principals and groups come from the token alone.", ["entities"])
        own = [principal.entity] if principal and principal.entity is not None else []
        try:
            self._entities = cedarpy.Entities.from_json_str(json.dumps([*entities, *own]), self._handle)
        except ValueError as error:
            raise refused("The entities do not conform to the schema.", ["entities"]) from error

    @property
    def _handle(self) -> cedarpy.Schema | None:
        return self._schema.handle if self._schema else None

    def decide(self, principal: _Principal, item: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Decide one question."""
        action = action_of(item.get("action"), f"{path}action")
        resource = entity_uid(item.get("resource"), f"{path}resource")
        context = context_of(item.get("context"), f"{path}context")
        if principal.token:
            token = {"token": dict(principal.token)}
            declared = self._schema.actions.get(action) if self._schema else None
            context |= declared.context.project(token) if declared else token
        request: dict[str, Any] = {
            "principal": principal.uid.as_json(),
            "action": action.as_json(),
            "resource": resource.as_json(),
            "context": json.dumps(context),
        }
        return self._answer(request, path)

    def _answer(self, request: dict[str, Any], path: str) -> dict[str, Any]:
        result = cedarpy.is_authorized(request, self._policy_set, self._entities, self._handle)
        if result.decision is cedarpy.Decision.NoDecision:
            raise refused("The request does not conform to the schema.", [f"{path}action"])
        return {
            "decision": "ALLOW" if result.decision is cedarpy.Decision.Allow else "DENY",
            "determiningPolicies": [{"policyId": policy_id} for policy_id in sorted(result.diagnostics.reasons)],
            "errors": [{"errorDescription": text} for text in sorted(result.diagnostics.errors)],
        }
