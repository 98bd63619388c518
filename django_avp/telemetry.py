"""OpenTelemetry's spans and metrics: rounds, key sets, policy stores, tokens, the decision cache and lists.

# INVARIANT: a principal, a claim, a token, an attribute, a resource or the text of an exception is in none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextvars import Token
from functools import wraps
from inspect import signature
from time import perf_counter, time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast
from weakref import WeakValueDictionary

from opentelemetry import context, metrics, trace

from django_avp import __version__
from django_avp.cedar import Cause, Verdict
from django_avp.engines.caching import CachingEngine
from django_avp.observing import Deciding, HeldStore, Observer, observing

if TYPE_CHECKING:
    from django_avp.cedar import Decision
    from django_avp.engines.base import Batch, Engine
    from django_avp.rounds import Round

__all__ = ["Telemetry", "observe"]

Function = TypeVar("Function", bound=Callable[..., object])

_ENGINE = "avp.engine"
_STORE = "avp.policy_store.id"
_VERDICT = "avp.verdict"
_ERROR = "error.type"

# In seconds: a round in process takes less than a millisecond, and a call at most a few seconds.
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# An older API, which another package may have brought, takes no advice.
_ADVISED = "explicit_bucket_boundaries_advisory"
_ADVICE: Any = {_ADVISED: _BOUNDS} if _ADVISED in signature(metrics.Meter.create_histogram).parameters else {}


def observe() -> None:
    """Have this process watched, by the providers that the site configures before or after."""
    observing.observer = Telemetry()


class Telemetry(Observer):
    """Makes spans and metrics of what happens.

    Args:
        tracer_provider: makes the tracer; by default the global one.
        meter_provider: makes the meter; by default the global one.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("django_avp", __version__, tracer_provider)
        self._instruments = _Instruments(metrics.get_meter("django_avp", __version__, meter_provider), self._ages)
        self._stores: WeakValueDictionary[str, HeldStore] = WeakValueDictionary()

    def round(self, engine: Engine, batch: Batch) -> Deciding:
        """A span and a duration, with what came of it in numbers."""
        store = {_STORE: batch.store} if batch.store else {}
        return self._operation("avp.round", {_ENGINE: _name(engine)}, store)

    def unasked(self, engine: Engine, checks: int, error_type: str) -> None:
        """Count checks that are undecided."""
        attributes = {_ENGINE: _name(engine), _VERDICT: Verdict.UNDECIDED.value, _ERROR: error_type}
        self._instruments.checks.add(checks, attributes)

    def fetching_keys(self) -> Deciding:
        """A span and a duration."""
        return self._operation("avp.key_set.fetch")

    def reading_store(self, store: str) -> Deciding:
        """A span and a duration."""
        return self._operation("avp.policy_store.read", span_attributes={_STORE: store})

    def store_held(self, store: HeldStore) -> None:
        """Tell the store's age from now on, as long as it is in use."""
        self._stores[store.store] = store

    def token_judged(self, fault: str) -> None:
        """Count the tokens that hold, and the others by code."""
        self._instruments.verifications.add(1, {_ERROR: fault} if fault else {})

    def looked_up(self, hits: int, misses: int) -> None:
        """Count what the decision cache knew and what it did not."""
        for number, result in ((hits, "hit"), (misses, "miss")):
            if number:
                self._instruments.lookups.add(number, {"avp.cache.result": result})

    def filter_made(self, way: Literal["compiled", "kept", "checked"]) -> None:
        """Count the filters of lists."""
        self._instruments.filters.add(1, {"avp.list.filter.way": way})

    def carried(self, function: Function) -> Function:
        """A function that runs in the span that is current here."""
        current = context.get_current()

        @wraps(function)
        def run(*args: Any) -> Any:
            token = context.attach(current)
            try:
                return function(*args)
            finally:
                context.detach(token)

        return cast("Function", run)

    def _operation(
        self,
        name: str,
        attributes: dict[str, str] | None = None,
        span_attributes: dict[str, str] | None = None,
    ) -> _Operation:
        return _Operation(self._tracer, self._instruments, name, attributes or {}, span_attributes or {})

    def _ages(self, options: metrics.CallbackOptions) -> Iterable[metrics.Observation]:
        # Other threads add stores meanwhile, and a list of references is made at once.
        stores = [reference() for reference in self._stores.valuerefs()]
        return [metrics.Observation(store.age, {_STORE: store.store}) for store in stores if store is not None]


