"""The registry of entity definitions."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import SimpleLazyObject

from django_avp import entities
from django_avp.cedar import EntityUid
from django_avp.entities.registry import Registry
from tests.testapp.models import Album, Badge, Document, Draft, Label, Note, Photo, Report


class Anything(entities.ModelEntity):
    """Declares nothing."""


@pytest.fixture
def of():
    """A registry with one model."""
    of = Registry()
    assert of.register(Document)(Anything) is Anything
    return of


def test_several_models_may_share_a_declaration(of):
    """Each gets a definition of its own."""
    of.register(Photo, Album)(Anything)

    assert [definition.model for definition in of] == [Document, Photo, Album]


def test_registering_nothing_is_refused(of):
    """The model is the decorator's argument."""
    with pytest.raises(ImproperlyConfigured, match=r"@entities\.register\(Photo\)"):
        of.register()


def test_registering_twice_is_refused(of):
    """Two declarations of one model would be a matter of import order."""
    with pytest.raises(ImproperlyConfigured, match="Document is registered already"):
        of.register(Document)(Anything)


def test_registering_an_abstract_model_is_refused(of):
    """It has no rows."""
    with pytest.raises(ImproperlyConfigured, match="Label is abstract"):
        of.register(Label)(Anything)


def test_unregistering_makes_a_model_unknown(of):
    """For tests of projects, as the admin site has it."""
    of.unregister(Document)

    assert list(of) == []
    assert of.find(Document) is None


def test_proxies_and_children_are_found_by_what_is_registered(of):
    """Unless they are registered themselves."""
    assert of.find(Draft) is of.find(Report) is of.get(Document)
    of.register(Draft)(Anything)
    assert of.get(Draft).entity_type == "PhotoFlash::Draft"


def test_a_model_that_is_not_registered_is_refused_with_the_cure(of):
    """The message is the code to write."""
    with pytest.raises(ImproperlyConfigured, match=r"@entities\.register\(Note\)\n    class NoteEntity"):
        of.get(Note)


def test_definitions_are_found_by_type(of):
    """Types are compared whole."""
    assert of.of_type("PhotoFlash::Document") is of.get(Document)
    assert of.of_type("Document") is None


def test_a_lazy_object_is_what_it_wraps(of, db):
    """Such as request.user."""
    document = Document.objects.create()

    assert of.uid(SimpleLazyObject(lambda: document)) == of.uid(document)


def test_a_reference_to_a_user_is_a_principal(of, user, settings):
    """By its principal id; the id of another model is its own (rule A3)."""
    ann = user("ann")
    document = Document.objects.create()

    assert of.reference(ann) == EntityUid("PhotoFlash::User", "eu-west-1_AbCdEf123|ann")
    assert of.reference(SimpleLazyObject(lambda: ann)) == of.reference(ann)
    assert of.reference(document) == of.uid(document)
    settings.AVP_USER_ID_FIELD = "last_login"
    assert not of.reference(ann).is_valid  # NULL is nobody's id


def test_an_app_registers_by_the_module(db):
    """The names that users type lead to the one registry of the process."""
    assert entities.registry.get(Photo).model is Photo
    assert entities.register == entities.registry.register
    assert entities.registry.find(Badge) is None
