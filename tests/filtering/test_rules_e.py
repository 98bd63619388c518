"""Rules E1 to E10, one by one: each was a disagreement between a list and single checks in the making."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    FloatField,
    IntegerField,
    JSONField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Collate, Concat, RowNumber, Substr, Upper
from django.db.models.lookups import Exact, In
from django.test import override_settings

from django_avp import entities
from django_avp.cedar import EntityUid
from django_avp.entities import ModelEntity, registry
from django_avp.exceptions import UntranslatablePolicyError
from tests.conftest import POOL, sqlite_only
from tests.filtering.conftest import BoxEntity, RoomEntity, ShelfEntity, declared
from tests.filtering.rows import ADDRESSES, JSON, fill
from tests.testapp.models import (
    Box,
    Document,
    Folder,
    Item,
    Lease,
    Mark,
    Odd,
    Place,
    Room,
    Sale,
    Seat,
    Shelf,
    Shop,
    Stall,
    Tag,
    Tenant,
    Ticket,
    Wide,
)

# E1: true, false, and neither


@pytest.mark.parametrize(
    ("condition", "true", "false"),
    [
        ('resource.flag && resource.name == "a"', ["yes"], ["no", "other"]),
        ('resource.flag || resource.name == "a"', ["yes", "other"], ["no"]),
        ('resource.name == "a" || resource.flag', ["yes", "nobody", "other"], ["no"]),
        ("resource.flag && 3", [], ["no"]),
        ("3 && resource.flag", [], []),
        ("resource.missing || true", [], []),
        ("true || resource.missing", ["yes", "no", "other", "nobody", "lost"], []),
        ('if resource.flag then resource.name == "a" else true', ["yes", "no"], ["other"]),
        ("if resource.name then true else true", [], []),
    ],
)
def test_e1_true_false_and_neither(lists, item, condition, true, false):
    """A condition that is an error is neither true nor false, whatever a NULL would make of it in SQL."""
    item(memo="yes", flag=True, name="a")
    item(memo="no", flag=False, name="b")
    item(memo="other", flag=True, name="b")
    item(memo="nobody", flag=None, name="a")
    item(memo="lost", flag=None, name=None)
    for found, expected in zip(lists.split(condition), (true, false), strict=True):
        assert {row.memo for row in found} == set(expected)


@pytest.mark.parametrize("mode", ["ignore", "forbids", "any"])
def test_e1_errors_count_as_the_setting_says(lists, item, settings, mode):
    """A forbid that is an error forbids with "forbids", and any error with "any" (rule B2)."""
    settings.AVP_ON_POLICY_ERROR = mode
    item(memo="sound", flag=False, name="a")
    item(memo="forbid fails", flag=None, name="a")
    item(memo="permit fails", flag=False, name=None)
    found = lists.listed(
        "permit (principal, action, resource);\n"
        'permit (principal, action, resource) when { resource.name == "a" };\n'
        "forbid (principal, action, resource) when { resource.flag };"
    )
    expected = {
        "ignore": ["sound", "forbid fails", "permit fails"],
        "forbids": ["sound", "permit fails"],
        "any": ["sound"],
    }
    assert [row.memo for row in found] == expected[mode]


# E2: an evaluator


@pytest.mark.parametrize(
    "condition",
    [
        'decimal("bad") == decimal("1.0") || resource.flag',
        "resource.flag || context.number + 9223372036854775807 > 0",
        "resource.flag || -(context.number) < 0",
        "resource.flag || context.number * 2 - 1 == 3",
        'resource.flag && decimal("0.5").lessThan(decimal("1.0"))',
        '(if resource.flag then principal else resource.owner).email == "a"',
        '(if resource.flag then context else {word: "b"}).word == "w"',
        "{a: resource.name, b: 1}.b == 1",
        "{a: resource.name, b: 1} == {b: 1, a: resource.memo}",
        "{a: resource.name} == {b: resource.name}",
        '[resource.name, "b"].contains(resource.memo)',
        '[resource.name, "b"] == ["b", resource.memo]',
        "[[1, 2], [3]].contains([2, 1]) && resource.flag",
        'action == PhotoFlash::Action::"View" && resource.flag',
        "principal.level - 1 == 1 && resource.flag",
        '"abc" like "a*c" && resource.flag',
        'principal.email like "b*" || resource.flag',
        "[].isEmpty() && resource.flag",
        "[1].containsAll([1, 2]) || resource.flag",
        "[1].containsAny([1, 2]) && resource.flag",
        '{a: resource.name}.a == "a" && {a: resource.name} has a',
        "{a: resource.name} has b || resource.flag",
        '(if resource.flag then context else {price: decimal("1.0")}).price == decimal("1.5")',
        "resource.name + 1 > 0",
        "resource.name has x",
        "[resource.name].isEmpty()",
        "(if resource.flag then 1 else resource.small) < (if resource.flag then resource.small else 9)",
    ],
)
def test_e2_branches_records_and_sets(lists, item, condition):
    """What is the same for every row is evaluated as Cedar does, errors among it."""
    lists.context = {"number": 2, "word": "w", "price": Decimal("1.5")}
    for number, (flag, name) in enumerate([(True, "a"), (False, "a"), (None, "a"), (True, None), (False, "b")]):
        item(flag=flag, name=name, memo="a", small=number)
    lists.split(condition)


CALLS = [
    'datetime("2024-02-29").toDate() == datetime("2024-02-29")',
    'datetime("1969-12-31T23:00:00Z").toTime() == duration("23h")',
    'datetime("2024-03-01").durationSince(datetime("2024-02-29")) == duration("1d")',
    'datetime("2024-03-01").offset(duration("-1d")) == datetime("2024-02-29")',
    'datetime("9999-12-31").offset(duration("9223372036854775807ms")) == datetime("2024-02-29")',
    'datetime("0000-01-01") < datetime("0000-01-02T00:00:00.001+0100")',
    'datetime("2024-02-30") == datetime("2024-02-29")',
    'datetime("2024-02-29T01:00:00.000+0100") == datetime("2024-02-29")',
    'datetime("2024-02-29T01:00:00+0060") == datetime("2024-02-29")',
    'datetime("5000-02-29") == datetime("5000-03-01")',
    'datetime("4999-12-31") < datetime("5000-03-01")',
    'datetime("2024-02-29T00:00:00+2400") == datetime("2024-02-29")',
    'datetime("2024-02-29T00:00:00.000-0130") == datetime("2024-02-29T01:30:00Z")',
    'duration("1d2h3m4s5ms").toMilliseconds() == 93784005',
    'duration("-1500ms").toSeconds() == -1',
    'duration("90s").toMinutes() == 1',
    'duration("119m").toHours() == 1',
    'duration("47h").toDays() == 1',
    'duration("106751991168d") == duration("1d")',
    'duration("1x") == duration("1d")',
    'duration("9223372036854775807ms") == duration("1d")',
    'duration("-9223372036854775808ms") == duration("1d")',
    'duration("9223372036854775808ms") == duration("1d")',
    'duration("1h") < duration("61m")',
    'duration(3) == duration("1d")',
    'decimal("922337203685477.5808") == decimal("0.0")',
    'decimal("1.5").lessThanOrEqual(decimal("1.5"))',
    'decimal("1.5").greaterThan(decimal("-1.5"))',
    'decimal("1.5").greaterThanOrEqual(3)',
    'ip("10.0.0.1/8").isInRange(ip("10.0.0.0/8"))',
    'ip("10.0.0.1").isInRange(ip("::/0"))',
    'ip("10.0.0.1/08") == ip("10.0.0.1/8")',
    'ip("10.0.0.1/33") == ip("10.0.0.1/8")',
    'ip("10.0.0.256") == ip("10.0.0.1/8")',
    'ip("10.0.0.1/0") == ip("10.0.0.1/8")',
    'ip("10.0.0.1/x") == ip("10.0.0.1/8")',
    'ip("10.0.0.1/\u0661") == ip("10.0.0.1/8")',
    'ip("fe80::1%1") == ip("fe80::1")',
    'ip("::ffff:10.0.0.1") == ip("::ffff:a00:1")',
    'ip("::1").isLoopback()',
    'ip("127.0.0.1/7").isLoopback()',
    'ip("224.0.0.0/4").isMulticast()',
    'ip("ff00::/8").isMulticast()',
    'ip("10.0.0.1").isIpv4()',
    'ip("10.0.0.1").isIpv6()',
    '"x".isIpv4()',
    # Python refuses to read that many digits, where Cedar says what they come to.
    f'decimal("{"9" * 5000}.0") == decimal("0.0")',
    f'decimal("-{"0" * 5000}1.5") == decimal("-1.5")',
    f'duration("{"9" * 5000}d") == duration("1d")',
    f'duration("{"0" * 5000}1d") == duration("1d")',
    f'ip("10.0.0.1/{"9" * 5000}") == ip("10.0.0.1/8")',
    f'ip("10.0.0.1/{"0" * 5000}8") == ip("10.0.0.1/8")',
]


@pytest.mark.parametrize("call", CALLS)
def test_e2_calls_in_branches_are_cedars(lists, item, call):
    """A branch that not every row enters is left as it was written, and comes to what Cedar says."""
    item(flag=True)
    item(flag=False)
    lists.split(f"if resource.flag then {call} else true")


def test_e2_a_part_that_is_never_true_settles_a_policy(lists, item):
    """What has no counterpart in SQL stands in nobody's way who is not permitted by that policy at all."""
    item(memo="a")
    group = f'PhotoFlash::Group::"{POOL}|x"'
    text = f"permit (principal, action, resource) when {{ resource.small + 1 > 0 && principal in {group} }};"
    assert lists.listed(text) == []
    with pytest.raises(UntranslatablePolicyError):
        lists.listed(text, "ann", "x")


