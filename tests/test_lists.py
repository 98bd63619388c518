"""``request.avp.permitted``: what its queryset can do, when there is none, and what is kept."""

from __future__ import annotations

import contextlib
import pickle
from collections import Counter

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import NotSupportedError, connection
from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Q, Sum, Value
from django.http import Http404, HttpResponse
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.views.generic import DetailView, ListView, TemplateView

from django_avp import entities
from django_avp import lists as lists_module
from django_avp.authorization import Authorization
from django_avp.cedar import EntityUid
from django_avp.engines.caching import CachingEngine
from django_avp.engines.shared_cache import SharedCache
from django_avp.entities import registry
from django_avp.exceptions import (
    AuthorizationUnavailable,
    KeySetUnavailableError,
    PolicyError,
    UntranslatablePolicyError,
)
from django_avp.filtering import Kept, kept
from django_avp.filtering.compiler import compiled
from django_avp.filtering.dialects import dialect_of
from django_avp.filtering.partial import conforms, residuals
from django_avp.identity import Identity
from django_avp.mixins import ActionRequiredMixin
from django_avp.runtime import runtime
from tests.conftest import POOL
from tests.filtering.conftest import Fixed, parsed, registered
from tests.testapp.models import Album, Comment, Document, Draft, Note, Photo, Report, Tag

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shallow")]

EVERYTHING = "permit (principal, action, resource);"
UNTRANSLATABLE = "permit (principal, action, resource) when { resource.likes + 1 > 5 };"


@pytest.fixture
def photos(user):
    """Ten photos: ann's, bob's and nobody's, every second one public, with tags that a join would repeat."""
    tags = [Tag.objects.create(name=name) for name in ("a", "b", "c")]
    for number in range(10):
        photo = Photo.objects.create(
            title=f"photo {number}",
            owner=[user("ann"), user("bob"), None][number % 3],
            album=Album.objects.create(title="album", is_public=number == 9) if number > 6 else None,
            is_public=number % 2 == 0,
            likes=number,
        )
        photo.tags.set(tags)
    return Photo.objects.order_by("pk")


@pytest.fixture
def asking(user):
    """An authorization of a user."""

    def ask(sub="ann", **options):
        user(sub)
        return Authorization(Identity.from_claims({"sub": sub}, pool=POOL), **options)

    return ask


@contextlib.contextmanager
def deciding(text, schema=None):
    """Decide by other policies."""
    with runtime.use_engine(Fixed(parsed(text, schema))) as engine:
        yield engine


class KindEntity(entities.ModelEntity):
    attributes = ("kind",)


class LikedEntity(entities.ModelEntity):
    attributes = ("likes",)


def titles(rows):
    return [int(row.title.split()[1]) for row in rows]


# The queryset


def test_rows_are_those_that_may_be_seen(asking, photos):
    """In one query, without a round and without a row twice; the others are the others."""
    avp = asking()
    expected = [photo for photo in photos if asking().can("ViewPhoto", photo)]
    assert titles(expected) == [0, 2, 3, 4, 6, 8, 9]
    _ = avp.user
    with CaptureQueriesContext(connection) as queries:
        rows = list(avp.permitted("ViewPhoto", photos))
    assert (rows, len(queries), avp.rounds) == (expected, 1, [])


