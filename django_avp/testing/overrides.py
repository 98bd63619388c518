"""Grants or denies what a block of a test asks for, and leaves every other decision as it is.

Lists (``request.avp.permitted``) agree: for them the overrides are woven into the policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import models

from django_avp.cedar import Check, Decision, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.engines.base import Batch, Decisions, Engine, accepts, is_in_process, policies_of, schema_of
from django_avp.entities import registry
from django_avp.exceptions import AvpError
from django_avp.identity import Identity, IdentitySource
from django_avp.policies import Policies
from django_avp.questions import Action, Resource
from django_avp.rounds import unavailable
from django_avp.runtime import runtime
from django_avp.schema import Schema
from django_avp.testing.kit import site_pool
from django_avp.testing.weaving import Override, woven
from django_avp.vocabulary import action_uid

__all__ = ["OverridingEngine", "OverridingLists", "Principal", "avp_allow", "avp_deny"]

Principal = str | EntityUid | Identity | None
"""A ``sub`` of the site's first user pool, an entity id or an identity; ``None`` for every principal."""


@contextmanager
def avp_allow(action: Action, resource: Resource = None, principal: Principal = None) -> Iterator[None]:
    """Allow an action for a block, in all threads. Of several overrides that match a check, the innermost decides.

    Args:
        action: a Cedar action's id, ``"EditPhoto"``.
        resource: a registered model instance or an entity id; ``None`` for every resource.
        principal: a ``sub`` of the site's first user pool, an entity id or an identity; ``None`` for every principal.

    Raises:
        ValueError: the schema has no such action.
    """
    with _overriding("avp_allow", Verdict.PERMITTED, action, resource, principal):
        yield


@contextmanager
def avp_deny(action: Action, resource: Resource = None, principal: Principal = None) -> Iterator[None]:
    """Deny an action for a block, as a ``forbid`` does; the arguments are those of :func:`avp_allow`."""
    with _overriding("avp_deny", Verdict.FORBIDDEN, action, resource, principal):
        yield


@contextmanager
def _overriding(
    name: str, verdict: Verdict, action: Action, resource: object, principal: object
) -> Iterator[OverridingEngine]:
    engine = runtime.engine
    override = Override(name, verdict, action_uid(action), _resource_uid(resource), _principal_uid(principal))
    _refuse_unknown(override, engine)
    if isinstance(engine, OverridingEngine):
        overriding = OverridingEngine(engine.engine, engine.lists, (override, *engine.overrides))
    else:
        overriding = OverridingEngine(engine, runtime.lists_engine, (override,))
    with runtime.use_engine(overriding):
        yield overriding


