"""The operations on policies, static and linked to templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django_avp.testing.endpoint.errors import ServiceError, conflict, refused
from django_avp.testing.endpoint.fields import boolean, choice, member, name, record, text
from django_avp.testing.endpoint.paging import page
from django_avp.testing.endpoint.service import Service
from django_avp.testing.endpoint.shapes import as_identifier, entity_uid
from django_avp.testing.endpoint.state import Content, Policy, PolicyStore, new_id
from django_avp.testing.endpoint.statements import Statement

__all__ = ["OPERATIONS", "validated"]

MAX_BATCH = 100
LONGEST_DESCRIPTION = 150
_TYPES = ("STATIC", "TEMPLATE_LINKED")


def _create_policy(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    policy = Policy(new_id(), **_definition(store, request.get("definition")), name=_free_name(store, request, ""))
    store.content = store.content.with_policy(policy)
    return _written(store, policy)


def _get_policy(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    return _told(store, store.content.policy(text(request, "policyId")))


def _batch_get_policy(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    requests = request.get("requests")
    if not isinstance(requests, list) or not 1 <= len(requests) <= MAX_BATCH:
        raise refused(f"A batch has 1 to {MAX_BATCH} requests.", ["requests"])
    answer: dict[str, Any] = {"results": [], "errors": []}
    for item in requests:
        wanted = {"policyStoreId": text(item, "policyStoreId"), "policyId": text(item, "policyId")}
        try:
            told = _get_policy(service, wanted)
        except ServiceError as error:
            code = f"{error.members['resourceType']}_NOT_FOUND"
            answer["errors"].append({**wanted, "code": code, "message": str(error)})
        else:
            # This operation tells nothing of the scope.
            answer["results"].append({key: told[key] for key in told if key not in _SCOPE})
    return answer


def _update_policy(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    policy = store.content.policy(text(request, "policyId"))
    changes: dict[str, Any] = {}
    if "definition" in request:
        _, content = member(request["definition"], "definition", "static")
        changes = _static(store, content)
        if policy.statement is None or not changes["statement"].has_scope_of(policy.statement):
            raise refused("Effect, principal and resource of a static policy stay as they are.", ["definition"])
    if "name" in request:
        changes["name"] = _free_name(store, request, policy.policy_id)
    policy = replace(policy, **changes, dates=policy.dates.touched())
    store.content = store.content.with_policy(policy)
    return _written(store, policy)


def _delete_policy(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    identifier = text(request, "policyId")
    kept = {
        policy.policy_id: policy
        for policy in store.content.policies.values()
        if identifier not in (policy.policy_id, policy.name)
    }
    store.content = replace(store.content, policies=kept)
    return {}


def _list_policies(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    is_wanted = _filter(record(request, "filter") if request.get("filter") else {})
    found = [policy for policy in store.content.policies.values() if is_wanted(_told(store, policy))]
    return page(request, "policies", found, lambda policy: policy.policy_id, lambda policy: _listed(store, policy))


OPERATIONS: Mapping[str, Callable[[Service, Mapping[str, Any]], dict[str, Any]]] = {
    "CreatePolicy": _create_policy,
    "GetPolicy": _get_policy,
    "BatchGetPolicy": _batch_get_policy,
    "UpdatePolicy": _update_policy,
    "DeletePolicy": _delete_policy,
    "ListPolicies": _list_policies,
}


# What is written


def validated(store: PolicyStore, statement: Statement, path: str) -> Statement:
    """A statement that the store's validation lets through.

    Raises:
        ServiceError: validation is on, and it does not conform to the schema, or there is none.
    """
    if store.mode == "STRICT":
        if store.content.schema is None:
            raise refused("Validation is on, and the store has no schema.", [path])
        statement.validate(store.content.schema.schema.handle, path)
    return statement


def _definition(store: PolicyStore, definition: Any) -> dict[str, Any]:
    kind, content = member(definition, "definition", "static", "templateLinked")
    return _static(store, content) if kind == "static" else _linked(store, content)


def _static(store: PolicyStore, content: Any) -> dict[str, Any]:
    path = "definition.static."
    statement = Statement.parse(text(content, "statement", path, most=1_000_000), f"{path}statement")
    if statement.slots:
        raise refused("A static policy has no placeholders.", [f"{path}statement"])
    description = text(content, "description", path, most=LONGEST_DESCRIPTION, default="")
    return {"statement": validated(store, statement, f"{path}statement"), "description": description}


def _linked(store: PolicyStore, content: Any) -> dict[str, Any]:
    path = "definition.templateLinked."
    template = store.content.template(text(content, "policyTemplateId", path))
    given = {f"?{side}": content[side] for side in ("principal", "resource") if content.get(side)}
    if set(given) != set(template.statement.slots):
        raise refused("Give a value for each placeholder of the template and no other.", ["definition.templateLinked"])
    values = {slot: entity_uid(value, f"{path}{slot[1:]}") for slot, value in given.items()}
    return {"policy_template_id": template.policy_template_id, "values": values}


def _free_name(store: PolicyStore, request: Mapping[str, Any], policy_id: str) -> str:
    """The name of a request, which no other policy has."""
    wanted = name(request)
    for policy in store.content.policies.values():
        if wanted and policy.name == wanted and policy.policy_id != policy_id:
            raise conflict("Another policy has this name.", "POLICY", policy.policy_id)
    return wanted


# What is told

_SCOPE = ("principal", "resource", "actions", "effect")


def _statement(content: Content, policy: Policy) -> Statement:
    return policy.statement or content.templates[policy.policy_template_id].statement


def _written(store: PolicyStore, policy: Policy) -> dict[str, Any]:
    return {
        "policyStoreId": store.policy_store_id,
        "policyId": policy.policy_id,
        "policyType": policy.policy_type,
        **_statement(store.content, policy).told(policy.values),
        **policy.dates.told(),
    }


def _told(store: PolicyStore, policy: Policy) -> dict[str, Any]:
    named = {"name": policy.name} if policy.name else {}
    return {**_written(store, policy), **named, "definition": _definition_of(policy)}


def _listed(store: PolicyStore, policy: Policy) -> dict[str, Any]:
    """A listing has everything but the statement."""
    told = _told(store, policy)
    if policy.statement is not None:
        del told["definition"]["static"]["statement"]
    return told


def _definition_of(policy: Policy) -> dict[str, Any]:
    if policy.statement is not None:
        described = {"description": policy.description} if policy.description else {}
        return {"static": {"statement": policy.statement.text, **described}}
    values = {slot[1:]: as_identifier(uid) for slot, uid in policy.values.items()}
    return {"templateLinked": {"policyTemplateId": policy.policy_template_id, **values}}


# What is looked for


def _filter(wanted: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:
    tests = [_reference(side, record(wanted, side, "filter.")) for side in ("principal", "resource") if side in wanted]
    if "policyType" in wanted:
        policy_type = choice(wanted, "policyType", "filter.", _TYPES)
        tests.append(lambda told: told["policyType"] == policy_type)
    if "policyTemplateId" in wanted:
        template_id = text(wanted, "policyTemplateId", "filter.")
        tests.append(lambda told: told["definition"].get("templateLinked", {}).get("policyTemplateId") == template_id)
    return lambda told: all(test(told) for test in tests)


def _reference(side: str, wanted: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:
    if "unspecified" in wanted:
        is_unspecified = boolean(wanted, "unspecified", f"filter.{side}.")
        return lambda told: (side not in told) is is_unspecified
    identifier = as_identifier(entity_uid(wanted.get("identifier"), f"filter.{side}.identifier"))
    return lambda told: told.get(side) == identifier
