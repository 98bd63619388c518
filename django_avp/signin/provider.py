"""The user pool as a provider of sign-ins: discovery, authorization code with PKCE, refresh, revocation, sign-out.

The protocol is Authlib's; here are the pool's addresses, and the rule that no token is used that was not verified.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
import math
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from authlib.integrations.requests_client import OAuth2Session, OAuthError
from django.views.decorators.debug import sensitive_variables
from requests import RequestException

from django_avp.conf import conf
from django_avp.engines.workers import Workers
from django_avp.exceptions import KeySetUnavailableError, TokenError
from django_avp.identity import Identity
from django_avp.observing import observing
from django_avp.runtime import runtime
from django_avp.signin.tokens import Attempt, SignInError, Tokens
from django_avp.tokens.documents import fetch_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_avp.tokens.verifier import VerifiedToken

__all__ = ["Discovery", "Provider", "discovery"]

logger = logging.getLogger("django_avp")

# All in seconds.
TIMEOUT = 3.0
"""That a request waits for the user pool to connect, and then for each part of its answer."""
PATIENCE = 6.0
"""That a request waits for the whole of an answer."""
MAX_AGE = 3600.0
"""After this the addresses are looked up again."""
FAILURE_PAUSE = 3.0
"""After a look that failed, while no address is known: so long nobody waits for another one."""

# RFC 6749 section 5.2: what an error of the token endpoint means. All others are temporary or unheard of.
_FINAL = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


class Discovery:
    """The documents that tell a provider's addresses, kept for an hour, and longer while there is no newer one."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def get(self, url: str) -> Mapping[str, Any]:
        """The document at a URL (OpenID Connect Discovery section 4).

        Raises:
            SignInError: it cannot be fetched, and never was.
        """
        fetched_at, document = self._kept.get(url, (-math.inf, {}))
        if time.monotonic() - fetched_at >= (MAX_AGE if document else FAILURE_PAUSE):
            document = _fetched(url) or document
            self._kept[url] = (time.monotonic(), document)
        if not document:
            raise SignInError("discovery", is_temporary=True)
        return document

    def forget(self) -> None:
        """Look everything up anew."""
        self._kept.clear()


def _fetched(url: str) -> Mapping[str, Any]:
    """The document at a URL; an empty one if there is none."""
    try:
        found = json.loads(fetch_document(url))
    except Exception:  # whatever a server answers: OSError, HTTPException, ValueError, RecursionError
        return {}
    return found if isinstance(found, dict) else {}


discovery = Discovery()


