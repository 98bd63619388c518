"""The errors of the service, as its API names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["ServiceError", "refused"]


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
