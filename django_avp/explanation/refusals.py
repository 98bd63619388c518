"""Why a check never reached Cedar, or was none that Cedar takes: the cause, and the cure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from django_avp.cedar import Cause, Check, Entity, EntityUid
from django_avp.entities.world import MAX_ANCESTORS
from django_avp.exceptions import KeySetUnavailableError
from django_avp.explanation.asked import Asked
from django_avp.filtering import conforms
from django_avp.identity import Identity
from django_avp.policies import Policies
from django_avp.schema import RecordType, Schema

__all__ = [
    "CLAIMS",
    "CONTEXT",
    "ENGINE",
    "NOT_ACCEPTED",
    "WORLD_FAULTS",
    "Refusal",
    "before_policies",
    "misfit_context",
    "misfit_entities",
    "misfit_types",
]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is nothing to explain by policies.

    Attributes:
        code: names the cause, for programs.
        cause: what happened, a sentence.
        cure: what to do about it, a sentence.
    """

    code: str
    cause: str
    cure: str


CONTEXT = Refusal(
    "context",
    "The context spells one of Cedar's JSON escapes, or holds something that cannot be sent.",
    "Give plain values under other keys.",
)
CLAIMS = Refusal(
    "claims",
    "The claims have no form that Cedar and the schema agree on, or nest too deeply.",
    "Compare them with the schema.",
)
NOT_ACCEPTED = Refusal(
    "not_accepted",
    "The identity source of the policy store is not of this identity's user pool, app client or entity types.",
    "Compare it with AVP_USER_POOLS, AVP_PRINCIPAL_TYPE and AVP_GROUP_TYPE.",
)
ENGINE = Refusal(
    "engine", "The engine took the question for none.", "The log of django_avp has its event, and what it is about."
)
_UNIDENTIFIED = Refusal(
    "unidentified",
    "Nobody is identified.",
    "Send a token that one of AVP_TOKEN_SOURCES reads, or name whom to ask about in AVP_ANONYMOUS_PRINCIPAL.",
)
_INACTIVE = Refusal(
    "inactive", "The user is deactivated in Django.", "Activate the user, or set AVP_REQUIRE_ACTIVE_USER to False."
)
_NO_USER = Refusal(
    "no_user",
    "There is no Django user of this principal, and none could be made.",
    "Look at AVP_USER_RESOLVER, and at the length of the field that AVP_USER_ID_FIELD names.",
)
_UNAVAILABLE = Refusal(
    "unavailable", "The engine did not answer.", "Ask again; the log of django_avp has the event and its cause."
)
_TOO_MANY_GROUPS = Refusal(
    "too_many_groups",
    f"The principal is in more than {MAX_ANCESTORS} groups, which Amazon Verified Permissions does not take.",
    "Take groups away.",
)
_INVALID_ID = Refusal(
    "invalid_id",
    "An id of the principal, the action, the resource or an ancestor is empty, too long, or has a line break.",
    "Choose another id_field.",
)
WORLD_FAULTS: Mapping[str, Refusal] = {
    "no_entity": Refusal("no_entity", "The resource is not in the database.", "Look at its id."),
    "too_deep": Refusal(
        "too_deep", "The parents of the resource go deeper than AVP_MAX_DEPTH.", "Raise it, or flatten the tree."
    ),
    "too_many_parents": Refusal(
        "too_many_parents", f"An entity has more than {MAX_ANCESTORS} ancestors.", "Declare fewer parents."
    ),
    "cycle": Refusal("cycle", "The parents of an entity lead back to it.", "Correct the rows."),
    "invalid_id": _INVALID_ID,
}


