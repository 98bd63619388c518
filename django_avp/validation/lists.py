"""Which policies no list can be filtered by: what they say has no exact counterpart in SQL."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections, router

from django_avp.entities import registry
from django_avp.entities.model_entity import ModelEntity
from django_avp.filtering import dialect_of, untranslatable_parts
from django_avp.schema import Schema
from django_avp.validation.environments import Environment, environments
from django_avp.validation.findings import Finding, Severity
from django_avp.validation.sources import ParsedPolicy

__all__ = ["list_findings"]


def list_findings(policies: tuple[ParsedPolicy, ...], schema: Schema) -> Iterator[Finding]:
    """The parts of policies that cannot be compiled to SQL for the database that the rows are in."""
    for policy in policies:
        if not policy.is_template:
            found: dict[tuple[str, str, str], str] = {}
            for environment in environments(policy.document, schema):
                definition = registry.of_type(environment.resource)
                if definition is not None and not any(definition.problems()):
                    for part in _parts(policy, definition, environment, schema):
                        found.setdefault(part, environment.resource)
            for (construct, reason, cure), entity_type in found.items():
                message = f"`{construct}` cannot be compiled to SQL for {entity_type}: {reason}."
                yield Finding(Severity.WARNING, "not-in-sql", message, cure, policy.statement.place)


def _parts(
    policy: ParsedPolicy, definition: ModelEntity, environment: Environment, schema: Schema
) -> Iterator[tuple[str, str, str]]:
    dialect = dialect_of(connections[router.db_for_read(definition.model)])
    if dialect is None:
        # No list is made for this database, whatever the policies say.
        return
    claims = schema.entity_types[environment.principal].shape
    context = schema.actions[environment.action].context
    principal = (environment.principal, claims)
    yield from untranslatable_parts(policy.document, definition, dialect, principal, environment.action, context)
