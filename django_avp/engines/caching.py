"""Decisions remembered across requests, in a Django cache, for every engine.

A decision is found under a digest of everything that decides (rule F1): whoever changes data, a group or a claim asks
another question. What is not part of the question is the policies of a service that nobody here knows; a change of
those is seen when ``AVP_CACHE_TTL`` is over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async

from django_avp.cedar import INVALID, UNAVAILABLE, Check, Decision, Verdict
from django_avp.conf import conf
from django_avp.engines.base import Batch, Decisions, Engine, accepts, get_ready, policies_of, schema_of
from django_avp.engines.keys import keys_of
from django_avp.engines.shared_cache import SharedCache
from django_avp.exceptions import AvpError
from django_avp.identity import Identity
from django_avp.observing import observing
from django_avp.policies import Policies
from django_avp.schema import Schema
from django_avp.values import Unholdable

__all__ = ["CachingEngine"]

logger = logging.getLogger("django_avp")

_KEPT = frozenset(verdict.value for verdict in Verdict if verdict is not Verdict.UNDECIDED)


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
        found = self._cache.get_many(set(keys.values()), max(conf.cache_ttl, conf.cache_denied_ttl))
        decisions = {check: _decision(found[key]) for check, key in keys.items() if key in found}
        known = {check: decision for check, decision in decisions.items() if decision is not None}
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
        kind = f"{type(self._engine).__module__}.{type(self._engine).__qualname__}"
        return keys_of(batch, kind, policies, schema)


def _decision(value: Any) -> Decision | None:
    """A decision; ``None`` for what another version of this package has written."""
    match value:
        case [str(verdict), [*policies], [*errors]] if verdict in _KEPT:
            return Decision(Verdict(verdict), tuple(policies), tuple(errors))
    return None


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
