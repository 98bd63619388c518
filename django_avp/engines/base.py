"""What every engine takes and gives: one batch of checks in, one decision for each out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from django_avp.cedar import Check, Decision, Entity
from django_avp.identity import Identity

if TYPE_CHECKING:
    from django_avp.policies import Policies
    from django_avp.schema import Schema

__all__ = [
    "Batch",
    "Decisions",
    "Engine",
    "PolicyEngine",
    "SchemaEngine",
    "accepts",
    "get_ready",
    "is_in_process",
    "policies_of",
    "schema_of",
]


@dataclass(frozen=True, slots=True)
class Batch:
    """Checks about one principal that are decided together.

    Attributes:
        identity: the principal, with its tokens and claims.
        checks: what is asked, each once.
        worlds: for each check, in the same order, the entities that have to exist for it, the principal and its
            groups apart.
        store: policy store id; ``None`` for the engine's own.
        policies: those that the worlds were built for. An engine that knows its policies decides by these, since others
            may follow references that the worlds do not have (rule A1).
    """

    identity: Identity
    checks: tuple[Check, ...]
    worlds: tuple[tuple[Entity, ...], ...]
    store: str | None = None
    policies: Policies | None = None


class Decisions(tuple[Decision, ...]):
    """Decisions in the order of a batch's checks, how many calls they took, and which of them were remembered."""

    calls: int
    cached: Collection[Check]

    def __new__(cls, decisions: Iterable[Decision], *, calls: int = 1, cached: Collection[Check] = ()) -> Decisions:
        """Make a tuple of decisions.

        Args:
            decisions: in the order of the checks.
            calls: counts the engine's own calls, at AVP those on the wire.
            cached: the checks that a cache knew the decisions of.
        """
        self = super().__new__(cls, decisions)
        self.calls = calls
        self.cached = cached
        return self


class Engine(Protocol):
    """Decides batches. One instance serves a whole process, from many threads and tasks at once."""

    def decide(self, batch: Batch) -> Sequence[Decision]:
        """Decide every check of the batch.

        Returns:
            One decision for each check, in the same order.

        Raises:
            AuthorizationUnavailable: nothing could be decided; asking again may help.
        """

    async def adecide(self, batch: Batch) -> Sequence[Decision]:
        """Decide every check of the batch without blocking the event loop."""


def is_in_process(engine: Engine) -> bool:
    """Whether an engine decides where it is called and waits for nobody, as its attribute ``is_in_process`` says.

    One that does not say so may wait for the network, so it must not be asked synchronously under an event loop.
    """
    return bool(getattr(engine, "is_in_process", False))


@runtime_checkable
class PolicyEngine(Engine, Protocol):
    """An engine that knows what it decides by. Of another one, every reference of an entity may be needed."""

    def policies(self, store: str | None) -> Policies | None:
        """The policies and the schema that decide for a store, where they are known."""


@runtime_checkable
class SchemaEngine(Engine, Protocol):
    """An engine that knows a schema, but not the policies that decide."""

    def schema(self, store: str | None) -> Schema | None:
        """The schema of a store, where it is known."""


def policies_of(engine: Engine, store: str | None) -> Policies | None:
    """The policies that decide for a store, where the engine knows them.

    Raises:
        AvpError: the engine cannot tell now.
    """
    # Not isinstance(), which goes through a protocol anew each time: this is asked several times per request.
    policies: Callable[[str | None], Policies | None] | None = getattr(engine, "policies", None)
    return None if policies is None else policies(store)


def schema_of(engine: Engine, store: str | None) -> Schema | None:
    """The schema of a store, where the engine knows it.

    Raises:
        AvpError: the engine cannot tell now.
    """
    schema: Callable[[str | None], Schema | None] | None = getattr(engine, "schema", None)
    if schema is not None:
        return schema(store)
    policies = policies_of(engine, store)
    return policies.schema if policies else None


def accepts(engine: Engine, store: str | None, identity: Identity) -> bool:
    """Whether an engine decides about an identity at all: a store's identity source may be another one (rule C10).

    Raises:
        AvpError: the engine cannot tell now.
    """
    check = getattr(engine, "accepts", None)
    return check is None or bool(check(store, identity))


def get_ready(engine: Engine, store: str | None) -> float | None:
    """Find out whether an engine could decide for a store, without a question; its method of this name tells.

    Args:
        engine: the engine.
        store: the store; ``None`` where only requests know theirs.

    Returns:
        How many seconds ago it read what it decides by, if it reads that beforehand.

    Raises:
        Exception: whatever would keep it from deciding.
    """
    prepare = getattr(engine, "get_ready", None)
    if prepare is None:
        policies_of(engine, store)
        return None
    age: float | None = prepare(store)
    return age
