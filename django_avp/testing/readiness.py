"""Whether there is a Django project to test."""

from __future__ import annotations

from django.apps import apps
from django.conf import settings

__all__ = ["problem"]


def problem() -> str:
    """Why the test kit cannot be used, and the cure; empty if it can."""
    if not (settings.configured and apps.ready):
        return (
            "django_avp.testing needs the settings of a Django project. Name them: DJANGO_SETTINGS_MODULE in "
            "pytest's configuration or in the environment, or pytest --ds=mysite.settings."
        )
    if not apps.is_installed("django_avp"):
        return 'django_avp.testing tests a site that uses django-avp. Add "django_avp" to INSTALLED_APPS.'
    return ""