# What a branch gives, and what is asked of it.
BRANCHES = {
    ("1", "2"): [
        *("THIS + 1 == 2", "THIS - 1 == 0", "THIS * 3 == 6", "-THIS == -1", "THIS < 2", "THIS <= 1", "2 > THIS"),
        *(
            "THIS > resource.small",
            "THIS == resource.small",
            "[1, 5].contains(THIS)",
            "THIS.isEmpty()",
            "THIS + true > 0",
        ),
        *("[resource.small, THIS].containsAll([1, 2])", "[resource.small, 7].containsAny([THIS])"),
        *("{a: THIS, b: resource.small} == {b: 1, a: 1}", "{a: THIS, b: resource.small} == {a: 1}"),
        "{a: THIS}.a == 1 && {a: THIS} has a && !({a: THIS} has b)",
    ],
    ("9223372036854775807", "1"): ["THIS + 1 > 0", "THIS * 2 > 0", "THIS + 0 > 0", "THIS - 1 > 0"],
    ("-9223372036854775807", "0"): ["THIS - 1 < 0", "THIS - 2 < 0", "-THIS > 0", "-(THIS - 1) > 0"],
    ('"ab"', '"b"'): [
        *('THIS like "a*"', 'THIS like "*b"', 'THIS like "b"', 'THIS like "*a*b*"', 'THIS like ""', 'THIS like "ba"'),
        *(
            'THIS like "a*ab"',
            'THIS like "***"',
            "THIS == resource.name",
            'THIS < "b"',
            'THIS.lessThan(decimal("1.0"))',
        ),
        'resource.tags.containsAll([THIS, "b"])',
    ],
    ('"a*c"', '"abc"'): ['THIS like "a\\*c"', 'THIS like "a*c"', 'THIS like "*c*"', 'THIS like "abcabc"'],
    ("principal", 'PhotoFlash::User::"x"'): [
        *('THIS.email == "a"', "THIS has email", "THIS has x", "THIS is PhotoFlash::User", "THIS == principal"),
        *("THIS == resource.owner", "THIS in resource.readers", f'THIS in PhotoFlash::Group::"{POOL}|staff"'),
        *("resource.readers.contains(THIS)", "THIS.level + 1 == 3", "resource.owner in [THIS, principal]"),
    ],
    ("resource.shelf", "resource"): [
        *("THIS has name", 'THIS.name == "a"', "THIS is PhotoFlash::Shelf", "THIS in resource.shelf"),
        *("resource in THIS", "THIS == resource", 'THIS.hasTag("a")', 'THIS.getTag("a") == 1', "THIS.hasTag(1)"),
    ],
    ("context", '{word: "b"}'): ['THIS.word == "w"', "THIS has number", "THIS.number == 2", "THIS == context"],
    ('decimal("1.0")', 'decimal("2.0")'): [
        *('THIS.lessThan(decimal("1.5"))', 'THIS.lessThanOrEqual(decimal("1.0"))', "THIS.greaterThan(resource.price)"),
        *('THIS.greaterThanOrEqual(decimal("1.5"))', "resource.price.lessThan(THIS)", "THIS == resource.price"),
    ],
    ('datetime("2024-02-29T01:00:00.000+0100")', 'datetime("2024-02-28T22:30:00-0130")'): [
        *('THIS == datetime("2024-02-29")', 'THIS < datetime("2024-02-29T00:00:00.001Z")', "THIS == resource.day"),
        *('THIS.toDate() == datetime("2024-02-29")', 'THIS.toTime() == duration("0ms")', "resource.at < THIS"),
        'THIS.durationSince(datetime("2024-02-28")) == duration("1d")',
        'THIS.offset(duration("-1ms")) == datetime("2024-02-28T23:59:59.999Z")',
    ],
    ('datetime("4999-12-31")', 'datetime("5000-03-01")'): [
        *('THIS == datetime("4999-12-31")', 'THIS.toTime() == duration("0ms")', 'THIS < datetime("5000-01-01")'),
        'THIS.offset(duration("1d")) == datetime("5000-01-01")',
    ],
    ('duration("-1500ms")', 'duration("1d1h1m1s1ms")'): [
        *(
            f"THIS.to{unit}() == {value}"
            for unit, value in [("Milliseconds", -1500), ("Seconds", -1), ("Minutes", 1501)]
        ),
        *("THIS.toHours() == 25", "THIS.toDays() == 0", "THIS < resource.span", 'THIS >= duration("-1500ms")'),
        "THIS.toSeconds() == 90061",
    ],
    ('duration("9223372036854775807ms")', 'duration("-9223372036854775808ms")'): [
        *('datetime("1970-01-01").offset(THIS) > datetime("1970-01-01")', "THIS.toDays() > 0", "THIS < resource.span"),
        'datetime("1970-01-01T00:00:00.001Z").offset(THIS) > datetime("1970-01-01")',
        'datetime("1969-12-31T23:59:59.999Z").offset(THIS) > datetime("1970-01-01")',
    ],
    ('ip("127.0.0.1")', 'ip("::1")'): [
        *("THIS.isLoopback()", "THIS.isIpv4()", "THIS.isIpv6()", "THIS.isMulticast()", 'THIS == ip("127.0.0.1/32")'),
        *('THIS.isInRange(ip("127.0.0.0/8"))', 'THIS.isInRange(ip("::/0"))', 'ip("127.0.0.1").isInRange(THIS)'),
    ],
    ('ip("239.0.0.1")', 'ip("ff02::1/8")'): ["THIS.isMulticast()", "THIS.isLoopback()", 'THIS == ip("ff02::1")'],
    ("[1]", "[2, 1]"): [
        *("THIS.contains(1)", "THIS.containsAll([1, 2])", "THIS.containsAny([2])", "THIS.isEmpty()", "THIS == [1, 2]"),
        *(
            "resource.scores.containsAny(THIS)",
            "resource.scores.containsAll(THIS)",
            "THIS.containsAll(resource.scores)",
        ),
        *("THIS.containsAny(resource.scores)", "resource.scores == THIS", "THIS.contains(resource.small)"),
    ],
    ("[]", "3"): [
        'THIS like "*"',
        "THIS.isEmpty()",
        "resource.scores.containsAll(THIS)",
        "THIS.contains(1)",
        "resource.scores == THIS",
    ],
    ("[resource.owner]", "[principal, resource.shelf]"): ["principal in THIS", "resource in THIS", "THIS.contains(1)"],
}


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize(("branches", "conditions"), BRANCHES.items())
def test_e2_what_differs_by_row_is_computed_as_cedar_does(lists, item, user, branches, conditions):
    """A value that is known, but another one for each of two kinds of rows."""
    lists.context = {"number": 2, "word": "w"}
    shelf = Shelf.objects.create(name="a")
    for number, flag in enumerate([True, False, None, True, False]):
        owner = user(("ann", "x")[number % 2])
        moments = {"day": date(2024, 2, 29), "at": datetime(2024, 2, 29, tzinfo=UTC), "span": timedelta(seconds=1)}
        row = item(flag=flag, name="ab", small=number, price=number, owner=owner, shelf=shelf, **moments)
        row.tags.create(name="ab")
        row.readers.add(owner)
        Mark.objects.create(item=row, score=number)
    for condition in conditions:
        this = "(if resource.flag then {} else {})".format(*branches)
        lists.split(condition.replace("THIS", this), "ann", "staff")


# E3, A3: what is not given does not exist


def test_e3_entities_that_there_are_not(lists, item, user):
    """Their attributes are errors, ``has`` is false, and they are in themselves alone."""
    shelf = Shelf.objects.create(name="a", public=True)
    item(shelf=shelf, memo="a")
    item(memo="b")
    none = 'PhotoFlash::Shelf::"999"'
    one = f'PhotoFlash::Shelf::"{shelf.pk}"'
    assert lists.split(f"{none}.public || true") == ([], [])
    assert len(lists.unless(f"{none} has public")) == 2
    assert len(lists.when(f"{one}.public && {one} has name")) == 2
    assert [row.memo for row in lists.when(f"{one} in resource.shelf")] == ["a"]
    assert [row.memo for row in lists.unless(f"{none} in resource.shelf")] == ["a"]
    assert lists.when(f'{one}.hasTag("x")') == []
    assert lists.split('context.hasTag("x")') == ([], [])
    assert lists.split(f'{one}.getTag("x") == 1') == ([], [])


@pytest.mark.parametrize("sub", ["ann", "bob", "zoe"])
def test_a3_of_users_the_principal_alone_has_attributes(lists, item, user, sub):
    """For one principal-type path of each kind, and two principals who own rows."""
    ann, bob = user("ann"), user("bob")
    Shelf.objects.create(owner=bob)
    for owner, keeper in [(ann, bob), (bob, ann), (None, ann), (ann, None)]:
        row = item(owner=owner, keeper=keeper, shelf=Shelf.objects.create(owner=keeper))
        row.readers.set([one for one in (owner, keeper) if one])
        Mark.objects.create(item=row, author=owner)
    group = f'PhotoFlash::Group::"{POOL}|staff"'
    paths = ["resource.owner", "resource.keeper", "resource.shelf.owner", "resource.shelfOwner"]
    for path in paths:
        for condition in (
            f"{path} == principal",
            f'{path}.email == "a"',
            f"{path}.missing == 1",
            f"{path} has email",
            f"{path} has missing",
            f"{path} in {group}",
            f"{path} in [{group}, resource.owner]",
            f"{path} in resource.readers",
            f"principal in {path}",
            f"{path} == resource.owner",
            f"{path} is PhotoFlash::User in {group}",
            f'{path}.hasTag("x")',
        ):
            lists.split(condition, sub, "staff")
    for condition in ("principal in resource.readers", "resource.authors.contains(principal)"):
        lists.split(condition, sub, "staff")


def test_a3_an_owner_who_asks_is_in_the_groups_of_a_row(lists, item, user):
    """A row may name groups; of users, the principal alone is known to be in any."""
    lists.definitions[Room] = type("TeamEntity", (RoomEntity,), {"entity_type": "PhotoFlash::Group"})
    lists.definitions[Item] = declared(attributes={"teams": "boxes__room", "owner": "owner"}, parents=[])
    staff, press = (Box.objects.create(room=Room.objects.create(slug=f"{POOL}|{name}")) for name in ("staff", "press"))
    rows = [("ann", [staff]), ("bob", [staff]), ("ann", [press]), ("ann", []), ("ann", [staff, press])]
    for number, (owner, teams) in enumerate(rows):
        item(memo=str(number), owner=user(owner)).boxes.set(teams)
    within, outside = lists.split("resource.owner in resource.teams", "ann", "staff")
    assert [[row.memo for row in rows] for rows in (within, outside)] == [["0", "4"], ["1", "2", "3"]]
    assert [row.memo for row in lists.when("principal in resource.teams", "ann", "staff")] == ["0", "1", "4"]


# E4


def test_e4_a_policy_that_fails_at_once(lists, item, settings):
    """It is skipped, and counts for AVP_ON_POLICY_ERROR; what Cedar takes for no question permits nothing."""
    item()
    condition = "when { context.number + 9223372036854775807 > 0 };"
    failing = f"{ALL}\nforbid (principal, action, resource) {condition}"
    lists.context = {"number": 1}
    assert len(lists.listed(failing)) == 1
    settings.AVP_ON_POLICY_ERROR = "forbids"
    assert lists.listed(failing) == []
    settings.AVP_ON_POLICY_ERROR = "any"
    assert lists.listed(f"{ALL}\npermit (principal, action, resource) {condition}") == []


SCHEMA = """namespace PhotoFlash {
    entity Group; entity User in [Group] = { email: String };
    entity Room; entity Box in [Room] = { sealed: Bool };
    entity Shelf in [SHELF] = { name?: String, public?: Bool, level?: Long, owner?: User, parent?: Shelf, room?: Room };
    entity Item in [Shelf, Box] = { ITEM };
    action View appliesTo { principal: User, resource: Item, context: { word?: String } };
    action Other appliesTo { principal: User, resource: Box, context: { word?: String } };
}"""
ALL = "permit (principal, action, resource);"


def test_e4_what_is_no_question_permits_nothing(lists, item):
    """A context, an entity or a principal that the schema does not have."""
    item(memo="a")
    lists.definitions[Item] = declared(attributes=["memo"])
    lists.schema = SCHEMA.replace("ITEM", "memo: String").replace("SHELF", "Shelf")
    assert len(lists.listed(ALL)) == 1
    lists.claims = {}
    assert lists.listed(ALL) == []
    lists.claims = {"email": "a"}
    with lists.asking(ALL) as authorization:
        assert not authorization.permitted("View", Item.objects.all(), {"word": 3})
        assert not authorization.permitted("View", Item.objects.all(), {"other": 3})
        assert not authorization.permitted("Missing", Item.objects.all())
        assert not authorization.permitted("Other", Item.objects.all())
        assert len(authorization.permitted("View", Item.objects.all(), {"word": "x"})) == 1
    shelf = Shelf.objects.create(name=None)
    lists.schema = lists.schema.replace("name?: String", "name: String")
    named = f'permit (principal, action, resource) unless {{ PhotoFlash::Shelf::"{shelf.pk}".public }};'
    assert lists.listed(named) == []


# Rows that are not decided are not listed (rules A2, A5, A7, A9)


def test_a7_rows_that_do_not_conform_are_not_listed(lists, item):
    """A required attribute that is absent, one that is unknown, and one of another type."""
    item(memo="a", name="a", meta={"word": "x"})
    item(memo="b", name=None, meta=None)
    for attributes, declared_as, expected in [
        (["memo", "name"], "memo: String, name: String", "a"),
        (["memo", "name"], "memo: String, name?: String", "ab"),
        (["memo", "name"], "memo: String", "b"),
        (["memo", "name"], "memo: String, name?: Long", "b"),
        (["memo"], "memo: String, name: String", ""),
        (["memo", "tags"], "memo: String, tags: Set<String>", ""),
        ({"memo": "memo", "tags": "tags__name"}, "memo: String, tags: Set<String>", "ab"),
        ({"memo": "memo", "tags": "tags__name"}, "memo: String, tags: Set<Long>", "ab"),
        ({"memo": "memo", "tags": "tags__name"}, "memo: String, tags: Long", ""),
        (["memo", "meta"], "memo: String, meta: { word: String }", "a"),
        (["memo", "meta"], "memo: String, meta?: { word: String, number?: Long }", "ab"),
        (["memo", "meta"], "memo: String, meta?: { word: Long }", "b"),
        (["memo", "meta"], "memo: String, meta?: { number?: Long }", "b"),
        (["memo", "meta"], "memo: String, meta?: String", "b"),
        (["memo", "name"], "memo: String, name?: { a: Long }", "b"),
        (["memo", "name"], "memo: String, name?: Set<Long>", "b"),
    ]:
        if "tags" in attributes and not isinstance(attributes, dict):
            continue
        lists.definitions[Item] = declared(attributes=attributes)
        lists.schema = SCHEMA.replace("ITEM", declared_as).replace("SHELF", "Shelf")
        assert "".join(row.memo for row in lists.listed(ALL)) == expected, declared_as
    Item.objects.get(memo="a").tags.add(Tag.objects.create(name="t"))
    lists.definitions[Item] = declared(attributes={"memo": "memo", "tags": "tags__name"})
    lists.schema = SCHEMA.replace("ITEM", "memo: String, tags: Set<Long>").replace("SHELF", "Shelf")
    assert "".join(row.memo for row in lists.listed(ALL)) == "b"


