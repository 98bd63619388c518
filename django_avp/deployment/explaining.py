"""What a fault of the service means for who pulls or pushes, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from django_avp.engines.synced.stores import READING_PERMISSIONS
from django_avp.engines.verified_permissions.faults import code_of, cure_of
from django_avp.exceptions import AvpError

__all__ = ["WRITING_PERMISSIONS", "PushError", "explained"]

WRITING_PERMISSIONS = (
    f"{READING_PERMISSIONS.replace(' and', ',')}, CreatePolicy, GetPolicy, UpdatePolicy, DeletePolicy, "
    "CreatePolicyTemplate, UpdatePolicyTemplate, DeletePolicyTemplate and PutSchema"
)
# These tell what is wrong with a policy, which nobody but its author has written; no claim is in it (rule A8).
_TOLD = {"ConflictException", "ServiceQuotaExceededException", "ValidationException"}


class PushError(AvpError):
    """Raised when a push cannot go on; the message tells what went wrong and what was done."""


def explained(error: Exception | KeyboardInterrupt, permissions: str) -> str:
    """The cause and the cure of what went wrong.

    Args:
        error: what was raised.
        permissions: those that the calls need.
    """
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted."
    if isinstance(error, AvpError):
        return str(error)
    text = " ".join(_texts(error.response)) if isinstance(error, ClientError) and code_of(error) in _TOLD else ""
    return " ".join(filter(None, [f"{code_of(error)}.", text, cure_of(error, permissions)]))


def _texts(response: Mapping[str, Any]) -> Iterator[str]:
    yield str(response.get("message") or response.get("Error", {}).get("Message", ""))
    for field in response.get("fieldList", ()):
        yield f"{field.get('path', '')}: {field.get('message', '')}"
