"""The operations on a policy store's schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import cedarpy

from django_avp.schema import Schema
from django_avp.schema_json import MAX_SCHEMA_BYTES, namespaces
from django_avp.testing.endpoint.errors import missing, refused
from django_avp.testing.endpoint.fields import member
from django_avp.testing.endpoint.service import Service
from django_avp.testing.endpoint.state import PolicyStore, StoredSchema

__all__ = ["OPERATIONS"]


def _put_schema(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    path = "definition.cedarJson"
    _, content = member(request.get("definition"), "definition", "cedarJson")
    if not isinstance(content, str) or len(content.encode()) > MAX_SCHEMA_BYTES:
        raise refused(f"A schema is a text of at most {MAX_SCHEMA_BYTES} bytes.", [path])
    try:
        is_removed = json.loads(content) == {}
        schema = Schema.of(cedarpy.Schema.from_json_str(content))
    except ValueError as error:
        raise refused(str(error), [path]) from error
    old = store.content.schema
    stored = StoredSchema(content, schema, old.dates.touched()) if old else StoredSchema(content, schema)
    store.content = replace(store.content, schema=None if is_removed else stored)
    return _schema_told(store, stored)


def _get_schema(service: Service, request: Mapping[str, Any]) -> dict[str, Any]:
    store = service.store(request)
    stored = store.content.schema
    if stored is None:
        raise missing("SCHEMA", store.policy_store_id)
    return {**_schema_told(store, stored), "schema": stored.text}


OPERATIONS: Mapping[str, Callable[[Service, Mapping[str, Any]], dict[str, Any]]] = {
    "PutSchema": _put_schema,
    "GetSchema": _get_schema,
}


def _schema_told(store: PolicyStore, stored: StoredSchema) -> dict[str, Any]:
    return {
        "policyStoreId": store.policy_store_id,
        "namespaces": namespaces(stored.schema.handle),
        **stored.dates.told(),
    }
