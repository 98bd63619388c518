"""Tests of policies as tables: who may do what, on entities that stand in the test.

No database is needed, and no view: a case is decided by Cedar on the policies of ``AVP_POLICIES``, as a check of the
site is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from django.db import models
from django.dispatch import Signal

from django_avp.cedar import Check, Decision, Entity, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.engines.base import Batch
from django_avp.engines.cedar import CedarEngine
from django_avp.entities import registry
from django_avp.entities.world import Worlds
from django_avp.identity import GROUPS_CLAIM, Identity
from django_avp.policies import Policies
from django_avp.questions import Questions
from django_avp.testing.failures import told
from django_avp.testing.inline import Inline, entity_uid, known
from django_avp.testing.kit import site_pool
from django_avp.values import to_json
from django_avp.vocabulary import action_uid

__all__ = ["PolicyTable", "policies_tested"]

policies_tested = Signal()
"""Sent after a case was decided, with its ``decision``."""

_PRINCIPAL = ("sub", "groups", "claims")
_DENIALS = (Verdict.FORBIDDEN, Verdict.NOT_PERMITTED)
_WORDS: Mapping[bool | str, str] = {True: "allow", False: "deny"}


class PolicyTable:
    """Principals and entities, and the question who of them may do what.

    ::

        table = PolicyTable(
            principals={"ann": {"groups": ["editors"]}},
            entities={'Photo::"dawn"': {"attributes": {"title": "Dawn", "owner": "ann"}}},
        )
        table.check("ann", "EditPhoto", 'Photo::"dawn"', "allow")

    Args:
        principals: by names of your choice: ``sub`` (the name by default), ``groups``, and ``claims`` as in a token.
        entities: by their ids: ``attributes`` and ``parents``. They have to conform to the schema, if there is one.
        pool: the user pool of the principals; by default the first of ``AVP_USER_POOLS``.

    Raises:
        ValueError: a principal or an entity is not what the schema or Amazon Verified Permissions would take.
        PolicyError: the policies cannot be used.
    """

    def __init__(
        self,
        principals: Mapping[str, Mapping[str, Any]] | None = None,
        entities: Mapping[str | EntityUid, Mapping[str, Any]] | None = None,
        *,
        pool: str | None = None,
    ) -> None:
        self._pool = pool
        self._identities: dict[str, Identity] = {}
        self._entities: dict[EntityUid, Entity] = {}
        for name, spec in (principals or {}).items():
            self.add_principal(name, spec)
        for uid, spec in (entities or {}).items():
            self.add_entity(uid, spec)

    def add_principal(self, name: str, spec: Mapping[str, Any] | None) -> None:
        """Add a principal; entities that are added later can refer to it by its name."""
        given = {} if spec is None else spec
        known(name, given, _PRINCIPAL)
        self._identities[name] = self._identity({"sub": name, **given})

    def add_entity(self, uid: str | EntityUid, spec: Mapping[str, Any] | None) -> None:
        """Add an entity."""
        entity = self._inline.entity(uid, spec or {})
        self._entities[entity.uid] = entity

    def decide(
        self,
        principal: str | Identity | Mapping[str, Any],
        action: str | EntityUid,
        resource: str | EntityUid | models.Model | None = None,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Decide a case.

        Args:
            principal: a name among the principals, a spec as there, or an identity.
            action: a Cedar action.
            resource: an id among the entities, an instance of a registered model, or ``None`` for the application.
            context: Cedar context.

        Raises:
            ValueError: the principal or the resource is unknown, or the context is not as the schema declares it.
        """
        identity = self._asking(principal)
        uid = action_uid(action)
        worlds = Worlds(registry)
        target = Questions(worlds, lambda: self._policies.schema).resource_uid(self._resource(resource))
        check = Check(uid, target, to_json(self._inline.context(uid, context or {})))
        stored = self._stored(worlds, check) if isinstance(resource, models.Model) else ()
        world = {entity.uid: entity for entity in (*stored, *self._entities.values())}
        decision = self._engine.decide(Batch(identity, (check,), (tuple(world.values()),), None, self._policies))[0]
        policies_tested.send(type(self), decision=decision)
        return decision

    def check(
        self,
        principal: str | Identity | Mapping[str, Any],
        action: str | EntityUid,
        resource: str | EntityUid | models.Model | None,
        expected: bool | str,
        *,
        context: Mapping[str, Any] | None = None,
        policies: Sequence[str] | None = None,
        errors: Sequence[str] = (),
    ) -> None:
        """Assert what is decided.

        Args:
            principal: as in :meth:`decide`.
            action: a Cedar action.
            resource: as in :meth:`decide`.
            expected: ``"allow"`` or ``True``; ``"deny"`` or ``False``; or one verdict, such as ``"forbidden"``. A
                question that cannot be decided is not denied, but ``"undecided"``: a misspelt action passes no test.
            context: Cedar context.
            policies: ids of the policies that have to determine the decision, and no other.
            errors: ids of the policies that have to fail to evaluate; by default none may.

        Raises:
            AssertionError: something else is decided, or by other policies, or policies cannot be evaluated.
            ValueError: as in :meth:`decide`, or ``expected`` is none of these.
        """
        __tracebackhide__ = True
        verdicts = _verdicts(expected)
        decision = self.decide(principal, action, resource, context=context)
        faults = []
        if decision.verdict not in verdicts:
            faults.append(f"expected {_WORDS.get(expected, expected)}, decided {decision.verdict}")
        if policies is not None and set(policies) != set(decision.determining_policies):
            faults.append(f"expected to be determined by {_listed(policies)}")
        if set(errors) != set(decision.errors):
            faults.append(f"expected policies that cannot be evaluated: {_listed(errors)}")
        if faults:
            raise AssertionError("\n".join([*faults, *told(self._policies, action_uid(action), decision)]))

    @cached_property
    def _engine(self) -> CedarEngine:
        return CedarEngine()

    @property
    def _policies(self) -> Policies:
        return self._engine.policies()

    @property
    def _inline(self) -> Inline:
        return Inline(self._policies, {name: identity.principal for name, identity in self._identities.items()})

    def _identity(self, spec: Mapping[str, Any]) -> Identity:
        claims = {"sub": spec.get("sub"), GROUPS_CLAIM: spec.get("groups") or (), **(spec.get("claims") or {})}
        return Identity.from_claims(claims, pool=self._pool or site_pool())

    def _asking(self, principal: str | Identity | Mapping[str, Any]) -> Identity:
        if isinstance(principal, Identity):
            return principal
        if not isinstance(principal, str):
            known("principal", principal, _PRINCIPAL)
            return self._identity(principal)
        if principal not in self._identities:
            raise ValueError(f"{principal!r} is no principal here. Known are {_listed(self._identities)}.")
        return self._identities[principal]

    def _resource(self, resource: str | EntityUid | models.Model | None) -> EntityUid | models.Model | None:
        if resource is None or isinstance(resource, models.Model):
            return resource
        uid = entity_uid(resource)
        # A resource that does not exist would be denied for that alone.
        if uid not in self._entities and uid != conf.application:
            raise ValueError(f"{uid} is no entity here. Known are {_listed(map(str, self._entities))}.")
        return uid

    def _stored(self, worlds: Worlds, check: Check) -> tuple[Entity, ...]:
        """The world of a model instance, as a request of the site builds it."""
        world = worlds.build({check: [(check.resource, "resource", ())]}, self._policies.references)[check]
        if world.fault:
            raise ValueError(f"{check.resource} cannot be decided about: {world.fault}.")
        return world.entities


def _verdicts(expected: object) -> tuple[Verdict, ...]:
    if expected in ("allow", True):
        return (Verdict.PERMITTED,)
    if expected in ("deny", False):
        return _DENIALS
    if expected not in list(Verdict):
        words = ", ".join(["allow", "deny", *Verdict])
        raise ValueError(f"{expected!r} is nothing that can be expected. Write one of {words}.")
    return (Verdict(str(expected)),)


def _listed(names: Any) -> str:
    return ", ".join(names) or "none"
