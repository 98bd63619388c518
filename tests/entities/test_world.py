"""Worlds: what belongs to a check, and by how many queries."""

from __future__ import annotations

import copy
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject

from django_avp.cedar import EntityUid
from django_avp.entities import ModelEntity
from django_avp.entities.registry import Registry, registry
from django_avp.entities.world import MAX_ANCESTORS, Worlds, with_uids
from django_avp.references import EVERYTHING, References
from tests.conftest import sqlite_only
from tests.testapp.entities import AccountEntity, AlbumEntity, PhotoEntity
from tests.testapp.models import Account, Album, Comment, Document, Draft, Folder, Photo, Place, Tag

pytestmark = pytest.mark.django_db

ALBUM_IS_READ = References({"resource": frozenset({(), ("album",)})})
NOTHING_IS_READ = References({})


POOL = "eu-west-1_AbCdEf123"


def uid(name, entity_id):
    return EntityUid(f"PhotoFlash::{name}", str(entity_id))


def uids(world):
    assert world.fault == ""
    return [str(entity.uid).removeprefix("PhotoFlash::") for entity in world.entities]


@pytest.fixture
def gallery(user):
    """Make photos, each with rows of its own all the way up."""

    def make(count):
        for number in range(count):
            account = Account.objects.create(name="Main", slug=f"account-{Account.objects.count()}")
            root = Album.objects.create(title="root", account=account, owner=user("ann"))
            album = Album.objects.create(title="album", parent=root, owner=user("bob"))
            photo = Photo.objects.create(title=f"photo {number}", album=album, owner=user("ann"))
            photo.tags.add(Tag.objects.create(name="a"))
            photo.viewers.add(user("cyd"))
            Comment.objects.create(photo=photo, author=user("bob"))

    return make


def tree(depth):
    """A chain of albums; the deepest last."""
    albums = [Album.objects.create(title="0")]
    for number in range(depth):
        albums.append(Album.objects.create(title=str(number + 1), parent=albums[-1]))
    return albums


# Queries


BARE = 8
"""Photos: single columns, tags, viewers, commenters; albums and their owners; the root; accounts."""


@pytest.mark.parametrize("count", [1, 10, 100])
def test_queries_do_not_grow_with_the_number_of_objects(look, gallery, count):
    """The world of 100 objects takes as many as that of one."""
    gallery(count)
    photos = list(Photo.objects.all())

    with CaptureQueriesContext(connection) as queries:
        worlds = look(*photos, references=ALBUM_IS_READ)
    assert len(queries) == BARE + 1, [query["sql"] for query in queries]
    assert {len(world.entities) for world in worlds} == {4}


@pytest.mark.parametrize("count", [1, 10, 100])
def test_what_the_page_loaded_takes_no_query(look, gallery, count, django_assert_num_queries):
    """With select_related and prefetch_related of what is declared the database is not asked again."""
    gallery(count)
    photos = Photo.objects.select_related("owner", "album__owner", "album__parent__owner", "album__parent__account")
    photos = list(photos.prefetch_related("tags", "viewers", "comments__author"))

    with django_assert_num_queries(0):
        worlds = look(*photos, references=ALBUM_IS_READ)
    assert {len(world.entities) for world in worlds} == {4}


@pytest.mark.parametrize("count", [1, 10, 100])
def test_ids_alone_take_as_many_queries(look, gallery, count):
    """The rows themselves are read in one more."""
    gallery(count)

    with CaptureQueriesContext(connection) as queries:
        worlds = look(*(uid("Photo", photo) for photo in Photo.objects.values_list("pk", flat=True)))
    assert len(queries) == BARE + 3
    assert {len(world.entities) for world in worlds} == {4}


def test_a_second_round_asks_only_for_what_is_new(look, gallery, django_assert_num_queries):
    """Entities of an earlier round are remembered."""
    gallery(2)
    one, other = Photo.objects.all()
    worlds = Worlds(registry)
    look(one, worlds=worlds)

    with django_assert_num_queries(0):
        look(one, worlds=worlds)
    assert len(look(one, other, worlds=worlds)) == 2


