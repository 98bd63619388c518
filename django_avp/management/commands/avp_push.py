"""``manage.py avp_push``: brings a policy store into line with a directory, and opens nothing on the way."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_avp.deployment.command_line import add_options, agreed, answering, directories_of, store_of
from django_avp.deployment.explaining import WRITING_PERMISSIONS
from django_avp.deployment.planning import Plan, plan
from django_avp.deployment.pushing import Push, Reading
from django_avp.deployment.reporting import as_document, as_lines, source_line
from django_avp.deployment.wanted import wanted_in
from django_avp.engines.verified_permissions.client import Connection

__all__ = ["Command"]


class Command(BaseCommand):
    """Pushes policies, templates, links and the schema into a policy store."""

    help = (
        "Bring a policy store into line with a directory of policies: show the plan, ask, and make it step by step, in "
        "an order in which no call in between allows what neither the old policies allow nor the new ones. It can be "
        "interrupted and run again. Exit codes: 0 done, or nothing to do; 1 not done, or something to do with --check; "
        "130 interrupted."
    )
    # They hold the site against the policies of its settings, which need not be those that are pushed.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options."""
        add_options(parser, prune="delete what only the store has")
        parser.add_argument(
            "--settle",
            type=_seconds,
            default=5.0,
            metavar="SECONDS",
            help="wait so long after each phase, and until the store shows it (default: %(default)s)",
        )
        parser.add_argument("--take-over", action="store_true", help="take the place of another push, which was killed")
        parser.add_argument(
            "--allow-unsafe-schema",
            action="store_true",
            help="put a schema that requests may be decided by before the policies that belong to it are there",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, plan, ask, push."""
        directories, store = directories_of(options), store_of(options)
        with answering(store, WRITING_PERMISSIONS):
            wanted = wanted_in(directories)
            client = Connection().client()
            reading = Reading(client, store)
            made = plan(
                reading.read(),
                wanted,
                prune=options["prune"],
                allow_unsafe_schema=options["allow_unsafe_schema"],
            )
            is_text = options["format"] == "text"
            if is_text:
                self._show(store, reading, made)
            # The lock of a push that was killed at its end is taken away, too.
            if (made.steps or options["take_over"]) and not (options["dry_run"] or options["check"]):
                agreed(f"Push into {store}?", options)
                push = Push(client, store, settle=options["settle"], report=self._progress)
                push.run(made, reading, take_over=options["take_over"])
            result = _result(made, options)
            self._write(f"{store}: {result}." if is_text else _json(store, made, result))
        if made.steps and options["check"]:
            raise CommandError(f"{store} is not as {', '.join(map(str, directories))} says: {len(made.steps)} calls.")

    def _show(self, store: str, reading: Reading, made: Plan) -> None:
        number = len(made.current.policies)
        self._write(f"{store}: {number} policies; {source_line(reading.content.source)}")
        for line in as_lines(made):
            self._write(line)
        if reading.is_locked:
            self._write("Somebody pushes, or was killed while pushing: see --take-over.")

    def _progress(self, line: str) -> None:
        # Beside the report, which may be JSON.
        self.stderr.write(line, self.style.NOTICE)
        self.stderr.flush()

    def _write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _seconds(text: str) -> float:
    """An argument that is a time; what it raises otherwise is told by the parser."""
    seconds = float(text)
    if seconds < 0:
        raise ArgumentTypeError("A time is not negative.")
    return seconds


def _result(made: Plan, options: dict[str, Any]) -> str:
    if not made.steps:
        return "nothing to do"
    return "nothing was done" if options["dry_run"] or options["check"] else "pushed and read back"


def _json(store: str, made: Plan, result: str) -> str:
    return json.dumps({"store": store, "result": result, **as_document(made)}, indent=2)
