"""Entity declarations: what they say of a model, and what is wrong with them."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.test.utils import isolate_apps

from django_avp.cedar import EntityUid
from django_avp.entities import ModelEntity
from django_avp.entities.model_entity import is_user
from django_avp.entities.registry import Registry, registry
from tests.testapp.entities import AccountEntity, AlbumEntity, PhotoEntity
from tests.testapp.models import Account, Album, Cell, Document, Draft, Folder, Photo, Remark


def declare(model, register=Registry, **declaration):
    """Register a model in a registry of its own, and return its definition."""
    of = register()
    of.register(model)(type("Declared", (ModelEntity,), declaration))
    return of.get(model)


def problem(model, **declaration):
    (text,) = declare(model, **declaration).problems()
    return text


def test_the_type_is_the_models_name_in_the_namespace(settings):
    """The namespace is read live, and a type may name another."""
    assert declare(Photo).entity_type == "PhotoFlash::Photo"
    assert declare(Photo, type="Picture").entity_type == "PhotoFlash::Picture"
    assert declare(Photo, type="Other::Picture").entity_type == "Other::Picture"
    settings.AVP_NAMESPACE = ""
    assert declare(Photo).entity_type == "Photo"


def test_references_follow_the_settings(settings):
    """The types in a plan that was made before a setting changed are made anew."""
    definition = registry.get(Photo)
    target = {column.name: column.target for column in definition.columns}
    assert target["owner"] == "PhotoFlash::User"
    assert target["album"] == "PhotoFlash::Album"

    settings.AVP_NAMESPACE, settings.AVP_PRINCIPAL_TYPE = "Other", "Person"
    target = {column.name: column.target for column in definition.columns}
    assert target["owner"] == "Other::Person"
    assert target["album"] == "Other::Album"


def test_declared_names_are_columns_and_methods():
    """A method stands in for a column of its name."""
    definition = declare(Photo, attributes=["title", "likes"], attribute_likes=lambda self, photo: "many")

    assert definition.declared_names == {"title", "likes"}
    assert [column.name for column in definition.columns] == ["title"]


def test_a_sound_declaration_has_no_problems():
    """The declarations of the site hold together."""
    for definition in registry:
        assert list(definition.problems()) == []
        assert isinstance(definition, AccountEntity | AlbumEntity | PhotoEntity)


PROBLEMS = [
    (Photo, {"attributes": ["titel"]}, ["there is no field 'titel'", "Did you mean 'title'?"]),
    (Photo, {"attributes": ["nothing"]}, ["there is no field 'nothing'", "attribute_<name>"]),
    (Photo, {"attributes": ["title__length"]}, ["'title__length'", "there is no field 'length'"]),
    (Photo, {"attributes": ["album__titel"]}, ["there is no field 'titel'", "Did you mean 'title'?"]),
    (Photo, {"attributes": ["album"]}, ["leads to Album, which is not registered", "@entities.register(Album)"]),
    (Photo, {"attributes": ["meta"]}, ["JSONField", "shapes = {'meta'"]),
    (Photo, {"attributes": ["meta"], "shapes": {"meta": {"a": float}}}, ["'meta' may be made of str, int, bool"]),
    (Photo, {"attributes": ["meta"], "shapes": {"meta": [str, int]}}, ["'meta' may be made of str, int, bool"]),
    (Photo, {"attributes": ["title"], "shapes": {"meta": {"a": str}}}, ["'meta' is not one of the attributes"]),
    (Document, {"attributes": ["score"]}, ["FloatField", "DecimalField", "attribute_score"]),
    (Document, {"attributes": ["content"]}, ["BinaryField", "Leave it out"]),
    (Remark, {"attributes": ["content_object"]}, ["leads to no one model"]),
    (Photo, {"parents": ["title"]}, ["parents: 'title' is not a relation"]),
    (Photo, {"parents": ["folder"]}, ["parents: 'folder': there is no field 'folder'"]),
    (Album, {"id_field": "title"}, ["id_field: 'title' may be the same in two rows", "unique=True"]),
    (Album, {"id_field": "name"}, ["id_field: there is no field 'name'"]),
    (Cell, {}, ["id_field: 'pk' may be the same"]),
    (Folder, {"id_field": "parents"}, ["id_field: 'parents' may be the same"]),
]


@pytest.mark.parametrize(("model", "declaration", "words"), PROBLEMS, ids=[str(given) for _, given, _ in PROBLEMS])
def test_a_problem_names_the_cure(model, declaration, words):
    """What is wrong is told once, with what to do."""
    text = problem(model, **declaration)

    for word in words:
        assert word in text


@isolate_apps("tests.testapp")
def test_an_id_is_of_one_row():
    """Unique by a constraint is unique; a column that may be NULL names no row."""

    class Constrained(models.Model):
        slug = models.SlugField()
        code = models.SlugField(unique=True, null=True)

        class Meta:
            app_label = "testapp"
            constraints = (models.UniqueConstraint(fields=["slug"], name="slug"),)

    assert not list(declare(Constrained, id_field="slug").problems())
    assert "'code' may be the same in two rows, or NULL" in problem(Constrained, id_field="code")


@isolate_apps("tests.testapp")
def test_an_id_is_not_worked_out_by_the_database():
    """A saved instance may hold the id that it had before, and a forbid of the new one would not be about it."""

    class Numbered(models.Model):
        number = models.IntegerField(default=1)
        code = models.GeneratedField(
            expression=models.F("number") + 1, output_field=models.IntegerField(), db_persist=True, unique=True
        )

        class Meta:
            app_label = "testapp"

    assert "'code' is a GeneratedField" in problem(Numbered, id_field="code")
    row = Numbered(pk=1, number=1)
    row._state.adding = False
    with pytest.raises(ImproperlyConfigured, match="'code' is a GeneratedField"):
        declare(Numbered, id_field="code").uid(row)
    assert not list(declare(Numbered, attributes=["code"]).problems())


@isolate_apps("tests.testapp")
def test_kinds_of_columns_that_cedar_holds():
    """Generated columns are what they generate; a file path is text."""

    class Kinds(models.Model):
        path = models.FilePathField()
        title = models.CharField(max_length=10)
        shout = models.GeneratedField(
            expression=models.F("title"), output_field=models.CharField(max_length=10), db_persist=True
        )
        ratio = models.GeneratedField(expression=models.F("id"), output_field=models.FloatField(), db_persist=True)

        class Meta:
            app_label = "testapp"

    assert not list(declare(Kinds, attributes=["path", "shout", "pk"]).problems())
    assert "Cedar has no fractions" in problem(Kinds, attributes=["ratio"])


@isolate_apps("tests.testapp", "django.contrib.auth", "django.contrib.contenttypes")
def test_users_are_principals_in_every_guise(django_user_model):
    """A proxy and a child of the user model are users, and a reference to them is a principal's id (rule A3)."""

    class Employee(django_user_model):
        badge = models.CharField(max_length=10)

        class Meta:
            app_label = "testapp"

    class Reader(django_user_model):
        class Meta:
            app_label = "testapp"
            proxy = True

    class Desk(models.Model):
        employee = models.ForeignKey(Employee, models.CASCADE)
        reader = models.OneToOneField(Reader, models.CASCADE)

        class Meta:
            app_label = "testapp"

    definition = declare(Desk, attributes=["employee", "reader"])
    assert [column.target for column in definition.columns] == ["PhotoFlash::User"] * 2
    assert [column.path for column in definition.columns] == ["employee__username", "reader__username"]
    assert all(is_user(model) for model in (django_user_model, Employee, Reader))
    assert not is_user(Desk)


