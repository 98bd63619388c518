"""The steps of a push as calls of the management API."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import uuid4

from django_avp.deployment.items import Item, Kind, State, name_of
from django_avp.deployment.statements import with_id
from django_avp.deployment.steps import Act, Step
from django_avp.engines.synced.calling import Caller
from django_avp.policy_files import MAX_POLICY_BYTES

__all__ = ["Writer"]


class Writer:
    """Writes into one store.

    Args:
        caller: what calls.
        store: the store's id or alias.
        current: what the store has, with the service's ids.
    """

    def __init__(self, caller: Caller, store: str, current: State) -> None:
        self._caller = caller
        self._store = store
        items = (*current.policies.values(), *current.templates.values())
        # The service's ids, those of what this writer has created among them.
        self._service_ids = {_key(item): item.service_id for item in items}

    def write(self, step: Step) -> None:
        """Make a step's call.

        Raises:
            ClientError, BotoCoreError: the service cannot be asked, or refuses.
        """
        if step.item is None:
            self._call("put_schema", definition={"cedarJson": step.schema})
        elif step.act is Act.CREATE:
            self._service_ids[_key(step.item)] = self._create(step.item)
        elif step.act is Act.DELETE:
            self._delete(step.item)
        else:
            self._update(step.item, step.new_id)

    def _create(self, item: Item) -> str:
        named = {"name": name_of(item.id)} if name_of(item.id) else {}
        # Random, since the service would answer to one that it knows with what may be deleted by now (rule G3); the
        # same for each attempt, so that one whose answer was lost does not create a second policy.
        parameters: dict[str, Any] = {**named, "clientToken": str(uuid4())}
        if item.kind is Kind.TEMPLATE:
            created = self._call("create_policy_template", statement=_statement(item), **parameters)["policyTemplateId"]
        else:
            created = self._call("create_policy", definition=self._definition(item), **parameters)["policyId"]
        return str(created)

    def _update(self, item: Item, new_id: str) -> None:
        service_id = self._service_ids[_key(item)]
        named = {"name": name_of(new_id)} if new_id else {}
        if item.kind is Kind.TEMPLATE:
            self._call("update_policy_template", policyTemplateId=service_id, statement=item.text, **named)
        else:
            definition = {} if new_id else {"definition": self._definition(item)}
            self._call("update_policy", policyId=service_id, **definition, **named)
        if new_id:
            del self._service_ids[_key(item)]
            self._service_ids[item.kind is Kind.TEMPLATE, new_id] = service_id

    def _delete(self, item: Item) -> None:
        service_id = self._service_ids.pop(_key(item))
        if item.kind is Kind.TEMPLATE:
            # The service does not say that it may be gone already, as it is where the answer to a deletion was lost.
            with suppress(self._caller.client.exceptions.ResourceNotFoundException):
                self._call("delete_policy_template", policyTemplateId=service_id)
        else:
            self._call("delete_policy", policyId=service_id)

    def _definition(self, item: Item) -> dict[str, Any]:
        if item.kind is Kind.POLICY:
            return {"static": {"statement": _statement(item)}}
        values = {slot[1:]: {"entityType": kind, "entityId": uid} for slot, kind, uid in item.values}
        return {"templateLinked": {"policyTemplateId": self._service_ids[True, item.template], **values}}

    def _call(self, operation: str, **parameters: Any) -> Any:
        return self._caller.call(operation, policyStoreId=self._store, **parameters)


def _statement(item: Item) -> str:
    """What the service gets: a copy has a longer id than what it is a copy of, and may be too long with it.

    Its name is what it is known by, so that its ``@id`` may be empty.
    """
    return item.text if len(item.text.encode()) <= MAX_POLICY_BYTES else with_id(item.text, "")


def _key(item: Item) -> tuple[bool, str]:
    """Templates have names of their own."""
    return item.kind is Kind.TEMPLATE, item.id
