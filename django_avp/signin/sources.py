"""The token source of a site whose users sign in by the user pool's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async

from django_avp.signin import renewal, sessions
from django_avp.tokens.sources import Session, TokenPair

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["RefreshedSession"]


class RefreshedSession(Session):
    """The tokens of a sign-in, in the session, refreshed before they expire.

    Args:
        refresh_before: seconds before the first of the tokens expires.
    """

    def __init__(self, refresh_before: float = 60) -> None:
        super().__init__()
        self.refresh_before = refresh_before

    def read(self, request: HttpRequest) -> TokenPair | None:
        session = getattr(request, "session", None)
        if session is not None:
            renewal.renew(session, self.refresh_before)
        return super().read(request)

    async def aread(self, request: HttpRequest) -> TokenPair | None:
        pair = await super().aread(request)
        session = getattr(request, "session", None)
        # It is loaded now, so that to look into it asks no database.
        if session is None or not renewal.is_due(sessions.held_in(session), self.refresh_before):
            return pair
        # The event loop is free meanwhile; the session may ask the database, so the thread is the request's own.
        await sync_to_async(renewal.renew)(session, self.refresh_before)
        return await super().aread(request)
