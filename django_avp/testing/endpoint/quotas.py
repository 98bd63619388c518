"""The service's default quotas, as token buckets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Lock

from django_avp.testing.endpoint.errors import ServiceError

__all__ = ["Quotas"]

# Requests a second, in each Region and for each policy store. Source: "Quotas for Amazon Verified Permissions".
_RATES: Mapping[str, tuple[int, str]] = {
    "IsAuthorized": (200, "L-771544C7"),
    "IsAuthorizedWithToken": (200, "L-645D3857"),
    "BatchIsAuthorized": (30, "L-9DB5CAA4"),
    "BatchIsAuthorizedWithToken": (30, "L-1FC83DB7"),
}


class Quotas:
    """A second's worth of requests for each operation, which fills up again as time goes by."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._left = {operation: float(rate) for operation, (rate, _) in _RATES.items()}
        self._seen = time.monotonic()

    def take(self, operation: str) -> None:
        """Take one request.

        Raises:
            ServiceError: a ``ThrottlingException``; none is left.
        """
        if operation not in _RATES:
            return
        with self._lock:
            now = time.monotonic()
            passed, self._seen = now - self._seen, now
            for name, (rate, _) in _RATES.items():
                self._left[name] = min(rate, self._left[name] + passed * rate)
            if self._left[operation] < 1:
                members = {"serviceCode": "verifiedpermissions", "quotaCode": _RATES[operation][1]}
                raise ServiceError("ThrottlingException", "Rate exceeded", members)
            self._left[operation] -= 1
