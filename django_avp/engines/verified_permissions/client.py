"""The boto3 client: one for a process, made when it is first needed, with an end to every wait."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from django_avp import __version__
from django_avp.conf import conf

__all__ = ["Connection"]

# Seconds and connections. boto3's own defaults wait 60 seconds, with three attempts.
_DEFAULTS = Config(
    connect_timeout=1,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=50,
    # What it would check is checked before; it is a fifth of a call's time.
    parameter_validation=False,
    user_agent_extra=f"django-avp/{__version__}",
)


class Connection:
    """The client of ``AVP_CLIENT_OPTIONS``, made when it is first needed, so after a fork."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._client: Any = None

    def client(self) -> Any:
        """The client.

        Raises:
            BotoCoreError: there is no region, or an option that cannot be.
        """
        with self._lock:
            if self._client is None:
                self._client = _make_client(conf.client_options)
            return self._client


def _make_client(options: Mapping[str, Any]) -> Any:
    """Make a client.

    Args:
        options: keyword arguments for ``boto3.client``; a ``config`` is merged over ours.
    """
    given = dict(options)
    config = _DEFAULTS.merge(given.pop("config", None) or Config())
    # A session of its own: boto3's default one is not safe to share between threads.
    return boto3.session.Session().client("verifiedpermissions", config=config, **given)
