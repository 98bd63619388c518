"""Columns as Cedar values, the same however a row was loaded."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F, Prefetch, TextField, Value
from django.db.models.functions import Upper

from django_avp.cedar import EntityUid
from django_avp.entities import ModelEntity
from django_avp.entities.columns import conforming
from django_avp.entities.registry import Registry, registry
from django_avp.entities.world import Worlds
from django_avp.references import References
from tests.conftest import sqlite_only
from tests.testapp.models import Account, Album, Badge, Comment, Document, Draft, Folder, Photo, Remark, Report, Tag

pytestmark = pytest.mark.django_db

UTC = datetime.UTC
NOTHING = References({})


def extension(function, argument):
    return {"__extn": {"fn": function, "arg": argument}}


def entity(name, entity_id):
    return {"__entity": {"type": f"PhotoFlash::{name}", "id": str(entity_id)}}


VALUES = [
    ("title", 'é"\\ 日本', 'é"\\ 日本'),
    ("title", "", ""),
    ("likes", 2**63 - 1, 2**63 - 1),
    ("likes", -(2**63), -(2**63)),
    ("is_public", True, True),
    ("size", Decimal("1.5"), extension("decimal", "1.5")),
    ("size", Decimal("-12.3456"), extension("decimal", "-12.3456")),
    ("taken", datetime.datetime(999, 5, 6, 7, 8, 9, 1999, UTC), extension("datetime", "0999-05-06T07:08:09.001Z")),
    ("day", datetime.date(1, 2, 3), extension("datetime", "0001-02-03")),
    ("exposure", datetime.timedelta(seconds=-1, microseconds=1), extension("duration", "-1000ms")),
    ("address", "10.0.0.1", extension("ip", "10.0.0.1")),
    ("address", "::ffff:10.0.0.1", extension("ip", "0000:0000:0000:0000:0000:ffff:0a00:0001")),
    ("file", "a/b.png", "a/b.png"),
    (
        "meta",
        {"camera": "x", "zoom": 2, "flags": ["a"], "nested": {"raw": True}},
        {"camera": "x", "zoom": 2, "flags": ["a"], "nested": {"raw": True}},
    ),
]
UNHOLDABLE = [
    ("title", None),
    ("title", "a\0b"),
    ("size", Decimal("1.23456")),
    ("size", Decimal("1234567890123456")),
    ("address", "999.1.1.1"),
    ("address", "fe80::1%eth0"),
    ("file", None),
    ("meta", None),
    ("meta", ["not", "a", "record"]),
]


def ways_to_load(photo):
    """The same row as pages have it: just written, read whole, read in part, and by its id alone."""
    return [
        photo,
        Photo.objects.get(pk=photo.pk),
        Photo.objects.only("pk").get(pk=photo.pk),
        Photo.objects.select_related("album", "owner").prefetch_related("tags", "comments").get(pk=photo.pk),
        EntityUid("PhotoFlash::Photo", str(photo.pk)),
    ]


@pytest.mark.parametrize(("field", "value", "expected"), VALUES)
def test_a_column_maps_by_its_kind_however_it_was_loaded(attributes, field, value, expected):
    """A value is the same from an instance, a deferred one and the database."""
    photo = Photo.objects.create(**{field: value})

    for resource in ways_to_load(photo):
        assert attributes(resource)[field] == expected


@sqlite_only
@pytest.mark.parametrize(("field", "value"), UNHOLDABLE)
def test_what_cedar_cannot_hold_is_absent(attributes, field, value):
    """NULL, NUL, places and digits beyond Cedar's, and no addresses leave the attribute out."""
    photo = Photo.objects.create()
    # As text, for the field would clean an address.
    stored = Value(value, output_field=TextField()) if isinstance(value, str) else value
    Photo.objects.filter(pk=photo.pk).update(**{field: stored})
    setattr(photo, field, value)

    for resource in ways_to_load(photo):
        assert field not in attributes(resource)


def test_a_lone_surrogate_is_absent(attributes):
    """No database keeps one, yet code may assign it."""
    photo = Photo.objects.create(title="x")
    photo.title = "\ud800"

    assert "title" not in attributes(photo)


def test_json_is_read_by_its_shape(attributes):
    """Keys and types that are not declared are left out, at every depth."""
    photo = Photo.objects.create(
        meta={"camera": 7, "zoom": True, "flags": ["a", 1, None], "nested": {"raw": 1, "x": 2}, "other": "y"}
    )

    assert attributes(photo)["meta"] == {"flags": ["a"], "nested": {}}
    assert conforming({"a": 2**70}, {"a": int}) == {"a": 2**70}
    assert conforming("text", [str]) is None


