"""Where a user pool has its endpoints, as its discovery document tells."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any

from django_avp.signin.tokens import SignInError
from django_avp.tokens.documents import fetch_document

__all__ = ["Discovery", "discovery"]

# All in seconds.
MAX_AGE = 3600.0
"""After this the addresses are looked up again."""
FAILURE_PAUSE = 3.0
"""After a look that failed, while no address is known: so long nobody waits for another one."""


class Discovery:
    """The documents that tell a provider's addresses, kept for an hour, and longer while there is no newer one."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def get(self, url: str) -> Mapping[str, Any]:
        """The document at a URL (OpenID Connect Discovery section 4).

        Raises:
            SignInError: it cannot be fetched, and never was.
        """
        fetched_at, document = self._kept.get(url, (-math.inf, {}))
        if time.monotonic() - fetched_at >= (MAX_AGE if document else FAILURE_PAUSE):
            document = _fetched(url) or document
            self._kept[url] = (time.monotonic(), document)
        if not document:
            raise SignInError("discovery", is_temporary=True)
        return document

    def forget(self) -> None:
        """Look everything up anew."""
        self._kept.clear()


def _fetched(url: str) -> Mapping[str, Any]:
    """The document at a URL; an empty one if there is none."""
    try:
        found = json.loads(fetch_document(url))
    except Exception:  # whatever a server answers: OSError, HTTPException, ValueError, RecursionError
        return {}
    return found if isinstance(found, dict) else {}


discovery = Discovery()
