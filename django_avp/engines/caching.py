"""Decisions remembered across requests, in a Django cache, for every engine.

A decision is found under a digest of everything that decides (rule F1): whoever changes data, a group or a claim asks
another question. What is not part of the question is the policies of a service that nobody here knows; a change of
those is seen when ``AVP_CACHE_TTL`` is over.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async
from django.utils.crypto import salted_hmac

from django_avp.cedar import INVALID, UNAVAILABLE, Check, Decision, Entity, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.engines.base import Batch, Decisions, Engine, accepts, get_ready, policies_of, schema_of
from django_avp.engines.shared_cache import SharedCache
from django_avp.exceptions import AvpError
from django_avp.identity import Identity
from django_avp.observing import observing
from django_avp.policies import Policies
from django_avp.schema import Schema
from django_avp.values import Unholdable

__all__ = ["CachingEngine"]

logger = logging.getLogger("django_avp")

# Claims that differ from token to token of one sign-in, so that each refresh would ask anew.
_VOLATILE = ("iat", "jti", "auth_time")
_EXPIRY = "exp"
# One encoder: json.dumps() makes another one for each text with sorted keys.
_text = json.JSONEncoder(sort_keys=True).encode


class CachingEngine:
    """Decides with another engine what the cache does not know.

    Args:
        engine: the engine that decides.
        cache: where decisions are kept, for ``AVP_CACHE_TTL`` and ``AVP_CACHE_DENIED_TTL`` and never past the token's
            expiry. Decisions that could not be made are not kept.
    """

    # A cache may be across a network.
    is_in_process = False

    def __init__(self, engine: Engine, cache: SharedCache) -> None:
        self._engine = engine
        self._cache = cache

    def policies(self, store: str | None) -> Policies | None:
        """The policies that decide for a store, where the engine knows them."""
        return policies_of(self._engine, store)

    def schema(self, store: str | None) -> Schema | None:
        """The schema of a store, where the engine knows it."""
        return schema_of(self._engine, store)

    def accepts(self, store: str | None, identity: Identity) -> bool:
        """Whether the engine decides about an identity."""
        return accepts(self._engine, store, identity)

    def get_ready(self, store: str | None) -> float | None:
        """Whether the other engine could decide; see :func:`django_avp.engines.base.get_ready`."""
        return get_ready(self._engine, store)

    @property
    def engine(self) -> Engine:
        """The engine that decides what the cache does not know."""
        return self._engine

    @property
    def lists_engine(self) -> str:
        """The engine that lists are filtered with in place of this one."""
        return str(getattr(self._engine, "lists_engine", ""))

    def decide(self, batch: Batch) -> Decisions:
        """Decide every check of the batch; see :class:`django_avp.engines.base.Engine`."""
        keys, known = self._look_up(batch)
        rest = _without(batch, known)
        if not rest.checks:
            return _together(batch, known, Decisions((), calls=0))
        try:
            answers = self._engine.decide(rest)
        except AvpError as error:
            return _together(batch, known, _undecided(rest, known, error))
        self._remember(rest, keys, answers)
        return _together(batch, known, answers)

    async def adecide(self, batch: Batch) -> Decisions:
        """The same as :meth:`decide`, without blocking the event loop."""
        keys, known = await sync_to_async(self._look_up, thread_sensitive=False)(batch)
        rest = _without(batch, known)
        if not rest.checks:
            return _together(batch, known, Decisions((), calls=0))
        try:
            answers = await self._engine.adecide(rest)
        except AvpError as error:
            return _together(batch, known, _undecided(rest, known, error))
        await sync_to_async(self._remember, thread_sensitive=False)(rest, keys, answers)
        return _together(batch, known, answers)

    def _look_up(self, batch: Batch) -> tuple[dict[Check, str], dict[Check, Decision]]:
        """The keys of the checks, and the decisions that are known."""
        try:
            keys = self._keys(batch)
        except Unholdable:
            # The engine has its own way with claims that have no form in Cedar.
            return {}, {}
        found = self._cache.get_many(set(keys.values()))
        known = {check: _decision(found[key]) for check, key in keys.items() if key in found}
        observing.observer.looked_up(hits=len(known), misses=len(keys) - len(known))
        return keys, known

    def _remember(self, batch: Batch, keys: Mapping[Check, str], answers: Sequence[object]) -> None:
        now, expires_at = time.time(), batch.identity.expires_at
        values: dict[str, tuple[Any, float]] = {}
        for check, decision in zip(batch.checks, answers, strict=False):
            if check not in keys or not isinstance(decision, Decision) or decision.verdict is Verdict.UNDECIDED:
                continue
            until = now + (conf.cache_ttl if decision else conf.cache_denied_ttl)
            until = until if expires_at is None else min(until, expires_at)
            if until > now:
                value = [decision.verdict.value, decision.determining_policies, decision.errors]
                values[keys[check]] = (value, until)
        if values and len(answers) == len(batch.checks):
            self._cache.set_many(values)

    def _keys(self, batch: Batch) -> dict[Check, str]:
        """The key of each check."""
        policies = batch.policies or self.policies(batch.store)
        schema = policies.schema if policies else self.schema(batch.store)
        found = _Keys(batch, self._engine, policies, schema)
        return {check: found.key(check, world) for check, world in zip(batch.checks, batch.worlds, strict=True)}


class _Keys:
    """The keys of a batch's checks, each a digest of what decides about all of them and of what decides about it.

    Raises:
        Unholdable: the claims have no form in Cedar.
    """

    def __init__(self, batch: Batch, engine: Engine, policies: Policies | None, schema: Schema | None) -> None:
        identity, options = batch.identity, conf.client_options
        # A service maps claims by a schema of its own, so all of them count.
        self._schema = schema if policies else None
        is_expiry_read = schema is None or _declares_expiry(schema, identity.principal.type)
        self._left_out = _VOLATILE if is_expiry_read else (*_VOLATILE, _EXPIRY)
        self._token = identity.token_context()
        self._claims: dict[EntityUid, str] = {}
        self._entities: dict[int, str] = {}
        common = [
            f"{type(engine).__module__}.{type(engine).__qualname__}",
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
        """Claims without those of one token alone; where the schema is known, what it declares counts."""
        left_out = () if self._schema is not None else self._left_out
        return _canonical({name: value for name, value in claims.items() if name not in left_out})

    def _entity(self, entity: Entity) -> str:
        """An entity as text, written once for all worlds that it is in."""
        text = self._entities.get(id(entity))
        if text is None:
            parents = sorted((parent.type, parent.id) for parent in entity.parents)
            written = [entity.uid.type, entity.uid.id, _canonical(dict(entity.attributes)), parents]
            text = self._entities[id(entity)] = _text(written)
        return text


def _canonical(value: Any) -> Any:
    """The same for equal values: lists are sets in Cedar, and have no order."""
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return sorted(map(_canonical, value), key=_text)
    return value


def _declares_expiry(schema: Schema, principal_type: str) -> bool:
    """Whether a policy can read when a token expires, without which each token would ask anew."""
    principal = schema.entity_types.get(principal_type)
    if principal is not None and _EXPIRY in principal.shape.attributes:
        return True
    return any(action.context.project({"token": {_EXPIRY: 0}}).get("token") for action in schema.actions.values())


def _decision(value: Any) -> Decision:
    verdict, policies, errors = value
    return Decision(Verdict(verdict), tuple(policies), tuple(errors))


def _without(batch: Batch, known: Mapping[Check, Decision]) -> Batch:
    """The batch without the checks whose decision is known."""
    if not known:
        return batch
    rest = [(check, world) for check, world in zip(batch.checks, batch.worlds, strict=True) if check not in known]
    return replace(batch, checks=tuple(check for check, _ in rest), worlds=tuple(world for _, world in rest))


def _undecided(rest: Batch, known: Mapping[Check, Decision], error: AvpError) -> Decisions:
    """The engine is not there: what is known is still known.

    Raises:
        AvpError: nothing is.
    """
    if not known:
        raise error
    logger.error("avp.engine_unavailable", extra={"error": type(error).__name__, "cause": str(error)})
    return Decisions([UNAVAILABLE] * len(rest.checks))


def _together(batch: Batch, known: Mapping[Check, Decision], answers: Sequence[Any]) -> Decisions:
    """The decisions of a batch in its order; answers of an engine that do not fit the question decide nothing."""
    asked = [check for check in batch.checks if check not in known]
    if len(answers) != len(asked):
        logger.error("avp.odd_answer", extra={"checks": len(asked), "answers": len(answers)})
        answers = [INVALID] * len(asked)
    decided = {**known, **dict(zip(asked, answers, strict=True))}
    calls: int = getattr(answers, "calls", 1)
    return Decisions((decided[check] for check in batch.checks), calls=calls, cached=frozenset(known))