def test_single_columns_are_read_in_one_query(look, user, django_assert_num_queries):
    """However many are deferred."""
    Photo.objects.create(title="a", owner=user("ann"), size=Decimal("1.5"))
    photo = Photo.objects.only("pk").prefetch_related("tags", "viewers", "comments").get()

    with django_assert_num_queries(2):  # the columns, and the title that a method looks at
        (world,) = look(photo, references=NOTHING_IS_READ)
    assert world.entities[0].attributes["owner"] == {"__entity": uid("User", f"{POOL}|ann").as_json()}


# Ancestors


def test_ancestors_belong_to_a_world_and_what_is_not_read_does_not(look, user):
    """All parents and their parents; references only where a policy reads them."""
    account = Account.objects.create(slug="main")
    root = Album.objects.create(title="root", account=account)
    cover = Album.objects.create(title="cover")
    albums = Registry()

    class Related(AlbumEntity):
        attributes = ("title",)

        def attribute_cover(self, album):
            return cover

    albums.register(Album)(Related)
    albums.register(Account)(AccountEntity)
    album = Album.objects.create(title="album", parent=root)
    expected = [f'Album::"{album.pk}"', f'Album::"{root.pk}"', 'Account::"main"']

    assert uids(look(album, of=albums, references=NOTHING_IS_READ)[0]) == expected
    covered = References({"resource": frozenset({(), ("cover",)})})
    assert uids(look(album, of=albums, references=covered)[0]) == [*expected, f'Album::"{cover.pk}"']
    assert uids(look(album, of=albums)[0]) == [*expected, f'Album::"{cover.pk}"']


def test_ten_levels_are_followed_and_no_more(look, settings):
    """A resource below is not decided, and its neighbours are (rule A2)."""
    albums = tree(11)

    worlds = look(*albums)

    assert len(uids(worlds[10])) == 11
    assert worlds[11].fault == "too_deep"
    settings.AVP_MAX_DEPTH = 11
    assert len(uids(look(albums[11])[0])) == 12


def test_depth_is_the_same_for_every_batch(look):
    """What others load does not make a resource less deep."""
    albums = tree(12)

    for batch in ([albums[12]], albums, albums[::-1]):
        worlds = dict(zip(batch, look(*batch), strict=True))
        assert worlds[albums[12]].fault == "too_deep"


def test_references_are_followed_to_a_depth_too_where_policies_are_unknown(look):
    """A chain of references is not cut silently, and does not depend on who else is asked about."""
    chain = Registry()

    class Chained(ModelEntity):
        attributes = ("title", "parent")

    chain.register(Album)(Chained)
    albums = tree(12)

    for batch in (albums[10:], albums[11:], albums):
        worlds = dict(zip(batch, look(*batch, of=chain), strict=True))
        assert worlds[albums[11]].fault == worlds[albums[12]].fault == "too_deep"
    assert len(uids(look(albums[10], of=chain)[0])) == 11
    read = References({"resource": frozenset({("parent",) * 12})})
    assert len(uids(look(albums[12], of=chain, references=read)[0])) == 13


@pytest.mark.parametrize(("count", "fault"), [(MAX_ANCESTORS, ""), (MAX_ANCESTORS + 1, "too_many_parents")])
def test_99_ancestors_are_followed_and_no_more(look, shapes, count, fault):
    """As AVP has it; many-to-many parents are parents."""
    folder = Folder.objects.create()
    folder.parents.set(Folder.objects.bulk_create(Folder() for _ in range(count)))

    (world,) = look(folder, of=shapes, references=NOTHING_IS_READ)

    assert world.fault == fault
    assert len(world.entities) == (0 if fault else 100)


def test_an_ancestor_by_two_ways_is_one(look, shapes):
    """Equal ids are sent once (rule A5)."""
    top, left, right, low = (Folder.objects.create(name=name) for name in "tlrb")
    left.parents.add(top)
    right.parents.add(top)
    low.parents.add(left, right, top)

    (world,) = look(low, of=shapes, references=NOTHING_IS_READ)

    assert uids(world) == [f'Folder::"{row.pk}"' for row in (low, top, left, right)]
    assert world.entities[0].parents == tuple(uid("Folder", row.pk) for row in (top, left, right))


