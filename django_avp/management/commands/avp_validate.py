"""``manage.py avp_validate``: what is wrong with policies, schema and the code that names actions."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from django_avp.conf import conf
from django_avp.exceptions import PolicyError
from django_avp.validation import FORMATS, Finding, Severity, findings, format_files

__all__ = ["Command"]


class Command(BaseCommand):
    """Validates policies as a compiler would."""

    help = (
        "Parse and validate every policy and template, and look for what Cedar does not: actions that code names and "
        "the schema does not know, attributes that no entity sends, policies that never apply, quotas of Verified "
        "Permissions, what lists cannot be filtered by, and files that are not formatted. Fails if it finds an error."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What is validated, and how findings are told."""
        parser.add_argument(
            "directories", nargs="*", type=Path, metavar="directory", help="with *.cedar files (default: AVP_POLICIES)"
        )
        parser.add_argument("--fix", action="store_true", help="format the files first")
        parser.add_argument(
            "--fail-level",
            choices=[severity.value for severity in Severity],
            default=Severity.ERROR.value,
            help="the least severity that fails (default: error)",
        )
        parser.add_argument(
            "--format",
            choices=[*FORMATS, "json"],
            default="text",
            help="text (file:line:column: …, the default), github (annotations of a workflow) or json",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Tell every finding, and fail if one is as bad as that."""
        try:
            directories = options["directories"] or conf.policies
            if options["fix"]:
                for path in format_files(directories):
                    self.stderr.write(f"{path} is formatted.")
            found = [_relative(finding) for finding in dict.fromkeys(findings(directories))]
        except (PolicyError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        self._tell(found, options["format"])
        errors = sum(finding.severity is Severity.ERROR for finding in found)
        summary = f"{_counted(errors, 'error')}, {_counted(len(found) - errors, 'warning')}"
        if errors or (found and options["fail_level"] == Severity.WARNING):
            raise CommandError(f"{summary}.")
        self.stderr.write(self.style.SUCCESS(f"{summary}."))

    def _tell(self, found: list[Finding], form: str) -> None:
        if form == "json":
            self.stdout.write(json.dumps([finding.document for finding in found], indent=2))
            return
        for finding in found:
            text = FORMATS[form](finding)
            style = self.style.ERROR if finding.severity is Severity.ERROR else self.style.WARNING
            self.stdout.write(style(text) if form == "text" else text)


def _relative(finding: Finding) -> Finding:
    """With a place as seen from here, which is how CI systems know files."""
    return replace(finding, place=finding.place.removeprefix(f"{Path.cwd()}/"))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
