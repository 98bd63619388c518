"""A directory of policies as what a store is to have: held against its own schema and the limits of the service."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django_avp.deployment.items import Item, Kind, State, is_reserved, name_of
from django_avp.deployment.statements import as_item
from django_avp.exceptions import PolicyError
from django_avp.policies import Policies, Statement, load
from django_avp.policy_files import MAX_POLICY_BYTES
from django_avp.schema_json import MAX_SCHEMA_BYTES, schema_json

__all__ = ["items_of", "wanted_in"]


def wanted_in(directories: Sequence[Path]) -> State:
    """What the directories say.

    Raises:
        PolicyError: there are no policies, or some that a store would not take; file, line, cause and cure are named,
            of each where there are several.
    """
    loaded = load(directories)
    if loaded.warnings:
        raise PolicyError("\n".join(f"{warning}. Correct the policy, or the schema." for warning in loaded.warnings))
    wanted = items_of(loaded)
    if wanted.schema and len(wanted.schema.encode()) > MAX_SCHEMA_BYTES:
        raise PolicyError(f"The schema has {len(wanted.schema.encode())} bytes; the service takes {MAX_SCHEMA_BYTES}.")
    return wanted


def items_of(loaded: Policies) -> State:
    """What was loaded from a directory, as a store would have it.

    Raises:
        PolicyError: a store would not take a policy.
    """
    policies: dict[str, Item] = {}
    templates: dict[str, Item] = {}
    links: list[Statement] = []
    for item_id, statement in loaded.statements.items():
        if statement.is_link:
            links.append(statement)
            continue
        item = as_item(statement)
        if not item.id:
            raise statement.error('the policy has no @id. Write @id("…") before it: what a store knows it by.')
        (templates if item.kind is Kind.TEMPLATE else policies)[item_id] = item
    for statement in links:
        item = _link_item(json.loads(statement.text), statement, templates)
        policies[item.id] = item
    faults = "\n".join(_faults([*policies.values(), *templates.values()]))
    if faults:
        raise PolicyError(faults)
    return State(policies, templates, schema_json(loaded.schema.handle) if loaded.schema else None)


def _link_item(link: Mapping[str, Any], statement: Statement, templates: Mapping[str, Item]) -> Item:
    """A template link of a file, which is in Cedar's JSON format."""
    return Item(
        kind=Kind.LINK,
        id=link["newId"],
        effect=templates[link["templateId"]].effect,
        template=link["templateId"],
        values=tuple(sorted((slot, value["type"], value["id"]) for slot, value in link["values"].items())),
        place=statement.place,
    )


def _faults(items: Iterable[Item]) -> Iterable[str]:
    for item in items:
        if is_reserved(item.id):
            yield (
                f'{item.place}: the id "{item.id}" ends as those do that avp_push gives to what stands in for another '
                "policy. Rename it."
            )
        if item.kind is Kind.LINK and not name_of(item.id):
            yield (
                f'{item.place}: the id "{item.id}" cannot be the name of a link. Use letters, digits, -, / and _, at '
                "most 145."
            )
        if len(item.text.encode()) > MAX_POLICY_BYTES:
            yield (
                f'{item.place}: the policy "{item.id}" has {len(item.text.encode())} bytes, and the service takes '
                f"{MAX_POLICY_BYTES}. Split it into several."
            )
