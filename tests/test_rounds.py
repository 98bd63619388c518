"""The log of rounds: what each took, and which checks were asked before, but not by whom or about what."""

from __future__ import annotations

import logging
import time

import pytest
from asgiref.sync import async_to_sync

from django_avp.authorization import Authorization
from django_avp.identity import Identity

LOGGER = "django_avp.rounds"


@pytest.fixture
def logged(caplog):
    """The records of the log, which is on."""
    caplog.set_level(logging.DEBUG, LOGGER)
    return lambda: [record for record in caplog.records if record.name == LOGGER]


def digests(record):
    return record.digests.split()


def test_it_is_off_unless_it_is_asked_for(authorize, photo, caplog):
    """Also where everything else of the package is logged at level INFO."""
    caplog.set_level(logging.INFO, "django_avp")
    authorize("ann").can("EditPhoto", photo)

    assert [record.message for record in caplog.records] == ["avp.decision"]


def test_each_round_is_a_line(authorize, photo, logged):
    """With its number in the request, what it took, and when."""
    authorization = authorize("ann")
    authorization.collect(["ViewPhoto", "EditPhoto"], photo)
    authorization.decide()
    before = time.time()
    authorization.can("DeletePhoto", photo)

    first, second = logged()
    assert (first.levelname, first.message) == ("DEBUG", "avp.round")
    assert [(one.round, one.checks, one.calls, one.unplanned) for one in (first, second)] == [
        (1, 2, 1, 0),
        (2, 1, 1, 0),
    ]
    assert [one.milliseconds for one in (first, second)] == [round_.milliseconds for round_ in authorization.rounds]
    assert first.at <= before <= second.at <= time.time()
    assert [len(digests(one)) for one in (first, second)] == [2, 1]


def test_async_rounds_are_lines_too(authorize, photo, logged):
    """Of the same digests."""
    authorize("ann").can("EditPhoto", photo)
    async_to_sync(authorize("ann").arequire)("EditPhoto", photo)

    first, second = logged()
    assert digests(first) == digests(second)


def test_a_check_that_was_asked_before_has_the_digest_that_it_had(authorize, photo, logged):
    """By the same principal, about the same data, with the same context and claims; by the token of a refresh, too."""

    def digest(*groups, sub="ann", context=None, **claims):
        authorize(sub, *groups, **claims).can("EditPhoto", photo, context)
        return logged()[-1].digests

    first = digest(iat=1, jti="one", exp=time.time() + 60)
    assert first == digest(iat=2, jti="two", exp=time.time() + 90)
    others = [digest(sub="bob"), digest("moderators"), digest(email="ann@example.com"), digest(context={"mfa": True})]
    photo.title = "dusk"
    photo.save()
    assert len({first, *others, digest()}) == 6


def test_nothing_in_it_tells_who_asked_what(authorize, photo, logged, settings):
    """A digest cannot be made without the site's secret."""
    authorize("ann", email="ann@example.com").can("EditPhoto", photo)
    (record,) = logged()
    own = {name: value for name, value in vars(record).items() if name not in vars(logging.makeLogRecord({}))}
    assert set(own) == {"at", "round", "checks", "calls", "milliseconds", "unplanned", "digests", "message"}
    assert not any(text in str(own.values()) for text in ("ann", "Edit", "Photo", "dawn", "example.com"))

    settings.SECRET_KEY = "another"
    authorize("ann", email="ann@example.com").can("EditPhoto", photo)
    assert not set(digests(record)) & set(digests(logged()[-1]))


def test_claims_without_a_form_have_no_line(photo, logged):
    """No engine asks anybody about such a principal."""
    deep: dict = {}
    for _ in range(5_000):
        deep = {"a": deep}

    assert not Authorization(Identity.from_claims({"sub": "ann", "deep": deep})).can("EditPhoto", photo)
    assert logged() == []
