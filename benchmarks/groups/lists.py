"""What it takes to list the photos that a principal may see: by policies, by hand and by django-guardian.

A first page and ``count()`` are taken of 100,000 photos, of which the principal may see 1 %.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.db.models import Q, QuerySet
from guardian.models import UserObjectPermission
from guardian.shortcuts import get_objects_for_user

import example_project
from benchmarks.core import Case, Group, Row, Wrong
from django_avp.authorization import Authorization
from django_avp.filtering import Kept
from django_avp.identity import Identity
from django_avp.runtime import runtime
from example_project.photos.models import Account, Album, Photo

__all__ = ["build"]

POOL = "eu-west-1_Photo4mo1"
GROUPS = ["family"]
PAGE = 25
# Of 90 owners each may see a hundredth of all photos: a ninetieth, without the tenth that lies in an archived album.
OWNERS = 90
ALBUMS = 10

POLICIES = f"""
@id("own-photos")
permit (principal, action in [PhotoFlash::Action::"ViewPhoto", PhotoFlash::Action::"EditPhoto"], resource)
when {{ resource.owner == principal }};
@id("viewers-see-public")
permit (principal in PhotoFlash::Group::"{POOL}|viewers", action in PhotoFlash::Action::"ReadOnly", resource)
when {{ resource.is_public }};
@id("studio-sees-its-account")
permit (principal in PhotoFlash::Group::"{POOL}|studio", action in PhotoFlash::Action::"ReadOnly",
resource in PhotoFlash::Account::"studio");
@id("archived-is-hidden")
forbid (principal, action == PhotoFlash::Action::"ViewPhoto", resource) when {{ resource.album.archived }};
@id("suspended-see-own")
forbid (principal in PhotoFlash::Group::"{POOL}|suspended", action in PhotoFlash::Action::"ReadOnly", resource)
unless {{ resource.owner == principal }};
"""

Make = Callable[[], QuerySet[Photo]]
BY_HAND, KEPT, GUARDIAN, NEW_PRINCIPAL = "by hand", "permitted()", "guardian", "permitted(), new principal"
NO_FILTER = "no filter: other rows"  # what a page takes in any case
STEPS: Mapping[str, Callable[[QuerySet[Photo]], Any]] = {
    f"first {PAGE}": lambda rows: list(rows.order_by("-pk")[:PAGE]),
    "count()": lambda rows: rows.count(),
}


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases: each way to the rows, for a page and for their number."""
    photos = 2_000 if is_quick else 100_000
    ways = Ways(_fill(directory, photos))
    rows = []
    for number, step in enumerate(STEPS):
        kept, by_hand, guardian = (f"{step}: {way}" for way in (KEPT, BY_HAND, GUARDIAN))
        rows += [
            Row(
                f"k{2 * number + 1}",
                f"{step} of a filtered list, beside the filter by hand",
                kept,
                by_hand,
                at_most=1.5,
            ),
            Row(f"k{2 * number + 2}", f"{step} of guardian's list, beside ours", guardian, kept, at_least=3),
        ]
    return Group(
        f"A list of {photos // 100:,} of {photos:,} photos, in SQLite",
        [ways.case(step, way) for step in STEPS for way in ways.makes],
        rows,
        verify=lambda: ways.verify(photos),
    )


