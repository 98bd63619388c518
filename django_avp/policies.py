"""Policy files to Cedar: reads a directory of ``*.cedar`` files, its schema and its template links into one bundle.

Errors name the file, the line, the cause and the cure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cedarpy

from django_avp.exceptions import PolicyError
from django_avp.references import References
from django_avp.schema import Schema

__all__ = ["Policies", "Statement", "fingerprint", "load", "statements"]

SCHEMA_FILE = "schema.cedarschema"
LINKS_FILE = "template-links.json"

# Strings and comments are stepped over whole: a `;` in them does not end a statement.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|;', re.DOTALL)
_COMMENTS = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*', re.DOTALL)
_QUOTED = re.compile(r"`([^`]+)`|: (\w+)$")


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy or template as it stands in a file; ``line`` is the one its own text begins on, from 1."""

    path: Path
    line: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Policies:
    """Parsed policies, ready to evaluate.

    Attributes:
        policy_set: cedarpy's handle; policy ids are the ``@id`` annotations.
        schema: the schema, if there is one.
        statements: where each policy, template and link comes from, by id.
        forbids: ids of the policies (links too) whose effect is ``forbid``.
        references: which references the policies follow (rule A1).
        warnings: what cedarpy's validation against the schema found, as ``file:line: text``.
    """

    policy_set: cedarpy.PolicySet
    schema: Schema | None
    statements: Mapping[str, Statement]
    forbids: frozenset[str]
    references: References
    warnings: tuple[str, ...] = field(default=())


def load(directories: Sequence[Path]) -> Policies:
    """Read every ``*.cedar`` file below ``directories``, the schema and the template links.

    Raises:
        PolicyError: no policies, a file that cannot be parsed, an id used twice, a link without its template, or the
            function ``unknown``, which would make a residual where a decision belongs (rule A6).
    """
    schema = _load_schema(directories)
    parsed = _Parsed()
    for path in _files(directories, "*.cedar"):
        for statement in statements(path):
            parsed.add(statement)
    for path in _files(directories, LINKS_FILE):
        parsed.add_links(path)
    if not parsed.statements:
        places = ", ".join(str(directory) for directory in directories) or "no directory"
        raise PolicyError(
            f"No policy found in {places}. Put *.cedar files there, or name their directory in AVP_POLICIES."
        )
    return parsed.finish(schema)


def fingerprint(directories: Sequence[Path]) -> tuple[object, ...]:
    """A value that changes when a policy file, the schema or the links change."""
    files = [path for pattern in ("*.cedar", SCHEMA_FILE, LINKS_FILE) for path in _files(directories, pattern)]
    return tuple((path, stat.st_mtime_ns, stat.st_size) for path in files for stat in [path.stat()])


def statements(path: Path) -> Iterator[Statement]:
    """Split a file into its policies by source text, comments kept.

    Raises:
        PolicyError: the file cannot be read.
    """
    text = _read(path)
    start = 0
    for piece in _PIECE.finditer(text):
        if piece[0] == ";":
            yield _statement(path, text, start, piece.end())
            start = piece.end()
    if _without_comments(text[start:]).strip():
        yield _statement(path, text, start, len(text))


def _statement(path: Path, text: str, start: int, end: int) -> Statement:
    code = _without_comments(text[start:end])
    begin = start + len(code) - len(code.lstrip())
    return Statement(path, text.count("\n", 0, begin) + 1, text[start:end].strip())


def _without_comments(text: str) -> str:
    """Blank comments out, so that positions stay."""
    return _COMMENTS.sub(lambda match: match[1] or " " * len(match[0]), text)


def _files(directories: Iterable[Path], pattern: str) -> list[Path]:
    return [path for directory in directories for path in sorted(directory.rglob(pattern))]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read as UTF-8 text ({error.__class__.__name__}).") from error


def _load_schema(directories: Sequence[Path]) -> Schema | None:
    paths = _files(directories, SCHEMA_FILE)
    if len(paths) > 1:
        raise PolicyError(f"{paths[1]}: a second schema beside {paths[0]}. A policy store has one; merge them.")
    for path in paths:
        text = _read(path)
        try:
            return Schema.parse(text)
        except ValueError as error:
            raise PolicyError(f"{path}:{_line(text, str(error))}: {error}.") from error
    return None


