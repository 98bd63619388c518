"""Rows of several databases, which may have the same keys."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import override_settings

from django_avp.authorization import Authorization
from django_avp.entities import ModelEntity
from django_avp.identity import Identity
from django_avp.runtime import runtime
from tests.filtering.conftest import Fixed, parsed, registered
from tests.testapp.models import Tag

POLICIES = 'permit (principal, action, resource) when { resource.name == "open" };'

pytestmark = pytest.mark.django_db(databases=["default", "other"])


class TagEntity(ModelEntity):
    attributes = ("name",)


class Pool:
    """A router of databases with the same rows."""

    def allow_relation(self, one, other, **hints):
        """They are the same, wherever they were read."""
        return True


@pytest.fixture(scope="module", autouse=True)
def other(django_db_setup, django_db_blocker, tmp_path_factory):
    """Another database with a table of tags, for this module alone."""
    name = tmp_path_factory.mktemp("other") / "db.sqlite3"
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": {}}
    connections.settings["other"] = {**connections.settings["default"], **engine}
    with django_db_blocker.unblock():
        with connections["other"].schema_editor() as editor:
            editor.create_model(Tag)
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
