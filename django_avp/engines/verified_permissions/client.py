"""The boto3 client: one for a process, made when it is first needed, with an end to every wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from django_avp import __version__

__all__ = ["make_client"]

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


def make_client(options: Mapping[str, Any]) -> Any:
    """Make a client.

    Args:
        options: keyword arguments for ``boto3.client``; a ``config`` is merged over ours.

    Raises:
        BotoCoreError: there is no region, or an option that cannot be.
    """
    given = dict(options)
    config = _DEFAULTS.merge(given.pop("config", None) or Config())
    # A session of its own: boto3's default one is not safe to share between threads.
    return boto3.session.Session().client("verifiedpermissions", config=config, **given)
