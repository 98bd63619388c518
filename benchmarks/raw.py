"""cedarpy without anything around it: one batch, fed with ready dicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import cedarpy

from benchmarks.fixtures import ACTIONS
from benchmarks.photos.models import Photo

__all__ = ["Raw"]


class Raw:
    """The fastest way to ask cedarpy's public API: a parsed policy set, ids as dicts, no context.

    Args:
        policies: the policies.
        principal: the id of who asks.
        groups: the ids of the groups.
        photos: what is asked about.
    """

    def __init__(
        self, policies: cedarpy.PolicySet | None, principal: str, groups: Sequence[str], photos: Sequence[Photo]
    ) -> None:
        self._policies = policies
        who = _uid("User", principal)
        albums = {photo.album.slug: photo.album for photo in photos}
        self.entities: list[dict[str, Any]] = [
            {"uid": who, "attrs": {}, "parents": [_uid("Group", group) for group in groups]},
            *(_photo(photo) for photo in photos),
            *({"uid": _uid("Album", slug), "attrs": {}, "parents": []} for slug in albums),
        ]
        self.requests = [
            {"principal": who, "action": _uid("Action", action), "resource": _uid("Photo", str(photo.pk))}
            for photo in photos
            for action in ACTIONS
        ]

    def decide(self) -> list[bool]:
        """The decisions of one batch."""
        results = cedarpy.is_authorized_batch(self.requests, self._policies, self.entities)
        return [result.allowed for result in results]


def _uid(name: str, id: str) -> dict[str, str]:
    return {"type": f"PhotoFlash::{name}", "id": id}


def _photo(photo: Photo) -> dict[str, Any]:
    created = photo.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "uid": _uid("Photo", str(photo.pk)),
        "attrs": {
            "title": photo.title,
            "owner": {"__entity": _uid("User", photo.owner.username)},
            "is_public": photo.is_public,
            "likes": photo.likes,
            "created": {"__extn": {"fn": "datetime", "arg": created}},
        },
        "parents": [_uid("Album", photo.album.slug)],
    }
