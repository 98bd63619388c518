"""A policy store as it was read, under the ids that people know (rule G1)."""

from __future__ import annotations

from pathlib import Path

from django_avp.deployment.items import LOCK_ID, Item, Kind, State, name_of
from django_avp.deployment.schemas import schema_text
from django_avp.deployment.statements import as_item
from django_avp.engines.synced.content import Content, Listed
from django_avp.exceptions import PolicyError
from django_avp.policies import Statement

__all__ = ["state_of"]


def state_of(content: Content, store: str) -> State:
    """What a store has; the policy that says that somebody pushes is not among it.

    Args:
        content: what was read.
        store: the store's id or alias.

    Raises:
        PolicyError: Cedar cannot parse a statement, or two have one id; they are named.
    """
    templates: dict[str, Item] = {}
    template_ids: dict[str, str] = {}
    for service_id, listed in content.templates.items():
        item = _statement(store, service_id, listed, content.texts[service_id])
        template_ids[service_id] = item.id
        _put(templates, item, store)
    policies: dict[str, Item] = {}
    for service_id, listed in content.policies.items():
        if listed.name == name_of(LOCK_ID):
            continue
        if listed.template_id:
            item = _link(service_id, listed, templates[template_ids[listed.template_id]])
        else:
            item = _statement(store, service_id, listed, content.texts[service_id])
        _put(policies, item, store)
    return State(policies, templates, _usable(content.schema, store))


def _usable(schema: str | None, store: str) -> str | None:
    """A schema that Cedar parses."""
    try:
        schema_text(schema)
    except ValueError as error:
        raise PolicyError(f"{store}: the schema cannot be used: {error}. Put another one into the store.") from error
    return schema


def _statement(store: str, service_id: str, listed: Listed, text: str) -> Item:
    # Before it is parsed, the name is what there is to tell it by.
    named = listed.name.removeprefix("name/")
    statement = Statement(Path(store) / (named or service_id), 1, text)
    return as_item(statement, named, service_id)


def _link(service_id: str, listed: Listed, template: Item) -> Item:
    return Item(
        kind=Kind.LINK,
        id=listed.name.removeprefix("name/") or service_id,
        effect=template.effect,
        template=template.id,
        values=tuple(sorted((slot, value["type"], value["id"]) for slot, value in listed.values.items())),
        service_id=service_id,
    )


def _put(items: dict[str, Item], item: Item, store: str) -> None:
    if item.id in items:
        raise PolicyError(
            f'{store}: {items[item.id].service_id} and {item.service_id} are both known as "{item.id}". Give one of '
            "them a name of its own, or delete it."
        )
    items[item.id] = item
