"""The test site in a process of its own, on a service that a test disturbs; what it logs is one JSON object a line."""

from __future__ import annotations

import json
import os

from tests.served.settings import *  # noqa: F403

ROOT_URLCONF = "tests.faults.engine_urls"
globals().update(json.loads(os.environ["SITE_SETTINGS"]))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "tests.faults.engine_settings.Fields"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "loggers": {"django_avp": {"handlers": ["stderr"], "level": "WARNING", "propagate": False}},
}


class Fields:
    """Writes an event and what it is about; a formatter needs no more than this method."""

    def format(self, record):
        """One line."""
        extra = {name: getattr(record, name) for name in ("code", "error", "checks", "cache") if hasattr(record, name)}
        return json.dumps({"event": record.getMessage(), **extra})
