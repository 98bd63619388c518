"""Refreshes the tokens of a session before they expire: one request does it, and the others go on.

While the old tokens hold nobody waits. Where they have expired, as after a long pause, the requests that come together
wait for the one that refreshes.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING

from django.core.cache import DEFAULT_CACHE_ALIAS, cache
from django.views.decorators.debug import sensitive_variables

from django_avp.signin import records, sessions
from django_avp.signin.provider import Provider
from django_avp.signin.sessions import Held
from django_avp.signin.tokens import SignInError, Tokens

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

__all__ = ["is_due", "renew"]

logger = logging.getLogger("django_avp")

# All in seconds.
TURN = 15
"""After this another request may refresh, because the one whose turn it was came to no end."""
PAUSE = 10
"""After a failed attempt."""
PATIENCE = 5.0
"""That a request waits for another one's refresh."""
STEP = 0.05
"""Between two looks at whether it is done."""

_BUSY, _FAILED = "busy", "failed"


def is_due(held: Held | None, ahead: float) -> bool:
    """Whether tokens expire within ``ahead`` seconds."""
    return held is not None and time.time() >= held.expires_at - ahead


@sensitive_variables()
def renew(session: SessionBase, ahead: float) -> None:
    """Refresh the tokens of a session, if they expire within ``ahead`` seconds.

    What cannot be refreshed stays as it is: when it has expired, gates ask for a sign-in.
    """
    held = sessions.held_in(session)
    if held is None or not is_due(held, ahead):
        return
    turn = _turn_of(held)
    if _begin(turn):
        tokens = _refreshed(session, held, turn)
    elif is_due(held, 0):
        tokens = _awaited(held, turn)
    else:
        return
    if tokens is not None:
        sessions.keep(session, tokens, held.record)


def _refreshed(session: SessionBase, held: Held, turn: str) -> Tokens | None:
    """The next tokens, of the user pool unless another request has just got them; ``None`` if there are none."""
    kept = records.load(held.record)
    if kept is None:
        # The user has signed out, in the same session: what it held is nobody's any more.
        sessions.forget(session)
        return None
    if kept.expires_at > held.expires_at:
        _end(turn)
        return kept
    try:
        renewed = Provider.configured().refresh(kept)
    except SignInError as error:
        _give_up(session, held, turn, error)
        return None
    return _kept(session, held, turn, renewed)


def _kept(session: SessionBase, held: Held, turn: str, renewed: Tokens) -> Tokens | None:
    try:
        records.replace(held.record, renewed)
    except records.RecordGoneError:
        # Signed out meanwhile: what was revoked then may have a successor now.
        sessions.forget(session)
        Provider.configured().revoke(renewed.refresh_token)
        return None
    _end(turn)
    return renewed


def _give_up(session: SessionBase, held: Held, turn: str, error: SignInError) -> None:
    logger.warning("avp.refresh_failed", extra={"code": error.code})
    if error.is_temporary:
        _set(turn, _FAILED, PAUSE)
        return
    # The user pool will not change its mind; until they expire the tokens hold.
    records.delete(held.record)
    sessions.forget(session, tokens=False)


def _awaited(held: Held, turn: str) -> Tokens | None:
    """The tokens that another request gets; ``None`` if it gets none."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        time.sleep(STEP)
        is_busy = _get(turn) == _BUSY
        kept = records.load(held.record)
        if kept is None or kept.expires_at > held.expires_at:
            return kept
        if not is_busy:
            return None
    return None


# Turns: an entry of the default cache, which requests of all workers see if the cache is shared. Without one each
# worker has a turn of its own, and a cache that is down makes each request one: the answers are the same.


def _turn_of(held: Held) -> str:
    # Not the key itself, which is a secret.
    return f"django_avp.refresh.{hashlib.sha256(held.record.encode()).hexdigest()}"


def _begin(turn: str) -> bool:
    try:
        return bool(cache.add(turn, _BUSY, TURN))
    except Exception as error:  # whatever the cache's client raises
        _tell(error)
        return True


def _get(turn: str) -> object:
    try:
        return cache.get(turn)
    except Exception as error:  # whatever the cache's client raises
        _tell(error)
        return None


def _set(turn: str, value: str, seconds: float) -> None:
    try:
        cache.set(turn, value, seconds)
    except Exception as error:  # whatever the cache's client raises
        _tell(error)


def _end(turn: str) -> None:
    try:
        cache.delete(turn)
    except Exception as error:  # whatever the cache's client raises
        _tell(error)


def _tell(error: Exception) -> None:
    logger.warning("avp.cache_failed", extra={"cache": DEFAULT_CACHE_ALIAS, "error": type(error).__name__})
