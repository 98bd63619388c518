"""Who asks, and where: the identity and its Django user, the request with its context, and the policy store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured

from django_avp.cedar import INACTIVE, UNAVAILABLE, UNIDENTIFIED, Decision
from django_avp.conf import conf
from django_avp.engines.base import policies_of, schema_of
from django_avp.exceptions import AvpError, KeySetUnavailableError, TokenError
from django_avp.identity import Identity
from django_avp.runtime import runtime
from django_avp.users import resolve_user

if TYPE_CHECKING:
    from django.http import HttpRequest

    from django_avp.policies import Policies
    from django_avp.schema import Schema

__all__ = ["Asker"]

_UNRESOLVED = object()


class Asker:
    """The one whose questions an authorization answers, with what is the same for all of them.

    To read it makes no response personal; see :attr:`.Authorization.identity` and :attr:`.Authorization.user`.

    Args:
        identity: who asks; ``None`` for nobody.
        context: merged into every check's context.
        store: policy store id in place of ``AVP_POLICY_STORE_ID``.
        request: the request that ``AVP_CONTEXT`` and a callable ``AVP_POLICY_STORE_ID`` are called with.
        fault: why the request's token identifies nobody.
    """

    def __init__(
        self,
        identity: Identity | None,
        *,
        context: Mapping[str, Any] | None = None,
        store: str | None = None,
        request: HttpRequest | None = None,
        fault: TokenError | None = None,
    ) -> None:
        self.identity = identity
        self.fault = fault
        self._own_context = context or {}
        self._store = store
        self._request = request
        self._is_gone = False
        self._context: Mapping[str, Any] | None = None
        self._user: Any = _UNRESOLVED

    @property
    def decided_for(self) -> Identity | None:
        """The identity that questions are decided for: for nobody that of ``AVP_ANONYMOUS_PRINCIPAL``, if it is set."""
        if self.identity is not None:
            return self.identity
        principal = conf.anonymous_principal
        return None if principal is None else Identity(principal)

    @property
    def user(self) -> Any:
        """The Django user of the identity, looked up once; ``None`` if nobody is identified or there is no user."""
        if self._user is _UNRESOLVED:
            self._user = resolve_user(self.identity) if self.identity else None
        return self._user

    def leave(self) -> None:
        """Be nobody from now on, who is denied everything."""
        self._is_gone = True
        self.identity = None
        self._user = None

    def settled(self) -> Decision | None:
        """The decision about everything, where no engine needs to be asked."""
        if self._is_gone:
            return UNIDENTIFIED
        if isinstance(self.fault, KeySetUnavailableError):
            return UNAVAILABLE
        # A user who was deactivated in Django must not pass on a living token (rule B6).
        if self.identity is not None and conf.user_mode == "model" and conf.require_active_user:
            user = self.user
            if user is None or not user.is_active:
                return INACTIVE
        return None

    @property
    def is_loaded(self) -> bool:
        """Whether checks can be made without waiting for anything."""
        return self._context is not None

    def load(self) -> None:
        """Have at hand what checks are made with: ``AVP_CONTEXT`` may ask the database, and the schema a cache."""
        if self.context():
            _ = self.schema

    def context(self) -> Mapping[str, Any]:
        """What is merged into the context of every check."""
        if self._context is None:
            function = conf.context
            of_request = function(self._request) if function and self._request is not None else {}
            self._context = {**of_request, **self._own_context}
        return self._context

    def store(self) -> str | None:
        """The policy store that decides; ``None`` for the engine's own.

        Raises:
            ImproperlyConfigured: ``AVP_POLICY_STORE_ID`` is a callable, and there is no request.
        """
        if self._store is None:
            store = conf.policy_store_id
            self._store = store(self._request_for("AVP_POLICY_STORE_ID")) if callable(store) else store
        return self._store

    def _request_for(self, setting: str) -> HttpRequest:
        if self._request is None:
            raise ImproperlyConfigured(
                f"{setting} is a callable, and there is no request to call it with. Name the store: "
                "Authorization(identity, store=…)."
            )
        return self._request

    def policies(self) -> Policies | None:
        """The policies that decide, where the engine knows them.

        Raises:
            AvpError: the engine cannot tell now.
        """
        return policies_of(runtime.engine, self.store())

    @property
    def schema(self) -> Schema | None:
        """The schema of the policies, where the engine knows it."""
        try:
            return schema_of(runtime.engine, self.store())
        except AvpError:
            return None
