"""Declarations as they are written in a schema file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from django.core.exceptions import ImproperlyConfigured

from django_avp.cedar import quote
from django_avp.schema import Attribute, RecordType, SetType, Type
from django_avp.schema_files.project import DeclaredAction, DeclaredEntity, Project

__all__ = [
    "STEP",
    "action_text",
    "applies_to",
    "attribute_lines",
    "entity_text",
    "indented",
    "parents_text",
    "told",
    "type_text",
]

STEP = "  "
"""How far what is in a declaration or a namespace is indented."""

_IDENTIFIER = re.compile(r"[_a-zA-Z]\w*", re.ASCII)


def type_text(kind: Type, namespace: str, indent: str = "") -> str:
    """A type, as it is written in a namespace."""
    if isinstance(kind, SetType):
        return f"Set<{type_text(kind.element, namespace, indent)}>"
    if isinstance(kind, RecordType):
        lines = "".join(attribute_lines(kind.attributes, namespace, f"{indent}{STEP}"))
        return f"{{\n{lines}{indent}}}" if lines else "{}"
    return _relative(kind.name, namespace)


def attribute_lines(attributes: Mapping[str, Attribute], namespace: str, indent: str) -> Iterator[str]:
    """Attributes in order, a line for each, or several for a Record."""
    for name, attribute in sorted(attributes.items()):
        mark = "" if attribute.required else "?"
        yield f"{indent}{_name(name)}{mark}: {type_text(attribute.type, namespace, indent)},\n"


def entity_text(declared: DeclaredEntity, namespace: str) -> str:
    """The declaration of an entity type."""
    lines = "".join(attribute_lines(told(declared), namespace, STEP))
    shape = f" = {{\n{lines}}}" if lines else ""
    return f"entity {declared.name.rpartition('::')[2]}{parents_text(declared, namespace)}{shape};"


def parents_text(declared: DeclaredEntity, namespace: str) -> str:
    """What its entities may be in; empty if that is nothing."""
    names = sorted(_relative(name, namespace) for name in declared.parents)
    return f" in [{', '.join(names)}]" if names else ""


def told(declared: DeclaredEntity) -> dict[str, Attribute]:
    """The attributes, each with its type.

    Raises:
        ImproperlyConfigured: nothing tells it.
    """
    told = {name: attribute for name, attribute in declared.attributes.items() if attribute is not None}
    for name in declared.attributes.keys() - told:
        raise ImproperlyConfigured(
            f"Nothing tells the type of {declared.name}'s attribute {name!r}. Say what attribute_{name} returns, as in "
            f"`-> bool`, write expression_{name}, or declare the attribute in the schema."
        )
    return told


def action_text(action: DeclaredAction, project: Project, context: str, namespace: str) -> str:
    """The declaration of an action."""
    return f"action {_name(action.uid.id)} {applies_to(action, project, context, namespace)};"


def applies_to(action: DeclaredAction, project: Project, context: str, namespace: str) -> str:
    """What an action applies to: what it is asked about, or every model's type where no code tells."""
    every = {entity.name for entity in project.entities if entity.is_complete}
    resources = ", ".join(sorted(_relative(name, namespace) for name in action.resources or every))
    principals = ", ".join(_relative(name, namespace) for name in project.principals)
    clauses = [f"principal: [{principals}]", f"resource: [{resources}]"]
    if context:
        clauses.append(f"context: {_relative(context, namespace)}")
    lines = "".join(f"{STEP}{clause},\n" for clause in clauses)
    return f"appliesTo {{\n{lines}}}"


def indented(text: str, indent: str) -> str:
    """A text with every line that is not empty further in."""
    return re.sub(r"^(?=.)", indent, text, flags=re.MULTILINE)


def _name(text: str) -> str:
    return text if _IDENTIFIER.fullmatch(text) else quote(text)


def _relative(name: str, namespace: str) -> str:
    own, _, base = name.rpartition("::")
    return base if own == namespace else name
