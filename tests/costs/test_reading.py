"""A log as it is: lines of others, lines that were cut off, clocks that disagree."""

from __future__ import annotations

import json
import math

import pytest

from django_avp.costs import Reading
from tests.costs.support import line


def read(*logs):
    """The rounds of logs, and what was counted besides."""
    reading = Reading()
    return list(reading.rounds(*([text.encode() for text in log] for log in logs))), reading


def test_rounds_are_found_among_other_lines():
    """By the event's name, whatever the formatter calls it, and behind the time that what carries logs puts there."""
    rounds, reading = read(
        [
            line(100, "a b", number=2, calls=3, level="DEBUG", timestamp="2026-11-26T08:15:30+00:00"),
            "Starting worker\n",
            "\n",
            json.dumps({"event": "avp.decision", "verdict": "permitted"}),
            json.dumps({"event": "other", "text": "avp.round"}),
            line(101, "c", prefix="2026-11-26T08:15:31.123Z "),
            line(102, "d").replace('"event"', '"message"'),
        ]
    )

    assert [(one.at, one.number, one.calls, one.digests) for one in rounds] == [
        (100, 2, 3, ("a", "b")),
        (101, 1, 1, ("c",)),
        (102, 1, 1, ("d",)),
    ]
    assert (reading.foreign, reading.broken, reading.disordered) == (3, 0, 0)


WHOLE = line(100, "aa bb")


@pytest.mark.parametrize(
    "text",
    [
        *(WHOLE[:end] for end in range(WHOLE.index("avp.round") + 9, len(WHOLE) - 1, 7)),
        WHOLE.replace('"aa bb"', '"aa"'),
        WHOLE.replace('"aa bb"', '["aa", "bb"]'),
        WHOLE.replace('"aa bb"', "null"),
        WHOLE.replace("100", "NaN"),
        WHOLE.replace("100", '"yesterday"'),
        WHOLE.replace("100", "1e999"),
        WHOLE.replace('"round": 1', '"round": Infinity'),
        WHOLE.replace('"round"', '"rund"'),
        "DEBUG avp.round\n",
        '{"event": "avp.round", "x": ' + "[" * 100_000,
    ],
    ids=lambda text: text[:90],
)
def test_a_line_that_is_no_whole_round_is_counted(text):
    """Cut off anywhere, or changed; the others are read."""
    rounds, reading = read([text, line(101, "c")])

    assert [one.at for one in rounds] == [101]
    assert (reading.foreign, reading.broken) == (0, 1)


def test_bytes_that_are_no_text_are_others():
    """Whatever else a file has in it."""
    reading = Reading()
    rounds = list(reading.rounds([b"\xff\xfe\x00", b'\xff{"event": "avp.round"}', line(100, "a").encode()]))

    assert (len(rounds), reading.foreign, reading.broken) == (1, 1, 1)


def test_logs_of_several_workers_are_merged_by_time():
    """Each is in order by itself."""
    rounds, reading = read([line(at, "a") for at in (100, 400, 900)], [line(at, "b") for at in (50, 500, 800)])

    assert [one.at for one in rounds] == [50, 100, 400, 500, 800, 900]
    assert reading.disordered == 0


def test_a_round_that_is_a_little_late_counts_as_of_just_now():
    """Workers write when they are done, and their clocks differ a little."""
    rounds, reading = read([line(at, "a") for at in (100, 99, 103, 102.5, 104)])

    assert [one.at for one in rounds] == [100, 100, 103, 103, 104]
    assert (reading.disordered, reading.disorder) == (2, 1)


def test_logs_in_a_row_that_are_of_one_time_are_refused():
    """Else all of the second one would seem to have been asked at once."""
    with pytest.raises(ValueError, match="61 seconds earlier"):
        read([line(161, "a"), line(100, "b")])
    assert len(read([line(160, "a"), line(100, "b")])[0]) == 2


def test_it_is_read_as_it_comes():
    """Nothing of a log is kept, so it may be endless."""

    def endless():
        at = 100.0
        while True:
            yield line(at, "a").encode()
            at = math.nextafter(at, math.inf)

    rounds = Reading().rounds(endless(), endless())
    assert [next(rounds).digests for _ in range(10)] == [("a",)] * 10
