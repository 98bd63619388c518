"""The site of many users: their tokens come in headers and in sessions, and what goes wrong is asked about, too."""

from __future__ import annotations

import os

from tests.served.settings import *  # noqa: F403
from tests.served.settings import DATABASES, TEMPLATES

ROOT_URLCONF = "tests.isolation.urls"
DATABASES["default"]["OPTIONS"] = {"timeout": 60}
# What Django's own processors add would be asked, too.
TEMPLATES[0]["DIRS"] = [os.path.join(os.path.dirname(__file__), "templates")]  # noqa: PTH118, PTH120
AVP_POLICIES = os.environ["SITE_POLICIES"]
# A list looks at every level, and the photos here are in no album.
AVP_MAX_DEPTH = 2
AVP_CONTEXT = "tests.isolation.views.context"
AVP_TOKEN_SOURCES = ["django_avp.tokens.sources.AuthorizationHeader", "django_avp.tokens.sources.Session"]
AVP_PERMISSION_ACTIONS = {
    "testapp.view_photo": "ViewPhoto",
    "testapp.change_photo": "EditPhoto",
    "testapp.delete_photo": "DeletePhoto",
    "testapp.moderate": "Moderate",
}
AVP_CACHE = "default"
AVP_CACHE_TTL = float(os.environ.get("SITE_CACHE_TTL", "0"))
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["django_avp.rest_framework.authentication.CognitoAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["django_avp.rest_framework.permissions.ActionPermission"],
    "EXCEPTION_HANDLER": "django_avp.rest_framework.views.exception_handler",
}
# What views raise is meant: it fills no log.
LOGGING = {"version": 1, "disable_existing_loggers": False, "loggers": {"django": {"level": "CRITICAL"}}}
