"""What registers itself at Django's start and is loaded when it is used: most processes use none of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Tags, register

from django_avp.observing import observing

__all__ = ["CHECK_TAGS"]

CHECK_TAGS = (Tags.caches, Tags.models, Tags.security, Tags.templates)
"""The tags of all checks of this package."""


def _deferred(tag: str) -> Callable[..., list[CheckMessage]]:
    def check(**kwargs: Any) -> list[CheckMessage]:
        modules = ["django_avp.checks"]
        if apps.is_installed("django_avp.signin"):
            modules.append("django_avp.signin.checks")
        for module in modules:
            import_module(module)
        found: list[CheckMessage] = import_module("django_avp.checks.base").run(tag)
        return found

    return check


def _observe() -> None:
    # Another package may have brought a part of OpenTelemetry, and not its API.
    with suppress(ImportError):
        import_module("django_avp.telemetry").observe()


for _tag in CHECK_TAGS:
    register(_deferred(_tag), _tag)
# Spans and metrics go nowhere until a site configures an SDK, which imports this.
observing.await_package("opentelemetry", _observe)
