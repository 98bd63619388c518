"""Cedar's nouns as frozen values: entity ids, entities, checks and decisions.

Everything that passes through a request is built from these; none of them knows Django's requests or an engine.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from enum import Enum, StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any
from uuid import UUID

__all__ = ["Cause", "Check", "Decision", "Entity", "EntityUid", "Unholdable", "Verdict", "to_json", "to_value"]

_TYPE_NAME = r"(?:[_a-zA-Z][_a-zA-Z0-9]*::)*[_a-zA-Z][_a-zA-Z0-9]*"
_UID = re.compile(rf'({_TYPE_NAME})::"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|x([0-7][0-9a-fA-F])|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "0": "\0", "'": "'", '"': '"', "*": "*"}
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "\0": "\\0", '"': '\\"'}
# `.` in AVP's id patterns (`.*`) matches no line terminator; Cedar's text form has none for NUL.
_FORBIDDEN_IN_ID = re.compile("[\0\n\r\u0085\u2028\u2029\ud800-\udfff]")

# Cedar's own escapes: data that carries one of these keys would be read as an entity or an extension call (A6).
RESERVED_KEYS = frozenset({"__entity", "__extn", "__expr"})

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
# AVP's pattern for decimals is -?\d{1,15}\.\d{1,4}, and Cedar holds them as 64-bit integers of ten-thousandths.
_DECIMAL_STEP = Decimal("0.0001")
_DECIMAL_MAX = Decimal(LONG_MAX) * _DECIMAL_STEP


class Unholdable(ValueError):  # noqa: N818 - not an error of the caller: such a value is an absent attribute (A5)
    """Raised when a value has no counterpart in Cedar: NULL, a float, an integer over 64 bits, NUL in a string."""


@dataclass(frozen=True, slots=True)
class EntityUid:
    """The id of a Cedar entity: its ``type`` (``"PhotoFlash::Photo"``) and its ``id`` within the type.

    A type without ``::`` is put into ``AVP_NAMESPACE`` where the uid is used. Any text is accepted as an id here;
    what AVP would refuse is refused when a check is decided (:meth:`is_valid`).
    """

    type: str
    id: str

    @classmethod
    def parse(cls, text: str) -> EntityUid:
        """Read Cedar's text form, ``Photo::"1"``.

        Raises:
            ValueError: the text is not the text form of an entity id.
        """
        match = _UID.fullmatch(text.strip())
        if match is None:
            raise ValueError(f'{text!r} is not an entity id; write Type::"id".')
        return cls(match[1], _ESCAPE.sub(_unescape, match[2]))

    def __str__(self) -> str:
        """Cedar's text form, quoted and escaped."""
        return f'{self.type}::"{"".join(_ESCAPES.get(character, character) for character in self.id)}"'

    def in_namespace(self, namespace: str) -> EntityUid:
        """Return this id with its type put into ``namespace`` unless it names one already."""
        return EntityUid(qualify(self.type, namespace), self.id)

    @property
    def is_valid(self) -> bool:
        """Whether AVP takes it: type and id of allowed length, no line break or NUL (rule A9)."""
        return (
            1 <= len(self.type) <= 200
            and 1 <= len(self.id) <= (512 if self.is_action else 612)
            and _FORBIDDEN_IN_ID.search(self.id) is None
        )

    @property
    def is_action(self) -> bool:
        """Whether the type is ``Action``, in any namespace."""
        return self.type == "Action" or self.type.endswith("::Action")

    def as_json(self) -> dict[str, str]:
        """The ``{"type", "id"}`` form of requests and of an entity's ``uid``."""
        return {"type": self.type, "id": self.id}


