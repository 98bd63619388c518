"""Makes checks of what is asked: actions and resources as ids, contexts, and the entities that these begin at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from django_avp.cedar import Check, EntityUid
from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.entities.world import Start, Worlds, with_uids
from django_avp.schema import Schema
from django_avp.values import Unholdable, has_reserved_key, is_too_deep, to_json, to_value
from django_avp.vocabulary import action_uid

__all__ = ["Action", "Questions", "Resource"]

Action = str | EntityUid
Resource = models.Model | EntityUid | None
"""A registered model instance, an entity id, or ``None`` for the application."""
_Row = tuple[type[models.Model], str | None, Any]
"""What a stored instance is known by: its class, its database and its key."""


class Questions:
    """Turns questions into checks, and remembers which entities each is about.

    Args:
        worlds: takes the snapshots of the instances that are asked about (rule A4).
        schema: tells the schema, if it is known; common contexts are projected onto it (rule A7).
    """

    def __init__(self, worlds: Worlds, schema: Callable[[], Schema | None]) -> None:
        self._worlds = worlds
        self._schema = schema
        self._common: CheckContext | None = None
        self._checks: dict[tuple[Action, _Row], Check] = {}
        self._uids: dict[_Row, EntityUid] = {}
        self._actions: dict[Action, tuple[EntityUid, str]] = {}
        self._starts: dict[str, tuple[Start, ...]] = {}

    def check(
        self, action: Action, resource: Resource, own: Mapping[str, Any] | None, common: Mapping[str, Any]
    ) -> Check:
        """Make the check of a question.

        Args:
            action: a Cedar action.
            resource: what it is about.
            own: the context of this question.
            common: the context of every question; the same at each call.

        Raises:
            Unholdable: a context spells one of Cedar's JSON escapes (rule A6), or nests too deeply.
        """
        row = None if own else _row(action, resource)
        if row is None:
            uid = action_uid(action)
            return Check(uid, self.resource_uid(resource), self.context(uid, own, common))
        key = (action, row)
        check = self._checks.get(key)
        if check is None:
            uid, text = self._common_of(action, common)
            known = self._uids.get(row)
            if known is None:
                known = self._uids[row] = self.resource_uid(resource)
            check = self._checks[key] = Check(uid, known, text)
        return check

    def _common_of(self, action: Action, common: Mapping[str, Any]) -> tuple[EntityUid, str]:
        """The id of an action, and the context of the questions about it that have none of their own."""
        known = self._actions.get(action)
        if known is None:
            uid = action_uid(action)
            known = self._actions[action] = (uid, self.context(uid, None, common))
        return known

    def forget(self) -> None:
        """Find the ids of instances anew: a write may have changed them."""
        self._checks.clear()
        self._uids.clear()

    def starts(self, check: Check) -> tuple[Start, ...]:
        """The entities that the world of a check begins at: its resource, and those in its context."""
        return ((check.resource, "resource", ()), *self.context_starts(check.context))

    def context_starts(self, context: str) -> tuple[Start, ...]:
        """The entities that a context holds, which :meth:`context` has made."""
        return self._starts.get(context, ())

    def resource_uid(self, resource: Resource) -> EntityUid:
        """The entity id of a resource, of which a snapshot is taken if it is an instance."""
        if resource is None:
            return conf.application
        if isinstance(resource, EntityUid):
            return resource.in_namespace(conf.namespace)
        if not isinstance(resource, models.Model):
            raise TypeError(
                f"A resource is a registered model instance, an EntityUid or None, not a {type(resource).__name__}."
            )
        # The id it was first seen under: a form may have written another one onto the instance (rule A4).
        return self._worlds.see(registry.uid(resource), resource)

    def context(self, action: EntityUid, own: Mapping[str, Any] | None, common: Mapping[str, Any]) -> str:
        """The context of a question as JSON text; see :meth:`check`."""
        if self._common is None:
            self._common = CheckContext.of(common)
        record, starts = self._common.record, self._common.starts
        schema = self._schema() if record else None
        if schema is not None and action in schema.actions:
            record = schema.actions[action].context.project(record)
        if own:
            given = CheckContext.of(own)
            record, starts = {**record, **given.record}, (*starts, *given.starts)
        text = to_json(record)
        self._starts[text] = starts
        return text


def _row(action: object, resource: Any) -> _Row | None:
    """What the instance of a question is known by; ``None`` if it is not a question about a stored instance."""
    if not isinstance(action, str | EntityUid) or not isinstance(resource, models.Model) or resource._state.adding:
        return None
    # Not type(): a lazy object shows the class of what it wraps.
    return resource.__class__, resource._state.db, resource.pk


@dataclass(frozen=True, slots=True)
class CheckContext:
    """A context in Cedar's JSON format, and the entities that it holds."""

    record: Mapping[str, Any]
    starts: tuple[Start, ...] = ()

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> CheckContext:
        """Convert a context of Python values.

        Raises:
            ValueError: it uses the key ``token``, which is the access token's.
            TypeError: a value of a type that Cedar does not have.
            Unholdable: it spells one of Cedar's JSON escapes, or nests too deeply.
        """
        if "token" in context:
            raise ValueError('The context key "token" is reserved for the claims of the access token; rename yours.')
        if is_too_deep(context):
            raise Unholdable("a context that nests too deeply")
        if has_reserved_key(context):
            # Request data must not spell an entity (rule A6).
            raise Unholdable("a mapping that spells a Cedar escape")
        found: dict[tuple[str, ...], Any] = {}
        record = to_value(with_uids(context, (), found, registry))
        return cls(record, tuple((uid, "context", path) for path, targets in found.items() for uid in targets))
