"""The operations on policy stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django_avp.testing.endpoint.errors import ServiceError
from django_avp.testing.endpoint.fields import choice, record, text
from django_avp.testing.endpoint.paging import page
from django_avp.testing.endpoint.policies import LONGEST_DESCRIPTION
from django_avp.testing.endpoint.service import Service
from django_avp.testing.endpoint.state import PolicyStore

__all__ = ["OPERATIONS"]

_MODES = ("OFF", "STRICT")
_PROTECTION = ("DISABLED", "ENABLED")


def _create_store(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = PolicyStore(
        mode=_mode(request), description=_description(request), is_protected=_is_protected(request, default="DISABLED")
    )
    service.stores[store.policy_store_id] = store
    return _store_written(store)


def _get_store(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    return {
        **_store_listed(store),
        "validationSettings": {"mode": store.mode},
        "deletionProtection": _PROTECTION[store.is_protected],
        "cedarVersion": "CEDAR_4",
    }


def _update_store(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    mode = _mode(request)
    is_protected = _is_protected(request, default=_PROTECTION[store.is_protected])
    description = _description(request, store.description)
    store.mode, store.is_protected, store.description = mode, is_protected, description
    store.dates = store.dates.touched()
    return _store_written(store)


def _delete_store(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.stores.get(text(request, "policyStoreId"))
    if store is not None and store.is_protected:
        raise ServiceError("InvalidStateException", "Deletion protection is on.")
    if store is not None:
        del service.stores[store.policy_store_id]
    return {}


def _list_stores(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    return page(
        request, "policyStores", list(service.stores.values()), lambda store: store.policy_store_id, _store_listed
    )


OPERATIONS: Mapping[str, Callable[[Service, Mapping[str, Any]], dict[str, Any]]] = {
    "CreatePolicyStore": _create_store,
    "GetPolicyStore": _get_store,
    "UpdatePolicyStore": _update_store,
    "DeletePolicyStore": _delete_store,
    "ListPolicyStores": _list_stores,
}


def _mode(request: Mapping[str, Any]) -> str:
    return choice(record(request, "validationSettings"), "mode", "validationSettings.", _MODES)


def _is_protected(request: Mapping[str, Any], *, default: str) -> bool:
    return choice(request, "deletionProtection", "", _PROTECTION, default) == "ENABLED"


def _description(request: Mapping[str, Any], default: str = "") -> str:
    return text(request, "description", most=LONGEST_DESCRIPTION, default=default)


def _store_written(store: PolicyStore) -> dict[str, Any]:
    arn = f"arn:aws:verifiedpermissions::000000000000:policy-store/{store.policy_store_id}"
    return {"policyStoreId": store.policy_store_id, "arn": arn, **store.dates.told()}


def _store_listed(store: PolicyStore) -> dict[str, Any]:
    described = {"description": store.description} if store.description else {}
    return {**_store_written(store), **described}
