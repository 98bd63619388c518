"""The example project as it would run in production, and the templates of the bare page."""

from __future__ import annotations

from pathlib import Path

import example_project

BASE_DIR = Path(example_project.__file__).parent

SECRET_KEY = "only-for-benchmarks"
DEBUG = DEBUG_TOOLBAR = DEV_ISSUER = False
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
ROOT_URLCONF = "example_project.urls"
STATIC_URL = "static/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "rest_framework",
    "guardian",
    "django_avp",
    "django_avp.signin",
    "example_project.photos",
    "example_project.signin",
]
MIDDLEWARE: list[str] = []
ANONYMOUS_USER_NAME = None  # guardian's: there is none
CONTEXT_PROCESSORS = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
# The example draws its pictures while it renders. Another site's pages have their addresses.
CARD = "photos/_card.html"
ADDRESSED = (BASE_DIR / "photos" / "templates" / CARD).read_text()
ADDRESSED = ADDRESSED.replace("{{ photo.image_uri }}", "{% url 'photos:image' photo.pk %}")
TEMPLATES = [
    {
        "NAME": "example",
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": CONTEXT_PROCESSORS},
    },
    {
        "NAME": "addressed",
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": CONTEXT_PROCESSORS,
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        ("django.template.loaders.locmem.Loader", {CARD: ADDRESSED}),
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
        },
    },
    {
        "NAME": "bare",
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    },
]

AVP_USER_POOLS = {"eu-west-1_Photo4mo1": ["photoflash-demo"]}
AVP_USER_MODE = "token"
AVP_NAMESPACE = "PhotoFlash"
AVP_POLICIES = BASE_DIR / "policies"
