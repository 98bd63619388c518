"""Identifies who sends a request: verifies its token and puts ``request.avp`` and the user on it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.utils.functional import SimpleLazyObject, empty

from django_avp.authorization import Authorization
from django_avp.conf import conf
from django_avp.exceptions import TokenError, TokenForeignError, TokenInvalidError
from django_avp.identity import Identity
from django_avp.observing import observing
from django_avp.reporting import exception_reporter_filter
from django_avp.runtime import runtime
from django_avp.tokens.sources import TokenPair, TokenSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from django_avp.tokens.verifier import VerifiedToken

__all__ = ["Personal", "aidentify", "identify", "is_left_to_others"]

logger = logging.getLogger("django_avp")


class Personal(SimpleLazyObject):  # type: ignore[type-arg]
    """A user or an identity that notes whenever a response is made of it, and not only when it is looked up.

    Middlewares look a user up before the view runs, and ``cache_page`` begins anew inside of a gate (rule C5).

    Args:
        load: looks it up.
        note: called at each use.
    """

    def __init__(self, load: Callable[[], Any], note: Callable[[], None]) -> None:
        vars(self)["_note"] = note
        super().__init__(load)

    @property
    def _wrapped(self) -> Any:
        vars(self)["_note"]()
        return vars(self)["_wrapped"]

    def __repr__(self) -> str:
        loaded = vars(self)["_wrapped"]
        return super().__repr__() if loaded is empty else repr(loaded)


def identify(request: HttpRequest) -> Authorization:
    """Verify the token of a request, if it has one, and put the authorization on the request and on its user.

    Nothing is refused: a token that does not hold is a fault that gates answer (rule C2).
    """
    request.exception_reporter_filter = exception_reporter_filter()
    identity: Identity | None = None
    fault: TokenError | None = None
    for source in runtime.token_sources:
        pair = source.read(request)
        if pair is None:
            continue
        try:
            identity, fault = _verify(request, pair, source), None
        except TokenError as error:
            fault = _fault(error, source)
        if not is_left_to_others(fault):
            break
    return _attach(request, identity, fault)


async def aidentify(request: HttpRequest) -> Authorization:
    """The same as :func:`identify`, to be awaited."""
    request.exception_reporter_filter = exception_reporter_filter()
    identity: Identity | None = None
    fault: TokenError | None = None
    for source in runtime.token_sources:
        pair = await source.aread(request)
        if pair is None:
            continue
        try:
            identity, fault = await _averify(request, pair, source), None
        except TokenError as error:
            fault = _fault(error, source)
        if not is_left_to_others(fault):
            break
    return _attach(request, identity, fault)


def is_left_to_others(fault: TokenError | None) -> bool:
    """Whether another application's authentication may own the token (rule C2)."""
    return isinstance(fault, TokenForeignError)


def _verify(request: HttpRequest, pair: TokenPair, source: TokenSource) -> Identity:
    verifier = runtime.verifier
    if pair.token is not None:
        tokens = [verifier.verify(pair.token)]
    else:
        named = [("id", pair.id_token), ("access", pair.access_token)]
        tokens = [verifier.verify(token, kind=kind) for kind, token in named if token is not None]
    source.confirm(request, tokens)
    return _identity(tokens, source)


async def _averify(request: HttpRequest, pair: TokenPair, source: TokenSource) -> Identity:
    verifier = runtime.verifier
    if pair.token is not None:
        tokens = [await verifier.averify(pair.token)]
    else:
        named = [("id", pair.id_token), ("access", pair.access_token)]
        tokens = [await verifier.averify(token, kind=kind) for kind, token in named if token is not None]
    await source.aconfirm(request, tokens)
    return _identity(tokens, source)


def _fault(error: TokenError, source: TokenSource) -> TokenError:
    """Another issuer's token is a forgery where nobody else's belongs."""
    if isinstance(error, TokenForeignError) and not source.is_shared:
        return TokenInvalidError(error.code, str(error))
    return error


def _identity(tokens: list[VerifiedToken], source: TokenSource) -> Identity:
    by_kind = {token.kind: token for token in tokens}
    return Identity.from_tokens(id_token=by_kind.get("id"), access_token=by_kind.get("access"), ambient=source.ambient)


def _attach(request: HttpRequest, identity: Identity | None, fault: TokenError | None) -> Authorization:
    if fault is not None:
        logger.info("avp.token_refused", extra={"code": fault.code})
    if fault is not None or identity is not None:
        observing.observer.token_judged(fault.code if fault else "")
    authorization = Authorization(identity, request=request, fault=fault)
    request.avp = authorization  # type: ignore[attr-defined]
    if identity is not None:
        _replace_user(request, authorization)
        # A page elsewhere cannot make a browser send this header (rule C1).
        if not identity.is_ambient:
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    elif fault is not None and not is_left_to_others(fault):
        _replace_user(request, authorization)
    else:
        _attach_to_user(request, authorization)
    return authorization


def _replace_user(request: HttpRequest, authorization: Authorization) -> None:
    def load() -> Any:
        return _acting_user(authorization, authorization.user)

    async def aload() -> Any:
        authorization.mark_used()
        return _acting_user(authorization, await authorization.auser())

    # What shows a token's user is as personal as a decision.
    request.user = Personal(load, authorization.mark_used)  # type: ignore[assignment]
    request.auser = aload


def _acting_user(authorization: Authorization, user: Any) -> Any:
    """The user, or nobody: a deactivated one is not signed in, as in a session of Django's (rule B6)."""
    if user is not None and (user.is_active or not conf.require_active_user):
        return user
    anonymous = AnonymousUser()
    anonymous.avp = authorization  # type: ignore[attr-defined]
    return anonymous


def _attach_to_user(request: HttpRequest, authorization: Authorization) -> None:
    """Put the authorization on the user that others identified, when that user is first looked at."""
    if not hasattr(request, "user"):
        return
    user, auser = request.user, request.auser

    def load() -> Any:
        authorization.is_user_read = True
        user.avp = authorization  # type: ignore[union-attr]
        return user

    async def aload() -> Any:
        authorization.is_user_read = True
        found = await auser()
        found.avp = authorization  # type: ignore[union-attr]
        return found

    request.user = SimpleLazyObject(load)  # type: ignore[assignment]
    request.auser = aload
