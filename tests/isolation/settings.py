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
AVP_CONTEXT = os.environ.get("SITE_CONTEXT", "tests.isolation.views.context")
DEBUG = "SITE_DEBUG" in os.environ
AVP_ENGINE = os.environ.get("SITE_ENGINE", "django_avp.engines.cedar.CedarEngine")
if "SITE_ENDPOINT" in os.environ:
    AVP_POLICY_STORE_ID = os.environ["SITE_STORE"]
    AVP_CLIENT_OPTIONS = {
        "endpoint_url": os.environ["SITE_ENDPOINT"],
        "region_name": "eu-west-1",
        "aws_access_key_id": "x",
        "aws_secret_access_key": "x",
    }
    # Fetched, as in production.
    AVP_JWKS, AVP_JWKS_URL = None, os.environ["SITE_KEYS"]
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
