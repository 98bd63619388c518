"""``manage.py avp_costs``: what it tells people and programs, and what it refuses."""

from __future__ import annotations

import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command

from django_avp.costs import PRICES, Polling
from tests.costs.support import line
from tests.following import blocks
from tests.processes import ROOT
from tests.test_docs import rows

DAY = 86_400


@pytest.fixture
def log(tmp_path):
    """Write logs, each of lines, and give their paths."""

    def write(*logs):
        paths = [tmp_path / f"{number}.log" for number in range(len(logs))]
        for path, lines in zip(paths, logs, strict=True):
            path.write_text("".join(lines))
        return list(map(str, paths))

    return write


def told(*arguments):
    out = io.StringIO()
    call_command("avp_costs", *arguments, stdout=out)
    return out.getvalue()


def figures(*arguments):
    return json.loads(told(*arguments, "--format=json"))


def by_setting(document):
    """The figures of each strategy and time to live."""
    return {(one["strategy"], one["cache_ttl"]): one for one in document["verified_permissions"]}


# Two pages of three rounds, a minute apart.
TWICE = [line(at, names, number=number) for at in (100, 160) for number, names in ((1, "a b c"), (2, "d"))]


def test_what_a_page_takes_is_told_for_a_million(log):
    """Calls and dollars by strategy and time, and how much a cache would have known."""
    document = figures(*log(TWICE), "--ttls=0,61")
    found = by_setting(document)

    assert document["log"] == {
        "pages": 2,
        "rounds": 4,
        "checks": 8,
        "calls": 4,
        "seconds": 60,
        "foreign_lines": 0,
        "broken_lines": 0,
        "disordered_rounds": 0,
    }
    assert {key: (one["single_calls"], one["batch_calls"], one["remembered"]) for key, one in found.items()} == {
        ("auto", 0): (2, 2, 0),
        ("auto", 61): (1, 1, 0.5),
        ("batch", 0): (0, 4, 0),
        ("batch", 61): (0, 2, 0.5),
        ("single", 0): (8, 0, 0),
        ("single", 61): (4, 0, 0.5),
    }
    assert found["auto", 0]["dollars_a_million_pages"] == [155, 80, 45]
    assert found["batch", 61]["dollars_a_million_pages"] == [150, 75, 40]
    assert found["single", 0]["dollars_a_million_pages"] == [20, 20, 20]
    assert found["auto", 0]["dollars_a_month"] is None
    assert (found["single", 0]["most_single_calls_a_second"], found["single", 0]["is_over_quota"]) == (4, False)
    assert document["cedar"] == {"calls": 0, "dollars_a_million_pages": 0}


def test_a_month_of_so_many_pages_is_told(log):
    """Its batch calls fall into the tiers that they reach."""
    document = figures(*log(TWICE), "--ttls=0", "--pages-per-month=50000000")
    found = by_setting(document)

    assert found["batch", 0]["dollars_a_month"] == pytest.approx(40 * 150 + 60 * 75)
    assert found["auto", 0]["dollars_a_month"] == pytest.approx(40 * 150 + 10 * 75 + 50 * 5)
    day = Polling(50, 30).dollars_a_day(PRICES)
    assert document["synced"]["dollars_a_month"] == pytest.approx(30 * day, abs=0.001)
    assert document["synced"]["dollars_a_million_pages"] == pytest.approx(30 * day / 50, abs=0.001)
    text = told(*log(TWICE), "--ttls=0", "--pages-per-month=50000000")
    assert "a month" in text
    assert "10,500.00" in text


def test_prices_may_be_others(log):
    """Then it is told where they are from."""
    arguments = ["--single-price=1", "--batch-prices=2,3,4", "--management-price=5", "--ttls=0"]
    document = figures(*log(TWICE), *arguments)

    assert document["prices"] == {"as_of": "the command line", "single": 1, "batch": [2, 3, 4], "management": 5}
    assert by_setting(document)["auto", 0]["dollars_a_million_pages"] == [3_000_000, 4_000_000, 5_000_000]
    assert document["synced"]["dollars_a_day"] == pytest.approx(5 * document["synced"]["calls_a_day"], abs=5)
    assert "by the prices of the command line" in told(*log(TWICE), *arguments)
    assert "by the prices of 2026-09-20" in told(*log(TWICE))


def test_a_synced_store_costs_by_the_day(log, settings):
    """By its policies and the interval, so its share of a page depends on how many there are."""
    settings.AVP_SYNC_INTERVAL = 60
    synced = figures(*log(TWICE), "--policies=1000")["synced"]

    # A reading is 20 pages of policies and three calls; they take 2.5 seconds, and begin four early.
    assert synced["calls_a_day"] == round(23 * DAY / (60 - 4 - 2.5))
    # Two pages in a minute.
    assert synced["dollars_a_million_pages"] == pytest.approx(synced["dollars_a_day"] * 1_000_000 / 2_880, rel=0.001)
    assert "SyncedEngine, 1,000 policies, AVP_SYNC_INTERVAL 60" in told(*log(TWICE), "--policies=1000")
    # Nothing can be read more often than it is over.
    assert Polling(100_000, 30).readings_a_day == DAY / 15