def test_a7_what_a_row_hangs_on_has_to_conform(lists, item):
    """Its parents, of types that it may have, and what policies come to from it."""
    shelf = Shelf.objects.create(name="a", parent=Shelf.objects.create(name=None))
    item(memo="on", shelf=shelf)
    item(memo="off")
    lists.definitions[Item] = declared(attributes=["memo", "shelf"])
    lists.schema = SCHEMA.replace("ITEM", "memo: String, shelf?: Shelf").replace("SHELF", "Shelf")
    assert [row.memo for row in lists.listed(ALL)] == ["on", "off"]
    lists.schema = lists.schema.replace("name?: String", "name: String")
    assert [row.memo for row in lists.listed(ALL)] == ["off"]
    lists.definitions[Item] = declared(attributes=["memo", "shelf"], parents=[])
    assert [row.memo for row in lists.listed(ALL)] == ["on", "off"]
    path = 'resource has shelf && resource.shelf has parent && resource.shelf.parent.name == "x"'
    follows = f"permit (principal, action, resource) unless {{ {path} }};"
    assert [row.memo for row in lists.listed(follows)] == ["off"]
    follows = 'permit (principal, action, resource) unless { resource has shelf && resource.shelf.name == "x" };'
    lists.schema = lists.schema.replace("name: String", "name: Long")
    lists.definitions[Item] = declared(attributes=["keeper", "memo", "shelf"], parents=[])
    lists.schema = lists.schema.replace("shelf?: Shelf", "shelf?: Shelf, keeper?: User")
    assert [row.memo for row in lists.listed(follows)] == ["off"]
    boxed = item(memo="boxed")
    boxed.boxes.add(Box.objects.create())
    lists.definitions[Item] = declared(attributes=["memo"], parents=["boxes"])
    lists.schema = SCHEMA.replace("ITEM", "memo: String").replace("SHELF", "Shelf")
    assert [row.memo for row in lists.listed(ALL)] == ["on", "off", "boxed"]
    lists.schema = lists.schema.replace("Item in [Shelf, Box]", "Item in [Shelf]")
    assert [row.memo for row in lists.listed(ALL)] == ["on", "off"]
    boxed.delete()
    lists.definitions[Item] = declared(attributes=["memo"])
    lists.schema = SCHEMA.replace("ITEM", "memo: String").replace("SHELF", "").replace(" in []", "")
    assert [row.memo for row in lists.listed(ALL)] == ["off"]
    lists.schema = lists.schema.replace("Item in [Shelf, Box]", "Item in [Box]")
    assert [row.memo for row in lists.listed(ALL)] == ["off"]
    lists.schema = "\n".join(line for line in lists.schema.splitlines() if "entity Shelf" not in line)
    assert [row.memo for row in lists.listed(ALL)] == ["off"]
    lists.schema = SCHEMA.replace("ITEM", "memo: String").replace("SHELF", "Shelf").replace("entity Item", "entity Row")
    lists.schema = lists.schema.replace("resource: Item", "resource: Row")
    assert lists.listed(ALL) == []


def test_a2_deep_wide_and_circular_hierarchies(lists, item, settings):
    """Deeper than AVP_MAX_DEPTH, in a circle, over 99 ancestors: undecided, so not listed."""
    settings.AVP_MAX_DEPTH = 3
    shelves = [Shelf.objects.create()]
    for _ in range(4):
        shelves.append(Shelf.objects.create(parent=shelves[-1]))
    for shelf in shelves:
        item(shelf=shelf, memo=str(shelves.index(shelf)))
    assert [row.memo for row in lists.listed(ALL)] == ["0", "1", "2"]
    Shelf.objects.filter(pk=shelves[0].pk).update(parent=shelves[1])
    assert lists.listed(ALL) == []


def test_a2_an_ancestor_that_is_also_nearer(lists, item, settings):
    """A room one level too far away counts by its shortest way."""
    settings.AVP_MAX_DEPTH = 3
    near, far = Room.objects.create(slug="near"), Room.objects.create(slug="far")
    lists.definitions[Shelf] = type("Entity", (lists.definitions[Shelf],), {"parents": ("parent", "room")})
    for memo, room in (("same", near), ("other", far), ("none", None)):
        top = Shelf.objects.create(room=room)
        item(memo=memo, shelf=Shelf.objects.create(room=near, parent=Shelf.objects.create(parent=top)))
    assert [row.memo for row in lists.listed(ALL)] == ["same", "none"]


def test_a2_many_parents_are_counted(lists, item):
    """Each once: 99 ancestors are decided about, and 100 are not."""
    lists.definitions[Item] = declared(parents=["boxes"])
    rooms = [Room.objects.create(slug=str(number)) for number in range(50)]
    boxes = [Box.objects.create(room=rooms[number % 50]) for number in range(50)]
    item(memo="many").boxes.set(boxes)
    item(memo="most").boxes.set(boxes[:49])
    item(memo="none")
    assert [row.memo for row in lists.listed(ALL)] == ["most", "none"]
    lists.definitions[Item] = declared(attributes=["memo"], parents=["boxes", "shelf"])
    lists.definitions[Box] = type("Entity", (lists.definitions[Box],), {"parents": ()})
    lists.definitions[Shelf] = type("Entity", (lists.definitions[Shelf],), {"parents": ("room",)})
    Item.objects.filter(memo="none").update(shelf=Shelf.objects.create())
    assert [row.memo for row in lists.listed(ALL)] == ["many", "most", "none"]


def test_a2_parents_of_every_kind_are_counted(lists, item):
    """Those by a foreign key and those among many together, and each once."""
    lists.definitions[Item] = declared(parents=["boxes", "shelf"])
    lists.definitions[Shelf] = type("Entity", (ShelfEntity,), {"parents": ()})
    lists.definitions[Box] = type("Entity", (BoxEntity,), {"parents": ()})
    boxes = [Box.objects.create() for _ in range(99)]
    shelf = Shelf.objects.create()
    for memo, count, kept_on in [("99", 99, None), ("98 and 1", 98, shelf), ("99 and 1", 99, shelf)]:
        item(memo=memo, shelf=kept_on).boxes.set(boxes[:count])
    assert [row.memo for row in lists.listed(ALL)] == ["99", "98 and 1"]
    hall = Room.objects.create(slug="hall")
    Box.objects.update(room=hall)
    lists.definitions[Box] = BoxEntity
    item(memo="60 in one", shelf=shelf).boxes.set(boxes[:60])
    assert [row.memo for row in lists.listed(ALL)] == ["60 in one"]


@sqlite_only
def test_a9_parents_with_ids_that_are_none(lists, item):
    """A line break in an id makes the row one that is not decided, by a foreign key or among many."""
    broken, room = Room.objects.create(slug="a\nb"), Room.objects.create(slug="a")
    shelf_class = lists.definitions[Shelf]
    lists.definitions[Shelf] = type("Entity", (shelf_class,), {"parents": ("room",)})
    item(memo="broken", shelf=Shelf.objects.create(room=broken))
    item(memo="sound", shelf=Shelf.objects.create(room=room))
    assert [row.memo for row in lists.listed(ALL)] == ["sound"]
    lists.definitions[Item] = declared(parents=["boxes"])
    item(memo="many").boxes.set([Box.objects.create(room=broken), Box.objects.create(room=room)])
    assert [row.memo for row in lists.listed(ALL)] == ["broken", "sound"]


# E5


@pytest.mark.parametrize(
    ("condition", "construct", "reason"),
    [
        ("resource.count + 1 > 2", "resource.count", "a column is computed with"),
        ("-(resource.count) > 2", "resource.count", "a column is computed with"),
        ('resource.at.offset(duration("1d")) > resource.at', "offset", "a column is computed with"),
        ('resource.at.toDate() == datetime("2024-01-01")', "toDate", "a column is computed with"),
        ('decimal(resource.name) == decimal("1.0")', "decimal", "the text of a column is parsed"),
        ("resource.at < resource.at", "resource.at", "two columns of the kind datetime"),
        ("resource.day < resource.at", "resource.day", "two columns of the kind datetime"),
        ("resource.span == resource.span", "resource.span", "two columns of the kind duration"),
        ("resource.key == resource.name", "resource.key", "two columns of the kind String"),
        ('resource.key like "a*"', "resource.key", "UUIDField is matched by a pattern"),
        ("resource.tags == resource.tags", "resource.tags", "two Sets of the database"),
        ("resource.tags.containsAll(resource.sealed)", "containsAll", "two Sets of the database"),
        ("resource.meta == resource.meta", "resource.meta", "two Records of the database"),
        ("resource.secret == 1", "resource.secret", "attribute_secret is computed in Python"),
        ("resource.shelf in [resource.shelf] && resource in resource.boxes", "resource.boxes", "ancestors of a row"),
        ("resource.odd == 1", "resource.odd", "is not in the database what it is to Cedar"),
        ("resource.ratio == 1", "resource.ratio", "a FloatField is not in the database what it is to Cedar"),
        ('resource.nest.contains(["a"])', "resource.nest", "a Set of Sets or Records"),
        ('resource.spaced["a b"] == 1', "a b", "do not agree on how the JSON key"),
    ],
)
def test_e5_what_has_no_counterpart_is_refused(lists, item, condition, construct, reason):
    """With the policy, the construct in Cedar's words, and what to do; never a wider list."""
    item(name="a")
    attributes = dict(lists.definitions[Item].attributes)
    lists.definitions[Item] = declared(
        attributes={**attributes, "odd": "odd", "nest": "meta", "spaced": "meta"},
        shapes={"meta": {"a": str}, "nest": [[str]], "spaced": {"a b": int}},
        attribute_secret=lambda self, item: 1,
        attribute_ratio=lambda self, item: item.count,
        expression_ratio=lambda self: Cast("count", FloatField()),
    )
    with pytest.raises(UntranslatablePolicyError, match="p0") as raised:
        lists.when(condition)
    assert (raised.value.policy_id, construct in raised.value.construct) == ("p0", True)
    assert reason in str(raised.value)
    assert raised.value.cure in str(raised.value)


# E6: text and ids

TEXTS = ["", "a", "A", "a ", "ä", "a%b", "a_b", "a*b", "[ab]", "a\\b", "a!b", "😀", "a'b", 'a"b', "{0}", "%s"]


@pytest.mark.parametrize("column", ["memo", "name", "shelfName"])
def test_e6_text_is_compared_by_character_and_case(lists, item, column):
    """Whatever the database's collation ignores."""
    for text in TEXTS:
        item(memo=text, name=text, shelf=Shelf.objects.create(name=text))
    for text in TEXTS:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        equal, other = lists.split(f'resource.{column} == "{escaped}"')
        assert [row.memo for row in equal] == [text]
        assert len(other) == len(TEXTS) - 1
        pattern = escaped.replace("*", "\\*")
        assert [row.memo for row in lists.when(f'resource.{column} like "{pattern}"')] == [text]


