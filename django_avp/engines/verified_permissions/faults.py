"""What went wrong at Amazon Verified Permissions: what it decides, and what the log says is to be done.

No message of the service is logged: it may quote what was sent (rule A8).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from django_avp.cedar import INVALID, UNAVAILABLE, Decision
from django_avp.engines.verified_permissions.calls import Call

__all__ = ["code_of", "cure_of", "decision_of", "is_refusal"]

logger = logging.getLogger("django_avp")

_CURES: Mapping[str, str] = {
    "NoRegionError": "Name the region of the policy store: AVP_CLIENT_OPTIONS = {'region_name': 'eu-west-1'}.",
    "ResourceNotFoundException": "There is no such policy store: check AVP_POLICY_STORE_ID and the region.",
    "AccessDeniedException": "Allow this role PERMISSIONS on the store.",
}
_PERMISSIONS = "verifiedpermissions:IsAuthorizedWithToken and IsAuthorized"
_CREDENTIALS = "Give this process valid AWS credentials: a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
_CREDENTIAL_CODES = {
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


def decision_of(error: ClientError | BotoCoreError, call: Call) -> Decision:
    """The decision about every check of a call that failed; it is logged once."""
    code = code_of(error)
    extra = {"operation": call.operation, "checks": len(call.items), "code": code}
    if is_refusal(error):
        logger.error("avp.request_refused", extra={**extra, "fields": _fields(error)})
        return INVALID
    cure = cure_of(error, _PERMISSIONS)
    if cure:
        logger.critical("avp.service_refused", extra={**extra, "cure": cure})
    else:
        logger.error("avp.service_unavailable", extra=extra)
    return UNAVAILABLE


def is_refusal(error: ClientError | BotoCoreError) -> bool:
    """Whether the request itself was refused, so that asking it again would not help."""
    return code_of(error) == "ValidationException" or isinstance(error, ParamValidationError)


def cure_of(error: Exception, permissions: str) -> str:
    """What somebody has to do about a fault that does not go away by itself; empty for others.

    Args:
        error: what went wrong.
        permissions: those that the calls need.
    """
    code = code_of(error)
    if code in _CREDENTIAL_CODES or isinstance(error, NoCredentialsError | PartialCredentialsError):
        return _CREDENTIALS
    return _CURES.get(code, "").replace("PERMISSIONS", permissions)


def code_of(error: Exception) -> str:
    """The service's name of an error, or the class of one that never came there."""
    code: str = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    return code or type(error).__name__


def _fields(error: ClientError | BotoCoreError) -> tuple[str, ...]:
    """The paths of the fields that were refused, without what the service says of their values."""
    listed = error.response.get("fieldList", ()) if isinstance(error, ClientError) else ()
    return tuple(str(field.get("path", "")) for field in listed if isinstance(field, Mapping))
