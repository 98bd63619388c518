"""What several groups measure with: users, photos in hand, policies, and what they allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command

from benchmarks.photos.models import Album, Photo
from benchmarks.photos.policies import POOL, SCHEMA
from django_avp.authorization import Authorization
from django_avp.cedar import Decision
from django_avp.engines.base import Batch, Engine
from django_avp.engines.cedar import CedarEngine
from django_avp.identity import Identity
from django_avp.runtime import runtime

__all__ = ["ACTIONS", "GROUPS", "Site", "captured", "decided", "expected", "fill", "identity", "may", "photos_of"]

GROUPS = ("editors", "family")
PHOTOS = 30
ACTIONS = ("ViewPhoto", "EditPhoto", "DeletePhoto")


def fill() -> tuple[User, list[Photo]]:
    """A user with groups, and photos in hand: a fifth of them is the user's, and the rest somebody else's."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    ann, bob = (User.objects.create(username=f"{POOL}|{name}") for name in ("ann", "bob"))
    for slug in ("family", "press", "drafts", "archive"):
        Album.objects.create(slug=slug)
    return ann, photos_of([ann, bob, bob, bob, bob])


def photos_of(owners: Sequence[User]) -> list[Photo]:
    """Photos in hand with their owners and albums, which take turns."""
    albums, started = list(Album.objects.order_by("pk")), datetime(2026, 1, 1, tzinfo=UTC)
    photos = [
        Photo.objects.create(
            title=f"Photo {number}",
            owner=owners[number % len(owners)],
            is_public=number % 3 == 0,
            likes=number,
            created=started + timedelta(minutes=number),
            album=albums[number % len(albums)],
        )
        for number in range(PHOTOS)
    ]
    rows = Photo.objects.select_related("album", "owner").order_by("pk")
    return list(rows.filter(pk__in=[photo.pk for photo in photos]))


def identity(sub: str = "ann") -> Identity:
    """A user with groups, as a token tells."""
    return Identity.from_claims({"sub": sub, "aud": "client-1", "cognito:groups": list(GROUPS)}, pool=POOL)


def may(user: User, action: str, photo: Photo, groups: Sequence[str] = GROUPS) -> bool:
    """What the policies say, as plain Python that knows the user's row and groups."""
    if action != "ViewPhoto" and (photo.album.slug == "archive" or "suspended" in groups):
        return False
    if action == "DeletePhoto" and photo.pk == 1:
        return False
    if photo.owner_id == user.pk:
        return True
    if action == "ViewPhoto":
        return (
            photo.is_public
            or ("family" in groups and photo.album.slug == "family")
            or ("press" in groups and photo.album.slug == "press")
        )
    return photo.is_public and ("editors" if action == "EditPhoto" else "moderators") in groups


def expected(user: User, photos: Sequence[Photo]) -> list[bool]:
    """The answers of a page."""
    return [may(user, action, photo) for photo in photos for action in ACTIONS]


def decided(who: Identity, photos: Sequence[Photo]) -> list[bool]:
    """A page: from instances in hand to decisions, in one round."""
    authorization = Authorization(who)
    authorization.collect(ACTIONS, photos)
    authorization.decide()
    return [bool(authorization.can(action, photo)) for photo in photos for action in ACTIONS]


def captured(engine: Engine, who: Identity, photos: Sequence[Photo]) -> Batch:
    """The batch of a page, as an engine is given it."""
    batches: list[Batch] = []

    class Capturing:
        is_in_process = True

        def __getattr__(self, name: str) -> Any:
            return getattr(engine, name)

        def decide(self, batch: Batch) -> Sequence[Decision]:
            batches.append(batch)
            return engine.decide(batch)

    with runtime.use_engine(Capturing()):  # type: ignore[arg-type]
        decided(who, photos)
    return batches[0]


class Site:
    """The engine and the policies that decide, which cases change before they are timed.

    Args:
        directory: where policies are written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._engines: dict[str, tuple[Engine, Path]] = {}
        self._stack = ExitStack()

    def write(self, name: str, policies: str) -> Path:
        """Write policies with the schema, under a name."""
        path = self._directory / name
        path.mkdir()
        (path / "schema.cedarschema").write_text(SCHEMA)
        (path / "policies.cedar").write_text(policies)
        return path

    def add(self, name: str, policies: str) -> CedarEngine:
        """Have an engine in this process for policies."""
        settings.AVP_POLICIES = self.write(name, policies)
        engine = CedarEngine()
        self.put(name, engine)
        return engine

    def knows(self, name: str) -> bool:
        """Whether there is an engine of this name."""
        return name in self._engines

    def put(self, name: str, engine: Engine) -> None:
        """Have an engine under a name, which decides by the policies that are in force."""
        self._engines[name] = engine, settings.AVP_POLICIES

    def deciding(self, name: str) -> Callable[[], None]:
        """What lets the engine of a name decide from now on."""

        def decide() -> None:
            self._stack.close()
            engine, settings.AVP_POLICIES = self._engines[name]
            self._stack.enter_context(runtime.use_engine(engine))

        return decide
