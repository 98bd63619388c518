"""Listings, a page at a time."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from django_avp.testing.endpoint.errors import refused

__all__ = ["page"]

MOST = 50
_DEFAULT = 10
Item = TypeVar("Item")


def page(
    request: Mapping[str, Any],
    member: str,
    items: Iterable[Item],
    key: Callable[[Item], str],
    tell: Callable[[Item], dict[str, Any]],
) -> dict[str, Any]:
    """A page of a listing in the order of its keys.

    A page begins after the last key of the one before. So what is created before that key while somebody pages is not
    in the listing, as with the service, whose listings are no snapshots.

    Args:
        request: the call, with ``maxResults`` and ``nextToken``.
        member: the name of the list in the answer.
        items: all of them.
        key: what they are ordered by.
        tell: an item as the API tells it.

    Raises:
        ServiceError: the page is too large, or the token is not one of ours.
    """
    most = request.get("maxResults", _DEFAULT)
    if not isinstance(most, int) or not 1 <= most <= MOST:
        raise refused(f"A page has 1 to {MOST} results.", ["maxResults"])
    after = _key_of(request["nextToken"]) if request.get("nextToken") else ""
    rest = sorted((item for item in items if key(item) > after), key=key)
    answer: dict[str, Any] = {member: [tell(item) for item in rest[:most]]}
    if len(rest) > most:
        answer["nextToken"] = base64.urlsafe_b64encode(key(rest[most - 1]).encode()).decode()
    return answer


def _key_of(token: Any) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (TypeError, ValueError) as error:
        raise refused("It is not a token of this listing.", ["nextToken"]) from error
