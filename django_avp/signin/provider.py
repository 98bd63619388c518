"""The user pool as a provider of sign-ins: discovery, authorization code with PKCE, refresh, revocation, sign-out.

Here are the pool's addresses, and the rule that no token is used that was not verified.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from django.views.decorators.debug import sensitive_variables

from django_avp.conf import conf
from django_avp.exceptions import KeySetUnavailableError, TokenError
from django_avp.identity import Identity
from django_avp.runtime import runtime
from django_avp.signin.client import Client
from django_avp.signin.discovery import discovery
from django_avp.signin.tokens import Attempt, SignInError, Tokens

if TYPE_CHECKING:
    from django_avp.tokens.verifier import VerifiedToken

__all__ = ["Provider"]

logger = logging.getLogger("django_avp")


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
        address = self._client.sign_in_address(self._endpoint("authorization_endpoint"), attempt)
        return address, attempt

    @sensitive_variables()
    def finish(self, attempt: Attempt, code: str) -> tuple[Identity, Tokens]:
        """Exchange the code of a sign-in for tokens, which are verified.

        Raises:
            SignInError: the user pool refuses the code, cannot be asked, or answers with tokens that do not hold.
        """
        answer = self._client.exchange(self._endpoint("token_endpoint"), attempt, code)
        return self._verified(answer, nonce=attempt.nonce)

    @sensitive_variables()
    def refresh(self, tokens: Tokens) -> Tokens:
        """Get new tokens for the same user.

        Args:
            tokens: the last ones.

        Raises:
            SignInError: the user pool refuses, cannot be asked, or answers with tokens that do not hold.
        """
        answer = self._client.refresh(self._endpoint("token_endpoint"), tokens.refresh_token)
        _, renewed = self._verified(answer)
        if renewed.principal_id != tokens.principal_id:
            raise SignInError("user")
        return renewed

    @sensitive_variables()
    def revoke(self, refresh_token: str) -> None:
        """End the life of a refresh token (RFC 7009), if the user pool can; a failure is logged and changes nothing."""
        try:
            if self._document.get("revocation_endpoint"):
                self._client.revoke(self._endpoint("revocation_endpoint"), refresh_token)
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

    @property
    def _client(self) -> Client:
        return Client(self.client_id)

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
