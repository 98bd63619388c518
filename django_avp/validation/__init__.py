"""What is wrong with policies, schema and code, told before anybody is asked: the findings of ``avp_validate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from django_avp.policy_files import SCHEMA_FILE, files
from django_avp.schema import Schema
from django_avp.usage import all_uses
from django_avp.validation.actions import inapplicable_actions, unknown_actions
from django_avp.validation.findings import FORMATS, Finding, Severity
from django_avp.validation.formatting import format_files, format_findings
from django_avp.validation.limits import limit_findings
from django_avp.validation.lists import list_findings
from django_avp.validation.policies import policy_findings
from django_avp.validation.sources import Sources

__all__ = ["FORMATS", "Finding", "Severity", "findings", "format_files"]


def findings(directories: Sequence[Path]) -> Iterator[Finding]:
    """All that is wrong with the policy files below directories, and with the code that they decide for.

    What depends on a schema is looked at only with one.
    """
    sources = Sources.read(directories)
    yield from sources.findings
    if sources.schema is not None:
        yield from policy_findings(sources.policies, sources.schema)
        yield from _code_findings(sources.schema)
        yield from list_findings(sources.policies, sources.schema)
    elif sources.policies and not files(directories, SCHEMA_FILE):
        hint = "Write one with manage.py avp_schema."
        message = "there is no schema, so that misspelt actions and attributes are not told."
        yield Finding(Severity.WARNING, "no-schema", message, hint, str(directories[0]))
    yield from limit_findings(sources, next(iter(files(directories, SCHEMA_FILE)), None))
    yield from format_findings(directories)


def _code_findings(schema: Schema) -> Iterator[Finding]:
    uses = tuple(all_uses())
    for place, problem, cure in unknown_actions(schema, uses):
        yield Finding(Severity.ERROR, "unknown-action", problem, cure, place)
    for place, problem, cure in inapplicable_actions(schema, uses):
        yield Finding(Severity.ERROR, "inapplicable-action", problem, cure, place)
