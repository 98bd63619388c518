"""The app configuration: registers system checks and receivers, and discovers ``entities.py`` modules.

What only some processes need is not imported here: every one waits for this.
"""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.module_loading import autodiscover_modules

__all__ = ["DjangoAvpConfig"]


class DjangoAvpConfig(AppConfig):
    """Amazon Verified Permissions and Cedar for Django."""

    name = "django_avp"
    verbose_name = "Authorization"

    def ready(self) -> None:
        """Load what registers itself; its models can be imported only now."""
        for module in ("deferred", "receivers"):
            import_module(f"{self.name}.{module}")
        autodiscover_modules("entities")
        if apps.is_installed("drf_spectacular"):
            # Its extensions are known once they are imported.
            import_module(f"{self.name}.rest_framework.openapi")
