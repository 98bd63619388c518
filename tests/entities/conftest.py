"""Fixtures for tests of entities."""

from __future__ import annotations

import pytest

from django_avp import entities
from django_avp.cedar import EntityUid
from django_avp.entities.registry import Registry, registry
from django_avp.entities.world import Worlds
from django_avp.references import EVERYTHING
from tests.testapp.entities import AccountEntity
from tests.testapp.models import Account, Badge, Document, Folder


@pytest.fixture
def look(db):
    """Build the worlds of resources: of instances, as a page hands them over, or of ids."""

    def build(*resources, of=registry, references=EVERYTHING, worlds=None):
        worlds = worlds or Worlds(of)
        uids = [one if isinstance(one, EntityUid) else worlds.see(of.uid(one), one) for one in resources]
        built = worlds.build({uid: [(uid, "resource", ())] for uid in uids}, references)
        return [built[uid] for uid in uids]

    return build


@pytest.fixture
def attributes(look):
    """The attributes of a resource, as they are sent."""

    def build(resource, **options):
        (world,) = look(resource, **options)
        assert world.fault == ""
        return world.entities[0].attributes

    return build


@pytest.fixture
def shapes():
    """A registry of the models whose relations are of every kind."""
    shapes = Registry()

    @shapes.register(Document)
    class DocumentEntity(entities.ModelEntity):
        attributes = {  # noqa: RUF012
            "kind": "kind",
            "account": "account",
            "accountName": "account__name",
            "folder": "folder",
            "parents": "folder__parents",
            "badge": "badge",
            "color": "badge__color",
            "remarks": "remarks__text",
        }
        parents = ("folders", "account")

        def attribute_model(self, document):
            """The class of what a method is given."""
            return type(document).__name__

    @shapes.register(Folder)
    class FolderEntity(entities.ModelEntity):
        attributes = ("name", "document", "documents")
        parents = ("parents",)

    @shapes.register(Badge)
    class BadgeEntity(entities.ModelEntity):
        attributes = ("document", "color")
        parents = ("document",)

    shapes.register(Account)(AccountEntity)
    return shapes
