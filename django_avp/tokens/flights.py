"""A fetch of keys that is under way, in a thread of its own, and that several may wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from django_avp.observing import observing

__all__ = ["Flight"]


class Flight:
    """A fetch under way, begun for one key id; ``landed`` is done when its outcome is known.

    ``begun_at`` is the time by the clock of who began it, and ``expires_at`` that after which nobody waits for it.
    """

    __slots__ = ("begun_at", "expires_at", "key_id", "landed")

    def __init__(self, key_id: str, begun_at: float, timeout: float) -> None:
        self.key_id = key_id
        self.begun_at = begun_at
        self.expires_at = begun_at + timeout
        self.landed: Future[None] = Future()
        # One of those who wait may be cancelled: the fetch is not.
        self.landed.set_running_or_notify_cancel()

    def begin(self, run: Callable[[Flight], None], fail: Callable[[str], None]) -> None:
        """Have it run in a thread of its own, because only so the time for all of a fetch is bounded.

        Args:
            run: fetches, and keeps the outcome.
            fail: keeps the fault, if there is no thread to be had.
        """

        def whole() -> None:
            run(self)
            self.landed.set_result(None)

        try:
            threading.Thread(target=observing.observer.carried(whole), name="django-avp-key-set", daemon=True).start()
        except RuntimeError as error:  # a process, or a machine, may have no more of them
            fail(type(error).__name__)
            self.landed.set_result(None)