@pytest.mark.parametrize("length", [1, 2, 3, 11])
def test_a_cycle_denies_what_leads_into_it_only(look, length):
    """Also when the resource itself is not on it (rule A5)."""
    albums = tree(length - 1)
    Album.objects.filter(pk=albums[0].pk).update(parent=albums[-1])
    Photo.objects.create(album=albums[0])
    photo, last = Photo.objects.get(), Album.objects.get(pk=albums[-1].pk)
    other = Photo.objects.create(album=Album.objects.create(title="sound"))

    for world in look(last, photo):
        assert world.fault in ("cycle", "too_deep")
    assert look(photo)[0].fault == ("too_deep" if length > 10 else "cycle")
    assert [world.fault for world in look(photo, other)][1] == ""


def test_a_parent_with_an_id_that_avp_refuses_is_a_fault(look):
    """Without it a forbid on an ancestor would be silent."""
    account = Account.objects.create(slug="a\nb")
    album = Album.objects.create(title="a", account=account)

    assert look(album)[0].fault == "invalid_id"
    assert look(account)[0].fault == "no_entity"


@pytest.mark.parametrize("text", ['a"b', "a\\b", "ä 日本", "x" * 600, "a'b", "007", "*", " a "])
def test_ids_are_any_text(look, text):
    """Quotes, backslashes, other alphabets and long ones, by instance and by id."""
    account = Account.objects.create(slug=text, name="n")

    for resource in (account, uid("Account", text)):
        (world,) = look(resource)
        assert world.entities[0].uid == uid("Account", text)


# What is missing


@pytest.mark.parametrize("text", ["007", "1", " 7", "7.0", "٧", "9" * 30, f"{2**63}", "-1", "x", "a\0b", "\ud800", ""])
def test_a_resource_without_a_row_is_not_decided(look, text):
    """`Album::"007"` is not the album 7."""
    Album.objects.create(pk=7, title="a")

    assert look(uid("Album", text))[0].fault == "no_entity"
    assert look(uid("Album", "7"))[0].fault == ""


def test_a_uuid_is_the_id_in_one_form_only(look, shapes):
    """Another spelling of the same key is another entity, which does not exist."""
    document = Document.objects.create()

    assert look(uid("Document", document.pk), of=shapes)[0].fault == ""
    for text in (document.pk.hex, str(document.pk).upper()):
        assert look(uid("Document", text), of=shapes)[0].fault == "no_entity"


@pytest.mark.skipif(connection.vendor == "postgresql", reason="has no collation that a column simply names")
def test_an_id_that_a_collation_finds_is_not_the_one_asked_for(look):
    """Compared exactly, whatever the database thinks is equal."""
    of = Registry()
    of.register(Place)(ModelEntity)
    Place.objects.create(code="Main")
    assert Place.objects.filter(code="MAIN").exists()

    assert look(uid("Place", "Main"), of=of)[0].fault == ""
    assert look(uid("Place", "MAIN"), of=of)[0].fault == "no_entity"


def test_types_that_are_not_registered_have_no_rows(look):
    """The application, for one; and principals and groups exist only as the token's (rule A3)."""
    for name in ("Application", "User", "Group"):
        (world,) = look(uid(name, "x"))
        assert world == type(world)()


def test_rows_are_no_principals(look, user):
    """A model that is registered under a reserved type lends no attributes to the owner of a photo (rule A3)."""
    of = Registry()
    of.register(Photo)(PhotoEntity)
    of.register(Album)(AlbumEntity)
    of.register(Account)(type("Reserved", (AccountEntity,), {"type": "User"}))
    Account.objects.create(slug=f"{POOL}|ann", name="not a claim")
    photo = Photo.objects.create(owner=user("ann"))

    assert uids(look(photo, of=of)[0]) == [f'Photo::"{photo.pk}"']


