"""The errors of the service, as its API names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["ServiceError", "conflict", "missing", "over_quota", "refused"]


class ServiceError(Exception):
    """Raised to answer a call with one of the service's errors.

    Args:
        code: the name of the exception, such as ``"ValidationException"``.
        message: what the caller is told.
        members: more members of the error's shape.
        status: the HTTP status.
    """

    def __init__(self, code: str, message: str, members: Mapping[str, Any] | None = None, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.members = {"message": message, **(members or {})}


def refused(message: str, paths: Sequence[str] = ()) -> ServiceError:
    """A ``ValidationException`` about the fields at these paths."""
    fields = [{"path": path, "message": message} for path in paths]
    return ServiceError("ValidationException", "Invalid input", {"fieldList": fields} if fields else {})


def missing(resource_type: str, resource_id: str) -> ServiceError:
    """A ``ResourceNotFoundException``; the type is one of the API's, such as ``"POLICY"``."""
    members = {"resourceType": resource_type, "resourceId": resource_id}
    return ServiceError("ResourceNotFoundException", "There is no such resource.", members)


def conflict(message: str, resource_type: str, resource_id: str) -> ServiceError:
    """A ``ConflictException`` with a resource that is there."""
    resources = [{"resourceType": resource_type, "resourceId": resource_id}]
    return ServiceError("ConflictException", message, {"resources": resources})


def over_quota(message: str, resource_type: str) -> ServiceError:
    """A ``ServiceQuotaExceededException``."""
    members = {"resourceType": resource_type, "serviceCode": "verifiedpermissions"}
    return ServiceError("ServiceQuotaExceededException", message, members)
