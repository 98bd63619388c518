"""Refreshing the tokens of a session: before they expire, once for all requests, and never for who has signed out."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import AsyncClient

from django_avp.signin import records, renewal
from django_avp.signin.sessions import held_in
from django_avp.signin.sources import RefreshedSession
from django_avp.signin.tokens import Tokens
from tests.conftest import POOL
from tests.signin.conftest import Browser

ANN = f"{POOL}|ann"


def refreshes(pool):
    """The refresh tokens that were sent, one for each refresh."""
    return [sent["refresh_token"] for sent in pool.sent_to("/token") if sent["grant_type"] == "refresh_token"]


def expire(browser):
    """Put real tokens in place of a session's that expired an hour ago, here and in the record."""
    session = browser.session
    record = held_in(session).record
    old = {
        "id_token": browser.pool.mint.id_token("ann", expires_in=-3600),
        "access_token": browser.pool.mint.access_token("ann", expires_in=-3600),
    }
    expires_at = int(time.time()) - 3600
    session.update(old | {"_avp_sign_in": [record, expires_at]})
    session.save()
    records.replace(record, Tokens(ANN, expires_at, **old, refresh_token=records.load(record).refresh_token))


@pytest.fixture
def signed_in(browser):
    """A browser in which ann is signed in."""
    browser.sign_in()
    return browser


def test_tokens_that_live_long_are_left_alone(signed_in, pool):
    """Nobody asks the user pool while there is time."""
    assert signed_in.me()["principal"] == ANN
    assert refreshes(pool) == []


def test_tokens_are_refreshed_before_they_expire(browser, pool):
    """A minute before the first of them expires there are new ones, and nobody notices."""
    pool.lifetime = 30
    browser.sign_in()
    before = dict(browser.session.items())
    pool.lifetime = 3600

    assert browser.me()["principal"] == ANN
    assert browser.me()["principal"] == ANN
    assert len(refreshes(pool)) == 1
    for name in ("id_token", "access_token"):
        assert browser.session[name] != before[name]


def test_how_long_before_is_an_option(browser, pool, settings):
    """A site whose requests take long refreshes earlier."""
    settings.AVP_TOKEN_SOURCES = [("django_avp.signin.sources.RefreshedSession", {"refresh_before": 4000})]
    browser.sign_in()
    browser.me()

    assert len(refreshes(pool)) == 1


def test_tokens_that_have_expired_are_refreshed(signed_in, pool):
    """Whoever comes back after lunch goes on where they were, behind gates too."""
    expire(signed_in)

    assert signed_in.get("/gated/").content == b"in"
    assert len(refreshes(pool)) == 1


@pytest.mark.django_db(transaction=True)
def test_tokens_that_have_expired_are_refreshed_under_an_event_loop(signed_in, pool):
    """The same for async views: the loop is free while the user pool is asked."""
    client = AsyncClient()
    client.cookies["sessionid"] = signed_in.cookies["sessionid"].value

    async def ask():
        return (await client.get("/ame/")).json()["principal"]

    assert async_to_sync(ask)() == ANN
    assert refreshes(pool) == []
    expire(signed_in)
    assert [async_to_sync(ask)() for _ in range(2)] == [ANN] * 2
    assert len(refreshes(pool)) == 1


def test_new_groups_count_after_a_refresh(browser, pool):
    """What the user pool says of a user now is in the new tokens."""
    pool.lifetime = 30
    browser.sign_in()
    pool.groups = ["viewers", "editors"]

    request = browser.get("/me/").wsgi_request
    assert {group.id for group in request.avp.identity.groups} == {f"{POOL}|viewers", f"{POOL}|editors"}


def test_refresh_tokens_that_rotate_are_followed(browser, pool):
    """The next refresh is asked with the token that the last one brought."""
    pool.lifetime, pool.rotates = 30, True
    browser.sign_in()
    assert [browser.me()["principal"] for _ in range(3)] == [ANN] * 3

    assert len(set(refreshes(pool))) == 3
    assert browser.post("/sign-out/").status_code == 302
    assert pool.refresh_tokens == {}


