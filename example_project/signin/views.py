"""Signing in as one of the demo's users, and signing out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, resolve_url
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import TemplateView

from django_avp.decorators import authorization_not_required
from example_project.signin import issuer
from example_project.signin.personas import PERSONAS


@method_decorator(authorization_not_required, name="dispatch")
class ChooseUser(TemplateView):
    """Offers the demo's users; where Cognito is set up, says how to sign in there."""

    @property
    def template_name(self) -> str:  # type: ignore[override]  # which page it is follows from the settings
        return "signin/choose.html" if settings.DEV_ISSUER else "signin/cognito.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            personas=PERSONAS, next=safe_next(self.request, self.request.GET.get("next", "")), **kwargs
        )


@authorization_not_required
@require_POST
def sign_in(request: HttpRequest, slug: str) -> HttpResponse:
    """Mint the tokens of a user and keep them in a new session."""
    persona = next((persona for persona in PERSONAS if persona.slug == slug), None)
    if persona is None:
        raise Http404("There is no such user.")
    pool, clients = next(iter(settings.AVP_USER_POOLS.items()))
    tokens = issuer.sign_in(persona, settings.DEV_ISSUER_DIR, pool=pool, client=clients[0])
    # A new session, so that nobody's old one is known to the next user, and nothing of the last user stays in it.
    request.session.flush()
    request.session.update(tokens)
    rotate_token(request)
    messages.success(request, f"You are {persona.name} now, the {persona.role}.")
    return HttpResponseRedirect(safe_next(request, request.POST.get("next", "")) or resolve_url("photos:gallery"))


@authorization_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Forget the tokens with the session."""
    request.session.flush()
    messages.success(request, "You are signed out.")
    return redirect(settings.LOGIN_URL)


@authorization_not_required
@require_GET
def key_set(request: HttpRequest, pool: str) -> HttpResponse:
    """The public keys of the development pool, where Cognito would publish them."""
    if pool not in settings.AVP_USER_POOLS:
        raise Http404("There is no such user pool.")
    return JsonResponse(issuer.key_set(settings.DEV_ISSUER_DIR))


def safe_next(request: HttpRequest, address: str) -> str:
    """The address to go on to, if it leads to this site; else the empty text."""
    is_ours = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if is_ours else ""