def test_json_beyond_64_bits_leaves_its_key_out(attributes):
    """One bad number does not take the record with it."""
    photo = Photo.objects.create(meta={"camera": "x", "zoom": 2**63})

    assert attributes(photo)["meta"] == {"camera": "x"}


def test_what_code_assigned_is_read_as_it_was_stored(attributes):
    """Text for a number, a date or a key is what the database makes of it."""
    album = Album.objects.create(title="a")
    photo = Photo.objects.create(
        likes="5", size="1.50", day="2024-01-02", taken="2024-01-02T00:00:00Z", album_id=f"0{album.pk}"
    )

    assert attributes(photo) == attributes(EntityUid("PhotoFlash::Photo", str(photo.pk)))
    assert attributes(photo)["likes"] == 5


def test_an_expression_is_read_from_the_database(attributes):
    """``F("likes") + 1`` is not a value yet, and neither is text where a number belongs."""
    photo = Photo.objects.create(likes=1, title="a")
    photo.likes = F("likes") + 1
    photo.save()
    photo.size = "no number"
    photo.title = Upper("title")

    assert attributes(photo)["likes"] == 2
    assert attributes(photo)["title"] == "a"
    assert "size" not in attributes(photo)


def test_an_uploaded_file_is_its_name(attributes):
    """A file that a form has put on the instance is text like any other."""
    photo = Photo.objects.create()
    photo.file = SimpleUploadedFile("new.png", b"")

    assert attributes(photo)["file"] == "new.png"


def test_references_are_ids(attributes, user):
    """Entities by their id, users by principal id, relations to many as Sets in order, each member once."""
    album = Album.objects.create(title="An album")
    photo = Photo.objects.create(album=album, owner=user("ann"))
    photo.viewers.add(user("cyd"), user("bob"))
    photo.tags.add(Tag.objects.create(name="b"), Tag.objects.create(name="a"), Tag.objects.create(name=None))
    photo.tags.add(Tag.objects.create(name="a"))
    for _ in range(2):
        Comment.objects.create(photo=photo, author=user("bob"))

    for resource in ways_to_load(photo):
        found = attributes(resource)
        assert found["album"] == entity("Album", album.pk)
        assert found["albumTitle"] == "An album"
        assert found["owner"] == entity("User", "eu-west-1_AbCdEf123|ann")
        assert found["tags"] == ["a", "b"]
        assert found["viewers"] == [entity("User", f"eu-west-1_AbCdEf123|{sub}") for sub in ("bob", "cyd")]
        assert found["commenters"] == [entity("User", "eu-west-1_AbCdEf123|bob")]


def test_no_relation_is_no_attribute(attributes):
    """NULL anywhere on the way leaves a single value out and a Set empty."""
    photo = Photo.objects.create()

    for resource in ways_to_load(photo):
        found = attributes(resource)
        assert {"album", "albumTitle", "owner"}.isdisjoint(found)
        assert found["tags"] == found["viewers"] == found["commenters"] == []


FILTERED = [
    Prefetch("tags", queryset=Tag.objects.filter(name="a")),
    Prefetch("tags", queryset=Tag.objects.none()),
    Prefetch("tags", queryset=Tag.objects.exclude(name="a")),
    Prefetch("tags", queryset=Tag.objects.extra(where=["name = 'a'"])),  # noqa: S610
    Prefetch("tags", queryset=Tag.objects.only("pk")),
    Prefetch("tags", queryset=Tag.objects.filter(name="a"), to_attr="few"),
]


@pytest.mark.parametrize("prefetch", FILTERED, ids=["filter", "none", "exclude", "extra", "only", "to_attr"])
def test_a_prefetch_that_filters_is_not_believed(attributes, prefetch):
    """A value depends on stored rows, not on what the page chose to load."""
    photo = Photo.objects.create()
    photo.tags.set([Tag.objects.create(name=name) for name in "abc"])

    assert attributes(Photo.objects.prefetch_related(prefetch).get())["tags"] == ["a", "b", "c"]


def test_a_prefetch_of_one_that_filters_is_not_believed(attributes):
    """Django leaves None behind for a row that a Prefetch filtered out."""
    photo = Photo.objects.create(album=Album.objects.create(title="x"))
    prefetched = Photo.objects.prefetch_related(Prefetch("album", queryset=Album.objects.filter(title="y"))).get()

    assert prefetched.album is None
    assert attributes(prefetched)["albumTitle"] == "x"
    assert attributes(prefetched)["album"] == entity("Album", photo.album_id)


