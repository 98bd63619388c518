"""The operations on a policy store's identity source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django_avp.testing.endpoint.cognito import CognitoSource
from django_avp.testing.endpoint.errors import missing, over_quota
from django_avp.testing.endpoint.fields import items, text
from django_avp.testing.endpoint.paging import page
from django_avp.testing.endpoint.service import Service
from django_avp.testing.endpoint.state import PolicyStore, Source, new_id

__all__ = ["OPERATIONS"]


def _create_source(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    if store.content.source is not None:
        raise over_quota("A policy store has one identity source.", "IDENTITY_SOURCE")
    source = Source(new_id("IS"), _cognito_source(request, "configuration", text(request, "principalEntityType")))
    store.content = replace(store.content, source=source)
    return _source_written(store, source)


def _get_source(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    return _source_told(store, _wanted_source(store, request))


def _update_source(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    old = _wanted_source(store, request)
    principal_type = text(request, "principalEntityType", default=old.source.principal_type)
    changed = _cognito_source(request, "updateConfiguration", principal_type)
    source = replace(old, source=changed, dates=old.dates.touched())
    store.content = replace(store.content, source=source)
    return _source_written(store, source)


def _delete_source(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    _wanted_source(store, request)
    store.content = replace(store.content, source=None)
    return {}


def _list_sources(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    wanted = [text(item, "principalEntityType", "filters.") for item in items(request.get("filters"), "filters")]
    source = store.content.source
    found = [source] if source and (not wanted or source.source.principal_type in wanted) else []
    return page(
        request,
        "identitySources",
        found,
        lambda source: source.identity_source_id,
        lambda source: _source_told(store, source),
    )


OPERATIONS: Mapping[str, Callable[[Service, Mapping[str, Any]], dict[str, Any]]] = {
    "CreateIdentitySource": _create_source,
    "GetIdentitySource": _get_source,
    "UpdateIdentitySource": _update_source,
    "DeleteIdentitySource": _delete_source,
    "ListIdentitySources": _list_sources,
}


def _cognito_source(request: Mapping[str, Any], key: str, principal_type: str) -> CognitoSource:
    return CognitoSource.read(request.get(key), principal_type, key)


def _wanted_source(store: PolicyStore, request: Mapping[str, Any]) -> Source:
    identifier = text(request, "identitySourceId")
    source = store.content.source
    if source is None or source.identity_source_id != identifier:
        raise missing("IDENTITY_SOURCE", identifier)
    return source


def _source_written(store: PolicyStore, source: Source) -> dict[str, Any]:
    return {
        "policyStoreId": store.policy_store_id,
        "identitySourceId": source.identity_source_id,
        **source.dates.told(),
    }


def _source_told(store: PolicyStore, source: Source) -> dict[str, Any]:
    return {
        **_source_written(store, source),
        "principalEntityType": source.source.principal_type,
        "configuration": source.source.configuration(),
    }