@pytest.mark.parametrize("is_plain", [True, False])
def test_what_querysets_do_it_does(asking, photos, is_plain):
    """Counting, slicing, filtering, aggregating, joining, uniting, and writing, whatever it was asked of."""

    def permitted(action, sub="ann"):
        asked = asking(sub).permitted(action, Photo.objects.all() if is_plain else photos)
        return asked.order_by("pk") if is_plain else asked

    mine = permitted("EditPhoto")
    seen = permitted("ViewPhoto")
    assert titles(mine) == [0, 3, 6, 9]
    assert (mine.count(), mine.exists(), titles(mine[1:3])) == (4, True, [3, 6])
    assert titles(mine.filter(likes__gt=3).exclude(title="photo 9")) == [6]
    assert titles(photos.exclude(pk__in=mine)) == [1, 2, 4, 5, 7, 8]
    assert titles(seen.filter(tags__name__in=["a", "b"]).distinct()) == titles(seen)
    assert list(mine.values_list("likes", flat=True)) == [0, 3, 6, 9]
    assert [row["likes"] for row in mine.values("likes")] == [0, 3, 6, 9]
    assert mine.aggregate(Sum("likes"), n=Count("pk")) == {"likes__sum": 18, "n": 4}
    counted = mine.annotate(n=Count("tags"))
    assert [photo.n for photo in counted] == [3, 3, 3, 3]
    if connection.vendor != "mysql":  # MariaDB does not know in HAVING what it groups by
        assert titles(counted.filter(n=4) | counted.filter(likes=6)) == [6]
    with CaptureQueriesContext(connection) as queries:
        assert [photo.owner.username for photo in mine.select_related("owner", "album")] == [f"{POOL}|ann"] * 4
    assert len(queries) == 1
    others = permitted("EditPhoto", "bob")
    assert sorted(titles(mine.order_by().union(others.order_by()))) == [0, 1, 3, 4, 6, 7, 9]
    assert titles(mine | others) == [0, 1, 3, 4, 6, 7, 9]
    assert titles(mine & seen) == [0, 3, 6, 9]
    assert titles(mine.reverse().prefetch_related("tags")) == [9, 6, 3, 0]
    assert Comment.objects.filter(photo__in=mine).count() == 0
    assert mine.order_by().update(likes=F("likes") + 1) == 4
    assert sorted(Photo.objects.values_list("likes", flat=True)) == [1, 1, 2, 4, 4, 5, 7, 7, 8, 10]
    Album.objects.update(owner=None)
    assert mine.filter(title="photo 0").delete()[1]["testapp.Photo"] == 1
    assert Photo.objects.count() == 9
    with pytest.raises(TypeError, match="slice"):
        asking().permitted("EditPhoto", photos[:5])


def test_what_is_made_of_lists_changes_none(asking, photos):
    """Subqueries give names of their own to tables, and joins add some; the next list has its own again."""

    def queries():
        mine = asking().permitted("EditPhoto", Photo.objects.all())
        names = str(mine.query.table_map)
        inner = Photo.objects.filter(pk__in=mine)
        joined = mine.filter(owner__photos__likes=3, owner__username=f"{POOL}|ann")
        told = [str(rows.query) for rows in (mine, inner, joined, mine.order_by().union(inner.order_by()))]
        assert [sorted(titles(rows)) for rows in (mine, inner, joined)] == [[0, 3, 6, 9]] * 3
        return [names, *told]

    assert queries() == queries() == queries()


def test_lists_are_pickled_as_other_querysets_are(asking, photos):
    """With their condition, for a cache."""
    mine = asking().permitted("EditPhoto", Photo.objects.all())
    assert titles(mine.order_by("pk")) == [0, 3, 6, 9]
    again = Photo.objects.all()
    again.query = pickle.loads(pickle.dumps(mine.query))  # noqa: S301 - our own
    assert titles(again.order_by("pk")) == [0, 3, 6, 9]


