"""What the gate of an API raises: REST framework's exceptions, with a code in their answers."""

from __future__ import annotations

import math

from rest_framework.exceptions import APIException, NotAuthenticated

from django_avp.exceptions import AuthorizationUnavailable
from django_avp.responses import UNAVAILABLE, UNIDENTIFIED

__all__ = ["AuthorizationUnavailableError", "unidentified"]


class AuthorizationUnavailableError(APIException):
    """Raised when no decision could be reached; 503, with ``Retry-After``."""

    status_code = 503

    def __init__(self, error: AuthorizationUnavailable | None = None) -> None:
        super().__init__(UNAVAILABLE, UNAVAILABLE["code"])
        # What REST framework makes `Retry-After` of.
        self.wait = math.ceil((error or AuthorizationUnavailable()).retry_after)


def unidentified() -> NotAuthenticated:
    """The exception for who sent no token; REST framework answers 401 with the first authenticator's challenge."""
    return NotAuthenticated(UNIDENTIFIED, UNIDENTIFIED["code"])
