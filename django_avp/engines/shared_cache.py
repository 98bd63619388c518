"""A Django cache for what decides: its values are signed, and a cache that is broken or slow is as none.

Values are JSON, signed with ``SECRET_KEY`` and readable with ``SECRET_KEY_FALLBACKS``. Each repeats its key and says
until when it holds, so that a value that was forged, cut, moved or kept too long is none (rule F2).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any, TypeVar

from django.core.cache import caches
from django.core.signing import BadSignature
from django.db import close_old_connections

from django_avp.engines.breaker import Breaker
from django_avp.engines.sealing import Seal
from django_avp.engines.workers import Workers

__all__ = ["SharedCache"]

logger = logging.getLogger("django_avp")

Result = TypeVar("Result")
# Part of every key: another form of values needs another one.
_FORM = "2"
# Seconds that an operation may take.
_PATIENCE = 0.5
# Seconds that the first one in a process may take, in which Django imports the client's library and connects.
_FIRST_PATIENCE = 2.0
# Seconds by which the clocks of a site's machines may differ.
_SKEW = 1.0
# Threads that ask the cache, each over a connection of its own, which lives as long as it does.
_THREADS = 4


class SharedCache:
    """The cache of an alias, with an end to every wait.

    Args:
        alias: a key of ``CACHES``.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._seal = Seal("django_avp.shared_cache")
        self._lock = Lock()
        # Made on first use, so after a fork.
        self._workers: Workers | None = None
        self._breaker = Breaker(failures=2)
        self._is_first = True

    def get_many(self, keys: Iterable[str], longest: float) -> dict[str, Any]:
        """The values that are there, hold and were signed by this site.

        Args:
            keys: what they are kept under.
            longest: seconds that any of them is kept. One that holds for longer was kept by a clock that was ahead of
                this one, so nobody knows how old it is.
        """
        names = {_name(key): key for key in keys}
        found: dict[str, object] = self._within(lambda: caches[self.alias].get_many(list(names)), {})
        values: dict[str, Any] = {}
        for name, sealed in found.items():
            opened = self._opened(names[name], sealed, longest)
            if opened is not None:
                values[names[name]] = opened
        return values

    def set_many(self, values: Mapping[str, tuple[Any, float]]) -> None:
        """Keep values, each until a time in seconds since the epoch."""
        now = time.time()
        sealed = {_name(key): self._sealed(key, value, until) for key, (value, until) in values.items()}
        longest = max(until for _, until in values.values()) - now
        self._within(lambda: caches[self.alias].set_many(sealed, timeout=max(int(longest), 1)), None)

    def add(self, key: str, seconds: float) -> bool | None:
        """Take a key that nobody has; ``None`` where the cache does not answer."""
        return self._within(lambda: bool(caches[self.alias].add(_name(key), "1", timeout=max(int(seconds), 1))), None)

    def delete(self, key: str) -> None:
        """Give a key back."""
        self._within(lambda: caches[self.alias].delete(_name(key)), None)

    def _within(self, operation: Callable[[], Result], otherwise: Result) -> Result:
        if not self._breaker.admits():
            return otherwise
        threads = self._threads()
        job = threads.submit(lambda job: _run(operation))
        try:
            result = job.at_once(_FIRST_PATIENCE if self._is_first else _PATIENCE)
        except Exception as error:
            # Whatever a cache's client raises; and its text may quote values.
            threads.give_up(job)
            logger.warning("avp.cache_failed", extra={"cache": self.alias, "error": type(error).__name__})
            self._breaker.record(is_failure=True)
            return otherwise
        finally:
            self._is_first = False
        self._breaker.record(is_failure=False)
        return result

    def _threads(self) -> Workers:
        with self._lock:
            self._workers = self._workers or Workers("django-avp-cache", _THREADS)
            return self._workers

    def _sealed(self, key: str, value: Any, until: float) -> str:
        return self._seal.sealed([key, until, value])

    def _opened(self, key: str, sealed: object, longest: float) -> Any:
        try:
            own_key, until, value = self._seal.opened(sealed if isinstance(sealed, str) else "")
        except (BadSignature, ValueError):
            own_key, until, value = "", 0.0, None
        if own_key != key:
            logger.error("avp.cache_forged", extra={"cache": self.alias})
            return None
        return value if 0 < until - time.time() <= longest + _SKEW else None


def _run(operation: Callable[[], Result]) -> Result:
    """Run an operation in a thread that serves no request: nobody else closes what Django's ``DatabaseCache`` opens."""
    try:
        return operation()
    finally:
        close_old_connections()


def _name(key: str) -> str:
    return f"django_avp:{_FORM}:{key}"
