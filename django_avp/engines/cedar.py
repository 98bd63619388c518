"""The embedded engine: Cedar in process, on the policies of ``AVP_POLICIES``.

It follows the rules and limits of Amazon Verified Permissions, so that what passes here passes there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cedarpy
from django.conf import settings

from django_avp.cedar import INVALID, Cause, Check, Decision, Entity, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.engines.base import Batch, Decisions
from django_avp.policies import Policies, fingerprint, load
from django_avp.schema import Schema
from django_avp.values import to_json

__all__ = ["CedarEngine", "evaluate"]

logger = logging.getLogger("django_avp")

_ERROR_PREFIX = "error while evaluating policy `"


class CedarEngine:
    """Decides with the policy files of ``AVP_POLICIES``: parsed once, and again in development when one changes.

    Raises:
        PolicyError: a policy file or the schema cannot be used.
    """

    in_process = True

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
        return Decisions(evaluate(batch, self.policies(batch.store)))

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
    principal = batch.identity.entity(policies.schema)
    entities = {entity.uid: entity for world in batch.worlds for entity in world}
    handle, refused = _entities([principal, *entities.values()], policies.schema)
    requests = {}
    contexts = _Contexts(batch, policies.schema)
    for position, (check, world) in enumerate(zip(batch.checks, batch.worlds, strict=True)):
        is_conforming = principal.uid not in refused and refused.isdisjoint(entity.uid for entity in world)
        if is_conforming and _is_applicable(check, principal.uid, policies.schema):
            requests[position] = _request(check, principal.uid, contexts)
    results = cedarpy.is_authorized_batch(
        list(requests.values()), policies.policy_set, handle, policies.schema and policies.schema.handle
    )
    decided = {position: _decision(result, policies) for position, result in zip(requests, results, strict=True)}
    return [decided.get(position, INVALID) for position in range(len(batch.checks))]


def _request(check: Check, principal: EntityUid, contexts: _Contexts) -> dict[str, Any]:
    request: dict[str, Any] = {
        "principal": principal.as_json(),
        "action": check.action.as_json(),
        "resource": check.resource.as_json(),
    }
    context = contexts.of(check)
    if context:
        request["context"] = context
    return request


class _Contexts:
    """The contexts of a batch's checks, with the access token's claims where the schema declares them (rule A7)."""

    def __init__(self, batch: Batch, schema: Schema | None) -> None:
        self._token = batch.identity.token_context()
        self._schema = schema
        self._made: dict[tuple[EntityUid, str], str] = {}

    def of(self, check: Check) -> str:
        """The context of a check as Cedar JSON text, empty for none."""
        if not self._token:
            return check.context
        key = (check.action, check.context)
        if key not in self._made:
            own = json.loads(check.context) if check.context else {}
            self._made[key] = to_json(own | self._declared(check.action))
        return self._made[key]

    def _declared(self, action: EntityUid) -> Mapping[str, Any]:
        claims = {"token": self._token}
        return self._schema.actions[action].context.project(claims) if self._schema else claims


def _entities(entities: Iterable[Entity], schema: Schema | None) -> tuple[cedarpy.Entities, frozenset[EntityUid]]:
    """Parse entities with the schema; those that do not conform to it are left out and named."""
    documents = {entity.uid: json.dumps(entity.as_json()) for entity in entities}
    handle = _parse(documents.values(), schema)
    if handle is not None:
        return handle, frozenset()
    conforming = {uid: text for uid, text in documents.items() if _parse([text], schema) is not None}
    refused = frozenset(documents) - frozenset(conforming)
    for uid in refused:
        logger.error("avp.entity_refused", extra={"type": uid.type, "hint": "It does not conform to the schema."})
    handle = _parse(conforming.values(), schema)
    if handle is None:
        # Each alone is right and all together are not: nothing can be said about any.
        logger.error("avp.entities_refused", extra={"count": len(documents)})
        return cedarpy.Entities.from_json_str("[]"), frozenset(documents)
    return handle, refused


def _parse(documents: Iterable[str], schema: Schema | None) -> cedarpy.Entities | None:
    try:
        return cedarpy.Entities.from_json_str(f"[{','.join(documents)}]", schema and schema.handle)
    except ValueError:
        # The text of the error may quote attributes, which may be claims (rule A8).
        return None


def _is_applicable(check: Check, principal: EntityUid, schema: Schema | None) -> bool:
    if schema is None:
        return True
    action = schema.actions.get(check.action)
    if action is not None and action.applies_to(principal.type, check.resource.type):
        return True
    logger.error(
        "avp.action_not_applicable" if action else "avp.unknown_action",
        extra={"action": str(check.action), "resource_type": check.resource.type, "principal_type": principal.type},
    )
    return False


def _decision(result: cedarpy.AuthzResult, policies: Policies) -> Decision:
    errors = tuple(_policy_id(message, policies) for message in result.diagnostics.errors)
    if result.decision is cedarpy.Decision.NoDecision:
        logger.error("avp.no_decision", extra={"hint": "The context does not conform to the schema."})
        return INVALID
    reasons = tuple(result.diagnostics.reasons)
    if errors:
        logger.warning("avp.policy_errors", extra={"policies": errors})
        overruled = _by_errors(errors, policies)
        if overruled is not None and result.decision is cedarpy.Decision.Allow:
            return overruled
    if result.decision is cedarpy.Decision.Allow:
        return Decision(Verdict.PERMITTED, reasons, errors)
    return Decision(Verdict.FORBIDDEN if reasons else Verdict.NOT_PERMITTED, reasons, errors)


def _by_errors(errors: tuple[str, ...], policies: Policies) -> Decision | None:
    """What ``AVP_ON_POLICY_ERROR`` makes of an Allow with errors (rule B2); ``None`` lets it stand."""
    # A policy that cannot be told by its message may be a forbid.
    forbids = tuple(error for error in errors if error in policies.forbids or error not in policies.statements)
    if conf.on_policy_error == "ignore":
        return None
    if forbids:
        return Decision(Verdict.FORBIDDEN, forbids, errors)
    return Decision(Verdict.UNDECIDED, (), errors, Cause.INVALID) if conf.on_policy_error == "any" else None


def _policy_id(message: str, policies: Policies) -> str:
    """The policy that an error of Cedar is about, and nothing else of its text (rule A8)."""
    candidate = message.removeprefix(_ERROR_PREFIX).partition("`: ")[0]
    return candidate if candidate in policies.statements else "unknown"