PATTERNS = ["a*", "*b", "*a*b*", "*", "A*", "a_b", "a%*", "*\\**", "[*", "*!*", "**", "ä*", "*😀"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_e6_patterns_know_one_wildcard(lists, item, pattern):
    """``*`` alone; every other character is itself."""
    for text in TEXTS:
        item(memo=text)
    found = lists.when(f'resource.memo like "{pattern}"')
    rest = lists.unless(f'resource.memo like "{pattern}"')
    assert len(found) + len(rest) == len(TEXTS)


def test_e6_columns_are_compared_with_columns(lists, item):
    """By the same rules."""
    item(name="a", memo="a")
    item(name="A", memo="a")
    item(name="a ", memo="a")
    assert len(lists.when("resource.name == resource.memo")) == 1
    assert len(lists.unless("resource.memo == resource.name")) == 2


@sqlite_only
def test_e6_a_text_with_nul_is_absent(lists, item):
    """Cedar does not hold it."""
    Item.objects.filter(pk=item(name="a", memo="x").pk).update(name="a\0b")
    assert lists.split('resource.name like "*"') == ([], [])
    assert lists.when("resource has name") == []


@pytest.mark.parametrize("text", ["a\\0b", "\\0", "\\0a"])
@pytest.mark.parametrize(
    "condition",
    [
        'resource.name == "{}"',
        'resource.name like "{}*"',
        'resource.name like "*{}"',
        'resource.meta.word == "{}"',
        'resource.meta.word like "*{}*"',
        'resource.meta.list.contains("{}")',
        'resource.meta == {{word: "{}"}}',
        'resource.tags.contains("{}")',
        'resource.tags == ["{}"]',
        '["{}"].containsAll(resource.tags)',
        'resource.room == PhotoFlash::Room::"{}"',
        'resource.owner == PhotoFlash::User::"{}"',
        'resource.readers.contains(PhotoFlash::User::"{}")',
        'resource in PhotoFlash::Shelf::"{}"',
        'resource == PhotoFlash::Item::"{}"',
    ],
)
@pytest.mark.usefixtures("shallow")
def test_e6_no_text_has_a_nul_that_a_policy_has(lists, item, user, condition, text):
    """SQLite ends a pattern at it, and PostgreSQL takes none."""
    room = Room.objects.create(slug="a")
    row = item(name="a", meta={"word": "a", "list": ["a"]}, owner=user("a"), shelf=Shelf.objects.create(room=room))
    row.tags.create(name="a")
    row.readers.add(row.owner)
    assert lists.when(condition.format(text)) == []


@pytest.mark.parametrize(
    "condition",
    [
        "resource.name == context.value",
        "resource.count == context.value",
        "resource.meta == context.value",
        "resource.shelf == context.value",
        "resource in context.value",
        "context.list.contains(resource.name)",
        "resource.tags.containsAll(context.list)",
        'if resource.flag then decimal(context.value) == decimal("1.0") else true',
        'if resource.flag then ip(context.value) == ip("10.0.0.1/8") else true',
        "resource.name == principal.email",
    ],
)
@pytest.mark.usefixtures("shallow")
def test_e6_no_context_and_no_claim_breaks_a_list(lists, item, condition):
    """Visitors may choose what is in them: what databases and Python do not take is an answer like any other."""
    row = item(name="a", flag=True, count=1, meta={"word": "a"}, shelf=Shelf.objects.create(name="a"))
    row.tags.create(name="a")
    texts = ["a\0b", "\ud800", "--7", "9" * 5000, "9" * 5000 + ".0", "10.0.0.1/" + "9" * 5000, "x" * 100_000]
    shelves = [EntityUid("PhotoFlash::Shelf", key) for key in ("--7", "9" * 600, "a\nb", "a\0", "")]
    for value in (*texts, *shelves, 2**63, -(2**63) - 1, None, ["a\0"], {"word": "a\0"}, {"a": {"b": None}}):
        lists.context = {"value": value, "list": ["a", value]}
        lists.claims = {"email": value} if isinstance(value, str) else {}
        lists.split(condition)


def test_e6_ids_are_as_the_database_writes_them(lists, item):
    """Not every text that stands for a key is the id."""
    row = item(shelf=Shelf.objects.create())
    for name, pk in (("resource", row.pk), ("resource.shelf", row.shelf_id)):
        kind = {"resource": "Item", "resource.shelf": "Shelf"}[name]
        assert len(lists.when(f'{name} == PhotoFlash::{kind}::"{pk}"')) == 1
        others = (f"0{pk}", f"+{pk}", f" {pk}", f"{pk} ", "x", "", "-1", "-", "-0", f"--{pk}", f"{pk}-", f"{pk}.0", "٣")
        numbers = (2**63 - 1, 2**63, -(2**63), -(2**63) - 1, "9" * 30, "9" * 612, "9" * 5000)
        for text in (*others, *numbers):
            assert len(lists.unless(f'{name} == PhotoFlash::{kind}::"{text}"')) == 1


def test_e6_keys_that_are_uuids(lists, item):
    """Lower case with dashes, and nothing else."""
    key = uuid.UUID("12345678-1234-5678-1234-5678abcdef12")
    item(key=key)
    assert len(lists.when(f'resource.key == "{key}"')) == 1
    for text in (str(key).upper(), key.hex, "x"):
        assert len(lists.unless(f'resource.key == "{text}"')) == 1
    assert len(lists.when("resource.key == resource.key")) == 1


def test_e6_columns_with_a_collation_of_their_own(db, lists):
    """It is set aside."""
    if not Place._meta.get_field("code").db_collation:
        pytest.skip("PostgreSQL has no collation that a column can simply name")
    Place.objects.create(code="Ab")
    lists.definitions[Place] = type("E", (lists.definitions[Box],), {"attributes": ["code"], "parents": ()})
    lists.queryset = Place.objects.order_by("pk")
    assert len(lists.when('resource.code == "Ab" && resource == PhotoFlash::Place::"Ab"')) == 1
    assert len(lists.unless('resource.code == "ab" || resource == PhotoFlash::Place::"ab"')) == 1
    assert len(lists.when("resource.code == resource.code")) == 1


def entity(**body):
    """A definition."""
    return type("Entity", (entities.ModelEntity,), body)


@pytest.fixture
def sales(lists):
    """Two sales of one shop, of which one spells it in another way than the shop does; and so does the shop above."""
    if not settings.CASE_BLIND_COLLATION:
        pytest.skip("PostgreSQL has no collation that a column can simply name")
    Shop.objects.create(code="top")
    Shop.objects.create(code="mid", parent_id="TOP")
    Shop.objects.create(code="ab", parent_id="mid")
    Place.objects.create(code="Ab")
    for code, place in (("ab", "Ab"), ("AB", "AB"), (None, None)):
        sale = Sale.objects.create(shop_id=code)
        if place:
            Sale.places.through.objects.create(sale=sale, place_id=place)
    lists.definitions = {
        Sale: entity(attributes=["shop", "places"], parents=["shop"]),
        Shop: entity(attributes={"open": "is_open", "above": "parent", "rooms": "rooms"}, id_field="code"),
        Place: entity(),
        Room: RoomEntity,
    }
    lists.queryset = Sale.objects.order_by("pk")
    return lists


@pytest.mark.parametrize(
    ("condition", "true", "false"),
    [
        ('resource.shop == PhotoFlash::Shop::"ab"', ["ab"], ["AB"]),
        ('resource.shop == PhotoFlash::Shop::"AB"', ["AB"], ["ab"]),
        ("resource.shop == resource.shop.above", [], ["ab"]),
        ("resource.shop.open", ["ab"], []),
        ("resource.shop has open", ["ab"], ["AB"]),
        ("resource.shop has above && resource.shop.above.open", ["ab"], ["AB"]),
        ("resource.shop.above.above has open", [], ["ab"]),
        ("resource.shop.rooms.isEmpty()", ["ab"], []),
        ('resource.places.contains(PhotoFlash::Place::"Ab")', ["ab"], ["AB", None]),
        ('resource.places.contains(PhotoFlash::Place::"AB")', ["AB"], ["ab", None]),
    ],
)
def test_e6_texts_that_the_database_joins_by_are_ids_as_they_are(sales, condition, true, false):
    """A key that the database takes for that of a row, and Cedar does not, names an entity that there is not."""
    found = sales.split(condition)
    assert [[row.shop_id for row in rows] for rows in found] == [true, false]


@pytest.mark.parametrize(
    ("ancestor", "expected"),
    [("ab", ["ab"]), ("AB", ["AB"]), ("mid", ["ab"]), ("TOP", ["ab"]), ("top", []), ("root", [])],
)
def test_e9_nothing_is_above_a_key_that_is_spelt_in_another_way(sales, ancestor, expected):
    """At whatever level it is."""
    sales.definitions[Shop] = entity(id_field="code", parents=["parent"])
    Shop.objects.filter(code="top").update(parent_id=Shop.objects.create(code="root").code)
    assert [row.shop_id for row in sales.when(f'resource in PhotoFlash::Shop::"{ancestor}"')] == expected


def test_a2_what_is_above_a_key_that_is_spelt_in_another_way_is_not_too_far_away(sales, settings):
    """It is above no entity."""
    sales.definitions[Shop] = entity(id_field="code", parents=["parent"])
    settings.AVP_MAX_DEPTH = 3
    assert [row.shop_id for row in sales.when("true")] == ["ab", "AB", None]
    settings.AVP_MAX_DEPTH = 2
    assert [row.shop_id for row in sales.when("true")] == ["AB", None]


def test_a2_ancestors_by_texts_that_the_database_does_not_tell_apart_are_not_counted(sales):
    """Some of them would be those of another entity."""
    sales.definitions[Shop] = entity(id_field="code", parents=["rooms"])
    with pytest.raises(UntranslatablePolicyError, match="named by texts that the database does not tell apart"):
        sales.when("true")


@pytest.mark.parametrize(
    ("condition", "true", "false"),
    [
        ("resource.stall.open", ["P"], []),
        ("resource.stall has open", ["P"], ["p"]),
        ('resource.stall == PhotoFlash::Stall::"p"', ["p"], ["P"]),
        ("resource.stall has place && resource.stall.place has stall", [], ["P", "p"]),
        ("resource.stalls.contains(resource.stall)", ["P", "p"], []),
        ('resource in PhotoFlash::Place::"P"', ["P"], ["p"]),
    ],
)
@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_e6_a_row_whose_key_is_another_row_is_found_by_its_own_text(sales, effect, condition, true, false):
    """A stall names its place in another way than the place does: it is the stall's text that a key has to have."""
    Place.objects.create(code="p")
    Stall.objects.create(place_id="P")
    for key in ("P", "p"):
        Sale.stalls.through.objects.create(sale=Sale.objects.create(stall_id=key), stall_id=key)
    sales.definitions = {
        Sale: entity(attributes=["stall", "stalls"], parents=["stall"]),
        Stall: entity(attributes={"open": "is_open", "place": "place"}, parents=["place"]),
        Place: entity(attributes=["stall"]),
    }
    sales.queryset = Sale.objects.filter(stall__isnull=False).order_by("pk")
    if effect == "permit":
        assert [[row.stall_id for row in rows] for rows in sales.split(condition)] == [true, false]
    else:
        text = f"permit (principal, action, resource);\nforbid (principal, action, resource) when {{ {condition} }};"
        assert [row.stall_id for row in sales.listed(text)] == [key for key in ("P", "p") if key not in true]


def test_e6_a_row_that_is_found_in_reverse_is_the_one_that_is_named(sales):
    """A place finds the stall that names it, in whatever way."""
    Place.objects.create(code="p")
    Stall.objects.create(place_id="P")
    sales.definitions = {Stall: entity(attributes={"open": "is_open"}), Place: entity(attributes=["stall"])}
    sales.queryset = Place.objects.order_by("pk")
    for condition in ("resource.stall.open", 'resource.stall == PhotoFlash::Stall::"P"'):
        true, false = sales.split(condition)
        assert [[row.code for row in rows] for rows in (true, false)] == [["p"], []]


@pytest.fixture
def odd(lists):
    """A row of fields that are a project's own."""
    attributes = ["code", "key", "at", "mail", "days", "number", "twice"]
    lists.definitions = {Odd: entity(attributes=attributes, shapes={"days": {"first": str}})}
    lists.queryset = Odd.objects.all()
    return Odd.objects.create()


def test_e6_uuids_are_compared_as_the_field_keeps_them(lists, odd):
    """A project may keep them as texts; two columns that keep them in two ways are not compared."""
    assert lists.when(f'resource.code == "{odd.code}"') == [odd]
    assert lists.unless(f'resource.code == "{odd.code.hex}"') == [odd]
    assert lists.when("resource.code == resource.code") == [odd]
    with pytest.raises(UntranslatablePolicyError, match="otherwise than Cedar"):
        lists.when("resource.code == resource.key")


def test_e7_moments_are_compared_as_the_field_keeps_them(lists, odd):
    """Its class may take arguments of its own."""
    assert lists.when('resource.at == datetime("2024-01-01")') == [odd]
    assert lists.unless('resource.at < datetime("2024-01-01")') == [odd]


@pytest.mark.parametrize(
    ("attribute", "stored", "condition"),
    [
        ("mail", {"mail": Value("A@B.C")}, 'resource.mail == "a@b.c"'),
        ("days", {"days": Value({"first": "2024-01-01"}, JSONField())}, "resource.days has first"),
    ],
)
@pytest.mark.parametrize("is_declared", [False, True])
def test_e5_what_a_field_makes_of_what_it_reads_is_refused(lists, odd, attribute, stored, condition, is_declared):
    """By a to_python of its own, or by a decoder: no database knows it, also where only its type would be looked at."""
    Odd.objects.update(**stored)
    declared = {"mail": "String", "days": "{ first?: String }"}[attribute]
    if is_declared:
        lists.definitions[Odd] = entity(attributes=[attribute], shapes=lists.definitions[Odd].shapes)
        lists.schema = (
            "namespace PhotoFlash { entity User in [Group]; entity Group; "
            f"entity Odd = {{ {attribute}?: {declared} }}; "
            "action View appliesTo { principal: User, resource: Odd, context: {} }; }"
        )
        lists.claims, condition = {}, "false"
    with pytest.raises(UntranslatablePolicyError, match="is not in the database what it is to Cedar"):
        lists.unless(condition)


def test_a4_what_the_database_works_out_is_read_from_it(lists, odd, django_assert_num_queries):
    """Before Django 6.0 an instance that was saved holds what was there before."""
    row = Odd.objects.get()
    row.number = 50
    row.save()
    text = "permit (principal, action, resource) when { resource.twice < 10 };"
    for rows in ([row], [Odd.objects.get()]):
        with lists.asking(text) as authorization:
            assert not authorization.permitted("View", Odd.objects.all())
            with django_assert_num_queries(1):
                assert not any(authorization.can("View", one) for one in rows)
    assert lists.unless("resource.twice < 10") == [row]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("resource.seat.free", ["a"]),
        ('resource.seat == PhotoFlash::Seat::"b"', ["b"]),
        ("resource.former.free", ["b"]),
        ("resource has former && !(resource.former has free)", ["a"]),
    ],
)
def test_rows_with_a_key_of_several_columns_are_found_by_the_one_that_names_them(lists, condition, expected):
    """A foreign key names one column, whether a constraint keeps its row or not."""
    for number, code in enumerate("ab"):
        Seat.objects.create(row=1, number=number, code=code, is_free=not number)
    Ticket.objects.create(seat_id="a", former_id="gone")
    Ticket.objects.create(seat_id="b", former_id="a")
    Ticket.objects.create()
    lists.definitions = {
        Ticket: entity(attributes=["seat", "former"]),
        Seat: entity(attributes={"free": "is_free"}, id_field="code"),
    }
    lists.queryset = Ticket.objects.order_by("pk")
    assert [row.seat_id for row in lists.when(condition)] == expected


