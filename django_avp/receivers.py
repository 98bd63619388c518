"""What happens to ``request.avp`` when somebody signs in or out in the middle of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["close_authorization"]


@receiver([user_logged_in, user_logged_out], dispatch_uid="django_avp.close_authorization")
def close_authorization(*, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Deny what is asked from here on: the token was somebody else's, or is given up (rule C6)."""
    authorization = getattr(request, "avp", None)
    if authorization is not None:
        authorization.close()
