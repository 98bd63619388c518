"""What the session of a browser holds of a sign-in: attempts that have begun, and the tokens that came of one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth import SESSION_KEY
from django.views.decorators.debug import sensitive_variables

from django_avp.signin import records
from django_avp.signin.tokens import Attempt, Tokens

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

__all__ = ["Held", "add_attempt", "forget", "held_in", "keep", "sign_in", "take_attempt"]

MOST_ATTEMPTS = 5
"""Sign-ins that one browser may have begun, as in several tabs; the oldest goes first."""
MAX_ATTEMPT_AGE = 3600.0
"""Seconds in which a sign-in has to come to its end."""

_ATTEMPTS = "_avp_sign_in_attempts"
_HELD = "_avp_sign_in"
# As the source looks for them.
_TOKENS = ("id_token", "access_token")


@dataclass(frozen=True, slots=True)
class Held:
    """The tokens of a session that can be refreshed.

    Attributes:
        record: the key under which they are kept on the server.
        expires_at: seconds since the epoch.
    """

    record: str
    expires_at: int


def add_attempt(session: SessionBase, attempt: Attempt, goal: str) -> None:
    """Remember a sign-in that begins, and where it shall lead."""
    begun = _begun(session)[1 - MOST_ATTEMPTS :]
    session[_ATTEMPTS] = [
        *begun,
        [time.time(), attempt.state, attempt.nonce, attempt.verifier, attempt.redirect_uri, goal],
    ]


@sensitive_variables()
def take_attempt(session: SessionBase, state: str) -> tuple[Attempt, str] | None:
    """The sign-in that a state belongs to, and where it shall lead; it can be taken once."""
    begun = _begun(session)
    found = next((one for one in begun if one[1] == state), None)
    if found is None:
        return None
    session[_ATTEMPTS] = [one for one in begun if one is not found]
    begun_at, *texts, goal = found
    return None if time.time() - begun_at > MAX_ATTEMPT_AGE else (Attempt(*texts), goal)


@sensitive_variables()
def sign_in(session: SessionBase, tokens: Tokens) -> Tokens | None:
    """Begin the session of a user, under a new key: one that was known before does not lead to it.

    What an unknown visitor had in the session stays; what another user had does not.

    Returns:
        the tokens of the sign-in that ends with it, if there was one: nobody has them any more.
    """
    before = held_in(session)
    ended = None
    if before is not None:
        ended = records.load(before.record)
        records.delete(before.record)
    if any(name in session for name in (SESSION_KEY, _HELD, *_TOKENS)):
        session.flush()
    else:
        session.cycle_key()
    session.pop(_ATTEMPTS, None)
    keep(session, tokens, records.create(tokens) if tokens.refresh_token else "")
    return ended


@sensitive_variables()
def keep(session: SessionBase, tokens: Tokens, record: str) -> None:
    """Put tokens where the token source looks for them."""
    for name in _TOKENS:
        session[name] = getattr(tokens, name)
    session[_HELD] = [record, tokens.expires_at]


def held_in(session: SessionBase) -> Held | None:
    """The tokens of a session, if they can be refreshed."""
    match session.get(_HELD):
        case [str(record), int(expires_at)] if record:
            return Held(record, expires_at)
    return None


def _begun(session: SessionBase) -> list[Any]:
    """The sign-ins that have begun; what another version of this package has written is none."""
    begun = session.get(_ATTEMPTS)
    return [one for one in begun if _is_attempt(one)] if isinstance(begun, list) else []


def _is_attempt(value: object) -> bool:
    match value:
        case [float(), str(), str(), str(), str(), str()]:
            return True
    return False


def forget(session: SessionBase, *, tokens: bool = True) -> None:
    """Drop the tokens of a session, or only that they can be refreshed."""
    for name in (_HELD, *_TOKENS) if tokens else (_HELD,):
        session.pop(name, None)
