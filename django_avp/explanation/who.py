"""Whom the policies let do an action on a resource: what is left of them when the principal is not known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django_avp.cedar import Check, Entity
from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.entities.world import World, Worlds
from django_avp.exceptions import AvpError
from django_avp.explanation.explaining import known_policies
from django_avp.explanation.grants import Grant, grants_of
from django_avp.explanation.refusals import WORLD_FAULTS, Refusal, misfit_context, misfit_entities, misfit_types
from django_avp.explanation.text import Line, Role, heading
from django_avp.filtering import MisfitError, conforms
from django_avp.filtering.partial import residuals_for_anybody
from django_avp.policies import Policies
from django_avp.questions import Action, Questions, Resource

__all__ = ["Who", "who_may"]


@dataclass(frozen=True, slots=True)
class Who:
    """Whom the policies let do something, and whom they keep from it.

    Attributes:
        check: what is asked.
        grants: whom permits are for, and then whom forbids are for.
        errors: ids of the policies that cannot be evaluated, whoever asks.
    """

    check: Check
    grants: tuple[Grant, ...]
    errors: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The answer for people."""
        return "\n".join(line.text for line in self.lines())

    def lines(self) -> Iterator[Line]:
        """The lines of the answer."""
        yield Line(f"Who may {self.check.action} on {self.check.resource}", Role.HEADING)
        permits = [grant for grant in self.grants if grant.effect == "permit"]
        forbids = [grant for grant in self.grants if grant.effect == "forbid"]
        yield from _written(permits)
        if not permits:
            yield Line("  nobody", Role.DENIED)
        if forbids:
            yield from heading("But not")
            yield from _written(forbids)
        if self.errors:
            yield from heading("Policies that cannot be evaluated")
            yield Line(f"  {', '.join(self.errors)}", Role.NOTE)

    def as_json(self) -> dict[str, Any]:
        """The answer in JSON's types."""
        return {
            "action": str(self.check.action),
            "resource": str(self.check.resource),
            "grants": [grant.as_json() for grant in self.grants],
            "errors": list(self.errors),
        }


def _written(grants: Iterable[Grant]) -> Iterator[Line]:
    for grant in grants:
        yield Line(f"  {grant.whom or 'everybody'} ({grant.effect} {grant.policy_id}, {grant.place})")
        for number, condition in enumerate(grant.conditions):
            yield Line(f"    {'and' if number else 'if'} `{condition}`")


def who_may(
    action: Action, resource: Resource = None, context: Mapping[str, Any] | None = None, store: str | None = None
) -> Who:
    """Tell whom the policies let do ``action`` on ``resource``.

    Args:
        action: a Cedar action's id, ``"EditPhoto"``.
        resource: a registered model instance, an entity id, or ``None`` for the application.
        context: Cedar context of the question.
        store: the policy store; ``None`` for the engine's own.

    Raises:
        AvpError: the policies are not known, or the question is none that Cedar takes; the message has the cure.
        ImproperlyConfigured, ValueError, TypeError: as :meth:`Authorization.can` does.
    """
    policies, why_not = known_policies(store)
    if policies is None:
        raise AvpError(why_not)
    worlds = Worlds(registry)
    questions = Questions(worlds, lambda: policies.schema)
    check = questions.check(action, resource, context, {})
    world = worlds.build({check: questions.starts(check)}, policies.references)[check]
    fault = WORLD_FAULTS.get(world.fault) or misfit_types(policies.schema, check, conf.principal_type)
    if fault is not None:
        raise _refused(fault)
    return _answer(policies, check, world)


def _answer(policies: Policies, check: Check, world: World) -> Who:
    # A schema has the actions; without one, whether an action is in a group would stay open.
    actions = () if policies.schema else (Entity(check.action),)
    entities = (*world.entities, *actions)
    try:
        left = residuals_for_anybody(policies, check.action, check.resource, check.context, entities)
    except MisfitError:
        raise _refused(_misfit(policies, check, world)) from None
    grants = [grant for key, part in left.conditions.items() for grant in grants_of(policies, key, part)]
    in_order = sorted(dict.fromkeys(grants), key=lambda grant: (grant.effect != "permit", grant.policy_id))
    return Who(check, tuple(in_order), tuple(sorted(left.errors)))


def _misfit(policies: Policies, check: Check, world: World) -> Refusal:
    if all(conforms(policies, entity) for entity in world.entities):
        return misfit_context(policies.schema, check, json.loads(check.context or "{}"))
    return misfit_entities(policies, world.entities)


def _refused(refusal: Refusal) -> AvpError:
    return AvpError(f"{refusal.cause} {refusal.cure}")
