"""Python values to Cedar's JSON format."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_DOWN, Context, Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

from django_avp.cedar import EntityUid

__all__ = ["Unholdable", "extension", "has_reserved_key", "is_too_deep", "to_json", "to_value"]

# Cedar's own escapes: data that carries one of these keys would be read as an entity or an extension call (A6).
RESERVED_KEYS = frozenset({"__entity", "__extn", "__expr"})

# Nothing is within these.
_PLAIN = frozenset({str, int, float, bool, type(None)})

# Cedar's JSON format takes about 125 levels, those of a request or of an entity among them.
MAX_DEPTH = 100

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
# Cedar holds a decimal as a 64-bit number of ten-thousandths; AVP's pattern is -?\d{1,15}\.\d{1,4}.
_DECIMAL_STEP = Decimal("0.0001")
_DECIMAL_MIN, _DECIMAL_MAX = Decimal("-922337203685477.5808"), Decimal("922337203685477.5807")
# The process's own decimal context may round to fewer digits, or raise.
_EXACT = Context(prec=64, rounding=ROUND_DOWN, traps=[])


class Unholdable(ValueError):  # noqa: N818 - not an error of the caller: such a value is an absent attribute (A5)
    """Raised when a value has no counterpart in Cedar: NULL, a float, an integer over 64 bits, NUL in a string."""


def to_value(value: object) -> Any:
    """Convert a Python value to Cedar's JSON format.

    ``bool``, ``int``, ``str``, ``UUID``, enumerations and :class:`EntityUid` map by kind; ``Decimal`` (at most 4
    places), ``datetime`` and ``date`` (floored to milliseconds), ``timedelta`` and IP addresses become extension
    values; lists, tuples and sets become Sets, mappings become Records. Members of a Set and fields of a Record that
    Cedar cannot hold are left out.

    Raises:
        Unholdable: Cedar has no such value: ``None``, NaN, an integer over 64 bits, NUL in a string (rule A5), or a
            mapping that spells an entity or an extension call (rule A6).
        TypeError: a type that is never a Cedar value, such as ``float`` or ``bytes``.
    """
    if value is None:
        raise Unholdable("None")
    convert = _BY_TYPE.get(type(value))
    if convert is not None:
        return convert(value)
    if isinstance(value, Enum) and not isinstance(value, str | int):
        return to_value(value.value)
    for types, convert in _CONVERSIONS:
        if isinstance(value, types):
            return convert(value)
    raise TypeError(
        f"Cedar has no {type(value).__name__}; give a bool, int, str, Decimal, date, datetime, timedelta, "
        "IP address, EntityUid, or a list, set or dict of these."
    )


def to_json(record: Mapping[str, Any]) -> str:
    """Write a Record in Cedar's JSON format as text with sorted keys; an empty one is the empty text."""
    return json.dumps(record, sort_keys=True, separators=(",", ":")) if record else ""


def has_reserved_key(value: object) -> bool:
    """Whether data spells one of Cedar's JSON escapes at any depth (rule A6)."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping) and not RESERVED_KEYS.isdisjoint(item):
            return True
        # Most are texts and numbers, of which `isinstance` takes longer to tell that they are no mapping.
        stack += [inner for inner in _members(item) if type(inner) not in _PLAIN]
    return False


def is_too_deep(value: object) -> bool:
    """Whether data nests deeper than Cedar's JSON format does, as data that holds itself does."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (one for item in level for one in _members(item) if type(one) not in _PLAIN)
        # Each once: what holds itself twice would double with each level.
        level = list({id(one): one for one in inner}.values())
        if not level:
            return False
    return True


def _members(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple | set | frozenset) else ()


def extension(function: str, argument: str) -> dict[str, Any]:
    """An extension value in Cedar's JSON format."""
    return {"__extn": {"fn": function, "arg": argument}}


def _integer(value: int) -> int:
    if not LONG_MIN <= value <= LONG_MAX:
        raise Unholdable("an integer over 64 bits")
    return int(value)


