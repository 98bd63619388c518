"""Conditions kept for as long as the policies are the same: who asks again needs no policy evaluated again.

What is left of the policies is kept for all principals of a kind, which have the same groups and the same claims as
far as policies read them. A stand-in takes the place of the principal; it is bound to one when a condition is made.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django_avp.cedar import Entity, EntityUid
from django_avp.conf import conf
from django_avp.entities.model_entity import ModelEntity
from django_avp.exceptions import UntranslatablePolicyError
from django_avp.filtering.compiler import Bound, compiled
from django_avp.filtering.dialects import Dialect
from django_avp.filtering.filters import Filter
from django_avp.filtering.partial import Residuals, conforms, residuals
from django_avp.filtering.question import Question
from django_avp.observing import observing
from django_avp.policies import Policies

__all__ = ["Kept"]

T = TypeVar("T")

# Kept for one set of policies; what was not used for longest goes first.
_MOST = 1024


class Kept:
    """Conditions by what they depend on, for all threads of a process. New policies begin anew."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_policies: WeakKeyDictionary[Policies, OrderedDict[Hashable, Any]] = WeakKeyDictionary()
        self._stand_in = f"principal-{uuid.uuid4()}"

    def permitted(
        self,
        policies: Policies,
        question: Question,
        definition: ModelEntity,
        dialect: Dialect,
        bound: Bound = Bound.EXACT,
    ) -> Filter:
        """The condition that a row is one that a question is answered yes for, as a filter.

        Args:
            policies: what decides.
            question: what is asked; the action applies to the principal and to the rows, if there is a schema.
            definition: the entities that the rows are.
            dialect: of their database.
            bound: what to do about what has no exact counterpart.

        Raises:
            UntranslatablePolicyError: a policy has no exact counterpart in SQL.
            MisfitError: Cedar takes the question for none.
        """
        stand_in = self._stand_in_of(policies, question)
        kind = _kind(policies, question, stand_in)
        place = (kind, definition, dialect.vendor, bound, _settings())
        uid = question.principal.uid
        known = self._get(policies, (place, None)) or self._get(policies, (place, uid))
        if known is not None:
            observing.observer.filter_made("kept")
            return known  # type: ignore[no-any-return]
        left = self._residuals(policies, question, stand_in, definition.entity_type, kind)
        named = left.bound(stand_in, uid)
        condition, is_personal = compiled(policies, named, question, definition, dialect, bound)
        kept = Filter(condition, definition.model)
        _require_joins(kept, dialect)
        observing.observer.filter_made("compiled")
        self._put(policies, (place, uid if is_personal or named != left else None), kept)
        return kept

    def conforms(self, policies: Policies, principal: Entity) -> bool:
        """Whether a principal is as the schema declares it; see :func:`~django_avp.filtering.partial.conforms`."""
        # Claims are not kept, only what tells them from others. Their types would not: where the schema declares a
        # datetime, Cedar reads one from the text.
        mark = hashlib.sha256(json.dumps(principal.as_json()).encode()).digest()
        known: bool | None = self._get(policies, mark)
        if known is None:
            known = conforms(policies, principal)
            self._put(policies, mark, known)
        return known

    def _stand_in_of(self, policies: Policies, question: Question) -> EntityUid:
        """Who stands for the principal; themselves, if something is said of this one that is not true of the others."""
        uid = question.principal.uid
        if uid in policies.mentions.entities or any(uid.id in text for text in _texts(question)):
            return uid
        return EntityUid(uid.type, self._stand_in)

    def _residuals(
        self, policies: Policies, question: Question, stand_in: EntityUid, resource_type: str, kind: Hashable
    ) -> Residuals:
        left: Residuals | None = self._get(policies, (kind, resource_type))
        if left is None:
            entities = (replace(question.principal, uid=stand_in), *question.entities)
            left = residuals(policies, stand_in, question.action, question.context, entities, resource_type)
            self._put(policies, (kind, resource_type), left)
        return left

    def _get(self, policies: Policies, key: Hashable) -> Any:
        with self._lock:
            kept = self._by_policies.get(policies)
            if kept is None or key not in kept:
                return None
            kept.move_to_end(key)
            return kept[key]

    def _put(self, policies: Policies, key: Hashable, value: Any) -> None:
        with self._lock:
            kept = self._by_policies.setdefault(policies, OrderedDict())
            kept[key] = value
            while len(kept) > _MOST:
                kept.popitem(last=False)


def _require_joins(kept: Filter, dialect: Dialect) -> None:
    """Refuse what the database does not join, or would join otherwise than it is meant."""
    if kept.tables > dialect.most_tables:
        raise UntranslatablePolicyError(
            f"it joins {kept.tables} tables, and {dialect.vendor} joins {dialect.most_tables} at most",
            cure="Lower AVP_MAX_DEPTH, declare fewer parents or references, or have the rows checked one by one.",
        )
    if kept.loses_rows:
        raise UntranslatablePolicyError(
            "it joins by a foreign key that is never NULL and has no constraint (db_constraint=False), which "
            "loses the rows whose key names none",
            cure="Give the field null=True or a constraint, or have the rows checked one by one.",
        )


def _kind(policies: Policies, question: Question, stand_in: EntityUid) -> Hashable:
    """All that the policies may look at in a question, but for who the principal is."""
    principal = question.principal
    read = {name: value for name, value in principal.attributes.items() if name in policies.mentions.attributes}
    return (
        stand_in,
        json.dumps(read, sort_keys=True),
        frozenset(principal.parents),
        question.action,
        question.context,
        _document(question.entities),
    )


def _settings() -> Hashable:
    return (
        conf.on_policy_error,
        conf.max_depth,
        conf.namespace,
        conf.principal_type,
        conf.group_type,
        conf.user_id_field,
    )


def _texts(question: Question) -> Iterator[str]:
    """All texts of a question, as they are: an id is spelt in another way within JSON."""
    context = json.loads(question.context) if question.context else {}
    left: list[Any] = [context, question.principal.attributes, [entity.as_json() for entity in question.entities]]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set | frozenset):
            left += value


def _document(entities: tuple[Entity, ...]) -> str:
    return json.dumps([entity.as_json() for entity in entities], sort_keys=True) if entities else ""
