"""Threads that run what may never come back, and waits for them that end all the same.

A time limit of a socket counts anew with every byte, name servers and credentials have none, and Django's caches know
none at all. So others do the waiting: who asks has an end to it, and a thread that is still at it then is written off.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

__all__ = ["Job", "Workers"]

Result = TypeVar("Result")
# Threads written off at once. A network that swallows everything keeps each for a quarter of an hour, and a breaker
# lets a dozen a minute try it.
_MOST_LOST = 256
# How many times as long as it may take, somebody waits for the turn of a job: the line moves on as each job has an end,
# unless as many threads are stuck as may be.
_TURNS = 4


class Job(Generic[Result]):
    """Something that a thread runs for somebody who waits for it.

    Args:
        operation: what is run; it is given the job.

    Attributes:
        is_lost: whether nobody waits for it any more, though it runs.
    """

    def __init__(self, operation: Callable[[Job[Result]], Result]) -> None:
        self.is_lost = False
        self.is_finished = False
        self._operation = operation
        self._future: Future[Result] = Future()
        self._in_line = time.monotonic()
        self._begun: float | None = None

    def begin(self) -> None:
        """Let the wait for it begin anew, at the next part of what it does."""
        self._begun = time.monotonic()

    def run(self) -> None:
        """Run it, unless it was given up before its turn."""
        if not self._future.set_running_or_notify_cancel():
            return
        self.begin()
        try:
            self._future.set_result(self._operation(self))
        except Exception as error:
            self._future.set_exception(error)

    def result(self, patience: float | None) -> Result:
        """What it returns, or raises.

        Args:
            patience: seconds that it may take once it has begun, and a quarter of those that it may wait for that.

        Raises:
            TimeoutError: it took longer, or there is no thread to run it.
        """
        while not self._future.done():
            try:
                self._future.exception(self._rest(patience))
            except TimeoutError:
                self._check(patience)
        return self._outcome()

    async def aresult(self, patience: float | None) -> Result:
        """The same as :meth:`result`, without blocking the event loop."""
        if self._future.done():
            return self._outcome()
        awaited = asyncio.wrap_future(self._future)
        try:
            while not awaited.done():
                await asyncio.wait([awaited], timeout=self._rest(patience))
                if not awaited.done():
                    self._check(patience)
        except asyncio.CancelledError:
            self._future.cancel()
            raise
        return awaited.result()

    def at_once(self, patience: float) -> Result:
        """The same as :meth:`result`, for whom the time counts that it waits for its turn, too."""
        return self._future.result(patience)

    def cancel(self) -> bool:
        """Take it back, if it has not begun; whether that was so."""
        return self._future.cancel()

    def _outcome(self) -> Result:
        if self._future.cancelled():
            raise TimeoutError
        return self._future.result()

    def _rest(self, patience: float | None) -> float | None:
        if patience is None:
            return None
        now, begun = time.monotonic(), self._begun
        if begun is not None:
            return max(begun + patience - now, 0.0)
        # It may begin right now, and then it has this long.
        return max(min(self._in_line + _TURNS * patience - now, patience), 0.0)

    def _check(self, patience: float | None) -> None:
        if self._rest(patience) == 0:
            raise TimeoutError


class Workers:
    """Threads, started as they are needed.

    They are daemons, which those of an executor are not, so that one that hangs does not keep a process from its end.
    They end with their work when nobody has this object any more.

    Args:
        name: of the threads.
        number: how many there are, apart from those that were written off.

    Attributes:
        close: lets them end, when they have done what they were given.
    """

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._number = number
        self._started = 0
        self._lock = Lock()
        self._line = _Line()
        self.close = weakref.finalize(self, self._line.close)

    def submit(self, operation: Callable[[Job[Result]], Result]) -> Job[Result]:
        """Run an operation as soon as a thread is free."""
        job = Job(operation)
        if not self._line.put(job):
            with self._lock:
                if self._started < self._number:
                    self._start()
                if not self._started:
                    job.cancel()
        return job

    def give_up(self, job: Job[Any]) -> None:
        """Wait for a job no longer; another thread takes the place of one that runs it."""
        if not job.cancel() and self._line.lose(job):
            with self._lock:
                self._started -= 1
                self._start()

    def _start(self) -> None:
        try:
            Thread(target=_work, args=(self._line,), name=self._name, daemon=True).start()
        except RuntimeError:  # a process, or a machine, may have no more of them
            return
        self._started += 1


class _Line:
    """What threads share: jobs in a line, and who is free. It knows no thread, and nothing that has the workers."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._lock = Lock()
        # Threads that wait for a job, less jobs that wait for a thread.
        self._free = 0
        self._lost = 0

    def put(self, job: Job[Any]) -> bool:
        """Add a job; whether a thread is free for it."""
        with self._lock:
            self._free -= 1
            is_covered = self._free >= 0
        self._jobs.put(job)
        return is_covered

    def next(self) -> Job[Any] | None:
        """The next job; ``None`` when there will be none any more."""
        with self._lock:
            self._free += 1
        job = self._jobs.get()
        if job is None:
            # For the next thread.
            self._jobs.put(None)
        return job

    def close(self) -> None:
        # INVARIANT: takes no lock; it may be called in the middle of anything, wherever garbage is collected.
        self._jobs.put(None)

    def lose(self, job: Job[Any]) -> bool:
        """Write off the thread of a job; not if it is done after all, or too many were written off."""
        with self._lock:
            if job.is_finished or job.is_lost or self._lost >= _MOST_LOST:
                return False
            job.is_lost = True
            self._lost += 1
            return True

    def stays(self, job: Job[Any]) -> bool:
        """Whether the thread that has run a job goes on: not if another one has taken its place."""
        with self._lock:
            job.is_finished = True
            self._lost -= job.is_lost
            return not job.is_lost


def _work(line: _Line) -> None:
    """The life of a thread."""
    while _run_next(line):
        # Nothing of a job outlives it here: it has what has the workers.
        pass


def _run_next(line: _Line) -> bool:
    job = line.next()
    if job is None:
        return False
    job.run()
    return line.stays(job)
