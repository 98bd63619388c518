"""The public keys of Application Load Balancers: one at each URL, fetched when it is first needed and kept.

# INVARIANT: a known key never waits for the fetch of another, and made-up key ids cause a bounded number of fetches.
# While fetches fail, one is tried at a time, and at most one request waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
import urllib.error
from collections import OrderedDict
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from django_avp.exceptions import KeySetUnavailableError, TokenInvalidError
from django_avp.observing import observing
from django_avp.tokens.documents import TIMEOUT, fetch_document
from django_avp.tokens.flights import Flight
from django_avp.tokens.keys import FAILURE_PAUSE, KEY_ID_PAUSE, Clock, Fetch

__all__ = ["LoadBalancerKeys"]

logger = logging.getLogger("django_avp")

MOST_KEYS = 32
"""Keys kept; the one that was not used for longest goes first."""
MOST_LOOKUPS = 32
"""Fetches under way and key ids that were not found, together: within ``KEY_ID_PAUSE`` no more are looked for."""
# A missing object is 403 where the bucket may not be listed.
_NOT_THERE = (403, 404)


class LoadBalancerKeys:
    """The keys at all URLs; a URL ends in the key's id, and a key never changes.

    Args:
        fetch: returns the document at a URL, or raises.
        clock: a time that never goes backwards.
        timeout: seconds that a caller waits for a fetch.
    """

    def __init__(
        self, *, fetch: Fetch = fetch_document, clock: Clock = time.monotonic, timeout: float = TIMEOUT
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._timeout = timeout
        # Guards what follows; never held while something is fetched.
        self._lock = threading.Lock()
        self._keys: OrderedDict[str, EllipticCurvePublicKey] = OrderedDict()
        self._flights: dict[str, Flight] = {}
        self._unknown_until: dict[str, float] = {}
        self._paused_until = -math.inf
        self._has_failed = False

    def get(self, url: str) -> EllipticCurvePublicKey:
        """Return the key at a URL.

        Raises:
            TokenInvalidError: there is none.
            KeySetUnavailableError: it is not known and cannot be fetched.
        """
        key, flight = self._find(url)
        if flight is not None:
            try:
                flight.landed.result(self._timeout)
            except TimeoutError:
                self._land(flight, fault="TimeoutError")
        return key or self._judge(url)

    async def aget(self, url: str) -> EllipticCurvePublicKey:
        """Return a key as :meth:`get` does; the event loop is free while a fetch is under way."""
        key, flight = self._find(url)
        if flight is not None:
            try:
                await asyncio.wait_for(asyncio.wrap_future(flight.landed), self._timeout)
            except TimeoutError:
                self._land(flight, fault="TimeoutError")
        return key or self._judge(url)

    def _find(self, url: str) -> tuple[EllipticCurvePublicKey | None, Flight | None]:
        """Return the key if it is known, else the fetch to wait for, unless none is allowed now."""
        now = self._clock()
        with self._lock:
            key = self._keys.get(url)
            if key is not None:
                self._keys.move_to_end(url)
                return key, None
            # Those that nobody waited for to the end.
            self._flights = {url: flight for url, flight in self._flights.items() if now < flight.expires_at}
            flight = self._flights.get(url)
            if flight is not None:
                return None, None if self._has_failed else flight
            if not self._may_fetch(url, now):
                return None, None
            flight = self._flights[url] = Flight(url, now, self._timeout)
        flight.begin(self._run, partial(self._land, flight, None))
        return None, flight

    def _may_fetch(self, url: str, now: float) -> bool:
        self._unknown_until = {url: until for url, until in self._unknown_until.items() if now < until}
        if url in self._unknown_until or now < self._paused_until or (self._has_failed and self._flights):
            return False
        return len(self._flights) + len(self._unknown_until) < MOST_LOOKUPS

    def _run(self, flight: Flight) -> None:
        key, fault = None, ""
        with observing.observer.fetching_keys() as fetching:
            try:
                key = _parse(self._fetch(flight.key_id))
            except urllib.error.HTTPError as error:
                fault = "" if error.code in _NOT_THERE else f"HTTP {error.code}"
            except Exception as error:  # the top of a thread: whatever went wrong, those who wait must be told
                fault = type(error).__name__
            if key is None:
                fetching.failed(fault or "not there")
        self._land(flight, key, fault)

    def _land(self, flight: Flight, key: EllipticCurvePublicKey | None = None, fault: str = "") -> None:
        url, now = flight.key_id, self._clock()
        with self._lock:
            # A fetch that was given up must not replace the outcome of a later one.
            if self._flights.get(url) is not flight:
                return
            del self._flights[url]
            self._has_failed = bool(fault)
            if key is not None:
                self._keys[url] = key
                if len(self._keys) > MOST_KEYS:
                    self._keys.popitem(last=False)
            elif fault:
                self._paused_until = now + FAILURE_PAUSE
            else:
                self._unknown_until[url] = now + KEY_ID_PAUSE
        if fault:
            logger.warning("avp.key_set_failed", extra={"url": url, "fault": fault})

    def _judge(self, url: str) -> EllipticCurvePublicKey:
        with self._lock:
            key, is_unknown = self._keys.get(url), url in self._unknown_until
        if key is not None:
            return key
        if is_unknown:
            raise TokenInvalidError(
                "alb_unknown_key", "The load balancer's data is signed with a key that is not there."
            )
        raise KeySetUnavailableError("alb_key", "The load balancer's key cannot be fetched.")


def _parse(document: bytes) -> EllipticCurvePublicKey:
    """Read a key for ES256 from PEM.

    Raises:
        ValueError: it is none.
    """
    key = load_pem_public_key(document)
    # RFC 7518 section 3.4: ES256 is of this curve alone.
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("The key is not of the curve P-256.")
    return key
