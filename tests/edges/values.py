"""The table of values: what Python, a database or a token may have, and what Cedar is to see of it, written by hand.

The JSON and the literal of each are written down here and not made by django_avp, which is what the tests compare.
"""

from __future__ import annotations

import enum
import ipaddress
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from json import dumps
from typing import Any

from django_avp.tokens.compact import MAX_TOKEN_LENGTH

ABSENT = object()
LONGEST = 10_000
# Characters of a claim, of which a token has four for three, beside all others.
_ROOM = MAX_TOKEN_LENGTH * 3 // 4 - 2_000


class Level(enum.IntEnum):
    HIGH = 7


@dataclass(frozen=True)
class Edge:
    """A value.

    Attributes:
        kind: the attribute that has it, whose type the schema declares; of ``odd`` it declares none.
        value: what Python has.
        json: what Cedar sees, in its JSON format; ``ABSENT`` for nothing.
        literal: the same in a policy.
        in_context: whether a context may have it. A type that Cedar never has is a mistake there, and raises.
    """

    name: str
    kind: str
    value: Any
    json: Any
    literal: str
    in_context: bool = True

    @property
    def in_tokens(self) -> bool:
        """Whether a claim may be it, in a token that is not too large with it."""
        return _is_json(self.value) and len(dumps(self.value)) <= _ROOM


def _is_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(name) is str and _is_json(item) for name, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    # More digits Python does not read.
    return value is None or type(value) in (bool, str) or (type(value) is int and abs(value) < 10**100)


def written(text: str) -> str:
    """A text as a literal in which every character is an escape."""
    return '"' + "".join(f"\\u{{{ord(character):x}}}" for character in text) + '"'


def _call(function: str, argument: str) -> tuple[Any, str]:
    return {"__extn": {"fn": function, "arg": argument}}, f'{function}("{argument}")'


def edges() -> list[Edge]:
    """All of them."""
    return [*_longs(), *_texts(), *_decimals(), *_moments(), *_durations(), *_addresses(), *_sets(), *_records()]


def _longs() -> Iterator[Edge]:
    for value in (0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63) + 1):
        yield Edge(f"long {value}", "long", value, value, str(value))
    yield Edge("the least long", "long", -(2**63), -(2**63), "(-9223372036854775807 - 1)")
    for value in (2**63, -(2**63) - 1, 2**64, 10**30, -(10**99)):
        yield Edge(f"over 64 bits {value:.0e}", "long", value, ABSENT, "0")
    yield Edge("5,000 digits", "long", 10**5_000, ABSENT, "0")
    yield Edge("an enumeration", "long", Level.HIGH, 7, "7")
    yield Edge("nothing", "long", None, ABSENT, "0")
    for number in (0.5, 1.0, float("nan"), float("inf"), -0.0):
        yield Edge(f"float {number}", "long", number, ABSENT, "0", in_context=False)
    yield Edge("bytes", "text", b"a", ABSENT, '"a"', in_context=False)
    for value in (True, False):
        yield Edge(f"bool {value}", "bool", value, value, str(value).lower())


def characters() -> Iterator[tuple[str, str]]:
    """The first and the last character of each of Unicode's categories, surrogates and NUL apart."""
    ends: dict[str, list[str]] = {}
    for code in range(1, sys.maxunicode + 1):
        if not 0xD800 <= code <= 0xDFFF:
            character = chr(code)
            ends.setdefault(unicodedata.category(character), [character, character])[1] = character
    for category, pair in sorted(ends.items()):
        yield from ((f"{category} {ord(character):x}", character) for character in dict.fromkeys(pair))


ODD_TEXTS = {
    "nothing in it": "",
    "a blank": " ",
    "a blank after it": "a ",
    "composed": "é",
    "decomposed": "e\u0301",
    "upper case": "A",
    "lower case": "a",
    "full width": "\uff21",
    "the Kelvin sign": "\u212a",
    "sharp s": "ß",
    "a Turkish i": "ı",
    "a byte order mark": "\ufeffa",
    "zero width": "a\u200bb",
    "right to left": "\u202ea\u202c",
    "an emoji of several": "👩\u200d👩\u200d👧",
    "a variation": "✈\ufe0f",
    "no character": "\uffff",
    "a quote": '"',
    "an apostrophe": "'",
    "a backtick": "`",
    "a backslash": "\\",
    "an escape that is none": "\\u{41}",
    "Cedar": 'User::"ann"',
    "an end": '"); permit(principal, action, resource); //',
    "a star": "*",
    "what databases match by": "%_[a]!?*\\",
    "Cedar's escape": "__entity",
    "JSON": '{"__entity": {"type": "User", "id": "ann"}}',
    "a template": "{{ user }}{% debug %}",
    "SQL": "'; DROP TABLE auth_user; --",
    "a format": "%s{0}$x",
    "tab": "a\tb",
    "long": "x" * LONGEST,
    "long in bytes": "😀" * LONGEST,
}
LINE_BREAKS = {"LF": "a\nb", "CR": "a\rb", "NEL": "a\u0085b", "LS": "a\u2028b", "PS": "a\u2029b"}
UNHOLDABLE = {
    "NUL": "\0",
    "NUL within": "a\0b",
    "a first half": "\ud800",
    "a second half": "a\udfff",
    "halves that are not one": "\ud83d\ude00",
}