def test_members_of_a_set_need_not_exist(look, shapes):
    """Cedar cannot look into a Set, so its members are ids, also where policies are not known."""
    folder = Folder.objects.create(name="f")
    folder.documents.add(Document.objects.create())

    (world,) = look(folder, of=shapes)

    assert uids(world) == [f'Folder::"{folder.pk}"']
    assert len(world.entities[0].attributes["documents"]) == 1


def test_a_dangling_reference_is_an_entity_that_does_not_exist(look):
    """It stays a reference; only the resource itself has to be there."""
    photo = Photo.objects.create()
    photo.album_id = 12345

    (world,) = look(photo)

    assert uids(world) == [f'Photo::"{photo.pk}"']
    assert world.entities[0].parents == (uid("Album", 12345),)


def test_a_row_that_is_gone_is_not_decided(look):
    """Its parents cannot be read any more, and no forbid on them would be seen."""
    Photo.objects.create()
    photo = Photo.objects.only("pk").get()
    Photo.objects.all().delete()

    assert look(photo)[0].fault == "no_entity"


def test_hidden_rows_exist(look):
    """A default manager that hides an ancestor hides no forbid."""
    account = Account.objects.create(slug="archive")
    hidden = Album.objects.create(title="hidden", account=account)
    photo = Photo.objects.create(album=hidden)
    assert not Album.objects.exists()

    expected = [f'Photo::"{photo.pk}"', f'Album::"{hidden.pk}"', 'Account::"archive"']
    assert uids(look(photo)[0]) == expected
    assert uids(look(Photo.objects.prefetch_related("album").get())[0]) == expected


# Computed attributes


def computed(function, model=Photo, **declaration):
    of = Registry()
    of.register(model)(
        type("Computed", (ModelEntity,), {"attribute_x": lambda self, row: function(row), **declaration})
    )
    if model is not Album:
        of.register(Album)(AlbumEntity)
    of.register(Account)(AccountEntity)
    return of


def test_a_method_returns_rows_records_and_sets(attributes, user, look):
    """Instances become references wherever they stand; a record's are followed, a Set's need not exist."""
    near, far = Album.objects.create(title="near"), Album.objects.create(title="far")
    photo = Photo.objects.create()

    def value(row):
        return {
            "album": near,
            "owner": user("ann"),
            "lazy": SimpleLazyObject(lambda: user("ann")),
            "list": [near, {"album": far}],
            "set": {near, far},
            "tuples": {("a", 1)},
            "query": Album.objects.filter(title="far"),
            "id": EntityUid("Album", str(far.pk)),
            1: "one",
        }

    of = computed(value)
    found = attributes(photo, of=of)["x"]
    near_id, far_id = ({"__entity": uid("Album", album.pk).as_json()} for album in (near, far))
    ann = {"__entity": uid("User", f"{POOL}|ann").as_json()}
    assert found.pop("set") in ([near_id, far_id], [far_id, near_id])
    assert {name: item for name, item in found.items() if name != "1"} == {
        "album": near_id,
        "owner": ann,
        "lazy": ann,
        "list": [near_id, {"album": far_id}],
        "tuples": [["a", 1]],
        "query": [far_id],
        "id": far_id,
    }
    read = References({"resource": frozenset({(), ("x", "id")})})
    assert uids(look(photo, of=of, references=read)[0]) == [f'Photo::"{photo.pk}"', f'Album::"{far.pk}"']
    in_a_set = References({"resource": frozenset({(), ("x", "list")})})
    assert uids(look(photo, of=of, references=in_a_set)[0]) == [f'Photo::"{photo.pk}"']


def test_a_row_that_a_method_returns_is_not_read_again(look, django_assert_num_queries):
    """Where the page brought it along."""
    Photo.objects.create(album=Album.objects.create(title="a"))
    photo = Photo.objects.select_related("album").get()

    with django_assert_num_queries(0):
        (world,) = look(photo, of=computed(lambda row: row.album))
    assert [entity.uid.type for entity in world.entities] == ["PhotoFlash::Photo", "PhotoFlash::Album"]


