"""Assertions about rounds and calls, and what they say when they fail."""

from __future__ import annotations

import asyncio

import pytest

from django_avp.authorization import Authorization
from django_avp.runtime import runtime
from django_avp.testing import assert_avp_calls, assert_avp_rounds
from tests.site_engines import OddEngine

pytestmark = pytest.mark.django_db


def test_rounds_and_calls_of_a_page_are_counted(avp_client, photo, assert_avp_rounds, assert_avp_calls):
    """A page's gate and its buttons are one round and one call."""
    with assert_avp_rounds(1) as rounds, assert_avp_calls(1):
        assert avp_client("ann").get("/photos/").status_code == 200

    assert rounds[0].round.checks == len(rounds[0].decisions) == 4


def test_other_numbers_are_told_with_every_round(avp_identity, photo):
    """The message lists what was asked in each round, as Django's lists queries."""
    authorization = Authorization(avp_identity("bob"))

    def ask():
        authorization.collect(["ViewPhoto", "EditPhoto"], photo)
        authorization.decide()
        authorization.answer(authorization.check("ListPhotos"), is_planned=False)

    with pytest.raises(AssertionError) as failed, assert_avp_rounds(1):
        ask()

    assert str(failed.value) == (
        "2 rounds made, 1 expected:\n"
        "1. 2 checks, 1 call\n"
        f'   ViewPhoto on PhotoFlash::Photo::"{photo.pk}": not_permitted\n'
        f'   EditPhoto on PhotoFlash::Photo::"{photo.pk}": not_permitted\n'
        "2. 1 check, 1 call, 1 unplanned\n"
        '   ListPhotos on PhotoFlash::Application::"default": permitted'
    )


def test_no_round_is_told_too():
    """There is nothing to list then."""
    with pytest.raises(AssertionError, match=r"^0 rounds made, 1 expected\.$"), assert_avp_rounds(1):
        pass
    with pytest.raises(AssertionError, match=r"^0 calls made, 2 expected\.$"), assert_avp_calls(2):
        pass


def test_calls_are_the_engines_own_number(avp_server, avp_identity, photo):
    """More than 30 checks are one round of several calls."""
    authorization = Authorization(avp_identity("ann"))

    with assert_avp_rounds(1), assert_avp_calls(2):
        for number in range(31):
            authorization.collect("EditPhoto", photo, {"note": str(number)})
        authorization.decide()


def test_an_error_of_the_block_is_not_replaced(avp_identity):
    """Whatever the block had asked by then."""
    with pytest.raises(KeyError), assert_avp_rounds(3):
        raise KeyError


@pytest.mark.django_db(transaction=True)
def test_rounds_of_tasks_are_counted(avp_identity, photo):
    """And nothing after the block, nor rounds without an engine."""
    ann = avp_identity("ann")

    async def ask():
        return await Authorization(ann).acan("EditPhoto", photo)

    with assert_avp_rounds(1) as rounds:
        assert asyncio.run(ask())
        assert not Authorization(None).can("EditPhoto", photo)
    assert asyncio.run(ask())
    assert len(rounds) == 1


def test_a_round_that_decides_nothing_counts(avp_identity, photo):
    """It was made, whatever came of it."""
    with runtime.use_engine(OddEngine()), assert_avp_rounds(1):
        assert not Authorization(avp_identity("ann")).can("EditPhoto", photo)