# E7: moments, durations, decimals, addresses


@pytest.mark.parametrize("operator", ["==", "<", "<=", ">", ">="])
def test_e7_moments_and_durations_are_floored_to_milliseconds(lists, item, operator):
    """Before 1970 too; beyond what Python or a column holds, everything is on one side."""
    base = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
    for microseconds in (-1, 0, 999, 1000, 1001, 999_999):
        item(
            at=base + timedelta(microseconds=microseconds),
            span=timedelta(days=-1, microseconds=microseconds),
            day=date(1970, 1, 1) + timedelta(days=microseconds % 7 - 3),
        )
    for text in (
        "1969-12-31T23:59:59Z",
        "1969-12-31T23:59:59.001Z",
        "1970-01-01",
        "0000-01-01",
        "9999-12-31T23:59:59-2359",
    ):
        for column in ("at", "day"):
            lists.split(f'resource.{column} {operator} datetime("{text}")')
            lists.split(f'datetime("{text}") {operator} resource.{column}')
    for text in ("-86400000ms", "-86399999ms", "0ms", "106751991167d", "-106751991167d", "200000000d", "1d"):
        lists.split(f'resource.span {operator} duration("{text}")')
    lists.split(f"resource.day {operator} resource.day")


def test_e7_dates_are_midnights(lists, item):
    """Between two of them there is none."""
    item(day=date(2024, 2, 29))
    assert len(lists.when('resource.day == datetime("2024-02-29")')) == 1
    assert len(lists.unless('resource.day == datetime("2024-02-29T12:00:00Z")')) == 1
    assert len(lists.when('resource.day < datetime("2024-02-29T00:00:00.001Z")')) == 1


@pytest.mark.parametrize("test", ["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"])
def test_e7_decimals_have_four_places(lists, item, test):
    """And are exact."""
    for text in ("0.1", "0.1001", "-0.1", "12345678.1234", "0.3"):
        item(price=Decimal(text))
    for text in ("0.1", "0.1001", "-0.1000", "12345678.1234", "0.0", "0.1000"):
        lists.split(f'resource.price.{test}(decimal("{text}"))')
        lists.split(f'decimal("{text}").{test}(resource.price)')
        assert len(lists.when(f'resource.price == decimal("{text}")')) == (text != "0.0")
    lists.split(f"resource.price.{test}(resource.price)")
    lists.split('resource.price < decimal("1.0")')


@pytest.mark.skipif(connection.vendor != "postgresql", reason="other databases do not know addresses")
def test_e7_addresses(lists, item):
    """Equality, ranges and families."""
    lists.definitions[Item] = declared(attributes={"address": "address", "memo": "memo"})
    for address in [*ADDRESSES, "10.0.0.0", None]:
        item(address=address)
    for literal in ("10.0.0.1", "10.0.0.0/8", "10.0.0.1/8", "10.0.0.1/32", "::1", "2001:db8::/32", "0.0.0.0/0"):
        lists.split(f'resource.address == ip("{literal}")')
        lists.split(f'resource.address.isInRange(ip("{literal}"))')
    lists.split("resource.address.isIpv4()")
    lists.split("resource.address.isIpv6()")
    lists.split("resource.address == resource.address")
    for condition in ("resource.address.isLoopback()", 'ip("::1").isInRange(resource.address)'):
        with pytest.raises(UntranslatablePolicyError, match="a column is computed with"):
            lists.when(condition)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="no other database keeps them")
def test_e7_what_postgresql_alone_keeps_is_absent(lists, item):
    """Decimals that are no number, and networks among addresses."""
    lists.definitions[Item] = declared(attributes={"address": "address", "price": "price", "memo": "memo"})
    item(memo="none", address="10.0.0.1", price="1.5")
    item(memo="odd")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE testapp_item SET price = 'NaN', address = '10.0.0.0/8' WHERE memo = 'odd'")
    assert [row.memo for row in lists.when("resource has price")] == ["none"]
    assert [row.memo for row in lists.unless("resource has price")] == ["odd"]
    assert [row.memo for row in lists.when('resource.price.greaterThan(decimal("1.0"))')] == ["none"]
    assert [row.memo for row in lists.unless("resource has address")] == ["odd"]
    assert [row.memo for row in lists.when('resource.address.isInRange(ip("10.0.0.0/8"))')] == ["none"]


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL does")
def test_e7_addresses_are_refused_elsewhere(lists, item):
    """With the database named."""
    lists.definitions[Item] = declared(attributes=["address"])
    with pytest.raises(UntranslatablePolicyError, match="does not know IP addresses"):
        lists.when("resource.address.isIpv4()")


def test_e7_local_times_are_refused(lists, item, settings):
    """No query converts them as Python does."""
    settings.USE_TZ = False
    with pytest.raises(UntranslatablePolicyError, match="without USE_TZ"):
        lists.when('resource.at < datetime("2024-01-01")')


def test_e7_decimals_that_a_database_does_not_hold_exactly(lists, db):
    """Of more places than Cedar's, or on SQLite of more digits than it tells apart."""
    lists.definitions = {Wide: declared(attributes=["fine", "long"], parents=[], shapes={})}
    lists.queryset = Wide.objects.all()
    Wide.objects.create(fine="0.1", long="0.1")
    with pytest.raises(UntranslatablePolicyError, match="has 4 places"):
        lists.when('resource.fine == decimal("0.1")')
    if connection.vendor == "sqlite":
        with pytest.raises(UntranslatablePolicyError, match="SQLite tells decimals apart by 15 digits"):
            lists.when('resource.long == decimal("0.1")')
    else:
        assert len(lists.when('resource.long == decimal("0.1")')) == 1


def test_e7_integers_have_64_bits(lists, db):
    """MariaDB keeps larger ones, which Cedar does not hold."""
    lists.definitions = {Wide: declared(attributes=["huge"], parents=[], shapes={})}
    lists.queryset = Wide.objects.all()
    for huge in (0, 2**63 - 1, *([2**64 - 1] if connection.vendor == "mysql" else [])):
        Wide.objects.create(fine="0.1", long="0.1", huge=huge, serial=huge % 97)
    assert len(lists.when("resource.huge >= 0")) == 2
    assert len(lists.when("resource has huge")) == 2
    assert len(lists.when("resource.huge <= 9223372036854775807")) == 2


# E8: JSON


def test_e8_each_path_of_json_has_a_type_test(lists, item):
    """A number is no text, ``true`` is no number, and what is too large for 64 bits is absent."""
    for number, document in enumerate(JSON):
        item(meta=document, memo=str(number))
    for path in ("word", "number", "flag", "list", "inner", "inner.word", "inner.number", "other"):
        parts = path.split(".")
        lists.split(f"resource.meta has {'.'.join(parts)}")
        for value in ('"a"', "1", "true", "[]", '["a"]', '["b", "a"]', "{}", '{word: "A", number: 2}', '""', "0"):
            lists.split(f"resource.meta.{path} == {value}")
    for test in (
        'resource.meta.list.contains("a")',
        'resource.meta.list.contains("A")',
        "resource.meta.list.contains(1)",
        "resource.meta.list.contains(resource.meta.word)",
        'resource.meta.list.containsAny(["b", "😀"])',
        'resource.meta.list.containsAll(["b", "a"])',
        '["a", "b"].containsAll(resource.meta.list)',
        '["b"].containsAny(resource.meta.list)',
        "resource.meta.list.isEmpty()",
        "resource.meta.number < 1",
        "resource.meta.number >= 9223372036854775807",
        'resource.meta.word like "a*"',
        "resource.meta.flag",
        'resource.meta == {word: "a"}',
        'resource.meta == {other: "a"}',
        "resource.meta.inner.missing == 1",
    ):
        lists.split(test)


@sqlite_only
def test_e8_json_texts_that_cedar_does_not_hold(lists, item):
    """NUL and half a pair of surrogates are absent, and the escapes that look like them are not."""
    for text in ("a\0", "\ud83d", "\udc00x", "\\u0000", "\\\\\0", "😀", "\\ud83d", "x😀\udc00"):
        item(meta={"word": text, "list": [text, "a"]})
    lists.split('resource.meta.word != "q"')
    lists.split('["a"].containsAll(resource.meta.list)')


def test_e8_lists_of_numbers_and_truths(lists, item):
    """By their shape."""
    shapes = {"meta": {"numbers": [int], "flags": [bool]}}
    lists.definitions[Item] = declared(attributes=["meta", "flag", "small"], shapes=shapes)
    for numbers, flags in [([1, 2], [True]), ([True, "1", 1.0], [1, "true"]), ([], []), ([2**63], [False, True])]:
        item(meta={"numbers": numbers, "flags": flags}, flag=True, small=1)
    for test in (
        "resource.meta.numbers.contains(1)",
        "resource.meta.numbers.contains(resource.small)",
        "resource.meta.numbers.isEmpty()",
        "resource.meta.flags.contains(true)",
        "resource.meta.flags.contains(resource.flag)",
        "resource.meta.flags.contains(1)",
        "resource.meta.flags.isEmpty()",
        "[true].containsAll(resource.meta.flags)",
        "resource.meta.flags in resource",
    ):
        lists.split(test)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="other databases have no arrays")
def test_e8_arrays(lists, item):
    """An array is a Set without its NULLs."""
    for words, numbers in [(None, [1]), ([], []), (["a", None], [1, 2]), (["A", "a"], [2**63 - 1])]:
        item(words=words, numbers=numbers, memo="a", small=1)
    for test in (
        'resource.words.contains("a")',
        "resource.words.contains(resource.memo)",
        "resource.words.contains(1)",
        "resource.words.isEmpty()",
        'resource.words == ["a"]',
        "resource.numbers.containsAny([1, 3])",
        "resource.numbers.contains(resource.small)",
        "resource.numbers.isEmpty()",
    ):
        lists.split(test)


# E9: hierarchies and sets


def test_e9_hierarchies(lists, item):
    """A tree, its rooms, and what is named on the way; the row itself is in itself."""
    lists.definitions[Shelf] = type("Entity", (lists.definitions[Shelf],), {"parents": ("parent", "room")})
    hall, cellar = Room.objects.create(slug="hall"), Room.objects.create(slug="cellar")
    top = Shelf.objects.create(room=hall)
    low = Shelf.objects.create(parent=top, room=cellar)
    rows = [item(shelf=top), item(shelf=low), item()]
    for entity in (
        f'Shelf::"{top.pk}"',
        f'Shelf::"{low.pk}"',
        'Room::"hall"',
        'Room::"cellar"',
        f'Item::"{rows[0].pk}"',
    ):
        for left in ("resource", "resource.shelf", "resource.room"):
            lists.split(f"{left} in PhotoFlash::{entity}")
            lists.split(f"{left} in [PhotoFlash::{entity}, resource.shelf]")
        lists.listed(f"permit (principal, action, resource in PhotoFlash::{entity});")
        lists.listed(f"permit (principal, action, resource is PhotoFlash::Item in PhotoFlash::{entity});")
    for condition in (
        "resource in resource.shelf",
        "resource in resource.room",
        "resource.shelf in resource.room",
        "resource.shelf in resource",
        "resource.room in resource.shelf",
        "resource in [resource.name]",
        "resource.name in resource",
        "resource in 3",
        "resource is PhotoFlash::Shelf",
        "resource.name is PhotoFlash::Shelf",
    ):
        lists.split(condition)