def _texts() -> Iterator[Edge]:
    for name, text in (*ODD_TEXTS.items(), *LINE_BREAKS.items(), *characters()):
        yield Edge(f"text: {name}", "text", text, text, written(text))
    for name, text in UNHOLDABLE.items():
        yield Edge(f"text: {name}", "text", text, ABSENT, '""')


def _decimals() -> Iterator[Edge]:
    held = {
        "0": "0.0",
        "-0": "0.0",
        "0.00000": "0.0",
        "1E+3": "1000.0",
        "1E-4": "0.0001",
        "-0.1": "-0.1",
        "1.2345": "1.2345",
        "1.23450000000000000000000000000": "1.2345",
        "12345678901.2345": "12345678901.2345",
        "922337203685477.5807": "922337203685477.5807",
        "-922337203685477.5808": "-922337203685477.5808",
    }
    for text, argument in held.items():
        yield Edge(f"decimal {text}", "decimal", Decimal(text), *_call("decimal", argument))
    beyond = [
        "0.00001",
        "-0.00001",
        "1.23456",
        "1.2345678901234567890123456789",
        "922337203685477.5808",
        "-922337203685477.5809",
        "922337203685477.58071",
        "1E+20",
        "1E+1000000",
        "1E-1000000",
        "NaN",
        "-NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
    ]
    for text in beyond:
        yield Edge(f"decimal {text}", "decimal", Decimal(text), ABSENT, 'decimal("0.0")')


def _moments() -> Iterator[Edge]:
    def zone(**offset: int) -> timezone:
        return timezone(timedelta(**offset))

    held = [
        (datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00.000Z"),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "1969-12-31T23:59:59.999Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "9999-12-31T23:59:59.999Z"),
        (datetime(1900, 2, 28, tzinfo=UTC), "1900-02-28T00:00:00.000Z"),
        (datetime(2000, 2, 29, tzinfo=UTC), "2000-02-29T00:00:00.000Z"),
        (datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC), "2016-12-31T23:59:59.000Z"),
        (datetime(2024, 1, 1, 5, 45, tzinfo=zone(hours=5, minutes=45)), "2024-01-01T00:00:00.000Z"),
        (datetime(2024, 1, 1, tzinfo=zone(hours=-23, minutes=-59)), "2024-01-01T23:59:00.000Z"),
        (datetime(1880, 1, 1, tzinfo=zone(minutes=-5, seconds=-50)), "1880-01-01T00:05:50.000Z"),
        # Where the tests are at home, in winter, in summer and in the hour that comes twice.
        (datetime(2024, 1, 1), "2024-01-01T06:00:00.000Z"),
        (datetime(2024, 7, 1), "2024-07-01T05:00:00.000Z"),
        (datetime(2024, 11, 3, 1, 30), "2024-11-03T06:30:00.000Z"),
        (datetime(2024, 11, 3, 1, 30, fold=1), "2024-11-03T07:30:00.000Z"),
        (date(1970, 1, 1), "1970-01-01"),
        (date(1969, 12, 31), "1969-12-31"),
        (date.min, "0001-01-01"),
        (date.max, "9999-12-31"),
    ]
    for moment, argument in held:
        fold = " again" if getattr(moment, "fold", 0) else ""
        yield Edge(f"{type(moment).__name__} {moment}{fold}", "datetime", moment, *_call("datetime", argument))
    beyond = [
        datetime(1, 1, 1, tzinfo=zone(hours=14)),
        datetime(9999, 12, 31, 23, tzinfo=zone(hours=-12)),
        datetime.max,
    ]
    for moment in beyond:
        yield Edge(f"datetime {moment} beyond", "datetime", moment, ABSENT, 'datetime("1970-01-01")')


