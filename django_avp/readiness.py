"""Whether this process can serve: the keys that verify tokens and the engine that decides, for a health endpoint.

# INVARIANT: nothing is decided, no engine's service is asked, and no text of a token or a claim is in the report.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from threading import Thread

from django.core.exceptions import ImproperlyConfigured

from django_avp.conf import conf
from django_avp.engines.base import get_ready
from django_avp.exceptions import AvpError
from django_avp.runtime import runtime

__all__ = ["Part", "Readiness", "acheck", "check"]

TIMEOUT = 3.0
"""Seconds after which what has not answered counts as a problem."""

Probe = Callable[[str], "Part"]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that requests need.

    Attributes:
        name: what it is.
        problem: why it cannot be used; empty if it can. A text for operators, which may name files and settings.
        age: seconds since a policy store was read, where it is read beforehand.
    """

    name: str
    problem: str = ""
    age: float | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it can be used."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found about each part."""

    parts: tuple[Part, ...]

    @property
    def is_ready(self) -> bool:
        """Whether all parts can be used."""
        return all(part.is_ready for part in self.parts)

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems, each with the name of its part."""
        return tuple(f"{part.name}: {part.problem}" for part in self.parts if not part.is_ready)


def check(*, stores: Iterable[str] | None = None, timeout: float = TIMEOUT) -> Readiness:
    """Find out whether tokens can be verified and checks decided; key sets and policies are fetched if they have to be.

    Args:
        stores: policy stores; by default that of ``AVP_POLICY_STORE_ID``, if it is not a callable.
        timeout: seconds that all parts have together.

    Raises:
        ImproperlyConfigured: ``AVP_USER_POOLS`` or ``AVP_POLICY_STORE_ID`` cannot be used.
    """
    found = _start(stores)
    concurrent.futures.wait(found.values(), timeout)
    return _report(found)


async def acheck(*, stores: Iterable[str] | None = None, timeout: float = TIMEOUT) -> Readiness:  # noqa: ASYNC109 - as check
    """The same as :func:`check`; the event loop is free meanwhile."""
    found = _start(stores)
    await asyncio.wait([asyncio.wrap_future(future) for future in found.values()], timeout=timeout)
    return _report(found)


def _start(stores: Iterable[str] | None) -> dict[str, Future[Part]]:
    """Look at all parts at once, each in a thread of its own: one that hangs keeps no other from it."""
    probes: dict[str, Probe] = {f"key set of {pool}": partial(_keys, pool) for pool in conf.user_pools}
    found: dict[str, Future[Part]] = {}
    for name, probe in {**probes, **_engine_probes(stores)}.items():
        future = found[name] = Future()
        # Who waits may be cancelled; the thread is not.
        future.set_running_or_notify_cancel()
        Thread(target=_run, args=(future, name, probe), name="django-avp-readiness", daemon=True).start()
    return found


def _engine_probes(stores: Iterable[str] | None) -> dict[str, Probe]:
    configured = conf.policy_store_id
    if stores is None:
        # Which stores there are is known to requests alone, if each names its own.
        stores = [] if callable(configured) else [configured or ""]
    probes: dict[str, Probe] = {
        f"engine with {store}" if store else "engine": partial(_decides, store) for store in stores
    }
    return probes or {"engine": partial(_decides, "")}


def _run(future: Future[Part], name: str, probe: Probe) -> None:
    try:
        part = probe(name)
    except (AvpError, ImproperlyConfigured) as error:
        # The texts of our own errors quote policies and settings, and never a claim.
        part = Part(name, str(error))
    except Exception as error:  # the top of a thread: whatever went wrong, those who wait must be told
        part = Part(name, f"It cannot be used ({type(error).__name__}).")
    future.set_result(part)


def _report(found: dict[str, Future[Part]]) -> Readiness:
    late = "There was no answer in time."
    return Readiness(tuple(f.result() if f.done() else Part(name, late) for name, f in found.items()))


def _keys(pool: str, name: str) -> Part:
    runtime.verifier.load_keys(pool)
    return Part(name)


def _decides(store: str, name: str) -> Part:
    return Part(name, age=get_ready(runtime.engine, store or None))
