"""Rules A1 to A6: what exists when a check is decided. Policies are Cedar's own, rows the database's."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Prefetch
from django.forms import modelform_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_avp.authorization import Authorization
from django_avp.cedar import EntityUid, Verdict
from django_avp.engines.base import Batch
from django_avp.entities import registry
from django_avp.entities.world import Worlds
from django_avp.identity import Identity
from django_avp.references import EVERYTHING
from django_avp.runtime import runtime
from tests.conftest import sqlite_only
from tests.testapp.models import Account, Album, Comment, Photo, Tag

pytestmark = pytest.mark.django_db

SCHEMA = Path(__file__).parent / "policies" / "schema.cedarschema"
POOL = "eu-west-1_AbCdEf123"
ANN = Identity.from_claims({"sub": "ann", "cognito:groups": [], "aud": "client-1"})


@pytest.fixture
def decide_by(site, tmp_path):
    """Make the site decide by policies given as text, beside the site's schema."""

    def use(*policies):
        directory = tmp_path / "policies"
        directory.mkdir(exist_ok=True)
        shutil.copy(SCHEMA, directory)
        texts = (f'@id("policy-{number}")\n{text};' for number, text in enumerate(policies))
        (directory / "rules.cedar").write_text("\n".join(texts))
        if directory != site.AVP_POLICIES:  # each assignment makes every setting slower to read
            site.AVP_POLICIES = directory
        runtime.reset()

    return use


def view(action="ViewPhoto", when=""):
    return (
        f'permit (principal, action == PhotoFlash::Action::"{action}", resource){f" when {{ {when} }}" if when else ""}'
    )


def forbid(when, action="ViewPhoto"):
    return f'forbid (principal, action == PhotoFlash::Action::"{action}", resource) when {{ {when} }}'


def photo_uid(photo):
    return EntityUid("PhotoFlash::Photo", str(getattr(photo, "pk", photo)))


# A1: the world of a check is a function of the check alone


def test_a1_a_batch_mate_lends_no_entity(decide_by, authorize):
    """What a policy reads of the album is decided the same beside a check on the album."""
    decide_by(view(when="resource.album.is_public"), view("ViewAlbum"))
    album = Album.objects.create(title="a", is_public=True)
    photo = Photo.objects.create(album=album)

    alone = authorize("ann")
    beside = authorize("ann")
    beside.collect("ViewAlbum", album)

    assert alone.can("ViewPhoto", photo)
    assert beside.can("ViewPhoto", photo) == alone.can("ViewPhoto", photo)


def test_a1_a_hidden_ancestor_forbids(decide_by, authorize):
    """A row that the default manager hides still leads to the account that is forbidden."""
    decide_by(view(), forbid('resource in PhotoFlash::Account::"archive"'))
    hidden = Album.objects.create(title="hidden", account=Account.objects.create(slug="archive", name="a"))
    photo = Photo.objects.create(album=Album.objects.create(title="a", parent=hidden))

    assert authorize("ann").can("ViewPhoto", photo).verdict is Verdict.FORBIDDEN
    assert authorize("ann").can("ViewPhoto", photo_uid(photo)).verdict is Verdict.FORBIDDEN


def test_a1_a_missing_ancestor_is_only_an_id(decide_by, authorize):
    """A dangling parent is equal to itself and has no parents, whoever asks."""
    decide_by(view(), forbid('resource in PhotoFlash::Album::"404"'))
    photo = Photo.objects.create()
    photo.album_id = 404

    assert authorize("ann").can("ViewPhoto", photo).verdict is Verdict.FORBIDDEN


def test_a1_entities_that_policies_name_exist(decide_by, authorize):
    """A literal is loaded where a policy reads it, and only what exists exists."""
    public = Album.objects.create(title="a", is_public=True)
    photo = Photo.objects.create()

    decide_by(view(when=f'PhotoFlash::Album::"{public.pk}".is_public'))
    assert authorize("ann").can("ViewPhoto", photo)
    decide_by(view(when='PhotoFlash::Album::"404".is_public'))
    decision = authorize("ann").can("ViewPhoto", photo)
    assert (decision.verdict, decision.errors) == (Verdict.NOT_PERMITTED, ("policy-0",))


