"""What it takes to list the photos that a principal may see: by policies, by hand and by django-guardian.

``make bench`` runs it. A first page and ``count()`` are taken of 100,000 photos, of which the principal may see 1 %.
The cases alternate, in another order each time, so that whatever else the machine does meets all of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import quantiles
from time import process_time
from typing import Any

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
DIRECTORY = tempfile.TemporaryDirectory()
# The models of the example in the place of those of the tests, in a database that is a file.
settings.INSTALLED_APPS = [
    *("example_project.photos" if app == "tests.testapp" else app for app in settings.INSTALLED_APPS),
    "guardian",
]
settings.MIGRATION_MODULES = {**settings.MIGRATION_MODULES, "guardian": None, "photos": None}
settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{DIRECTORY.name}/db.sqlite3"}}
settings.AVP_POLICIES = Path(DIRECTORY.name, "policies")
django.setup()

from django.contrib.auth.models import Permission, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db.models import Q, QuerySet  # noqa: E402
from guardian.models import UserObjectPermission  # noqa: E402
from guardian.shortcuts import get_objects_for_user  # noqa: E402

import example_project  # noqa: E402
from django_avp.authorization import Authorization  # noqa: E402
from django_avp.filtering import Kept  # noqa: E402
from django_avp.identity import Identity  # noqa: E402
from django_avp.runtime import runtime  # noqa: E402
from example_project.photos.models import Account, Album, Photo  # noqa: E402

POOL = "eu-west-1_AbCdEf123"
GROUPS = ["family"]
PAGE = 25
# Of 90 owners each may see a hundredth of all photos: a ninetieth, without the tenth that lies in an archived album.
OWNERS = 90
ALBUMS = 10
# The targets: how many times as long as by hand it takes at most, and guardian takes at least.
MOST = 1.5
LEAST = 3.0

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
    f"the first page of {PAGE}": lambda rows: list(rows.order_by("-pk")[:PAGE]),
    "count()": lambda rows: rows.count(),
}


def fill(photos: int) -> User:
    """Policies and photos; one of the owners, to whom guardian grants what the policies permit."""
    settings.AVP_POLICIES.mkdir()
    shutil.copy(Path(example_project.__file__).parent / "policies" / "schema.cedarschema", settings.AVP_POLICIES)
    (settings.AVP_POLICIES / "policies.cedar").write_text(POLICIES)
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
    grant(owners[0], Photo.objects.filter(owner=owners[0], album__archived=False))
    return owners[0]


def grant(user: User, photos: QuerySet[Photo]) -> None:
    """Let guardian know that a user may view photos."""
    permission = Permission.objects.get(content_type__app_label="photos", codename="view_photo")
    UserObjectPermission.objects.bulk_create(
        UserObjectPermission(
            user=user, permission=permission, content_type=permission.content_type, object_pk=str(photo.pk)
        )
        for photo in photos
    )


def by_hand(user: User, groups: list[str]) -> QuerySet[Photo]:
    """What the policies say, as a view would say it that knows the user's row."""
    visible = Q(owner=user)
    if "viewers" in groups:
        visible |= Q(is_public=True)
    if "studio" in groups:
        visible |= Q(album__account__slug="studio")
    rows = Photo.objects.filter(visible, album__archived=False)
    return rows.filter(owner=user) if "suspended" in groups else rows


def permitted(user: User, groups: list[str]) -> QuerySet[Photo]:
    """What the policies say, as a request asks it: about an identity that has asked nothing yet."""
    claims = {"sub": user.username.removeprefix(f"{POOL}|"), "cognito:groups": groups}
    authorization = Authorization(Identity.from_claims(claims, pool=POOL))
    return authorization.permitted("ViewPhoto", Photo.objects.all())


def granted(user: User, *, use_groups: bool) -> QuerySet[Photo]:
    """What guardian's table says."""
    return get_objects_for_user(user, "photos.view_photo", Photo, use_groups=use_groups, with_superuser=False)


