"""Lists over items, compared with single checks."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import pytest
from django.test import override_settings

from django_avp import entities
from django_avp.authorization import Authorization
from django_avp.engines.cedar import evaluate
from django_avp.entities import registry
from django_avp.identity import Identity
from django_avp.policies import PolicyBuilder, Statement
from django_avp.runtime import runtime
from django_avp.schema import Schema
from tests.conftest import POOL
from tests.filtering.generated import ITEM, SHAPE, SHELF
from tests.testapp.models import Box, Item, Room, Shelf


class Fixed:
    """An engine with the policies that it was given."""

    is_in_process = True

    def __init__(self, policies):
        self.of_store = policies

    def policies(self, store):
        return self.of_store

    def decide(self, batch):
        return evaluate(batch, self.of_store)

    async def adecide(self, batch):
        return self.decide(batch)


@contextmanager
def registered(definitions):
    """Register entities for a block."""
    for model, definition in definitions.items():
        registry.register(model)(definition)
    try:
        yield
    finally:
        for model in definitions:
            registry.unregister(model)


def parsed(text, schema=None):
    """Policies of a text, of which each statement is on lines of its own and ends with a semicolon."""
    builder = PolicyBuilder()
    for number, statement in enumerate(filter(str.strip, text.split(";\n"))):
        builder.add(Statement(Path("policies.cedar"), number + 1, f"{statement.rstrip().rstrip(';')};"), f"p{number}")
    return builder.build(Schema.parse(schema) if schema else None)


def declared(**changes):
    """A definition of items with all attributes, and others in the place of some."""
    body = {
        "attributes": {name: path for name, (path, _, _) in ITEM.items() if name != "address"},
        "parents": ["shelf"],
        "shapes": {"meta": SHAPE},
        **changes,
    }
    return type("ItemEntity", (entities.ModelEntity,), body)


class ShelfEntity(entities.ModelEntity):
    attributes = {name: path for name, (path, _, _) in SHELF.items()}  # noqa: RUF012
    parents = ("parent",)


class BoxEntity(entities.ModelEntity):
    attributes = ("sealed",)
    parents = ("room",)


class RoomEntity(entities.ModelEntity):
    id_field = "slug"


class Lists:
    """Asks for lists, and holds that they are what single checks say."""

    def __init__(self):
        self.definitions = {Item: declared(), Shelf: ShelfEntity, Box: BoxEntity, Room: RoomEntity}
        self.schema = None
        self.context = {}
        self.claims = {"email": "a", "level": 2}
        self.queryset = Item.objects.order_by("pk")

    @contextmanager
    def asking(self, text, sub="ann", *groups):
        """An authorization by the policies of a text."""
        claims = {"sub": sub, "cognito:groups": list(groups), **self.claims}
        policies = parsed(text, self.schema)
        tokens = override_settings(AVP_USER_MODE="token")
        with registered(self.definitions), tokens, runtime.use_engine(Fixed(policies)):
            yield Authorization(Identity.from_claims(claims, pool=POOL), context=self.context)

    def listed(self, text, sub="ann", *groups):
        """The rows of a list, which are those for which ``can`` says yes; and the others are the others."""
        with self.asking(text, sub, *groups) as authorization:
            rows = list(self.queryset.all())
            listed = authorization.permitted("View", self.queryset)
            found = list(listed)
            authorization.collect("View", rows)
            assert found == [row for row in rows if authorization.can("View", row)]
            assert set(self.queryset.exclude(pk__in=listed.values("pk"))) == set(rows) - set(found)
            return found

    def when(self, condition, *asking):
        """The rows on which a condition is true."""
        return self.listed(f"permit (principal, action, resource) when {{ {condition} }};", *asking)

    def unless(self, condition, *asking):
        """The rows on which a condition is false."""
        return self.listed(f"permit (principal, action, resource) when {{ !({condition}) }};", *asking)

    def split(self, condition, *asking):
        """The rows on which a condition is true, and those on which it is false."""
        return self.when(condition, *asking), self.unless(condition, *asking)


@pytest.fixture
def lists(db, caplog):
    """Lists of items."""
    caplog.set_level("CRITICAL")
    return Lists()


@pytest.fixture
def item(db):
    """Makes items."""
    return lambda **fields: Item.objects.create(**fields)
