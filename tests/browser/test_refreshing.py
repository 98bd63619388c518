"""Tokens that expire while somebody is at it: they are refreshed unnoticed, or the way leads over the sign-in."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from example_project.signin.personas import OLIVIA

# Runs in a process of its own, on the database of the example: what an hour would do to a session.
AN_HOUR_LATER = """
import json, sys, time
import django
django.setup()
from importlib import import_module
from django.conf import settings
from django_avp.signin import records, sessions
from django_avp.signin.tokens import Tokens
from example_project.signin import grants, issuer
from example_project.signin.personas import OLIVIA

key, is_revoked = json.loads(sys.argv[1])
session = import_module(settings.SESSION_ENGINE).SessionStore(key)
held = sessions.held_in(session)
((pool, (client, *_)),) = settings.AVP_USER_POOLS.items()
settings.DEV_ISSUER_TOKEN_SECONDS = -3600
old = issuer.sign_in(OLIVIA, settings.DEV_ISSUER_DIR, pool=pool, client=client)
kept = records.load(held.record)
refresh_token = kept.refresh_token
if is_revoked:
    refresh_token = refresh_token[:-2]
expired = Tokens(kept.principal_id, int(time.time()) - 3600, **old, refresh_token=refresh_token)
records.replace(held.record, expired)
sessions.keep(session, expired, held.record)
session.save()
"""


@pytest.fixture
def olivia(visit):
    """Olivia, in a session of her own."""
    visitor = visit()
    visitor.sign_in(OLIVIA)
    return visitor


@pytest.fixture
def an_hour_later(server):
    """Let the tokens of a visitor expire, and the refresh token be refused if it is said to be."""

    def let(visitor, *, is_revoked=False):
        key = next(cookie["value"] for cookie in visitor.context.cookies() if cookie["name"] == "sessionid")
        process = server.demo.python("-c", AN_HOUR_LATER, json.dumps([key, is_revoked]))
        assert process.returncode == 0, process.stderr

    return let


def test_nobody_notices_that_a_token_has_expired(olivia, an_hour_later):
    """The next page is the one that was asked for, by its address and by its links."""
    seen = []
    olivia.context.on("request", lambda request: seen.append(request.url))
    an_hour_later(olivia)
    olivia.open("/what-may-i-do/")

    expect(olivia.page.get_by_role("banner")).to_contain_text(OLIVIA.name)
    olivia.open("/")
    expect(olivia.page.get_by_role("banner")).to_contain_text(OLIVIA.name)
    assert not [url for url in seen if "sign-in" in url or "dev-issuer" in url]


def test_a_form_that_was_open_meanwhile_is_saved(olivia, an_hour_later):
    """What somebody has written for an hour is not lost."""
    olivia.open("/photos/3/edit/")
    title = olivia.page.get_by_label("Title")
    before = title.input_value()
    an_hour_later(olivia)
    title.fill(f"{before} again")
    olivia.follow(olivia.page.get_by_role("button", name="Save"))

    expect(olivia.page.get_by_role("heading", level=1)).to_contain_text(f"{before} again")


def test_where_nothing_can_be_refreshed_the_way_leads_over_the_sign_in(olivia, an_hour_later):
    """Whoever was away for too long signs in again, and comes to the page that was asked for."""
    an_hour_later(olivia, is_revoked=True)
    olivia.open("/photos/3/")
    expect(olivia.page.get_by_role("heading", level=1)).to_have_text("Who do you want to be?")
    olivia.follow(olivia.page.get_by_role("button", name=OLIVIA.name))

    assert olivia.page.url == f"{olivia.home}/photos/3/"
