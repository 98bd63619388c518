"""The pages and endpoints of the development issuer, as a user pool has them: discovery, sign-in, tokens, sign-out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.http.request import split_domain_port, validate_host
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from django_avp.decorators import authorization_not_required
from example_project.headers import POLICY
from example_project.signin import grants, issuer
from example_project.signin.personas import PERSONAS

ENDPOINTS = {
    "authorization_endpoint": "dev_issuer:authorize",
    "token_endpoint": "dev_issuer:token",
    "revocation_endpoint": "dev_issuer:revoke",
    "end_session_endpoint": "dev_issuer:sign_out",
    "jwks_uri": "dev_issuer:key_set",
}


@authorization_not_required
@require_GET
def discovery(request: HttpRequest, pool: str) -> HttpResponse:
    """Where everything is (OpenID Connect Discovery section 3)."""
    _client_of(pool)
    return JsonResponse(
        {
            "issuer": f"https://cognito-idp.{pool.partition('_')[0]}.amazonaws.com/{pool}",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["none"],
            **{name: request.build_absolute_uri(reverse(view, args=[pool])) for name, view in ENDPOINTS.items()},
        }
    )


@authorization_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest, pool: str) -> HttpResponse:
    """Offer the demo's users, and send the browser back with a code for the one that was chosen."""
    asked = request.GET
    if not _is_in_order(asked, _client_of(pool)):
        return HttpResponse("The app asks in a way that a user pool would refuse.", status=400)
    if request.method == "POST":
        return HttpResponseRedirect(_with_code(asked, request.POST.get("persona", "")))
    response = render(request, "signin/authorize.html", {"personas": PERSONAS})
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(asked["redirect_uri"]))
    if not request.build_absolute_uri().startswith(f"{origin}/"):
        # A form's answer may lead only where its page says, and this one leads back to the app, which has another name.
        response["Content-Security-Policy"] = POLICY.replace("form-action 'self'", f"form-action 'self' {origin}")
    return response


@csrf_exempt
@authorization_not_required
@never_cache
@require_POST
@sensitive_post_parameters()
@sensitive_variables()
def token(request: HttpRequest, pool: str) -> HttpResponse:
    """Give tokens for a code or a refresh token (RFC 6749 sections 4.1.3 and 6)."""
    client = _client_of(pool)
    sent = request.POST
    if sent.get("client_id") != client:
        return JsonResponse({"error": "invalid_client"}, status=400)
    match sent.get("grant_type"):
        case "authorization_code":
            grant = grants.redeem(
                sent.get("code", ""),
                client_id=client,
                redirect_uri=sent.get("redirect_uri", ""),
                verifier=sent.get("code_verifier", ""),
            )
            more = {"refresh_token": grants.refresh_token_of(grant)} if grant else {}
        case "refresh_token":
            grant, more = grants.refresh(sent.get("refresh_token", ""), client_id=client), {}
        case _:
            return JsonResponse({"error": "unsupported_grant_type"}, status=400)
    if grant is None:
        return JsonResponse({"error": "invalid_grant"}, status=400)
    persona = next(persona for persona in PERSONAS if persona.slug == grant.slug)
    tokens = issuer.sign_in(persona, settings.DEV_ISSUER_DIR, pool=pool, client=client, nonce=grant.nonce or None)
    return JsonResponse(tokens | more | {"token_type": "Bearer", "expires_in": settings.DEV_ISSUER_TOKEN_SECONDS})


@csrf_exempt
@authorization_not_required
@require_POST
@sensitive_post_parameters()
def revoke(request: HttpRequest, pool: str) -> HttpResponse:
    """Refuse a refresh token from now on (RFC 7009)."""
    _client_of(pool)
    grants.revoke(request.POST.get("token", ""))
    return HttpResponse()


@authorization_not_required
@require_GET
def sign_out(request: HttpRequest, pool: str) -> HttpResponse:
    """Lead back to the app: there is nothing to forget, as the sign-in page asks each time."""
    address = request.GET.get("logout_uri", "")
    if request.GET.get("client_id") != _client_of(pool) or not _is_ours(address):
        return HttpResponse("The app asks in a way that a user pool would refuse.", status=400)
    return HttpResponseRedirect(address)


@authorization_not_required
@require_GET
def key_set(request: HttpRequest, pool: str) -> HttpResponse:
    """The public keys of the development pool, where Cognito would publish them."""
    _client_of(pool)
    return JsonResponse(issuer.key_set(settings.DEV_ISSUER_DIR))


def _client_of(pool: str) -> str:
    if pool not in settings.AVP_USER_POOLS:
        raise Http404("There is no such user pool.")
    client: str = settings.AVP_USER_POOLS[pool][0]
    return client


def _is_in_order(asked: QueryDict, client: str) -> bool:
    """Whether a request for a code is one that a user pool would answer (RFC 6749 section 4.1.1, RFC 7636)."""
    expected: dict[str, Any] = {"client_id": client, "response_type": "code", "code_challenge_method": "S256"}
    is_complete = all(asked.get(name) for name in ("state", "code_challenge")) and "openid" in asked.get("scope", "")
    address = asked.get("redirect_uri", "")
    is_callback = _is_ours(address) and urlsplit(address).path == reverse("avp:callback")
    return is_complete and is_callback and all(asked.get(name) == value for name, value in expected.items())


def _is_ours(address: str) -> bool:
    """Whether an address is the app's, which is all that a user pool has been told of."""
    parts = urlsplit(address)
    host, _ = split_domain_port(parts.netloc)
    return parts.scheme in ("http", "https") and validate_host(host, settings.ALLOWED_HOSTS)


def _with_code(asked: QueryDict, slug: str) -> str:
    if slug not in {persona.slug for persona in PERSONAS}:
        raise Http404("There is no such user.")
    address, challenge, nonce = (asked.get(name, "") for name in ("redirect_uri", "code_challenge", "nonce"))
    grant = grants.Grant(slug, asked.get("client_id", ""), address, challenge, nonce)
    return f"{address}?{urlencode({'code': grants.code_of(grant), 'state': asked.get('state', '')})}"
