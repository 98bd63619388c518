"""Answers to those who may not pass: 401 or the sign-in page, 403 and 503, as pages or for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import TemplateDoesNotExist, loader

from django_avp.exceptions import ActionDenied, AuthorizationUnavailable, AvpError

if TYPE_CHECKING:
    from django_avp.authorization import Authorization
    from django_avp.exceptions import TokenError

__all__ = ["answer", "challenge", "refusal", "wants_page"]


def answer(request: HttpRequest, error: AvpError) -> HttpResponse | None:
    """The response to an exception of this package; ``None`` leaves it to Django (a 403 page)."""
    if isinstance(error, AuthorizationUnavailable):
        response = _body(request, 503, "unavailable", "Access cannot be decided at the moment. Try again shortly.")
        response["Retry-After"] = str(error.retry_after)
        return response
    if not isinstance(error, ActionDenied):
        return None
    return refusal(request, str(error))


def refusal(request: HttpRequest, detail: str) -> HttpResponse | None:
    """The response to somebody who may not pass; ``None`` leaves it to Django (a 403 page)."""
    authorization: Authorization = request.avp  # type: ignore[attr-defined]
    if authorization.identity is None:
        return _unidentified(request, authorization)
    return None if _accepts_html(request) else _body(request, 403, "forbidden", detail)


def challenge(fault: TokenError | None) -> str:
    """The value of ``WWW-Authenticate`` (RFC 6750, section 3): an error is told only to who sent a token."""
    return "Bearer" if fault is None else 'Bearer error="invalid_token"'


def wants_page(request: HttpRequest) -> bool:
    """Whether a redirect to a sign-in page is of use: a browser that navigates (rule C3)."""
    is_script = "HX-Request" in request.headers or request.headers.get("X-Requested-With") == "XMLHttpRequest"
    return request.method in ("GET", "HEAD") and _accepts_html(request) and not is_script


def _unidentified(request: HttpRequest, authorization: Authorization) -> HttpResponse | None:
    if wants_page(request):
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            # Signed in by a session and without a token: the sign-in page would send them back here, for ever.
            return None
        return redirect_to_login(request.get_full_path())
    response = _body(request, 401, "unidentified", "Sign in, or send a valid token.")
    response["WWW-Authenticate"] = challenge(authorization.fault)
    return response


def _accepts_html(request: HttpRequest) -> bool:
    # Explicitly: a program's `*/*` is not a wish for a page.
    return "text/html" in request.headers.get("Accept", "").lower()


def _body(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    if _accepts_html(request):
        context: dict[str, Any] = {"detail": detail}
        try:
            return HttpResponse(loader.render_to_string(f"{status}.html", context, request), status=status)
        except TemplateDoesNotExist:
            return HttpResponse(detail, status=status, content_type="text/plain; charset=utf-8")
    return JsonResponse({"detail": detail, "code": code}, status=status)
