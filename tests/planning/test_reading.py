"""What planning reads of an expression, and what it leaves to rendering."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import partial
from types import SimpleNamespace

import pytest
from django.core.paginator import Paginator
from django.db import DatabaseError, connection
from django.http import QueryDict
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject, cached_property
from django.utils.translation import gettext_lazy

from django_avp.planning.conditions import condition
from django_avp.planning.reading import Reader
from django_avp.planning.scope import UNKNOWN, Later, Scope
from tests.planning.conftest import photos
from tests.testapp.models import Album, Document, Photo

pytestmark = pytest.mark.django_db


class Slotted:
    """No dictionary, a constant, and a name that lives in the class alone."""

    __slots__ = ("slot",)
    constant = 7

    def __init__(self):
        self.slot = 5

    def method(self):
        raise AssertionError("called")

    @property
    def computed(self):
        raise AssertionError("computed")


class Answering:
    """Answers for whatever it is asked."""

    own = 1

    def __init__(self):
        self.mine = 2

    def __getattr__(self, name):
        raise AssertionError(name)


class Watching:
    """Looks at every attribute that is read of it."""

    def __getattribute__(self, name):
        raise AssertionError(name)


class Indexed:
    """Has items of its own making."""

    def __getitem__(self, key):
        raise AssertionError(key)


class Quiet:
    """Asks templates not to call it."""

    do_not_call_in_templates = True

    def __call__(self):
        raise AssertionError("called")


class Keeping:
    """Computes once."""

    @cached_property
    def kept(self):
        return 3

    @cached_property
    def broken(self):
        raise RuntimeError("broken")


def expression(text):
    return Template("{{ " + text + " }}").nodelist[0].filter_expression


@pytest.fixture
def names(gallery):
    first = photos().first()
    bare = Photo.objects.get(pk=gallery[1].pk)
    document = Document.objects.create()
    return {
        "text": "abc",
        "number": 3,
        "list": [1, [2]],
        "tuple": ("a",),
        "dict": {"key": 1, "items": 2, 4: "four"},
        "views": {"a": 1},
        "query": QueryDict("sort=title"),
        "counting": defaultdict(list),
        "when": datetime(2026, 11, 24),
        "slotted": Slotted(),
        "answering": Answering(),
        "watching": Watching(),
        "indexed": Indexed(),
        "quiet": Quiet(),
        "keeping": Keeping(),
        "function": partial(print, "called"),
        "lazy": SimpleLazyObject(lambda: "forced"),
        "lazy_text": gettext_lazy("text"),
        "later": Later(lambda: "made"),
        "photo": first,
        "bare": bare,
        "orphan": Photo(pk=99, album=None),
        "document": document,
        "photos": photos(),
        "fetched": gallery,
        "page": Paginator(gallery, 2).page(1),
        "kind": Photo,
        "choices": Document.Kind,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("text", "abc"),
        ("'abc'", "abc"),
        ("12", 12),
        ("text.1", "b"),
        ("text.9", None),
        ("text.upper", "ABC"),
        ("text.nowhere", None),
        ("nowhere", None),
        ("nowhere.deeper", None),
        ("number.nowhere", None),
        ("list.1.0", 2),
        ("list.7", None),
        ("tuple.0", "a"),
        ("dict.key", 1),
        ("dict.items", 2),
        ("dict.4", "four"),
        ("dict.5", None),
        ("dict.nowhere", None),
        ("views.items", {"a": 1}.items()),
        ("query.sort", "title"),
        ("when.year", 2026),
        ("when.date", datetime(2026, 11, 24).date()),
        ("slotted.slot", 5),
        ("slotted.constant", 7),
        ("answering.own", 1),
        ("answering.mine", 2),
        ("later", "made"),
        ("photo.title", "photo 0"),
        ("photo.album.account.slug", "main"),
        ("orphan.album", None),
        ("page.number", 1),
        ("page.object_list.1.title", "photo 1"),
        ("page.1.title", "photo 1"),
        ("fetched.1.title", "photo 1"),
        ("text|upper", "ABC"),
        ("text|length", 3),
        ("number|add:2", 5),
        ("number|divisibleby:3", True),
        ("nowhere|default:number", 3),
        ("nowhere|default_if_none:'x'", "x"),
        ("list|first", 1),
        ("list|last|first", 2),
        ("list|slice:':1'", [1]),
    ],
)
def test_what_rendering_would_read_is_read(names, text, value):
    """Keys, attributes, indexes, and filters that only look."""
    with CaptureQueriesContext(connection) as queries:
        found = Reader().value(expression(text), Scope(names))

    assert found == value
    assert not queries.captured_queries


@pytest.mark.parametrize(
    "text",
    [
        "_('text')",
        "list|random",
        "list.pop",
        "list|length|default:lazy",
        "counting.key",
        "slotted.method",
        "slotted.computed",
        "answering.nowhere",
        "watching.anything",
        "indexed.key",
        "function",
        "lazy",
        "lazy_text",
        "kind",
        "kind.objects",
        "keeping.broken",
        "photos.0",
        "photos.count",
        "photos|first",
        "photos|length",
        "photo.save",
        "photo.album.photo_set.all",
        "photo.tags.count",
        "document.get_kind_display",
        "page.has_next",
        "list|first|first",
        "text|date:list|upper",
    ],
)
def test_what_takes_more_than_to_look_is_left_to_rendering(names, text):
    """Calls, queries, lazy objects, and what raises."""
    with CaptureQueriesContext(connection) as queries:
        found = Reader().value(expression(text), Scope(names))

    assert found is UNKNOWN
    assert not queries.captured_queries


def test_quiet_objects_and_prefetched_rows_are_read(names):
    """What a template does not call is itself, and the rows of a prefetch are there."""
    album = Album.objects.prefetch_related("photo_set").first()
    photo = photos().first()
    reader = Reader()

    assert reader.value(expression("quiet"), Scope(names)) is names["quiet"]
    assert reader.value(expression("choices.DRAFT"), Scope(names)) is UNKNOWN
    assert len(reader.rows(reader.value(expression("album.photo_set.all"), Scope({"album": album})))) == 3
    assert reader.rows(reader.value(expression("photo.tags.all"), Scope({"photo": photo}))) == list(photo.tags.all())


def test_where_rendering_is_certain_its_queries_are_made_and_kept(names):
    """A related row, a deferred column, a value that is computed once: rendering does not fetch them again."""
    deferred = Photo.objects.only("pk").first()
    scope = Scope({**names, "deferred": deferred})
    for text, value in [("bare.album.title", "album 1"), ("deferred.title", "photo 0"), ("keeping.kept", 3)]:
        reader = Reader()
        reader.is_certain = False
        assert reader.value(expression(text), scope) is UNKNOWN
        reader.is_certain = True
        assert reader.value(expression(text), scope) == value
        with CaptureQueriesContext(connection) as queries:
            assert Template("{{ " + text + " }}").render(Context({**names, "deferred": deferred})) == str(value)
        assert not queries.captured_queries
        reader.is_certain = False
        assert reader.value(expression(text), scope) == value


def test_before_the_gate_nothing_is_computed_and_nothing_is_missing(names):
    """An object may yet be given what it does not have."""
    reader = Reader(is_early=True)

    assert reader.value(expression("keeping.kept"), Scope(names)) is UNKNOWN
    assert reader.value(expression("keeping.nowhere"), Scope(names)) is UNKNOWN
    assert reader.value(expression("nowhere"), Scope(names, is_open=True)) is UNKNOWN
    assert reader.value(expression("list.0"), Scope(names)) == 1


def test_rows_are_fetched_only_where_rendering_fetches_them(names):
    """In a certain place, or behind a condition about them; a failing query is rendering's."""
    reader = Reader()
    reader.is_certain = False
    queryset = photos()
    reader.expect(queryset)
    assert reader.rows(queryset) is None
    reader.is_certain = True
    reader.expect(queryset)
    reader.is_certain = False
    assert len(reader.rows(queryset)) == 6
    reader.is_certain = True
    with pytest.raises(DatabaseError):  # a transaction is lost, so rendering could not tell why
        reader.rows(Photo.objects.extra(where=["nonsense("]))  # noqa: S610
    assert reader.rows(names["page"]) == tuple(names["fetched"][:2])
    assert reader.rows(iter([1])) is None
    assert reader.rows(UNKNOWN) is None


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("number", True),
        ("not number", False),
        ("nowhere", False),
        ("photo", True),
        ("page", True),
        ("fetched", True),
        ("slotted", True),
        ("number == 3 and text != 'x'", True),
        ("number > 5 or text < 'b'", True),
        ("text > number", False),
        ("photo == photo", True),
        ("photo in fetched", True),
        ("'a' in text", True),
        ("1 not in list", False),
        ("'key' in dict", True),
        ("photo is photo", True),
        ("photo is not nowhere", True),
        ("photos", None),
        ("photos and number", None),
        ("not lazy", None),
        ("lazy == number", None),
        ("indexed == number", None),
        ("number in indexed", None),
        ("number in photos", None),
        ("counting.key or number", None),
        ("nowhere and lazy", False),
        ("number or lazy", True),
        ("Quiet", False),
        ("unsized", None),
    ],
)
def test_conditions_are_evaluated_as_far_as_looking_goes(names, text, holds):
    """Rule D3, in all operators: what only rendering knows is ``None``."""
    (test, _), *_ = Template("{% if " + text + " %}{% endif %}").nodelist[0].conditions_nodelists
    scope = Scope({**names, "fetched": names["fetched"], "unsized": type("Sized", (), {"__len__": None})()})

    assert condition(test, Reader(), scope) is holds


def test_a_fetched_queryset_is_as_good_as_a_list(gallery):
    """Its truth, its items and its members are at hand."""
    rows = photos()
    list(rows)
    scope = Scope({"rows": rows, "photo": rows[0], "none": Photo.objects.none()})
    list(scope.get("none"))
    for text, holds in [("rows", True), ("photo in rows", True), ("none", False), ("rows|length == 6", True)]:
        (test, _), *_ = Template("{% if " + text + " %}{% endif %}").nodelist[0].conditions_nodelists
        assert condition(test, Reader(), scope) is holds
    assert Reader().value(expression("rows.1.title"), scope) == "photo 1"
    assert Reader().value(expression("rows.99"), scope) is None


def test_a_manager_without_rows_to_show_is_left_alone():
    """Anything else that has an ``all``."""
    album = SimpleNamespace(photo_set=Photo.objects)

    assert Reader().value(expression("album.photo_set.all"), Scope({"album": album})) is UNKNOWN


@pytest.mark.django_db(transaction=True)
def test_a_query_that_fails_outside_of_a_transaction_is_rendering_s():
    """It fails there again, with the same error."""
    assert Reader().rows(Photo.objects.extra(where=["nonsense("])) is None  # noqa: S610
