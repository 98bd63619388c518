"""Authentication by Cognito tokens: what the middleware verified, or what is verified here in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied

from django_avp.exceptions import AuthorizationUnavailable, KeySetUnavailableError
from django_avp.gates import authorization_of, is_identified
from django_avp.headers import add_headers
from django_avp.identification import Personal, identify, is_left_to_others
from django_avp.responses import challenge
from django_avp.rest_framework.exceptions import AuthorizationUnavailableError

if TYPE_CHECKING:
    from rest_framework.request import Request

    from django_avp.authorization import Authorization
    from django_avp.identity import Identity

__all__ = ["CognitoAuthentication", "identified"]


class CognitoAuthentication(BaseAuthentication):
    """``request.user`` is the token's user, ``request.auth`` its :class:`~django_avp.identity.Identity`.

    It belongs first in a view's authentication classes, so that a missing or bad token is 401 with a ``Bearer``
    challenge. Requests without a token, and with the tokens of others, are left to the classes after it.

    Without ``AuthorizationMiddleware`` it does what that does, for views of REST framework alone: it verifies the
    token, checks CSRF where a browser sent it by itself (rule C1), and keeps responses out of shared caches (rule C5).
    """

    def authenticate(self, request: Request) -> tuple[Any, Identity] | None:
        """The user and the identity of a request; ``None`` if it has no token of ours.

        Raises:
            AuthenticationFailed: its token does not hold; 401.
            PermissionDenied: its user is deactivated (rule B6), or a browser's request lacks the CSRF token; 403.
            AuthorizationUnavailableError: its token cannot be verified now; 503.
        """
        found: Authorization | None = getattr(request._request, "avp", None)
        authorization = found if found is not None else _identify(request)
        authorization.serve(request)
        if isinstance(authorization.fault, KeySetUnavailableError):
            raise AuthorizationUnavailableError
        if authorization.identity is None:
            if authorization.fault is None or is_left_to_others(authorization.fault):
                return None
            raise AuthenticationFailed({"detail": "The token is not valid.", "code": "invalid_token"}, "invalid_token")
        user = request._request.user
        if not user.is_authenticated:
            raise PermissionDenied({"detail": "The user is deactivated.", "code": "inactive"}, "inactive")
        # The framework keeps it for the view, whose methods may be behind a cache.
        identity = Personal(lambda: authorization.identity, authorization.mark_used)
        # A `repr` looks nothing up, and shows what was.
        identity._setup()
        return user, cast("Identity", identity)

    def authenticate_header(self, request: Request) -> str:
        """The value of ``WWW-Authenticate``."""
        authorization: Authorization | None = getattr(request._request, "avp", None)
        return challenge(authorization.fault if authorization is not None else None)


def identified(request: Request) -> Authorization | None:
    """The request's authorization, if there is somebody to ask about.

    Raises:
        AuthorizationUnavailableError: the token cannot be verified now; 503.
        ImproperlyConfigured: neither the middleware nor ``CognitoAuthentication`` has identified the request.
    """
    authorization = authorization_of(request)
    try:
        return authorization if is_identified(authorization) else None
    except AuthorizationUnavailable as error:
        raise AuthorizationUnavailableError(error) from error


def _identify(request: Request) -> Authorization:
    authorization = identify(request._request)
    view = (request.parser_context or {}).get("view")
    if view is not None:
        finalize = view.finalize_response

        def finalize_response(*args: Any, **kwargs: Any) -> Any:
            response = finalize(*args, **kwargs)
            add_headers(response, authorization)
            return response

        view.finalize_response = finalize_response
    identity = authorization.identity
    if identity is not None and identity.is_ambient:
        try:
            SessionAuthentication().enforce_csrf(request)
        except PermissionDenied:
            # Whoever goes on all the same is nobody.
            authorization.close()
            raise
    return authorization
