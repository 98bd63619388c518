"""A Django cache for what decides: its values are signed, and a cache that is broken or slow is as none.

Values are JSON, signed with ``SECRET_KEY`` and readable with ``SECRET_KEY_FALLBACKS``. Each repeats its key and says
until when it holds, so that a value that was forged, cut, moved or kept too long is none (rule F2).
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from django.core.cache import caches
from django.core.signing import BadSignature

from django_avp.engines.breaker import Breaker
from django_avp.engines.sealing import Seal

__all__ = ["SharedCache"]

logger = logging.getLogger("django_avp")

Result = TypeVar("Result")
# Part of every key: another form of values needs another one.
_FORM = "2"
# Seconds that an operation may take.
_PATIENCE = 0.5


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
        self._workers: _Workers | None = None
        self._breaker = Breaker(failures=2)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values that are there, hold and were signed by this site."""
        names = {_name(key): key for key in keys}
        found: dict[str, object] = self._within(lambda: caches[self.alias].get_many(list(names)), {})
        values: dict[str, Any] = {}
        for name, sealed in found.items():
            opened = self._opened(names[name], sealed)
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
        job = self._threads().submit(operation)
        try:
            result = job.result(_PATIENCE)
        except Exception as error:
            # Whatever a cache's client raises; and its text may quote values.
            job.cancel()
            logger.warning("avp.cache_failed", extra={"cache": self.alias, "error": type(error).__name__})
            self._breaker.record(is_failure=True)
            return otherwise
        self._breaker.record(is_failure=False)
        return result

    def _threads(self) -> _Workers:
        with self._lock:
            self._workers = self._workers or _Workers()
            return self._workers

    def _sealed(self, key: str, value: Any, until: float) -> str:
        return self._seal.sealed([key, until, value])

    def _opened(self, key: str, sealed: object) -> Any:
        try:
            own_key, until, value = self._seal.opened(sealed if isinstance(sealed, str) else "")
        except (BadSignature, ValueError):
            own_key, until, value = "", 0.0, None
        if own_key != key:
            logger.error("avp.cache_forged", extra={"cache": self.alias})
            return None
        return value if until > time.time() else None


class _Workers:
    """Threads that run what may never come back: Django's caches know no time limit of their own.

    They are daemons, which those of an executor are not, so that one that hangs does not keep a process from its end.
    Each has its own connection to the cache, which lives as long as it does.
    """

    def __init__(self, number: int = 4) -> None:
        self._queue: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        for _ in range(number):
            Thread(target=_work, args=(self._queue,), name="django-avp-cache", daemon=True).start()
        weakref.finalize(self, _dismiss, self._queue, number)

    def submit(self, operation: Callable[[], Result]) -> Future[Result]:
        """Run an operation as soon as a thread is free."""
        future: Future[Result] = Future()
        self._queue.put((operation, future))
        return future


def _work(queue: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]) -> None:
    while _run(queue.get()):
        # Nothing of a job outlives it here: it has the cache, which ends this thread when nobody has it any more.
        pass


def _run(job: tuple[Callable[[], Any], Future[Any]] | None) -> bool:
    """Run a job; false for the one that says to stop."""
    if job is None:
        return False
    operation, future = job
    if not future.set_running_or_notify_cancel():
        # Nobody waits for it any more.
        return True
    try:
        future.set_result(operation())
    except Exception as error:
        future.set_exception(error)
    return True


def _dismiss(queue: SimpleQueue[Any], number: int) -> None:
    for _ in range(number):
        queue.put(None)


def _name(key: str) -> str:
    return f"django_avp:{_FORM}:{key}"
