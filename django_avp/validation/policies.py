"""What is wrong with single policies: by Cedar's own validation, and by what entities send and principals have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import cedarpy

from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.policies import validation_errors
from django_avp.policy_files import explain
from django_avp.references import read_attributes
from django_avp.schema import Schema
from django_avp.schema_json import schema_json
from django_avp.validation.environments import environments, owners_on_the_way
from django_avp.validation.findings import Finding, Severity
from django_avp.validation.sources import ParsedPolicy

__all__ = ["policy_findings"]

# Cedar looks at nothing behind what is never true: a policy that is right with this condition, too, never applies.
_ILL_TYPED = ' when { 1 < "" };'


def policy_findings(policies: tuple[ParsedPolicy, ...], schema: Schema) -> Iterator[Finding]:
    """What is wrong with the policies and templates under a schema."""
    sent = _sent_schema(schema)
    for policy in policies:
        if not policy.statement.is_link:
            yield from _PolicyValidation(policy, schema, sent).findings()


@dataclass(frozen=True, slots=True)
class _PolicyValidation:
    """A policy, the schema, and the schema with the attributes alone that entities send."""

    policy: ParsedPolicy
    schema: Schema
    sent: cedarpy.Schema

    def findings(self) -> Iterator[Finding]:
        errors = self._errors(self.schema.handle)
        yield from (self._finding(Severity.ERROR, "invalid", error) for error in errors)
        if errors:
            return
        if self._never_applies(self.schema.handle):
            yield self._finding(
                Severity.WARNING, "never-applies", "the policy never applies: its conditions exclude it."
            )
            return
        unsent = self._errors(self.sent)
        yield from (self._unsent(error) for error in unsent)
        if not unsent and self._never_applies(self.sent):
            message = "the policy never applies: it asks for an attribute that no entity sends."
            yield self._finding(Severity.WARNING, "never-applies", message)
        yield from self._foreign_claims()

    def _errors(self, schema: cedarpy.Schema) -> list[str]:
        return validation_errors(self.policy.statement.text, schema)

    def _never_applies(self, schema: cedarpy.Schema) -> bool:
        text = self.policy.statement.text.rstrip().removesuffix(";") + "\n" + _ILL_TYPED
        return not validation_errors(text, schema)

    def _unsent(self, error: str) -> Finding:
        cure = "Add it to the attributes of the ModelEntity, or ask `has` before it is read."
        return self._finding(Severity.WARNING, "unsent-attribute", f"{error}: no entity sends it", cure)

    def _foreign_claims(self) -> Iterator[Finding]:
        """Claims are known of the principal alone: read of another user they are an error (rule A3)."""
        own = (conf.principal_type, conf.group_type)
        found = dict.fromkeys(
            (owner, name)
            for environment in environments(self.policy.document, self.schema)
            for root, path in read_attributes(self.policy.document)
            for position, (owner, name) in enumerate(owners_on_the_way(root, path, environment, self.schema))
            if owner in own and (root != "principal" or position)
        )
        for owner, name in found:
            message = f"`{name}` is read of a {owner} who is not the principal: only the principal's claims are known"
            cure = "Compare the entity itself, as in `resource.owner == principal`, or send the value as an attribute."
            yield self._finding(Severity.WARNING, "foreign-claim", message, cure)

    def _finding(self, severity: Severity, code: str, message: str, hint: str = "") -> Finding:
        error = explain(self.policy.statement, ValueError(message.removesuffix(".")), cedarpy.policies_to_json_str)
        found = Finding.of(error, severity, code)
        return Finding(severity, code, found.message, hint, found.place, found.column, found.excerpt)


def _sent_schema(schema: Schema) -> cedarpy.Schema:
    """The schema without the attributes of registered types that their entities do not send."""
    document = json.loads(schema_json(schema.handle))
    for definition in registry:
        namespace, _, name = definition.entity_type.rpartition("::")
        declared = document.get(namespace, {}).get("entityTypes", {}).get(name, {})
        attributes = declared.get("shape", {}).get("attributes", {})
        if not any(definition.problems()):
            for unsent in attributes.keys() - definition.declared_names:
                del attributes[unsent]
    return cedarpy.Schema.from_json_str(json.dumps(document))
