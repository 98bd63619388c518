"""The site of most groups. Nothing is on that a site would not have on; a group changes what it is about."""

from __future__ import annotations

SECRET_KEY = "only-for-benchmarks"
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "benchmarks.photos.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # A database of its own.
    "redis": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:6379/13"},
}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework.authtoken",
    "guardian",
    "django_avp",
    "benchmarks.photos",
]
# All tables are made at once.
MIGRATION_MODULES = dict.fromkeys(("auth", "authtoken", "contenttypes", "guardian", "photos", "sessions"))
MIDDLEWARE: list[str] = []
AUTHENTICATION_BACKENDS = ["django_avp.backends.VerifiedPermissionsBackend"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "builtins": ["django_avp.templatetags.avp"],
            "context_processors": ["django.template.context_processors.request"],
        },
    }
]
ANONYMOUS_USER_NAME = None  # guardian's: there is none

AVP_USER_POOLS = {"eu-west-1_AbCdEf123": ["client-1"]}
AVP_USER_MODE = "token"
AVP_NAMESPACE = "PhotoFlash"
AVP_PERMISSION_ACTIONS = {
    "photos.view_photo": "ViewPhoto",
    "photos.change_photo": "EditPhoto",
    "photos.delete_photo": "DeletePhoto",
}
# No store is read anew while a round of it is timed.
AVP_SYNC_INTERVAL = AVP_SYNC_MAX_AGE = 86_400
# How many verified tokens a process remembers. Whatever measures tokens takes turns with more of them than this, so
# that each is verified anew and put into a memory that is full, unless it measures one that comes again.
AVP_TOKEN_MEMORY = 64

COGNITO_AWS_REGION = "eu-west-1"
COGNITO_USER_POOL = "eu-west-1_AbCdEf123"
COGNITO_AUDIENCE = None  # an access token has none
COGNITO_USER_MODEL = "photos.CognitoUser"
COGNITO_PUBLIC_KEYS_CACHING_ENABLED = True
COGNITO_PUBLIC_KEYS_CACHING_TIMEOUT = None
