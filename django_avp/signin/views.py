"""Signing in by the user pool's pages, and out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.middleware.csrf import rotate_token
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST

from django_avp.decorators import authorization_not_required
from django_avp.gates import authorization_of
from django_avp.signin import sessions
from django_avp.signin.provider import Provider
from django_avp.signin.tokens import SignInError
from django_avp.users import resolve_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from django_avp.identity import Identity

__all__ = ["callback", "sign_in", "sign_out"]

logger = logging.getLogger("django_avp")

RETRY_AFTER = 5
"""Seconds after which a user pool that could not be asked may be asked again."""


@authorization_not_required
@never_cache
@require_GET
def sign_in(request: HttpRequest) -> HttpResponse:
    """Send the browser to the user pool's sign-in page; ``next`` names the page to come back to."""
    try:
        address, attempt = Provider.configured().begin(request.build_absolute_uri(reverse("avp:callback")))
    except SignInError as error:
        return _failed(request, error)
    sessions.add_attempt(request.session, attempt, _goal(request))
    return HttpResponseRedirect(address)


@authorization_not_required
@never_cache
@require_GET
@sensitive_variables()
def callback(request: HttpRequest) -> HttpResponse:
    """Finish a sign-in that began in this browser: its code becomes tokens, and the tokens a new session."""
    query = _taken_query(request)
    begun = sessions.take_attempt(request.session, query.get("state", ""))
    if begun is None:
        # Somebody came back to it: the page is in the history of the browser.
        if authorization_of(request).identity is not None:
            return HttpResponseRedirect(resolve_url(settings.LOGIN_REDIRECT_URL))
        return _failed(request, SignInError("state"))
    attempt, goal = begun
    try:
        if "code" not in query:
            raise SignInError("refused")
        identity, tokens = Provider.configured().finish(attempt, query["code"])
    except SignInError as error:
        return _failed(request, error)
    ended = sessions.sign_in(request.session, tokens)
    _announce(request, identity)
    if ended is not None:
        Provider.configured().revoke(ended.refresh_token)
    return HttpResponseRedirect(goal or resolve_url(settings.LOGIN_REDIRECT_URL))


@authorization_not_required
@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Forget the tokens and the session, and have the user pool forget the browser."""
    logout(request)
    goal = resolve_url(settings.LOGOUT_REDIRECT_URL or "/")
    try:
        return HttpResponseRedirect(Provider.configured().sign_out_address(request.build_absolute_uri(goal)))
    except SignInError as error:
        logger.warning("avp.sign_out_failed", extra={"code": error.code})
        return HttpResponseRedirect(goal)


@sensitive_variables()
def _taken_query(request: HttpRequest) -> Mapping[str, str]:
    """What the browser has brought, which is a credential: an error report shows the address of a request."""
    query = request.GET
    request.GET, request.META["QUERY_STRING"] = QueryDict(), ""
    return query


def _announce(request: HttpRequest, identity: Identity) -> None:
    """Do what Django does when somebody has signed in."""
    rotate_token(request)
    # It was the visitor's, who was somebody else.
    authorization_of(request).close()
    user = resolve_user(identity)
    # Receivers save what they are given: a user without a row is none for them.
    if isinstance(user, AbstractBaseUser):
        user_logged_in.send(type(user), request=request, user=user)


def _goal(request: HttpRequest) -> str:
    """The address to go on to, if it leads to this site; else the empty text."""
    address = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    # Django takes `//` for an address of this site, and browsers for one without a host.
    return address if is_ours and (urlsplit(address).netloc or not address.startswith("//")) else ""


def _failed(request: HttpRequest, error: SignInError) -> HttpResponse:
    logger.warning("avp.sign_in_failed", extra={"code": error.code})
    context = {"is_temporary": error.is_temporary, "sign_in": reverse("avp:sign_in")}
    response = render(request, "django_avp/sign_in_failed.html", context, status=503 if error.is_temporary else 400)
    if error.is_temporary:
        response["Retry-After"] = str(RETRY_AFTER)
    return response