def _durations() -> Iterator[Edge]:
    held = [
        (timedelta(0), "0ms"),
        (timedelta(microseconds=1), "0ms"),
        (timedelta(microseconds=-1), "-1ms"),
        (timedelta(milliseconds=1), "1ms"),
        (timedelta(days=-2), "-172800000ms"),
        (timedelta.max, "86399999999999999ms"),
        (timedelta.min, "-86399999913600000ms"),
    ]
    for span, argument in held:
        yield Edge(f"duration {span!r}", "duration", span, *_call("duration", argument))


def _addresses() -> Iterator[Edge]:
    held = [
        ("ip_address", "0.0.0.0", "0.0.0.0"),  # noqa: S104 - an address and no server
        ("ip_address", "255.255.255.255", "255.255.255.255"),
        ("ip_address", "::", "::"),
        ("ip_address", "2001:DB8::1", "2001:db8::1"),
        ("ip_address", "::ffff:1.2.3.4", "::ffff:102:304"),
        ("ip_network", "10.0.0.0/8", "10.0.0.0/8"),
        ("ip_network", "0.0.0.0/0", "0.0.0.0/0"),
        ("ip_network", "1.2.3.4/32", "1.2.3.4/32"),
        ("ip_network", "2001:db8::/32", "2001:db8::/32"),
        ("ip_network", "::/0", "::/0"),
        ("ip_interface", "10.1.2.3/8", "10.1.2.3/8"),
        ("ip_interface", "2001:db8::1/64", "2001:db8::1/64"),
    ]
    for make, text, argument in held:
        yield Edge(f"{make} {text}", "ip", getattr(ipaddress, make)(text), *_call("ip", argument))
    yield Edge("a zone", "ip", ipaddress.ip_address("fe80::1%eth0"), ABSENT, 'ip("fe80::1")')


def _sets() -> Iterator[Edge]:
    held = [
        ("empty", "longs", [], [], "[]"),
        ("equal ones", "longs", [1, 1, 1], [1], "[1]"),
        ("order", "longs", [3, 1, 2], [1, 2, 3], "[2, 3, 1]"),
        ("a tuple", "longs", (1, 2), [1, 2], "[1, 2]"),
        ("a set", "longs", {2, 1}, [1, 2], "[1, 2]"),
        ("members that are absent", "longs", [1, None, 2**63], [1], "[1]"),
        ("only such", "longs", [None], [], "[]"),
        ("many", "longs", list(range(1_000)), list(range(1_000)), f"[{','.join(map(str, range(1_000)))}]"),
        ("texts", "texts", ["", "a", "A", "a ", "\0"], ["", "a", "A", "a "], '["A", "a", "a ", ""]'),
        ("a truth and a number", "odd", [True, 1], [True, 1], "[1, true]"),
        ("a number and a text", "odd", [1, "1"], [1, "1"], '["1", 1]'),
        ("sets", "odd", [[], [[]]], [[], [[]]], "[[[]], []]"),
        ("records", "odd", [{}, {"a": 1}, {"a": "1"}], [{}, {"a": 1}, {"a": "1"}], '[{}, {a: 1}, {a: "1"}]'),
        ("frozen ones", "odd", {frozenset({1}), frozenset()}, [[1], []], "[[], [1]]"),
    ]
    for name, kind, value, json, literal in held:
        yield Edge(f"set: {name}", kind, value, json, literal)
    yield Edge("set: a float", "longs", [1, 0.5], ABSENT, "[1]", in_context=False)


def _records() -> Iterator[Edge]:
    held = [
        ("empty", "record", {}, {}, "{}"),
        ("nothing within", "record", {"a": None}, {}, "{}"),
        ("a nested one", "record", {"a": {"a": 1}}, {"a": {"a": 1}}, "{a: {a: 1}}"),
        ("no name", "odd", {"": 1}, {"": 1}, '{"": 1}'),
        ("names of numbers", "odd", {1: 1}, {"1": 1}, '{"1": 1}'),
        ("odd names", "odd", {'"\\\n😀': 1}, {'"\\\n😀': 1}, f"{{{written(chr(34) + chr(92) + chr(10) + '😀')}: 1}}"),
        ("type and id", "odd", {"type": "User", "id": "ann"}, {"type": "User", "id": "ann"}, '{type:"User",id:"ann"}'),
        ("fn and arg", "odd", {"fn": "ip", "arg": "::"}, {"fn": "ip", "arg": "::"}, '{fn: "ip", arg: "::"}'),
        ("a name with NUL", "odd", {"a\0": 1, "b": 1}, {"b": 1}, "{b: 1}"),
    ]
    for name, kind, value, json, literal in held:
        yield Edge(f"record: {name}", kind, value, json, literal)
