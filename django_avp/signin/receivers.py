"""What happens to the tokens of a sign-in when the user signs out, by whatever page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.views.decorators.debug import sensitive_variables

from django_avp.signin import records, sessions
from django_avp.signin.provider import Provider

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["forget_tokens"]


@receiver(user_logged_out, dispatch_uid="django_avp.forget_tokens")
@sensitive_variables()
def forget_tokens(*, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Drop the tokens here, and then the refresh token at the user pool, which may be slow or down."""
    session = getattr(request, "session", None)
    held = None if session is None else sessions.held_in(session)
    if session is None or held is None:
        return
    tokens = records.load(held.record)
    records.delete(held.record)
    sessions.forget(session)
    if tokens is not None:
        Provider.configured().revoke(tokens.refresh_token)
