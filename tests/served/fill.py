"""Fills the database of the test site: thirty photos of ann and bob in three albums."""

from __future__ import annotations

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402

from tests.testapp.models import Account, Album, Photo, Tag  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
ann, bob = (get_user_model().objects.create(username=f"eu-west-1_AbCdEf123|{sub}") for sub in ("ann", "bob"))
account = Account.objects.create(name="Main", slug="main")
albums = [Album.objects.create(title=f"album {number}", account=account, owner=ann) for number in range(3)]
tag = Tag.objects.create(name="press")
for number in range(30):
    row = Photo.objects.create(title=f"photo {number}", owner=ann if number % 2 else bob, album=albums[number % 3])
    row.tags.add(tag)
