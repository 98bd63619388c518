"""What Amazon Verified Permissions would not take, though Cedar does.

Source: Verified Permissions User Guide, "Quotas"; the defaults, some of which AWS raises on request.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django_avp.policy_files import MAX_POLICY_BYTES
from django_avp.schema import Schema
from django_avp.schema_json import MAX_SCHEMA_BYTES, schema_json
from django_avp.validation.findings import Finding, Severity
from django_avp.validation.sources import ParsedPolicy, Sources

__all__ = ["limit_findings"]

_MOST_TEMPLATES = 40


def limit_findings(sources: Sources, schema_path: Path | None) -> Iterator[Finding]:
    """What is over a quota of the service."""
    for policy in sources.policies:
        size = len(policy.statement.text.encode())
        if size > MAX_POLICY_BYTES and not policy.statement.is_link:
            yield _finding(f"the policy has {size:,} bytes", f"{MAX_POLICY_BYTES:,}", policy)
    templates = [policy for policy in sources.policies if policy.is_template]
    if len(templates) > _MOST_TEMPLATES:
        yield _finding(f"there are {len(templates)} templates", str(_MOST_TEMPLATES), templates[_MOST_TEMPLATES])
    size = _size(sources.schema)
    if size > MAX_SCHEMA_BYTES:
        message = f"the schema has {size:,} bytes in JSON, and Verified Permissions takes {MAX_SCHEMA_BYTES:,}."
        yield Finding(Severity.WARNING, "limit", message, place=str(schema_path))


def _finding(found: str, most: str, policy: ParsedPolicy) -> Finding:
    message = f"{found}, and Verified Permissions takes {most}."
    return Finding(Severity.WARNING, "limit", message, place=policy.statement.place)


def _size(schema: Schema | None) -> int:
    return len(schema_json(schema.handle).encode()) if schema else 0
