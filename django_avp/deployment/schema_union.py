"""The schema that declares everything of two others, in Cedar's JSON format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import cedarpy

from django_avp.schema_json import short_document

__all__ = ["union"]


def union(old: str, new: str, *, has_new_parents: bool = False) -> str:
    """Everything of both, by their declarations; what only the old one requires is optional.

    Parents are the exception: no policy can tell which types of parents a request has, so that none could forbid those
    that only one schema declares. They are refused instead.

    Args:
        old: a schema in Cedar's JSON format.
        new: another one.
        has_new_parents: whether parents that only the new one declares are taken.

    Raises:
        ValueError: they declare one thing differently.
    """
    return json.dumps(_namespaces(_document(old), _document(new), has_new_parents))


def _document(text: str) -> dict[str, Any]:
    """A schema in one way of writing it, whichever way it came."""
    return short_document(cedarpy.Schema.from_json_str(text))


def _namespaces(old: Mapping[str, Any], new: Mapping[str, Any], has_new_parents: bool) -> dict[str, Any]:
    merge_entity = partial(_entity, has_new_parents)
    return {
        namespace: {
            kind: _both(
                old.get(namespace, {}).get(kind, {}),
                new.get(namespace, {}).get(kind, {}),
                merge,
            )
            for kind, merge in (("commonTypes", _type), ("entityTypes", merge_entity), ("actions", _action))
        }
        for namespace in {**old, **new}
    }


def _both(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    merge: Callable[[Mapping[str, Any], Mapping[str, Any], str], dict[str, Any]],
) -> dict[str, Any]:
    return {
        name: merge(old[name], new[name], name) if name in old and name in new else {**old, **new}[name]
        for name in {**old, **new}
    }


def _entity(has_new_parents: bool, old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> dict[str, Any]:
    if "enum" in old or "enum" in new:
        if not ("enum" in old and "enum" in new):
            raise ValueError(f"{name} is an enumeration in one schema and none in the other")
        return {"enum": _joined(old["enum"], new["enum"])}
    parents = {*new["memberOfTypes"]} if has_new_parents else {*new["memberOfTypes"]} & {*old["memberOfTypes"]}
    tags = [one["tags"] for one in (old, new) if "tags" in one]
    return {
        "memberOfTypes": sorted(parents),
        "shape": _type(old["shape"], new["shape"], name),
        **({"tags": _type(tags[0], tags[-1], f"{name}'s tags")} if tags else {}),
    }


def _action(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> dict[str, Any]:
    applied = [one["appliesTo"] for one in (old, new) if "appliesTo" in one]
    groups = {"memberOf": new["memberOf"]} if "memberOf" in new else {}
    if not applied:
        return groups
    return {
        "appliesTo": {
            **{side: _joined(applied[0][side], applied[-1][side]) for side in ("principalTypes", "resourceTypes")},
            "context": _type(applied[0]["context"], applied[-1]["context"], f"the context of {name}"),
        },
        **groups,
    }


def _type(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> dict[str, Any]:
    if old["type"] == new["type"] == "Record":
        return {**new, "attributes": _attributes(old["attributes"], new["attributes"], where)}
    if old["type"] == new["type"] == "Set":
        return {**new, "element": _type(old["element"], new["element"], where)}
    if (old["type"], old.get("name")) != (new["type"], new.get("name")):
        raise ValueError(f"{where} has one type in the old schema and another in the new one")
    return dict(new)


def _attributes(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> dict[str, Any]:
    only_old = {name: {**kind, "required": False} for name, kind in old.items() if name not in new}
    shared = {name: _type(old[name], kind, f"{where}.{name}") for name, kind in new.items() if name in old}
    return {**new, **shared, **only_old}


def _joined(old: Iterable[str], new: Iterable[str]) -> list[str]:
    return sorted({*old, *new})
