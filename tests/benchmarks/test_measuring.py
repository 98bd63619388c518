"""What the benchmarks say of what they have measured; no test here looks at a clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.core import Case, Group, Measured, Row, Spread, Wrong
from benchmarks.measuring import Meter
from benchmarks.report import Circumstances, markdown


def spread(median, unit="µs"):
    return Spread(median - 1, median, median + 1, 10, unit)


def meter(*cases, made=2, verify=lambda: None, seed=1):
    """A meter, to which every case makes so many queries."""
    return Meter(Group("A group", cases, [], verify=verify), lambda run: (run(), made), seed=seed, is_quick=True)


def test_the_first_tenth_warms_up():
    """It counts neither for the median nor for the quartiles."""
    found = Spread.of([1000.0, 1000.0, *map(float, range(18))], "µs", "cpu")

    assert (found.low, found.median, found.high, found.samples) == (4.25, 8.5, 12.75, 18)


def test_one_sample_is_its_own_spread():
    """What is measured once has no quartiles of its own."""
    assert Spread.of([7.0], "MB", "") == Spread(7.0, 7.0, 7.0, 1, "MB", "")


@pytest.mark.parametrize(
    ("row", "value", "is_reached"),
    [
        (Row("1", "a ratio", "ours", "theirs", at_most=0.5), 0.5, True),
        (Row("2", "a ratio", "theirs", "ours", at_least=2.1), 2.0, False),
        (Row("3", "a difference", "theirs", "ours", "difference", at_most=9), 10.0, False),
        (Row("4", "a difference of three", "theirs", ("ours", "ours"), "difference"), 0.0, None),
        (Row("5", "a time", "ours", at_most=10), 10.0, True),
    ],
)
def test_a_row_compares_medians(row, value, is_reached):
    """As a ratio, as a difference, or by itself; and a target is reached when it is met exactly."""
    spreads = {"ours": spread(10.0), "theirs": spread(20.0)}

    assert row.value(spreads) == value
    assert row.is_reached(value) is is_reached


def test_a_row_without_its_case_is_left_out():
    """A server that is not there leaves no verdict behind."""
    measured = Measured("group", "A group", [Row("1", "a ratio", "ours", "theirs")], [], {"ours": spread(1.0)})

    assert list(measured.reached()) == []


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (Case("wrong", lambda: 4, expected=5), "wrong gives 4, not 5"),
        (Case("two queries", lambda: 4), "two queries makes 2 queries, not 1"),
    ],
)
def test_a_wrong_answer_ends_the_run(case, said):
    """Neither another answer nor another number of queries is timed."""
    with pytest.raises(Wrong, match=said):
        meter(replace(case, queries=1)).verify()


def test_a_right_answer_does_not():
    """With the number of queries that it is said to make."""
    meter(Case("right", lambda: 4, expected=4, queries=1), made=1).verify()


def test_the_group_is_verified_as_a_whole():
    """What no single case can tell ends the run, too."""

    def verify():
        raise Wrong("The ways differ.")

    with pytest.raises(Wrong, match=r"The ways differ\."):
        meter(Case("ours", lambda: 1), verify=verify).verify()


def test_every_case_is_prepared_before_each_sample():
    """And a meter's own figure is taken as it is, in its unit."""
    called = []
    cases = [
        Case("ours", lambda: called.append("run"), prepare=lambda: called.append("prepare"), is_single=True),
        Case("memory", lambda: 3 * 2**20, unit="MB", clock="", is_meter=True),
    ]
    measuring = meter(*cases)
    measuring.calibrate()
    called.clear()
    taken = measuring.turn()

    assert called == ["prepare", "run"]
    assert taken["memory"] == [3.0]
    assert len(taken["ours"]) == 1


def test_the_order_changes_from_pass_to_pass_and_not_from_run_to_run():
    """What runs after what is by chance, and the same chance for the same seed."""

    def orders(seed):
        called = []
        cases = [Case(str(one), lambda one=one: called.append(one), is_single=True) for one in range(6)]
        measuring = meter(*cases, seed=seed)
        measuring.calibrate()
        called.clear()
        measuring.turn()
        measuring.turn()
        return called[:6], called[6:]

    first, second = orders(1)

    assert sorted(first) == sorted(second) == list(range(6))
    assert first != second
    assert orders(1) == (first, second)
    assert orders(2) != (first, second)


def test_the_table_says_what_was_reached_and_what_was_missed():
    """Each row with its figure, its target and the medians that it is of."""
    rows = [
        Row("a1", "ours beside theirs", "ours", "theirs", at_most=0.6),
        Row("a2", "theirs beside ours", "theirs", "ours", at_least=3),
        Row("a3", "what theirs takes more", "theirs", "ours", "difference"),
    ]
    spreads = {"ours": spread(10.0), "theirs": spread(200.0)}
    circumstances = Circumstances()
    circumstances.end()
    text = markdown([Measured("group", "A group", rows, ["One is left out."], spreads)], circumstances)

    assert (
        "| a1 | ours beside theirs | 0.05 × | ≤ 0.6 | reached | CPU | 10.0 (9.00–11.0) µs / 200 (199–201) µs |" in text
    )
    assert "| a2 | theirs beside ours | 20.0 × | ≥ 3 | reached | CPU |" in text
    assert "| a3 | what theirs takes more | 190 µs |  |  | CPU | 200 (199–201) µs − 10.0 (9.00–11.0) µs |" in text
    assert "| ours | 10.0 µs | 9.00 – 11.0 | 10 | CPU |" in text
    assert "\nOne is left out.\n" in text
    assert "| Django | " in text
