"""The gate of function views, sync and async, and the marks of views without one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction

from django_avp.gates import Gate, authorization_of, declare

if TYPE_CHECKING:
    from django.db import models
    from django.http import HttpRequest

__all__ = ["action_required", "authorization_in_view", "authorization_not_required"]

View = TypeVar("View", bound=Callable[..., Any])


def action_required(
    action: str,
    *,
    resource: tuple[type[models.Model], str] | Callable[..., Any] | None = None,
    also: Iterable[str | tuple[str, Any]] = (),
    raise_404: bool = False,
) -> Callable[[View], View]:
    """Let a view run only if the policies permit ``action``; works on functions and coroutine functions.

    The unidentified get the sign-in page or 401, the refused 403, and 503 says that nothing could be decided.

    Args:
        action: the Cedar action, ``"EditPhoto"``.
        resource: ``(Photo, "pk")`` for the row that the URL keyword names, a callable ``(request, **kwargs)`` that
            returns the resource (``None`` or ``Http404`` where there is none), or ``None`` for the application.
        also: decided in the same round: actions on the same resource, or pairs ``(action, resource)``.
        raise_404: answer a refusal with 404.
    """
    gate = Gate(action, resource, tuple(also), raise_404)

    def decorate(view: View) -> View:
        @wraps(view)
        def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            authorization = authorization_of(request)
            gate.admit(authorization)
            gate.require(authorization, gate.find(request, kwargs))
            return view(request, *args, **kwargs)

        @wraps(view)
        async def agated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            authorization = authorization_of(request)
            gate.admit(authorization)
            await gate.arequire(authorization, await gate.afind(request, kwargs))
            return await view(request, *args, **kwargs)

        wrapper: Any = agated if iscoroutinefunction(view) else gated
        wrapper.avp_gate = gate
        declare(wrapper, "gate")
        return cast("View", wrapper)

    return decorate


def authorization_in_view(view: View) -> View:
    """Say that a view decides by itself who may do what, with ``request.avp``.

    ``AuthorizationRequiredMiddleware`` lets it run. For a class: ``@method_decorator(…, name="dispatch")``.
    """
    declare(view, "in_view")
    return view


def authorization_not_required(view: View) -> View:
    """Say that a view is for everybody.

    ``AuthorizationRequiredMiddleware`` lets it run. For a class: ``@method_decorator(…, name="dispatch")``.
    """
    declare(view, "not_required")
    return view
