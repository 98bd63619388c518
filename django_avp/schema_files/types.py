"""Cedar's types of what Python code and Django's fields hold, and how they are written."""

from __future__ import annotations

import datetime
import ipaddress
import types
import typing
import uuid
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.db import models

from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.entities.columns import Column, Shape
from django_avp.entities.model_entity import ModelEntity, is_user
from django_avp.filtering import kind_of_field
from django_avp.schema import Attribute, NamedType, RecordType, SetType, Type

__all__ = ["computed_attribute", "guessed_type", "stored_attribute"]

_SCALARS: tuple[tuple[type, str], ...] = (
    (bool, "Bool"),
    (int, "Long"),
    (str, "String"),
    (uuid.UUID, "String"),
    (Decimal, "decimal"),
    (datetime.date, "datetime"),
    (datetime.timedelta, "duration"),
    (ipaddress.IPv4Address, "ipaddr"),
    (ipaddress.IPv6Address, "ipaddr"),
    (ipaddress.IPv4Network, "ipaddr"),
    (ipaddress.IPv6Network, "ipaddr"),
)
_SETS = (list, tuple, set, frozenset)
# A decimal of Cedar has 4 places, and any 14 digits before them.
_MOST_PLACES, _MOST_WHOLE_DIGITS = 4, 14


def stored_attribute(column: Column) -> Attribute:
    """The type of an attribute that is a column; it is required where every row has a value that Cedar holds."""
    field = getattr(column.field, "output_field", column.field)
    if column.target:
        single: Type = NamedType(column.target)
    elif column.shape is not None:
        single = _shape(column.shape)
    elif hasattr(field, "base_field"):
        single = SetType(NamedType(kind_of_field(field.base_field)))
    else:
        single = NamedType(kind_of_field(field))
    if column.is_set:
        return Attribute(SetType(single), True)
    return Attribute(single, not _may_lack(column, field))


def _may_lack(column: Column, field: Any) -> bool:
    may_be_null = field.null or any(not relation.concrete or relation.null for relation in column.relations)
    return may_be_null or column.shape is not None or _may_not_be_held(field)


def _may_not_be_held(field: Any) -> bool:
    if kind_of_field(field) != "decimal":
        return False
    places, digits = field.decimal_places, field.max_digits
    return places is None or digits is None or places > _MOST_PLACES or digits - places > _MOST_WHOLE_DIGITS


def _shape(shape: Shape) -> Type:
    if isinstance(shape, Mapping):
        # Documents are what was stored, so that any key may be missing.
        return RecordType({name: Attribute(_shape(part), False) for name, part in shape.items()})
    if isinstance(shape, list):
        return SetType(_shape(shape[0]))
    return NamedType(_scalar(shape))


def computed_attribute(definition: ModelEntity, name: str) -> Attribute | None:
    """The type of an attribute that a method computes, by what it says that it returns, or by its expression.

    Returns:
        ``None`` if neither tells.
    """
    options = _options(_returned(getattr(definition, definition.computed[name])))
    values = [one for one in options if one is not types.NoneType]
    kind = _annotated(values[0]) if len(values) == 1 else None
    if kind is not None:
        # Were it required, no list could be made of rows of which the database does not know whether they have it.
        return Attribute(kind, len(values) == len(options) and not definition.is_opaque(name))
    expression = definition.expression(name)
    if isinstance(expression, Column):
        return stored_attribute(expression)
    return None if expression is None else Attribute(NamedType(kind_of_field(expression.output_field)), False)


def _returned(method: Any) -> Any:
    try:
        return typing.get_type_hints(method).get("return")
    except (NameError, TypeError):
        # An annotation names what only a type checker imports.
        return None


def _options(hint: Any) -> list[Any]:
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return list(typing.get_args(hint)) if is_union else [hint]


def _annotated(hint: Any) -> Type | None:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in _SETS:
        element = _annotated(arguments[0])
        return None if element is None else SetType(element)
    if not isinstance(hint, type):
        return None
    if issubclass(hint, models.Model):
        definition = None if is_user(hint) else registry.find(hint)
        target = conf.principal_type if is_user(hint) else definition and definition.entity_type
        return NamedType(target) if target else None
    name = _scalar(hint)
    return NamedType(name) if name else None


def _scalar(python_type: Any) -> str:
    return next((name for known, name in _SCALARS if issubclass(python_type, known)), "")


def guessed_type(policies: Iterable[Mapping[str, Any]], name: str) -> Type:
    """The type of an attribute of the context, by what policies compare it with; a Bool where they do not."""
    for node in (node for policy in policies for node in _nodes(policy["conditions"])):
        for operator, operands in node.items():
            if not isinstance(operands, dict) or not _reads_context(operands.get("left"), name):
                continue
            value = operands.get("right", {}).get("Value")
            if operator == "like":
                return NamedType("String")
            if operator in ("==", "<", "<=") and value is not None:
                return NamedType(_scalar(type(value)) or "String")
            if operator in ("contains", "containsAll", "containsAny"):
                return SetType(NamedType("String"))
    return NamedType("Bool")


def _reads_context(expression: Any, name: str) -> bool:
    return bool(expression == {".": {"left": {"Var": "context"}, "attr": name}})


def _nodes(expression: Any) -> Iterator[dict[str, Any]]:
    if isinstance(expression, dict):
        yield expression
        expression = list(expression.values())
    if isinstance(expression, list):
        for item in expression:
            yield from _nodes(item)
