"""Fills the database of a site, and tells what each user may see: by Cedar in process, on the same policies.

Standard input has a token for each user; standard output gets, for each user and page, the status and what is shown.
"""

from __future__ import annotations

import json
import sys

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from tests.faults.load import PAGES, USERS  # noqa: E402
from tests.testapp.models import Account, Album, Photo  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
owners = [get_user_model().objects.create(username=f"eu-west-1_AbCdEf123|{sub}") for sub in USERS]
accounts = [Account.objects.create(name=slug, slug=slug) for slug in ("main", "archive")]
albums = [
    Album.objects.create(title=f"album-{number}", account=accounts[number == 2], is_public=number == 1)
    for number in range(3)
]
for number in range(30):
    Photo.objects.create(
        title=f"photo-{number}",
        owner=owners[number % len(owners)],
        album=albums[number % 3],
        is_public=number % 7 == 0,
    )
truth = {}
for sub, token in json.load(sys.stdin).items():
    client = Client(headers={"Authorization": f"Bearer {token}"})
    answers = {page: client.get(page) for page in PAGES}
    truth[sub] = {page: [answer.status_code, answer.content.decode()] for page, answer in answers.items()}
json.dump(truth, sys.stdout)