class Cases:
    """The ways to the same rows. What is kept of policies is put as each case finds it, apart from what is timed."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._other = User.objects.get(username=f"{POOL}|user-1")
        self._kept = Kept()
        self.makes: dict[str, Make] = {
            BY_HAND: lambda: by_hand(user, GROUPS),
            KEPT: lambda: permitted(user, GROUPS),
            GUARDIAN: lambda: granted(user, use_groups=False),
            "guardian, groups too": lambda: granted(user, use_groups=True),
            NEW_PRINCIPAL: lambda: permitted(user, GROUPS),
            "permitted(), nothing kept": lambda: permitted(user, GROUPS),
            NO_FILTER: Photo.objects.all,
        }

    def prepare(self, case: str) -> None:
        """Put what is kept as a case finds it."""
        runtime.kept = self._kept if case == KEPT else Kept()
        if case == NEW_PRINCIPAL:
            permitted(self._other, GROUPS)

    def verify(self, photos: int) -> None:
        """Stop unless all ways lead to the same hundredth of the photos, and the filter says what the policies say."""
        found = {}
        for case in self.makes.keys() - {NO_FILTER}:
            self.prepare(case)
            found[case] = ids(self.makes[case]())
        if any(len(keys) != photos // 100 or keys != found[BY_HAND] for keys in found.values()):
            counts = ", ".join(f"{case} {len(keys)}" for case, keys in found.items())
            raise SystemExit(f"The ways do not lead to the same {photos // 100} photos: {counts}.")
        for group in ("viewers", "studio", "suspended"):
            if ids(by_hand(self._user, [group])) != ids(permitted(self._user, [group])):
                raise SystemExit(f"For the group {group} the filter by hand does not say what the policies say.")


def ids(rows: QuerySet[Photo]) -> set[int]:
    """The keys of rows."""
    return set(rows.values_list("pk", flat=True))


def timed(step: Callable[[QuerySet[Photo]], Any], make: Make) -> float:
    """How long it takes to make a queryset and to evaluate it, in microseconds of the processor.

    SQLite runs in this process and waits for nobody, and what else the machine does is not counted.
    """
    started = process_time()
    step(make())
    return (process_time() - started) * 1_000_000


def measure(cases: Cases, runs: int) -> dict[str, dict[str, list[float]]]:
    """The times of each case, by step."""
    times: dict[str, dict[str, list[float]]] = {step: {case: [] for case in cases.makes} for step in STEPS}
    order = Random(1)  # noqa: S311 - the same order in every run of the benchmark, and no secret
    for _ in range(runs):
        for step, evaluate in STEPS.items():
            for case in order.sample(list(cases.makes), len(cases.makes)):
                cases.prepare(case)
                times[step][case].append(timed(evaluate, cases.makes[case]))
    return times


def report(times: Mapping[str, Mapping[str, list[float]]]) -> None:
    """Print a table for each step, and whether the targets are reached."""
    for step, cases in times.items():
        # The first tenth warms up.
        spread = {case: quantiles(values[len(values) // 10 :]) for case, values in cases.items()}
        hand, kept, guardian = (spread[case][1] for case in (BY_HAND, KEPT, GUARDIAN))
        slower, faster = kept / hand, guardian / kept
        print(f"\n{step + ', µs (quartiles)':53}  by hand = 1  guardian = 1")
        for case, (low, median, high) in spread.items():
            figures = f"{median:8.0f} ({low:.0f} to {high:.0f})"
            print(f"{case:26} {figures:26} {median / hand:12.2f} {median / guardian:13.2f}")
        print(f"  {KEPT} takes {slower:.2f} times as long as by hand, at most {MOST}: {verdict(slower <= MOST)}")
        print(f"  guardian takes {faster:.2f} times as long as {KEPT}, at least {LEAST}: {verdict(faster >= LEAST)}")


def verdict(is_reached: bool) -> str:
    """What is said of a target."""
    return "reached" if is_reached else "missed"


def main() -> None:
    """Measure, and print a table for each of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="prove that it runs; the figures mean nothing")
    photos, runs = (2_000, 10) if parser.parse_args().quick else (100_000, 300)
    cases = Cases(fill(photos))
    cases.verify(photos)
    print(f"Lists of {photos // 100:,} of {photos:,} photos, in SQLite")
    report(measure(cases, runs))
    DIRECTORY.cleanup()


if __name__ == "__main__":
    main()
