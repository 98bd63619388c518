"""A project of another shape: users with a UUID, two models of one name, a proxy, an abstract model, a swapped tree."""

from __future__ import annotations

from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "only-for-tests"
USE_TZ = True
ROOT_URLCONF = "tests.elsewhere.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
AUTH_USER_MODEL = "accounts.Member"
WIKI_NODE_MODEL = "legal.Clause"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django_avp",
    "tests.elsewhere.accounts",
    "tests.elsewhere.wiki",
    "tests.elsewhere.legal",
]
MIGRATION_MODULES = dict.fromkeys(("auth", "contenttypes", "sessions"))
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_avp.middleware.AuthorizationMiddleware",
]
AUTHENTICATION_BACKENDS = ["django_avp.backends.VerifiedPermissionsBackend"]
AVP_USER_POOLS = {"eu-west-1_AbCdEf123": ["client-1"]}
AVP_USER_ID_FIELD = "principal_id"
AVP_PRINCIPAL_TYPE = "Member"
AVP_GROUP_TYPE = "Team"
AVP_SERVER_TIMING = False
