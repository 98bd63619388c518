"""What ``manage.py check`` says about a sign-in that cannot come to its end."""

from __future__ import annotations

import pytest
from django.core import checks

from django_avp.signin.checks import check_sign_in

SESSION = "django.contrib.sessions.backends."


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({}, []),
        ({"AVP_TOKEN_SOURCES": ["django_avp.tokens.sources.Session"]}, ["E037"]),
        ({"SESSION_ENGINE": f"{SESSION}signed_cookies"}, ["E038"]),
        ({"SESSION_ENGINE": f"{SESSION}cached_db"}, []),
        ({"SESSION_COOKIE_SAMESITE": "Strict"}, ["E039"]),
        ({"AVP_USER_POOLS": {"eu-west-1_AbCdEf123": ["a", "b"]}}, ["E001"]),
        ({"AVP_SIGN_IN_CLIENT_SECRET": b"secret"}, ["E001"]),
        ({"AVP_SIGN_IN_SCOPES": 5}, ["E001"]),
        ({"AVP_SIGN_IN_DISCOVERY_URL": 5}, ["E001"]),
    ],
    ids=repr,
)
def test_a_sign_in_that_would_fail_is_told_before(pool, settings, changes, ids):
    """Each fault has an id of its own, and a cure."""
    for name, value in changes.items():
        setattr(settings, name, value)
    found = check_sign_in()

    assert [message.id for message in found] == [f"django_avp.{id_}" for id_ in ids]
    assert all(message.hint or message.id == "django_avp.E001" for message in found)
    assert "secret" not in str(found).replace("CLIENT_SECRET", "")


def test_a_site_without_a_sign_in_is_told_nothing(settings):
    """Its settings are not about one, whatever was imported."""
    settings.SESSION_COOKIE_SAMESITE = "Strict"

    assert check_sign_in() == []


@pytest.mark.django_db
def test_manage_py_check_runs_it(pool, settings):
    """It is registered with the app."""
    settings.SESSION_COOKIE_SAMESITE = "Strict"

    assert "django_avp.E039" in [message.id for message in checks.run_checks()]