@pytest.mark.parametrize("as_id", [False, True])
def test_a1_entities_in_the_context_exist(decide_by, authorize, as_id):
    """With their ancestors, given as an instance or as an id."""
    decide_by(view(when='context has album && context.album.is_public && context.album in PhotoFlash::Account::"main"'))
    parent = Album.objects.create(title="p", account=Account.objects.create(slug="main", name="m"))
    album = Album.objects.create(title="a", is_public=True, parent=parent)
    photo = Photo.objects.create()

    given_album = EntityUid("Album", str(album.pk)) if as_id else album
    assert authorize("ann").can("ViewPhoto", photo, context={"album": given_album})
    assert not authorize("ann").can("ViewPhoto", photo, context={"album": EntityUid("Album", "404")})
    assert not authorize("ann").can("ViewPhoto", photo)


def test_a1_entities_nested_in_the_context_exist(site, tmp_path, authorize):
    """In a Record of a Record, too."""
    (tmp_path / "rules.cedar").write_text(f"{view(when='context.one.two.album.is_public')};")
    site.AVP_POLICIES = tmp_path
    runtime.reset()
    album = Album.objects.create(title="a", is_public=True)

    assert authorize("ann").can("ViewPhoto", Photo.objects.create(), context={"one": {"two": {"album": album}}})


def test_a1_a_prefetch_that_filters_changes_no_answer(decide_by, authorize):
    """A page that loads few of the tags does not lift what is forbidden by another."""
    decide_by(view(), forbid('resource.tags.contains("secret")'))
    photo = Photo.objects.create()
    photo.tags.create(name="secret")
    photo.tags.create(name="open")
    few = Tag.objects.filter(name="open")
    page = Photo.objects.prefetch_related(Prefetch("tags", queryset=few)).get()

    assert authorize("ann").can("ViewPhoto", page).verdict is Verdict.FORBIDDEN


@pytest.fixture
def world_of_rows(user, site):
    """Albums under two accounts, one of them an archive, and photos in them."""
    site.AVP_REQUIRE_ACTIVE_USER = False
    main, archive = (Account.objects.create(slug=slug, name=slug) for slug in ("main", "archive"))
    top = Album.objects.create(pk=1, title="top", account=main, owner=user("ann"))
    Album.objects.create(pk=2, title="public", parent=top, is_public=True, owner=user("bob"))
    shelf = Album.objects.create(pk=3, title="hidden", account=archive, archived=True)
    Album.objects.create(pk=4, title="deep", parent=shelf, is_public=True)
    Album.objects.create(pk=5, title="loose", archived=True, owner=user("ann"))
    for number in range(1, 13):
        album = number % 6 or None
        photo = Photo(pk=number, title="t" if number % 4 else None, is_public=number % 3 == 0, album_id=album)
        photo.owner = user("ann") if number % 2 else None
        photo.save()
        if number % 5 == 0:
            Comment.objects.create(photo=photo, author=user("ann"))


