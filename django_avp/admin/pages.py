"""What the page of a request has fetched before it was decided, so that nothing is fetched twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

__all__ = ["Page", "page_of"]

_PAGE = "_avp_admin_page"


@dataclass(slots=True)
class Page:
    """What has been fetched for a page of the admin.

    Attributes:
        is_collected: whether what the page asks has been collected.
        is_collecting: whether it is being collected now.
        assumed: actions on the application that were taken to be permitted while it was.
        kept: objects, change lists and deletions, by what they are asked for with; each is taken once.
        rows: the rows that an admin shows to be edited, by the admin.
        narrowed: of which rows alone an admin needs to know what may be viewed, as a filter's arguments, by the admin.
    """

    is_collected: bool = False
    is_collecting: bool = False
    assumed: set[str] = field(default_factory=set)
    kept: dict[Hashable, Any] = field(default_factory=dict)
    rows: dict[Hashable, Any] = field(default_factory=dict)
    narrowed: dict[Hashable, dict[str, Any]] = field(default_factory=dict)

    def take(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was fetched under a key, the first time that it is asked for; then it is made anew."""
        return self.kept.pop(key) if key in self.kept else make()

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Note what is asked about the application, and assume that it is permitted, until it is decided."""
        self.is_collecting = True
        try:
            yield
        finally:
            self.is_collecting = False


def page_of(request: HttpRequest) -> Page:
    """The page that a request asks for."""
    # Admins serve all requests at once, so what belongs to one is kept with it.
    page: Page = vars(request).setdefault(_PAGE, Page())
    return page
