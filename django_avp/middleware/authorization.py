"""The middleware: verifies a request's token, puts ``request.avp`` and the user on it, and keeps responses private."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.functional import SimpleLazyObject

from django_avp.authorization import Authorization
from django_avp.conf import conf
from django_avp.exceptions import AvpError, TokenError, TokenForeignError
from django_avp.identity import Identity
from django_avp.planning import plan_response
from django_avp.reporting import exception_reporter_filter
from django_avp.responses import answer
from django_avp.runtime import runtime
from django_avp.tokens.sources import TokenPair, TokenSource, build_sources

if TYPE_CHECKING:
    from django.http import HttpRequest

    from django_avp.tokens.verifier import VerifiedToken

__all__ = ["AuthorizationMiddleware"]

logger = logging.getLogger("django_avp")


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
        self._built: tuple[object, tuple[TokenSource, ...]] | None = None
        _ = runtime.engine

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self._is_async:
            return self._acall(request)
        sources = self._sources()
        self._begin(request, *self._identify(request, sources))
        response: HttpResponse = self.get_response(request)
        return self._finish(request, response, sources)

    async def _acall(self, request: HttpRequest) -> HttpResponse:
        sources = self._sources()
        self._begin(request, *await self._aidentify(request, sources))
        response: HttpResponse = await self.get_response(request)
        return self._finish(request, response, sources)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Check CSRF for tokens that a browser sends by itself, on ``csrf_exempt`` views too (rule C1)."""
        authorization = _authorization(request)
        if authorization.identity is None or not authorization.identity.is_ambient:
            return None
        check = CsrfViewMiddleware(self.get_response)
        check.process_request(request)
        # In place of the view any callable: whether the view itself is exempt does not matter.
        return check.process_view(request, HttpResponse, args, kwargs)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn what gates and ``require`` raise into 401 or the sign-in page, 403 and 503."""
        return answer(request, exception) if isinstance(exception, AvpError) else None

    # What a template will ask

    def _plan(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Collect what a template response will ask; the first tag that is rendered has all of it decided."""
        plan_response(request, response)
        return response

    async def _aplan(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """The same, decided before rendering, where nothing can be awaited."""
        await sync_to_async(plan_response)(request, response)
        await _authorization(request).adecide()
        return response

    # Who asks

    def _sources(self) -> tuple[TokenSource, ...]:
        """The token sources, built again when their setting changes."""
        entries = conf.token_sources
        if self._built is None or self._built[0] != entries:
            self._built = (entries, build_sources(entries))
        return self._built[1]

    def _identify(
        self, request: HttpRequest, sources: tuple[TokenSource, ...]
    ) -> tuple[Identity | None, TokenError | None]:
        fault: TokenError | None = None
        for source in sources:
            pair = source.read(request)
            if pair is None:
                continue
            try:
                return self._verify(pair, source), None
            except TokenError as error:
                fault = error
            if not _is_left_to_others(fault):
                break
        return None, _logged(fault)

    async def _aidentify(
        self, request: HttpRequest, sources: tuple[TokenSource, ...]
    ) -> tuple[Identity | None, TokenError | None]:
        fault: TokenError | None = None
        for source in sources:
            pair = await source.aread(request)
            if pair is None:
                continue
            try:
                return await self._averify(pair, source), None
            except TokenError as error:
                fault = error
            if not _is_left_to_others(fault):
                break
        return None, _logged(fault)

    def _verify(self, pair: TokenPair, source: TokenSource) -> Identity:
        verifier = runtime.verifier
        if pair.token is not None:
            tokens = [verifier.verify(pair.token)]
        else:
            named = [("id", pair.id_token), ("access", pair.access_token)]
            tokens = [verifier.verify(token, kind=kind) for kind, token in named if token is not None]
        return _identity(tokens, source)

    async def _averify(self, pair: TokenPair, source: TokenSource) -> Identity:
        verifier = runtime.verifier
        if pair.token is not None:
            tokens = [await verifier.averify(pair.token)]
        else:
            named = [("id", pair.id_token), ("access", pair.access_token)]
            tokens = [await verifier.averify(token, kind=kind) for kind, token in named if token is not None]
        return _identity(tokens, source)

    # The request and its response

    def _begin(self, request: HttpRequest, identity: Identity | None, fault: TokenError | None) -> None:
        authorization = Authorization(identity, request=request, fault=fault)
        request.avp = authorization  # type: ignore[attr-defined]
        request.exception_reporter_filter = exception_reporter_filter()
        if identity is not None:
            _replace_user(request, authorization)
            # A page elsewhere cannot make a browser send this header (rule C1).
            if not identity.is_ambient:
                request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        elif fault is not None and not _is_left_to_others(fault):
            _replace_user(request, authorization)
        else:
            _attach_to_user(request, authorization)

    def _finish(self, request: HttpRequest, response: HttpResponse, sources: tuple[TokenSource, ...]) -> HttpResponse:
        authorization = _authorization(request)
        if authorization.is_used:
            patch_cache_control(response, private=True)
        if authorization.is_used or authorization.is_user_read:
            patch_vary_headers(response, [header for source in sources for header in source.vary])
        if conf.server_timing and authorization.rounds:
            _add_server_timing(response, authorization)
        return response


def _authorization(request: HttpRequest) -> Authorization:
    return request.avp  # type: ignore[attr-defined,no-any-return]


def _identity(tokens: list[VerifiedToken], source: TokenSource) -> Identity:
    by_kind = {token.kind: token for token in tokens}
    return Identity.from_tokens(id_token=by_kind.get("id"), access_token=by_kind.get("access"), ambient=source.ambient)


def _is_left_to_others(fault: TokenError | None) -> bool:
    """Whether another application's authentication may own the token (rule C2)."""
    return isinstance(fault, TokenForeignError)


def _logged(fault: TokenError | None) -> TokenError | None:
    if fault is not None:
        logger.info("avp.token_refused", extra={"code": fault.code})
    return fault


def _replace_user(request: HttpRequest, authorization: Authorization) -> None:
    def load() -> Any:
        # What shows a token's user is as personal as a decision.
        authorization.mark_used()
        return _acting_user(authorization, authorization.user)

    async def aload() -> Any:
        authorization.mark_used()
        return _acting_user(authorization, await authorization.auser())

    request.user = SimpleLazyObject(load)  # type: ignore[assignment]
    request.auser = aload


def _acting_user(authorization: Authorization, user: Any) -> Any:
    """The user, or nobody: a deactivated one is not signed in, as in a session of Django's (rule B6)."""
    if user is not None and (user.is_active or not conf.require_active_user):
        return user
    anonymous = AnonymousUser()
    anonymous.avp = authorization  # type: ignore[attr-defined]
    return anonymous


def _attach_to_user(request: HttpRequest, authorization: Authorization) -> None:
    """Put the authorization on the user that others identified, when that user is first looked at."""
    if not hasattr(request, "user"):
        return
    user, auser = request.user, request.auser

    def load() -> Any:
        authorization.is_user_read = True
        user.avp = authorization  # type: ignore[union-attr]
        return user

    async def aload() -> Any:
        authorization.is_user_read = True
        found = await auser()
        found.avp = authorization  # type: ignore[union-attr]
        return found

    request.user = SimpleLazyObject(load)  # type: ignore[assignment]
    request.auser = aload


def _add_server_timing(response: HttpResponse, authorization: Authorization) -> None:
    rounds = authorization.rounds
    milliseconds = sum(round_.milliseconds for round_ in rounds)
    counts = {
        "round": len(rounds),
        "call": sum(round_.calls for round_ in rounds),
        "check": sum(round_.checks for round_ in rounds),
    }
    description = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())
    if unplanned := sum(round_.unplanned for round_ in rounds):
        description += f", {unplanned} unplanned"
    timings = [response.get("Server-Timing", ""), f'avp;dur={milliseconds:.1f};desc="{description}"']
    response["Server-Timing"] = ", ".join(filter(None, timings))
