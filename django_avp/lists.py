"""Which rows of a queryset the policies permit, as a condition of the query."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db import connections
from django.db.models import Model, QuerySet

from django_avp.cedar import Entity, EntityUid
from django_avp.engines.base import accepts, policies_of
from django_avp.engines.cedar import with_token
from django_avp.entities import registry
from django_avp.entities.world import MAX_ANCESTORS, Start, Worlds
from django_avp.exceptions import AuthorizationUnavailable, AvpError, UntranslatablePolicyError
from django_avp.filtering import Bound, Filter, MisfitError, Question, dialect_of
from django_avp.identity import Identity
from django_avp.policies import Policies
from django_avp.runtime import runtime
from django_avp.values import Unholdable

__all__ = ["CHECKED_ROWS", "List"]

logger = logging.getLogger("django_avp")

Row = TypeVar("Row", bound=Model)

_CHECK = 'Have the rows checked one by one: on_untranslatable="check".'

CHECKED_ROWS = 1000
"""How many rows ``on_untranslatable="check"`` decides one by one at most."""


class List:
    """One question about the rows of a queryset.

    Args:
        identity: who asks.
        action: the action that is asked about.
        context: the context of the question, as JSON text without the claims of the access token.
        starts: the entities that the context holds.
        store: the policy store that decides.
    """

    def __init__(
        self, identity: Identity, action: EntityUid, context: str, starts: Iterable[Start], store: str | None
    ) -> None:
        self.action = action
        self._identity = identity
        self._context = context
        self._starts = tuple(starts)
        self._store = store

    def permitted(self, queryset: QuerySet[Row], worlds: Worlds) -> QuerySet[Row]:
        """The rows that are permitted.

        Args:
            queryset: rows of a registered model.
            worlds: reads the entities that policies and the context name.

        Raises:
            UntranslatablePolicyError: a policy or the database stands in the way, or the policies are not known.
            AuthorizationUnavailable: the policies are not known now.
        """
        return self._filter(queryset, worlds, Bound.EXACT).of(queryset)

    def bounds(self, queryset: QuerySet[Row], worlds: Worlds) -> tuple[Filter, Filter]:
        """The filters of the rows that may be permitted, and of those that are in any case.

        All and none, where the policies are not known.
        """
        try:
            return self._filter(queryset, worlds, Bound.MOST), self._filter(queryset, worlds, Bound.LEAST)
        except (UntranslatablePolicyError, AuthorizationUnavailable):
            return Filter(True, queryset.model), Filter(False, queryset.model)

    def open_rows(self, queryset: QuerySet[Row], bounds: tuple[Filter, Filter], refusal: AvpError) -> list[Row]:
        """The rows that are between two bounds, to be decided one by one.

        Raises:
            UntranslatablePolicyError: there are more than ``CHECKED_ROWS``.
            AuthorizationUnavailable: there are, and later the policies will be known.
        """
        most, least = bounds
        # As whole rows, whatever of them the queryset yields.
        rows: QuerySet[Row] = QuerySet(queryset.model, using=queryset.db)
        # What groups or counts among rows would do so among others, if it were asked for each row's key.
        looks_at_several = isinstance(queryset.query.group_by, tuple) or queryset.query.where.contains_over_clause
        # Of DISTINCT ON any row may be the first, once those before it are left out.
        each = queryset.distinct() if queryset.query.distinct_fields else queryset
        among = rows if looks_at_several else each
        candidates = most.of(among)
        if least.condition is not False:
            candidates = candidates.exclude(pk__in=least.of(among).order_by().values("pk"))
        found = list(rows.filter(pk__in=candidates.order_by().values("pk"))[: CHECKED_ROWS + 1])
        if len(found) > CHECKED_ROWS and isinstance(refusal, AuthorizationUnavailable):
            raise refusal
        if len(found) > CHECKED_ROWS:
            raise UntranslatablePolicyError(
                f"more than {CHECKED_ROWS} rows would have to be checked one by one", cure="Narrow the queryset first."
            ) from refusal
        return found

    def _filter(self, queryset: QuerySet[Any], worlds: Worlds, bound: Bound) -> Filter:
        return self._decided(queryset, worlds, bound) or Filter(False, queryset.model)

    def _decided(self, queryset: QuerySet[Any], worlds: Worlds, bound: Bound) -> Filter | None:
        """The filter of a queryset; ``None`` if nothing would be decided about its rows."""
        policies = self._policies()
        if policies is None:
            return None
        definition = registry.get(queryset.model)
        dialect = dialect_of(connections[queryset.db])
        if dialect is None:
            raise UntranslatablePolicyError(
                f"{connections[queryset.db].display_name} is not one of the databases that lists are made for",
                cure=_CHECK,
            )
        question = self._question(policies, definition.entity_type, worlds)
        if question is None:
            return None
        try:
            return runtime.kept.permitted(policies, question, definition, dialect, bound)
        except MisfitError:
            self._log("avp.no_decision", definition.entity_type)
            return None

    def _policies(self) -> Policies | None:
        """The policies that decide; ``None`` if the engine decides nothing about this identity."""
        engine = runtime.lists_engine
        try:
            policies = policies_of(engine, self._store)
            is_accepted = accepts(engine, self._store, self._identity)
        except AvpError as error:
            raise AuthorizationUnavailable(str(error)) from error
        if policies is None:
            raise UntranslatablePolicyError("the engine does not know the policies that it decides by", cure=_CHECK)
        if not is_accepted:
            logger.error("avp.identity_not_accepted", extra={"store": self._store})
        return policies if is_accepted else None

    def _question(self, policies: Policies, resource_type: str, worlds: Worlds) -> Question | None:
        """The question as Cedar takes it; ``None`` if nothing would be decided, which is logged."""
        entities = self._entities(policies, worlds)
        if entities is None or not self._is_applicable(policies, resource_type):
            return None
        try:
            principal = self._identity.entity(policies.schema)
            token = self._identity.token_context()
        except Unholdable:
            self._log("avp.entity_refused", resource_type)
            return None
        if not runtime.kept.conforms(policies, principal):
            self._log("avp.entity_refused", resource_type)
            return None
        context = with_token(self._context, token, self.action, policies.schema)
        return Question(principal, self.action, context, entities)

    def _entities(self, policies: Policies, worlds: Worlds) -> tuple[Entity, ...] | None:
        world = worlds.build({None: self._starts}, policies.references)[None]
        fault = world.fault
        if len(self._identity.groups) > MAX_ANCESTORS:
            fault = "too_many_groups"
        elif not (self.action.is_valid and self._identity.principal.is_valid):
            fault = "invalid_id"
        if fault:
            logger.error("avp.check_refused", extra={"fault": fault, "action": self.action.id, "resource_type": ""})
        return None if fault else world.entities

    def _is_applicable(self, policies: Policies, resource_type: str) -> bool:
        schema = policies.schema
        if schema is None or schema.applies(self.action, self._identity.principal.type, resource_type):
            return True
        is_known = self.action in schema.actions
        self._log("avp.action_not_applicable" if is_known else "avp.unknown_action", resource_type)
        return False

    def _log(self, event: str, resource_type: str) -> None:
        logger.error(
            event,
            extra={
                "action": str(self.action),
                "resource_type": resource_type,
                "principal_type": self._identity.principal.type,
            },
        )
