"""What a pull writes: each statement in the place that it has in a directory, or in a file of its own."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django_avp.cedar import quote
from django_avp.deployment.changes import Change, Verb, compared
from django_avp.deployment.files import file_for
from django_avp.deployment.items import Item, Kind, State, is_reserved
from django_avp.deployment.schemas import is_same_schema, schema_text
from django_avp.deployment.wanted import items_of
from django_avp.exceptions import PolicyError
from django_avp.policies import Policies, Statement, load, load_schema
from django_avp.policy_files import LINKS_FILE, SCHEMA_FILE, files, read, refuse_gaps, statements
from django_avp.schema_json import schema_json

__all__ = ["Pull", "pull"]


@dataclass(frozen=True, slots=True)
class Pull:
    """What a pull does.

    Attributes:
        changes: what differs; what is only in the directory and is kept among it.
        schema_before: the directory's schema, in Cedar's JSON format.
        schema: the one that it is to have; ``None`` where it stays.
        texts: what each file is to have; ``None`` for one that goes.
    """

    changes: tuple[Change, ...] = ()
    schema_before: str | None = field(default=None, repr=False)
    schema: str | None = field(default=None, repr=False)
    texts: Mapping[Path, str | None] = field(default_factory=dict, repr=False)


def pull(directories: Sequence[Path], stored: State, *, prune: bool) -> Pull:
    """Plan a pull; nothing is written.

    Args:
        directories: of policies; the first one takes what is new.
        stored: what the store has.
        prune: whether what only the directories have is removed.

    Raises:
        PolicyError: what is there cannot be read, or the store cannot be written as files.
    """
    refuse_gaps(directories)
    _refuse_what_files_cannot_hold(stored)
    loaded = _loaded(directories)
    local = items_of(loaded) if loaded else State()
    declared = load_schema(directories)
    before = schema_json(declared.handle) if declared else None
    # In a directory, an id is of one thing, whatever its kind.
    changes = tuple(
        compared({**local.templates, **local.policies}, {**stored.templates, **stored.policies}, prune=prune)
    )
    texts = _Texts(directories, loaded.statements if loaded else {})
    for change in changes:
        texts.take(change)
    schema = None if stored.schema is None or is_same_schema(before, stored.schema) else stored.schema
    if schema:
        texts.take_schema(schema)
    return Pull(changes, before, schema, texts.result())


def _loaded(directories: Sequence[Path]) -> Policies | None:
    """What the directories have; ``None`` without policies, as before the first pull."""
    return load(directories) if any(files(directories, pattern) for pattern in ("*.cedar", LINKS_FILE)) else None


def _refuse_what_files_cannot_hold(stored: State) -> None:
    left = sorted(quote(item_id)[1:-1] for item_id in (*stored.policies, *stored.templates) if is_reserved(item_id))
    if left:
        raise PolicyError(
            f"The store has what a push left that did not come to its end: {', '.join(left)}. Finish it with avp_push, "
            "and pull then."
        )
    quoting = sorted(quote(item_id)[1:-1] for item_id in (*stored.policies, *stored.templates) if "`" in item_id)
    if quoting:
        raise PolicyError(
            f"In a directory no id has a backtick, and the store has {', '.join(quoting)}. Rename it there."
        )
    for item_id in sorted(stored.policies.keys() & stored.templates.keys()):
        policy, template = stored.policies[item_id], stored.templates[item_id]
        raise PolicyError(
            f"The policy {policy.service_id} and the template {template.service_id} are both known as "
            f"{quote(item_id)}, and in a directory an id is of one. Give one of them another name."
        )


class _Texts:
    """Gathers what each file is to have."""

    def __init__(self, directories: Sequence[Path], places: Mapping[str, Statement]) -> None:
        self._directories = directories
        self._places = places
        self._statements: dict[Path, dict[Statement, str]] = defaultdict(dict)
        self._links: dict[Path, dict[str, Item | None]] = defaultdict(dict)
        self._new: dict[Path, str | None] = {}

    def take(self, change: Change) -> None:
        """Put a change into the file that it belongs to."""
        if change.verb is Verb.KEEP:
            return
        item, place = change.item, self._places.get(change.item.id)
        is_going = change.verb is Verb.DELETE
        # What becomes a link, or was one, belongs elsewhere.
        is_moving = place is not None and place.is_link is not (item.kind is Kind.LINK)
        if place is not None and (is_going or is_moving):
            self._remove(place, item.id)
        if not is_going:
            self._write(None if is_moving else place, item)

    def take_schema(self, schema: str) -> None:
        """Put the schema into its file."""
        paths = files(self._directories, SCHEMA_FILE)
        self._new[paths[0] if paths else self._directories[0] / SCHEMA_FILE] = schema_text(schema)

    def result(self) -> dict[Path, str | None]:
        """The files that differ; ``None`` for one that goes."""
        edited = {path: _edited(path, changes) for path, changes in self._statements.items()}
        linked = {path: self._linked(path, changes) for path, changes in self._links.items()}
        return {**edited, **linked, **self._new}

    def _remove(self, place: Statement, item_id: str) -> None:
        if place.is_link:
            self._links[place.path][item_id] = None
        else:
            self._statements[place.path][place] = ""

    def _write(self, place: Statement | None, item: Item) -> None:
        """Write an item in its place; without one, where what is new goes."""
        if item.kind is Kind.LINK:
            paths = files(self._directories, LINKS_FILE)
            new = paths[0] if paths else self._directories[0] / LINKS_FILE
            self._links[place.path if place else new][item.id] = item
        elif place is not None:
            self._statements[place.path][place] = item.text
        else:
            taken = (*files(self._directories, "*.cedar"), *self._new)
            self._new[file_for(item.id, self._directories[0], taken)] = f"{item.text}\n"

    def _linked(self, path: Path, changes: Mapping[str, Item | None]) -> str:
        """A file of links, by their ids."""
        before = {key: json.loads(place.text) for key, place in self._places.items() if place.path == path}
        after = {key: _link(item) for key, item in changes.items() if item}
        links = {key: link for key, link in {**before, **after}.items() if changes.get(key, link)}
        return json.dumps([links[key] for key in sorted(links)], indent=2, ensure_ascii=False) + "\n"


def _link(item: Item) -> dict[str, object]:
    values = {slot: {"type": kind, "id": uid} for slot, kind, uid in item.values}
    return {"templateId": item.template, "newId": item.id, "values": values}


def _edited(path: Path, changes: Mapping[Statement, str]) -> str | None:
    """A file with other statements in some places; ``None`` if nothing is left of it."""
    text, parts, cursor = read(path), [], 0
    for statement in statements(path):
        begin = text.index(statement.text, cursor)
        new = changes.get(statement, statement.text)
        # What goes takes the blank before it along.
        parts += [text[cursor:begin], new] if new else []
        cursor = begin + len(statement.text)
    edited = "".join([*parts, text[cursor:]]).lstrip("\n")
    if not edited.strip():
        return None
    return edited.replace("\n", "\r\n") if b"\r\n" in path.read_bytes() else edited
