"""The site as an app client of a user pool: what it asks of the pool's endpoints, each with an end to the wait.

The protocol is Authlib's; what is sent goes the way of key sets, whose limits are for the whole of an answer.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeVar

from authlib.integrations.requests_client import OAuth2Session, OAuthError
from django.views.decorators.debug import sensitive_variables
from requests import Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from django_avp.conf import conf
from django_avp.engines.workers import Workers
from django_avp.observing import observing
from django_avp.signin.tokens import Attempt, SignInError
from django_avp.tokens.documents import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Client"]

Result = TypeVar("Result")

# Both in seconds.
TIMEOUT = 3.0
"""That a request waits for the user pool to connect, and then for its answer."""
PATIENCE = 6.0
"""That a request waits whatever keeps it: name servers know no timeout."""

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


@dataclass(frozen=True, slots=True)
class Client:
    """An app client; its secret and its scopes are the settings'.

    Attributes:
        id: app client id.
    """

    id: str

    def sign_in_address(self, endpoint: str, attempt: Attempt) -> str:
        """Where a browser is sent to sign in."""
        with self._session() as session:
            address, _ = session.create_authorization_url(
                endpoint,
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
                redirect_uri=attempt.redirect_uri,
                scope=" ".join(conf.sign_in_scopes),
            )
        return str(address)

    @sensitive_variables()
    def exchange(self, endpoint: str, attempt: Attempt, code: str) -> Mapping[str, Any]:
        """What the token endpoint gives for the code of a sign-in; nothing of it is verified.

        Raises:
            SignInError: it refuses the code, or cannot be asked.
        """

        def fetch(session: OAuth2Session) -> Mapping[str, Any]:
            found = session.fetch_token(
                endpoint,
                code=code,
                code_verifier=attempt.verifier,
                redirect_uri=attempt.redirect_uri,
                allow_redirects=False,
            )
            # Older versions of Authlib hand on what is no record.
            return {**found}

        return self._ask(fetch)

    @sensitive_variables()
    def refresh(self, endpoint: str, refresh_token: str) -> Mapping[str, Any]:
        """What the token endpoint gives for a refresh token; nothing of it is verified.

        Raises:
            SignInError: it refuses the token, or cannot be asked.
        """
        return self._ask(
            lambda session: {**session.refresh_token(endpoint, refresh_token=refresh_token, allow_redirects=False)}
        )

    @sensitive_variables()
    def revoke(self, endpoint: str, refresh_token: str) -> None:
        """End the life of a refresh token (RFC 7009).

        Raises:
            SignInError: the endpoint refuses, or cannot be asked.
        """
        self._ask(
            lambda session: session.revoke_token(
                endpoint, token=refresh_token, token_type_hint="refresh_token", allow_redirects=False
            ).raise_for_status()
        )

    @sensitive_variables()
    def _ask(self, call: Callable[[OAuth2Session], Result]) -> Result:
        """What a call returns, made in a thread of its own.

        Raises:
            SignInError: the user pool refuses, or cannot be asked.
        """
        with self._session() as session, _translated():
            run = observing.observer.carried(lambda job: call(session))
            result: Result = Workers("django-avp-sign-in", 1).submit(run).at_once(PATIENCE)
            return result

    def _session(self) -> OAuth2Session:
        session = OAuth2Session(
            self.id, conf.sign_in_client_secret, code_challenge_method="S256", default_timeout=TIMEOUT
        )
        session.headers["Accept-Encoding"] = "identity"
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter())
        return session


class _Adapter(BaseAdapter):
    """Sends what Authlib has prepared; an answer has an end in time and in size, as a key set has."""

    @sensitive_variables()
    def send(self, request: Any, *args: Any, timeout: Any = TIMEOUT, **options: Any) -> Response:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        answer = ask(request.method, request.url, request.headers, body, timeout=timeout)
        response = Response()
        response.url, response.request = request.url, request
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response.raw = io.BytesIO(answer.body)
        return response

    def close(self) -> None:
        """Nothing is kept."""


@contextmanager
def _translated() -> Iterator[None]:
    """Say in a word what went wrong: texts of others may quote what was sent."""
    try:
        yield
    except OAuthError as error:
        is_final = error.error in _FINAL
        raise SignInError(error.error if is_final else "provider", is_temporary=not is_final) from None
    # What is read as JSON may be anything.
    except (OSError, HTTPException, ValueError, TypeError, RecursionError, CancelledError):
        raise SignInError("unreachable", is_temporary=True) from None
