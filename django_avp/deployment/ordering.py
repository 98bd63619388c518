"""The order of a push: at no call is anything allowed that neither the old policies allow nor the new ones (rule G4).

With P for the permits and F for the forbids, 0 before and 1 after, each call leaves what is allowed within
``(P0 - F0) | (P1 - F1)``: until permits are touched they are P0, and no forbid of F0 has lost its effect; while they
are, every forbid of F0 and of F1 has its effect; when forbids go, permits are P1, and the schema is the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from django_avp.deployment.changes import Change, Verb
from django_avp.deployment.items import SCHEMA_GUARD, Item, Kind, State, marked
from django_avp.deployment.schemas import guard_item
from django_avp.deployment.statements import with_id
from django_avp.deployment.steps import Act, Phase, Step

__all__ = ["ordered"]


def ordered(changes: Iterable[Change], current: State, guards: Iterable[tuple[Phase, str]] = ()) -> list[Step]:
    """The steps that make the changes.

    Args:
        changes: what differs.
        current: what the store has.
        guards: conditions under which everything is forbidden while the schema changes, and from which phase on.
    """
    changes = tuple(changes)
    order = _Ordering(changes, current)
    steps = [step for change in changes for step in order.steps_of(change)]
    for phase, condition in guards:
        steps += order.guarding(guard_item(condition, order.claim(SCHEMA_GUARD, "guard")), phase)
    return sorted(steps, key=lambda step: step.phase)


class _Ordering:
    """Finds the phase of each step, and the ids of what stands in for something else meanwhile."""

    def __init__(self, changes: tuple[Change, ...], current: State) -> None:
        self._current = current
        # Of links of a template whose text changes, none may be there that is not both before and after.
        self._changing = {
            change.item.id for change in changes if change.verb is Verb.CHANGE and change.item.kind is Kind.TEMPLATE
        }
        self._taken = {*current.policies, *current.templates, *(change.item.id for change in changes)}

    def claim(self, item_id: str, mark: str) -> str:
        """An id that nothing has yet."""
        claimed = marked(item_id, mark, self._taken)
        self._taken.add(claimed)
        return claimed

    def steps_of(self, change: Change) -> Iterator[Step]:
        """The steps of one change."""
        item, before = change.item, change.before
        if change.verb is Verb.CREATE:
            yield self._creation(item)
        elif change.verb is Verb.DELETE:
            yield self._deletion(item)
        elif change.verb is Verb.CLEAN_UP:
            must_go_first = item.template in self._changing
            yield self._deletion(item, Phase.PERMITS_DELETE if must_go_first else Phase.PERMITS_CLEAR)
        elif change.verb is Verb.CHANGE:
            yield from self._guards_of(before) if before and item.is_forbid else ()
            yield Step(Phase.FORBIDS_CHANGE if item.is_forbid else Phase.PERMITS_CHANGE, Act.CHANGE, item)
        elif before is not None:
            yield from self._replacement(before)
            yield self._creation(item)

    # One thing

    def _creation(self, item: Item) -> Step:
        if item.kind is Kind.TEMPLATE:
            return Step(Phase.TEMPLATES, Act.CREATE, item)
        return Step(Phase.FORBIDS_CREATE if item.is_forbid else Phase.PERMITS_CREATE, Act.CREATE, item)

    def _deletion(self, item: Item, permits: Phase = Phase.PERMITS_DELETE) -> Step:
        if item.kind is Kind.TEMPLATE:
            return Step(Phase.TEMPLATES_DELETE, Act.DELETE, item)
        return Step(Phase.FORBIDS_DELETE if item.is_forbid else permits, Act.DELETE, item)

    def _replacement(self, item: Item) -> Iterator[Step]:
        """What is to be replaced stands aside, in force, until the new one is there."""
        if item.kind is not Kind.LINK:
            aside = self.claim(item.id, "old")
            yield Step(Phase.SET_ASIDE, Act.RENAME, item, new_id=aside)
            yield self._deletion(_as(item, aside), Phase.PERMITS_CLEAR)
            return
        # The service does not say that a link can be renamed. One of a template that changes is guarded with it, or,
        # as a permit, must be gone before.
        if item.template not in self._changing:
            copy = _as(item, self.claim(item.id, "old"))
            yield Step(Phase.GUARDS, Act.CREATE, copy)
            yield self._deletion(copy, Phase.PERMITS_CLEAR)
        yield Step(Phase.SET_ASIDE, Act.DELETE, item)

    # Guards

    def guarding(self, guard: Item, phase: Phase = Phase.GUARDS) -> Iterator[Step]:
        """Something that forbids from a phase on, and to the end."""
        yield Step(Phase.GUARD_TEMPLATES if guard.kind is Kind.TEMPLATE else phase, Act.CREATE, guard)
        yield self._deletion(guard)

    def _guards_of(self, item: Item) -> Iterator[Step]:
        """Copies of a forbid that changes; of a template, each of its links is copied."""
        guard, steps = self._guard(item)
        yield from steps
        if item.kind is Kind.TEMPLATE:
            for link in self._current.links_of(item.id):
                _, steps = self._guard(replace(link, template=guard.id))
                yield from steps

    def _guard(self, item: Item) -> tuple[Item, Iterable[Step]]:
        """A copy and the steps that make it; none where an interrupted push has left one, which goes with the rest."""
        items = self._current.templates if item.kind is Kind.TEMPLATE else self._current.policies
        first = marked(item.id, "guard", ())
        for left in items.values():
            if left.id.startswith(first) and _as(item, left.id) == left:
                return left, ()
        guard = _as(item, self.claim(item.id, "guard"))
        return guard, self.guarding(guard)


def _as(item: Item, item_id: str) -> Item:
    """The same under another id."""
    return replace(item, id=item_id, text=item.text and with_id(item.text, item_id), service_id="")