def test_e9_many_parents(lists, item):
    """Each by EXISTS: no row twice."""
    lists.definitions[Item] = declared(parents=["boxes"])
    hall = Room.objects.create(slug="hall")
    boxes = [Box.objects.create(room=hall), Box.objects.create(room=hall), Box.objects.create()]
    item(memo="two").boxes.set(boxes[:2])
    item(memo="one").boxes.set(boxes[2:])
    item(memo="none")
    assert [row.memo for row in lists.when('resource in PhotoFlash::Room::"hall"')] == ["two"]
    assert [row.memo for row in lists.when(f'resource in PhotoFlash::Box::"{boxes[2].pk}"')] == ["one"]
    assert [row.memo for row in lists.unless('resource in PhotoFlash::Room::"hall"')] == ["one", "none"]
    lists.split("resource in resource.shelf")
    lists.split("resource in resource.room")
    lists.definitions[Item] = declared(parents=["boxes"], attributes={"room": "shelf__room", "memo": "memo"})
    Item.objects.update(shelf=Shelf.objects.create(room=hall))
    assert [row.memo for row in lists.when("resource in resource.room")] == ["two"]


def test_e9_what_a_row_names_is_in_what_it_names(lists, item):
    """A reference in a Set of references that have no parents."""
    lists.definitions[Item] = declared(attributes={"room": "shelf__room", "halls": "boxes__room"}, parents=[])
    hall, cellar = (Room.objects.create(slug=slug) for slug in ("hall", "cellar"))
    for memo, shelf, box in [("same", hall, hall), ("other", hall, cellar), ("none", hall, None), ("lost", None, hall)]:
        row = item(memo=memo, shelf=Shelf.objects.create(room=shelf))
        row.boxes.set([Box.objects.create(room=box)])
    within, outside = lists.split("resource.room in resource.halls")
    assert [[row.memo for row in rows] for rows in (within, outside)] == [["same"], ["other", "none"]]


def test_e9_a_hierarchy_without_a_bound_is_refused(lists, item):
    """Several ways back into itself, more ancestors than may be sent, and ways that cannot be counted once."""
    shelf_class = lists.definitions[Shelf]
    entity = lambda **body: type("Entity", (shelf_class,), body)  # noqa: E731
    lists.definitions[Folder] = entity(attributes=["name"], parents=["parents"])
    lists.queryset = Folder.objects.all()
    with pytest.raises(UntranslatablePolicyError, match="leads back to itself by several parents"):
        lists.listed(ALL)
    lists.queryset = Item.objects.all()
    lists.definitions[Item] = declared(parents=["boxes", "shelf"])
    lists.definitions[Shelf] = entity(parents=["room"])
    with pytest.raises(UntranslatablePolicyError, match="ancestors in several ways"):
        lists.listed(ALL)


def test_e9_too_many_levels_are_refused(lists, item, settings):
    """Databases join so many tables and no more."""
    settings.AVP_MAX_DEPTH = 120
    with pytest.raises(UntranslatablePolicyError, match="more than 99 ancestors") as raised:
        lists.listed(ALL)
    assert raised.value.policy_id == raised.value.construct == ""


TREES = """
    namespace PhotoFlash {
      entity Group; entity User in [Group]; entity Room;
      entity Shelf in [Shelf] = { owner: User, room: Room, parent?: Shelf, public: Bool };
      entity Item in [Shelf] = { shelf: Shelf, loose: Shelf, owner: User, keeper: User };
      action View appliesTo { principal: User, resource: Item, context: {} };
    }
"""


def test_e9_more_tables_than_a_database_joins_are_refused(lists, item, user):
    """The message names what to lower; and the rows can be checked, or fewer levels be followed."""
    shelf = entity(attributes=["owner", "room", "parent", "public"], parents=["parent"])
    owned = entity(attributes=["shelf", "loose", "owner", "keeper"], parents=["shelf"])
    lists.definitions = {Item: owned, Shelf: shelf, Room: RoomEntity}
    lists.schema, lists.claims = TREES, {}
    ann, room = user("ann"), Room.objects.create(slug="a")
    shelves = [Shelf.objects.create(owner=ann, room=room, public=public) for public in (True, False)]
    rows = [item(shelf=shelves[0], loose=one, owner=ann, keeper=ann) for one in shelves]
    with lists.asking("permit (principal, action, resource) when { resource.loose.public };") as authorization:
        if connection.vendor != "postgresql":
            with pytest.raises(UntranslatablePolicyError, match="tables.*AVP_MAX_DEPTH"):
                authorization.permitted("View", lists.queryset)
        assert list(authorization.permitted("View", lists.queryset, on_untranslatable="check")) == rows[:1]
    with override_settings(AVP_MAX_DEPTH=5):
        assert lists.when("resource.loose.public") == rows[:1]


def test_e9_sets_of_every_relation(lists, item, user):
    """Many-to-many, reverse, and across foreign keys; NULLs are no members."""
    ann = user("ann")
    lists.definitions[Item] = declared(
        attributes={
            **ITEM_PATHS,
            "boxRooms": "boxes__room",
            "roomSlugs": "boxes__room__slug",
            "shelfItems": "shelf__item__memo",
        }
    )
    rooms = [Room.objects.create(slug=slug) for slug in ("a", "b")]
    shelf = Shelf.objects.create()
    for names, scores in [(["a"], [1, None]), (["a", "b", None], []), ([], [1, 2])]:
        row = item(shelf=shelf if names else None, memo="a", small=1)
        row.tags.set([Tag.objects.create(name=name) for name in names])
        row.boxes.set([Box.objects.create(room=rooms[number % 2], sealed=bool(number)) for number in range(len(names))])
        row.readers.set([ann] if scores else [])
        for score in scores:
            Mark.objects.create(item=row, score=score, author=ann)
    for test in (
        'resource.tags.contains("a")',
        "resource.tags.contains(resource.memo)",
        'resource.tags.containsAll(["a", "b"])',
        'resource.tags.containsAny(["b", "c"])',
        'resource.tags == ["a"]',
        "resource.tags == [1]",
        "resource.tags.contains([1])",
        "resource.tags.contains({a: 1})",
        "resource.tags.isEmpty()",
        "resource.memo.isEmpty()",
        "resource.memo.contains(1)",
        "resource.tags.containsAll(1)",
        "resource.small.containsAll(resource.tags)",
        "resource.scores.contains(resource.small)",
        "resource.scores.containsAny([1, 2])",
        "[1, 2].containsAll(resource.scores)",
        "resource.sealed.contains(true)",
        "resource.readers.contains(principal)",
        "principal in resource.readers",
        "resource.owner in resource.readers",
        "principal in resource.tags",
        'resource.boxRooms.contains(PhotoFlash::Room::"a")',
        'resource.roomSlugs.containsAll(["a", "b"])',
        'resource.shelfItems.contains("a")',
        "resource.tags in resource",
    ):
        lists.split(test)
    with pytest.raises(UntranslatablePolicyError, match="two Sets"):
        lists.when("resource.tags == resource.roomSlugs")


ITEM_PATHS = dict(declared().attributes)


def test_e9_constants_are_folded(lists, item):
    """Everything is the queryset itself, nothing is none of it: no query at all."""
    lists.definitions[Item] = declared(parents=[])
    with lists.asking(ALL) as authorization:
        assert authorization.permitted("View", Item.objects.all()).query.where.children == []
    with lists.asking("forbid (principal, action, resource);\npermit (principal, action, resource);") as authorization:
        assert authorization.permitted("View", Item.objects.all()).query.is_empty()


# E10


def test_e10_the_complement_is_the_complement(lists, item):
    """Under NULL, in subqueries and through foreign keys, for NOT and for exclude() alike."""
    for name in (None, "a", "b"):
        row = item(name=name, shelf=None if name is None else Shelf.objects.create(name=name))
        row.tags.set([Tag.objects.create(name=name)])
    for condition in (
        'resource.name == "a"',
        '!(resource.name == "a")',
        '!(resource has name && resource.name == "a")',
        '!(resource has shelf && resource.shelf has name && resource.shelf.name == "a")',
        '!(resource.tags.contains("a")) || resource.name == "a"',
        "!(resource has name) || !(resource has shelf)",
    ):
        true, false = lists.split(condition)
        assert not set(true) & set(false)


def test_computed_attributes_have_expressions(lists, item):
    """A column by its name, or an expression; on the row, and on rows that it leads to."""
    shelf = Shelf.objects.create(name="s", level=2)
    item(name=None, memo="m", shelf=shelf)
    item(name="n", memo="m")

    shelf_class = lists.definitions[Shelf]
    body = {
        "attribute_double": lambda self, shelf: shelf.level * 2,
        "expression_double": lambda self: F("level") * 2,
        "attribute_broken": lambda self, shelf: 1,
        "expression_broken": lambda self: F("missing") * 2,
    }
    lists.definitions[Shelf] = type("Entity", (shelf_class,), body)
    lists.definitions[Item] = declared(
        attribute_tall=lambda self, item: item.shelf.level if item.shelf else None,
        expression_tall=lambda self: F("shelf__level") + 0,
        attribute_at_level=lambda self, item: item.shelf.level if item.shelf else None,
        expression_at_level=lambda self: F("shelf__level"),
    )
    assert [row.name for row in lists.when("resource.tall == 2")] == [None]
    assert [row.name for row in lists.when("resource.at_level == 2")] == [None]
    assert [row.name for row in lists.unless("resource has at_level")] == ["n"]
    assert [row.name for row in lists.when("resource.shelf.double == 4")] == [None]
    assert [row.name for row in lists.unless("resource has tall")] == ["n"]
    with pytest.raises(Exception, match="expression_broken"):
        lists.when("resource.shelf.broken == 4")


def computed(base, **expressions):
    """A definition with attributes that are computed from a row, and their expressions."""
    body = {f"attribute_{name}": lambda self, row, read=read: read(row) for name, (read, _) in expressions.items()}
    body |= {f"expression_{name}": lambda self, found=found: found for name, (_, found) in expressions.items()}
    return type("Entity", (base,), body)


def shelves_of_several_kinds():
    """Items on shelves, whose own keys are those of shelves that differ."""
    busy, idle = (Shelf.objects.create(name=name, level=level) for name, level in (("b", 1), ("i", 2)))
    below = Shelf.objects.create(name="c", level=1, parent=busy)
    for key, name, shelf, loose in [
        (idle.pk, "i", busy, idle),
        (busy.pk, "b", idle, busy),
        (900, "c", below, None),
        (901, "d", None, below),
    ]:
        Item.objects.create(pk=key, name=name, memo=name, shelf=shelf, loose=loose, flag=key == idle.pk)
    Item.objects.create(pk=902, name="e", flag=False, loose_id=903)  # there is no such shelf


@pytest.mark.parametrize(
    "condition",
    [
        "resource.busy",
        "resource.shelf.busy",
        "resource.loose.busy",
        "resource.shelf.parent.busy",
        "resource.shelf.parent.busy && !(resource.busy)",
        'resource.shelf.first == "i"',
        'resource.shelf.first like "i*"',
        "resource.shelf.listed",
        "resource.shelf.either",
        "resource.either && resource.shelf.either",
        'resource.shelf.state == "low"',
        'resource.shelf.parent.state == "low"',
        'resource.state == "on"',
        'resource.state == resource.shelf.state || resource.state == "off"',
        'resource.shelf.start == "b"',
        'resource.start == "i" && resource.shelf has start',
    ],
)
def test_expressions_of_queries_and_conditions(lists, condition):
    """A subquery, a Q or a slice is about the row that the expression is of, whatever leads to it."""
    shelves_of_several_kinds()
    on_shelf = QuerySet(Item).filter(shelf=OuterRef("pk"))
    beside = QuerySet(Item).filter(shelf=OuterRef("shelf"), flag=True)
    lists.definitions[Shelf] = computed(
        lists.definitions[Shelf],
        busy=(lambda shelf: shelf.item_set.filter(flag=True).exists(), Exists(on_shelf.filter(flag=True))),
        first=(
            lambda shelf: shelf.item_set.order_by("pk").values_list("name", flat=True).first(),
            Subquery(on_shelf.order_by("pk").values("name")[:1]),
        ),
        either=(
            lambda shelf: shelf.level == 2 or shelf.name == "c",
            ExpressionWrapper(Q(level=2) | Q(name="c"), BooleanField()),
        ),
        listed=(lambda shelf: shelf.level in (shelf.pk, 2), In(F("level"), [F("id"), Value(2)])),
        state=(
            lambda shelf: "low" if shelf.level < 2 else "high",
            Case(When(level__lt=2, then=Value("low")), default=Value("high"), output_field=CharField()),
        ),
        start=(lambda shelf: shelf.name[:1], F("name")[:1]),
    )
    lists.definitions[Item] = computed(
        declared(attributes=["shelf", "loose"]),
        busy=(
            lambda item: item.shelf is not None and item.shelf.item_set.filter(flag=True).exists(),
            Exists(beside),
        ),
        either=(lambda item: bool(item.flag or item.name == "c"), Q(flag=True) | Q(name="c")),
        state=(
            lambda item: "on" if item.flag else "off",
            Case(When(flag=True, then=Value("on")), default=Value("off")),
        ),
        start=(lambda item: item.name[:1], F("name")[:1]),
    )
    true, _ = lists.split(condition)
    assert true


