"""Calls of the management API: within the quota of each operation, and again when the service has too much to do."""

from __future__ import annotations

import random
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

__all__ = ["LONGEST_PAUSE", "Caller"]

# Calls a second of one operation: the default quota is ten, and others need some of them.
_RATE = 8
# Seconds to wait after each time that a call is throttled.
_PAUSES = (1.0, 2.0, 4.0, 8.0)
LONGEST_PAUSE = max(_PAUSES)
"""Seconds between two attempts of a call at most."""


class Caller:
    """Calls the operations of one client.

    Args:
        client: boto3's client.
        pause: waits for some seconds; raises to give up.
        begin: called before each attempt; raises to give up.
        repeats_lost: whether a call is made again whose answer was lost, or that the service failed in. What is
            called then must not matter twice: a client token sees to that where something is created.
    """

    def __init__(
        self,
        client: Any,
        pause: Callable[[float], object] = time.sleep,
        begin: Callable[[], object] = lambda: None,
        *,
        repeats_lost: bool = False,
    ) -> None:
        self.client = client
        self.pause = pause
        self._begin = begin
        self._called: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_RATE))
        lost = (client.exceptions.InternalServerException, ReadTimeoutError, ConnectionClosedError)
        self._passing = (client.exceptions.ThrottlingException, *(lost if repeats_lost else ()))

    def call(self, operation: str, **parameters: Any) -> Any:
        """Call within the quota, and wait ever longer when that is not enough: others use it, too.

        Args:
            operation: the client's method, such as ``"list_policies"``.
            parameters: its parameters.

        Raises:
            ClientError, BotoCoreError: the service cannot be asked.
        """
        for pause in _PAUSES:
            try:
                return self._attempt(operation, parameters)
            except self._passing:
                # Not all workers of all sites at the same moment again.
                self.pause(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
        return self._attempt(operation, parameters)

    def _attempt(self, operation: str, parameters: dict[str, Any]) -> Any:
        self._wait_for_slot(operation)
        self._begin()
        return getattr(self.client, operation)(**parameters)

    def _wait_for_slot(self, operation: str) -> None:
        """Wait while there were ``_RATE`` calls of the operation within the last second."""
        called = self._called[operation]
        now = time.monotonic()
        if len(called) == _RATE and now - called[0] < 1:
            self.pause(called[0] + 1 - now)
        called.append(time.monotonic())