def test_a_request_that_writes_an_old_session_back_loses_nothing(browser, pool):
    """Sessions are written whole: what was refreshed meanwhile is taken from the record, not asked for again."""
    pool.lifetime, pool.rotates = 30, True
    browser.sign_in()
    stale = browser.session
    stale.get("id_token")
    pool.lifetime = 3600
    browser.me()
    stale["visits"] = 7
    stale.save()

    assert browser.me() == {"principal": ANN, "fault": None, "visits": 8}
    assert len(refreshes(pool)) == 1


# What the user pool refuses


def test_a_refusal_ends_the_sign_in_when_the_tokens_expire(signed_in, pool, caplog):
    """A user who was removed is asked to sign in; the user pool is not asked again and again."""
    expire(signed_in)
    pool.refresh_tokens.clear()

    assert [signed_in.me()["fault"] for _ in range(2)] == ["expired"] * 2
    assert len(refreshes(pool)) == 1
    assert [record.code for record in caplog.records if record.message == "avp.refresh_failed"] == ["invalid_grant"]
    assert Session.objects.count() == 1
    assert signed_in.get("/gated/")["Location"] == "/sign-in/?next=/gated/"
    signed_in.sign_in()
    assert signed_in.me()["principal"] == ANN


def test_a_refusal_ahead_of_time_changes_nothing_yet(browser, pool):
    """Tokens hold until they expire."""
    pool.lifetime = 30
    browser.sign_in()
    pool.refresh_tokens.clear()

    assert [browser.me()["principal"] for _ in range(2)] == [ANN] * 2
    assert len(refreshes(pool)) == 1


def test_a_refresh_that_brings_another_user_is_refused(browser, pool, caplog):
    """A session is one user's from its beginning to its end."""
    pool.lifetime = 30
    browser.sign_in()
    pool.refresh_tokens = dict.fromkeys(pool.refresh_tokens, "bob")

    assert browser.me()["principal"] == ANN
    assert [record.code for record in caplog.records if record.message == "avp.refresh_failed"] == ["user"]


def test_a_pool_that_is_down_is_left_in_peace(browser, pool, caplog):
    """After a failure requests go on with what they have, for ten seconds; then one tries again."""
    pool.lifetime = 30
    browser.sign_in()
    pool.replies["/token"] = (503, b"")

    assert [browser.me()["principal"] for _ in range(3)] == [ANN] * 3
    assert len(refreshes(pool)) == 1
    assert [record.code for record in caplog.records if record.message == "avp.refresh_failed"] == ["unreachable"]
    del pool.replies["/token"]
    # The pause is over.
    cache.clear()
    pool.lifetime = 3600
    assert browser.me()["principal"] == ANN
    assert len(refreshes(pool)) == 2


def test_expired_tokens_are_no_reason_to_wait_for_a_pool_that_is_down(signed_in, pool):
    """While the pause lasts the answer is at once that the tokens have expired."""
    expire(signed_in)
    pool.replies["/token"] = (503, b"")

    assert [signed_in.me()["fault"] for _ in range(2)] == ["expired"] * 2
    assert len(refreshes(pool)) == 1


# Signing out meanwhile


def test_who_has_signed_out_is_not_signed_in_again(signed_in, pool):
    """A copy of the session that was loaded before has no record any more, and with it no tokens."""
    stale = signed_in.session
    stale.get("id_token")
    signed_in.post("/sign-out/")
    renewal.renew(stale, ahead=4000)

    assert "id_token" not in stale
    assert held_in(stale) is None
    assert refreshes(pool) == []


# Requests at once. Threads have no share in a database of the tests, so sessions are kept in memory here.


