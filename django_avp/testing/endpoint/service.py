"""What an account has: its policy stores, and the writes that it remembers by their client tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

from django_avp.testing.endpoint.errors import missing
from django_avp.testing.endpoint.fields import text
from django_avp.testing.endpoint.state import PolicyStore

__all__ = ["Service"]


class Service:
    """The policy stores of an account.

    Args:
        stores: those that are there from the beginning.
        jwks: the public keys that verify the tokens of every user pool.
    """

    def __init__(self, stores: Iterable[PolicyStore], jwks: Mapping[str, Any] | None) -> None:
        self.stores = {store.policy_store_id: store for store in stores}
        # Held by whatever is not a decision.
        self.lock = Lock()
        self.jwks: Mapping[str, Any] = jwks or {"keys": []}
        # Requests with their answers, by operation and client token. AWS forgets them after eight
        # hours; this one is not there that long.
        self.written: dict[tuple[str, str], tuple[Mapping[str, Any], dict[str, Any]]] = {}

    def store(self, request: Mapping[str, Any]) -> PolicyStore:
        """The store that a request names.

        Raises:
            ServiceError: there is none.
        """
        policy_store_id = text(request, "policyStoreId")
        if policy_store_id not in self.stores:
            raise missing("POLICY_STORE", policy_store_id)
        return self.stores[policy_store_id]