def test_a_plain_prefetch_is_believed(attributes, django_assert_num_queries):
    """What a page loaded whole costs no query."""
    photo = Photo.objects.create()
    photo.tags.add(Tag.objects.create(name="a"))
    Comment.objects.all()
    page = Photo.objects.select_related("album", "owner").prefetch_related("tags", "viewers", "comments__author").get()

    with django_assert_num_queries(0):
        assert attributes(page)["tags"] == ["a"]


def test_a_related_row_that_is_not_stored_is_not_believed(attributes, user):
    """A lazy user and an unsaved album are passed over."""
    photo = Photo.objects.create(album=Album.objects.create(title="stored"), owner=user("ann"))
    photo.album = Album(pk=photo.album_id, title="made up")

    assert attributes(photo)["albumTitle"] == "stored"


def test_relations_of_every_kind(attributes, shapes):
    """Keys of Python's and of other columns, one-to-one from both sides, and generic relations."""
    folder, parent = Folder.objects.create(name="f"), Folder.objects.create(name="p")
    folder.parents.add(parent)
    account = Account.objects.create(name="Main", slug="main")
    document = Document.objects.create(folder=folder, account=account, kind=Document.Kind.FINAL)
    Badge.objects.create(document=document, color="red")
    document.remarks.create(text="fine", content_object=document)
    expected = {
        "kind": "final",
        "account": entity("Account", "main"),
        "accountName": "Main",
        "folder": entity("Folder", folder.pk),
        "parents": [entity("Folder", parent.pk)],
        "badge": entity("Badge", document.pk),
        "color": "red",
        "remarks": ["fine"],
        "model": "Document",
    }
    page = Document.objects.select_related("account", "badge", "folder").prefetch_related("remarks", "folder__parents")

    for resource in (document, Document.objects.get(), page.get(), Draft.objects.get(), shapes.uid(document)):
        assert attributes(resource, of=shapes) == expected
    assert attributes(folder, of=shapes) == {
        "name": "f",
        "document": entity("Document", document.pk),
        "documents": [],
    }
    assert Remark.objects.count() == 1


def test_reverse_many_to_many_is_believed_where_it_is_prefetched(attributes, shapes, django_assert_num_queries):
    """Django keeps it under another name than a reverse foreign key."""
    folder = Folder.objects.create(name="f")
    folder.documents.add(Document.objects.create())
    page = Folder.objects.select_related("document").prefetch_related("documents", "parents").get()

    with django_assert_num_queries(1):  # whether there is a document of its own: None is not believed
        assert len(attributes(page, of=shapes, references=NOTHING)["documents"]) == 1


def test_a_file_without_a_name_is_read_from_the_database(attributes):
    """Looking at a file that is NULL makes an object of it."""
    photo = Photo.objects.create()
    Photo.objects.update(file=None)
    page = Photo.objects.get()

    assert page.file is not None
    assert "file" not in attributes(page)
    assert photo.file is not None


def test_a_row_of_a_child_is_a_row_of_its_parent(attributes, shapes):
    """Multi-table children and proxies are judged as what is registered, from a page and by their id."""
    report = Report.objects.create(pages=3)

    for resource in (report, Report.objects.get(), Document.objects.get(), shapes.uid(report)):
        assert attributes(resource, of=shapes)["model"] == "Document"


def test_sets_of_what_has_no_hash(attributes, django_assert_num_queries):
    """Records in a Set are told apart by what they say."""
    albums = Registry()

    class AlbumEntity(ModelEntity):
        attributes = {"metas": "photo__meta"}  # noqa: RUF012
        shapes = {"metas": {"zoom": int}}  # noqa: RUF012

    albums.register(Album)(AlbumEntity)
    album = Album.objects.create(title="a")
    for zoom in (2, 1, 2):
        Photo.objects.create(album=album, meta={"zoom": zoom})

    page = Album.objects.prefetch_related("photo_set").get()
    worlds = Worlds(albums)
    worlds.see(albums.uid(page), page)
    page.photo_set.all()[0].meta["zoom"] = 3

    assert attributes(album, of=albums)["metas"] == [{"zoom": 1}, {"zoom": 2}]
    with django_assert_num_queries(0):
        assert attributes(page, of=albums, worlds=worlds)["metas"] == [{"zoom": 1}, {"zoom": 2}]


def test_an_id_is_as_the_database_would_return_it(user):
    """Text in place of a number, and an enumeration in place of text."""
    album = Album.objects.create(pk="007", title="Bond")

    assert registry.uid(album) == EntityUid("PhotoFlash::Album", "7")
    album.pk = "not a number"
    assert registry.uid(album) == EntityUid("PhotoFlash::Album", "not a number")
