"""What differs between a store and a directory, in the words that people think of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django_avp.cedar import quote
from django_avp.deployment.items import Item, Kind, State, is_reserved
from django_avp.exceptions import PolicyError

__all__ = ["Change", "Verb", "changes_between", "compared"]


class Verb(StrEnum):
    """What happens to something."""

    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    DELETE = "delete"
    CLEAN_UP = "clean up"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs.

    Attributes:
        verb: what happens to it.
        item: as it is to be; as it is, where it goes or is only in the store.
        before: what the store has of it, where it changes or is replaced.
    """

    verb: Verb
    item: Item
    before: Item | None = None

    @property
    def closes(self) -> bool:
        """Whether something may be allowed without it that is not with it."""
        if self.verb is Verb.CREATE:
            return self.item.is_forbid
        if self.verb in (Verb.DELETE, Verb.CLEAN_UP):
            return not self.item.is_forbid
        return self.verb is not Verb.KEEP


def changes_between(current: State, wanted: State, *, prune: bool) -> tuple[Change, ...]:
    """What a push would change, templates first.

    Args:
        current: what the store has.
        wanted: what the directory says.
        prune: whether what only the store has is deleted.

    Raises:
        PolicyError: a link is to be kept whose template is to be replaced.
    """
    templates = tuple(compared(current.templates, wanted.templates, prune=prune))
    going = frozenset(change.item.id for change in templates if change.verb in (Verb.REPLACE, Verb.CLEAN_UP))
    policies = tuple(compared(current.policies, wanted.policies, prune=prune, replaced=going))
    for change in policies:
        if change.verb is Verb.KEEP and change.item.template in going:
            link, template = quote(change.item.id), quote(change.item.template)
            raise PolicyError(
                f"The link {link} is only in the store, and its template {template} is to be replaced by another one. "
                "Put the link into template-links.json, or let --prune delete it."
            )
    return templates + policies


def compared(
    current: Mapping[str, Item], wanted: Mapping[str, Item], *, prune: bool, replaced: frozenset[str] = frozenset()
) -> Iterator[Change]:
    """What differs between two collections.

    Args:
        current: what there is.
        wanted: what there is to be.
        prune: whether what is not wanted is deleted.
        replaced: ids of templates whose links cannot stay as they are.
    """
    for item_id in sorted({*current, *wanted}):
        before, after = current.get(item_id), wanted.get(item_id)
        if before is None:
            yield Change(Verb.CREATE, wanted[item_id])
        elif is_reserved(item_id):
            # It stands in for something since a push that did not come to its end.
            yield Change(Verb.CLEAN_UP, before)
        elif after is None:
            yield Change(Verb.DELETE if prune else Verb.KEEP, before)
        elif before != after or before.template in replaced:
            yield Change(Verb.CHANGE if _can_change(before, after) else Verb.REPLACE, after, before)


def _can_change(before: Item, after: Item) -> bool:
    """Whether the service lets one become the other: effect, principal and resource stay, and a link as a whole."""
    fixed = ((item.kind, item.effect, item.scope) for item in (before, after))
    return Kind.LINK not in (before.kind, after.kind) and len(set(fixed)) == 1
