"""Each group in a process of its own, which measures when it is its turn and waits otherwise.

So each has the settings that it needs, no package changes what another group measures, and all groups alternate.
"""

from __future__ import annotations

import importlib
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import django
from django.db import connection
from django.test.utils import CaptureQueriesContext

from benchmarks.core import Group, Measured, Spread, Wrong
from benchmarks.measuring import Meter
from benchmarks.profiling import profile

__all__ = ["GROUPS", "Worker", "profile_case"]

GROUPS = {
    "tokens": "benchmarks.photos.settings",
    "requests": "benchmarks.photos.settings",
    "pages": "benchmarks.photos.settings",
    "policies": "benchmarks.photos.settings",
    "reads": "benchmarks.photos.settings",
    "service": "benchmarks.photos.settings",
    "planning": "benchmarks.gallery.settings",
    "lists": "benchmarks.gallery.settings",
    "startup": "benchmarks.photos.settings",
    "memory": "benchmarks.photos.settings",
}
"""The groups, each with its settings, in the order of the results."""


class Worker:
    """A group in its process.

    Args:
        name: of the group.
        seed: of the order of its cases.
        is_quick: whether it only proves that it runs.
    """

    def __init__(self, name: str, *, seed: int, is_quick: bool) -> None:
        self.name = name
        self._samples: dict[str, list[float]] = {}
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(name, theirs, seed, is_quick), daemon=False)
        self._process.start()
        theirs.close()
        self._kinds: Mapping[str, tuple[str, str]] = {}
        self._facts: Sequence[Any] = ()
        self._turns = 0

    def get_ready(self) -> None:
        """Wait until it is built, verified and calibrated.

        Raises:
            Wrong: it is not.
        """
        *self._facts, self._turns, self._kinds = self._answer()

    def turn(self) -> None:
        """Let it measure, unless it has had all its turns."""
        if self._turns == 0:
            return
        self._turns -= 1
        self._pipe.send("turn")
        for case, taken in self._answer().items():
            self._samples.setdefault(case, []).extend(taken)

    def close(self) -> Measured:
        """End it, and tell what was measured."""
        self.stop()
        spreads = {case: Spread.of(self._samples[case], *kind) for case, kind in self._kinds.items()}
        return Measured(self.name, *self._facts, spreads)

    def stop(self) -> None:
        """End it."""
        if not self._pipe.closed:
            with suppress(BrokenPipeError):  # it has ended by itself
                self._pipe.send("stop")
            self._process.join()
            self._pipe.close()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise Wrong(f"The process of {self.name} ended by itself.") from None
        if isinstance(answer, Wrong):
            raise answer
        return answer


def profile_case(name: str, case: str) -> None:
    """Print where the time of a case goes, measured in a process as its group has one.

    Raises:
        Wrong: there is no such case.
    """
    with _built(name, is_quick=False) as group:
        profile(group, case)


@contextmanager
def _built(name: str, *, is_quick: bool) -> Iterator[Group]:
    """A group, in this process."""
    os.environ["DJANGO_SETTINGS_MODULE"] = GROUPS[name]
    django.setup()
    build = importlib.import_module(f"benchmarks.groups.{name}").build
    with tempfile.TemporaryDirectory() as directory:
        group = build(Path(directory), is_quick=is_quick)
        try:
            yield group
        finally:
            group.close()


def _work(name: str, pipe: Connection, seed: int, is_quick: bool) -> None:
    """The life of a process."""
    try:
        with _built(name, is_quick=is_quick) as group:
            meter = Meter(group, _counted, seed=seed, is_quick=is_quick)
            meter.verify()
            meter.calibrate()
            kinds = {case.name: (case.unit, case.clock) for case in group.cases}
            pipe.send((group.title, group.rows, group.notes, group.turns, kinds))
            while pipe.recv() == "turn":
                pipe.send(meter.turn())
    except Wrong as wrong:
        pipe.send(wrong)
    except Exception:
        pipe.send(Wrong(f"{name}:\n{traceback.format_exc()}"))


def _counted(run: Callable[[], object]) -> tuple[object, int]:
    """Call a function, and count its queries."""
    with CaptureQueriesContext(connection) as queries:
        found = run()
    return found, len(queries)
