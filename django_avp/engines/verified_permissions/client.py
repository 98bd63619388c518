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


# What botocore waits at most before it tries once more doubles each time, and ends here.
_LONGEST_PAUSE = 20.0
# boto3's own number in its mode "standard", where options name a mode and no number.
_ATTEMPTS = 3


class Connection:
    """A client that is made when it is first needed, so after a fork, and anew when its options have changed.

    Args:
        options: for a client that stays as it is, in place of ``AVP_CLIENT_OPTIONS``.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self._lock = Lock()
        self._options = options
        self._made_of: Mapping[str, Any] = {}
        self._client: Any = None
        self._patience: tuple[Mapping[str, Any], float | None] | None = None

    def client(self) -> Any:
        """The client.

        Raises:
            BotoCoreError: there is no region, or an option that cannot be.
        """
        options = self.options
        with self._lock:
            if self._client is not None and options == self._made_of:
                return self._client
            client, has_credentials = _make_client(options)
            # One without never finds any; what hands them out may only be late.
            self._client, self._made_of = client if has_credentials else None, dict(options)
            return client

    @property
    def options(self) -> Mapping[str, Any]:
        """Keyword arguments for ``boto3.client``."""
        return conf.client_options if self._options is None else self._options

    @property
    def patience(self) -> float | None:
        """Seconds that a call takes at most with all its attempts; ``None`` where an option says to wait for ever."""
        options, known = self.options, self._patience
        # To put a configuration together takes as long as to hand a call over to a thread.
        if known is None or known[0] != options:
            known = self._patience = (dict(options), _patience(_config(options)))
        return known[1]


def _patience(config: Config) -> float | None:
    connect, read, retries = config.connect_timeout, config.read_timeout, config.retries or {}
    if connect is None or read is None:
        return None
    attempts: int = retries.get("total_max_attempts", retries.get("max_attempts", _ATTEMPTS - 1) + 1)
    pauses = sum(min(2.0**number, _LONGEST_PAUSE) for number in range(attempts - 1))
    return float(attempts * (connect + read) + pauses)


def _config(options: Mapping[str, Any]) -> Config:
    """Our defaults, and what a project says over them."""
    return _DEFAULTS.merge(options.get("config") or Config())


def _make_client(options: Mapping[str, Any]) -> tuple[Any, bool]:
    """Make a client, and tell whether it has credentials.

    Args:
        options: keyword arguments for ``boto3.client``; a ``config`` is merged over ours.
    """
    # A session of its own: boto3's default one is not safe to share between threads.
    session = boto3.session.Session()
    client = session.client("verifiedpermissions", **{**options, "config": _config(options)})
    return client, bool(options.get("aws_access_key_id")) or session.get_credentials() is not None
