"""Signed JWTs as text: their limits, and their segments decoded strictly, without a trace of them in an error."""

from __future__ import annotations

import base64
import json
from typing import Any, Never, TypeGuard

__all__ = ["MAX_TOKEN_LENGTH", "decode_object", "decode_segment", "is_time"]

# AVP's own limit (`Token`, API version 2021-12-01): what is longer could not be passed on.
MAX_TOKEN_LENGTH = 131_072
# 9999-12-31T23:59:59Z, the last second that `datetime` can hold.
_LAST_SECOND = 253_402_300_799


def decode_segment(segment: str) -> dict[str, Any] | None:
    """Decode one base64url segment into an object; ``None`` if it is none."""
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        return None
    return decode_object(data)


def decode_object(data: bytes) -> dict[str, Any] | None:
    """Decode a JSON object; ``None`` if it is none, so that no JSON error holds its text."""
    try:
        value = _JSON.decode(data.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_time(value: object) -> TypeGuard[float]:
    """Whether a value is seconds since the epoch, in the range of ``datetime``; texts and booleans are not."""
    # Written so that NaN would not pass.
    return isinstance(value, int | float) and not isinstance(value, bool) and value <= _LAST_SECOND


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse duplicate names, which another parser may read otherwise (RFC 7519 section 4, RFC 8725 section 3.12)."""
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("duplicate names")
    return record


def _refuse_constant(name: str) -> Never:
    """Refuse ``NaN`` and infinities, which JSON does not have (RFC 8259 section 6)."""
    raise ValueError(name)


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
