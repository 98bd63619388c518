"""The exceptions of django-avp: a class exists only where a caller would act on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied

if TYPE_CHECKING:
    from django_avp.cedar import Check, Decision


class AvpError(Exception):
    """Base of all exceptions of this package."""


class TokenError(AvpError):
    """Raised when a token does not identify anybody; ``code`` names the cause for logs and tests."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TokenInvalidError(TokenError):
    """Raised when a token is malformed, forged, or was not issued for this site."""


class TokenForeignError(TokenInvalidError):
    """Raised when a token names an issuer that is not ours: another application's authentication may own it."""


class TokenExpiredError(TokenError):
    """Raised when a genuine token is past its ``exp``."""


class KeySetUnavailableError(TokenError):
    """Raised when the key that signed a token is not known and the key set cannot be fetched."""


class AuthorizationUnavailable(AvpError):  # noqa: N818 - a condition, named as Django names its HTTP exceptions
    """Raised when no decision could be reached: the engine is down, throttled or timed out.

    ``retry_after`` is the number of seconds after which asking again makes sense.
    """

    def __init__(self, message: str = "The authorization engine did not answer.", *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ActionDenied(AvpError, PermissionDenied):
    """Raised when a required check is not permitted; carries the ``check`` and its ``decision`` for error pages."""

    def __init__(self, check: Check, decision: Decision) -> None:
        super().__init__(f"{check.action.printable} is {decision.verdict.value.replace('_', ' ')}.")
        self.check = check
        self.decision = decision


class PolicyError(AvpError):
    """Raised when policies or a schema cannot be used; the message names file, line, cause and cure.

    Attributes:
        cause: the message without the place.
        path: the file; ``None`` if it is no one file's fault.
        line: where the cause is, from 1; 0 if that is the whole file.
        column: where on the line, from 1; 0 if that is not known.
        excerpt: the line with a caret below the column; empty if that is not known.
    """

    def __init__(self, cause: str, path: Path | None = None, line: int = 0, column: int = 0, excerpt: str = "") -> None:
        place = f"{path}:{line}" if line else path
        super().__init__(f"{place}: {cause}" if place else cause)
        self.cause = cause
        self.path = path
        self.line = line
        self.column = column
        self.excerpt = excerpt


class UntranslatablePolicyError(AvpError):
    """Raised when a list cannot be filtered in SQL, because a policy says what has no exact counterpart there.

    Attributes:
        policy_id: the policy; empty if it is not a policy that stands in the way, but what entities are declared to be.
        construct: the expression, in Cedar's syntax.
        cure: what to do about it.
    """

    def __init__(self, reason: str, *, cure: str, policy_id: str = "", construct: str = "") -> None:
        where = f"Policy {policy_id!r}: `{construct}` cannot be compiled to SQL" if policy_id else "No list can be made"
        super().__init__(f"{where}: {reason}. {cure}")
        self.policy_id = policy_id
        self.construct = construct
        self.cure = cure