def test_one_expression_of_two_rows(lists, item):
    """What the same method gives for another row is another condition."""
    four, six = Shelf.objects.create(level=2), Shelf.objects.create(level=3)
    item(memo="both", shelf=four, loose=four)
    item(memo="one", shelf=four, loose=six)
    lists.definitions[Item] = declared(attributes=["shelf", "loose"])
    lists.definitions[Shelf] = computed(
        lists.definitions[Shelf], double=(lambda shelf: shelf.level * 2, F("level") * 2)
    )
    for condition in (
        "resource.shelf.double == 4 && resource.loose.double == 4",
        "resource.shelf.double == 4 && resource.loose.double == 6",
        "resource.shelf.double == 4 && !(resource.loose.double == 4)",
    ):
        true, _ = lists.split(condition)
        assert len(true) == 1


@pytest.mark.parametrize(
    ("condition", "memos"),
    [
        ("resource.shelf.own", ["c"]),
        ("!(resource.shelf.own)", ["a"]),
        ('resource.shelf.kind == "own"', ["c"]),
        ("resource.shelf.alike", ["c"]),
        ("resource.shelf.loud", ["a", "c"]),
        ("resource.shelf.flagged", ["c"]),
        ("resource.tags.contains(resource.kind)", ["a"]),
    ],
)
def test_expressions_with_a_column_on_the_right(lists, item, condition, memos):
    """What a lookup compares with is of the row that the expression is of, as what it compares is."""
    above = Shelf.objects.create(pk=7, name="s", level=1, public=True)
    below = Shelf.objects.create(pk=8, name="s", level=8, parent=above)
    # The keys are those that the levels of the shelves are, or are not.
    item(pk=1, memo="a", name="A", count=1, shelf=above).tags.add(Tag.objects.create(name="own"))
    item(pk=3, memo="c", name="C", count=1, shelf=below).tags.add(Tag.objects.create(name="own"))
    own = Exact(F("level"), F("pk"))
    lists.definitions[Shelf] = computed(
        lists.definitions[Shelf],
        own=(lambda shelf: shelf.level == shelf.pk, own),
        kind=(
            lambda shelf: "own" if shelf.level == shelf.pk else "other",
            Case(When(own, then=Value("own")), default=Value("other")),
        ),
        alike=(
            lambda shelf: shelf.name == shelf.parent.name if shelf.parent else None,
            Exact(F("name"), F("parent__name")),
        ),
        loud=(lambda shelf: shelf.name.upper() == "S", Exact(Upper("name"), Upper(Value("s")))),
        flagged=(
            lambda shelf: shelf.parent.public if shelf.parent else None,
            Exact(Value(True), Q(parent__public=True)),
        ),
    )
    kind = Case(When(Exact(F("count"), F("pk")), then=Value("own")), default=Value("other"))
    lists.definitions[Item] = computed(
        declared(attributes={"shelf": "shelf", "tags": "tags__name"}),
        kind=(lambda item: "own" if item.count == item.pk else "other", kind),
    )
    assert [row.memo for row in lists.when(condition)] == memos


def test_an_expression_in_a_set_of_rows(lists, item):
    """What the database finds for a row is looked for among its tags, where columns alone say it."""
    item(memo="a", name="a").tags.set([Tag.objects.create(name="a"), Tag.objects.create(name="A")])
    item(memo="b", name="b").tags.set([Tag.objects.create(name="c")])
    lists.definitions[Item] = computed(
        declared(),
        first=(lambda item: item.name, Subquery(QuerySet(Item).filter(pk=OuterRef("pk")).values("name")[:1])),
        loud=(lambda item: item.name.upper(), Upper("name")),
    )
    true, _ = lists.split("resource.tags.contains(resource.loud)")
    assert [row.memo for row in true] == ["a"]
    with pytest.raises(UntranslatablePolicyError, match="a subquery or a Q"):
        lists.when("resource.tags.contains(resource.first)")


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (Count("marks"), "several rows"),
        (Window(RowNumber()), "several rows"),
        (F("marks__score") + 0, "several rows"),
        (Case(When(tags__name="a", then=Value(1)), default=Value(0)), "several rows"),
        (F("small") + RawSQL("small + %s", [1], IntegerField()), "a RawSQL"),
    ],
)
def test_expressions_that_are_not_about_one_row(lists, item, expression, reason):
    """They are refused, the check of the declaration tells, and what is decided row by row works."""
    item(memo="one", count=1)
    lists.definitions[Item] = computed(
        declared(), number=(lambda item: 1, expression), plain=(lambda item: 1, F("small"))
    )
    with pytest.raises(UntranslatablePolicyError, match=f"expression_number .*{reason}"):
        lists.when("resource.number == 1")
    with lists.asking("permit (principal, action, resource) when { resource.number == 1 };") as authorization:
        (problem,) = registry.get(Item).problems()
        found = authorization.permitted("View", lists.queryset, on_untranslatable="check")
        assert [row.memo for row in found] == ["one"]
    assert reason in problem


@pytest.mark.parametrize(
    "condition",
    [
        'resource.blind == "ab"',
        'resource.part == "ab"',
        'resource.joined == "abx"',
        'resource.looked == "ab"',
        'resource.blind like "a*"',
        'resource.part like "*b"',
        "resource.blind == resource.memo",
        "resource.memo == resource.part",
        "resource.blind == resource.part && resource.looked == resource.memo",
        "resource.tags.contains(resource.part)",
        'resource.shelf.part == "ab"',
    ],
)
def test_e6_expressions_of_columns_that_are_compared_without_case(lists, item, condition):
    """What is computed of a text compares by character and case, as a column does."""
    collation = settings.CASE_BLIND_COLLATION or "blind"
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("CREATE COLLATION blind (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false)")
    for name, memo in [("ab", "ab"), ("AB", "ab"), ("aB", "Ab"), ("xy", "xy")]:
        row = item(name=name, memo=memo, shelf=Shelf.objects.create(name=name))
        row.tags.set([Tag.objects.create(name=memo)])
    blind = Collate("name", collation)
    lists.definitions[Shelf] = computed(
        lists.definitions[Shelf], part=(lambda shelf: shelf.name[:2], Substr(blind, 1, 2))
    )
    lists.definitions[Item] = computed(
        declared(),
        blind=(lambda item: item.name, blind),
        part=(lambda item: item.name[:2], Substr(blind, 1, 2)),
        joined=(lambda item: f"{item.name}x", Concat(blind, Value("x"))),
        looked=(
            lambda item: item.name,
            Subquery(QuerySet(Item).filter(pk=OuterRef("pk")).annotate(blind=blind).values("blind")),
        ),
    )
    true, false = lists.split(condition)
    assert true
    assert false


@pytest.mark.skipif(not settings.CASE_BLIND_COLLATION, reason="PostgreSQL has none that a column can simply name")
def test_e6_an_expression_of_a_column_that_has_a_collation(lists):
    """A text that is computed of it has its collation, though not its field."""
    Place.objects.create(code="AB")
    lists.queryset = Place.objects.order_by("pk")
    short = Cast("code", CharField(max_length=10))
    lists.definitions[Place] = computed(ModelEntity, short=(lambda place: place.code, short))
    assert lists.when('resource.short == "ab"') == []
    assert len(lists.when('resource.short == "AB"')) == 1


class OwnText(CharField):
    """A column of a type that Django does not know, such as citext."""

    def db_type(self, connection):
        return "varchar(10)"


def test_e6_text_of_a_column_type_of_its_own(lists, item):
    """The database may compare it in its own way, so a list of it is refused."""
    item(name="a")
    lists.definitions[Item] = computed(declared(), own=(lambda item: item.name, Cast("name", OwnText())))
    with pytest.raises(UntranslatablePolicyError, match="OwnText has a column type of its own"):
        lists.when('resource.own == "a"')


def test_a2_users_among_many_parents(lists, item, user):
    """A row is in each of them, and in nobody else."""
    lists.definitions[Item] = declared(parents=["readers"])
    for memo, subs in [("ann's", ["ann"]), ("both", ["ann", "bob"]), ("nobody's", [])]:
        item(memo=memo).readers.set([user(sub) for sub in subs])
    for sub, memos in [("ann", ["ann's", "both"]), ("bob", ["both"]), ("zoe", [])]:
        assert [row.memo for row in lists.when(f'resource in PhotoFlash::User::"{POOL}|{sub}"')] == memos


def test_a2_users_as_parents(lists, item, user):
    """They have no ancestors but for the principal's groups, which are nobody's in a list."""
    lists.definitions[Item] = declared(parents=["owner"])
    item(memo="own", owner=user("ann"))
    item(memo="other", owner=user("bob"))
    item(memo="none")
    assert [row.memo for row in lists.when("resource in principal")] == ["own"]
    lists.split(f'resource in PhotoFlash::User::"{POOL}|bob"')


def test_a2_many_parents_that_are_too_far_away(lists, item, settings):
    """AVP_MAX_DEPTH holds for them as well."""
    settings.AVP_MAX_DEPTH = 1
    lists.definitions[Item] = declared(parents=["shelf"], attributes=["memo"])
    lists.definitions[Shelf] = type("Entity", (lists.definitions[Shelf],), {"parents": ("boxes",)})
    item(memo="none")
    with pytest.raises(Exception, match="boxes"):
        lists.listed(ALL)
    lists.definitions[Shelf] = type("Entity", (lists.definitions[Shelf],), {"parents": ("item__boxes",)})
    row = item(memo="deep", shelf=Shelf.objects.create())
    item(memo="flat", shelf=Shelf.objects.create())
    row.boxes.set([Box.objects.create()])
    assert [row.memo for row in lists.listed(ALL)] == ["none", "flat"]


def test_a2_what_is_nearer_by_a_foreign_key(lists, item, settings):
    """Counts, whatever other parents there are."""
    settings.AVP_MAX_DEPTH = 1
    lists.definitions[Item] = declared(parents=["boxes", "shelf"], attributes=["memo"])
    lists.definitions[Box] = type("Entity", (lists.definitions[Box],), {"parents": ()})
    lists.definitions[Shelf] = type("Entity", (lists.definitions[Shelf],), {"parents": ("room",)})
    item(memo="deep", shelf=Shelf.objects.create(room=Room.objects.create(slug="a")))
    item(memo="flat", shelf=Shelf.objects.create()).boxes.set([Box.objects.create()])
    assert [row.memo for row in lists.listed(ALL)] == ["flat"]


def test_a2_what_many_parents_lead_to_is_counted_from_the_row(leases, settings):
    """A box of a lease is nearer to the lease than to the tenant."""
    leases.definitions |= {Lease: entity(parents=["box"]), Box: BoxEntity}
    leases.queryset = Tenant.objects.order_by("pk")
    first, second = leases.queryset
    first.leases.update(box=Box.objects.create(room=Room.objects.create(slug="b")))
    for depth, rows in ((3, [first, second]), (2, [second]), (1, [second])):
        settings.AVP_MAX_DEPTH = depth
        assert leases.listed(ALL) == rows


def test_a9_long_ids(lists, db):
    """612 characters, and no more."""
    lists.definitions = {Wide: declared(attributes=["huge"], parents=[], shapes={}, id_field="name")}
    lists.queryset = Wide.objects.order_by("pk")
    for number, length in enumerate((612, 613, 1)):
        Wide.objects.create(fine="0.1", long="0.1", name="x" * length, serial=number)
    assert [len(row.name) for row in lists.listed(ALL)] == [612, 1]
    assert [len(row.name) for row in lists.when('resource == PhotoFlash::Wide::"x"')] == [1]


@sqlite_only
def test_a9_ids_that_are_longer_than_their_column(lists, item):
    """SQLite keeps what is longer than a column is declared to be, and AVP takes no id of more than 612 characters."""
    lists.definitions[Shelf] = type("Entity", (lists.definitions[Shelf],), {"parents": ("room",)})
    for length in (101, 612, 613):
        shelf = Shelf.objects.create(room=Room.objects.create(slug="é" * length))
        item(memo=str(length), shelf=shelf)
    assert [row.memo for row in lists.listed(ALL)] == ["101", "612"]