ALBUMS = st.sampled_from(
    [
        "resource.album",
        "context.album",
        *(f'PhotoFlash::Album::"{pk}"' for pk in (1, 3, 4, 404)),
        "{a: resource.album}.a",
        "{a: {b: context.album}}.a.b",
        '(if resource.is_public then resource.album else PhotoFlash::Album::"3")',
    ]
)
GROUPS = st.sampled_from(
    [*(f'PhotoFlash::Account::"{slug}"' for slug in ("main", "archive", "none")), 'PhotoFlash::Album::"3"']
)
CONDITIONS = st.recursive(
    st.one_of(
        ALBUMS.map(lambda album: f"{album}.is_public"),
        ALBUMS.map(lambda album: f"{album}.archived"),
        ALBUMS.map(lambda album: f"{album} has owner && {album}.owner == principal"),
        ALBUMS.map(lambda album: f"{album}.owner has email"),
        st.tuples(ALBUMS, GROUPS).map(lambda pair: f"{pair[0]} in {pair[1]}"),
        GROUPS.map(lambda group: f"resource in {group}"),
        ALBUMS.map(lambda album: f"resource in {album}"),
        st.sampled_from(
            ["resource.is_public", "resource has title", "resource.owner == principal", "principal in resource.viewers"]
        ),
        st.just("resource.commenters.contains(principal)"),
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda condition: f"!({condition})"),
    ),
    max_leaves=4,
)
POLICIES = st.lists(st.tuples(st.sampled_from(["permit", "forbid"]), CONDITIONS), min_size=1, max_size=4)
CHECKS = st.lists(
    st.tuples(
        st.sampled_from(["ViewPhoto", "ViewAlbum"]),
        st.integers(1, 13),
        st.sampled_from([None, 1, 2, 3, 4, 5, 404]),
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


def asked(check):
    action, number, album = check
    name = action.removeprefix("View")
    context = {} if album is None else {"album": EntityUid("Album", str(album))}
    return action, EntityUid(name, str(number % 7 if name == "Album" else number)), context


def told(decision):
    """All that a decision says; Cedar names policies in no order."""
    return decision.verdict, frozenset(decision.determining_policies), frozenset(decision.errors)


def decide_together(checks):
    authorization = Authorization(ANN)
    for action, resource, context in map(asked, checks):
        authorization.collect(action, resource, context)
    authorization.decide()
    answers = [told(authorization.can(*asked(check))) for check in checks]
    assert len(authorization.rounds) <= 1
    return dict(zip(checks, answers, strict=True))


def decide_in_the_whole_world(check):
    """By the entities of all rows there are, which no check may need."""
    authorization = Authorization(ANN)
    action, resource, context = asked(check)
    authorization.collect(action, resource, context)
    (pending,) = authorization._decider.pending
    everything = {
        registry.uid(row): [(registry.uid(row), "resource", ())]
        for model in (Account, Album, Photo)
        for row in model._base_manager.all()
    }
    worlds = Worlds(registry).build(everything, EVERYTHING)
    entities = {entity.uid: entity for world in worlds.values() for entity in world.entities}
    (decision,) = runtime.engine.decide(Batch(ANN, (pending,), (tuple(entities.values()),)))
    return told(decision)


@pytest.mark.usefixtures("world_of_rows")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policies=POLICIES, checks=CHECKS, order=st.randoms(use_true_random=False))
def test_a1_decided_alone_is_decided_in_any_batch(decide_by, policies, checks, order):
    """For policies that follow paths: alone, in a batch, in a part of it in another order, and among all rows."""
    decide_by(*(f"{effect} (principal, action, resource) when {{ {when} }}" for effect, when in policies))
    together = decide_together(checks)
    part = order.sample(checks, order.randint(1, len(checks)))

    for check, decision in decide_together(part).items():
        assert decision == together[check]
    for check in checks:
        alone = decide_together([check])[check]
        assert alone == together[check]
        if alone[0] is not Verdict.UNDECIDED:
            assert alone == decide_in_the_whole_world(check)


# A2: never truncate


def test_a2_deeper_than_the_limit_is_undecided(decide_by, authorize, caplog):
    """A forbid far above must not fall silent: the check is refused and logged, its neighbours are decided."""
    decide_by(view("ViewAlbum"), forbid('resource in PhotoFlash::Account::"archive"', "ViewAlbum"))
    albums = [Album.objects.create(title="0", account=Account.objects.create(slug="archive", name="a"))]
    for number in range(11):
        albums.append(Album.objects.create(title=str(number + 1), parent=albums[-1]))
    authorization = authorize("ann")
    authorization.collect("ViewAlbum", albums)

    verdicts = [authorization.can("ViewAlbum", album).verdict for album in albums]

    assert verdicts == [Verdict.FORBIDDEN] * 10 + [Verdict.UNDECIDED] * 2
    assert [record.fault for record in caplog.records if record.message == "avp.check_refused"] == ["too_deep"] * 2


# A3: principals and groups exist only as the token's


def test_a3_another_users_attributes_are_an_error(decide_by, authorize, user):
    """The owner's e-mail address is the claim when the owner asks, and nothing when anybody else does."""
    decide_by(view(when='resource.owner.email == "ann@example.org"'), view("EditPhoto", "!(resource.owner has email)"))
    ann, bob = user("ann"), user("bob")
    type(ann).objects.update(email="ann@example.org")
    mine, other = Photo.objects.create(owner=ann), Photo.objects.create(owner=bob)
    authorization = authorize("ann", email="ann@example.org")

    assert authorization.can("ViewPhoto", mine)
    assert authorization.can("ViewPhoto", other).errors == ("policy-0",)
    assert not authorization.can("EditPhoto", mine)
    assert authorization.can("EditPhoto", other)


def test_a3_in_is_equality_for_other_users(decide_by, authorize, user):
    """The groups of a token are its principal's alone."""
    group = f'PhotoFlash::Group::"{POOL}|staff"'
    decide_by(view(when=f"resource.owner in {group}"), view("EditPhoto", "resource.owner in [resource.owner]"))
    mine, other = (Photo.objects.create(owner=user(sub)) for sub in ("ann", "bob"))
    authorization = authorize("ann", "staff")

    assert authorization.can("ViewPhoto", mine)
    assert not authorization.can("ViewPhoto", other)
    assert authorization.can("EditPhoto", other)


# A4: judged as first seen


def test_a4_what_a_form_wrote_is_not_judged(decide_by, authorize, user):
    """An invalid form has written the submitted owner on the instance already."""
    decide_by(view("EditPhoto", "resource.owner == principal"), view(when="resource.owner == principal"))
    ann, bob = user("ann"), user("bob")
    Photo.objects.create(owner=bob, title="x")
    photo = Photo.objects.select_related("owner").get()
    authorization = authorize("ann")
    assert not authorization.can("EditPhoto", photo)

    form = modelform_factory(Photo, fields=["owner", "day"])({"owner": ann.pk, "day": "no day"}, instance=photo)
    assert not form.is_valid()
    assert photo.owner == ann

    assert not authorization.can("ViewPhoto", photo)


def test_a4_collecting_is_seeing(decide_by, authorize, user):
    """What was collected before the change is decided as it was."""
    decide_by(view(when="resource.is_public && resource.album.is_public"))
    Photo.objects.create(album=Album.objects.create(title="a"))
    photo = Photo.objects.select_related("album").get()
    authorization = authorize("ann")
    authorization.collect("ViewPhoto", photo)
    photo.is_public = photo.album.is_public = True

    assert not authorization.can("ViewPhoto", photo)


def test_a4_forgetting_reads_the_database(decide_by, authorize):
    """After a write the row is judged as it is stored, not as the instance at hand has it."""
    decide_by(view(when="resource.is_public"))
    photo = Photo.objects.create()
    authorization = authorize("ann")
    assert not authorization.can("ViewPhoto", photo)

    photo.is_public = True
    authorization.forget(photo)
    assert not authorization.can("ViewPhoto", photo)
    photo.save()
    authorization.forget(photo)
    assert authorization.can("ViewPhoto", photo)


@pytest.mark.parametrize("photo", [Photo(), Photo(pk=7), Photo(is_public=True)], ids=["new", "with a key", "public"])
def test_a4_an_unsaved_instance_is_refused(authorize, photo):
    """There is nothing stored to decide about."""
    with pytest.raises(ValueError, match=r"Photo is not saved\. Save it first, or ask about .* parent"):
        authorize("ann").can("ViewPhoto", photo)


# A5: one bad row must not deny the page


@sqlite_only
def test_a5_a_bad_value_is_an_absent_attribute(decide_by, authorize):
    """`has` is false, other conditions and other rows are decided."""
    decide_by(view(when="!(resource has title) && !(resource has size)"), view("EditPhoto", "resource has title"))
    bad = Photo.objects.create(title="a\0b", size=Decimal("0.00001"))
    good = Photo.objects.create(title="ab", size=Decimal("0.0001"))
    authorization = authorize("ann")
    authorization.collect(["ViewPhoto", "EditPhoto"], [bad, good])

    assert [bool(authorization.can("ViewPhoto", photo)) for photo in (bad, good)] == [True, False]
    assert [bool(authorization.can("EditPhoto", photo)) for photo in (bad, good)] == [False, True]
    assert len(authorization.rounds) == 1


def test_a5_a_cycle_denies_its_rows_only(decide_by, authorize):
    """Cedar would refuse the whole batch; a photo that only leads into the cycle is on it too."""
    decide_by(view())
    first, second = Album.objects.create(title="1"), Album.objects.create(title="2")
    Album.objects.filter(pk=first.pk).update(parent=second)
    Album.objects.filter(pk=second.pk).update(parent=first)
    looping, sound = Photo.objects.create(album_id=first.pk), Photo.objects.create()
    authorization = authorize("ann")
    authorization.collect("ViewPhoto", [looping, sound])

    assert authorization.can("ViewPhoto", looping).verdict is Verdict.UNDECIDED
    assert authorization.can("ViewPhoto", sound).verdict is Verdict.PERMITTED


def test_a5_equal_ids_are_one_entity(decide_by, authorize):
    """Two instances of a row, however loaded, and its id are one question."""
    decide_by(view())
    photo = Photo.objects.create()
    authorization = authorize("ann")
    authorization.collect("ViewPhoto", [photo, Photo.objects.only("pk").get(), photo_uid(photo)])

    assert authorization.can("ViewPhoto", photo)
    assert [round_.checks for round_ in authorization.rounds] == [1]


def test_a5_a_missing_resource_denies_itself_only(decide_by, authorize):
    """It is undecided, not decided on nothing."""
    decide_by(view())
    photo = Photo.objects.create()
    authorization = authorize("ann")
    authorization.collect("ViewPhoto", [photo_uid(404), photo_uid(f"0{photo.pk}"), photo])

    assert authorization.can("ViewPhoto", photo_uid(404)).verdict is Verdict.UNDECIDED
    assert authorization.can("ViewPhoto", photo_uid(f"0{photo.pk}")).verdict is Verdict.UNDECIDED
    assert authorization.can("ViewPhoto", photo).verdict is Verdict.PERMITTED


# A6: data cannot forge entities

ESCAPES = [
    {"__entity": {"type": "PhotoFlash::Album", "id": "1"}},
    {"__extn": {"fn": "unknown", "arg": "x"}},
    {"__expr": "1"},
]


@pytest.mark.parametrize("escape", ESCAPES, ids=["entity", "extension", "expression"])
def test_a6_json_cannot_spell_an_entity(decide_by, authorize, escape):
    """Not where a text is declared, not as a record, at no depth."""
    decide_by(view(when="resource.meta has camera || resource.meta has nested && resource.meta.nested has raw"))
    photos = [
        Photo.objects.create(meta=meta)
        for meta in (escape, {"camera": escape}, {"nested": escape}, {"nested": {"raw": escape}}, {"flags": [escape]})
    ]
    authorization = authorize("ann")
    authorization.collect("ViewPhoto", photos)

    assert [authorization.can("ViewPhoto", photo).verdict for photo in photos] == [Verdict.NOT_PERMITTED] * 5


@pytest.mark.parametrize("escape", ESCAPES, ids=["entity", "extension", "expression"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a6_the_context_cannot_spell_an_entity(decide_by, authorize, escape, depth):
    """Request data that tries is refused before anybody is asked."""
    decide_by(view())
    for _ in range(depth):
        escape = {"note": [escape]}
    authorization = authorize("ann")

    decision = authorization.can("ViewPhoto", Photo.objects.create(), context=escape)

    assert decision.verdict is Verdict.UNDECIDED
    assert authorization.rounds == []
