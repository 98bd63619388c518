"""Tests of ``django_avp.values``: what Cedar itself makes of converted Python values."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import uuid
from decimal import Decimal
from ipaddress import ip_address, ip_interface, ip_network

import cedarpy
import pytest
from django.db import models
from django.utils.safestring import mark_safe
from hypothesis import given
from hypothesis import strategies as st

from django_avp.cedar import EntityUid, quote
from django_avp.values import LONG_MAX, LONG_MIN, Unholdable, has_reserved_key, to_json, to_value

REQUEST = {kind: {"type": "P", "id": "1"} for kind in ("principal", "resource")}
REQUEST["action"] = {"type": "Action", "id": "a"}
HOUR = datetime.timedelta(hours=1)
UTC = datetime.UTC


class Color(models.TextChoices):
    RED = "r", "Red"


class Number(models.IntegerChoices):
    ONE = 1, "One"


class Plain(enum.Enum):
    DAY = datetime.date(2024, 1, 31)
    NOTHING = None


class Key(enum.StrEnum):
    EXTENSION = "__extn"


def is_equal(value: object, expression: str) -> bool:
    """Whether Cedar finds the converted value equal to an expression."""
    entity = {"uid": REQUEST["resource"], "attrs": {"v": to_value(value)}, "parents": []}
    policy = f"permit (principal, action, resource) when {{ resource.v == {expression} }};"
    result = cedarpy.is_authorized(REQUEST, policy, [entity])
    assert result.decision is not cedarpy.Decision.NoDecision, result.diagnostics.errors
    assert not result.diagnostics.errors
    return result.allowed


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (LONG_MAX, "9223372036854775807"),
        (LONG_MIN, "-9223372036854775808"),
        ("é\n\"'", r'"é\n\"\'"'),
        ("", '""'),
        (mark_safe("<b>"), '"<b>"'),  # noqa: S308
        (Color.RED, '"r"'),
        (Number.ONE, "1"),
        (Plain.DAY, 'datetime("2024-01-31")'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (EntityUid("A::Photo", 'a"b'), r'A::Photo::"a\"b"'),
        (Decimal("1.5"), 'decimal("1.5")'),
        (Decimal("-0"), 'decimal("0.0")'),
        (Decimal("1E+3"), 'decimal("1000.0")'),
        (Decimal("0.0001"), 'decimal("0.0001")'),
        (Decimal("1.500000000000000000000000000000000000000"), 'decimal("1.5")'),
        (Decimal("922337203685477.5807"), 'decimal("922337203685477.5807")'),
        (Decimal("-922337203685477.5808"), 'decimal("-922337203685477.5808")'),
        (datetime.date(1, 1, 1), 'datetime("0001-01-01")'),
        (datetime.date(9999, 12, 31), 'datetime("9999-12-31")'),
        (datetime.datetime(2024, 1, 31, 12, tzinfo=datetime.timezone(HOUR)), 'datetime("2024-01-31T11:00:00Z")'),
        (datetime.datetime(1, 1, 1, tzinfo=UTC), 'datetime("0001-01-01")'),
        (datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC), 'datetime("9999-12-31T23:59:59.999Z")'),
        (datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), 'datetime("1969-12-31T23:59:59.999Z")'),
        (datetime.timedelta(0), 'duration("0ms")'),
        (datetime.timedelta(microseconds=-1), 'duration("-1ms")'),
        (datetime.timedelta(microseconds=1999), 'duration("1ms")'),
        (datetime.timedelta.max, 'duration("86399999999999999ms")'),
        (datetime.timedelta.min, 'duration("-86399999913600000ms")'),
        (ip_address("1.2.3.4"), 'ip("1.2.3.4")'),
        (ip_address("::1"), 'ip("::1")'),
        (ip_address("::ffff:1.2.3.4"), 'ip("::ffff:102:304")'),
        (ip_interface("192.168.0.5/24"), 'ip("192.168.0.5/24")'),
        (ip_interface("fe80::1/64"), 'ip("fe80::1/64")'),
        (ip_network("10.0.0.0/8"), 'ip("10.0.0.0/8")'),
        (ip_network("::ffff:0:0/96"), 'ip("::ffff:0:0/96")'),
        ([1, 2, 2], "[2, 1]"),
        ((1, "a"), '[1, "a"]'),
        ({1, 2}, "[1, 2]"),
        (frozenset(), "[]"),
        ([1, None, 2**63, "a\0"], "[1]"),
        ({"a": 1, "b": {"c": [True]}}, "{a: 1, b: {c: [true]}}"),
        ({"a": None, "b": 2**63, "c": Plain.NOTHING, "d": 1}, "{d: 1}"),
        ({"a\0": 1, "\ud800": 2, 7: 3}, '{"7": 3}'),
        ({"a": {"__entity": {"type": "Role", "id": "admin"}}, "b": 1}, "{b: 1}"),
        ([{"__extn": {"fn": "unknown", "arg": "x"}}, 1], "[1]"),
    ],
)
def test_values_mean_the_same_to_cedar(value, expression):
    """Each kind of Python value is the Cedar value that one would write."""
    assert is_equal(value, expression)


@pytest.mark.parametrize(
    "value",
    [
        None,
        Plain.NOTHING,
        2**63,
        -(2**63) - 1,
        "a\0b",
        "\ud800",
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("-Infinity"),
        Decimal("0.00001"),
        Decimal("1E-1000000"),
        Decimal("1E+1000000"),
        Decimal("922337203685477.5808"),
        Decimal("-922337203685477.5809"),
        datetime.datetime(1, 1, 1, tzinfo=datetime.timezone(HOUR)),
        datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone(-HOUR)),
        datetime.datetime.min,
        ip_address("fe80::1%eth0"),
        ip_interface("fe80::1%eth0/64"),
        EntityUid("Photo", ""),
        EntityUid("Photo", "a\nb"),
        {"__entity": {"type": "Role", "id": "admin"}},
        {"__extn": {"fn": "ip", "arg": "1.2.3.4"}},
        {"__expr": "1"},
        {Key.EXTENSION: {"fn": "unknown", "arg": "x"}},
    ],
    ids=repr,
)
def test_a5_what_cedar_cannot_hold_is_unholdable(value):
    """A value that has no counterpart is told apart from a wrong type, so that it can be an absent attribute."""
    with pytest.raises(Unholdable):
        to_value(value)


@pytest.mark.parametrize("value", [1.5, b"x", object(), range(3), {"a": [1.5]}, {"a": b"x"}], ids=repr)
def test_wrong_types_are_told(value):
    """A type that is never a Cedar value is the caller's mistake."""
    with pytest.raises(TypeError, match=r"Cedar has no \w+; give a bool, int, str"):
        to_value(value)


