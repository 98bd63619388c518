"""Rows of several databases, which may have the same keys."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.test import override_settings

from django_avp.authorization import Authorization
from django_avp.entities import ModelEntity
from django_avp.identity import Identity
from django_avp.runtime import runtime
from tests.conftest import sqlite_only
from tests.filtering.conftest import Fixed, parsed, registered
from tests.testapp.models import Item, Shelf, Tag

POLICIES = 'permit (principal, action, resource) when { resource.name == "open" };'

pytestmark = [pytest.mark.django_db(databases=["default", "other"]), sqlite_only]


class TagEntity(ModelEntity):
    attributes = ("name",)


class Pool:
    """A router of databases with the same rows."""

    def allow_relation(self, one, other, **hints):
        """They are the same, wherever they were read."""
        return True


@pytest.fixture(scope="module", autouse=True)
def other(django_db_setup, django_db_blocker, tmp_path_factory):
    """Another database with the same tables, for this module alone."""
    name = tmp_path_factory.mktemp("other") / "db.sqlite3"
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {}}
    connections.settings["other"] = {**connections.settings["default"], **engine}
    with django_db_blocker.unblock():
        call_command("migrate", database="other", run_syncdb=True, verbosity=0)
        yield
        connections["other"].close()
    del connections["other"], connections.settings["other"]


@pytest.fixture
def closed():
    """A tag in the default database."""
    return Tag.objects.create(name="closed")


@pytest.fixture
def opened(closed):
    """A tag in another database that has the same key."""
    return Tag.objects.using("other").create(pk=closed.pk, name="open")


@pytest.fixture
def avp(settings):
    settings.AVP_USER_MODE = "token"
    with registered({Tag: TagEntity}), runtime.use_engine(Fixed(parsed(POLICIES))):
        yield Authorization(Identity.from_claims({"sub": "ann"}))


def test_a_row_is_read_again_where_it_is(avp, opened):
    """After a write, and not in the database that a router would choose."""
    avp.forget()
    assert avp.can("View", opened)


@pytest.mark.parametrize("reads", ["loaded", "to be loaded"])
def test_two_rows_are_not_taken_for_one(avp, opened, closed, reads):
    """They have one id, so that a policy, or the service, could tell them apart no more."""
    if reads == "to be loaded":
        avp.forget()
    assert avp.can("View", opened)
    with pytest.raises(ImproperlyConfigured, match="other.*default.*id_field"):
        avp.can("View", closed)
    with pytest.raises(ImproperlyConfigured, match="other.*default.*id_field"):
        avp.collect("View", [closed])


def test_a_row_of_no_database_is_one_of_any(avp, closed):
    """Code has made it of a row's values, and says that it is stored."""
    made = Tag(pk=closed.pk, name="open")
    made._state.adding = False
    assert not avp.can("View", closed)
    assert not avp.can("View", made)


def test_a_row_of_two_databases_is_one_where_a_router_says_so(avp, opened, closed):
    """As of a replica, whose rows Django may relate to those of the primary."""
    with override_settings(DATABASE_ROUTERS=[Pool()]):
        assert avp.can("View", opened)
        assert avp.can("View", closed)
        assert len(avp.rounds) == 1


class ShelfEntity(ModelEntity):
    attributes = ("public",)


class ItemEntity(ModelEntity):
    attributes = ("loose",)


class Pinned:
    """A router by which shelves are in the other database, whoever refers to them."""

    def db_for_read(self, model, **hints):
        """Always."""
        return "other" if model is Shelf else None


@pytest.fixture
def shelved(settings):
    """Decisions about items by the shelf that they refer to."""
    settings.AVP_USER_MODE = "token"
    public = parsed("permit (principal, action, resource) when { resource.loose.public };")
    with registered({Item: ItemEntity, Shelf: ShelfEntity}), runtime.use_engine(Fixed(public)):
        yield Authorization(Identity.from_claims({"sub": "ann"}))


def item(database, key, **shelf):
    """An item on a shelf, both in a database."""
    made = Shelf.objects.using(database).create(pk=1, **shelf)
    return Item.objects.using(database).create(pk=key, loose=made)


@pytest.mark.parametrize("is_loaded", [True, False])
def test_two_rows_that_are_referred_to_are_not_taken_for_one(shelved, is_loaded):
    """Neither where the shelf is at hand nor where it is read, and not when it is asked again."""
    item("default", 1, public=True)
    item("other", 2, public=False)
    first, second = Item.objects.all(), Item.objects.using("other")
    if is_loaded:
        first, second = first.select_related("loose"), second.select_related("loose")
    assert shelved.can("View", first.get())
    for row in (second.get(), second.get()):
        with pytest.raises(ImproperlyConfigured, match="default.*other.*Shelf"):
            shelved.can("View", row)


def test_what_a_policy_names_is_of_one_database(settings):
    """Whether a row of another one comes before it or after."""
    settings.AVP_USER_MODE = "token"
    items = [item("default", 1, public=True), item("other", 2, public=True)]
    named = parsed(
        'permit (principal, action, resource) when { PhotoFlash::Shelf::"1".public && resource.loose.public };'
    )
    with registered({Item: ItemEntity, Shelf: ShelfEntity}), runtime.use_engine(Fixed(named)):
        for order in (items, items[::-1]):
            avp = Authorization(Identity.from_claims({"sub": "ann"}))
            told = []
            for row in order:
                try:
                    told.append(bool(avp.can("View", row)))
                except ImproperlyConfigured:
                    told.append(None)
            assert False not in told
            assert None in told


def test_a_row_that_a_router_keeps_elsewhere_is_one(shelved):
    """However it is come to: a row of this database refers to it, or it is asked about itself."""
    shelf = Shelf.objects.using("other").create(pk=7, public=True)
    row = Item.objects.create(loose_id=7)
    with override_settings(DATABASE_ROUTERS=[Pinned()]):
        assert shelved.can("View", row)
        shelved.collect("View", [row, shelf])
        assert not shelved.can("View", shelf)
