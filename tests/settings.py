"""The settings every test starts from; a test overrides what it is about."""

from __future__ import annotations

import os
from pathlib import Path

import pymysql

BASE_DIR = Path(__file__).resolve().parent

SECRET_KEY = "only-for-tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.urls"

# TEST_DATABASE names a server on the loopback address; the tests make and drop a database of their own there.
DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
# "make fuzz" may run beside "make databases".
DATABASE_NAME = "django_avp_fuzz" if "FUZZ" in os.environ else "django_avp"
pymysql.version_info = (2, 2, 7, "final", 0)  # Django asks for mysqlclient, which needs a compiler
pymysql.install_as_MySQLdb()
DATABASES = {
    "default": {
        "sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
        "postgresql": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "NAME": DATABASE_NAME,
            "USER": os.environ.get("PGUSER", "postgres"),
            "PASSWORD": os.environ.get("PGPASSWORD", ""),
        },
        "mariadb": {
            "ENGINE": "django.db.backends.mysql",
            "HOST": "127.0.0.1",
            "NAME": DATABASE_NAME,
            "USER": os.environ.get("MYSQL_USER", "root"),
            "PASSWORD": os.environ.get("MYSQL_PASSWORD", ""),
        },
    }[DATABASE]
}
# One that ignores case; PostgreSQL has none that a column can simply name.
CASE_BLIND_COLLATION = {"sqlite": "NOCASE", "mariadb": "utf8mb4_general_ci"}.get(DATABASE)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; nothing here is worth guarding

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.staticfiles",
    "debug_toolbar",
    "rest_framework",
    "drf_spectacular",
    "django_avp",
    "tests.testapp",
]
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "django_avp.rest_framework.openapi.AutoSchema"}
# A model has arrays, though there is no such table; from Django 6.0 on they ask for PostgreSQL's app. The toolbar's
# middleware is there for the tests of its panel alone.
SILENCED_SYSTEM_CHECKS = ["postgres.E005", "debug_toolbar.W001"]
DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": "tests.toolbar_urls.is_shown", "IS_RUNNING_TESTS": False}
# Others change how Django renders templates and asks databases.
DEBUG_TOOLBAR_PANELS = [
    "debug_toolbar.panels.history.HistoryPanel",
    "debug_toolbar.panels.timer.TimerPanel",
    "django_avp.panels.AuthorizationPanel",
]
# The test site has no migrations, and its tables refer to Django's: all are made at once.
MIGRATION_MODULES = dict.fromkeys(("admin", "auth", "contenttypes", "sessions"))
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_avp.middleware.AuthorizationMiddleware",
]
AUTHENTICATION_BACKENDS = [
    "django_avp.backends.VerifiedPermissionsBackend",
    "django.contrib.auth.backends.ModelBackend",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "static/"  # where the admin's pages look for their files

AVP_USER_POOLS = {"eu-west-1_AbCdEf123": ["client-1"]}
AVP_NAMESPACE = "PhotoFlash"
AVP_POLICIES = BASE_DIR / "policies"

# Django 6.1 wants one to be named; tests keep what is sent in memory.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
