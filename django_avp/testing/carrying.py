"""Test clients that carry a token to where the site looks for it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client

from django_avp.runtime import runtime
from django_avp.tokens.sources import Cookie, Session

__all__ = ["TokenAsyncClient", "give_token"]


class TokenAsyncClient(AsyncClient):
    """Sends a token in the header of every request; Django's own takes headers only for single requests."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def generic(self, *args: Any, headers: Any = None, **kwargs: Any) -> Any:
        return super().generic(*args, headers={"Authorization": f"Bearer {self._token}", **(headers or {})}, **kwargs)


def give_token(client: Client | AsyncClient, token: str, use: str) -> None:
    """Put a token into a cookie or the session of a client, whichever ``AVP_TOKEN_SOURCES`` names first.

    Raises:
        ImproperlyConfigured: it names neither for this kind of token.
    """
    for source in runtime.token_sources:
        name = getattr(source, f"{use}_token", None)
        if name is not None and isinstance(source, Cookie):
            client.cookies[name] = token
            return
        if name is not None and isinstance(source, Session):
            session = client.session
            session[name] = token
            session.save()
            return
    raise ImproperlyConfigured(
        f"AVP_TOKEN_SOURCES: no header, cookie or session is read for a token of the kind {use!r}, so a test client "
        "cannot carry one. Sign a token with avp_token, and put it where your source reads it."
    )