class _Instruments:
    """What is measured. A duration's count says how often, so that no counter repeats it."""

    def __init__(
        self, meter: metrics.Meter, ages: Callable[[metrics.CallbackOptions], Iterable[metrics.Observation]]
    ) -> None:
        durations = {
            "avp.round": "How long an engine took to decide a round.",
            "avp.key_set.fetch": "How long it took to fetch a key set.",
            "avp.policy_store.read": "How long it took to read a policy store.",
        }
        self.durations = {
            name: meter.create_histogram(f"{name}.duration", "s", description, **_ADVICE)
            for name, description in durations.items()
        }
        counter = meter.create_counter
        self.checks = counter("avp.checks", "{check}", "Checks that engines were asked about.")
        self.unplanned = counter("avp.unplanned_checks", "{check}", "Checks that cost a round of their own.")
        self.calls = counter("avp.calls", "{call}", "Calls that engines made.")
        self.verifications = counter("avp.token.verifications", "{token}", "Tokens of requests that were verified.")
        self.lookups = counter("avp.cache.lookups", "{check}", "Checks looked up in the decision cache.")
        self.filters = counter("avp.list.filters", "{filter}", "Filters that lists were given.")
        meter.create_observable_gauge(
            "avp.policy_store.age", [ages], "s", "How long ago what is known of a policy store was found to be so."
        )


class _Operation(Deciding):
    """A span that is current meanwhile, and a duration. It has the same attributes but for those of spans alone."""

    def __init__(
        self,
        tracer: trace.Tracer,
        instruments: _Instruments,
        name: str,
        attributes: dict[str, str],
        span_attributes: dict[str, str],
    ) -> None:
        self._tracer = tracer
        self._instruments = instruments
        self._name = name
        self._attributes = attributes
        self._span_attributes = span_attributes
        self._seconds: float | None = None

    def __enter__(self) -> Self:
        self._begun, self._started = time_ns(), perf_counter()
        attributes = {**self._attributes, **self._span_attributes}
        self._span = self._tracer.start_span(self._name, attributes=attributes, start_time=self._begun)
        self._token: Token[context.Context] = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.failed(kind.__name__)
        seconds = perf_counter() - self._started if self._seconds is None else self._seconds
        # Within the span, for a measurement to lead to it.
        self._instruments.durations[self._name].record(seconds, self._attributes)
        context.detach(self._token)
        self._span.end(self._begun + int(seconds * 1e9))

    def failed(self, error_type: str) -> None:
        """Give the span the status of an error, without a description; the first error counts."""
        if _ERROR not in self._attributes:
            self._attributes[_ERROR] = error_type
            self._span.set_attribute(_ERROR, error_type)
            self._span.set_status(trace.StatusCode.ERROR)

    def decided(self, round_: Round, decisions: Collection[Decision]) -> None:
        """Count the checks by verdict, and the calls."""
        self._seconds = round_.milliseconds / 1000
        if any(decision.cause is Cause.UNAVAILABLE for decision in decisions):
            self.failed(Cause.UNAVAILABLE.value)
        instruments, engine = self._instruments, {_ENGINE: self._attributes[_ENGINE]}
        verdicts = Counter(decision.verdict.value for decision in decisions)
        for verdict, number in verdicts.items():
            instruments.checks.add(number, {**engine, _VERDICT: verdict})
        instruments.calls.add(round_.calls, engine)
        if round_.unplanned:
            instruments.unplanned.add(round_.unplanned, engine)
        if self._span.is_recording():
            numbers = {"check": round_.checks, "call": round_.calls, "unplanned": round_.unplanned, **verdicts}
            self._span.set_attributes({f"avp.round.{name}_count": number for name, number in numbers.items()})


def _name(engine: Engine) -> str:
    return type(engine.engine if isinstance(engine, CachingEngine) else engine).__name__
