"""Fills the database of the site, and writes its policies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import django

directory = Path(os.environ["SITE_POLICIES"])
directory.mkdir(exist_ok=True)

from tests.isolation.people import PEOPLE, PHOTOS, edited, policies, title  # noqa: E402

(directory / "rights.cedar").write_text(policies())
shutil.copy(Path(__file__).parents[1] / "policies" / "schema.cedarschema", directory)

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402

from tests.testapp.models import Photo  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
photos = {number: Photo.objects.create(pk=number, title=title(number)) for number in range(1, PHOTOS + 1)}
for person in PEOPLE:
    row = get_user_model().objects.create(username=person.principal_id)
    for number in edited(person.number):
        photos[number].viewers.add(row)
