"""A policy store as Cedar evaluates it in process, at the moment that it was read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import cedarpy

from django_avp.engines.synced.content import Content, Listed
from django_avp.exceptions import PolicyError
from django_avp.identity import Identity, IdentitySource
from django_avp.policies import Policies, PolicyBuilder, Statement
from django_avp.schema import Schema

__all__ = ["Snapshot"]

_ID = re.compile(r'@id\("([^"\\]+)"\)')


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What a store had, parsed.

    Attributes:
        content: what was read.
        digest: tells the content from any other.
        policies: its policies and schema, under the service's own ids (rule G1).
        pulled_at: when the reading began that last found it so, in seconds since the epoch.
    """

    content: Content = field(repr=False)
    digest: str
    policies: Policies = field(repr=False)
    pulled_at: float

    @classmethod
    def of(cls, content: Content, store: str, pulled_at: float) -> Snapshot:
        """Parse what was read.

        Raises:
            PolicyError: Cedar cannot parse a policy or the schema; it is named.
        """
        builder = PolicyBuilder()
        for template_id, listed in content.templates.items():
            builder.add(_statement(store, template_id, listed, content.texts[template_id]), template_id)
        for policy_id, listed in content.policies.items():
            if listed.template_id:
                link = {"newId": policy_id, "templateId": listed.template_id, "values": listed.values}
                builder.add_link(link, _statement(store, policy_id, listed, json.dumps(link)))
            else:
                builder.add(_statement(store, policy_id, listed, content.texts[policy_id]), policy_id)
        # The identity source decides, too: what was decided under another one is not remembered under this.
        policies = replace(builder.build(_schema(content, store)), digest=content.digest)
        return cls(content, content.digest, policies, pulled_at)

    def accepts(self, identity: Identity) -> bool:
        """Whether the store takes the tokens of an identity: those of its pool, its clients and its types (rule C10).

        Who has no token is asked about by the entity alone, as the service does.
        """
        if not identity.has_token:
            return True
        source = self.content.source
        if source is None or identity.source != IdentitySource(source.pool, source.principal_type, source.group_type):
            return False
        return not source.client_ids or identity.client_id in source.client_ids


def _statement(store: str, identifier: str, listed: Listed, text: str) -> Statement:
    """A statement whose place is what people know it by: its name, else its ``@id``, else its id (rule G1)."""
    annotated = _ID.search(text)
    name = listed.name.removeprefix("name/") or (annotated[1] if annotated else identifier)
    return Statement(Path(store) / name, 1, text)


def _schema(content: Content, store: str) -> Schema | None:
    if content.schema is None:
        return None
    try:
        return Schema.of(cedarpy.Schema.from_json_str(content.schema))
    except ValueError as error:
        raise PolicyError(f"{store}: the schema cannot be used: {error}. Put another one into the store.") from error
