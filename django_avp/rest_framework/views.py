"""What a client is told for exceptions in a view: 401, 403 and 503 with a code, and which policies refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework import views
from rest_framework.exceptions import ErrorDetail, PermissionDenied

from django_avp.exceptions import ActionDenied, AuthorizationUnavailable, AvpError
from django_avp.gates import authorization_of
from django_avp.responses import denial
from django_avp.rest_framework.exceptions import AuthorizationUnavailableError, unidentified

if TYPE_CHECKING:
    from rest_framework.response import Response

__all__ = ["exception_handler"]


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer what ``request.avp.require`` raises in a view, and give every error that has one reason its ``code``.

    For ``REST_FRAMEWORK["EXCEPTION_HANDLER"]``. Everything else is left to REST framework's own handler.

    Args:
        exc: what the view raised.
        context: REST framework's, with ``view`` and ``request``.
    """
    if isinstance(exc, AvpError):
        exc = _of_the_framework(exc, context)
    response = views.exception_handler(exc, dict(context))
    if response is not None and isinstance(response.data, dict):
        detail = response.data.get("detail")
        if isinstance(detail, ErrorDetail):
            response.data.setdefault("code", detail.code)
    return response


def _of_the_framework(error: AvpError, context: Mapping[str, Any]) -> Exception:
    if isinstance(error, AuthorizationUnavailable):
        return AuthorizationUnavailableError(error)
    if not isinstance(error, ActionDenied):
        return error
    request = context["request"]
    if authorization_of(request).identity is not None:
        return PermissionDenied(denial(error), "forbidden")
    exception = unidentified()
    challenge = context["view"].get_authenticate_header(request)
    if challenge:
        exception.auth_header = challenge  # type: ignore[attr-defined]
    else:
        exception.status_code = PermissionDenied.status_code
    return exception
