"""The operations on policy templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django_avp.testing.endpoint.errors import conflict, over_quota, refused
from django_avp.testing.endpoint.fields import name, text
from django_avp.testing.endpoint.paging import page
from django_avp.testing.endpoint.policies import LONGEST_DESCRIPTION, validated
from django_avp.testing.endpoint.service import Service
from django_avp.testing.endpoint.state import PolicyStore, Template, new_id
from django_avp.testing.endpoint.statements import Statement

__all__ = ["OPERATIONS"]

MAX_TEMPLATES = 40


def _create_template(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    if len(store.content.templates) >= MAX_TEMPLATES:
        raise over_quota(f"A policy store has at most {MAX_TEMPLATES} templates.", "POLICY_TEMPLATE")
    template = Template(new_id("PT"), _statement(store, request), _free_name(store, request, ""), _description(request))
    store.content = store.content.with_template(template)
    return _written(store, template)


def _get_template(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    template = _wanted(store, request)
    return {**_listed(store, template), "statement": template.statement.text}


def _update_template(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    template = _wanted(store, request)
    statement = _statement(store, request)
    if not statement.has_scope_of(template.statement):
        raise refused("Effect, principal and resource of a template stay as they are.", ["statement"])
    changes: dict[str, Any] = {"statement": statement}
    if "description" in request:
        changes["description"] = _description(request)
    if "name" in request:
        changes["name"] = _free_name(store, request, template.policy_template_id)
    template = replace(template, **changes, dates=template.dates.touched())
    store.content = store.content.with_template(template)
    return _written(store, template)


def _delete_template(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    """Its links go with it."""
    store = service.store(request)
    template_id = _wanted(store, request).policy_template_id
    templates = {key: template for key, template in store.content.templates.items() if key != template_id}
    policies = {
        key: policy for key, policy in store.content.policies.items() if policy.policy_template_id != template_id
    }
    store.content = replace(store.content, templates=templates, policies=policies)
    return {}


def _list_templates(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    return page(
        request,
        "policyTemplates",
        store.content.templates.values(),
        lambda template: template.policy_template_id,
        lambda template: _listed(store, template),
    )


OPERATIONS: Mapping[str, Callable[[Service, Mapping[str, Any]], dict[str, Any]]] = {
    "CreatePolicyTemplate": _create_template,
    "GetPolicyTemplate": _get_template,
    "UpdatePolicyTemplate": _update_template,
    "DeletePolicyTemplate": _delete_template,
    "ListPolicyTemplates": _list_templates,
}


def _wanted(store: PolicyStore, request: Mapping[str, Any]) -> Template:
    return store.content.template(text(request, "policyTemplateId"))


def _statement(store: PolicyStore, request: Mapping[str, Any]) -> Statement:
    statement = Statement.parse(text(request, "statement", most=1_000_000), "statement")
    if not statement.slots:
        raise refused("A template has a placeholder, ?principal or ?resource.", ["statement"])
    return validated(store, statement, "statement")


def _description(request: Mapping[str, Any]) -> str:
    return text(request, "description", most=LONGEST_DESCRIPTION, default="")


def _free_name(store: PolicyStore, request: Mapping[str, Any], template_id: str) -> str:
    """The name of a request, which no other template has."""
    wanted = name(request)
    for template in store.content.templates.values():
        if wanted and template.name == wanted and template.policy_template_id != template_id:
            raise conflict("Another template has this name.", "POLICY_TEMPLATE", template.policy_template_id)
    return wanted


def _written(store: PolicyStore, template: Template) -> dict[str, Any]:
    return {
        "policyStoreId": store.policy_store_id,
        "policyTemplateId": template.policy_template_id,
        **template.dates.told(),
    }


def _listed(store: PolicyStore, template: Template) -> dict[str, Any]:
    optional = {"description": template.description, "name": template.name}
    return {**_written(store, template), **{key: value for key, value in optional.items() if value}}
