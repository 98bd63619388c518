"""Fills the database with the demo's users, albums and photos; run again, it puts them back as they were."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.db import transaction

from example_project.photos.demo import ACCOUNTS, ALBUMS, timeline
from example_project.photos.models import Account, Album, Photo, Tag
from example_project.signin.personas import PERSONAS


class Command(BaseCommand):
    help = "Create the demo's users, albums and photos, or put them back as they were. Other photos stay."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        users = _users(next(iter(settings.AVP_USER_POOLS)))
        albums = _albums(users)
        _photos(users, albums)
        if options["verbosity"]:
            self.stdout.write(
                f"{Photo.objects.count()} photos in {len(albums)} albums, and {len(users)} users to sign in as."
            )


def _users(pool: str) -> dict[str, User]:
    """The users by name; nobody has a password, because all of them sign in with a token."""
    users = {}
    for persona in PERSONAS:
        username = persona.principal_id(pool)
        user, is_new = User.objects.update_or_create(
            username=username, defaults={"first_name": persona.name, "is_active": True}
        )
        if is_new:
            user.set_unusable_password()
            user.save(update_fields=["password"])
        users[persona.slug] = user
    return users


def _albums(users: dict[str, User]) -> dict[str, Album]:
    accounts = {
        slug: Account.objects.update_or_create(slug=slug, defaults={"name": name})[0] for slug, name in ACCOUNTS.items()
    }
    return {
        demo.slug: Album.objects.update_or_create(
            slug=demo.slug,
            defaults={
                "title": demo.title,
                "account": accounts[demo.account],
                "owner": users[demo.owner.slug],
                "is_public": demo.is_public,
                "archived": demo.archived,
                "cover": demo.cover,
            },
        )[0]
        for demo in ALBUMS
    }


def _photos(users: dict[str, User], albums: dict[str, Album]) -> None:
    tags: dict[str, Tag] = {}
    for demo_album, demo, seed, created in timeline():
        photo, _ = Photo.objects.update_or_create(
            seed=seed,
            defaults={
                "title": demo.title,
                "album": albums[demo_album.slug],
                "owner": users[demo.owner.slug],
                "is_public": demo.is_public,
                "motif": demo.motif,
                "created": created,
            },
        )
        for name in demo.tags:
            if name not in tags:
                tags[name] = Tag.objects.get_or_create(name=name)[0]
        photo.tags.set([tags[name] for name in demo.tags])
