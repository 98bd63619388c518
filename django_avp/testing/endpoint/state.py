"""A policy store: what is in it at a moment, and the policy set that Cedar evaluates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import cedarpy
from django.utils.crypto import get_random_string

from django_avp.cedar import EntityUid
from django_avp.conf import conf
from django_avp.policies import Policies
from django_avp.schema import Schema
from django_avp.schema_json import schema_json
from django_avp.testing.endpoint.cognito import CognitoSource
from django_avp.testing.endpoint.errors import missing
from django_avp.testing.endpoint.statements import Statement

__all__ = ["Content", "Dates", "Policy", "PolicyStore", "Source", "StoredSchema", "Template", "new_id"]


def new_id(prefix: str = "") -> str:
    """An id as the service gives one."""
    return prefix + get_random_string(22 - len(prefix))


@dataclass(frozen=True, slots=True)
class Dates:
    """When something was created, and when it last changed."""

    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    updated: datetime | None = None

    def touched(self) -> Dates:
        """The dates after a change."""
        return replace(self, updated=datetime.now(UTC))

    def told(self) -> dict[str, str]:
        """As the API tells them."""
        updated = self.updated or self.created
        return {"createdDate": self.created.isoformat(), "lastUpdatedDate": updated.isoformat()}


@dataclass(frozen=True, slots=True)
class Template:
    """A policy template."""

    policy_template_id: str
    statement: Statement
    name: str = ""
    description: str = ""
    dates: Dates = field(default_factory=Dates)


@dataclass(frozen=True, slots=True)
class Policy:
    """A static policy with its own statement, or one that is linked to a template by the values of its slots."""

    policy_id: str
    statement: Statement | None = None
    description: str = ""
    policy_template_id: str = ""
    values: Mapping[str, EntityUid] = field(default_factory=dict)
    name: str = ""
    dates: Dates = field(default_factory=Dates)

    @property
    def policy_type(self) -> str:
        """The API's word for it."""
        return "TEMPLATE_LINKED" if self.statement is None else "STATIC"


@dataclass(frozen=True, slots=True)
class StoredSchema:
    """A schema, as it was given and as it is read."""

    text: str
    schema: Schema
    dates: Dates = field(default_factory=Dates)


@dataclass(frozen=True, slots=True)
class Source:
    """An identity source with its id."""

    identity_source_id: str
    source: CognitoSource
    dates: Dates = field(default_factory=Dates)


@dataclass(frozen=True)
class Content:
    """Everything in a store at one moment; a change makes another one, so that no decision sees half of it."""

    policies: Mapping[str, Policy] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    schema: StoredSchema | None = None
    source: Source | None = None

    @cached_property
    def policy_set(self) -> cedarpy.PolicySet:
        """The policies and links under the store's ids, parsed."""
        static = {policy.policy_id: policy.statement.cedar for policy in self.policies.values() if policy.statement}
        links = [
            {
                "newId": policy.policy_id,
                "templateId": policy.policy_template_id,
                "values": {slot: uid.as_json() for slot, uid in policy.values.items()},
            }
            for policy in self.policies.values()
            if policy.statement is None
        ]
        templates = {template_id: template.statement.cedar for template_id, template in self.templates.items()}
        document = {"staticPolicies": static, "templates": templates, "templateLinks": links}
        return cedarpy.PolicySet.from_json_str(json.dumps(document))

    def with_policy(self, policy: Policy) -> Content:
        """The content with a policy in it, in the place of the one that has its id."""
        return replace(self, policies={**self.policies, policy.policy_id: policy})

    def with_template(self, template: Template) -> Content:
        """The content with a template in it, in the place of the one that has its id."""
        return replace(self, templates={**self.templates, template.policy_template_id: template})

    def policy(self, identifier: str) -> Policy:
        """A policy by its id or its name.

        Raises:
            ServiceError: there is none.
        """
        for policy in self.policies.values():
            if identifier in (policy.policy_id, policy.name):
                return policy
        raise missing("POLICY", identifier)

    def template(self, identifier: str) -> Template:
        """A template by its id or its name.

        Raises:
            ServiceError: there is none.
        """
        for template in self.templates.values():
            if identifier in (template.policy_template_id, template.name):
                return template
        raise missing("POLICY_TEMPLATE", identifier)


@dataclass
class PolicyStore:
    """A policy store.

    Attributes:
        policy_store_id: its id.
        content: what is in it now.
        mode: whether policies are validated as they are written, ``"STRICT"`` or ``"OFF"``.
        description: what people say of it.
        is_protected: whether it cannot be deleted.
        dates: when it was created, and when its own settings last changed.
    """

    policy_store_id: str = field(default_factory=lambda: new_id("PS"))
    content: Content = field(default_factory=Content, repr=False)
    mode: str = "OFF"
    description: str = ""
    is_protected: bool = False
    dates: Dates = field(default_factory=Dates)

    @classmethod
    def holding(
        cls,
        policies: Policies,
        *,
        policy_store_id: str,
        pool: str,
        client_ids: Sequence[str] = (),
        principal_type: str | None = None,
        group_type: str | None = None,
    ) -> PolicyStore:
        """A store with the policies, the schema and the template links of a directory, under the ids they have there.

        Args:
            policies: what was loaded.
            policy_store_id: the store's id.
            pool: id of the user pool whose tokens it takes.
            client_ids: app clients whose tokens it takes; none for all.
            principal_type: entity type of principals; ``AVP_PRINCIPAL_TYPE`` by default.
            group_type: entity type of groups; ``AVP_GROUP_TYPE`` by default.
        """
        source = CognitoSource.of_pool(
            pool, principal_type or conf.principal_type, group_type or conf.group_type, tuple(client_ids)
        )
        declared = policies.schema
        schema = StoredSchema(schema_json(declared.handle), declared) if declared else None
        content = Content(schema=schema, source=Source(new_id("IS"), source))
        for policy_id, statement in policies.statements.items():
            content = _with_statement(content, policy_id, statement.text, is_link=statement.is_link)
        return cls(policy_store_id, content)


def _with_statement(content: Content, identifier: str, text: str, *, is_link: bool) -> Content:
    if is_link:
        return content.with_policy(_linked(json.loads(text)))
    statement = Statement.parse(text, identifier)
    if statement.slots:
        return content.with_template(Template(identifier, statement))
    return content.with_policy(Policy(identifier, statement))


def _linked(link: Mapping[str, Any]) -> Policy:
    values = {slot: EntityUid(uid["type"], uid["id"]) for slot, uid in link["values"].items()}
    return Policy(link["newId"], policy_template_id=link["templateId"], values=values)
