"""What the admin's log tells of rows: to those who may view them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.admin.sites import AdminSite
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from django_avp.admin.base import PolicyOptions

__all__ = ["ViewableEntries", "without_rows"]

_NAMELESS = "…"


class ViewableEntries(QuerySet[LogEntry]):
    """Entries of the log, without those of rows that may not be viewed.

    These are left out when the entries are fetched, and not before, because every page of the admin has this queryset
    and few show it. What the reader has deleted can no longer be decided about, and is named to nobody else.
    """

    admin_site: AdminSite
    request: HttpRequest

    @classmethod
    def of(cls, entries: QuerySet[LogEntry], admin_site: AdminSite, request: HttpRequest) -> ViewableEntries:
        """The same entries, as far as a request may see them."""
        viewable = cls(entries.model, entries.query, entries.db)
        viewable.admin_site, viewable.request = admin_site, request
        return viewable

    def _clone(self) -> ViewableEntries:
        clone: ViewableEntries = super()._clone()  # type: ignore[misc]
        clone.admin_site, clone.request = self.admin_site, self.request
        return clone

    def iterator(self, chunk_size: int | None = None) -> Iterator[LogEntry]:
        """The entries one by one, which are decided about together all the same."""
        return iter(self)

    def _fetch_all(self) -> None:
        is_fetched = self._result_cache is not None
        super()._fetch_all()
        if not is_fetched:
            self._result_cache = self._viewable(self._result_cache or [])

    def _viewable(self, entries: list[LogEntry]) -> list[LogEntry]:
        keys: defaultdict[PolicyOptions, set[Any]] = defaultdict(set)
        for entry in entries:
            options = self._options(entry)
            if options is not None:
                keys[options].update(_keys(options, entry))
        viewed = {
            options: {
                str(pk)
                for pk in options.permitted(
                    self.request, "view", QuerySet(options.opts.model).filter(pk__in=found)
                ).values_list("pk", flat=True)
            }
            for options, found in keys.items()
        }
        return [entry for entry in entries if self._is_own_deletion(entry) or self._is_viewed(entry, viewed)]

    def _options(self, entry: LogEntry) -> PolicyOptions | None:
        model = entry.content_type.model_class() if entry.content_type else None
        options: Any = self.admin_site._registry.get(model) if model else None
        return options if isinstance(options, PolicyOptions) else None

    def _is_own_deletion(self, entry: LogEntry) -> bool:
        return entry.is_deletion() and entry.user_id == self.request.user.pk

    def _is_viewed(self, entry: LogEntry, viewed: dict[PolicyOptions, set[str]]) -> bool:
        options = self._options(entry)
        return options is None or entry.object_id in viewed[options]


def _keys(options: PolicyOptions, entry: LogEntry) -> list[Any]:
    try:
        return [options.opts.pk.to_python(entry.object_id)]
    except ValidationError:
        return []


def without_rows(message: str) -> str:
    """A message of the log without the names of rows of inlines, whose keys it does not have, to decide about them.

    Somebody may have written a list of another shape, which Django's page could not show; its words are unknown.
    """
    try:
        parts = json.loads(message) if message.startswith("[") else []
    except ValueError:
        return message
    except RecursionError:
        return _NAMELESS
    if not parts:
        return message
    if not all(isinstance(part, dict) and all(isinstance(said, dict) for said in part.values()) for part in parts):
        return _NAMELESS
    for said in chain.from_iterable(part.values() for part in parts):
        if "object" in said:
            said["object"] = _NAMELESS
    return json.dumps(parts)
