"""The middleware: identifies who asks, has templates planned, and answers for what gates refuse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

from django_avp.authorization import asker_of
from django_avp.exceptions import AvpError
from django_avp.gates import authorization_of
from django_avp.headers import add_headers
from django_avp.identification import aidentify, identify
from django_avp.planning import plan_response
from django_avp.responses import answer
from django_avp.runtime import runtime

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["AuthorizationMiddleware"]


class AuthorizationMiddleware:
    """Identifies who asks, once per request, and never refuses by itself: gates do (rule C2).

    It stands after ``AuthenticationMiddleware``, whose ``request.user`` it replaces when a token identifies somebody,
    and works under WSGI and ASGI. Building it builds the engine, so a broken policy file stops start-up.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        # Django takes the one that fits the stack.
        self.process_template_response = self._aplan if self._is_async else self._plan
        _ = runtime.engine

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self._is_async:
            return self._acall(request)
        authorization = identify(request)
        response: HttpResponse = self.get_response(request)
        add_headers(response, authorization)
        return response

    async def _acall(self, request: HttpRequest) -> HttpResponse:
        authorization = await aidentify(request)
        response: HttpResponse = await self.get_response(request)
        add_headers(response, authorization)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Check CSRF for tokens that a browser sends by itself, on ``csrf_exempt`` views too (rule C1)."""
        identity = asker_of(authorization_of(request)).identity
        if identity is None or not identity.is_ambient:
            return None
        check = CsrfViewMiddleware(self.get_response)
        check.process_request(request)
        # In place of the view any callable: whether the view itself is exempt does not matter.
        return check.process_view(request, HttpResponse, args, kwargs)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn what gates and ``require`` raise into 401 or the sign-in page, 403 and 503."""
        return answer(request, exception) if isinstance(exception, AvpError) else None

    def _plan(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Collect what a template response will ask; the first tag that is rendered has all of it decided."""
        plan_response(request, response)
        return response

    async def _aplan(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """The same, decided before rendering, where nothing can be awaited."""
        await sync_to_async(plan_response)(request, response)
        await authorization_of(request).adecide()
        return response
