"""The service's default quotas, as token buckets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Lock

from django_avp.testing.endpoint.errors import ServiceError

__all__ = ["Quotas"]

# Requests a second, in each Region and for each policy store. Source: "Quotas for Amazon Verified Permissions".
_RATES: Mapping[str, int] = {
    "IsAuthorized": 200,
    "IsAuthorizedWithToken": 200,
    "BatchIsAuthorized": 30,
    "BatchIsAuthorizedWithToken": 30,
    "CreateIdentitySource": 1,
    "UpdateIdentitySource": 1,
    "DeleteIdentitySource": 1,
    "CreatePolicyStore": 1,
    "DeletePolicyStore": 1,
}
_OTHER_RATE = 10
_CODES: Mapping[str, str] = {
    "IsAuthorized": "L-771544C7",
    "IsAuthorizedWithToken": "L-645D3857",
    "BatchIsAuthorized": "L-9DB5CAA4",
    "BatchIsAuthorizedWithToken": "L-1FC83DB7",
}


class Quotas:
    """A second's worth of requests for each operation on each store, which fills up again as time goes by."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, operation: str, policy_store_id: str = "") -> None:
        """Take one request.

        Raises:
            ServiceError: a ``ThrottlingException``; none is left.
        """
        rate = _RATES.get(operation, _OTHER_RATE)
        with self._lock:
            now = time.monotonic()
            left, seen = self._buckets.get((operation, policy_store_id), (rate, now))
            left = min(rate, left + (now - seen) * rate)
            self._buckets[operation, policy_store_id] = (left - 1 if left >= 1 else left, now)
            if left < 1:
                code = {"quotaCode": _CODES[operation]} if operation in _CODES else {}
                members = {"serviceCode": "verifiedpermissions", **code}
                raise ServiceError("ThrottlingException", "Rate exceeded", members)