QUERYSETS = {
    "ordered": lambda rows: rows.order_by("-likes", "pk"),
    "ordered by a table of the condition": lambda rows: rows.order_by("album__title", "pk"),
    "filtered": lambda rows: rows.filter(likes__gt=3),
    "excluded": lambda rows: rows.exclude(likes__in=[2, 8]),
    "filtered by a table of the condition": lambda rows: rows.filter(album__title="album"),
    "excluded by a table of the condition": lambda rows: rows.exclude(album__title="album"),
    "filtered by that there is no row": lambda rows: rows.filter(album__title=None),
    "filtered by either of two tables": lambda rows: rows.filter(Q(album__title="album") | Q(owner__username="bob")),
    "one or the other": lambda rows: rows.filter(likes__lt=3) | rows.filter(album__title="album"),
    "one or the other, not both": lambda rows: rows.filter(likes__lt=8) ^ rows.filter(album__title="album"),
    "all or none": lambda rows: rows | rows.none(),
    "filtered by another table": lambda rows: rows.filter(owner__username="bob"),
    "filtered by the same table twice": lambda rows: rows.filter(album__parent=None, album__is_public=True),
    "filtered by many": lambda rows: rows.filter(tags__name__in=["a", "b"]).distinct(),
    "filtered by many of two kinds": lambda rows: rows.filter(tags__name="a").filter(tags__name__in="b"),
    "filtered by an alias of the condition's table": lambda rows: rows.alias(
        shown=FilteredRelation("album", condition=Q(album__is_public=True))
    ).filter(shown__title="album"),
    "filtered by a subquery": lambda rows: rows.filter(album__in=Album.objects.filter(is_public=True)),
    "filtered by what exists": lambda rows: rows.filter(Exists(Album.objects.filter(photo=OuterRef("pk")))),
    "annotated": lambda rows: rows.annotate(n=Count("tags"), title_of_album=F("album__title")).filter(n=3),
    "annotated by names of paths": lambda rows: rows.annotate(
        album__is_public=Value(True), album__title=Value("album"), album__account=Value(1)
    ),
    "annotated by names of paths, and filtered by many of two kinds": lambda rows: (
        rows.annotate(album__is_public=Value(True), album__title=Value("album"), album__account=Value(1))
        .filter(tags__name="a")
        .filter(tags__name__in="b")
    ),
    "joined": lambda rows: rows.select_related("album", "owner").prefetch_related("tags"),
    "some columns": lambda rows: rows.only("title").defer("album__title"),
    "none": lambda rows: rows.none(),
    "extra": lambda rows: rows.extra(where=["likes > %s"], params=[2]),
    "of an album": lambda rows: Album.objects.get(is_public=True).photo_set.all(),
    "of a tag": lambda rows: Tag.objects.first().photo_set.all(),
}
CONDITIONS = [
    "resource.is_public || (resource has album && resource.album.is_public)",
    "resource.album.is_public",
    "resource has album && !resource.album.is_public",
    'resource.likes > 4 && !(resource in PhotoFlash::Account::"main")',
]


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("kind", QUERYSETS)
def test_a_condition_is_taken_into_any_queryset(asking, photos, kind, condition):
    """The rows are those of the queryset that may be seen, in its order, whichever tables both ask."""
    queryset = QUERYSETS[kind](Photo.objects.all())
    with deciding(f"permit (principal, action, resource) when {{ {condition} }};"):
        expected = [photo for photo in queryset if asking().can("ViewPhoto", photo)]
        listed = asking().permitted("ViewPhoto", queryset)
        # Without an order a database may give them in any.
        assert list(listed) == expected if queryset.ordered else Counter(listed) == Counter(expected)
        assert len(listed.values("pk")) == listed.count() == len(expected)
        assert titles(photos.filter(pk__in=listed.values("pk"))) == sorted({*titles(expected)})
        # It is compiled no more than once, unless two tables have one name, so it is the same wherever it is.
        kept = asking().permitted("ViewPhoto", photos).query.where.children[-1]
        assert (kept in listed.query.where.children) == ("of two kinds" not in kind)


@pytest.mark.parametrize("model", [Document, Draft, Report])
def test_rows_of_a_proxy_and_of_a_child_are_their_models_own(asking, model):
    """They are entities as those of the model that is registered."""
    rows = [model.objects.create(kind=kind) for kind in ("draft", "final")]
    seen = 'permit (principal, action, resource) when { resource.kind == "final" };'
    with registered({Document: KindEntity}), deciding(seen):
        assert list(asking().permitted("View", model.objects.all())) == rows[1:]
        assert list(asking().permitted("View", model.objects.filter(kind="draft"))) == []


def test_rows_of_a_proxy_that_is_registered_are_entities_of_its_own(asking):
    """A row that was asked about as one type is not permitted as the other: neither in a list nor by a check."""
    Document.objects.create()
    document, draft = Document.objects.get(), Draft.objects.get()
    text = "permit (principal, action, resource is PhotoFlash::Document);"
    with registered({Document: KindEntity, Draft: KindEntity}), deciding(text):
        for rows in ((document, draft), (draft, document)):
            avp = asking()
            assert [type(row) for row in rows if avp.can("View", row)] == [Document]
            assert list(avp.permitted("View", Document.objects.all())) == [document]
            assert list(avp.permitted("View", Draft.objects.all())) == []


def test_what_cannot_be_filtered_is_an_error_of_django_s(asking, photos):
    """As with a filter by hand."""
    with pytest.raises(TypeError, match="slice"):
        asking().permitted("ViewPhoto", photos[:3])
    with pytest.raises(NotSupportedError, match="union"):
        asking().permitted("ViewPhoto", photos.union(photos))


def test_lists_take_contexts(asking, photos):
    """As checks do."""
    assert titles(asking().permitted("EditPhoto", photos, {"mfa": True})) == list(range(10))
    assert titles(asking(context={"mfa": True}).permitted("EditPhoto", photos)) == list(range(10))
    with pytest.raises(ValueError, match="token"):
        asking().permitted("EditPhoto", photos, {"token": {}})
    assert not asking().permitted("EditPhoto", photos, {"mfa": {"__entity": {"type": "A", "id": "b"}}})


async def _awaited(answer):
    return await answer


def _collected(avp, rows, context):
    avp.collect("ViewPhoto", rows, context)
    return avp.can("ViewPhoto", rows[0], context)


