"""Where tokens are kept on the server, with every session engine that has one."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_avp.signin import records
from django_avp.signin.tokens import Tokens
from tests.signin.conftest import Browser

ENGINES = ["db", "cache", "cached_db", "file"]
TOKENS = Tokens("pool|ann", 1_900_000_000, "id", "access", "refresh")


@pytest.fixture(params=ENGINES)
def engine(request, settings, tmp_path, db):
    """A session engine of Django's."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    return request.param


def test_a_record_is_kept_replaced_and_deleted(engine):
    """What was put in comes out, until it is gone."""
    key = records.create(TOKENS)
    assert records.load(key) == TOKENS

    other = Tokens("pool|ann", 1_900_000_001, "id2", "", "")
    records.replace(key, other)
    assert records.load(key) == other

    records.delete(key)
    assert records.load(key) is None


def test_a_record_that_is_gone_does_not_come_back(engine):
    """Who has signed out is not signed in by a refresh that ends late."""
    key = records.create(TOKENS)
    records.delete(key)

    with pytest.raises(records.RecordGoneError):
        records.replace(key, TOKENS)
    assert records.load(key) is None


def test_a_record_that_goes_while_it_is_replaced_does_not_come_back(settings, db, monkeypatch):
    """Between reading and writing, too."""
    key = records.create(TOKENS)
    packed = records._packed

    def pack_and_lose(tokens):
        records.delete(key)
        return packed(tokens)

    monkeypatch.setattr(records, "_packed", pack_and_lose)
    with pytest.raises(records.RecordGoneError):
        records.replace(key, TOKENS)
    assert records.load(key) is None


def test_sessions_in_cookies_keep_nothing_here(settings, db):
    """The tokens would be sent to the browser: a sign-in stops with the cure."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

    with pytest.raises(ImproperlyConfigured, match="keeps nothing on the server"):
        records.create(TOKENS)


def test_the_key_of_a_record_is_no_session(pool, db):
    """Whoever got hold of it and sent it as a cookie would be nobody."""
    browser = Browser(pool)
    browser.cookies["sessionid"] = records.create(TOKENS)

    assert browser.me() == {"principal": None, "fault": None, "visits": 1}
