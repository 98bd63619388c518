"""Which actions there are to ask about."""

from __future__ import annotations

from django_avp.cedar import EntityUid
from django_avp.exceptions import AvpError
from django_avp.explanation.explaining import known_policies

__all__ = ["actions_on"]


def actions_on(principal_type: str, resource_type: str, store: str | None = None) -> list[EntityUid]:
    """The actions that apply to the types; without a schema, all that policies name.

    Args:
        principal_type: entity type of who asks, qualified.
        resource_type: entity type of what is asked about, qualified.
        store: the policy store; ``None`` for the engine's own.

    Raises:
        AvpError: the policies are not known.
    """
    policies, why_not = known_policies(store)
    if policies is None:
        raise AvpError(why_not)
    if policies.schema is None:
        found = {uid for uid in policies.mentions.entities if uid.is_action}
    else:
        declared = policies.schema.actions.items()
        found = {uid for uid, action in declared if action.applies_to(principal_type, resource_type)}
    return sorted(found, key=str)
