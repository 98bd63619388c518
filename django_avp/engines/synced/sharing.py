"""One worker reads a store, and all have it: what was read is shared through a Django cache."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from django_avp.conf import conf
from django_avp.engines.shared_cache import SharedCache
from django_avp.engines.synced.content import Content

__all__ = ["Head", "Shared"]


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of the last reading.

    Attributes:
        digest: of the content that it found.
        pulled_at: when it began, in seconds since the epoch.
        seconds: how long it took.
    """

    digest: str
    pulled_at: float
    seconds: float


class Shared:
    """What the workers of a site share about one store.

    Args:
        store: the policy store's id or alias.
        cache: where it is kept.
    """

    def __init__(self, store: str, cache: SharedCache) -> None:
        options = conf.client_options
        where = [store, str(options.get("region_name")), str(options.get("endpoint_url"))]
        # A key for every cache, Memcached among them, which takes no long ones.
        self._key = f"store:{hashlib.sha256(json.dumps(where).encode()).hexdigest()}"
        self._cache = cache

    def head(self) -> Head | None:
        """What is known of the last reading."""
        document = self._cache.get_many([self._key], conf.sync_max_age).get(self._key)
        return Head(**document) if document else None

    def content(self, head: Head) -> Content | None:
        """What the last reading found."""
        key = f"{self._key}:{head.digest}"
        document = self._cache.get_many([key], conf.sync_max_age).get(key)
        return Content.from_json(document) if document else None

    def publish(self, content: Content, head: Head) -> None:
        """Let the others have it. The content goes first, for whoever sees the head looks for it."""
        until = head.pulled_at + conf.sync_max_age
        self._cache.set_many({f"{self._key}:{head.digest}": (content.as_json(), until)})
        self._cache.set_many({self._key: (asdict(head), until)})

    def may_read(self, seconds: float) -> bool:
        """Whether this worker is the one to read now; where the cache does not answer, each reads for itself.

        Args:
            seconds: after which another worker may read in the place of one that did not come back.
        """
        return self._cache.add(f"{self._key}:reading", seconds) is not False

    def has_read(self, rest: float = 0) -> None:
        """Let another worker read next time, after some seconds: what failed here would fail there, too."""
        self._cache.delete(f"{self._key}:reading")
        if rest:
            self._cache.add(f"{self._key}:reading", rest)
