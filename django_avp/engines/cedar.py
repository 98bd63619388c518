"""The embedded engine: Cedar in process, on the policies of ``AVP_POLICIES``.

It follows the rules and limits of Amazon Verified Permissions, so that what passes here passes there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cedarpy
from django.conf import settings

from django_avp.cedar import INVALID, Cause, Check, Decision, Entity, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.engines.base import Batch, Decisions
from django_avp.engines.likeness import Likeness
from django_avp.policies import UNKNOWN, Policies, fingerprint, load
from django_avp.schema import Schema
from django_avp.slicing import Asked, Slice
from django_avp.values import Unholdable, to_json

__all__ = ["CedarEngine", "evaluate", "with_token"]

logger = logging.getLogger("django_avp")


class CedarEngine:
    """Decides with the policy files of ``AVP_POLICIES``: parsed once, and again in development when one changes.

    Raises:
        PolicyError: a policy file or the schema cannot be used.
    """

    is_in_process = True

    def __init__(self) -> None:
        self._loaded = _load()

    def policies(self, store: str | None = None) -> Policies:
        """The parsed policies."""
        directories, marks, policies = self._loaded
        if directories != conf.policies or (settings.DEBUG and marks != fingerprint(directories)):
            # Swapped whole: another thread sees the old policies or the new ones.
            self._loaded = _load()
            return self._loaded[2]
        return policies

    def decide(self, batch: Batch) -> Decisions:
        """Decide every check of the batch; see :class:`django_avp.engines.base.Engine`."""
        return Decisions(evaluate(batch, batch.policies or self.policies(batch.store)))

    async def adecide(self, batch: Batch) -> Decisions:
        """Decide every check of the batch: it never waits, so it runs where it is."""
        return self.decide(batch)


def _load() -> tuple[tuple[Path, ...], object, Policies]:
    directories = conf.policies
    return directories, fingerprint(directories), load(directories)


def evaluate(batch: Batch, policies: Policies) -> list[Decision]:
    """Decide a batch by policies: one decision for each check, in order.

    A check that Cedar would refuse, or one whose world does not conform to the schema, is undecided; the others are
    decided without it (rule A5).
    """
    try:
        evaluation = _Evaluation(batch, policies)
    except Unholdable:
        # What is wrong is a claim, and may not be shown (rule A8).
        logger.error("avp.entity_refused", extra={"principal_type": batch.identity.principal.type})
        return [INVALID] * len(batch.checks)
    return evaluation.decisions()


def with_token(context: str, token: Mapping[str, Any], action: EntityUid, schema: Schema | None) -> str:
    """A check's context, as JSON text, with the access token's claims as far as the schema declares them (rule A7)."""
    if not token:
        return context
    claims = {"token": token}
    declared = schema.actions[action].context.project(claims) if schema else claims
    return to_json({**(json.loads(context) if context else {}), **declared})


class _Evaluation:
    """One batch on its way through Cedar. What goes wrong is logged once for all checks of a kind."""

    def __init__(self, batch: Batch, policies: Policies) -> None:
        self._batch = batch
        self._policies = policies
        self._schema = policies.schema
        self._handle = policies.needs.handle
        self._contexts: dict[tuple[EntityUid, str], str] = {}
        self._applicable: dict[tuple[EntityUid, str], bool] = {}
        self._faults: dict[tuple[str, str, str, tuple[str, ...]], None] = {}
        self._errors: dict[str, None] = {}
        self._principal = batch.identity.entity(policies.schema)
        self._token = batch.identity.token_context()

    def decisions(self) -> list[Decision]:
        """Decide every check, of those that are alike one."""
        applicable = [position for position, check in enumerate(self._batch.checks) if self._is_applicable(check)]
        part = self._slice(applicable)
        alike = Likeness(self._batch, self._principal, self._policies.needs, part.named).groups(applicable)
        decided: dict[int, Decision] = {}
        for entities, positions in self._worlds([group[0] for group in alike]):
            checks = [self._batch.checks[position] for position in positions]
            requests = [self._request(check) for check in checks]
            results = cedarpy.is_authorized_batch(requests, part.policy_set, entities, self._handle)
            for position, check, result in zip(positions, checks, results, strict=True):
                decided[position] = self._decision(check, result)
        self._log()
        decisions = [INVALID] * len(self._batch.checks)
        for group in alike:
            for position in group:
                decisions[position] = decided.get(group[0], INVALID)
        return decisions

    def _slice(self, positions: Iterable[int]) -> Slice:
        """The policies that may match one of the checks."""
        checks = [self._batch.checks[position] for position in positions]
        entities = self._entities(positions)
        return self._policies.slices.fitting(
            Asked.about({self._principal.uid}, entities),
            self._policies.about_actions({check.action for check in checks}, entities),
            Asked.about({check.resource for check in checks}, entities),
            checks=len(checks),
        )

    def _is_applicable(self, check: Check) -> bool:
        schema = self._schema
        if schema is None:
            return True
        kind = (check.action, check.resource.type)
        applies = self._applicable.get(kind)
        if applies is None:
            applies = self._applicable[kind] = schema.applies(check.action, self._principal.uid.type, kind[1])
        if not applies:
            is_known = check.action in schema.actions
            self._fault("avp.action_not_applicable" if is_known else "avp.unknown_action", check)
        return applies

    # Entities

    def _worlds(self, positions: list[int]) -> Iterator[tuple[cedarpy.Entities, list[int]]]:
        """The entities of checks, all at once; where Cedar refuses them, of ever smaller parts (rule A5)."""
        parts = [positions]
        while parts:
            part = parts.pop()
            entities = self._parsed(part)
            if entities is not None:
                yield entities, part
            elif self._parsed([]) is None:
                # No check can be decided about a principal whose claims do not fit.
                for position in part:
                    self._fault("avp.entity_refused", self._batch.checks[position], *self._misfits([self._principal]))
            elif len(part) == 1:
                world = self._batch.worlds[part[0]]
                self._fault("avp.entity_refused", self._batch.checks[part[0]], *self._misfits(world))
            else:
                half = len(part) // 2
                parts += [part[half:], part[:half]]

    def _entities(self, positions: Iterable[int]) -> dict[EntityUid, Entity]:
        # Checks about one resource share their world.
        worlds = {id(world): world for world in (self._batch.worlds[position] for position in positions)}
        entities = {entity.uid: entity for world in worlds.values() for entity in world}
        entities[self._principal.uid] = self._principal
        return entities

    def _parsed(self, positions: Iterable[int]) -> cedarpy.Entities | None:
        try:
            document = json.dumps([self._policies.needs.of(entity) for entity in self._entities(positions).values()])
            return cedarpy.Entities.from_json_str(document, self._handle)
        except ValueError:
            # The text of the error may quote attributes, which may be claims (rule A8).
            return None

    # Requests

    def _request(self, check: Check) -> dict[str, Any]:
        request: dict[str, Any] = {
            "principal": self._principal.uid.as_json(),
            "action": check.action.as_json(),
            "resource": check.resource.as_json(),
        }
        context = self._context(check)
        if context:
            request["context"] = context
        return request

    def _context(self, check: Check) -> str:
        """A check's context with the access token's claims, as JSON text."""
        if not self._token:
            return check.context
        key = (check.action, check.context)
        if key not in self._contexts:
            self._contexts[key] = with_token(check.context, self._token, check.action, self._schema)
        return self._contexts[key]

    # Answers

    def _decision(self, check: Check, result: cedarpy.AuthzResult) -> Decision:
        decision, diagnostics = result.decision, result.diagnostics
        if decision is cedarpy.Decision.NoDecision:
            self._fault("avp.no_decision", check)
            return INVALID
        # In order, because Cedar's own order changes from one evaluation to the next.
        reasons = tuple(sorted(diagnostics.reasons))
        errors = tuple(sorted(self._policies.erring(message) for message in diagnostics.errors))
        is_allowed = decision is cedarpy.Decision.Allow
        return self._erring(is_allowed, reasons, errors) if errors else _answer(is_allowed, reasons)

    def _erring(self, is_allowed: bool, reasons: tuple[str, ...], errors: tuple[str, ...]) -> Decision:
        """The decision where policies could not be evaluated (rule B2)."""
        self._errors.update(dict.fromkeys(errors))
        # A policy that cannot be told by its message may be a forbid.
        forbids = tuple(error for error in errors if error in self._policies.forbids or error == UNKNOWN)
        if forbids and conf.on_policy_error != "ignore":
            return Decision(Verdict.FORBIDDEN, forbids if is_allowed else (*reasons, *forbids), errors)
        if is_allowed and conf.on_policy_error == "any":
            return Decision(Verdict.UNDECIDED, (), errors, Cause.INVALID)
        return _answer(is_allowed, reasons, errors)

    # Logging: names and types, never a value or a text of Cedar (rule A8)

    def _fault(self, event: str, check: Check, *causes: str) -> None:
        self._faults[event, str(check.action), check.resource.type, causes] = None

    def _misfits(self, entities: Iterable[Entity]) -> Iterator[str]:
        """Why entities do not conform to the schema, as far as names tell."""
        for entity in entities:
            declared = self._schema.entity_types.get(entity.uid.type) if self._schema else None
            if declared:
                name_of_type, names = entity.uid.type, entity.attributes.keys()
                yield from (f"{name_of_type} lacks {name}" for name in declared.shape.lacking(names))
                yield from (f"{name_of_type} may not have {name}" for name in declared.shape.undeclared(names))

    def _log(self) -> None:
        for event, action, resource_type, causes in self._faults:
            extra = {"action": action, "resource_type": resource_type, "principal_type": self._principal.uid.type}
            logger.error(event, extra={**extra, "causes": causes} if causes else extra)
        if self._errors:
            logger.warning("avp.policy_errors", extra={"policies": tuple(self._errors)})


def _answer(is_allowed: bool, reasons: tuple[str, ...], errors: tuple[str, ...] = ()) -> Decision:
    if is_allowed:
        return Decision(Verdict.PERMITTED, reasons, errors)
    return Decision(Verdict.FORBIDDEN if reasons else Verdict.NOT_PERMITTED, reasons, errors)
