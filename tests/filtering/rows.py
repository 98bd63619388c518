"""Rows with the values that databases and Cedar see differently."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.contrib.auth import get_user_model
from django.db import connection

from tests.conftest import POOL
from tests.testapp.models import Box, Item, Mark, Room, Shelf, Tag

WORDS = [
    "",
    "a",
    "A",
    "a ",
    "ab",
    "Ä",
    "ä",
    "a%b",
    "a_b",
    "a*b",
    "a?b",
    "[ab]",
    "a\\b",
    "a!b",
    "😀",
    "é",
    "e\u0301",
    "x" * 90,
]
LINES = ["a\nb", "a\u2028b"]
LONGS = [0, 1, -1, 2, 7, 2**31, 2**63 - 1, -(2**63)]
SMALL = [0, 1, -1, 2, 7, 2**31 - 1]
DECIMALS = ["0.0000", "0.1000", "1.5000", "-1.5000", "1.0001", "12345678.1234", "-12345678.1234"]
MOMENTS = [
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 1_000, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 1_999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, tzinfo=UTC),
    datetime(1000, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]
DAYS = [date(1970, 1, 1), date(2024, 2, 29), date(1969, 12, 31), date(9999, 12, 31), date(1000, 1, 1)]
SPANS = [
    timedelta(0),
    timedelta(milliseconds=1),
    timedelta(microseconds=-1),
    timedelta(microseconds=1999),
    timedelta(days=-2),
]
KEYS = [uuid.UUID(int=0), uuid.UUID("12345678-1234-5678-1234-5678abcdef12")]
ADDRESSES = ["10.0.0.1", "10.255.0.1", "192.168.1.1", "::1", "2001:db8::1", "127.0.0.1"]
JSON = [
    None,
    {},
    [],
    "text",
    {"word": "a", "number": 1, "flag": True, "list": ["a", "b"], "inner": {"word": "A", "number": 2}},
    {"word": "", "number": 0, "flag": False, "list": [], "inner": {}},
    {"word": 1, "number": "1", "flag": 1, "list": "a", "inner": []},
    {"word": None, "number": None, "flag": None, "list": None, "inner": None},
    {"number": 1.0, "list": [1, "a", None, True], "inner": {"number": 2**70}},
    {"word": "a ", "number": 2**63 - 1, "list": ["a "], "inner": {"word": "😀"}, "other": 1},
    {"word": "\\u0000", "number": -(2**63), "list": ["😀", "A"], "inner": {"number": 1e3}},
    {"word": "true", "flag": "true", "list": {"a": "a"}, "inner": "word"},
]
# PostgreSQL keeps no NUL, and SQLite alone keeps half a pair of surrogates.
NUL_JSON = [{"word": "a\0b", "list": ["a\0", "a"], "inner": {"word": "\\\\\0"}}]
HALF_JSON = [{"word": "\\\ud83d", "list": ["\udc00"], "inner": {"word": "\ud83d"}}]


def fill(random, size):
    """Make rows; ``random`` draws the values."""
    users = [get_user_model().objects.get_or_create(username=f"{POOL}|{sub}")[0] for sub in ("ann", "bob", "cid")]
    users.append(get_user_model().objects.get_or_create(username="a\nb")[0])
    rooms = [Room.objects.get_or_create(slug=slug)[0] for slug in ["a", "ab", "hall", "r\nm"]]
    maybe = lambda values: random.choice([None, *values])  # noqa: E731
    shelves = []
    for level in range(14):
        parent = shelves[-1] if shelves and random.random() < 0.9 else None
        shelves.append(
            Shelf.objects.create(
                name=maybe(WORDS),
                parent=parent,
                room=maybe(rooms[:3] if random.random() < 0.9 else rooms),
                owner=maybe(users),
                public=maybe([True, False]),
                level=level,
            )
        )
    if random.random() < 0.3:
        Shelf.objects.filter(pk=shelves[0].pk).update(parent=shelves[1])
    boxes = [Box.objects.create(room=maybe(rooms[:3]), sealed=random.random() < 0.5) for _ in range(3)]
    tags = [Tag.objects.create(name=name) for name in [None, "a", "A", "a ", "b", "😀", ""]]
    documents = JSON + {"sqlite": NUL_JSON + HALF_JSON, "mysql": NUL_JSON}.get(connection.vendor, [])
    for _ in range(size):
        fields = {}
        if connection.vendor == "postgresql":
            fields["words"] = maybe([[], ["a"], ["a", None], ["A", "b"], [None]])
            fields["numbers"] = random.choice([[], [1], [1, 2], [2**63 - 1]])
        item = Item.objects.create(
            name=maybe(WORDS if random.random() < 0.9 else LINES),
            memo=random.choice(WORDS),
            flag=maybe([True, False]),
            count=maybe(LONGS),
            small=random.choice(SMALL),
            price=maybe([Decimal(text) for text in DECIMALS]),
            at=maybe(MOMENTS),
            day=maybe(DAYS),
            span=maybe(SPANS),
            key=maybe(KEYS),
            address=maybe(ADDRESSES),
            meta=maybe(documents),
            shelf=maybe(shelves),
            owner=maybe(users),
            keeper=maybe(users),
            **fields,
        )
        item.tags.set(random.sample(tags, random.choice([0, 0, 1, 2, 3])))
        item.readers.set(random.sample(users, random.choice([0, 0, 1, 2])))
        item.boxes.set(random.sample(boxes, random.choice([0, 0, 1, 2])))
        for _ in range(random.choice([0, 0, 1, 2])):
            Mark.objects.create(item=item, score=maybe(SMALL), author=maybe(users))
    if connection.vendor != "postgresql":
        Item.objects.filter(pk=item.pk).update(name="a\0b", memo="\0")
    return [Item.objects.order_by("pk").last(), *shelves]