def test_an_unsaved_instance_is_refused_with_the_cure(db):
    """No key, or a key that Python made: there is no row to decide about (rule A4)."""
    for instance in (Photo(), Photo(pk=7), Account(slug="new")):
        with pytest.raises(ValueError, match=r"is not saved\. Save it first"):
            registry.uid(instance)
    with pytest.raises(ValueError, match="This Document is not saved"):
        declare(Document).uid(Document())
    photo = Photo.objects.create()
    photo.delete()
    with pytest.raises(ValueError, match="is not saved"):
        registry.uid(photo)


def test_a_uid_is_of_the_declared_column(db):
    """Another column than the key may be the id, and proxies and children have their own key's."""
    account = Account.objects.create(name="Main", slug='m"\\ ä')
    document = Document.objects.create()
    draft = Draft.objects.get()

    assert registry.uid(account) == EntityUid("PhotoFlash::Account", 'm"\\ ä')
    assert declare(Document).uid(draft) == EntityUid("PhotoFlash::Document", str(document.pk))


def test_a_broken_declaration_is_refused_when_it_is_used(db):
    """A parent that is no relation must not be passed over: with it an ancestor would be missing."""
    definition = declare(Photo, parents=["title"])

    with pytest.raises(ImproperlyConfigured, match="is not a relation"):
        _ = definition.plan
