"""One push at a time: a policy that forbids nothing is there for as long as somebody pushes.

The service knows no locks, but it takes a name only once, whoever comes second.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django_avp.deployment.explaining import PushError
from django_avp.deployment.items import LOCK_ID, name_of
from django_avp.engines.synced.calling import Caller

__all__ = ["Lock"]

_NAME = name_of(LOCK_ID)


class Lock:
    """The lock of one store.

    Args:
        caller: what calls.
        store: the store's id or alias.
    """

    def __init__(self, caller: Caller, store: str) -> None:
        self._caller = caller
        self._store = store
        self._policy_id = ""

    def take(self, *, take_over: bool = False) -> None:
        """Take it.

        Args:
            take_over: whether one that is there already is taken away.

        Raises:
            PushError: it is there already.
            ClientError, BotoCoreError: the service cannot be asked, or refuses.
        """
        if take_over:
            # By its name: what is gone needs no deletion.
            self._call("delete_policy", policyId=_NAME)
        token = str(uuid4())
        # Never true, and not plainly so: a store that validates might not take a policy that can never apply.
        statement = (
            f'@id("{LOCK_ID}")\n@since("{datetime.now(UTC).isoformat(timespec="seconds")}")\n@push("{token}")\n'
            "forbid (principal, action, resource)\nwhen { !([action].contains(action)) };"
        )
        try:
            created = self._call(
                "create_policy", definition={"static": {"statement": statement}}, name=_NAME, clientToken=token
            )
        except self._caller.client.exceptions.ConflictException as error:
            raise PushError(
                f"{self._store}: somebody pushes{self._since()}. Wait for its end; if it was killed, take its place "
                "with --take-over."
            ) from error
        self._policy_id = created["policyId"]

    def check(self) -> None:
        """See to it that it is still there.

        Raises:
            PushError: somebody has taken it over.
        """
        try:
            self._call("get_policy", policyId=self._policy_id)
        except self._caller.client.exceptions.ResourceNotFoundException as error:
            raise PushError(f"{self._store}: another push has taken the place of this one, which stops.") from error

    def release(self) -> None:
        """Give it back; once is enough."""
        if self._policy_id:
            # Not by its name, which by now may be that of another push.
            self._call("delete_policy", policyId=self._policy_id)
            self._policy_id = ""

    def _since(self) -> str:
        try:
            created = self._call("get_policy", policyId=_NAME)["createdDate"]
        except self._caller.client.exceptions.ResourceNotFoundException:
            # It has just come to its end.
            return ""
        return f" since {created.astimezone(UTC).isoformat(timespec='seconds')}"

    def _call(self, operation: str, **parameters: Any) -> Any:
        return self._caller.call(operation, policyStoreId=self._store, **parameters)
