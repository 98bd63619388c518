"""Rounds played through: the calls of each strategy, and what a cache would have known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_avp.conf import conf
from django_avp.costs import Simulation
from django_avp.costs.prices import BATCHES_A_SECOND, MAX_CHECKS, PRICES, SINGLES_A_SECOND
from django_avp.costs.reading import Logged
from django_avp.costs.simulating import STRATEGIES, calls_of
from django_avp.engines.verified_permissions import packing
from django_avp.testing.endpoint.quotas import _RATES


def played(rounds, *ttls):
    """A simulation of rounds, each a time and the checks that a text names."""
    simulation = Simulation(ttls or (0,))
    for at, names in rounds:
        simulation.take(Logged(at, 1, 1, tuple(names.split())))
    return simulation


def asked(simulation, strategy="single"):
    """The single calls by the seconds that decisions are remembered."""
    return {outcome.ttl: outcome.singles for outcome in simulation.outcomes() if outcome.strategy == strategy}


@pytest.mark.parametrize(
    ("checks", "auto", "batch", "single"),
    [
        (0, (0, 0), (0, 0), (0, 0)),
        (1, (1, 0), (0, 1), (1, 0)),
        (2, (0, 1), (0, 1), (2, 0)),
        (30, (0, 1), (0, 1), (30, 0)),
        (31, (1, 1), (0, 2), (31, 0)),
        (32, (0, 2), (0, 2), (32, 0)),
        (90, (0, 3), (0, 3), (90, 0)),
        (91, (1, 3), (0, 4), (91, 0)),
    ],
)
def test_a_round_takes_the_calls_that_the_engine_makes(checks, auto, batch, single):
    """Single and batch ones."""
    assert [calls_of(strategy, checks) for strategy in ("auto", "batch", "single")] == [auto, batch, single]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies_are_those_of_the_setting(settings, strategy):
    """And there is no other one."""
    settings.AVP_CALL_STRATEGY = strategy
    assert conf.call_strategy == strategy
    assert len(STRATEGIES) == 3


def test_limits_and_quotas_are_those_of_the_engine_and_the_endpoint():
    """They are written down twice, since either may be there without the other."""
    assert packing.MAX_CHECKS == MAX_CHECKS
    assert _RATES["IsAuthorizedWithToken"] == SINGLES_A_SECOND
    assert _RATES["BatchIsAuthorizedWithToken"] == BATCHES_A_SECOND


def test_a_decision_is_known_for_its_time_and_no_longer():
    """From when it was asked; to be found does not prolong it."""
    rounds = [(100, "a b"), (104, "a"), (105, "a c"), (109, "a"), (110, "a b c"), (200, "a")]

    assert asked(played(rounds, 0, 5, 10, 1000)) == {0: 10, 5: 8, 10: 6, 1000: 3}


def test_the_checks_of_one_round_do_not_answer_each_other():
    """They are asked at once."""
    assert asked(played([(100, "a a")], 60)) == {60: 2}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.lists(st.sampled_from("abcdefgh"), max_size=6, unique=True)), max_size=40),
    st.sampled_from([0, 1, 2, 5, 100]),
)
def test_what_is_forgotten_on_the_way_is_as_if_everything_was_kept(steps, ttl):
    """The cache of each time, by the plainest account of it: until when each check is known."""
    now, until, expected, rounds = 0, {}, 0, []
    for pause, names in steps:
        now += pause
        rounds.append((now, " ".join(names)))
        unknown = [name for name in names if until.get(name, -1) <= now]
        until.update(dict.fromkeys(unknown, now + ttl))
        expected += len(unknown)

    assert asked(played(rounds, ttl)) == {ttl: expected}


def test_the_busiest_second_is_told():
    """By the clock's seconds, apart for the two kinds of call, whose quotas are apart."""
    many = " ".join(map(str, range(31)))
    simulation = played([(100.0, many), (100.9, many), (101.0, many), (101.1, "a"), (105, "a")])

    most = {outcome.strategy: (outcome.most_singles, outcome.most_batches) for outcome in simulation.outcomes()}
    assert most == {"auto": (2, 2), "batch": (0, 4), "single": (62, 0)}


@pytest.mark.parametrize(("rounds", "is_over"), [(30, False), (31, True)])
def test_more_than_the_quota_is_told(rounds, is_over):
    """Thirty batches in a second are answered."""
    simulation = played([(100 + number / 100, "a b") for number in range(rounds)])

    assert {one.strategy: one.is_over_quota for one in simulation.outcomes()} == {
        "auto": is_over,
        "batch": is_over,
        "single": False,
    }
    assert [one.is_over_quota for one in played([(100, " ".join(map(str, range(201))))]).outcomes()][2]


def test_nothing_was_asked():
    """An empty log has no share of anything."""
    simulation = played([])

    assert (simulation.pages, simulation.seconds) == (0, 0)
    assert {(one.remembered, one.singles, one.batches) for one in simulation.outcomes()} == {(0, 0, 0)}


def test_prices_fall_with_the_calls_of_a_month():
    """Each tier has its price, and single calls have one."""
    assert PRICES.by_tier(1_000_000, 1_000_000) == pytest.approx([155, 80, 45])
    assert PRICES.of_month(1_000_000, 0) == pytest.approx(5)
    assert PRICES.of_month(0, 40_000_000) == pytest.approx(6_000)
    assert PRICES.of_month(0, 100_000_000) == pytest.approx(6_000 + 4_500)
    assert PRICES.of_month(0, 101_000_000) == pytest.approx(6_000 + 4_500 + 40)
    assert math.isclose(PRICES.of_month(0, 41_000_000), 6_075)
