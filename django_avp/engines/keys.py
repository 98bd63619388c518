"""Digests of questions: equal ones are the same for everything that decides about them (rule F1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.crypto import salted_hmac

from django_avp.cedar import Check, Entity, EntityUid
from django_avp.conf import conf
from django_avp.engines.base import Batch
from django_avp.policies import Policies
from django_avp.schema import Schema

__all__ = ["canonical", "keys_of"]

# Claims that differ from token to token of one user, so that each would ask anew, and whether they count all the same
# where no schema tells which of them a policy of a service's can read.
_VOLATILE = {"iat": False, "jti": False, "auth_time": False, "exp": True}
# One encoder: json.dumps() makes another one for each text with sorted keys.
_text = json.JSONEncoder(sort_keys=True).encode


def keys_of(batch: Batch, kind: str, policies: Policies | None, schema: Schema | None) -> dict[Check, str]:
    """The key of each check of a batch.

    Args:
        batch: the checks.
        kind: a name of the engine that decides.
        policies: those that decide; ``None`` for a service's, which nobody here knows.
        schema: what is known of the shapes of claims.

    Raises:
        Unholdable: the claims have no form in Cedar.
    """
    keys = _Keys(batch, kind, policies, schema)
    return {check: keys.key(check, world) for check, world in zip(batch.checks, batch.worlds, strict=True)}


class _Keys:
    """The keys of a batch's checks, each a digest of what decides about all of them and of what decides about it.

    Raises:
        Unholdable: the claims have no form in Cedar.
    """

    def __init__(self, batch: Batch, kind: str, policies: Policies | None, schema: Schema | None) -> None:
        identity, options = batch.identity, conf.client_options
        # A service maps claims by a schema of its own, so all of them count.
        self._schema = schema if policies else None
        read = None if schema is None else _readable(schema, identity.principal.type)
        self._left_out = {
            name for name, counts in _VOLATILE.items() if not (counts or policies if read is None else name in read)
        }
        self._token = identity.token_context()
        self._claims: dict[EntityUid, str] = {}
        self._entities: dict[int, str] = {}
        common = [
            kind,
            [batch.store, str(options.get("region_name")), str(options.get("endpoint_url"))],
            policies.digest if policies else "",
            str(identity.principal),
            sorted(map(str, identity.groups)),
            [identity.source.pool if identity.source else "", identity.client_id],
            [identity._id_token is not None, identity._access_token is not None],
            self._lasting(identity.entity(self._schema).attributes),
            conf.on_policy_error,
        ]
        self._common = salted_hmac("django_avp.decision", _text(common), algorithm="sha256")

    def key(self, check: Check, world: Sequence[Entity]) -> str:
        """A digest that says nothing of what it is of."""
        action, resource = check.action, check.resource
        asked = _text([action.type, action.id, resource.type, resource.id, check.context])
        # Whole JSON texts one after the other: no two questions make the same bytes.
        digest = self._common.copy()
        digest.update("".join((asked, self._claims_of(action), *sorted(map(self._entity, world)))).encode())
        return digest.hexdigest()

    def _claims_of(self, action: EntityUid) -> str:
        """The claims of the access token that a policy may read about an action, written once for all checks of it."""
        if action not in self._claims:
            declared = self._schema.actions.get(action) if self._schema else None
            claims = declared.context.project({"token": self._token}) if declared else self._token
            self._claims[action] = _text(self._lasting(claims))
        return self._claims[action]

    def _lasting(self, claims: Mapping[str, Any]) -> Any:
        """Claims without those of one token alone that no policy can read."""
        return canonical({name: value for name, value in claims.items() if name not in self._left_out})

    def _entity(self, entity: Entity) -> str:
        """An entity as text, written once for all worlds that it is in."""
        text = self._entities.get(id(entity))
        if text is None:
            parents = sorted((parent.type, parent.id) for parent in entity.parents)
            written = [entity.uid.type, entity.uid.id, canonical(dict(entity.attributes)), parents]
            text = self._entities[id(entity)] = _text(written)
        return text


def canonical(value: Any) -> Any:
    """The same for equal values: lists are sets in Cedar, and have no order."""
    if isinstance(value, dict):
        return {name: canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return sorted(map(canonical, value), key=_text)
    return value


def _readable(schema: Schema, principal_type: str) -> set[str]:
    """Which claims of the principal a policy can read, and which of those that each token has anew, of either token."""
    principal = schema.entity_types.get(principal_type)
    declared = set() if principal is None else set(principal.shape.attributes)
    token = {"token": dict.fromkeys(_VOLATILE, 0)}
    return declared.union(*(action.context.project(token).get("token", ()) for action in schema.actions.values()))
