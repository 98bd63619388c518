"""Reads a policy store with the management API: in as few calls as it takes, and never half of a change.

A listing is no snapshot: while its pages are read, a policy may be replaced by one that belongs on a page before. So it
is read until two passes agree (rule G5). The text of a statement is fetched only where its date has changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django_avp.engines.synced.calling import Caller
from django_avp.engines.synced.content import Content, Listed, Source
from django_avp.exceptions import AuthorizationUnavailable

__all__ = ["Puller"]

_PAGE = 50
_BATCH = 100
_MOST_PASSES = 8
# Writes are consistent within seconds; what is younger is fetched again the next time.
_SETTLING = timedelta(seconds=10)


class Puller:
    """Reads one store.

    Args:
        client: boto3's client.
        store: the policy store's id or alias.
        pause: waits for some seconds; raises to give up.
        begin: called before each attempt of a call; raises to give up.
    """

    def __init__(
        self,
        client: Any,
        store: str,
        pause: Callable[[float], object] = time.sleep,
        begin: Callable[[], object] = lambda: None,
    ) -> None:
        self._client = client
        self._store = store
        self._call = Caller(client, pause, begin).call

    def pull(self, known: Content | None = None, known_at: float = 0.0) -> Content:
        """Read what the store has now.

        Args:
            known: what was read before; what has not changed since is not fetched again.
            known_at: when that was, in seconds since the epoch.

        Raises:
            ClientError, BotoCoreError: the service cannot be asked.
            AuthorizationUnavailable: the store changes faster than it can be read.
        """
        previous = replace(known, texts={}) if known else None
        settled = datetime.fromtimestamp(known_at, UTC) - _SETTLING
        for _ in range(_MOST_PASSES):
            listed = self._listing()
            if listed == previous:
                texts = self._texts(listed, known or Content(), settled)
                if texts is not None:
                    return replace(listed, texts=texts)
            previous = listed
        raise AuthorizationUnavailable(f"The policy store changed {_MOST_PASSES} times while it was read.")

    # Listings

    def _listing(self) -> Content:
        """One pass over everything, without the texts. Templates come first: a link is listed after its own."""
        templates = {
            item["policyTemplateId"]: Listed(item["lastUpdatedDate"].isoformat(), item.get("name", ""))
            for item in self._pages("list_policy_templates", "policyTemplates")
        }
        policies = {item["policyId"]: _listed(item) for item in self._pages("list_policies", "policies")}
        sources = [_source(item) for item in self._pages("list_identity_sources", "identitySources")]
        return Content(policies, templates, {}, self._schema(), next(iter(sources), None))

    def _pages(self, operation: str, member: str) -> Iterator[Mapping[str, Any]]:
        following: dict[str, str] = {}
        while True:
            answer = self._call(operation, policyStoreId=self._store, maxResults=_PAGE, **following)
            yield from answer[member]
            if not answer.get("nextToken"):
                return
            following = {"nextToken": answer["nextToken"]}

    def _schema(self) -> str | None:
        try:
            schema: str = self._call("get_schema", policyStoreId=self._store)["schema"]
        except self._client.exceptions.ResourceNotFoundException:
            # The store itself has just been listed.
            return None
        return schema

    # Texts

    def _texts(self, listed: Content, known: Content, settled: datetime) -> dict[str, str] | None:
        """The text of every statement; ``None`` if one has changed since it was listed."""

        def is_known(identifier: str, item: Listed, before: Mapping[str, Listed]) -> bool:
            is_same = identifier in known.texts and before.get(identifier) == item
            return is_same and datetime.fromisoformat(item.updated) < settled

        static = {key: item for key, item in listed.policies.items() if not item.template_id}
        wanted = [key for key, item in static.items() if not is_known(key, item, known.policies)]
        wanted_templates = [key for key, item in listed.templates.items() if not is_known(key, item, known.templates)]
        fetched = {**self._statements(wanted), **self._templates(wanted_templates)}
        items = {**static, **listed.templates}
        if any(fetched.get(key, ("", ""))[0] != items[key].updated for key in (*wanted, *wanted_templates)):
            return None
        return {key: fetched[key][1] if key in fetched else known.texts[key] for key in items}

    def _statements(self, policy_ids: list[str]) -> dict[str, tuple[str, str]]:
        """The dates and texts of static policies that are there."""
        fetched: dict[str, tuple[str, str]] = {}
        for start in range(0, len(policy_ids), _BATCH):
            requests = [{"policyStoreId": self._store, "policyId": one} for one in policy_ids[start : start + _BATCH]]
            for item in self._call("batch_get_policy", requests=requests)["results"]:
                text = item["definition"]["static"]["statement"]
                fetched[item["policyId"]] = (item["lastUpdatedDate"].isoformat(), text)
        return fetched

    def _templates(self, template_ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        fetched: dict[str, tuple[str, str]] = {}
        for template_id in template_ids:
            item = self._call("get_policy_template", policyStoreId=self._store, policyTemplateId=template_id)
            fetched[template_id] = (item["lastUpdatedDate"].isoformat(), item["statement"])
        return fetched


def _listed(item: Mapping[str, Any]) -> Listed:
    link = item["definition"].get("templateLinked")
    updated, name = item["lastUpdatedDate"].isoformat(), item.get("name", "")
    if link is None:
        return Listed(updated, name)
    values = {
        f"?{side}": {"type": link[side]["entityType"], "id": link[side]["entityId"]}
        for side in ("principal", "resource")
        if side in link
    }
    return Listed(updated, name, link["policyTemplateId"], values)


def _source(item: Mapping[str, Any]) -> Source | None:
    """An identity source of a Cognito user pool; others are not followed, so that none of their tokens is taken."""
    pool = item.get("configuration", {}).get("cognitoUserPoolConfiguration")
    if pool is None:
        return None
    return Source(
        pool=pool["userPoolArn"].rpartition("/")[2],
        client_ids=tuple(sorted(pool["clientIds"])),
        principal_type=item["principalEntityType"],
        # Source: Verified Permissions User Guide, "Working with Amazon Cognito identity sources".
        group_type=pool.get("groupConfiguration", {}).get("groupEntityType", "AWS::CognitoGroup"),
    )
