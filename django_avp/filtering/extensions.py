"""Cedar's extension types as far as a policy uses them apart from any row: parsing, comparing, asking.

Source: Cedar's documentation, "Operators and functions", and the formats that it gives for each constructor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django_avp.values import LONG_MAX, LONG_MIN

__all__ = ["COMPARISONS", "CONSTRUCTORS", "METHODS", "Extension", "FailedCall"]

_DECIMAL = re.compile(r"(-?)(\d+)\.(\d{1,4})", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?(?:Z|([+-])(\d\d)(\d\d)))?", re.ASCII
)
_DURATION = re.compile(r"(-?)(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_UNITS = (86_400_000, 3_600_000, 60_000, 1000, 1)  # milliseconds of d, h, m, s, ms
_DAY = _UNITS[0]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FailedCall(Exception):  # noqa: N818 - stands for an error of Cedar, which is a result here
    """Raised when Cedar's evaluation of a call would be an error."""


@dataclass(frozen=True, slots=True)
class Extension:
    """A value of an extension type.

    Attributes:
        kind: ``decimal``, ``datetime``, ``duration`` or ``ipaddr``.
        value: ten-thousandths, milliseconds since the epoch, milliseconds, or a pair of an address and its prefix
            length, which is the whole address where none was given.
    """

    kind: str
    value: Any


def _long(value: int) -> int:
    if not LONG_MIN <= value <= LONG_MAX:
        raise FailedCall
    return value


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise FailedCall
    return match


def _whole(digits: str) -> int:
    """A number of any digits: Python reads no text of thousands of them, and none of that size is held."""
    significant = digits.lstrip("0")
    if len(significant) > len(str(LONG_MAX)):
        raise FailedCall
    return int(significant or "0")


def decimal(text: str) -> Extension:
    """Parse ``"12.34"``."""
    sign, whole, places = _matched(_DECIMAL, text).groups()
    value = _whole(whole) * 10_000 + int(places.ljust(4, "0"))
    return Extension("decimal", _long(-value if sign else value))


def datetime_(text: str) -> Extension:
    """Parse ``"2024-10-15"`` and ``"2024-10-15T11:38:02.101+0100"``."""
    parts = _matched(_DATETIME, text).groups(default="0")
    year, month, day, hour, minute, second, millisecond = map(int, parts[:7])
    offset = timedelta(hours=int(parts[8]), minutes=int(parts[9]))
    if int(parts[8]) > 23 or int(parts[9]) > 59:
        raise FailedCall
    try:
        # Python has no year 0, which Cedar has; 400 years later or earlier the calendar is the same.
        cycles = 1 if year < 5000 else -1
        moment = datetime(year + 400 * cycles, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise FailedCall from error
    moment = moment + offset if parts[7] == "-" else moment - offset
    return Extension("datetime", (moment - _EPOCH) // timedelta(milliseconds=1) - cycles * 146_097 * _DAY + millisecond)


def duration(text: str) -> Extension:
    """Parse ``"1d2h3m4s5ms"``."""
    sign, *parts = _matched(_DURATION, text).groups(default="0")
    value = sum(_whole(part) * unit for part, unit in zip(parts, _UNITS, strict=True))
    return Extension("duration", _long(-value if sign == "-" else value))


def ip(text: str) -> Extension:
    """Parse ``"10.0.0.1"``, ``"10.0.0.0/8"`` and their counterparts of IPv6."""
    address, slash, prefix = text.partition("/")
    is_padded = len(prefix) > 1 and prefix.startswith("0")
    if (
        (slash and not (prefix.isascii() and prefix.isdigit()))
        or is_padded
        or "%" in text
        or (":" in text and "." in text)
    ):
        raise FailedCall
    try:
        parsed = ip_address(address)
    except ValueError as error:
        raise FailedCall from error
    length = _whole(prefix) if slash else parsed.max_prefixlen
    if length > parsed.max_prefixlen:
        raise FailedCall
    return Extension("ipaddr", (parsed, length))


CONSTRUCTORS: Mapping[str, Callable[[str], Extension]] = {
    "decimal": decimal,
    "datetime": datetime_,
    "duration": duration,
    "ip": ip,
}
"""Parse text; :class:`FailedCall` where Cedar would not."""

COMPARISONS: Mapping[str, str] = {
    "lessThan": "<",
    "lessThanOrEqual": "<=",
    "greaterThan": ">",
    "greaterThanOrEqual": ">=",
}
"""The comparisons of decimals, which Cedar writes as methods."""


def network(value: tuple[IPv4Address | IPv6Address, int]) -> Any:
    """The network that an ``ipaddr`` stands for."""
    return ip_network((str(value[0]), value[1]), strict=False)


def _is_in_range(value: Any, other: Any) -> bool:
    inner, outer = network(value), network(other)
    return inner.version == outer.version and bool(inner.subnet_of(outer))


def _is_within(four: str, six: str) -> Callable[[Any], bool]:
    return lambda value: _is_in_range(value, CONSTRUCTORS["ip"](four if value[0].version == 4 else six).value)


def _truncated(unit: int) -> Callable[[int], int]:
    return lambda value: value // unit if value >= 0 else -(-value // unit)


def _duration(value: int) -> Extension:
    return Extension("duration", _long(value))


def _datetime(value: int) -> Extension:
    return Extension("datetime", _long(value))


METHODS: Mapping[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "offset": (("datetime", "duration"), lambda moment, by: _datetime(moment + by)),
    "durationSince": (("datetime", "datetime"), lambda moment, other: _duration(moment - other)),
    "toDate": (("datetime",), lambda moment: _datetime(moment // _DAY * _DAY)),
    "toTime": (("datetime",), lambda moment: _duration(moment % _DAY)),
    "toMilliseconds": (("duration",), _truncated(1)),
    "toSeconds": (("duration",), _truncated(1000)),
    "toMinutes": (("duration",), _truncated(60_000)),
    "toHours": (("duration",), _truncated(3_600_000)),
    "toDays": (("duration",), _truncated(_DAY)),
    "isIpv4": (("ipaddr",), lambda value: value[0].version == 4),
    "isIpv6": (("ipaddr",), lambda value: value[0].version == 6),
    "isLoopback": (("ipaddr",), _is_within("127.0.0.0/8", "::1/128")),
    "isMulticast": (("ipaddr",), _is_within("224.0.0.0/4", "ff00::/8")),
    "isInRange": (("ipaddr", "ipaddr"), _is_in_range),
}
"""The other methods: the kinds of their operands, and what they do with the values of these."""
