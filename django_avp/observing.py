"""Where operations can be watched from: an observer is told of rounds, key sets, policy stores, tokens and lists.

By default nobody watches, which costs a call that does nothing. ``django_avp.telemetry`` is an observer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from django_avp.cedar import Decision
    from django_avp.engines.base import Batch, Engine
    from django_avp.rounds import Round

__all__ = ["Deciding", "HeldStore", "Observer", "Operation", "observing"]

Function = TypeVar("Function", bound=Callable[..., object])


class Operation:
    """Something that takes a while, as a context manager. An exception that leaves it is a failure, and goes on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def failed(self, error_type: str) -> None:
        """Note that it did not do what it should.

        Args:
            error_type: a name among few, as of an exception's class; never a text.
        """


class Deciding(Operation):
    """A round, while the engine decides."""

    def decided(self, round_: Round, decisions: Collection[Decision]) -> None:
        """Note what came of it: its record, and a decision for each of its checks."""


class HeldStore(Protocol):
    """A policy store that was read into this process."""

    store: str
    """Its id or alias."""

    @property
    def age(self) -> float:
        """Seconds since it was found to be as it is known here."""


class Observer:
    """Is told what happens, in the thread or task in which it does, and does nothing about it.

    Those that do something override what they want to know. They are a part of every request: they may not raise, or
    wait. What they are given may have tokens and claims in it, and must not be kept.
    """

    def round(self, engine: Engine, batch: Batch) -> Deciding:
        """An engine is about to decide."""
        return _UNWATCHED

    def unasked(self, engine: Engine, checks: int, error_type: str) -> None:
        """The engine could not tell by which policies it decides, so this many checks are undecided."""

    def fetching_keys(self) -> Operation:
        """A key set, or a load balancer's key, is about to be fetched, in a thread of its own."""
        return _UNWATCHED

    def reading_store(self, store: str) -> Operation:
        """A policy store is about to be read by the management API."""
        return _UNWATCHED

    def store_held(self, store: HeldStore) -> None:
        """A policy store is known as it was read just now, by this process or by another one."""

    def token_judged(self, fault: str) -> None:
        """The token of a request was verified; ``fault`` is the code of what is wrong with it, or empty."""

    def looked_up(self, hits: int, misses: int) -> None:
        """The decision cache was asked, and knew this many of a round's checks."""

    def filter_made(self, way: Literal["compiled", "kept", "checked"]) -> None:
        """A list was given a filter: compiled from policies, kept from before, or by checking rows one by one."""

    def carried(self, function: Function) -> Function:
        """A function as another thread has to run it, for what happens there to belong to what happens here."""
        return function


class Observing:
    """Holds the observer of this process, and one that is to be there once somebody uses what it is made of."""

    def __init__(self) -> None:
        self._observer = Observer()
        self._awaited: dict[str, Callable[[], object]] = {}

    @property
    def observer(self) -> Observer:
        """Who is told."""
        for package in list(self._awaited):
            if package in sys.modules:
                self._begin(package)
        return self._observer

    @observer.setter
    def observer(self, observer: Observer) -> None:
        """Tell another one."""
        self._observer = observer

    def await_package(self, package: str, observe: Callable[[], None]) -> None:
        """Have ``observe`` called when something is to be told after any part of the process has imported a package."""
        self._awaited = {package: observe}

    def _begin(self, package: str) -> None:
        # One step, so that of several threads one does it: a lock could be found taken after a fork.
        observe = self._awaited.pop(package, None)
        if observe is not None:
            observe()

    @contextmanager
    def use(self, observer: Observer) -> Iterator[None]:
        """Tell another observer for a block, in all threads; for tests."""
        before, self.observer = self.observer, observer
        try:
            yield
        finally:
            self.observer = before


_UNWATCHED = Deciding()
observing = Observing()