WAYS = {
    "can": lambda avp, rows, context: avp.can("ViewPhoto", rows[0], context),
    "acan": lambda avp, rows, context: async_to_sync(_awaited)(avp.acan("ViewPhoto", rows[0], context)),
    "collect": _collected,
    "require": lambda avp, rows, context: avp.require("ViewPhoto", rows[0], context),
    "arequire": lambda avp, rows, context: async_to_sync(avp.arequire)("ViewPhoto", rows[0], context),
    "explain": lambda avp, rows, context: avp.explain("ViewPhoto", rows[0], context).decision,
    "aexplain": lambda avp, rows, context: async_to_sync(avp.aexplain)("ViewPhoto", rows[0], context).decision,
    "permitted": lambda avp, rows, context: avp.permitted("ViewPhoto", rows, context, on_untranslatable="check"),
    "apermitted": lambda avp, rows, context: async_to_sync(avp.apermitted)(
        "ViewPhoto", rows, context, on_untranslatable="check"
    ),
}


@pytest.mark.parametrize("has_sql", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_no_way_to_ask_loses_the_context(asking, photos, way, has_sql):
    """What a policy forbids by it is forbidden, and what one permits by it is permitted."""
    permitted = "true" if has_sql else "resource.likes + 1 > 0"

    def is_granted(context):
        try:
            return bool(WAYS[way](asking(), photos, context))
        except PermissionDenied:
            return False

    with deciding(f"""
        permit (principal, action, resource) when {{ {permitted} }};
        forbid (principal, action, resource) when {{ context has locked }};
    """):
        assert (is_granted({}), is_granted({"locked": True})) == (True, False)
    with deciding(f"permit (principal, action, resource) when {{ {permitted} && context has locked }};"):
        assert (is_granted({}), is_granted({"locked": True})) == (False, True)


def test_the_claims_of_the_access_token_are_in_the_context(user, photos):
    """Under the key that AVP gives them."""
    user("ann")
    claims = {"sub": "bob", "token_use": "access", "scope": "photos/write"}
    user("bob")
    avp = Authorization(Identity.from_claims(claims, pool=POOL))
    assert titles(avp.permitted("EditPhoto", photos)) == list(range(10))


def test_what_policies_and_contexts_name_is_read(asking, photos):
    """An entity that a policy looks into, and one that the context holds."""
    album = Album.objects.create(title="open", is_public=True)
    uid = f'PhotoFlash::Album::"{album.pk}"'
    with deciding(f"permit (principal, action, resource) when {{ {uid}.is_public }};"):
        assert len(asking().permitted("ViewPhoto", photos)) == 10
        Album.objects.filter(pk=album.pk).update(is_public=False)
        assert not asking().permitted("ViewPhoto", photos)
    with deciding('permit (principal, action, resource) when { context.album.title == "open" };'):
        assert len(asking().permitted("ViewPhoto", photos, {"album": album})) == 10
    Album.objects.filter(pk=album.pk).update(parent=album)
    with deciding(f"{EVERYTHING}\npermit (principal, action, resource) when {{ {uid}.is_public }};"):
        assert not asking().permitted("ViewPhoto", photos)


def test_it_has_an_async_twin(asking, photos):
    """Which blocks no loop."""

    async def listed():
        rows = await (await sync_to_async(asking)()).apermitted("EditPhoto", photos)
        return [photo.title async for photo in rows]

    assert async_to_sync(listed)() == ["photo 0", "photo 3", "photo 6", "photo 9"]


# When there is none


def test_nobody_sees_nothing(asking, photos, user, settings):
    """Nobody, who was deactivated, who has signed out, and who cannot be a principal."""
    assert not Authorization(None).permitted("ViewPhoto", photos)
    type(user("gone")).objects.filter(pk=user("gone").pk).update(is_active=False)
    assert not asking("gone").permitted("ViewPhoto", photos)
    closed = asking()
    closed.close()
    assert not closed.permitted("ViewPhoto", photos)
    settings.AVP_USER_MODE = "token"
    groups = [f"group {number}" for number in range(100)]
    with deciding(EVERYTHING):
        identity = Identity.from_claims({"sub": "ann"}, pool=POOL)
        assert Authorization(identity).permitted("ViewPhoto", photos)
        assert not Authorization(identity).permitted("a\nb", photos)
        many = Identity.from_claims({"sub": "ann", "cognito:groups": groups}, pool=POOL)
        assert not Authorization(many).permitted("ViewPhoto", photos)
        assert not Authorization(Identity(EntityUid("PhotoFlash::User", "a\nb"))).permitted("ViewPhoto", photos)
        deep: dict[str, object] = {}
        for _ in range(2000):
            deep = {"a": deep}
        assert not Authorization(Identity(identity.principal, _id_claims=deep)).permitted("ViewPhoto", photos)


def test_somebody_may_stand_for_nobody(photos, settings):
    """AVP_ANONYMOUS_PRINCIPAL."""
    settings.AVP_ANONYMOUS_PRINCIPAL = 'PhotoFlash::User::"guest"'
    assert titles(Authorization(None).permitted("ViewPhoto", photos)) == [0, 2, 4, 6, 8, 9]


def test_what_cannot_be_told_is_no_empty_list(asking, photos):
    """Keys, policies or a schema that are not there now; on the question, not on the rows."""
    fault = KeySetUnavailableError("unreachable", "The key set cannot be fetched.")
    with pytest.raises(AuthorizationUnavailable, match="key set"):
        Authorization(None, fault=fault).permitted("ViewPhoto", photos)

    class Broken(Fixed):
        def policies(self, store):
            raise self.of_store

    for error in (AuthorizationUnavailable("Not now."), PolicyError("A file is broken.")):
        with runtime.use_engine(Broken(error)), pytest.raises(AuthorizationUnavailable, match=str(error)):
            asking().permitted("ViewPhoto", photos)
        with runtime.use_engine(Broken(error)), pytest.raises(AuthorizationUnavailable):
            asking().permitted("ViewPhoto", photos, on_untranslatable="check")


@pytest.mark.parametrize("is_remembered", [False, True])
def test_an_engine_may_refuse_an_identity(asking, photos, settings, is_remembered):
    """Its store has another identity source (rule C10); also where decisions are remembered."""
    settings.AVP_POLICY_STORE_ID = "store-1"
    with deciding(EVERYTHING) as engine:
        engine.accepts = lambda store, identity: (store, identity.principal.id) != ("store-1", f"{POOL}|ann")
        with runtime.use_engine(CachingEngine(engine, SharedCache("default")) if is_remembered else engine):
            assert not asking().permitted("ViewPhoto", photos)
            settings.AVP_POLICY_STORE_ID = "store-2"
            assert asking().permitted("ViewPhoto", photos)


def test_mistakes_are_told(asking, photos):
    """A model that is not registered, and a choice that there is not."""
    with pytest.raises(ImproperlyConfigured, match="Note is not registered"):
        asking().permitted("ViewPhoto", Note.objects.all())
    with pytest.raises(ValueError, match="on_untranslatable"):
        asking().permitted("ViewPhoto", photos, on_untranslatable="chekc")


# What has no counterpart in SQL


def test_the_rest_is_checked_within_a_limit(asking, photos, monkeypatch):
    """One by one, in one round, but for the rows that the other policies settle; more is an error."""
    public = "forbid (principal, action, resource) when { resource.is_public };"
    with deciding(f"{UNTRANSLATABLE}\n{public}"):
        with pytest.raises(UntranslatablePolicyError, match=r"Policy 'p0'.*resource\.likes") as raised:
            asking().permitted("ViewPhoto", photos)
        assert "expression_<name>" in raised.value.cure
        avp = asking()
        rows = avp.permitted("ViewPhoto", photos, on_untranslatable="check")
        assert (titles(rows), rows.count()) == ([5, 7, 9], 3)
        assert [round_.checks for round_ in avp.rounds] == [5]
        pairs = photos.filter(likes__lt=6).values_list("likes", "is_public")
        assert list(asking().permitted("ViewPhoto", pairs, on_untranslatable="check")) == [(5, False)]
        monkeypatch.setattr(lists_module, "CHECKED_ROWS", 4)
        with pytest.raises(UntranslatablePolicyError, match="more than 4 rows would have to be checked"):
            asking().permitted("ViewPhoto", photos, on_untranslatable="check")
    forbidding = UNTRANSLATABLE.replace("permit", "forbid")
    monkeypatch.setattr(lists_module, "CHECKED_ROWS", 1000)
    with deciding(f"{EVERYTHING}\n{forbidding}"):
        assert titles(asking().permitted("ViewPhoto", photos, on_untranslatable="check")) == [0, 1, 2, 3, 4]
    for mode in ("forbids", "any"):
        with deciding(f"{EVERYTHING}\n{forbidding}"), override_settings(AVP_ON_POLICY_ERROR=mode):
            assert titles(asking().permitted("ViewPhoto", photos, on_untranslatable="check")) == [0, 1, 2, 3, 4]
    with deciding(EVERYTHING), override_settings(AVP_MAX_DEPTH=120):
        with pytest.raises(UntranslatablePolicyError, match="No list can be made"):
            asking().permitted("ViewPhoto", photos)
        assert len(asking().permitted("ViewPhoto", photos, on_untranslatable="check")) == 10


def test_checks_that_cannot_be_made_are_no_empty_list(asking, photos):
    """As everywhere."""

    class Down(Fixed):
        def decide(self, batch):
            raise AuthorizationUnavailable

    with runtime.use_engine(Down(parsed(UNTRANSLATABLE))), pytest.raises(AuthorizationUnavailable):
        asking().permitted("ViewPhoto", photos, on_untranslatable="check")


def test_an_engine_without_policies_can_be_checked(asking, photos):
    """It names another engine that knows them, or none is known."""
    with deciding(EVERYTHING) as engine:
        engine.of_store, known = None, engine.of_store
        with pytest.raises(UntranslatablePolicyError, match="does not know the policies"):
            asking().permitted("ViewPhoto", photos)
        engine.decide = lambda batch: Fixed(known).decide(batch)
        assert len(asking().permitted("ViewPhoto", photos, on_untranslatable="check")) == 10


def test_more_rows_than_are_checked_can_wait(asking, photos, monkeypatch):
    """For policies that are not known yet: asking again will do."""

    class Later(Fixed):
        def policies(self, store):
            raise AuthorizationUnavailable("The policy store was not read yet.")

    monkeypatch.setattr(lists_module, "CHECKED_ROWS", 4)
    with runtime.use_engine(Later(None)), pytest.raises(AuthorizationUnavailable, match="not read yet"):
        asking().permitted("ViewPhoto", photos, on_untranslatable="check")


def test_lists_are_made_by_the_engine_that_is_named(asking, photos, settings):
    """VerifiedPermissionsEngine names the one that reads its store: made once, and passed on by the cache's engine."""
    settings.AVP_ENGINE = "tests.site_engines.RemoteEngine"
    assert titles(asking().permitted("EditPhoto", photos)) == [0, 3, 6, 9]
    assert runtime.lists_engine is runtime.lists_engine is not runtime.engine
    settings.AVP_CACHE, settings.AVP_CACHE_TTL = "default", 60
    assert titles(asking().permitted("EditPhoto", photos)) == [0, 3, 6, 9]
    settings.AVP_ENGINE = "django_avp.engines.cedar.CedarEngine"
    assert titles(asking().permitted("EditPhoto", photos)) == [0, 3, 6, 9]


def test_other_databases_are_refused(asking, photos, monkeypatch):
    """Nobody has looked at how they compare."""

    class Oracle:
        vendor = "oracle"
        display_name = "Oracle"

    class MySQL:
        vendor = "mysql"
        mysql_is_mariadb = False

    assert dialect_of(Oracle()) is dialect_of(MySQL()) is None
    monkeypatch.setattr(lists_module, "connections", {"default": Oracle()})
    with pytest.raises(UntranslatablePolicyError, match="Oracle is not one of the databases"):
        asking().permitted("ViewPhoto", photos)


# What is kept


def test_conditions_are_kept_and_bound_anew(asking, photos, monkeypatch):
    """Another principal of the same kind needs no policy evaluated, and has rows of their own."""
    evaluated = []
    monkeypatch.setattr(kept, "residuals", lambda *asked: evaluated.append(asked) or residuals(*asked))
    assert titles(asking("ann").permitted("EditPhoto", photos)) == [0, 3, 6, 9]
    assert titles(asking("ann").permitted("EditPhoto", photos)) == [0, 3, 6, 9]
    assert titles(asking("bob").permitted("EditPhoto", photos)) == [1, 4, 7]
    assert len(evaluated) == 1
    assert titles(asking("bob").permitted("EditPhoto", photos, {"mfa": True})) == list(range(10))
    with override_settings(AVP_MAX_DEPTH=3):
        assert titles(asking("bob").permitted("EditPhoto", photos)) == [1, 4, 7]
    assert len(evaluated) == 2


@pytest.mark.parametrize(
    "condition",
    [
        "resource has owner && resource.owner has email",
        'resource has owner && resource.owner.email == "a"',
        f'resource has owner && resource.owner in PhotoFlash::Group::"{POOL}|staff"',
        f'resource has owner && resource.owner in [PhotoFlash::Group::"{POOL}|staff"]',
    ],
)
def test_a3_what_is_kept_for_one_principal_is_nobody_elses(photos, condition):
    """No part of these policies names who asks, and of users the principal alone has claims and groups."""

    def listed(sub):
        claims = {"sub": sub, "cognito:groups": ["staff"], "email": "a"}
        identity = Identity.from_claims(claims, pool=POOL)
        return titles(Authorization(identity).permitted("ViewPhoto", photos))

    with (
        override_settings(AVP_USER_MODE="token"),
        deciding(f"permit (principal, action, resource) when {{ {condition} }};"),
    ):
        assert [listed(sub) for sub in ("ann", "bob", "zoe", "ann")] == [[0, 3, 6, 9], [1, 4, 7], [], [0, 3, 6, 9]]


def test_what_is_kept_depends_on_the_claims_that_policies_read(photos):
    """On their values, and on no others."""

    def listed(**claims):
        identity = Identity.from_claims({"sub": "ann", **claims}, pool=POOL)
        return titles(Authorization(identity).permitted("ViewPhoto", photos))

    policy = "permit (principal, action, resource) when { principal has level && resource.likes > principal.level };"
    with override_settings(AVP_USER_MODE="token"), deciding(policy):
        assert listed(level=7) == [8, 9]
        assert listed(level=8) == [9]
        assert listed() == []
        assert listed(level=7, email="a") == [8, 9]


def test_what_does_not_depend_on_who_asks_is_compiled_once(asking, photos, monkeypatch):
    """For all who have the same groups and claims."""
    made = []
    monkeypatch.setattr(kept, "compiled", lambda *about: made.append(about) or compiled(*about))
    with deciding("permit (principal, action, resource) when { resource.likes > 7 };"):
        assert [titles(asking(sub).permitted("ViewPhoto", photos)) for sub in ("ann", "bob", "zoe")] == [[8, 9]] * 3
    assert len(made) == 1


def test_claims_are_looked_at_once_and_by_their_values(user, photos, monkeypatch):
    """No list is made for claims that Cedar refuses, which it may do for what a text says."""
    asked = []
    monkeypatch.setattr(kept, "conforms", lambda *about: asked.append(about) or conforms(*about))
    schema = """
        namespace PhotoFlash {
          entity Group; entity Photo = { likes: Long };
          entity User in [Group] = { born?: __cedar::datetime };
          action ViewPhoto appliesTo { principal: User, resource: Photo, context: {} };
        }
    """
    user("ann")

    def listed(born):
        claims = {"sub": "ann", "born": born}
        return len(Authorization(Identity.from_claims(claims, pool=POOL)).permitted("ViewPhoto", photos))

    monkeypatch.setitem(registry._definitions, Photo, LikedEntity(Photo, registry))
    with deciding(EVERYTHING, schema):
        found = [listed(born) for born in ("2001-02-03", "2001-02-03", "a while ago", "a while ago", "2001-02-04", 7)]
    assert found == [10, 10, 0, 0, 10, 0]
    assert len(asked) == 4


def test_who_is_named_is_not_like_the_others(asking, photos):
    """By a policy, or in the context."""
    named = f'permit (principal == PhotoFlash::User::"{POOL}|bob", action, resource);'
    with deciding(named):
        assert not asking("ann").permitted("ViewPhoto", photos)
        assert len(asking("bob").permitted("ViewPhoto", photos)) == 10
        assert not asking("zoe").permitted("ViewPhoto", photos)
    with deciding("permit (principal, action, resource) when { principal == context.friend };"):
        friend = EntityUid("User", f"{POOL}|bob")
        assert not asking("ann").permitted("ViewPhoto", photos, {"friend": friend})
        assert len(asking("bob").permitted("ViewPhoto", photos, {"friend": friend})) == 10


def test_the_least_used_goes_first_and_policies_take_theirs_along(asking, photos, monkeypatch):
    """Bounded, and dropped with the policies."""
    monkeypatch.setattr(kept, "_MOST", 2)
    runtime.kept = Kept()
    with deciding("permit (principal, action, resource) when { resource.likes > context.n };"):
        for number in (8, 7, 8, 6, 8):
            assert titles(asking().permitted("ViewPhoto", photos, {"n": number})) == list(range(number + 1, 10))
        assert [len(one) for one in runtime.kept._by_policies.values()] == [2]
    with deciding(EVERYTHING):
        assert len(asking().permitted("ViewPhoto", photos)) == 10


# Views


class Mine(ActionRequiredMixin, ListView):
    """Its own queryset, without ``super()``."""

    action_required = "ListPhotos"
    permitted_action = "EditPhoto"
    template_name = "gallery.html"

    def get_queryset(self):
        return Photo.objects.order_by("pk")


class AsyncMine(Mine):
    """The same, async."""

    async def get(self, request, *args, **kwargs):
        rows = await sync_to_async(lambda: titles(self.get_queryset()))()
        return HttpResponse(",".join(map(str, rows)))


class One(ActionRequiredMixin, DetailView):
    """What is hidden does not exist."""

    action_required = "ViewPhoto"
    permitted_action = "EditPhoto"
    queryset = Photo.objects.all()
    template_name = "detail.html"


@pytest.fixture
def request_of(rf, asking):
    """A request of a user."""

    def make(sub):
        request = rf.get("/")
        request.avp = asking(sub)
        return request

    return make


def test_a_view_lists_what_is_permitted(request_of, photos):
    """Whatever its ``get_queryset`` is."""
    response = Mine.as_view()(request_of("bob"))
    assert titles(response.context_data["object_list"]) == [1, 4, 7]
    response = async_to_sync(AsyncMine.as_view())(request_of("ann"))
    assert response.content == b"0,3,6,9"


def test_a_view_of_one_finds_what_is_permitted(request_of, photos):
    """404 for the others."""
    own, other = photos[1], photos[2]
    assert One.as_view()(request_of("bob"), pk=own.pk).context_data["object"] == own
    with pytest.raises(Http404):
        One.as_view()(request_of("bob"), pk=other.pk)


def test_a_view_of_one_has_no_other_row_checked(request_of, photos, monkeypatch):
    """However many there are: what SQL cannot say is decided about the row of the address, by its key or its slug."""
    edits = UNTRANSLATABLE.replace("action,", 'action == PhotoFlash::Action::"EditPhoto",')
    policies = edits + '\npermit (principal, action == PhotoFlash::Action::"ViewPhoto", resource);'
    liked, other = photos[7], photos[2]
    slugs = type("Slugs", (One,), {"slug_field": "title"})
    monkeypatch.setattr(lists_module, "CHECKED_ROWS", 1)
    with deciding(policies):
        for view, address in ((One, {"pk": liked.pk}), (slugs, {"slug": liked.title})):
            request = request_of("bob")
            assert view.as_view()(request, **address).context_data["object"] == liked
            assert request.avp.rounds[0].checks == 1
        with pytest.raises(Http404):
            One.as_view()(request_of("bob"), pk=other.pk)


def test_a_view_of_one_may_find_it_in_its_own_way(request_of, photos):
    """Among all that is permitted, whatever its address says; or in another queryset."""

    class Found(One):
        def get_object(self, queryset=None):
            return self.get_queryset().get(likes=7)

    class Elsewhere(One):
        def get_action_resource(self):
            return self.get_object(Photo.objects.all())

        def get_context_data(self, **kwargs):
            return {"found": self.get_action_resource()}

    assert Found.as_view()(request_of("bob"), pk=photos[2].pk).context_data["object"] == photos[7]
    assert Elsewhere.as_view()(request_of("bob"), pk=photos[1].pk).context_data["found"] == photos[1]
    with pytest.raises(AttributeError, match="must be called with"):
        One.as_view()(request_of("bob"))


def test_a_view_of_no_queryset_is_told(request_of, photos):
    """A list cannot be filtered."""
    view = type("Lists", (Mine,), {"get_queryset": lambda self: list(photos)})
    with pytest.raises(ImproperlyConfigured, match="permitted_action filters a queryset"):
        view.as_view()(request_of("bob"))


def test_a_view_without_rows_is_told(request_of):
    """There is nothing to filter."""
    view = type("Page", (ActionRequiredMixin, TemplateView), {"action_required": "ListPhotos", "permitted_action": "x"})
    with pytest.raises(ImproperlyConfigured, match="the view has none"):
        view.as_view()(request_of("bob"))


def test_a_view_may_insist_on_sql(request_of, photos):
    """Or have the rest checked, which is the default."""
    edits = UNTRANSLATABLE.replace("action,", 'action == PhotoFlash::Action::"EditPhoto",')
    policies = edits + '\npermit (principal, action == PhotoFlash::Action::"ListPhotos", resource);'
    with deciding(policies):
        assert titles(Mine.as_view()(request_of("bob")).context_data["object_list"]) == [5, 6, 7, 8, 9]
        view = type("Strict", (Mine,), {"on_untranslatable": "raise"})
        with pytest.raises(UntranslatablePolicyError):
            view.as_view()(request_of("bob"))
