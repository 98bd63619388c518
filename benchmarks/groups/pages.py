"""A page of 30 photos with three actions each: 90 decisions, from model instances in hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cedarpy
import rules
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from guardian.core import ObjectPermissionChecker
from guardian.models import UserObjectPermission

from benchmarks.core import Case, Group, Row, Wrong
from benchmarks.fixtures import ACTIONS, GROUPS, Site, captured, decided, expected, fill, identity, may, photos_of
from benchmarks.photos.models import Photo
from benchmarks.photos.policies import POLICIES, POOL, READING_ALL
from benchmarks.raw import Raw
from django_avp.authorization import Authorization
from django_avp.engines.base import schema_of
from django_avp.runtime import runtime

__all__ = ["build"]

PERMISSIONS = {"ViewPhoto": "view_photo", "EditPhoto": "change_photo", "DeletePhoto": "delete_photo"}
OURS, OURS_ALL = "django-avp", "django-avp, all attributes read"
RAW, RAW_ALL = "cedarpy: one batch", "cedarpy: one batch, all attributes read"
EACH = ", each photo another owner's"
GUARDIAN, CHECKER = "guardian: has_perm for each", "guardian: checker, prefetched"


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases, which give the same 90 answers."""
    user, photos = fill()
    others = photos_of([user, *User.objects.bulk_create(User(username=f"{POOL}|owner-{one}") for one in range(29))])
    site, answers = Site(directory), expected(user, photos)
    _grant(user, photos)
    _add_rules()
    cases = [
        _ours(OURS, site, "reading few", POLICIES, photos, answers),
        _ours(OURS_ALL, site, "reading all", READING_ALL, photos, answers),
        _ours(OURS + EACH, site, "reading few", POLICIES, others, expected(user, others)),
        *_engine_alone(site, photos, answers),
        _raw(RAW, POLICIES, user, photos, answers),
        _raw(RAW + EACH, POLICIES, user, others, expected(user, others)),
        _raw(RAW_ALL, READING_ALL, user, photos, answers),
        *_peers(user, photos, answers),
    ]
    rows = [
        Row("c1", "a page, beside one batch of cedarpy with the same entities", OURS_ALL, RAW_ALL, at_most=1.3),
        Row("c2", "the same, where policies read two of the five attributes", OURS, RAW, at_most=0.9),
        Row("c3", "the same, where each photo is of another owner", OURS + EACH, RAW + EACH, at_most=0.9),
        Row("d1", "guardian's has_perm for each object, beside ours", GUARDIAN, OURS, at_least=35),
        Row("d2", "ours, beside guardian's checker with prefetched permissions", OURS, CHECKER, at_most=1.5),
    ]
    notes = [
        "`ModelBackend` knows no objects: its answers are about all photos.",
        "django-oso is left out: its oso 0.27 wants cffi 1, and cryptography 50 wants cffi 2.",
    ]
    return Group("A page of 30 objects and 3 actions", cases, rows, notes, verify=lambda: _compare(site, photos))


def _ours(name: str, site: Site, key: str, policies: str, photos: list[Photo], answers: list[bool]) -> Case:
    if not site.knows(key):
        site.add(key, policies)
    who = identity()
    run = lambda: decided(who, photos)  # noqa: E731 - what is timed
    return Case(name, run, expected=answers, queries=0, prepare=site.deciding(key))


def _engine_alone(site: Site, photos: list[Photo], answers: list[bool]) -> list[Case]:
    site.deciding("reading few")()
    engine = runtime.engine
    batch = captured(engine, identity(), photos)

    def run() -> list[bool]:
        return [bool(decision) for decision in engine.decide(batch)]

    def collect() -> bool:
        Authorization(batch.identity).collect(ACTIONS, photos)
        return True

    prepare = site.deciding("reading few")
    by_action = [answer for number in range(len(ACTIONS)) for answer in answers[number :: len(ACTIONS)]]
    return [
        Case("django-avp: its engine alone", run, expected=by_action, queries=0, prepare=prepare),
        Case("django-avp: collecting alone", collect, expected=True, queries=0, prepare=prepare),
    ]


