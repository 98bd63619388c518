"""Sends the content security policy (pages use files of this site, and scripts only in the API and the admin), and has
browsers keep no page that was for one user."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.deprecation import MiddlewareMixin

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# The pages that REST framework and Swagger UI make bring scripts, which are files of this site, and styles in the page.
API_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Django's admin brings scripts, too, and nothing in the page itself: no script, no style.
ADMIN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# What the debug toolbar needs where a page has no such directive: its script, named by a nonce, and what that loads.
TOOLBAR = {"script-src": "'nonce-{}' 'strict-dynamic'", "connect-src": "'self'", "font-src": "'self'"}
POLICIES = {"/api/": API_POLICY, "/admin/": ADMIN_POLICY}


class ContentSecurityPolicyMiddleware(MiddlewareMixin):
    """Django 6 has one of its own; this serves Django 5.2 too."""

    def process_request(self, request: HttpRequest) -> None:
        if settings.DEBUG_TOOLBAR:
            request.csp_nonce = secrets.token_urlsafe(16)  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        # Django's technical error pages, which exist only with DEBUG, carry their style and script in the page.
        if not (settings.DEBUG and response.status_code in (404, 500)):
            policy = next((POLICIES[start] for start in POLICIES if request.path.startswith(start)), POLICY)
            if settings.COGNITO_DOMAIN:
                # The form that signs out leads there, and back.
                policy = policy.replace("form-action 'self'", f"form-action 'self' {settings.COGNITO_DOMAIN}")
            if settings.DEBUG_TOOLBAR:
                policy = _with_toolbar(policy, request.csp_nonce)  # type: ignore[attr-defined]
            response.headers.setdefault("Content-Security-Policy", policy)
        return response


def _with_toolbar(policy: str, nonce: str) -> str:
    lacking = [f"{name} {sources.format(nonce)}" for name, sources in TOOLBAR.items() if name not in policy]
    return "; ".join([policy, *lacking])


class PersonalPagesMiddleware(MiddlewareMixin):
    """What django-avp keeps out of shared caches stays out of the browser's too.

    Else its back button would show a page to whoever sits there after its user has signed out.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if "private" in response.get("Cache-Control", ""):
            patch_cache_control(response, no_store=True)
        return response
