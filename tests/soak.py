"""How long the long runs are: short beside the other tests, whole with ``make soak``."""

from __future__ import annotations

import os

SOAKING = bool(os.environ.get("SOAK"))


def runs(short: int, whole: int) -> int:
    """How many times, or how many seconds: the short form proves that the whole one still runs."""
    return whole if SOAKING else short