def before_policies(asked: Asked) -> Refusal | None:
    """Why no policy was looked at; ``None`` if the check was sent."""
    cause, identity = asked.decision.cause, asked.identity
    if asked.is_context_refused:
        return CONTEXT
    if cause is Cause.INACTIVE:
        return _INACTIVE if asked.has_user else _NO_USER
    if asked.fault is not None and (identity is None or isinstance(asked.fault, KeySetUnavailableError)):
        cure = "Ask again." if cause is Cause.UNAVAILABLE else "Send a token that holds."
        return Refusal(f"token_{asked.fault.code}", str(asked.fault), cure)
    if cause is Cause.UNIDENTIFIED or identity is None:
        return _UNIDENTIFIED
    if asked.error:
        return Refusal("unavailable", asked.error, "Correct that, and ask again.")
    if cause is Cause.UNAVAILABLE:
        return _UNAVAILABLE
    return _unsound(asked, identity)


def _unsound(asked: Asked, identity: Identity) -> Refusal | None:
    """Why a check was not one to be sent (rules A2, A9)."""
    if len(identity.groups) > MAX_ANCESTORS:
        return _TOO_MANY_GROUPS
    if not all(uid.is_valid for uid in (asked.check.action, asked.check.resource, identity.principal)):
        return _INVALID_ID
    return WORLD_FAULTS[asked.world.fault] if asked.world.fault else None


def misfit_types(schema: Schema | None, check: Check, principal_type: str) -> Refusal | None:
    """Why the schema does not let the action apply; ``None`` if it does, or there is no schema."""
    if schema is None:
        return None
    action = schema.actions.get(check.action)
    if action is None:
        return _unknown_action(check.action, schema.actions)
    if action.applies_to(principal_type, check.resource.type):
        return None
    return Refusal(
        "action_not_applicable",
        f"{check.action} does not apply to a principal of type {principal_type} and a resource of type "
        f"{check.resource.type}.",
        f"The schema has principals {_listed(action.principals)} and resources {_listed(action.resources)}: ask about "
        "one of these, or extend appliesTo.",
    )


def _unknown_action(action: EntityUid, known: Iterable[EntityUid]) -> Refusal:
    names = {uid.id: str(uid) for uid in known}
    alike = [names[name] for name in get_close_matches(action.id, names)]
    meant = f"Did you mean {_listed(alike)}?" if alike else "Correct the name, or declare the action."
    return Refusal("unknown_action", f"The schema has no action {action}.", f"{meant} AVP_NAMESPACE has to fit, too.")


def misfit_entities(policies: Policies, entities: Iterable[Entity]) -> Refusal:
    """Which entities Cedar refuses, and as far as names tell why (rule A8)."""
    refused = [entity for entity in entities if not conforms(policies, entity)]
    found = [text for entity in refused for text in _misfits(policies.schema, entity)]
    return Refusal(
        "entity_refused",
        f"Cedar refuses entities of the check: {'; '.join(dict.fromkeys(found))}.",
        "Make optional what may be absent, declare what is there, or correct the rows or the claims.",
    )


def _misfits(schema: Schema | None, entity: Entity) -> Iterable[str]:
    declared = schema.entity_types.get(entity.uid.type) if schema else None
    if declared is None:
        why = f"the schema has no type {entity.uid.type}" if schema else "it has a value that Cedar cannot hold"
        return [f"{entity.uid}: {why}"]
    return _differences(str(entity.uid), declared.shape, entity.attributes, "a value or a parent")


def misfit_context(schema: Schema | None, check: Check, context: Mapping[str, Any]) -> Refusal:
    """How a context differs from what the schema declares for the action, as far as names tell."""
    declared = schema.actions[check.action].context if schema else None
    found = _differences("it", declared, context, "a value") if declared else ["it has a value that Cedar cannot hold"]
    return Refusal(
        "context_refused",
        f"Cedar refuses the context: {'; '.join(found)}.",
        f"Correct the context, or what the schema declares for {check.action}.",
    )


def _differences(name: str, declared: RecordType, record: Mapping[str, Any], other: str) -> Iterator[str]:
    """Names that are missing or too many; if there are none, it is something ``other``."""
    lacking, undeclared = declared.lacking(record.keys()), declared.undeclared(record)
    yield from (f"{name} lacks {key}" for key in lacking)
    yield from (f"{name} may not have {key}" for key in undeclared)
    if not lacking and not undeclared:
        yield f"{name} has {other} of another type"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
