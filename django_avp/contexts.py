"""The context of a check: Python values in Cedar's JSON format, and the entities that they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django_avp.entities import registry
from django_avp.entities.world import Start, with_uids
from django_avp.values import Unholdable, has_reserved_key, to_value

__all__ = ["CheckContext"]


@dataclass(frozen=True, slots=True)
class CheckContext:
    """A context in Cedar's JSON format, and the entities that it holds."""

    record: Mapping[str, Any]
    starts: tuple[Start, ...] = ()

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> CheckContext:
        """Convert a context of Python values.

        Raises:
            ValueError: it uses the key ``token``, which is the access token's.
            TypeError: a value of a type that Cedar does not have.
            Unholdable: it spells one of Cedar's JSON escapes.
        """
        if "token" in context:
            raise ValueError('The context key "token" is reserved for the claims of the access token; rename yours.')
        if has_reserved_key(context):
            # Request data must not spell an entity (rule A6).
            raise Unholdable("a mapping that spells a Cedar escape")
        found: dict[tuple[str, ...], Any] = {}
        record = to_value(with_uids(context, (), found, registry))
        return cls(record, tuple((uid, "context", path) for path, targets in found.items() for uid in targets))
