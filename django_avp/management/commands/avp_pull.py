"""``manage.py avp_pull``: writes what a policy store has into a directory of policy files."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_avp.deployment.changes import Verb
from django_avp.deployment.command_line import add_options, agreed, answering, directories_of, store_of
from django_avp.deployment.pulling import Pull, pull
from django_avp.deployment.pushing import Reading
from django_avp.deployment.reporting import change_document, change_lines, schema_lines, source_line
from django_avp.engines.synced.content import Source
from django_avp.engines.synced.stores import READING_PERMISSIONS
from django_avp.engines.verified_permissions.client import Connection
from django_avp.policy_files import fingerprint, write_all

__all__ = ["Command"]

_WHY = {Verb.KEEP: " (only in the directory; --prune removes it)"}


class Command(BaseCommand):
    """Pulls policies, templates, links and the schema out of a policy store."""

    help = (
        "Write what a policy store has into a directory: each statement in the place that it has there already, or in "
        "a file of its own. Files are written as a whole, all of them or none. Exit codes: 0 done, or nothing to do; 1 "
        "not done, or something to do with --check."
    )
    # Without policies they fail, and this is how a site may get its first ones.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The options."""
        add_options(parser, prune="remove what only the directory has")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, compare, ask, write."""
        directories, store = directories_of(options), store_of(options)
        with answering(store, READING_PERMISSIONS):
            reading = Reading(Connection().client(), store)
            stored = reading.read()
            if reading.is_locked:
                raise CommandError(
                    f"{store}: somebody pushes, so what is there is neither old nor new. Wait for its end; if it was "
                    "killed, finish it with avp_push --take-over."
                )
            marks = fingerprint(directories)
            pulled = pull(directories, stored, prune=options["prune"])
            is_text, is_writing = options["format"] == "text", not (options["dry_run"] or options["check"])
            if is_text:
                self._show(store, pulled, reading.content.source)
            if pulled.texts and is_writing:
                agreed(f"Write {len(pulled.texts)} files?", options)
                if fingerprint(directories) != marks:
                    raise CommandError("The files have changed since they were read. Nothing was done; run it again.")
                write_all(pulled.texts)
            result = "nothing to do" if not pulled.texts else "written" if is_writing else "nothing was done"
            self.stdout.write(
                f"{store}: {result}." if is_text else _json(store, pulled, result, reading.content.source)
            )
        if pulled.texts and options["check"]:
            raise CommandError(f"{', '.join(map(str, directories))}: not as {store} is, in {len(pulled.texts)} files.")

    def _show(self, store: str, pulled: Pull, source: Source | None) -> None:
        self.stdout.write(f"{store}: {source_line(source)}")
        for line in change_lines(pulled.changes, _WHY):
            self.stdout.write(line)
        if pulled.schema:
            for line in schema_lines(pulled.schema_before, pulled.schema):
                self.stdout.write(line)
        for path, text in pulled.texts.items():
            self.stdout.write(f"{'removes' if text is None else 'writes'} {path}")


def _json(store: str, pulled: Pull, result: str, source: Source | None) -> str:
    document = {
        "store": store,
        "result": result,
        "changes": [change_document(change) for change in pulled.changes if change.verb is not Verb.KEEP],
        "kept": [change.item.id for change in pulled.changes if change.verb is Verb.KEEP],
        "schema": "unchanged" if pulled.schema is None else "change" if pulled.schema_before else "create",
        "files": {str(path): "remove" if text is None else "write" for path, text in pulled.texts.items()},
        "identity_source": source and asdict(source),
    }
    return json.dumps(document, indent=2)
