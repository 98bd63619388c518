"""A finding: what is wrong, where, and what to do about it, in the forms that people and CI systems read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any

from django_avp.exceptions import PolicyError

__all__ = ["FORMATS", "Finding", "Severity"]


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = auto()
    """Something is not decided, or not as it is written."""
    WARNING = auto()
    """It is decided, but maybe not as it is meant, or not everywhere."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong at a place.

    Attributes:
        severity: how bad it is.
        code: the kind of finding, ``"unknown-action"``.
        message: what is wrong, a sentence.
        hint: what to do about it, a sentence; empty if the message says so.
        place: a file, ``file:line``, or the dotted path of code.
        column: from 1; 0 if that is not known.
        excerpt: the line with a caret below the column; empty if that is not known.
    """

    severity: Severity
    code: str
    message: str
    hint: str = ""
    place: str = ""
    column: int = 0
    excerpt: str = ""

    @classmethod
    def of(cls, error: PolicyError, severity: Severity, code: str) -> Finding:
        """The finding that an error is."""
        place = "" if error.path is None else f"{error.path}:{error.line}" if error.line else str(error.path)
        return cls(severity, code, error.cause, place=place, column=error.column, excerpt=error.excerpt)

    @property
    def text(self) -> str:
        """As compilers write it: ``file:line:column: error: …``, the line with a caret, and the hint."""
        place = f"{self.place}:{self.column}" if self.column else self.place
        head = f"{place}: {self.severity}: {self.message} [{self.code}]"
        hint = f"hint: {self.hint}" if self.hint else ""
        return "\n    ".join(line for part in (head, self.excerpt, hint) if part for line in part.split("\n"))

    @property
    def annotation(self) -> str:
        """A command of GitHub's workflows, which shows the finding beside the line."""
        file, _, line = self.place.rpartition(":")
        known = {"file": file, "line": line, "col": self.column or ""} if line.isdecimal() else {"file": self.place}
        properties = ",".join(f"{name}={_escaped(str(value), ',:')}" for name, value in known.items() if value)
        message = " ".join(filter(None, [self.message, self.hint]))
        return f"::{self.severity} {properties},title={self.code}::{_escaped(message)}"

    @property
    def document(self) -> Mapping[str, Any]:
        """The finding in JSON's types."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "place": self.place,
            "column": self.column,
            "message": self.message,
            "hint": self.hint,
        }


def _escaped(text: str, characters: str = "") -> str:
    """Source: GitHub Actions documentation, "Workflow commands"."""
    for character in f"%\r\n{characters}":
        text = text.replace(character, f"%{ord(character):02X}")
    return text


FORMATS: Mapping[str, Callable[[Finding], str]] = {
    "text": lambda finding: finding.text,
    "github": lambda finding: finding.annotation,
}
"""Formats of a line or some for each finding, beside ``json``."""
