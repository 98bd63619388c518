"""How policy files are laid out: as Cedar's own formatter does it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cedarpy

from django_avp.exceptions import PolicyError
from django_avp.policy_files import MAX_NESTING, comments, files, nesting, read, statements, write_all
from django_avp.validation.findings import Finding, Severity

__all__ = ["format_files", "format_findings"]


def format_findings(directories: Sequence[Path]) -> Iterator[Finding]:
    """The files that are not laid out as Cedar's formatter would."""
    for path, _ in _changed(directories):
        hint = "Run manage.py avp_validate --fix."
        yield Finding(Severity.WARNING, "format", "the file is not formatted.", hint, str(path))


def format_files(directories: Sequence[Path]) -> list[Path]:
    """Format the files that are not; one that is broken is left as it is.

    Returns:
        The files that were written.

    Raises:
        PolicyError: one cannot be written; none was changed.
    """
    changed = dict(_changed(directories))
    write_all(changed)
    return list(changed)


def _changed(directories: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """The files that the formatter changes, with what it makes of them, if that says the same."""
    for path in files(directories, "*.cedar"):
        try:
            text = read(path)
            if any(nesting(statement.text) > MAX_NESTING for statement in statements(path)):
                # The formatter would end the process.
                continue
            formatted = cedarpy.format_policies(text)
            is_same = _meaning(formatted) == _meaning(text) and comments(formatted) == comments(text)
        except (PolicyError, ValueError, RecursionError):
            continue
        if formatted != text and is_same:
            yield path, formatted


def _meaning(text: str) -> Any:
    return json.loads(cedarpy.policies_to_json_str(text))