@pytest.mark.parametrize(("name", "count"), [("", 0), ("  ", 1)])
def test_a9_nothing_is_no_id(lists, db, name, count):
    """But blanks are one, which some databases compare like nothing."""
    lists.definitions = {Wide: declared(attributes=["huge"], parents=[], shapes={}, id_field="name")}
    lists.queryset = Wide.objects.order_by("pk")
    Wide.objects.create(fine="0.1", long="0.1", name=name)
    assert len(lists.listed(ALL)) == count


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id_field": "serial"}, "the id of the entity is a DecimalField"),
        ({"attributes": ["fine"]}, "has 4 places"),
    ],
)
def test_e5_what_entities_are_may_stand_in_the_way(lists, db, changes, reason):
    """Their ids, and attributes that the schema requires."""
    lists.definitions = {Wide: declared(**{"attributes": ["huge"], "parents": [], "shapes": {}, **changes})}
    lists.queryset = Wide.objects.all()
    lists.schema = SCHEMA.replace("SHELF", "Shelf").replace("Item", "Wide").replace("ITEM", "fine: decimal")
    if "id_field" in changes:
        lists.schema = None
    with pytest.raises(UntranslatablePolicyError, match=reason):
        lists.listed(ALL)


def test_e5_whether_a_row_conforms_is_checked_row_by_row(lists, item):
    """Where an attribute that the schema requires is computed in Python, no row is permitted in any case."""
    item(memo="a", name="a")
    item(memo="b", name=None)
    lists.definitions[Item] = declared(attributes=["memo"], attribute_label=lambda self, item: item.name)
    lists.schema = SCHEMA.replace("ITEM", "memo: String, label: String").replace("SHELF", "Shelf")
    with lists.asking(ALL) as authorization:
        with pytest.raises(UntranslatablePolicyError, match="attribute_label"):
            authorization.permitted("View", lists.queryset)
        assert [row.memo for row in authorization.permitted("View", lists.queryset, on_untranslatable="check")] == ["a"]


@pytest.mark.parametrize(
    ("mode", "effect", "memos"),
    [
        *(("ignore", "forbid", "ab"), ("forbids", "forbid", "a"), ("any", "forbid", "a")),
        *(("ignore", "permit", "ab"), ("forbids", "permit", "ab"), ("any", "permit", "a")),
    ],
)
def test_e5_whether_a_policy_fails_is_checked_row_by_row(lists, item, settings, mode, effect, memos):
    """Where it may, no row is permitted in any case, and each may be."""
    settings.AVP_ON_POLICY_ERROR = mode
    item(memo="a", name="a")
    item(memo="b", name=None)
    lists.definitions[Item] = declared(attributes=["memo"], attribute_label=lambda self, item: item.name)
    policies = f'{ALL}\n{effect} (principal, action, resource) when {{ resource.label == "x" }};'
    with lists.asking(policies) as authorization:
        found = authorization.permitted("View", lists.queryset, on_untranslatable="check")
        assert "".join(row.memo for row in found) == memos


@pytest.mark.parametrize("kind", ["String", "Set<decimal>", "Box"])
def test_e5_a_column_of_another_type_than_declared_stands_in_the_way(lists, db, kind):
    """What the database does not hold exactly need not be read where it conforms in any case, and there alone."""
    lists.definitions = {Wide: declared(attributes=["fine"], parents=[], shapes={})}
    lists.queryset = Wide.objects.all()
    Wide.objects.create(fine="0.1", long="0.1")
    schema = SCHEMA.replace("SHELF", "Shelf").replace("Item", "Wide")
    lists.schema = schema.replace("ITEM", "fine?: decimal")
    assert len(lists.listed(ALL)) == 1
    lists.schema = schema.replace("ITEM", f"fine?: {kind}")
    with pytest.raises(UntranslatablePolicyError, match="has 4 places"):
        lists.listed(ALL)


def test_e5_generic_relations_are_refused(lists, db):
    """No subquery follows them."""
    definition = declared(attributes={"remarks": "remarks__text"}, parents=[], shapes={})
    lists.definitions = {Document: definition}
    lists.queryset = Document.objects.all()
    with pytest.raises(UntranslatablePolicyError, match="no subquery follows"):
        lists.when('resource.remarks.contains("a")')


def test_e9_foreign_keys_without_a_constraint(lists, item):
    """The row that one names may be gone: the reference is there, and its attributes are not."""
    lists.definitions[Item] = declared(attributes=["loose", "memo"], parents=["loose"])
    kept, gone = Shelf.objects.create(name="a"), Shelf.objects.create(name="a")
    item(memo="kept", loose=kept)
    item(memo="gone", loose=gone)
    item(memo="none")
    pk = gone.pk
    Shelf.objects.filter(pk=pk).delete()
    assert [row.memo for row in lists.when("resource has loose")] == ["kept", "gone"]
    assert [row.memo for row in lists.when('resource.loose.name == "a"')] == ["kept"]
    assert [row.memo for row in lists.unless("resource.loose has name")] == ["gone"]
    assert [row.memo for row in lists.when(f'resource in PhotoFlash::Shelf::"{pk}"')] == ["gone"]
    assert [row.memo for row in lists.when(f'resource.loose in PhotoFlash::Shelf::"{kept.pk}"')] == ["kept"]
    lists.definitions[Shelf] = type("Entity", (ShelfEntity,), {"attributes": {"things": "item__memo"}, "parents": []})
    assert [row.memo for row in lists.when("resource.loose.things.isEmpty()")] == ["kept"]


@pytest.fixture
def leases(lists):
    """A lease of a shelf, and one whose shelf is gone; each has a tenant."""
    lists.definitions = {
        Lease: entity(attributes=["shelf"]),
        Shelf: entity(attributes=["level"], parents=["room"]),
        Room: RoomEntity,
        Tenant: entity(parents=["leases"]),
    }
    shelf = Shelf.objects.create(room=Room.objects.create(slug="a"))
    for key in (shelf.pk, 999):
        Tenant.objects.create().leases.add(Lease.objects.create(shelf_id=key))
    lists.queryset = Lease.objects.order_by("pk")
    return lists


def test_e9_a_key_that_is_never_null_has_a_row_that_may_be_gone(leases):
    """Django would lose the rows that name it: where policies read it, lists are refused, and checked row by row."""
    kept, gone = leases.queryset
    assert leases.split(f'resource.shelf == PhotoFlash::Shelf::"{kept.shelf_id}"') == ([kept], [gone])
    with leases.asking("permit (principal, action, resource) unless { resource.shelf has level };") as authorization:
        with pytest.raises(UntranslatablePolicyError, match="db_constraint=False"):
            authorization.permitted("View", leases.queryset)
        assert list(authorization.permitted("View", leases.queryset, on_untranslatable="check")) == [gone]


def test_a2_what_is_too_far_away_beside_a_row_that_is_gone(leases, settings):
    """A subquery of members would lose one whose shelf is gone, and with it that its box is in a room too far away."""
    settings.AVP_MAX_DEPTH = 2
    leases.definitions |= {Lease: entity(parents=["shelf", "box"]), Box: BoxEntity}
    Lease.objects.update(box=Box.objects.create(room=Room.objects.create(slug="b")))
    leases.queryset = Tenant.objects.order_by("pk")
    with leases.asking(ALL) as authorization:
        with pytest.raises(UntranslatablePolicyError, match="db_constraint=False"):
            authorization.permitted("View", leases.queryset)
        assert not authorization.permitted("View", leases.queryset, on_untranslatable="check")


def test_e9_columns_that_are_never_null_across_keys_that_are(lists, item):
    """Absent where the key is; and NULLs make no Set larger."""
    lists.definitions[Item] = declared(attributes={"level": "shelf__level", "scores": "marks__score", "memo": "memo"})
    Mark.objects.create(item=item(memo="on", shelf=Shelf.objects.create(level=1)), score=None)
    Mark.objects.create(item=item(memo="off"), score=1)
    assert [row.memo for row in lists.when("resource has level")] == ["on"]
    assert [row.memo for row in lists.unless("resource has level")] == ["off"]
    assert [row.memo for row in lists.when("resource.scores.isEmpty()")] == ["on"]
    assert [row.memo for row in lists.unless("resource.scores.isEmpty()")] == ["off"]


def test_e9_sets_against_the_way_of_a_relation_to_many(lists, item):
    """What names a row in a relation to many is a Set of it as well."""
    lists.definitions[Tag] = declared(attributes={"name": "name", "memos": "item__memo"}, parents=[], shapes={})
    lists.queryset = Tag.objects.order_by("pk")
    rows = [item(memo=memo) for memo in ("a", "b", "a")]
    # Not one of the keys is the same on both sides.
    tags = [Tag.objects.create(name=name) for name in ("none", "spare", "more", "first", "last")]
    tags[3].item_set.set(rows[:2])
    tags[4].item_set.set(rows[1:2])
    assert [tag.name for tag in lists.when('resource.memos.contains("a")')] == ["first"]
    assert [tag.name for tag in lists.when('resource.memos == ["b"]')] == ["last"]
    assert [tag.name for tag in lists.when("resource.memos.isEmpty()")] == ["none", "spare", "more"]


def test_a2_a_parent_that_a_row_always_has_is_counted(lists, item, settings):
    """Its own parents may be too far away."""
    settings.AVP_MAX_DEPTH = 1
    lists.definitions[Mark] = declared(attributes=["score"], parents=["item"], shapes={})
    lists.queryset = Mark.objects.order_by("pk")
    Mark.objects.create(item=item(shelf=Shelf.objects.create()), score=1)
    Mark.objects.create(item=item(), score=2)
    assert [mark.score for mark in lists.listed(ALL)] == [2]


@pytest.mark.parametrize("sub", ["x", 'a"b', "a\\b", "zoë", "\U0001f5bc"])
@pytest.mark.parametrize("effect", ["permit", "forbid"])
@pytest.mark.parametrize("place", ["context", "entity"])
def test_a3_a_principal_that_a_question_names_is_found_however_its_id_is_spelt(lists, item, user, sub, effect, place):
    """JSON escapes quotes, backslashes and letters beyond ASCII: nobody stands for a principal that is named."""
    row = item(name="a")
    if place == "context":
        lists.context = {"who": EntityUid("User", f"{POOL}|{sub}")}
        named = "principal == context.who"
    else:
        shelf = Shelf.objects.create(owner=user(sub), name="s")
        named = f'PhotoFlash::Shelf::"{shelf.pk}".owner == principal'
    everybody = "permit (principal, action, resource);\n" if effect == "forbid" else ""

    listed = lists.listed(f"{everybody}{effect} (principal, action, resource) when {{ {named} }};", sub)

    assert listed == ([] if effect == "forbid" else [row])


@pytest.mark.parametrize(
    "narrowed",
    [
        lambda rows: rows.values("shelf").annotate(n=Count("pk")).filter(n__gt=1).order_by("shelf"),
        lambda rows: rows.values("shelf").annotate(n=Count("pk")).order_by("shelf"),
        lambda rows: (
            rows.annotate(place=Window(RowNumber(), order_by="pk"))
            .filter(place__lt=30)
            .order_by("pk")
            .values("pk", "place")
        ),
        lambda rows: rows.annotate(n=Count("tags")).filter(n__lt=2).order_by("pk").values("pk", "n"),
        pytest.param(
            lambda rows: rows.filter(small__lt=100).order_by("shelf", "pk").distinct("shelf"),
            marks=pytest.mark.skipif(connection.vendor != "postgresql", reason="the others have no DISTINCT ON"),
        ),
    ],
    ids=["having", "groups", "window", "counted", "distinct on"],
)
def test_rows_that_are_checked_are_those_of_groups_and_windows(lists, db, narrowed):
    """What groups, or counts among rows, has the permitted ones among it, as it has with a filter by their keys."""
    fill(random.Random(5), 60)  # noqa: S311 - no secret
    lists.definitions[Item] = declared(attribute_even=lambda self, item: item.small % 2 == 0)
    text = (
        "permit (principal, action, resource) when { resource.even };\n"
        "permit (principal, action, resource) when { resource.flag };"
    )
    with lists.asking(text) as authorization:
        permitted = [row.pk for row in Item.objects.all() if authorization.can("View", row)]
    with lists.asking(text) as authorization:
        listed = list(authorization.permitted("View", narrowed(Item.objects.all()), on_untranslatable="check"))

    assert 0 < len(permitted) < 60
    assert listed == list(narrowed(Item.objects.all()).filter(pk__in=permitted))


@pytest.mark.parametrize(
    ("fields", "condition"),
    [
        ({"price": Decimal("1.00005")}, "resource has price"),
        ({"price": 1.00005}, 'resource.price.lessThan(decimal("1.001"))'),
        ({"price": Decimal("1.5")}, 'resource.price.lessThan(decimal("1.6"))'),
        ({"meta": {"list": ("a", "b")}}, 'resource.meta.list.contains("a")'),
    ],
    ids=repr,
)
def test_a4_what_was_just_saved_is_what_the_database_holds(lists, db, fields, condition):
    """It may round numbers and knows no tuples: the instance that was saved is judged as it will be loaded."""
    saved = Item.objects.create(**fields)
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    answers = []
    for row in (saved, Item.objects.get(pk=saved.pk)):
        with lists.asking(text) as authorization:
            answers.append(bool(authorization.can("View", row)))

    assert answers == [True, True]
