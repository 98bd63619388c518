"""The test site in a process of its own, without a database: it fetches its issuer's keys."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403

ALLOWED_HOSTS = ["127.0.0.1"]
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
AVP_USER_MODE = "token"
AVP_JWKS_URL = os.environ["SITE_JWKS_URL"]
