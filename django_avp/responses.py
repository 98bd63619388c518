"""Answers to those who may not pass: 401 or the sign-in page, 403 and 503, as pages or for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import TemplateDoesNotExist, loader

from django_avp.conf import conf
from django_avp.exceptions import ActionDenied, AuthorizationUnavailable, AvpError

if TYPE_CHECKING:
    from django_avp.authorization import Authorization
    from django_avp.exceptions import TokenError

__all__ = ["UNAVAILABLE", "UNIDENTIFIED", "answer", "answer_as_json", "challenge", "denial", "refusal", "wants_page"]

UNIDENTIFIED = {"detail": "Sign in, or send a valid token.", "code": "unidentified"}
UNAVAILABLE = {"detail": "Access cannot be decided at the moment. Try again shortly.", "code": "unavailable"}


def answer(request: HttpRequest, error: AvpError) -> HttpResponse | None:
    """The response to an exception of this package; ``None`` leaves it to Django (a 403 page)."""
    if isinstance(error, AuthorizationUnavailable):
        return _unavailable(_response(request, 503, UNAVAILABLE), error)
    return refusal(request, denial(error)) if isinstance(error, ActionDenied) else None


def answer_as_json(request: HttpRequest, error: AvpError) -> HttpResponse | None:
    """The response of an API to an exception of this package; ``None`` for one that is not about access."""
    if isinstance(error, AuthorizationUnavailable):
        return _unavailable(JsonResponse(UNAVAILABLE, status=503), error)
    if not isinstance(error, ActionDenied):
        return None
    authorization: Authorization = request.avp  # type: ignore[attr-defined]
    if authorization.identity is None:
        return _challenged(JsonResponse(UNIDENTIFIED, status=401), authorization)
    return JsonResponse(denial(error), status=403)


def denial(error: ActionDenied) -> dict[str, Any]:
    """What is said to the refused; by which policies, if ``AVP_SHOW_POLICIES`` is on."""
    said: dict[str, Any] = {"detail": str(error), "code": "forbidden"}
    return said | {"policies": list(error.decision.determining_policies)} if conf.show_policies else said


def refusal(request: HttpRequest, said: Mapping[str, Any]) -> HttpResponse | None:
    """The response to somebody who may not pass; ``None`` leaves it to Django (a 403 page).

    Args:
        request: a request that has been identified.
        said: what a program is told, ``detail`` and ``code``.
    """
    authorization: Authorization = request.avp  # type: ignore[attr-defined]
    if authorization.identity is None:
        return _unidentified(request, authorization)
    return None if _accepts_html(request) else _response(request, 403, said)


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
    return _challenged(_response(request, 401, UNIDENTIFIED), authorization)


def _challenged(response: HttpResponse, authorization: Authorization) -> HttpResponse:
    response["WWW-Authenticate"] = challenge(authorization.fault)
    return response


def _unavailable(response: HttpResponse, error: AuthorizationUnavailable) -> HttpResponse:
    response["Retry-After"] = str(error.retry_after)
    return response


def _accepts_html(request: HttpRequest) -> bool:
    # Explicitly: a program's `*/*` is not a wish for a page.
    return "text/html" in request.headers.get("Accept", "").lower()


def _response(request: HttpRequest, status: int, said: Mapping[str, Any]) -> HttpResponse:
    if _accepts_html(request):
        context: dict[str, Any] = {"detail": said["detail"]}
        try:
            return HttpResponse(loader.render_to_string(f"{status}.html", context, request), status=status)
        except TemplateDoesNotExist:
            return HttpResponse(said["detail"], status=status, content_type="text/plain; charset=utf-8")
    return JsonResponse(said, status=status)