def test_entity_ids_are_text():
    """An entity id with a number in it is the caller's mistake, too."""
    with pytest.raises(TypeError, match=r'write EntityUid\("Photo", "7"\)'):
        to_value({"photo": EntityUid("Photo", 7)})


def test_naive_datetimes_are_local_time():
    """A datetime without a zone is meant where Django runs."""
    moment = datetime.datetime(2024, 7, 1, 12)

    assert is_equal(moment, f'datetime("{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")')


def test_decimals_do_not_depend_on_the_context():
    """A project's own decimal context neither rounds nor raises here."""
    with decimal.localcontext(decimal.Context(prec=3, traps=[decimal.Inexact, decimal.Rounded])):
        assert to_value(Decimal("123456.7891")) == {"__extn": {"fn": "decimal", "arg": "123456.7891"}}
        with pytest.raises(Unholdable):
            to_value(Decimal("1.23456"))


@given(st.integers())
def test_integers_have_64_bits(number):
    """An integer is held exactly, or not at all."""
    if LONG_MIN <= number <= LONG_MAX:
        assert is_equal(number, str(number))
    else:
        with pytest.raises(Unholdable):
            to_value(number)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4) | st.decimals())
def test_decimals_are_exact(number):
    """A decimal is held exactly, or not at all."""
    try:
        converted = to_value(number)
    except Unholdable:
        return
    assert Decimal(converted["__extn"]["arg"]) == number
    assert is_equal(number, f'decimal("{converted["__extn"]["arg"]}")')


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_datetimes_are_floored_to_milliseconds(moment):
    """The instant is the same, without the rest below a millisecond, before 1970 as after."""
    milliseconds = (moment - datetime.datetime(1970, 1, 1, tzinfo=UTC)) // datetime.timedelta(milliseconds=1)
    try:
        to_value(moment)
    except Unholdable:
        assert moment.year in (1, 9999)
        return
    assert is_equal(moment, f'datetime("1970-01-01").offset(duration("{milliseconds}ms"))')


@given(st.timedeltas())
def test_durations_are_floored_to_milliseconds(length):
    """A duration loses the rest below a millisecond, towards the past."""
    assert is_equal(length, f'duration("{length // datetime.timedelta(milliseconds=1)}ms")')


@given(st.ip_addresses())
def test_every_ip_address_is_taken(address):
    """Cedar reads each address, the mapped ones that Python 3.13 writes with dots too."""
    arg = to_value(address)["__extn"]["arg"]

    assert ip_address(arg) == address
    assert is_equal(address, f'ip("{arg}")')


@given(st.text())
def test_text_is_exact(text):
    """A string is held exactly, or not at all."""
    if "\0" in text:
        with pytest.raises(Unholdable):
            to_value(text)
    else:
        assert is_equal(text, quote(text))


def test_equal_sets_are_equal_text():
    """Sets that iterate in different orders make one context, so that one question is one check."""
    assert list({0, 8}) != list({8, 0})

    assert to_json(to_value({"x": {0, 8}})) == to_json(to_value({"x": frozenset({8, 0})})) == '{"x":[0,8]}'


def test_records_are_written_with_sorted_keys():
    """Equal records are equal text; an empty one is none at all."""
    assert to_json({"b": 1, "a": [2]}) == '{"a":[2],"b":1}'
    assert to_json({}) == ""
    assert json.loads(to_json({"a": "é\ud800"})) == {"a": "é\ud800"}


@pytest.mark.parametrize(
    ("value", "is_reserved"),
    [
        ({"__entity": 1}, True),
        ({"a": [{"b": ({"__extn": 1},)}]}, True),
        ([{"__expr": "x"}], True),
        ({"a": {"entity": 1}}, False),
        ("__entity", False),
        ({"a": "__extn"}, False),
        ({1, 2}, False),
        (frozenset([("a",)]), False),
    ],
)
def test_a6_reserved_keys_are_found_at_every_depth(value, is_reserved):
    """Only keys count, wherever they stand."""
    assert has_reserved_key(value) is is_reserved