def _raw(name: str, policies: str, user: User, photos: list[Photo], answers: list[bool]) -> Case:
    raw = Raw(cedarpy.PolicySet.from_str(policies), f"{POOL}|ann", [f"{POOL}|{group}" for group in GROUPS], photos)
    return Case(name, raw.decide, expected=answers, queries=0)


# The same answers by others


def _grant(user: User, photos: list[Photo]) -> None:
    """Let guardian's table and Django's say what the policies say, the latter as far as it can."""
    content_type = ContentType.objects.get_for_model(Photo)
    permissions = {action: Permission.objects.get(codename=name) for action, name in PERMISSIONS.items()}
    UserObjectPermission.objects.bulk_create(
        UserObjectPermission(user=user, permission=permissions[action], content_type=content_type, object_pk=photo.pk)
        for photo in photos
        for action in ACTIONS
        if may(user, action, photo)
    )
    user.user_permissions.add(permissions["ViewPhoto"])


def _add_rules() -> None:
    for action, name in PERMISSIONS.items():
        rules.add_perm(f"photos.{name}", rules.predicate(_predicate(action)))


def _predicate(action: str) -> Callable[[User, Photo], bool]:
    return lambda user, photo: may(user, action, photo)


def _peers(user: User, photos: list[Photo], answers: list[bool]) -> list[Case]:
    names = [(f"photos.{PERMISSIONS[action]}", photo) for photo in photos for action in ACTIONS]
    codes = [(PERMISSIONS[action], photo) for photo in photos for action in ACTIONS]
    asked = [(action, photo) for photo in photos for action in ACTIONS]

    def has_perm() -> list[bool]:
        asking = User(pk=user.pk, username=user.username)  # without what another request has cached
        return [asking.has_perm(name, photo) for name, photo in names]

    def has_perm_of_model() -> list[bool]:
        asking = User(pk=user.pk, username=user.username)
        return [asking.has_perm(name) for name, _ in names]

    def checker() -> list[bool]:
        checks = ObjectPermissionChecker(user)
        checks.prefetch_perms(photos)
        return [checks.has_perm(code, photo) for code, photo in codes]

    def rules_alone() -> list[bool]:
        return [rules.has_perm(name, user, photo) for name, photo in names]

    def plain() -> list[bool]:
        return [may(user, action, photo) for action, photo in asked]

    of_model = [action == "ViewPhoto" for action, _ in asked]
    guardian, model = "guardian.backends.ObjectPermissionBackend", "django.contrib.auth.backends.ModelBackend"
    by_rules = "rules.permissions.ObjectPermissionBackend"
    return [
        Case(GUARDIAN, has_perm, expected=answers, queries=180, prepare=_backend(guardian)),
        Case(CHECKER, checker, expected=answers, queries=2),
        Case("rules: has_perm of its backend", has_perm, expected=answers, queries=0, prepare=_backend(by_rules)),
        Case("rules: its own has_perm", rules_alone, expected=answers, queries=0),
        Case("ModelBackend, no object", has_perm_of_model, expected=of_model, queries=2, prepare=_backend(model)),
        Case("plain Python", plain, expected=answers, queries=0),
    ]


def _backend(path: str) -> Callable[[], None]:
    def prepare() -> None:
        settings.AUTHENTICATION_BACKENDS = [path]

    return prepare


def _compare(site: Site, photos: list[Photo]) -> None:
    """See that cedarpy is given by hand what our engine is given where policies read everything."""
    site.deciding("reading all")()
    batch = captured(runtime.engine, identity(), photos)
    principal = batch.identity.entity(schema_of(runtime.engine, None))
    entities = {entity.uid: entity for world in batch.worlds for entity in world}
    ours = [entity.as_json() for entity in (principal, *entities.values())]
    theirs = Raw(None, f"{POOL}|ann", [f"{POOL}|{group}" for group in GROUPS], photos).entities
    odd = [one for one in ours if one not in theirs] + [one for one in theirs if one not in ours]
    if odd or len(ours) != len(theirs):
        raise Wrong(f"These are not given to both: {odd}")
