"""The test site in a process of its own: its database is a file, and its keys are given to it."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403

ALLOWED_HOSTS = ["127.0.0.1"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SITE_DATABASE"]}}
AVP_JWKS = json.loads(os.environ["SITE_JWKS"])
AVP_SERVER_TIMING = True
