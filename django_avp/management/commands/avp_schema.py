"""``manage.py avp_schema``: writes the schema that the project declares."""

from __future__ import annotations

import difflib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from django_avp.conf import conf
from django_avp.exceptions import PolicyError
from django_avp.policies import parse, parse_schema
from django_avp.policy_files import SCHEMA_FILE, Statement, files, read, refuse_gaps, statements, write_all
from django_avp.schema_files import Project, merged

__all__ = ["Command"]


class Command(BaseCommand):
    """Brings the schema file in line with what the code declares."""

    help = (
        f"Write {SCHEMA_FILE}: entity types and attributes from the registered entities, principals and groups from "
        "the settings, claims from what the policies read of them, and the actions that views, templates, API "
        "classes and AVP_PERMISSION_ACTIONS name. What only people know stays: comments, annotations, further types "
        "and actions, groups of actions, contexts, and what an action applies to."
    )
    # They would refuse to start where the schema is out of date, which is what this command mends.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the schema goes."""
        where = parser.add_mutually_exclusive_group()
        where.add_argument(
            "--check", action="store_true", help="write nothing; show the difference and fail if there is one"
        )
        where.add_argument("--print", action="store_true", help="print the schema, and write nothing")
        where.add_argument(
            "--output", type=Path, metavar="FILE", help=f"the file to write (default: {SCHEMA_FILE} in AVP_POLICIES)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the schema, or tell how it differs."""
        act = self._print if options["print"] else self._check if options["check"] else self._write
        try:
            refuse_gaps(conf.policies)
            path = _from_here(options["output"] or _path())
            text = read(path) if path.is_file() else ""
            parse_schema(Statement(path, 1, text))
            act(path, text, merged(text, _project()))
        except PolicyError as error:
            raise CommandError("\n".join(filter(None, [str(error), error.excerpt]))) from error
        except (ImproperlyConfigured, ValueError) as error:
            raise CommandError(str(error)) from error

    def _print(self, path: Path, text: str, wanted: str) -> None:
        self.stdout.write(wanted, ending="")

    def _check(self, path: Path, text: str, wanted: str) -> None:
        if text != wanted:
            self.stdout.write(_difference(path, text, wanted), ending="")
            raise CommandError(f"{path} is not what the project declares. Run manage.py avp_schema, and review it.")
        self.stdout.write(f"{path} is what the project declares.")

    def _write(self, path: Path, text: str, wanted: str) -> None:
        if text == wanted:
            self.stdout.write(f"{path} is what the project declares; nothing is changed.")
            return
        self.stdout.write(_difference(path, text, wanted), ending="")
        write_all({path: wanted})
        self.stdout.write(self.style.SUCCESS(f"{path} is written."))


def _project() -> Project:
    return Project.read(
        parse(statement)[1] for path in files(conf.policies, "*.cedar") for statement in statements(path)
    )


def _path() -> Path:
    """The schema of ``AVP_POLICIES``, or where it will be."""
    found = files(conf.policies, SCHEMA_FILE)
    if not found and not conf.policies:
        raise CommandError(
            f"There is no directory for {SCHEMA_FILE}. Name it in AVP_POLICIES, or name the file with --output."
        )
    return found[0] if found else Path(conf.policies[0]) / SCHEMA_FILE


def _from_here(path: Path) -> Path:
    """A path as it is told: from the current directory, if it is in there."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _difference(path: Path, text: str, wanted: str) -> str:
    before, after = text.splitlines(keepends=True), wanted.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, str(path), "avp_schema"))