class _Parsed:
    """Policies in Cedar's JSON format, gathered from files under their own ids."""

    def __init__(self) -> None:
        self.statements: dict[str, Statement] = {}
        self._document: dict[str, Any] = {"staticPolicies": {}, "templates": {}, "templateLinks": []}

    def add(self, statement: Statement) -> None:
        for kind, policy in _parse(statement):
            if _calls_unknown(policy):
                raise PolicyError(
                    f"{_place(statement)}: the function unknown(…) is not a part of a policy. Remove it: with it "
                    "a policy is neither true nor false."
                )
            policy_id = policy.get("annotations", {}).get("id") or f"{statement.path.stem}:{statement.line}"
            self._claim(policy_id, statement)
            self._document[kind][policy_id] = policy

    def add_links(self, path: Path) -> None:
        text = _read(path)
        try:
            for link in json.loads(text):
                line = text[: text.find(json.dumps(link["newId"]))].count("\n") + 1
                if link["templateId"] not in self._document["templates"]:
                    raise PolicyError(f"{path}:{line}: there is no template with @id({json.dumps(link['templateId'])}).")
                self._claim(link["newId"], Statement(path, line, json.dumps(link)))
                self._document["templateLinks"].append({key: link[key] for key in ("newId", "templateId", "values")})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PolicyError(
                f"{path}: not a list of template links ({error}). Each is an object of templateId, newId and values."
            ) from error

    def finish(self, schema: Schema | None) -> Policies:
        try:
            policy_set = cedarpy.PolicySet.from_json_str(json.dumps(self._document))
        except ValueError as error:
            places = sorted({str(link.path) for link in self.statements.values() if link.path.name == LINKS_FILE})
            raise PolicyError(f"{', '.join(places)}: {error}.") from error
        effects = {
            policy_id: policy["effect"]
            for kind in ("staticPolicies", "templates")
            for policy_id, policy in self._document[kind].items()
        }
        effects.update({link["newId"]: effects[link["templateId"]] for link in self._document["templateLinks"]})
        return Policies(
            policy_set=policy_set,
            schema=schema,
            statements=self.statements,
            forbids=frozenset(policy_id for policy_id, effect in effects.items() if effect == "forbid"),
            references=References.of(self._document),
            warnings=tuple(self._validate(schema)) if schema else (),
        )

    def _claim(self, policy_id: str, statement: Statement) -> None:
        if policy_id in self.statements:
            raise PolicyError(
                f"{_place(statement)}: @id({json.dumps(policy_id)}) is used already at "
                f"{_place(self.statements[policy_id])}. Ids are unique; rename one."
            )
        self.statements[policy_id] = statement

    def _validate(self, schema: Schema) -> Iterator[str]:
        for statement in self.statements.values():
            if statement.path.suffix == ".cedar":
                for error in cedarpy.validate_policies(statement.text, schema.handle).errors:
                    yield f"{_place(statement)}: {error.error}"


def _parse(statement: Statement) -> list[tuple[str, dict[str, Any]]]:
    try:
        document = json.loads(cedarpy.policies_to_json_str(statement.text))
    except ValueError as error:
        line = statement.line + _line(statement.text[_code_start(statement.text) :], str(error)) - 1
        raise PolicyError(f"{statement.path}:{line}: {error}.") from error
    return [(kind, policy) for kind in ("staticPolicies", "templates") for policy in document[kind].values()]


def _code_start(text: str) -> int:
    code = _without_comments(text)
    return len(code) - len(code.lstrip())


def _place(statement: Statement) -> str:
    return f"{statement.path}:{statement.line}"


def _line(text: str, message: str) -> int:
    """The line that a message of cedarpy is about: it names no place, but often the token, which may occur once."""
    if "unexpected end" in message:
        return text.rstrip().count("\n") + 1
    quoted = _QUOTED.search(message)
    token = (quoted[1] or quoted[2]) if quoted else ""
    code = _without_comments(text)
    places = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(token)}(?!\w)", code)] if token else []
    return code.count("\n", 0, places[0]) + 1 if len(places) == 1 else 1


def _calls_unknown(node: object) -> bool:
    """Whether an expression in Cedar's JSON format calls ``unknown``; Records and Sets may use the word as data."""
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            if isinstance(item.get("unknown"), list):
                return True
            stack.extend(item["Record"].values() if isinstance(item.get("Record"), dict) else item.values())
    return False