@dataclass(frozen=True, slots=True)
class Provider:
    """A user pool and the app client that users sign in with.

    Attributes:
        pool: user pool id.
        client_id: app client id.
    """

    pool: str
    client_id: str

    @classmethod
    def configured(cls) -> Provider:
        """The one that the settings name.

        Raises:
            ImproperlyConfigured: they name none, or several.
        """
        client_id = conf.sign_in_client_id
        return cls(next(pool for pool, clients in conf.user_pools.items() if client_id in (clients or ())), client_id)

    def begin(self, redirect_uri: str) -> tuple[str, Attempt]:
        """Begin a sign-in: the address to send the browser to, and what its return will be compared with.

        Raises:
            SignInError: the address cannot be found out.
        """
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        attempt = Attempt(state, nonce, verifier, redirect_uri)
        with self._client() as client:
            address, _ = client.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
                redirect_uri=redirect_uri,
                scope=" ".join(conf.sign_in_scopes),
            )
        return address, attempt

    @sensitive_variables()
    def finish(self, attempt: Attempt, code: str) -> tuple[Identity, Tokens]:
        """Exchange the code of a sign-in for tokens, which are verified.

        Raises:
            SignInError: the user pool refuses the code, cannot be asked, or answers with tokens that do not hold.
        """
        endpoint = self._endpoint("token_endpoint")
        with self._client() as client, _translated():
            answer = _in_time(
                client.fetch_token,
                endpoint,
                code=code,
                code_verifier=attempt.verifier,
                redirect_uri=attempt.redirect_uri,
                allow_redirects=False,
            )
            # Older versions of Authlib hand on what is no record.
            answer = {**answer}
        return self._verified(answer, nonce=attempt.nonce)

    @sensitive_variables()
    def refresh(self, tokens: Tokens) -> Tokens:
        """Get new tokens for the same user.

        Args:
            tokens: the last ones.

        Raises:
            SignInError: the user pool refuses, cannot be asked, or answers with tokens that do not hold.
        """
        endpoint = self._endpoint("token_endpoint")
        with self._client() as client, _translated():
            answer = _in_time(client.refresh_token, endpoint, refresh_token=tokens.refresh_token, allow_redirects=False)
            answer = {**answer}
        _, renewed = self._verified(answer)
        if renewed.principal_id != tokens.principal_id:
            raise SignInError("user")
        return renewed

    @sensitive_variables()
    def revoke(self, refresh_token: str) -> None:
        """End the life of a refresh token (RFC 7009), if the user pool can; a failure is logged and changes nothing."""
        try:
            if not self._document.get("revocation_endpoint"):
                return
            endpoint = self._endpoint("revocation_endpoint")
            with self._client() as client, _translated():
                answer = _in_time(
                    client.revoke_token,
                    endpoint,
                    token=refresh_token,
                    token_type_hint="refresh_token",
                    allow_redirects=False,
                )
                answer.raise_for_status()
        except SignInError as error:
            logger.warning("avp.revocation_failed", extra={"code": error.code})

    def sign_out_address(self, return_uri: str) -> str:
        """Where a browser is sent that the user pool shall forget, too; it leads back to ``return_uri``.

        Source: Amazon Cognito Developer Guide, "Logout endpoint": its parameters are not those of OpenID Connect.

        Raises:
            SignInError: the address cannot be found out.
        """
        query = urlencode({"client_id": self.client_id, "logout_uri": return_uri})
        return f"{self._endpoint('end_session_endpoint')}?{query}"

    def _client(self) -> OAuth2Session:
        return OAuth2Session(
            self.client_id,
            conf.sign_in_client_secret,
            code_challenge_method="S256",
            default_timeout=TIMEOUT,
        )

    @property
    def _document(self) -> Mapping[str, Any]:
        """What discovery tells, if it is about this pool (OpenID Connect Discovery section 4.3).

        Raises:
            SignInError: it cannot be fetched, or is about another issuer.
        """
        issuers = [issuer for issuer, pool in conf.issuers.items() if pool == self.pool]
        document = discovery.get(conf.sign_in_discovery_url or f"{issuers[0]}/.well-known/openid-configuration")
        if document.get("issuer") not in issuers:
            raise SignInError("issuer")
        return document

    def _endpoint(self, name: str) -> str:
        address = self._document.get(name)
        if not isinstance(address, str) or not _is_safe(address):
            raise SignInError(name)
        return address

    def _verified(self, answer: Mapping[str, Any], *, nonce: str | None = None) -> tuple[Identity, Tokens]:
        """The tokens of an answer and whose they are, each verified like those of a request."""
        try:
            verified = _accepted(answer)
            id_token, access_token = verified.get("id"), verified.get("access")
            identity = Identity.from_tokens(id_token=id_token, access_token=access_token, ambient=True)
        except KeySetUnavailableError as error:
            raise SignInError("key_set", is_temporary=True) from error
        except TokenError as error:
            raise SignInError(f"token_{error.code}") from error
        if any((token.pool, token.client_id) != (self.pool, self.client_id) for token in verified.values()):
            raise SignInError("token_client")
        # A site that takes no ID tokens is left with PKCE, which keeps another's code out as well.
        if nonce is not None and id_token is not None and not _is_same(id_token._claims.get("nonce"), nonce):
            raise SignInError("nonce")
        expires_at = min(token.expires_at for token in verified.values())
        texts = {f"{kind}_token": token._token for kind, token in verified.items()}
        return identity, Tokens(
            identity.principal.id, expires_at, **texts, refresh_token=_text(answer.get("refresh_token"))
        )


def _accepted(answer: Mapping[str, Any]) -> dict[str, VerifiedToken]:
    """The tokens of an answer, by kind, as far as the site accepts their kind.

    Raises:
        TokenError: one is missing, or does not hold.
    """
    kinds = [kind for kind in ("id", "access") if kind in conf.token_use]
    return {kind: runtime.verifier.verify(_text(answer.get(f"{kind}_token")), kind=kind) for kind in kinds}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


@sensitive_variables()
def _in_time(call: Callable[..., Any], *arguments: str, **options: object) -> Any:
    """What a call returns, made in a thread of its own: each byte of an answer may be in time, and the whole never.

    Raises:
        TimeoutError: it takes longer.
        CancelledError: the process can have no more threads.
    """
    run = observing.observer.carried(lambda job: call(*arguments, **options))
    job = Workers("django-avp-sign-in", 1).submit(run)
    return job.at_once(PATIENCE)


@contextmanager
def _translated() -> Iterator[None]:
    """Say in a word what went wrong: texts of others may quote what was sent."""
    try:
        yield
    except OAuthError as error:
        is_final = error.error in _FINAL
        raise SignInError(error.error if is_final else "provider", is_temporary=not is_final) from None
    # What is read as JSON may be anything.
    except (RequestException, ValueError, TypeError, RecursionError, TimeoutError, CancelledError):
        raise SignInError("unreachable", is_temporary=True) from None


def _is_same(value: object, secret: str) -> bool:
    return isinstance(value, str) and hmac.compare_digest(value.encode(), secret.encode())


def _is_safe(address: str) -> bool:
    """Whether what is sent there can be read by nobody else: by TLS, or because it stays on this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