def _fill(directory: Path, photos: int) -> User:
    """Policies and photos; one of the owners, to whom guardian grants what the policies permit."""
    settings.AVP_POLICIES = directory
    shutil.copy(Path(example_project.__file__).parent / "policies" / "schema.cedarschema", directory)
    (directory / "policies.cedar").write_text(POLICIES)
    connection.settings_dict["NAME"] = str(directory / "db.sqlite3")
    call_command("migrate", run_syncdb=True, verbosity=0)
    owners = User.objects.bulk_create(User(username=f"{POOL}|user-{number}") for number in range(OWNERS))
    accounts = [Account.objects.create(name=slug, slug=slug) for slug in ("studio", "press")]
    albums = [
        Album.objects.create(
            title=f"Album {number}",
            slug=f"album-{number}",
            account=accounts[number % 2],
            owner=owners[number],
            archived=number == 0,
        )
        for number in range(ALBUMS)
    ]
    started = datetime(2026, 1, 1, tzinfo=UTC)
    rows = (
        Photo(
            title=f"Photo {number}",
            owner=owners[number % OWNERS],
            album=albums[number // OWNERS % ALBUMS],
            is_public=number % 4 == 0,
            created=started + timedelta(minutes=number),
            motif=Photo.Motif.SEA,
            seed=number,
        )
        for number in range(photos)
    )
    Photo.objects.bulk_create(rows, batch_size=1000)
    _grant(owners[0], Photo.objects.filter(owner=owners[0], album__archived=False))
    return owners[0]


def _grant(user: User, photos: QuerySet[Photo]) -> None:
    """Let guardian know that a user may view photos."""
    permission = Permission.objects.get(content_type__app_label="photos", codename="view_photo")
    UserObjectPermission.objects.bulk_create(
        UserObjectPermission(
            user=user, permission=permission, content_type=permission.content_type, object_pk=str(photo.pk)
        )
        for photo in photos
    )


def _by_hand(user: User, groups: list[str]) -> QuerySet[Photo]:
    """What the policies say, as a view would say it that knows the user's row."""
    visible = Q(owner=user)
    if "viewers" in groups:
        visible |= Q(is_public=True)
    if "studio" in groups:
        visible |= Q(album__account__slug="studio")
    rows = Photo.objects.filter(visible, album__archived=False)
    return rows.filter(owner=user) if "suspended" in groups else rows


def _permitted(user: User, groups: list[str]) -> QuerySet[Photo]:
    """What the policies say, as a request asks it: about an identity that has asked nothing yet."""
    claims = {"sub": user.username.removeprefix(f"{POOL}|"), "cognito:groups": groups}
    authorization = Authorization(Identity.from_claims(claims, pool=POOL))
    return authorization.permitted("ViewPhoto", Photo.objects.all())


def _granted(user: User, *, use_groups: bool) -> QuerySet[Photo]:
    """What guardian's table says."""
    return get_objects_for_user(user, "photos.view_photo", Photo, use_groups=use_groups, with_superuser=False)


class Ways:
    """The ways to the same rows. What is kept of policies is put as each case finds it, apart from what is timed."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._other = User.objects.get(username=f"{POOL}|user-1")
        self._kept = Kept()
        self.makes: dict[str, Make] = {
            BY_HAND: lambda: _by_hand(user, GROUPS),
            KEPT: lambda: _permitted(user, GROUPS),
            GUARDIAN: lambda: _granted(user, use_groups=False),
            "guardian, groups too": lambda: _granted(user, use_groups=True),
            NEW_PRINCIPAL: lambda: _permitted(user, GROUPS),
            "permitted(), nothing kept": lambda: _permitted(user, GROUPS),
            NO_FILTER: Photo.objects.all,
        }

    def case(self, step: str, way: str) -> Case:
        """A way, evaluated."""
        evaluate, make = STEPS[step], self.makes[way]
        # Each call but those with a condition that is kept finds what it has to find.
        is_single = way in (NEW_PRINCIPAL, "permitted(), nothing kept")
        return Case(
            f"{step}: {way}",
            lambda: evaluate(make()),
            queries=None if way.startswith("guardian") else 1,
            prepare=lambda: self._prepare(way),
            is_single=is_single,
        )

    def _prepare(self, way: str) -> None:
        runtime.kept = self._kept if way == KEPT else Kept()
        if way == NEW_PRINCIPAL:
            _permitted(self._other, GROUPS)

    def verify(self, photos: int) -> None:
        """Stop unless all ways lead to the same hundredth of the photos, and the filter says what the policies say.

        Raises:
            Wrong: they do not.
        """
        found = {}
        for way in self.makes.keys() - {NO_FILTER}:
            self._prepare(way)
            found[way] = _ids(self.makes[way]())
        if any(len(keys) != photos // 100 or keys != found[BY_HAND] for keys in found.values()):
            counts = ", ".join(f"{way} {len(keys)}" for way, keys in found.items())
            raise Wrong(f"The ways do not lead to the same {photos // 100} photos: {counts}.")
        for group in ("viewers", "studio", "suspended"):
            if _ids(_by_hand(self._user, [group])) != _ids(_permitted(self._user, [group])):
                raise Wrong(f"For the group {group} the filter by hand does not say what the policies say.")


def _ids(rows: QuerySet[Photo]) -> set[int]:
    """The keys of rows."""
    return set(rows.values_list("pk", flat=True))
