"""The rounds of a log: JSON lines of the event ``avp.round``, among others.

A log is read once and never kept: what is counted of the rest is how much there was.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

__all__ = ["Logged", "Reading"]

_EVENT = "avp.round"
# A formatter may have renamed the message.
_NAMES = ("event", "message", "msg")
# Seconds by which a round may be earlier than one before it: workers write when they are done.
_MOST_DISORDER = 60


@dataclass(frozen=True, slots=True)
class Logged:
    """A round of the log.

    Attributes:
        at: when it was over, in seconds since the epoch.
        number: which one of its request it was, from 1.
        calls: how many calls the engine made.
        digests: of its checks.
    """

    at: float
    number: int
    calls: int
    digests: tuple[str, ...]


class Reading:
    """Reads rounds, in the order of time.

    Attributes:
        foreign: lines that are about something else.
        broken: lines that begin as a round and are none: cut off, most often.
        disordered: rounds that were earlier than one before them.
        disorder: the most seconds by which one was.
    """

    def __init__(self) -> None:
        self.foreign = 0
        self.broken = 0
        self.disordered = 0
        self.disorder = 0.0

    def rounds(self, *logs: Iterable[bytes]) -> Iterator[Logged]:
        """The rounds of logs, each of which is in order by itself; one that is late counts as of just now.

        Args:
            logs: the lines of each.

        Raises:
            ValueError: a round is much earlier than one before it.
        """
        now = 0.0
        for logged in heapq.merge(*map(self._rounds, logs), key=lambda one: one.at):
            late = now - logged.at
            if late > _MOST_DISORDER:
                raise ValueError(
                    f"A round is {late:,.0f} seconds earlier than one before it. Sort the log by time; give what "
                    "several workers have written as a file of each."
                )
            self.disordered += late > 0
            self.disorder = max(self.disorder, late)
            now = max(now, logged.at)
            yield Logged(now, logged.number, logged.calls, logged.digests)

    def _rounds(self, lines: Iterable[bytes]) -> Iterator[Logged]:
        for line in lines:
            if not line.strip():
                continue
            document = _document(line)
            if document is None:
                self.foreign += 1
            elif (logged := _logged(document)) is None:
                self.broken += 1
            else:
                yield logged


def _document(line: bytes) -> dict[str, Any] | None:
    """The object of a line about a round, empty where it cannot be read; ``None`` if it is about something else."""
    # Most lines of a log are others', which need not be parsed.
    if _EVENT.encode() not in line:
        return None
    # What carries logs may put a time before each line.
    _, brace, rest = line.partition(b"{")
    try:
        document: dict[str, Any] = json.loads(brace + rest)
    except (ValueError, RecursionError):
        return {}
    return document if any(document.get(name) == _EVENT for name in _NAMES) else None


def _logged(document: dict[str, Any]) -> Logged | None:
    try:
        logged = Logged(
            float(document["at"]), int(document["round"]), int(document["calls"]), tuple(document["digests"].split())
        )
        is_whole = isfinite(logged.at) and len(logged.digests) == document["checks"]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None
    return logged if is_whole else None