class OverridingEngine:
    """Decides by the first override that matches, and with another engine what none matches.

    Args:
        engine: decides the rest.
        lists: knows the policies that lists are filtered by.
        overrides: the innermost first.
    """

    lists_engine = f"{__name__}.OverridingLists"

    def __init__(self, engine: Engine, lists: Engine, overrides: Sequence[Override]) -> None:
        self.engine = engine
        self.lists = lists
        self.overrides = overrides
        self._woven: dict[Policies, Policies] = {}

    @property
    def is_in_process(self) -> bool:
        """Whether the other engine waits for nobody."""
        return is_in_process(self.engine)

    def policies(self, store: str | None) -> Policies | None:
        """The policies that decide the rest, where they are known now: an override decides without them."""
        try:
            return policies_of(self.engine, store)
        except AvpError:
            return None

    def schema(self, store: str | None) -> Schema | None:
        """The schema of a store, where it is known now."""
        try:
            return schema_of(self.engine, store)
        except AvpError:
            return None

    def decide(self, batch: Batch) -> Decisions:
        """Decide every check of the batch; see :class:`django_avp.engines.base.Engine`."""
        known, rest = self._split(batch)
        try:
            answers = self.engine.decide(rest) if rest.checks else Decisions((), calls=0)
        except AvpError as error:
            answers = _undecided(known, rest, error)
        return _together(batch, known, answers)

    async def adecide(self, batch: Batch) -> Decisions:
        """The same as :meth:`decide`, without blocking the event loop."""
        known, rest = self._split(batch)
        try:
            answers = await self.engine.adecide(rest) if rest.checks else Decisions((), calls=0)
        except AvpError as error:
            answers = _undecided(known, rest, error)
        return _together(batch, known, answers)

    def listed_policies(self, store: str | None) -> Policies | None:
        """The policies that lists are filtered by, with the overrides among them.

        Raises:
            AvpError: the policies are not known now.
        """
        policies = policies_of(self.lists, store)
        if policies is not None and policies not in self._woven:
            # Kept, because conditions of lists are kept by their policies.
            self._woven[policies] = woven(policies, self.overrides)
        return policies and self._woven[policies]

    def _accepts(self, batch: Batch) -> bool:
        """Whether the other engine decides about who asks, as far as it can tell now (rule C10)."""
        try:
            return accepts(self.engine, batch.store, batch.identity)
        except AvpError:
            return True

    def _split(self, batch: Batch) -> tuple[dict[Check, Decision], Batch]:
        """What overrides decide, and the batch of what is left."""
        schema = batch.policies.schema if batch.policies else self.schema(batch.store)
        known: dict[Check, Decision] = {}
        for check in batch.checks if self._accepts(batch) else ():
            override = next((one for one in self.overrides if one.matches(batch.identity.principal, check)), None)
            # A question that the schema does not have is as wrong as without the override.
            is_none = schema and not schema.applies(check.action, batch.identity.principal.type, check.resource.type)
            if override and not is_none:
                known[check] = Decision(override.verdict, (override.name,))
        left = [(check, world) for check, world in zip(batch.checks, batch.worlds, strict=True) if check not in known]
        return known, replace(batch, checks=tuple(check for check, _ in left), worlds=tuple(world for _, world in left))


class OverridingLists:
    """What lists are filtered with while there are overrides."""

    def policies(self, store: str | None) -> Policies | None:
        """The policies with the overrides of this moment; see :meth:`OverridingEngine.listed_policies`."""
        return _current().listed_policies(store)

    def accepts(self, store: str | None, identity: Identity) -> bool:
        """Whether the site decides about an identity at all."""
        return accepts(_current().lists, store, identity)

    def decide(self, batch: Batch) -> Decisions:
        """Decide with the overrides of this moment."""
        return _current().decide(batch)

    async def adecide(self, batch: Batch) -> Decisions:
        """Decide with the overrides of this moment."""
        return await _current().adecide(batch)


def _current() -> OverridingEngine:
    engine: Any = runtime.engine
    overriding: OverridingEngine = engine
    return overriding


def _undecided(known: Mapping[Check, Decision], rest: Batch, error: AvpError) -> Decisions:
    if not known:
        raise error
    return Decisions([unavailable(error)] * len(rest.checks))


def _together(batch: Batch, known: Mapping[Check, Decision], answers: Sequence[Decision]) -> Decisions:
    following = iter(answers)
    decided = (known[check] if check in known else next(following) for check in batch.checks)
    return Decisions(decided, calls=getattr(answers, "calls", 1))


def _refuse_unknown(override: Override, engine: Engine) -> None:
    """A misspelt action would override nothing, and the test would prove nothing."""
    store = conf.policy_store_id
    try:
        schema = None if callable(store) else schema_of(engine, store)
    except (AvpError, ImproperlyConfigured):
        # What is wrong is told where it is asked.
        return
    if schema is not None and override.action not in schema.actions:
        raise ValueError(f"{override.name}: the schema has no {override.action}. Correct the name of the action.")


def _resource_uid(resource: object) -> EntityUid | None:
    if isinstance(resource, models.Model):
        return registry.uid(resource)
    if resource is None or isinstance(resource, EntityUid):
        return resource and resource.in_namespace(conf.namespace)
    raise TypeError(
        f"A resource is a registered model instance, an EntityUid or None, not a {type(resource).__name__}."
    )


def _principal_uid(principal: object) -> EntityUid | None:
    if isinstance(principal, Identity):
        return principal.principal
    if isinstance(principal, str):
        return IdentitySource.of_pool(site_pool()).principal(principal)
    if principal is None or isinstance(principal, EntityUid):
        return principal and principal.in_namespace(conf.namespace)
    raise TypeError(f"A principal is a sub, an EntityUid, an Identity or None, not a {type(principal).__name__}.")
