"""The policy files of directories, as far as they can be read: what is broken becomes a finding, not the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django_avp.exceptions import PolicyError
from django_avp.policies import PolicyBuilder, load_schema, read_links
from django_avp.policy_files import LINKS_FILE, Statement, files, refuse_missing, statements
from django_avp.schema import Schema
from django_avp.validation.findings import Finding, Severity

__all__ = ["ParsedPolicy", "Sources"]


@dataclass(frozen=True, slots=True)
class ParsedPolicy:
    """A policy, a template or a link.

    Attributes:
        policy_id: its id.
        statement: its place and its text.
        document: it, in Cedar's JSON format; of a link, the template with its slots filled.
        is_template: whether it has slots.
    """

    policy_id: str
    statement: Statement
    document: Mapping[str, Any]
    is_template: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """What could be read.

    Attributes:
        policies: policies, templates and links.
        schema: the schema; ``None`` if there is none, or it is broken.
        findings: what is broken.
    """

    policies: tuple[ParsedPolicy, ...]
    schema: Schema | None
    findings: tuple[Finding, ...]

    @classmethod
    def read(cls, directories: Sequence[Path]) -> Sources:
        """Read all policy files below directories."""
        findings: list[Finding] = []
        schema = None
        try:
            refuse_missing(directories)
        except PolicyError as error:
            findings.append(Finding.of(error, Severity.ERROR, "syntax"))
        try:
            schema = load_schema(directories)
        except PolicyError as error:
            findings.append(Finding.of(error, Severity.ERROR, "schema"))
        reader = _Reader(findings)
        for path in files(directories, "*.cedar"):
            reader.read_statements(path)
        for path in files(directories, LINKS_FILE):
            reader.read_links(path)
        if not reader.policies and not findings:
            places = ", ".join(map(str, directories)) or "no directory"
            message = f"No policy found in {places}."
            findings.append(
                Finding(Severity.ERROR, "syntax", message, "Put *.cedar files there, or name their directory.", places)
            )
        return cls(tuple(reader.policies), schema, tuple(findings))


class _Reader:
    def __init__(self, findings: list[Finding]) -> None:
        self.policies: list[ParsedPolicy] = []
        self._findings = findings
        self._builder = PolicyBuilder()

    def read_statements(self, path: Path) -> None:
        for statement in self._checked(statements(path)):
            try:
                policy_id = self._builder.add(statement)
            except PolicyError as error:
                self._found(error)
            else:
                kind, document = self._builder.parsed(policy_id)
                self.policies.append(ParsedPolicy(policy_id, statement, document, kind == "templates"))

    def read_links(self, path: Path) -> None:
        templates = {policy.policy_id: policy.document for policy in self.policies if policy.is_template}
        for line, link in self._checked(read_links(path)):
            statement = Statement(path, line, json.dumps(link))
            try:
                self._builder.add_link(link, statement)
            except PolicyError as error:
                self._found(error)
            else:
                document = _filled(templates[link["templateId"]], link["values"])
                self.policies.append(ParsedPolicy(link["newId"], statement, document))

    def _checked(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items of a file; if it cannot be read, none."""
        try:
            yield from list(items)
        except PolicyError as error:
            self._found(error)

    def _found(self, error: PolicyError) -> None:
        self._findings.append(Finding.of(error, Severity.ERROR, "syntax"))


def _filled(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A template with entities in its slots, which stand in its head alone."""
    sides = {side: _scope(template[side], values.get(f"?{side}")) for side in ("principal", "resource")}
    return {**template, **sides}


def _scope(scope: Mapping[str, Any], entity: Any) -> Any:
    if "in" in scope:
        return {**scope, "in": _scope(scope["in"], entity)}
    kept = {name: value for name, value in scope.items() if name != "slot"}
    return {**kept, "entity": entity} if "slot" in scope else scope