def _string(value: str) -> str:
    text = str(value.value) if isinstance(value, Enum) else str(value)
    if text.isascii() and "\0" not in text:
        return text
    if "\0" in text:
        raise Unholdable("NUL in a string")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unholdable("a lone surrogate in a string") from error
    return text


def _decimal(value: Decimal) -> dict[str, Any]:
    if not value.is_finite() or not _DECIMAL_MIN <= value <= _DECIMAL_MAX:
        raise Unholdable("a decimal that is not finite or over 64 bits")
    rounded = value.quantize(_DECIMAL_STEP, context=_EXACT)
    if rounded != value:
        raise Unholdable("a decimal with more than 4 places")
    whole, _, places = f"{rounded:f}".partition(".")
    return extension("decimal", f"{whole}.{places.rstrip('0') or '0'}")


def _datetime(value: datetime.datetime) -> dict[str, Any]:
    try:
        # A naive one is local time, as Django has it without USE_TZ.
        utc = value.astimezone(datetime.UTC).replace(tzinfo=None)
    except (OverflowError, ValueError) as error:
        raise Unholdable("a datetime outside the years 1 to 9999") from error
    # Milliseconds are cut, not rounded: also before 1970 that is the floor.
    return extension("datetime", f"{utc.isoformat(timespec='milliseconds')}Z")


def _date(value: datetime.date) -> dict[str, Any]:
    return extension("datetime", value.isoformat())


def _duration(value: datetime.timedelta) -> dict[str, Any]:
    return extension("duration", f"{value // datetime.timedelta(milliseconds=1)}ms")


def _ipv4(value: IPv4Address | IPv4Network) -> dict[str, Any]:
    return extension("ip", str(value))


def _ipv6(value: IPv6Address | IPv6Network) -> dict[str, Any]:
    if "%" in str(value):
        raise Unholdable("an IPv6 address with a scope")
    address = value.network_address if isinstance(value, IPv6Network) else value
    _, slash, prefix = str(value).partition("/")
    # Written here, because Cedar does not read ::ffff:1.2.3.4, as newer Pythons write it.
    return extension("ip", f"{address.packed.hex(':', 2)}{slash}{prefix}")


def _uid(value: EntityUid) -> dict[str, Any]:
    if not value.is_valid:
        raise Unholdable("an entity id that AVP refuses")
    return {"__entity": value.as_json()}


def _list(values: Iterable[object]) -> list[Any]:
    return [converted for _, converted in _holdable(("", value) for value in values)]


def _set(values: Iterable[object]) -> list[Any]:
    # Equal sets may iterate in different orders, and equal contexts have to be equal texts.
    return sorted(_list(values), key=json.dumps)


def _record(values: Mapping[Any, object]) -> dict[str, Any]:
    record = dict(_holdable(values.items()))
    if not RESERVED_KEYS.isdisjoint(record):
        raise Unholdable("a mapping that spells a Cedar escape")
    return record


def _holdable(items: Iterable[tuple[Any, object]]) -> Iterator[tuple[str, Any]]:
    for name, value in items:
        try:
            yield _string(name), to_value(value)
        except Unholdable:
            continue


# In order: bool is an int, datetime is a date.
_CONVERSIONS: tuple[tuple[Any, Any], ...] = (
    (bool, bool),
    (int, _integer),
    (str, _string),
    (EntityUid, _uid),
    (UUID, str),
    (Decimal, _decimal),
    (datetime.datetime, _datetime),
    (datetime.date, _date),
    (datetime.timedelta, _duration),
    ((IPv4Address, IPv4Network), _ipv4),
    ((IPv6Address, IPv6Network), _ipv6),
    (Mapping, _record),
    ((list, tuple), _list),
    ((set, frozenset), _set),
)
# The same for values of exactly such a type, which most are.
_BY_TYPE: Mapping[type, Any] = {
    one: convert
    for types, convert in reversed(_CONVERSIONS)
    for one in (types if isinstance(types, tuple) else (types,))
}