def test_a_method_that_returns_what_cedar_cannot_hold_is_logged(attributes, caplog):
    """It is a mistake in the code; the other attributes stand (rule A5)."""
    photo = Photo.objects.create(title="a")

    assert attributes(photo, of=computed(lambda row: 1.5, attributes=("title",))) == {"title": "a"}
    (record,) = caplog.records
    assert (record.message, record.attribute, record.type) == ("avp.attribute_unholdable", "x", "float")


@pytest.mark.parametrize("value", [None, 2**63, Decimal("NaN"), Decimal("0.00001"), "a\0", {"__entity": {}}])
def test_a_method_may_return_nothing(attributes, caplog, value):
    """What a row has no value for is absent, without a word."""
    assert attributes(Photo.objects.create(), of=computed(lambda row: value)) == {}
    assert caplog.records == []


def test_a_method_is_given_a_row_of_the_registered_model(attributes, shapes):
    """A proxy's methods would make the value depend on how the row was loaded."""
    Document.objects.create()

    assert attributes(Draft.objects.get(), of=shapes)["model"] == "Document"


def test_with_uids_leaves_other_values_alone():
    """And notes what it found by its path."""
    found = {}

    assert with_uids({"a": {"b": EntityUid("Album", "1")}, "n": 1}, (), found, registry) == {
        "a": {"b": uid("Album", 1)},
        "n": 1,
    }
    assert found == {("a", "b"): {uid("Album", 1): None}}


# Snapshots


def test_what_a_row_brought_along_is_seen_with_it(look):
    """A form on the album of a photo does not change what is decided of the photo (rule A4)."""
    Photo.objects.create(album=Album.objects.create(title="a"), meta={"flags": ["a"]})
    photo = Photo.objects.select_related("album").prefetch_related("tags").get()
    photo.tags.add(Tag.objects.create(name="before"))
    photo = Photo.objects.select_related("album").prefetch_related("tags").get()
    worlds = Worlds(registry)
    worlds.see(registry.uid(photo), photo)

    photo.album.is_public = True
    photo.album.title = "changed"
    photo.meta["flags"].append("b")
    photo.tags.add(Tag.objects.create(name="after"))

    (world,) = look(photo, worlds=worlds, references=ALBUM_IS_READ)
    found = {entity.uid.type: entity.attributes for entity in world.entities}
    assert found["PhotoFlash::Photo"]["albumTitle"] == "a"
    assert found["PhotoFlash::Photo"]["meta"] == {"flags": ["a"]}
    assert found["PhotoFlash::Photo"]["tags"] == ["before"]
    assert found["PhotoFlash::Album"]["is_public"] is False


def test_a_method_sees_the_row_as_it_was(look):
    """Its copy shares nothing with the instance that changes."""
    Photo.objects.create(title="a", meta={"n": 1}, album=Album.objects.create(title="c")).tags.create(name="t")
    photo = Photo.objects.select_related("album").prefetch_related("tags").get()
    of = computed(lambda row: f"{row.title}{row.meta['n']}{len(row.tags.all())}{row.album.title}")
    worlds = Worlds(of)
    worlds.see(of.uid(photo), photo)

    photo.title = "b"
    photo.meta["n"] = 2
    photo.tags.create(name="u")
    photo.album = Album.objects.create(title="d")

    assert look(photo, of=of, worlds=worlds)[0].entities[0].attributes == {"x": "a11c"}


def test_an_id_that_a_form_wrote_is_not_believed(look):
    """The row keeps the id under which it was first seen."""
    mine, other = Account.objects.create(slug="mine"), Account.objects.create(slug="other")
    worlds = Worlds(registry)
    assert worlds.see(registry.uid(other), other) == uid("Account", "other")

    other.slug = "mine"

    assert worlds.see(registry.uid(other), other) == uid("Account", "other")
    assert worlds.see(registry.uid(mine), mine) == uid("Account", "mine")


@pytest.mark.parametrize("models", [(Document, Draft), (Draft, Document)])
def test_a_proxy_with_a_definition_of_its_own_is_an_entity_of_its_own(look, models):
    """A row is judged as what the instance is that is asked about, whichever of both was seen first."""
    of = Registry()
    of.register(Document, Draft)(ModelEntity)
    key = Document.objects.create().pk
    worlds = Worlds(of)

    found = [look(model.objects.get(), of=of, worlds=worlds)[0] for model in models]

    assert list(map(uids, found)) == [[f'{model.__name__}::"{key}"'] for model in models]


