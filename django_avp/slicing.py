"""Slices of a policy set: the policies whose scopes may match a question, which alone decide it.

Cedar visits every policy for every question. A policy whose scope does not match is false before its conditions are
looked at, so it can neither decide nor err.

INVARIANT: a slice has every policy whose scope may match. Decision, reasons and errors are those of the whole set.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import cedarpy

from django_avp.cedar import Entity, EntityUid
from django_avp.references import Mentions

__all__ = ["Asked", "Slice", "Slices"]

# To parse a policy takes 12 to 15 microseconds, and to evaluate it for one check 0.6: as long as for this many.
_PARSING = 20
# Policies in all slices that are kept; those that were not used for longest go first.
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Asked:
    """What questions ask about on one side: the principals, the actions or the resources of a batch.

    Attributes:
        uids: their ids; ``None`` where only the type is known.
        ancestors: the ids and those of all their ancestors.
        types: their types.
    """

    uids: Collection[EntityUid] | None
    ancestors: set[EntityUid]
    types: Collection[str]

    @classmethod
    def about(cls, uids: Iterable[EntityUid], entities: Mapping[EntityUid, Entity]) -> Asked:
        """What is asked about entities, whose ancestors are those that ``entities`` tell."""
        known = frozenset(uids)
        return cls(known, _with_ancestors(known, entities), {uid.type for uid in known})

    @classmethod
    def about_any(cls, entity_type: str) -> Asked:
        """What is asked about no entity in particular."""
        return cls(None, set(), (entity_type,))


def _with_ancestors(uids: Iterable[EntityUid], entities: Mapping[EntityUid, Entity]) -> set[EntityUid]:
    """Entities and all that they are ``in``."""
    found = set(uids)
    rest = list(found)
    while rest:
        entity = entities.get(rest.pop())
        new = [parent for parent in entity.parents if parent not in found] if entity else []
        found.update(new)
        rest.extend(new)
    return found


@dataclass(frozen=True, slots=True)
class Side:
    """What the scope of a policy says of the principal, the action or the resource: nothing, unless it names it.

    Attributes:
        equal: the one that it must be.
        within: those of which it must be in one.
        type: the type that it must be of.
    """

    equal: EntityUid | None = None
    within: frozenset[EntityUid] | None = None
    type: str = ""

    @classmethod
    def of(cls, scope: Mapping[str, Any], slots: Mapping[str, Any]) -> Side:
        """Read a part of a scope in Cedar's JSON format, of a template with the values of a link."""
        match scope["op"]:
            case "==":
                return cls(equal=_named(scope, slots))
            case "in" if "entities" in scope:
                return cls(within=frozenset(EntityUid(one["type"], one["id"]) for one in scope["entities"]))
            case "in":
                return cls(within=frozenset([_named(scope, slots)]))
            case "is":
                inner = scope.get("in")
                within = frozenset([_named(inner, slots)]) if inner else None
                return cls(within=within, type=scope["entity_type"])
        return cls()

    @property
    def keys(self) -> Collection[EntityUid] | None:
        """Entities of which one is asked about if this matches; ``None`` if it may match without."""
        return (self.equal,) if self.equal is not None else self.within

    def may_match(self, asked: Asked) -> bool:
        """Whether it is true of something that is asked about."""
        if self.type and self.type not in asked.types:
            return False
        if asked.uids is None:
            return self.equal is None or self.equal.type in asked.types
        if self.equal is not None:
            return self.equal in asked.uids
        return self.within is None or not self.within.isdisjoint(asked.ancestors)


def _named(scope: Mapping[str, Any], slots: Mapping[str, Any]) -> EntityUid:
    entity = slots[scope["slot"]] if "slot" in scope else scope["entity"]
    return EntityUid(entity["type"], entity["id"])


