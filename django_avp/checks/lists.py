"""Checks of what lists can be filtered by."""

from __future__ import annotations

from django.core.checks import Tags, Warning

from django_avp.checks.base import Problems, local_policies, problem_check
from django_avp.entities import registry
from django_avp.filtering import unfilterable
from django_avp.schema import Schema


def required_attributes(schema: Schema | None, entity_type: str) -> frozenset[str]:
    """The attributes that the schema has every entity of a type have."""
    declared = schema.entity_types.get(entity_type) if schema else None
    attributes = declared.shape.attributes if declared else {}
    return frozenset(name for name, attribute in attributes.items() if attribute.required)


@problem_check(Tags.models)
def check_lists() -> Problems:
    """No attribute that a policy reads, or that every entity has to have, is one that no database knows."""
    policies = local_policies()
    if policies is None:
        return
    for definition in (definition for definition in registry if not any(definition.problems())):
        names = policies.mentions.attributes | required_attributes(policies.schema, definition.entity_type)
        for name, reason, cure in unfilterable(definition, names):
            yield Warning(
                f"{definition.model._meta.label}: no list can be filtered by policies on {name!r}: {reason}.",
                hint=cure,
                obj=type(definition),
                id="django_avp.W036",
            )
