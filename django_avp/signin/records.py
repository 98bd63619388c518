"""Where tokens are kept on the server: a record of the session engine for each sign-in, beside the session itself.

Requests of one session overwrite what others wrote into it, so a token that was refreshed could be lost there. A
record is written by a sign-in and by refreshes alone. Its key never leaves the server, and it is no session: whoever
sent its key as a cookie would be nobody.
"""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from django_avp.signin.tokens import Tokens

__all__ = ["RecordGoneError", "create", "delete", "load", "replace"]

_NAME = "django_avp_signin_record"


class RecordGoneError(LookupError):
    """Raised when a record cannot be replaced because the user has signed out."""


@sensitive_variables()
def create(tokens: Tokens) -> str:
    """Keep tokens, and return the key of their record.

    Raises:
        ImproperlyConfigured: the session engine keeps nothing on the server.
    """
    store = _store()
    store[_NAME] = _packed(tokens)
    store.create()
    key = str(store.session_key)
    if load(key) is None:
        raise ImproperlyConfigured(
            f"SESSION_ENGINE: {settings.SESSION_ENGINE!r} keeps nothing on the server, where the tokens of a sign-in "
            "have to stay. Use an engine with a database or a cache behind it."
        )
    return key


@sensitive_variables()
def load(key: str) -> Tokens | None:
    """The tokens of a record; ``None`` if it is gone, or is of another version of this package."""
    match _store(key).get(_NAME):
        case [str(), int(), str(), str(), str()] as packed:
            return Tokens(*packed)
    return None


@sensitive_variables()
def replace(key: str, tokens: Tokens) -> None:
    """Keep other tokens in a record.

    Raises:
        RecordGoneError: there is no such record any more.
    """
    store = _store(key)
    if _NAME not in store:
        # To save it would make another record.
        raise RecordGoneError
    store[_NAME] = _packed(tokens)
    try:
        store.save()
    except UpdateError:
        raise RecordGoneError from None


def delete(key: str) -> None:
    """Forget the tokens of a record."""
    _store(key).delete()


def _store(key: str | None = None) -> SessionBase:
    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return store


def _packed(tokens: Tokens) -> list[object]:
    return [tokens.principal_id, tokens.expires_at, tokens.id_token, tokens.access_token, tokens.refresh_token]
