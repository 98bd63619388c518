"""Reads tables of policy tests from YAML; errors name file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from django_avp.exceptions import AvpError, PolicyError
from django_avp.policy_files import read
from django_avp.testing.inline import known
from django_avp.testing.policy_table import PolicyTable

__all__ = ["PolicyCase", "read_cases"]

_SECTIONS = ("pool", "principals", "entities", "cases")
_CASE = ("name", "principal", "action", "resource", "expected", "context", "policies", "errors")
_ROW = ("principal", "action", "resource", "expected")


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """One question of a file, and the answer that is expected.

    Attributes:
        table: the principals and entities of the file.
        line: where it stands, from 1.
        name: what it is called in reports.
        arguments: what :meth:`PolicyTable.check` takes.
    """

    table: PolicyTable = field(repr=False)
    line: int
    name: str
    arguments: Mapping[str, Any] = field(repr=False)

    def check(self) -> None:
        """Assert what is expected; raises what :meth:`PolicyTable.check` raises."""
        self.table.check(**self.arguments)


def read_cases(path: Path) -> list[PolicyCase]:
    """Read the cases of a file; a list in place of a principal, an action or a resource is one case for each of it.

    Raises:
        PolicyError: the file is not YAML or not such a table, or an entity does not conform to the schema.
    """
    return list(_File(path).cases())


class _File:
    """A file that is being read, and how far it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = read(path)
        self._line = 1

    def cases(self) -> Iterator[PolicyCase]:
        """The cases of the file."""
        with self._errors_with_line():
            self._loader = _Loader(self._text)
            sections = dict(self._children(self._loader.get_single_node(), "a table of policy tests"))
            known("a table of policy tests", sections, _SECTIONS)
            table = PolicyTable(pool=self._value(sections.get("pool")))
            for name, spec in self._children(sections.get("principals"), "principals"):
                table.add_principal(name, self._value(spec))
            for uid, spec in self._children(sections.get("entities"), "entities"):
                table.add_entity(uid, self._value(spec))
            yield from self._cases(table, sections.get("cases"))

    def _cases(self, table: PolicyTable, section: yaml.Node | None) -> Iterator[PolicyCase]:
        if section is not None:
            self._line = section.start_mark.line + 1
        if not isinstance(section, yaml.SequenceNode) or not section.value:
            raise ValueError("cases: a list is needed, of rows such as [ann, EditPhoto, 'Photo::\"1\"', allow].")
        for node in section.value:
            self._line = node.start_mark.line + 1
            for arguments in _expanded(_case(self._value(node))):
                name = arguments.pop("name")
                yield PolicyCase(table, self._line, name, arguments)

    def _children(self, node: yaml.Node | None, place: str) -> Iterator[tuple[str, yaml.Node]]:
        """The keys of a mapping with the nodes below them; each becomes the place of errors."""
        if node is None:
            return
        self._line = node.start_mark.line + 1
        if not isinstance(node, yaml.MappingNode):
            raise ValueError(f"{place}: names with values below them are needed.")
        _refuse_doubles(node)
        self._loader.flatten_mapping(node)
        for key, value in node.value:
            self._line = key.start_mark.line + 1
            yield str(self._loader.construct_object(key)), value

    def _value(self, node: yaml.Node | None) -> Any:
        return None if node is None else self._loader.construct_object(node, deep=True)

    @contextmanager
    def _errors_with_line(self) -> Iterator[None]:
        try:
            yield
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else self._line
            raise PolicyError(f"not such YAML: {error.problem}.", self._path, line) from error
        except yaml.reader.ReaderError as error:
            line = self._text.count("\n", 0, error.position) + 1
            raise PolicyError(f"not such YAML: {error.reason}.", self._path, line) from error
        except (AvpError, ValueError, TypeError) as error:
            raise PolicyError(str(error), self._path, self._line) from error


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML keeps the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        _refuse_doubles(node)
        return super().construct_mapping(node, deep)


def _refuse_doubles(node: yaml.Node) -> None:
    names: set[object] = set()
    for key, _ in node.value:
        if key.value in names:
            raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
        names.add(key.value)


def _case(spec: Any) -> dict[str, Any]:
    """A case as a mapping, whichever of the two forms it has."""
    if isinstance(spec, list):
        if len(spec) != len(_ROW):
            raise ValueError(f"case: a row has {', '.join(_ROW)}.")
        spec = dict(zip(_ROW, spec, strict=True))
    known("case", spec, _CASE)
    missing = [name for name in ("principal", "action", "expected") if spec.get(name) is None]
    if missing:
        raise ValueError(f"case: {missing[0]} is missing.")
    empty = [name for name in _ROW if spec.get(name) == []]
    if empty:
        raise ValueError(f"case: {empty[0]} is an empty list, so that nothing is tested.")
    return {"resource": None, **spec}


def _expanded(case: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The case for each principal, each action and each resource of it."""
    several = [value if isinstance(value, list) else [value] for value in (case[name] for name in _ROW[:3])]
    for principal, action, resource in product(*several):
        one = {**case, "principal": principal, "action": action, "resource": resource}
        yield {**one, "name": _name(one)}


def _name(case: Mapping[str, Any]) -> str:
    # Without `::`, at which pytest splits names.
    parts = [case.get("name"), case["principal"], case["action"], case["resource"], case["expected"]]
    texts = ["-".join(part) if isinstance(part, Mapping) else str(part) for part in parts if part is not None]
    return "-".join(text.replace('::"', "-").replace("::", ".").rstrip('"') for text in texts)