def test_a_lazy_instance_is_seen_as_what_it_wraps(look):
    """Such as an object that a view resolves when it is used."""
    album = Album.objects.create(title="a")

    assert uids(look(SimpleLazyObject(lambda: album))[0]) == [f'Album::"{album.pk}"']


def test_after_forgetting_everything_is_read_anew(look):
    """Also what was derived from the row, and instances that were loaded before the write."""
    Photo.objects.create(album=Album.objects.create(title="old"))
    early, late = (Photo.objects.select_related("album").get() for _ in range(2))
    other = Registry()
    other.register(Album)(AlbumEntity)
    other.register(Account)(AccountEntity)
    other.register(Photo)(PhotoEntity)
    worlds = Worlds(other)
    look(early, of=other, worlds=worlds)

    Album.objects.update(title="new")
    assert look(early, of=other, worlds=worlds)[0].entities[0].attributes["albumTitle"] == "old"
    worlds.forget()

    for photo in (early, late):
        (world,) = look(photo, of=other, worlds=worlds)
        found = {entity.uid.type: entity.attributes for entity in world.entities}
        assert found["PhotoFlash::Photo"]["albumTitle"] == "new"
        assert found["PhotoFlash::Album"]["title"] == "new"


# Databases


@pytest.fixture
def elsewhere(db, django_db_blocker, tmp_path):
    """A second database with the same tables."""
    connections.databases["elsewhere"] = {
        **copy.deepcopy(connections.databases["default"]),
        "NAME": tmp_path / "elsewhere",
    }
    with django_db_blocker.unblock():
        call_command("migrate", database="elsewhere", run_syncdb=True, verbosity=0)
        yield "elsewhere"
        connections["elsewhere"].close()
    del connections.databases["elsewhere"]
    del connections["elsewhere"]


@sqlite_only
def test_a_row_of_another_database_is_completed_there(look, elsewhere):
    """Its columns and the rows that it leads to come from where it came from."""
    for database, title in (("default", "wrong"), (elsewhere, "right")):
        account = Account.objects.using(database).create(slug="main", name=title)
        album = Album.objects.using(database).create(title=title, account=account)
        Photo.objects.using(database).create(album=album, title=title)
    photo = Photo.objects.using(elsewhere).get()

    (world,) = look(photo)

    texts = [entity.attributes.get("title", entity.attributes.get("name")) for entity in world.entities]
    assert texts == ["right"] * 3
    assert world.entities[0].attributes["albumTitle"] == "right"


class Elsewhere:
    """Reads everything from the second database."""

    def db_for_read(self, model, **hints):
        return "elsewhere"


@sqlite_only
def test_a_router_decides(look, elsewhere, settings):
    """As for every query of Django."""
    for database, title in (("default", "wrong"), (elsewhere, "right")):
        Album.objects.using(database).create(title=title)
    settings.DATABASE_ROUTERS = [f"{__name__}.Elsewhere"]

    (world,) = look(uid("Album", Album.objects.using("default").get().pk))

    assert world.entities[0].attributes["title"] == "right"


# Several starts


def test_entities_of_the_context_and_of_policies_belong_to_the_world():
    """They are followed as far as policies read them; those that do not exist are left out."""
    parent = Album.objects.create(title="parent", account=Account.objects.create(slug="main"))
    album = Album.objects.create(title="a", parent=parent)
    starts = [(uid("Album", album.pk), "context", ("album",)), (uid("Album", 999), "context", ("other",))]
    references = References({"context": frozenset({(), ("album",)})})
    worlds = Worlds(registry).build({1: starts, 2: starts * 2, 3: []}, references)

    assert uids(worlds[1]) == uids(worlds[2]) == [f'Album::"{album.pk}"', f'Album::"{parent.pk}"', 'Account::"main"']
    assert uids(worlds[3]) == []
    assert EVERYTHING.length is None
