"""What a policy store has, in a form that can be written down, compared and shared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Content", "Listed", "Source"]


@dataclass(frozen=True, slots=True)
class Listed:
    """A policy or a template as a listing tells it; a link comes whole, the text of a statement apart.

    Attributes:
        updated: when it last changed, in the service's words.
        name: its name, ``name/…``; empty without one.
        template_id: the template that a link is of; empty for a statement.
        values: of a link, the entity of each slot: ``{"?principal": {"type": …, "id": …}}``.
    """

    updated: str
    name: str = ""
    template_id: str = ""
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """The store's identity source: a user pool, its app clients, and the types of its users and groups."""

    pool: str
    client_ids: tuple[str, ...]
    principal_type: str
    group_type: str


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that decides.

    Attributes:
        policies: static policies and links, by the service's ids.
        templates: by the service's ids.
        texts: the statements of policies and templates, by id.
        schema: in Cedar's JSON format; ``None`` without one.
        source: the identity source; ``None`` without one.
    """

    policies: Mapping[str, Listed] = field(default_factory=dict)
    templates: Mapping[str, Listed] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    schema: str | None = field(default=None, repr=False)
    source: Source | None = None

    def as_json(self) -> dict[str, Any]:
        """The content in JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Content:
        """What :meth:`as_json` wrote."""
        source = document["source"]
        return cls(
            policies={key: Listed(**listed) for key, listed in document["policies"].items()},
            templates={key: Listed(**listed) for key, listed in document["templates"].items()},
            texts=document["texts"],
            schema=document["schema"],
            source=Source(**{**source, "client_ids": tuple(source["client_ids"])}) if source else None,
        )

    @property
    def digest(self) -> str:
        """Tells this content from any other."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()