def test_a_moment_has_no_pages_a_second(log):
    """So the share of a page in what a day costs is not told."""
    assert figures(*log([line(100, "a")]))["synced"]["dollars_a_million_pages"] is None
    assert "for a million pages at" not in told(*log([line(100, "a")]))


def test_the_docs_have_the_figures_of_a_synced_store():
    """What readings cost by day is what the command counts."""
    table = [row for row in rows((ROOT / "docs" / "scale.md").read_text()) if len(row) == 4 and "about" in row[2]]
    assert len(table) == 2
    for policies, calls, readings, dollars in table:
        polling = Polling(int(policies.split()[-1].replace(",", "")), 30)
        assert polling.calls == int(calls)
        assert f"about {round(polling.readings_a_day, -2):,.0f}" == readings
        assert f"${polling.dollars_a_day(PRICES):.2f}" == dollars
        assert dollars in (ROOT / "docs" / "aws.md").read_text()


def test_the_output_of_the_docs_is_the_command_s():
    """Of the log that is named there, in which the example had been visited; its calls are those that were made."""
    path = ROOT / "tests" / "costs" / "visits.log"
    (block,) = [block.text for block in blocks(ROOT / "docs" / "scale.md", "console") if "avp_costs" in block.text]
    found = by_setting(figures(str(path)))

    assert block == f"$ python manage.py avp_costs {path.name}\n{told(str(path))}"
    assert found["auto", 0]["single_calls"] + found["auto", 0]["batch_calls"] == figures(str(path))["log"]["calls"]


def test_what_was_not_read_is_told(log):
    """Lines of others, lines that were cut off, and rounds that came late."""
    lines = ["Starting\n", *TWICE, line(159.5, "e"), line(170, "f")[:40]]
    text = told(*log(lines))

    assert text.splitlines()[:4] == [
        "3 pages in 60 seconds: 5 rounds of 9 checks, for which the engine made 5 calls",
        "Lines about something else: 1",
        "Lines that cannot be read: 1",
        "Rounds earlier than one before them: 1, by up to 0.5 s",
    ]
    assert "over a policy store's default quota" not in text


def test_a_busy_second_is_marked(log):
    """Where it is over the default quota, by which strategy."""
    text = told(*log([line(100, 2)] * 31), "--ttls=0")

    marked = [one.split()[0] for one in text.splitlines() if one.endswith("  !")]
    assert marked == ["auto", "batch"]
    assert "! over a policy store's default quota of 200 single or 30 batch calls a second" in text


def test_several_logs_are_merged(log):
    """Those of two workers are one."""
    together = figures(*log(TWICE[:2], TWICE[2:]), "--ttls=61")

    assert together == figures(*log(TWICE), "--ttls=61")


def test_without_a_file_it_reads_what_comes_in(monkeypatch):
    """As at the end of a pipe."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("".join(TWICE).encode())))

    assert figures()["log"]["rounds"] == 4


def test_a_log_without_a_page_fails(log):
    """It says what there was instead, and what to do."""
    for lines, counted in [
        ([], "0 lines are about something else, and 0 cannot be read"),
        (["x\n", line(100, "a")[:40]], "1 lines are about something else, and 1 cannot be read"),
        ([line(100, "a", number=2)], "0 lines"),
    ]:
        with pytest.raises(CommandError, match=counted) as failed:
            told(*log(lines))
        assert failed.value.returncode == 1
        assert "django_avp.rounds" in str(failed.value)


def test_what_cannot_be_read_fails(log, tmp_path):
    """No file, or one that is in no order."""
    with pytest.raises(CommandError, match=r"No such file.*nowhere"):
        told(str(tmp_path / "nowhere"))
    with pytest.raises(CommandError, match="900 seconds earlier than one before it"):
        told(*log([line(1000, "a"), line(100, "b")]))


@pytest.mark.parametrize(
    "argument",
    [
        "--ttls=-1",
        "--ttls=x",
        "--ttls=",
        "--ttls=nan",
        "--policies=0",
        "--pages-per-month=0.5",
        "--pages-per-month=-1",
        "--single-price=inf",
        "--batch-prices=1,2",
    ],
)
def test_options_that_say_nothing_are_refused(log, argument):
    """Before anything is read."""
    with pytest.raises(CommandError, match=argument.partition("=")[0]):
        told(*log(TWICE), argument)
