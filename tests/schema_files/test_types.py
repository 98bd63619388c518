"""Cedar's types of what fields hold and methods return."""

from __future__ import annotations

import datetime
import ipaddress
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from django_avp import entities
from django_avp.entities.registry import Registry
from django_avp.policies import parse
from django_avp.policy_files import Statement
from django_avp.schema import Attribute, NamedType, RecordType, SetType
from django_avp.schema_files.types import computed_attribute, guessed_type, stored_attribute
from django_avp.schema_files.writing import type_text
from tests.testapp.models import Account, Album, Exotic, Photo, Wide

if TYPE_CHECKING:
    from pathlib import Path


def definition_of(model, attributes=(), **members):
    registry = Registry()
    for one in (Account, Album, Photo):
        if one is not model:
            registry.register(one)(entities.ModelEntity)
    kind = type("Entity", (entities.ModelEntity,), {"attributes": attributes, **members})
    registry.register(model)(kind)
    return registry.get(model)


def test_columns_are_required_where_every_row_has_a_value():
    """NULL on the way, or a value that Cedar may not hold, makes an attribute optional; a Set is always there."""
    names = {
        "title": "title",
        "public": "is_public",
        "album": "album",
        "account": "album__account__name",
        "tags": "tags__name",
        "taken": "taken",
        "exposure": "exposure",
        "address": "address",
        "size": "size",
        "likes": "likes",
    }
    found = {column.name: stored_attribute(column) for column in definition_of(Photo, names).plan.attributes}

    assert found == {
        "title": Attribute(NamedType("String"), False),
        "public": Attribute(NamedType("Bool"), True),
        "album": Attribute(NamedType("PhotoFlash::Album"), False),
        "account": Attribute(NamedType("String"), False),
        "tags": Attribute(SetType(NamedType("String")), True),
        "taken": Attribute(NamedType("datetime"), False),
        "exposure": Attribute(NamedType("duration"), False),
        "address": Attribute(NamedType("ipaddr"), False),
        "size": Attribute(NamedType("decimal"), False),
        "likes": Attribute(NamedType("Long"), True),
    }


class Computing(entities.ModelEntity):
    def attribute_flag(self, photo: Photo) -> bool: ...
    def attribute_number(self, photo: Photo) -> int | None: ...
    def attribute_identifier(self, photo: Photo) -> uuid.UUID: ...
    def attribute_price(self, photo: Photo) -> Decimal: ...
    def attribute_day(self, photo: Photo) -> datetime.date: ...
    def attribute_length(self, photo: Photo) -> datetime.timedelta: ...
    def attribute_address(self, photo: Photo) -> ipaddress.IPv4Address: ...
    def attribute_names(self, photo: Photo) -> list[str]: ...
    def attribute_matrix(self, photo: Photo) -> frozenset[tuple[int, ...]]: ...
    def attribute_album(self, photo: Photo) -> Album: ...
    def attribute_owner(self, photo: Photo) -> User | None: ...
    def attribute_stranger(self, photo: Photo) -> Wide: ...
    def attribute_either(self, photo: Photo) -> int | str: ...
    def attribute_anything(self, photo: Photo) -> Any: ...
    def attribute_anythings(self, photo: Photo) -> list[Any]: ...
    def attribute_fraction(self, photo: Photo) -> float: ...
    def attribute_unsaid(self, photo): ...
    def attribute_hidden(self, photo: Photo) -> Path: ...

    def attribute_titled(self, photo): ...
    def expression_titled(self):
        return Concat("title", Value("!"))

    def attribute_loved(self, photo: Photo) -> bool: ...
    def expression_loved(self):
        return Q(likes__gt=10)

    def attribute_liked(self, photo): ...
    def expression_liked(self):
        return F("likes")


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("flag", Attribute(NamedType("Bool"), False)),
        ("number", Attribute(NamedType("Long"), False)),
        ("identifier", Attribute(NamedType("String"), False)),
        ("price", Attribute(NamedType("decimal"), False)),
        ("day", Attribute(NamedType("datetime"), False)),
        ("length", Attribute(NamedType("duration"), False)),
        ("address", Attribute(NamedType("ipaddr"), False)),
        ("names", Attribute(SetType(NamedType("String")), False)),
        ("matrix", Attribute(SetType(SetType(NamedType("Long"))), False)),
        ("album", Attribute(NamedType("PhotoFlash::Album"), False)),
        ("owner", Attribute(NamedType("PhotoFlash::User"), False)),
        ("stranger", None),
        ("either", None),
        ("anything", None),
        ("anythings", None),
        ("fraction", None),
        ("unsaid", None),
        ("hidden", None),
        ("titled", Attribute(NamedType("String"), False)),
        ("liked", Attribute(NamedType("Long"), True)),
        ("loved", Attribute(NamedType("Bool"), True)),
    ],
)
def test_methods_say_what_they_return(name, attribute):
    """By their annotation or their expression, if Cedar has such a type; optional, if no database can tell."""
    registry = Registry()
    registry.register(Photo)(Computing)

    assert computed_attribute(registry.get(Photo), name) == attribute


def test_wide_decimals_and_documents_are_optional():
    """A row may have one that Cedar cannot hold, or a document of another shape."""
    wide = definition_of(Wide, ["fine", "long", "serial"])
    required = {column.name: stored_attribute(column).required for column in wide.plan.attributes}
    assert required == {"fine": False, "long": True, "serial": True}
    meta = definition_of(Photo, ["meta"], shapes={"meta": {"a": [{"b": int}]}})
    (column,) = meta.plan.attributes
    inner = RecordType({"b": Attribute(NamedType("Long"), False)})
    assert stored_attribute(column) == Attribute(RecordType({"a": Attribute(SetType(inner), False)}), False)


def test_arrays_are_sets():
    """An array of PostgreSQL is a Set of what it holds."""
    column = next(column for column in definition_of(Exotic, ["words"]).plan.attributes)

    assert stored_attribute(column).type == SetType(NamedType("String"))


@pytest.mark.parametrize(
    ("condition", "kind"),
    [
        ("context.x", "Bool"),
        ("context.x == true", "Bool"),
        ('"a" == context.y && context.x like "a*"', "String"),
        ('context.x == "a"', "String"),
        ("context.x < 3", "Long"),
        ("context.x == context.y", "Bool"),
        ('context.x == User::"a"', "String"),
        ('context.x.contains("a")', "Set<String>"),
        ("context.x.containsAny([1])", "Set<String>"),
        ("[context.x] == [true]", "Bool"),
    ],
)
def test_the_type_of_a_context_follows_from_its_comparisons(condition, kind, tmp_path):
    """As far as a literal tells."""
    text = f"permit (principal, action, resource) when {{ {condition} }};"

    assert type_text(guessed_type([parse(Statement(tmp_path, 1, text))[1]], "x"), "") == kind
