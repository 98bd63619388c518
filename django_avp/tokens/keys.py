"""The public keys of token issuers: given inline, or fetched when they are first needed and kept.

# INVARIANT: a token whose key is known never waits for another token's fetch, and a failed fetch never loses a key.
# While an issuer does not answer, at most one request at a time waits for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_avp.conf import conf
from django_avp.exceptions import KeySetUnavailableError, TokenError
from django_avp.observing import observing
from django_avp.tokens.documents import TIMEOUT, fetch_document
from django_avp.tokens.flights import Flight
from django_avp.tokens.jwks import GivenSet, parse_key_set, unknown_key
from django_avp.typed_settings import snapshot

if TYPE_CHECKING:
    from django_avp.conf import Settings
    from django_avp.tokens.rules import TokenRules

__all__ = ["Clock", "Fetch", "KeySet", "KeySets"]

logger = logging.getLogger("django_avp")

# All in seconds.
MAX_AGE = 3600.0
"""After this a set is fetched again, so that keys which were removed vanish."""
STALE_PAUSE = 60.0
"""Between two attempts to replace a set that is too old."""
FAILURE_PAUSE = 3.0
"""After a failed fetch."""
PAUSE = 10.0
"""After a fetch that did not find the wanted key: made-up key ids cause no more fetches than this allows."""
KEY_ID_PAUSE = 30.0
"""Until the same key id that was not found is looked for again."""
SHARED_PATIENCE = 0.5
"""From the beginning of a fetch, while other keys are known: so long it is waited for by who has not begun it."""

# In place of a key id, which is never empty: a fetch for no key in particular.
_ANY = ""

Fetch = Callable[[str], bytes]
Clock = Callable[[], float]


class KeySets:
    """The key sets of all issuers, one per URL.

    Args:
        fetch: returns the document at a URL, or raises.
        clock: a time that never goes backwards.
        timeout: seconds that a caller waits for a fetch.
    """

    def __init__(self, *, fetch: Fetch | None = None, clock: Clock = time.monotonic, timeout: float = TIMEOUT) -> None:
        self._fetch = fetch_document if fetch is None else fetch
        self._clock = clock
        self._timeout = timeout
        self._fetched: dict[str, _FetchedSet] = {}
        self._given: tuple[object, GivenSet] | None = None

    def get(self, issuer: str, pool: str, key_id: str) -> RSAPublicKey:
        """Return a key of an issuer, which must be one that the settings allow.

        Raises:
            TokenInvalidError: the issuer has no such key.
            KeySetUnavailableError: the key is not known and the key set cannot be fetched.
        """
        return self.of(issuer, pool, conf).get(key_id)

    async def aget(self, issuer: str, pool: str, key_id: str) -> RSAPublicKey:
        """Return a key as :meth:`get` does; the event loop is free while a fetch is under way."""
        return await self.of(issuer, pool, conf).aget(key_id)

    def load(self, issuer: str, pool: str) -> None:
        """Have the key set of an issuer at hand: fetched, unless some of its keys are known already.

        Raises:
            KeySetUnavailableError: it cannot be fetched.
            ImproperlyConfigured: ``AVP_JWKS`` holds no usable key.
        """
        self.of(issuer, pool, conf).load()

    def of(self, issuer: str, pool: str, rules: TokenRules | Settings) -> KeySet:
        """The key set of an issuer: the one given inline, or the one at its URL.

        Raises:
            ImproperlyConfigured: ``AVP_JWKS`` holds no usable key.
        """
        if rules.jwks is not None:
            return self._given_set(rules.jwks)
        url = _url(issuer, pool, rules.jwks_url)
        known = self._fetched.get(url)
        if known is None:
            # Of several threads all get the one that was first.
            known = self._fetched.setdefault(url, _FetchedSet(url, self._fetch, self._clock, self._timeout))
        return known

    def _given_set(self, inline: Mapping[str, Any]) -> GivenSet:
        given = self._given
        if given is None or given[0] != inline:
            given = self._given = (snapshot(inline), GivenSet(inline))
        return given[1]


class _FetchedSet:
    """The key set at one URL: what is known of it, when to fetch it again, and the fetch under way if there is one.

    ``_lock`` guards the decision to fetch and its outcome; it is never held while something is fetched.
    """

    def __init__(self, url: str, fetch: Fetch, clock: Clock, timeout: float) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._timeout = timeout
        self._lock = threading.Lock()
        self._keys: Mapping[str, RSAPublicKey] = {}
        self._due_at = -math.inf
        self._paused_until = -math.inf
        # At most one key id is added for each pause of all key ids, and those whose time is over are removed.
        self._unknown_until: dict[str, float] = {}
        self._has_failed = False
        # Whether it is too old and could not be replaced.
        self._is_outdated = False
        self._flight: Flight | None = None

    def get(self, key_id: str) -> RSAPublicKey:
        key, flight, patience = self._find(key_id)
        if flight is not None:
            self._wait(flight, patience)
            key = None
        return key or self._judge(key_id)

    async def aget(self, key_id: str) -> RSAPublicKey:
        key, flight, patience = self._find(key_id)
        if flight is not None:
            try:
                await asyncio.wait_for(asyncio.wrap_future(flight.landed), patience)
            except TimeoutError:
                self._lose_patience(flight, patience)
            key = None
        return key or self._judge(key_id)

    def load(self) -> None:
        if self._keys:
            return
        _, flight, patience = self._find(_ANY)
        if flight is not None:
            self._wait(flight, patience)
        if not self._keys:
            raise _unavailable()

    def _wait(self, flight: Flight, patience: float) -> None:
        try:
            flight.landed.result(patience)
        except TimeoutError:
            self._lose_patience(flight, patience)

    def _lose_patience(self, flight: Flight, patience: float) -> None:
        if patience >= self._timeout:
            self._land(flight, {}, "TimeoutError")

    def _find(self, key_id: str) -> tuple[RSAPublicKey | None, Flight | None, float]:
        """Return the key if it is known, and the fetch to wait for if there is one, and for how long."""
        now = self._clock()
        key = self._keys.get(key_id)
        if key is not None and now < self._due_at:
            return key, None, 0
        with self._lock:
            key = self._keys.get(key_id)
            flight = self._flight
            if flight is not None and now < flight.expires_at:
                patience = 0 if key is not None else self._patience(flight, now)
                return key, flight if patience > 0 else None, patience
            if flight is not None:
                # Nobody waited to its end, or its thread was lost in a fork.
                self._settle(flight, {})
            if now < (self._due_at if key is not None else self._pause(key_id)):
                return key, None, 0
            is_waited_for = key is None or not self._is_outdated
            self._flight = flight = Flight(key_id, now, self._timeout)
        flight.begin(self._run, partial(self._land, flight, {}))
        return key, flight if is_waited_for else None, self._timeout

    def _patience(self, flight: Flight, now: float) -> float:
        """How long to wait for a fetch that another has begun.

        The threads of a site are few, and made-up key ids must not have all of them wait for an issuer that is silent.
        """
        if self._has_failed:
            return 0
        if not self._keys:
            return self._timeout
        return min(SHARED_PATIENCE, self._timeout) - (now - flight.begun_at)

    def _pause(self, key_id: str) -> float:
        return max(self._paused_until, self._unknown_until.get(key_id, -math.inf))

    def _run(self, flight: Flight) -> None:
        keys: dict[str, RSAPublicKey] = {}
        fault = "no usable key"
        with observing.observer.fetching_keys() as fetching:
            try:
                keys = parse_key_set(json.loads(self._fetch(self._url)))
            except Exception as error:  # the top of a thread: whatever went wrong, those who wait must be told
                fault = type(error).__name__
            if not keys:
                fetching.failed(fault)
        self._land(flight, keys, fault)

    def _land(self, flight: Flight, keys: dict[str, RSAPublicKey], fault: str) -> None:
        with self._lock:
            # A fetch that was given up must not replace the outcome of a later one.
            if self._flight is not flight:
                return
            self._settle(flight, keys)
        if not keys:
            logger.warning("avp.key_set_failed", extra={"url": self._url, "fault": fault})

    def _settle(self, flight: Flight, keys: dict[str, RSAPublicKey]) -> None:
        now = self._clock()
        self._flight = None
        self._has_failed = not keys
        if not keys:
            # INVARIANT: the last good set stays in use.
            self._is_outdated = self._is_outdated or now >= self._due_at
            self._due_at = max(self._due_at, now + STALE_PAUSE)
            self._paused_until = now + FAILURE_PAUSE
            return
        self._keys = keys
        self._is_outdated = False
        self._due_at = now + MAX_AGE
        if flight.key_id not in {_ANY, *keys}:
            self._paused_until = now + PAUSE
            still = {key_id: until for key_id, until in self._unknown_until.items() if until > now}
            self._unknown_until = still | {flight.key_id: now + KEY_ID_PAUSE}

    def _judge(self, key_id: str) -> RSAPublicKey:
        with self._lock:
            key, is_judged = self._keys.get(key_id), self._flight is None and not self._has_failed
        if key is None:
            raise unknown_key() if is_judged else _unavailable()
        return key


KeySet = GivenSet | _FetchedSet
"""The keys of an issuer, each by its id."""


def _url(issuer: str, pool: str, configured: str | Mapping[str, str] | None) -> str:
    if isinstance(configured, str):
        return configured
    configured = configured or {}
    return configured.get(issuer) or configured.get(pool) or f"{issuer.rstrip('/')}/.well-known/jwks.json"


def _unavailable() -> TokenError:
    return KeySetUnavailableError("key_set", "The key set of the issuer cannot be fetched.")
