"""A breaker: after repeated failures nobody waits for a service that does not answer, but one who tries it again."""

from __future__ import annotations

import time
from threading import Lock

__all__ = ["Breaker"]


class Breaker:
    """Opens after a number of failures in a row, and lets one probe through every few seconds.

    Libraries for this hold a lock while they call, or count in a way that lets all workers probe at once.

    Args:
        failures: how many in a row open it.
        pause: seconds until a probe may pass.
    """

    def __init__(self, *, failures: int = 5, pause: float = 5.0) -> None:
        self._most = failures
        self._pause = pause
        self._failed = 0
        self._opens_again = 0.0
        self._lock = Lock()

    def admits(self) -> bool:
        """Whether to call. While it is open, only the first to ask after a pause may."""
        with self._lock:
            now = time.monotonic()
            if self._failed < self._most:
                return True
            if now < self._opens_again:
                return False
            self._opens_again = now + self._pause
            return True

    def record(self, *, is_failure: bool) -> None:
        """Note how a call ended."""
        with self._lock:
            if not is_failure:
                self._failed = 0
                return
            self._failed += 1
            if self._failed >= self._most:
                self._opens_again = time.monotonic() + self._pause
