"""Settings of the example: it runs on this machine until COGNITO_* and AVP_* variables name resources of AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from example_project.signin import issuer

BASE_DIR = Path(__file__).resolve().parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")  # optional

# The database and the development key.
VAR_DIR = Path(env.str("EXAMPLE_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)

# On by default, unlike in a site of yours: this is a demo on the loopback address.
DEBUG = env.bool("DJANGO_DEBUG", default=True)
SECRET_KEY = env.str("DJANGO_SECRET_KEY", default="only-for-the-demo-on-this-machine" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("Set DJANGO_SECRET_KEY: the demo's key serves only while DJANGO_DEBUG is on.")
ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if DEBUG else [])

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin.apps.SimpleAdminConfig",  # the site is photos/admin.py's own
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_avp",
    "django_avp.signin",
    "example_project.photos",
    "example_project.signin",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "example_project.headers.ContentSecurityPolicyMiddleware",
    "example_project.headers.PersonalPagesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_avp.middleware.AuthorizationMiddleware",
    # No view is open by mistake: each has a gate, or says that it needs none.
    "django_avp.middleware.AuthorizationRequiredMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

AUTHENTICATION_BACKENDS = [
    "django_avp.backends.VerifiedPermissionsBackend",
    "django.contrib.auth.backends.ModelBackend",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
# Workers share in it what SyncedEngine has read; the default is each process's own.
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
# For work on policies and templates; it shows data, so it is never on by itself.
DEBUG_TOOLBAR = DEBUG and env.bool("DJANGO_DEBUG_TOOLBAR", default=False)
if DEBUG_TOOLBAR:
    INSTALLED_APPS += ["debug_toolbar"]
    # Inside of the content security policy, whose nonce it needs, and around all that it shows.
    MIDDLEWARE.insert(2, "debug_toolbar.middleware.DebugToolbarMiddleware")
    INTERNAL_IPS = ["127.0.0.1", "::1"]
    # Those of the request, its headers and its queries would show cookies, tokens and sessions.
    DEBUG_TOOLBAR_PANELS = [
        "debug_toolbar.panels.history.HistoryPanel",
        "debug_toolbar.panels.timer.TimerPanel",
        "debug_toolbar.panels.templates.TemplatesPanel",
        "django_avp.panels.AuthorizationPanel",
    ]

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"

LOGIN_URL = "avp:sign_in"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "photos:gallery"
CSRF_FAILURE_VIEW = "example_project.errors.stale_form"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SECURE_CONTENT_TYPE_NOSNIFF = True

# --- Logs: for people, or with DJANGO_LOG_JSON one JSON object a line, the audit log among them ----------------------

if env.bool("DJANGO_LOG_JSON", default=False):
    LOGGING: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "pythonjsonlogger.json.JsonFormatter",
                "fmt": "%(levelname)s %(name)s %(message)s",
                "rename_fields": {"levelname": "level", "name": "logger", "message": "event"},
                "timestamp": True,
            },
        },
        "handlers": {
            "stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"},
        },
        "root": {"handlers": ["stdout"], "level": "WARNING"},
        "loggers": {"django_avp": {"level": "INFO"}},
    }

# --- The API: authenticated, gated and described like the pages -------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["django_avp.rest_framework.authentication.CognitoAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["django_avp.rest_framework.permissions.ActionPermission"],
    "EXCEPTION_HANDLER": "django_avp.rest_framework.views.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "django_avp.rest_framework.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 30,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "PhotoFlash",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # The page's scripts are this site's own files.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Who: Amazon Cognito, or the development issuer in its place -----------------------------------------------------

COGNITO_USER_POOL_ID = env.str("COGNITO_USER_POOL_ID", default="")
COGNITO_DOMAIN = env.str("COGNITO_DOMAIN", default="")
DEV_ISSUER = DEBUG and not COGNITO_USER_POOL_ID
DEV_ISSUER_DIR = VAR_DIR

if DEV_ISSUER:
    AVP_USER_POOLS = {"eu-west-1_Photo4mo1": ["photoflash-demo"]}
    AVP_JWKS = issuer.key_set(DEV_ISSUER_DIR)
    # Where this site is: the issuer is a part of it, and is asked over HTTP as a user pool would be.
    EXAMPLE_URL = env.str("EXAMPLE_URL", default="http://127.0.0.1:8000")
    AVP_SIGN_IN_DISCOVERY_URL = f"{EXAMPLE_URL}/dev-issuer/eu-west-1_Photo4mo1/.well-known/openid-configuration"
    DEV_ISSUER_TOKEN_SECONDS = env.int("DEV_ISSUER_TOKEN_SECONDS", default=3600)
else:
    AVP_USER_POOLS = {COGNITO_USER_POOL_ID: [env.str("COGNITO_CLIENT_ID")]} if COGNITO_USER_POOL_ID else {}

AVP_SIGN_IN_CLIENT_SECRET = env.str("COGNITO_CLIENT_SECRET", default="") or None
AVP_TOKEN_SOURCES = [
    # People sign in by the user pool's pages, and their tokens stay here; programs send theirs.
    "django_avp.signin.sources.RefreshedSession",
    "django_avp.tokens.sources.AuthorizationHeader",
]
AVP_USER_MODE = "model"

# --- May they: Cedar policies, in this process or in a policy store --------------------------------------------------

AVP_ENGINE = env.str("AVP_ENGINE", default="django_avp.engines.cedar.CedarEngine")
AVP_NAMESPACE = "PhotoFlash"
AVP_POLICIES = BASE_DIR / "policies"
AVP_POLICY_STORE_ID = env.str("AVP_POLICY_STORE_ID", default="") or None
AVP_CLIENT_OPTIONS = {"region_name": env.str("AWS_REGION")} if "AWS_REGION" in env.ENVIRON else {}

# Django's own permissions, answered by the same policies: user.has_perm("photos.change_photo", photo)
AVP_PERMISSION_ACTIONS = {
    "photos.view_photo": "ViewPhoto",
    "photos.change_photo": "EditPhoto",
    "photos.delete_photo": "DeletePhoto",
}
