"""Every operation of the endpoint by its name, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django_avp.testing.endpoint import decisions, identity_sources, policies, policy_stores, schemas, templates
from django_avp.testing.endpoint.errors import ServiceError, conflict
from django_avp.testing.endpoint.fields import text
from django_avp.testing.endpoint.service import Service

__all__ = ["MANAGEMENT", "call"]

MANAGEMENT: Mapping[str, Callable[[Service, Mapping[str, Any]], dict[str, Any]]] = {
    **policy_stores.OPERATIONS,
    **schemas.OPERATIONS,
    **identity_sources.OPERATIONS,
    **templates.OPERATIONS,
    **policies.OPERATIONS,
}


def call(service: Service, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a call. Those that decide run side by side; all others one after the other.

    Raises:
        ServiceError: the service would answer with an error.
    """
    if operation in decisions.OPERATIONS:
        return decisions.OPERATIONS[operation](service, request)
    if operation not in MANAGEMENT:
        raise ServiceError("UnknownOperationException", f"There is no operation {operation}.")
    with service.lock:
        return _once(service, operation, request)


def _once(service: Service, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """A call that is repeated with its client token is answered as it was the first time."""
    token = text(request, "clientToken", most=64, default="")
    known, answer = service.written.get((operation, token), (request, None))
    if known != request:
        raise conflict(
            "The client token was used for another request.", "POLICY_STORE", str(request.get("policyStoreId"))
        )
    if answer is None:
        answer = MANAGEMENT[operation](service, request)
        if token:
            service.written[operation, token] = (request, answer)
    return answer