@dataclass(frozen=True, slots=True)
class _Policy:
    """A static policy or a link: its text in Cedar's JSON format, and its scope."""

    policy_id: str
    text: str
    template_id: str
    sides: tuple[Side, Side, Side]

    @classmethod
    def of(cls, policy_id: str, policy: Mapping[str, Any], link: Mapping[str, Any] | None = None) -> _Policy:
        slots = link["values"] if link else {}
        principal, action, resource = (Side.of(policy[name], slots) for name in ("principal", "action", "resource"))
        template_id = link["templateId"] if link else ""
        return cls(policy_id, json.dumps(link or policy), template_id, (principal, action, resource))

    def may_match(self, asked: tuple[Asked, Asked, Asked]) -> bool:
        return all(side.may_match(one) for side, one in zip(self.sides, asked, strict=True))


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a policy set, or the whole.

    Attributes:
        policy_set: cedarpy's handle.
        named: the entities that its policies name.
    """

    policy_set: cedarpy.PolicySet
    named: frozenset[EntityUid]


class Slices:
    """The parts of a policy set that questions need, made when they are worth it and kept.

    Args:
        document: the policy set in Cedar's JSON format.
        whole: the same, parsed, and what it names.
    """

    def __init__(self, document: Mapping[str, Any], whole: Slice) -> None:
        self._whole = whole
        self._policies = tuple(_policies(document))
        self._templates = {key: json.dumps(template) for key, template in document["templates"].items()}
        self._lock = Lock()
        # What was spent so far for want of a slice, until there is one.
        self._kept: OrderedDict[tuple[int, ...], int | Slice] = OrderedDict()
        self._size = 0

    def fitting(self, principals: Asked, actions: Asked, resources: Asked, *, checks: int = 1) -> Slice:
        """The part that decides questions as the whole set does.

        Args:
            principals: who asks.
            actions: the actions that are asked about.
            resources: the resources that are asked about.
            checks: how many questions there are.
        """
        asked = (principals, actions, resources)
        places = tuple(place for place in self._candidates(asked) if self._policies[place].may_match(asked))
        if len(places) == len(self._policies):
            return self._whole
        with self._lock:
            kept = self._kept.get(places, 0)
            if places in self._kept:
                self._kept.move_to_end(places)
        if not isinstance(kept, int):
            return kept
        # Parsed as soon as the other policies have cost as much as that does, so it never costs twice what it must.
        wasted = kept + checks * (len(self._policies) - len(places))
        part = self._parsed(places) if wasted >= _PARSING * len(places) else None
        self._keep(places, wasted if part is None else part)
        return self._whole if part is None else part

    @cached_property
    def _by_entity(self) -> dict[EntityUid | None, list[int]]:
        """Places of policies by entities that one has to ask about, the rarest that each names; by ``None`` without."""
        counts = Counter(key for policy in self._policies for side in policy.sides for key in side.keys or ())
        index: dict[EntityUid | None, list[int]] = {}
        for place, policy in enumerate(self._policies):
            choices = [side.keys for side in policy.sides if side.keys is not None]
            rarest = min(choices, key=lambda keys: sum(counts[key] for key in keys), default=(None,))
            for key in rarest:
                index.setdefault(key, []).append(place)
        return index

    def _candidates(self, asked: tuple[Asked, Asked, Asked]) -> Iterable[int]:
        """Places of policies that may match, and of others, in order and each once."""
        if any(one.uids is None for one in asked):
            return range(len(self._policies))
        keys: set[EntityUid | None] = {None}.union(*(one.ancestors for one in asked))
        return sorted({place for key in keys for place in self._by_entity.get(key, ())})

    def _parsed(self, places: Iterable[int]) -> Slice:
        policies = [self._policies[place] for place in places]
        templates = {policy.template_id for policy in policies if policy.template_id}
        static = ",".join(f"{json.dumps(one.policy_id)}:{one.text}" for one in policies if not one.template_id)
        named = ",".join(f"{json.dumps(key)}:{self._templates[key]}" for key in templates)
        links = ",".join(policy.text for policy in policies if policy.template_id)
        text = f'{{"staticPolicies":{{{static}}},"templates":{{{named}}},"templateLinks":[{links}]}}'
        return Slice(cedarpy.PolicySet.from_json_str(text), Mentions.of(json.loads(text)).entities)

    def _keep(self, places: tuple[int, ...], value: int | Slice) -> None:
        with self._lock:
            if places not in self._kept:
                self._size += len(places) + 1
            self._kept[places] = value
            while self._size > _MOST and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[0]) + 1


def _policies(document: Mapping[str, Any]) -> Iterator[_Policy]:
    for policy_id, policy in document["staticPolicies"].items():
        yield _Policy.of(policy_id, policy)
    for link in document["templateLinks"]:
        yield _Policy.of(link["newId"], document["templates"][link["templateId"]], link)