@pytest.fixture
def threads(pool, settings):
    """A site whose requests can run in threads."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.AVP_USER_MODE = "token"
    with ThreadPoolExecutor(8) as threads:
        yield threads
        pool.may_answer.set()


@pytest.fixture
def ann(threads, pool):
    """A browser in which ann is signed in."""
    browser = Browser(pool)
    browser.sign_in()
    pool.is_asked.clear()
    return browser


def test_requests_that_come_together_refresh_once(threads, ann, pool):
    """After a long pause one of them asks the user pool, and the others wait for what it brings."""
    expire(ann)
    pool.may_answer.clear()
    asked = [threads.submit(ann.me) for _ in range(8)]
    assert pool.is_asked.wait(10)
    pool.may_answer.set()

    assert [one.result(10)["principal"] for one in asked] == [ANN] * 8
    assert len(refreshes(pool)) == 1


def test_nobody_waits_while_the_old_tokens_hold(threads, pool):
    """One request refreshes; the user pool is slow, and the others are answered meanwhile."""
    pool.lifetime = 30
    ann = Browser(pool)
    ann.sign_in()
    pool.is_asked.clear()
    pool.may_answer.clear()
    slow = threads.submit(ann.me)
    assert pool.is_asked.wait(10)

    assert ann.me()["principal"] == ANN
    assert not slow.done()
    pool.may_answer.set()
    assert slow.result(10)["principal"] == ANN
    assert len(refreshes(pool)) == 1


def test_those_who_wait_are_told_of_a_failure(threads, ann, pool):
    """They do not wait to the end for what will not come."""
    expire(ann)
    pool.may_answer.clear()
    pool.replies["/token"] = (503, b"")
    asked = [threads.submit(ann.me) for _ in range(3)]
    assert pool.is_asked.wait(10)
    pool.may_answer.set()

    assert [one.result(10)["fault"] for one in asked] == ["expired"] * 3
    assert len(refreshes(pool)) == 1


@pytest.mark.parametrize("rotates", [False, True])
def test_signing_out_wins_over_a_refresh(threads, pool, rotates):
    """What comes back for a user who has left meanwhile is thrown away, and revoked if it is another refresh token."""
    pool.lifetime, pool.rotates = 30, rotates
    ann = Browser(pool)
    ann.sign_in()
    pool.is_asked.clear()
    pool.may_answer.clear()
    # In a browser of its own, as the first one's cookie is taken away.
    other = Browser(pool)
    other.cookies["sessionid"] = ann.cookies["sessionid"].value
    slow = threads.submit(other.get, "/ame/")
    assert pool.is_asked.wait(10)
    assert ann.post("/sign-out/").status_code == 302
    pool.may_answer.set()

    # What Django answers where a session is gone before its request has ended.
    assert slow.result(10).status_code == 400
    assert pool.refresh_tokens == {}
    assert other.get("/ame/").json()["principal"] is None


def test_a_turn_that_comes_to_no_end_is_not_waited_for_forever(ann, pool, monkeypatch):
    """The request whose turn it was may have died: the others give up after a while, and one of them goes on later."""
    monkeypatch.setattr(renewal, "PATIENCE", 0.2)
    expire(ann)
    turn = renewal._turn_of(held_in(ann.session))
    cache.set(turn, "busy", 60)

    assert ann.me()["fault"] == "expired"
    assert refreshes(pool) == []
    cache.delete(turn)
    assert ann.me()["principal"] == ANN


def test_waiting_ends_when_the_user_signs_out(threads, ann, pool):
    """There will be no tokens."""
    expire(ann)
    held = held_in(ann.session)
    cache.set(renewal._turn_of(held), "busy", 60)
    slow = threads.submit(ann.me)
    records.delete(held.record)

    assert slow.result(10)["fault"] == "expired"


# Without what it builds on


def test_a_cache_that_is_down_keeps_nobody_from_refreshing(browser, pool, settings, caplog):
    """Each request takes its turn, then: one call more at most, and the same answer."""
    pool.lifetime = 30
    browser.sign_in()
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    }

    assert [browser.me()["principal"] for _ in range(2)] == [ANN] * 2
    assert len(refreshes(pool)) == 2
    pool.replies["/token"] = (503, b"")
    assert browser.me()["principal"] == ANN
    assert "avp.cache_failed" in {record.message for record in caplog.records}


def test_a_cache_that_dies_while_somebody_waits_ends_the_wait(signed_in, settings):
    """It cannot tell whether another request is at it."""
    expire(signed_in)
    held = held_in(signed_in.session)
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    }

    assert renewal._awaited(held, "turn") is None


def test_a_request_without_a_session_has_no_tokens(rf):
    """Neither does it fail, sync or async."""
    source = RefreshedSession()

    assert source.read(rf.get("/")) is None
    assert async_to_sync(source.aread)(rf.get("/")) is None