def qualify(name: str, namespace: str) -> str:
    """Return a type name in ``namespace``, unless it is qualified already or there is no namespace."""
    return name if not namespace or "::" in name else f"{namespace}::{name}"


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        return chr(int(code, 16))
    if match[3] not in _ESCAPED:
        raise ValueError(f"Unknown escape in an entity id: {match[0]!r}.")
    return _ESCAPED[match[3]]


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity as a decision sees it: attributes in Cedar's JSON format and the ids of its direct parents.

    The attributes may be claims: they stay out of ``repr``.
    """

    uid: EntityUid
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    parents: tuple[EntityUid, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """One element of Cedar's JSON entities document."""
        return {
            "uid": self.uid.as_json(),
            "attrs": dict(self.attributes),
            "parents": [parent.as_json() for parent in self.parents],
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the principal: may it do ``action`` on ``resource`` in this ``context``?

    ``context`` is Cedar JSON text with sorted keys, empty for none, so that equal questions are equal values.
    It may hold request data and stays out of ``repr``.
    """

    action: EntityUid
    resource: EntityUid
    context: str = field(default="", repr=False)


class Verdict(StrEnum):
    """What an engine said (rule B1). Only ``PERMITTED`` allows."""

    PERMITTED = "permitted"
    FORBIDDEN = "forbidden"
    """A ``forbid`` matched."""
    NOT_PERMITTED = "not_permitted"
    """No policy matched."""
    UNDECIDED = "undecided"
    """No answer: the engine failed, the question was not valid, or the answer made no sense."""


class Cause(StrEnum):
    """Why a decision is not the plain answer of an engine."""

    NONE = ""
    UNIDENTIFIED = "unidentified"
    """Nobody is signed in, and ``AVP_ANONYMOUS_PRINCIPAL`` does not name whom to ask about instead."""
    INACTIVE = "inactive"
    """The user is deactivated in Django, or there is none (rule B6)."""
    UNAVAILABLE = "unavailable"
    """The engine or the key set did not answer: asking again may help."""
    INVALID = "invalid"
    """The question was not one that the engine takes: asking again does not help."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a check: true only when it is permitted.

    Attributes:
        verdict: what was decided; stored, never derived.
        determining_policies: ids of the policies that decided: the forbids that matched, else the permits.
        errors: ids of the policies that could not be evaluated and were skipped (rule B2), without their texts,
            which may quote claims (rule A8).
        cause: why there is no plain answer.
    """

    verdict: Verdict
    determining_policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    cause: Cause = Cause.NONE

    def __bool__(self) -> bool:
        return self.verdict is Verdict.PERMITTED

    @property
    def is_allowed(self) -> bool:
        """The same as the truth of the decision, for templates and for readers who prefer a name."""
        return bool(self)


UNIDENTIFIED = Decision(Verdict.NOT_PERMITTED, cause=Cause.UNIDENTIFIED)
INACTIVE = Decision(Verdict.NOT_PERMITTED, cause=Cause.INACTIVE)
UNAVAILABLE = Decision(Verdict.UNDECIDED, cause=Cause.UNAVAILABLE)
INVALID = Decision(Verdict.UNDECIDED, cause=Cause.INVALID)


# --- Python values to Cedar's JSON format --------------------------------------------------------------------------


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
        if isinstance(item, Mapping):
            if not RESERVED_KEYS.isdisjoint(item):
                return True
            stack.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            stack.extend(item)
    return False


def extension(function: str, argument: str) -> dict[str, Any]:
    """An extension value in Cedar's JSON format."""
    return {"__extn": {"fn": function, "arg": argument}}


def _integer(value: int) -> int:
    if not LONG_MIN <= value <= LONG_MAX:
        raise Unholdable("an integer over 64 bits")
    return int(value)


def _string(value: str) -> str:
    if "\0" in value:
        raise Unholdable("NUL in a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unholdable("a lone surrogate in a string") from error
    return str(value.value) if isinstance(value, Enum) else str(value)


def _decimal(value: Decimal) -> dict[str, Any]:
    if not value.is_finite() or abs(value) > _DECIMAL_MAX:
        raise Unholdable("a decimal that is not finite or has more than 15 integer digits")
    rounded = value.quantize(_DECIMAL_STEP, rounding=ROUND_DOWN)
    if rounded != value:
        raise Unholdable("a decimal with more than 4 places")
    whole, _, places = f"{rounded:f}".partition(".")
    return extension("decimal", f"{whole}.{places.rstrip('0') or '0'}")


def _datetime(value: datetime.datetime) -> dict[str, Any]:
    try:
        utc = value.astimezone(datetime.UTC)
    except OverflowError as error:
        raise Unholdable("a datetime outside the years 1 to 9999") from error
    return extension("datetime", f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z".zfill(24))


def _date(value: datetime.date) -> dict[str, Any]:
    return extension("datetime", value.isoformat())


def _duration(value: datetime.timedelta) -> dict[str, Any]:
    return extension("duration", f"{value // datetime.timedelta(milliseconds=1)}ms")


def _ip(value: object) -> dict[str, Any]:
    return extension("ip", str(value))


def _uid(value: EntityUid) -> dict[str, Any]:
    if not value.is_valid:
        raise Unholdable("an entity id that AVP refuses")
    return {"__entity": value.as_json()}


def _set(values: Iterable[object]) -> list[Any]:
    return list(_holdable(enumerate(values)).values())


def _record(values: Mapping[Any, object]) -> dict[str, Any]:
    if not RESERVED_KEYS.isdisjoint(values):
        raise Unholdable("a mapping that spells a Cedar escape")
    return {str(key): value for key, value in _holdable(values.items()).items()}


def _holdable(items: Iterable[tuple[Any, object]]) -> dict[Any, Any]:
    converted = {}
    for key, value in items:
        try:
            converted[key] = to_value(value)
        except Unholdable:
            continue
    return converted


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
    ((IPv4Address, IPv6Address, IPv4Network, IPv6Network), _ip),
    (Mapping, _record),
    ((list, tuple, set, frozenset), _set),
)
