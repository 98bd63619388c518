"""``request.avp``: collects checks, has them decided in one round, and answers from what was decided."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from asgiref.sync import sync_to_async
from django.db import models
from django.db.models import QuerySet

from django_avp.asker import Asker
from django_avp.cedar import INVALID, UNAVAILABLE, Cause, Check, Decision, EntityUid
from django_avp.deciding import Decided, Decider
from django_avp.entities import registry
from django_avp.entities.world import Worlds
from django_avp.exceptions import (
    ActionDenied,
    AuthorizationUnavailable,
    AvpError,
    TokenError,
    UntranslatablePolicyError,
)
from django_avp.explanation import Asked, Explanation, explained
from django_avp.filtering import Filter, any_of
from django_avp.identity import Identity
from django_avp.lists import List
from django_avp.observing import observing
from django_avp.questions import Action, Questions, Resource
from django_avp.recording import Filtering, Place, Recorder
from django_avp.rounds import Round
from django_avp.signals import decisions_made
from django_avp.values import Unholdable
from django_avp.vocabulary import action_uid

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["Answer", "Authorization", "Resource", "asker_of"]

logger = logging.getLogger("django_avp")

Row = TypeVar("Row", bound=models.Model)


class Answer(Awaitable[Decision]):
    """The decision to come of :meth:`Authorization.acan`. It has no truth before it is awaited (rule B3)."""

    def __init__(self, decide: Callable[[], Awaitable[Decision]]) -> None:
        self._decide = decide

    def __await__(self) -> Generator[Any, Any, Decision]:
        return self._decide().__await__()

    def __bool__(self) -> bool:
        raise TypeError("This decision is not made yet: write `await request.avp.acan(…)`.")


class Authorization:
    """What one principal may do, decided in as few rounds as possible and remembered for the length of a request.

    In a request it is ``request.avp`` and ``request.user.avp``. Outside of one, in a task or a command, make it of an
    identity.

    Args:
        identity: who asks; ``None`` for nobody, who is denied unless ``AVP_ANONYMOUS_PRINCIPAL`` names a principal.
        context: merged into every check's context, as far as the schema declares it.
        store: policy store id in place of ``AVP_POLICY_STORE_ID``.
        request: the request that ``AVP_CONTEXT`` and a callable ``AVP_POLICY_STORE_ID`` are called with.
        fault: why the request's token identifies nobody.

    Attributes:
        permission_actions: which action a permission is asked as, by permission and kind of resource; ``None`` for one
            that is left to other backends.
        times_forgotten: how often :meth:`forget` was called; what was read before the last time may have changed.
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
        # Templates cannot read it: what shows who asks is personal (rule C5). See asker_of().
        self._asker = asker = Asker(identity, context=context, store=store, request=request, fault=fault)
        self.permission_actions: dict[tuple[str, Any], EntityUid | None] = {}
        self.times_forgotten = 0
        self.is_used = False
        self.is_user_read = False
        self._requests: list[Any] = [] if request is None else [request]
        self._worlds = Worlds(registry)
        self._questions = Questions(self._worlds, lambda: asker.schema)
        recorder: Recorder | None = getattr(request, "avp_recorder", None)
        self._decider = Decider(asker, self._questions, self._worlds, recorder)

    def __repr__(self) -> str:
        return f"<Authorization: {len(self._decider.decisions)} decided, {len(self._decider.pending)} pending>"

    # Asking

    def can(self, action: Action, resource: Resource = None, context: Mapping[str, Any] | None = None) -> Decision:
        """Decide whether the principal may do ``action`` on ``resource``.

        What was decided before is answered at once; otherwise all that was collected is decided in one round.

        Args:
            action: a Cedar action's id, ``"EditPhoto"``.
            resource: a registered model instance, an entity id, or ``None`` for the application.
            context: Cedar context of this check; the key ``token`` is reserved for the access token's claims.

        Returns:
            A decision, true only when permitted.

        Raises:
            ImproperlyConfigured: the resource's model is not registered, or another database has a row with its id.
            ValueError: the instance is not saved, or the context uses the key ``token``.
            TypeError: the context holds a value that Cedar does not have.
        """
        check = self.check(action, resource, context)
        return INVALID if check is None else self.answer(check)

    def acan(self, action: Action, resource: Resource = None, context: Mapping[str, Any] | None = None) -> Answer:
        """The same as :meth:`can`, to be awaited."""

        async def answer() -> Decision:
            await self._aload()
            check = self.check(action, resource, context)
            if check is None:
                return INVALID
            if self.add(check, is_read=True):
                await self.adecide()
            while (decision := self._decider.decisions.get(check)) is None:
                # What was decided was forgotten meanwhile.
                self.add(check)
                await self.adecide()
            return decision

        return Answer(answer)

    def collect(
        self,
        actions: Action | Iterable[Action],
        resources: Resource | Iterable[Resource] = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Add checks to the next round: every action on every resource. Nothing is asked yet.

        Args:
            actions: one action or several.
            resources: one resource or several; ``None`` for the application.
            context: Cedar context of these checks.
        """
        is_one = resources is None or isinstance(resources, models.Model | EntityUid)
        several: list[Any] = [resources] if is_one else list(cast("Iterable[Any]", resources))
        for action in [actions] if isinstance(actions, str | EntityUid) else actions:
            for resource in several:
                check = self.check(action, resource, context)
                if check is not None:
                    self.add(check)

    def require(self, action: Action, resource: Resource = None, context: Mapping[str, Any] | None = None) -> Decision:
        """Return the decision if it is permitted.

        Raises:
            ActionDenied: it is not; a :exc:`~django.core.exceptions.PermissionDenied` with check and decision.
            AuthorizationUnavailable: it could not be decided; asking again may help.
        """
        return self._enforce(self.can(action, resource, context), action, resource)

    async def arequire(
        self, action: Action, resource: Resource = None, context: Mapping[str, Any] | None = None
    ) -> Decision:
        """The same as :meth:`require`, to be awaited."""
        return self._enforce(await self.acan(action, resource, context), action, resource)

    def permitted(
        self,
        action: Action,
        queryset: QuerySet[Row],
        context: Mapping[str, Any] | None = None,
        *,
        on_untranslatable: Literal["raise", "check"] = "raise",
    ) -> QuerySet[Row]:
        """The rows of a queryset that the policies permit an action on: those for which :meth:`can` would be true.

        The policies become a condition of the query, so it is still lazy, and can be counted, sliced and filtered.

        Args:
            action: a Cedar action's id, ``"ViewPhoto"``.
            queryset: rows of a registered model, not sliced yet.
            context: as in :meth:`can`, the same for every row.
            on_untranslatable: what to do about a policy that has no exact counterpart in SQL: raise, or decide one by
                one about the rows, up to 1,000, that the rest of the policies leaves open.

        Raises:
            UntranslatablePolicyError: a policy has no exact counterpart in SQL, or too many rows would be checked.
            AuthorizationUnavailable: the policies are not known now.
            ImproperlyConfigured: the model is not registered.
        """
        if on_untranslatable not in ("raise", "check"):
            raise ValueError(f'on_untranslatable is "raise" or "check", not {on_untranslatable!r}.')
        registry.get(queryset.model)
        asked = self._list(action, context)
        if asked is None:
            return self._listed(action, queryset.none(), "nothing")
        try:
            return self._listed(action, asked.permitted(queryset, self._worlds), "query")
        except (UntranslatablePolicyError, AuthorizationUnavailable) as refusal:
            # Where another engine decides than the one that knows the policies, it may still be asked.
            if on_untranslatable != "check":
                raise
            return self._listed(action, self._checked(asked, queryset, context, refusal), "rows")

    async def apermitted(
        self,
        action: Action,
        queryset: QuerySet[Row],
        context: Mapping[str, Any] | None = None,
        *,
        on_untranslatable: Literal["raise", "check"] = "raise",
    ) -> QuerySet[Row]:
        """The same as :meth:`permitted`, without blocking the event loop."""
        ask = sync_to_async(self.permitted)
        return await ask(action, queryset, context, on_untranslatable=on_untranslatable)

    def _list(self, action: Action, context: Mapping[str, Any] | None) -> List | None:
        """A question about rows; ``None`` if it is settled that none is permitted.

        Raises:
            AuthorizationUnavailable: nothing can be decided now.
        """
        self.mark_used()
        settled, identity = self._asker.settled(), self._asker.decided_for
        if settled is UNAVAILABLE:
            raise AuthorizationUnavailable("The key set that tells who asks is not available.")
        if settled is not None or identity is None:
            return None
        uid = action_uid(action)
        try:
            text = self._questions.context(uid, context, self._asker.context())
        except Unholdable:
            logger.error("avp.context_refused", extra={"action": str(action)})
            return None
        return List(identity, uid, text, self._questions.context_starts(text), self._asker.store())

    def _checked(
        self,
        asked: List,
        queryset: QuerySet[Row],
        context: Mapping[str, Any] | None,
        refusal: AvpError,
    ) -> QuerySet[Row]:
        """The permitted rows, decided one by one where the policies that have a counterpart in SQL leave it open."""
        bounds = asked.bounds(queryset, self._worlds)
        rows = asked.open_rows(queryset, bounds, refusal)
        self.collect(asked.action, rows, context)
        decisions = [(row, self.can(asked.action, row, context)) for row in rows]
        if any(decision.cause is Cause.UNAVAILABLE for _, decision in decisions):
            raise AuthorizationUnavailable
        observing.observer.filter_made("checked")
        decided = models.Q(pk__in=[row.pk for row, decision in decisions if decision])
        return Filter(any_of([bounds[1].condition, decided]), queryset.model).of(queryset)

    def _listed(self, action: Action, rows: QuerySet[Row], filtering: Filtering) -> QuerySet[Row]:
        if self.recorder is not None:
            self.recorder.listed(action_uid(action), rows.model, filtering)
        return rows

    def explain(
        self, action: Action, resource: Resource = None, context: Mapping[str, Any] | None = None
    ) -> Explanation:
        """Decide as :meth:`can` does, and tell why: which policies decided, and what kept the others from it.

        For operators: the explanation has the policies' sources, the entities and the claims in it.

        Args:
            action: as in :meth:`can`.
            resource: as in :meth:`can`.
            context: as in :meth:`can`.

        Raises:
            ImproperlyConfigured, ValueError, TypeError: as :meth:`can` does.
        """
        check = self.check(action, resource, context)
        if check is None:
            unsent = Check(action_uid(action), self._questions.resource_uid(resource))
            return explained(Asked(unsent, INVALID, is_context_refused=True))
        return explained(self._asked(check, self.answer(check)))

    async def aexplain(
        self, action: Action, resource: Resource = None, context: Mapping[str, Any] | None = None
    ) -> Explanation:
        """The same as :meth:`explain`, to be awaited."""
        await self.acan(action, resource, context)
        # What was decided is remembered: nothing is asked of the engine here.
        return await sync_to_async(self.explain)(action, resource, context)

    def _asked(self, check: Check, decision: Decision) -> Asked:
        """A question that was answered, with what the answer was made of."""
        asker = self._asker
        asked = Asked(check, decision, asker.decided_for, fault=asker.fault)
        if decision.cause in (Cause.UNIDENTIFIED, Cause.INACTIVE) or asked.identity is None:
            return replace(asked, has_user=asker.user is not None)
        try:
            policies = asker.policies()
        except AvpError as error:
            return replace(asked, error=str(error))
        return replace(asked, world=self._decider.worlds_of((check,), policies)[check], store=asker.store())

    def forget(self, resource: Resource = None) -> None:
        """Decide anew what is asked from now on, after a write.

        Everything is read from the database again, whatever instance is at hand: what hangs on the resource that was
        written, and what it hangs on, may have changed with it. ``resource`` tells the reader which one that was.
        """
        self.times_forgotten += 1
        self._questions.forget()
        self._decider.forget()

    # Deciding

    def decide(self) -> None:
        """Decide all that was collected, now and in one round. Reads do this by themselves."""
        decided = self._decider.decide()
        if decided is not None:
            decisions_made.send_robust(type(self), **self._made(decided))

    async def adecide(self) -> None:
        """The same as :meth:`decide`, without blocking the event loop."""
        decided = await self._decider.adecide()
        if decided is not None:
            await decisions_made.asend_robust(type(self), **self._made(decided))

    def _made(self, decided: Decided) -> dict[str, Any]:
        round_, decisions = decided
        return {"authorization": self, "round": round_, "decisions": decisions}

    @property
    def rounds(self) -> list[Round]:
        """What each round took."""
        return self._decider.rounds

    @property
    def recorder(self) -> Recorder | None:
        """Is told what is asked and decided; that of the request, if it has one."""
        return self._decider.recorder

    # Making checks

    def check(
        self, action: Action, resource: Resource = None, context: Mapping[str, Any] | None = None
    ) -> Check | None:
        """The check of a question; ``None`` if its context cannot be sent. Raises what :meth:`can` raises."""
        self.mark_used()
        try:
            return self._questions.check(action, resource, context, self._asker.context())
        except Unholdable:
            logger.error("avp.context_refused", extra={"action": str(action)})
            return None

    def expects(self, check: Check) -> bool:
        """Whether a check is decided, or will be in the next round."""
        return self._decider.expects(check)

    def answer(self, check: Check, *, place: Place | None = None, is_planned: bool = True) -> Decision:
        """The decision about a check, made now if there is none; one that was not planned is counted as such."""
        decision = self._decider.decisions.get(check)
        if decision is not None and self.recorder is None:
            return decision
        if self._decider.add(check, place, is_read=True, is_planned=is_planned):
            self.decide()
        while (decision := self._decider.decisions.get(check)) is None:
            # What was decided was forgotten meanwhile.
            self.add(check)
            self.decide()
        return decision

    def add(self, check: Check, place: Place | None = None, *, is_read: bool = False) -> bool:
        """Add a check to the next round, unless it is decided; whether it was added."""
        return self._decider.add(check, place, is_read=is_read)

    async def _aload(self) -> None:
        if not self._asker.is_loaded:
            await sync_to_async(self._asker.load)()

    # Who and where

    @property
    def identity(self) -> Identity | None:
        """Who asks; ``None`` for nobody. A response that is made of it is personal (rule C5)."""
        self.mark_read()
        return self._asker.identity

    @property
    def has_identity(self) -> bool:
        """Whether a token identifies somebody; to know that alone makes no response personal."""
        return self._asker.identity is not None

    @property
    def fault(self) -> TokenError | None:
        """Why the request's token identifies nobody."""
        return self._asker.fault

    @property
    def user(self) -> Any:
        """The Django user of the identity, looked up once; ``None`` if nobody is identified or there is no user."""
        self.mark_read()
        user = self._asker.user
        if user is not None:
            user.avp = self
        return user

    async def auser(self) -> Any:
        """The same as :attr:`user`, without blocking the event loop."""
        return await sync_to_async(lambda: self.user)()

    # Living in a request

    def close(self) -> None:
        """Deny everything from now on: the user has signed in as somebody else, or out."""
        self._asker.leave()
        self._decider.forget()

    def mark_used(self) -> None:
        """Note that the response depends on who asks."""
        self.is_used = True
        for request in self._requests:
            # A page that depends on decisions is its reader's own: Django's cache must not keep it (rule C5).
            request._cache_update_cache = False

    def mark_read(self) -> None:
        """Note that the response may tell who asks: it is somebody's own, or for everybody who is nobody."""
        if self._asker.identity is None:
            self.is_user_read = True
        else:
            self.mark_used()

    def serve(self, request: Any) -> None:
        """Note a request that stands in the place of Django's: views of REST framework, and a cache around one of their
        methods, know no other."""
        if all(request is not known for known in self._requests):
            self._requests.append(request)

    def _enforce(self, decision: Decision, action: Action, resource: Resource) -> Decision:
        if decision:
            return decision
        if decision.cause is Cause.UNAVAILABLE:
            raise AuthorizationUnavailable
        raise ActionDenied(Check(action_uid(action), self._questions.resource_uid(resource)), decision)

    def __reduce__(self) -> tuple[Callable[[], Authorization], tuple[()]]:
        # A pickled user would carry the token along: what comes back denies (rule C8).
        return closed, ()

    def __copy__(self) -> Authorization:
        return self

    def __deepcopy__(self, memo: object) -> Authorization:
        return self


def closed() -> Authorization:
    """An authorization that denies everything without asking."""
    authorization = Authorization(None)
    authorization.close()
    return authorization


def asker_of(authorization: Authorization) -> Asker:
    """Who asks, and where, for code that makes no response of it: to read it makes none personal (rule C5)."""
    return authorization._asker
