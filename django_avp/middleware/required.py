"""Refuses every view that does not say how it is authorized."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.utils.deprecation import MiddlewareMixin

from django_avp.exceptions import AuthorizationUnavailable, KeySetUnavailableError
from django_avp.gates import authorization_of, declared_authorization, place_of
from django_avp.responses import answer, refusal

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

__all__ = ["AuthorizationRequiredMiddleware"]

logger = logging.getLogger("django_avp")


class AuthorizationRequiredMiddleware(MiddlewareMixin):
    """Lets no request reach a view that forgot its gate, whatever its method (rule D5).

    A view passes that has a gate, or one of the marks of :mod:`django_avp.decorators`. Marks are looked at before the
    view runs: afterwards its transaction would have been committed.
    """

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        """Refuse a view without a mark: 401 or the sign-in page for the unidentified, else 403."""
        if declared_authorization(view) is not None:
            return None
        place = place_of(view)
        logger.error("avp.undeclared_view", extra={"view": place})
        authorization = authorization_of(request)
        authorization.mark_used()
        if isinstance(authorization.fault, KeySetUnavailableError):
            return answer(request, AuthorizationUnavailable())
        response = refusal(request, {"detail": "This page declares no authorization.", "code": "forbidden"})
        if response is None:
            raise PermissionDenied(
                f"{place} declares no authorization. Give it a gate, or mark it with authorization_in_view or "
                "authorization_not_required."
            )
        return response
