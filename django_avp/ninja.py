"""Django Ninja: who asks, and gates for operations, with the answers of all other gates as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import unwrap
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import Http404, HttpResponse
from ninja import NinjaAPI
from ninja.decorators import decorate_view
from ninja.errors import AuthenticationError, HttpError
from ninja.security.http import HttpAuthBase

from django_avp.decorators import action_required as view_action_required
from django_avp.exceptions import AuthorizationUnavailable, AvpError
from django_avp.gates import authorization_of, is_identified
from django_avp.identification import is_left_to_others
from django_avp.responses import UNAVAILABLE, UNIDENTIFIED, answer_as_json, challenge

if TYPE_CHECKING:
    from django.db import models
    from django.http import HttpRequest

    from django_avp.identity import Identity

__all__ = ["CognitoAuth", "action_required", "add_exception_handlers"]

Operation = TypeVar("Operation", bound=Callable[..., Any])


class CognitoAuth(HttpAuthBase):
    """``auth=CognitoAuth()``: lets nobody pass without a token; ``request.auth`` is the identity.

    The token was verified by ``AuthorizationMiddleware``, which also checks CSRF where a browser sent it by itself.
    Requests without a token, and with the tokens of others, are left to what stands after it in a list.
    """

    openapi_scheme = "bearer"
    openapi_bearerFormat = "JWT"  # noqa: N815 - a key of OpenAPI

    def __call__(self, request: HttpRequest) -> Identity | None:
        """The identity of the request; ``None``, which Django Ninja answers with 401, if it has no token of ours.

        Raises:
            AuthenticationError: its token does not hold; 401.
            HttpError: its user is deactivated (403), or the token cannot be verified now (503).
        """
        authorization = authorization_of(request)
        try:
            is_identified(authorization)
        except AuthorizationUnavailable as error:
            raise HttpError(503, UNAVAILABLE["detail"]) from error
        if authorization.identity is None:
            if authorization.fault is None or is_left_to_others(authorization.fault):
                return None
            raise AuthenticationError(message=UNIDENTIFIED["detail"])
        if not request.user.is_authenticated:
            raise HttpError(403, "The user is deactivated.")
        return authorization.identity


def action_required(
    action: str,
    *,
    resource: tuple[type[models.Model], str] | Callable[..., Any] | None = None,
    also: Iterable[str | tuple[str, Any]] = (),
    raise_404: bool = False,
) -> Callable[[Operation], Operation]:
    """Let an operation run only if the policies permit ``action``; it stands under ``@api.get(…)``.

    The gate is passed before the operation's parameters are looked at. The arguments are those of
    :func:`django_avp.decorators.action_required`; a callable resource gets the parameters of the path.
    """
    gate = view_action_required(action, resource=resource, also=also, raise_404=raise_404)
    return decorate_view(lambda run: _answered(gate(run), run))


def add_exception_handlers(api: NinjaAPI) -> None:
    """Have an API answer what ``request.avp.require`` raises in an operation, and challenge who has no token."""

    def answer(request: HttpRequest, error: Any) -> HttpResponse:
        response = answer_as_json(request, error)
        if response is None:
            raise error
        return response

    def ask_for_a_token(request: HttpRequest, error: Any) -> HttpResponse:
        response = api.create_response(request, UNIDENTIFIED, status=error.status_code)
        response["WWW-Authenticate"] = challenge(authorization_of(request).fault)
        return response

    api.add_exception_handler(AvpError, answer)
    api.add_exception_handler(AuthenticationError, ask_for_a_token)


def _answered(gated: Callable[..., Any], run: Callable[..., Any]) -> Callable[..., Any]:
    """What an operation does with a request behind its gate, with an answer where the gate raises."""

    @wraps(gated)
    def answered(request: HttpRequest, **kwargs: Any) -> Any:
        try:
            return gated(request, **kwargs)
        except (AvpError, Http404) as error:
            return _failed(run, request, error)

    @wraps(gated)
    async def aanswered(request: HttpRequest, **kwargs: Any) -> Any:
        try:
            return await gated(request, **kwargs)
        except (AvpError, Http404) as error:
            return _failed(run, request, error)

    return aanswered if iscoroutinefunction(run) else answered


def _failed(run: Callable[..., Any], request: HttpRequest, error: Exception) -> HttpResponse:
    answer = answer_as_json(request, error) if isinstance(error, AvpError) else None
    # `run` is a method of the operation, whose API answers what is not found.
    api: NinjaAPI = cast("Any", unwrap(run)).__self__.api
    return answer or api.on_exception(request, error)
