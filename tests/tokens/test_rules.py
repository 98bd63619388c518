"""Tests of ``django_avp.tokens.rules``: what the settings say, and whether they still say it."""

from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_avp.conf import conf
from django_avp.tokens.rules import RuleReader

POOL = "eu-west-1_AbCdEf123"


def revoked(claims: object) -> bool:
    """Name a function for a setting."""
    return False


def test_rules_are_what_the_settings_say(settings, mint):
    """Each rule is the setting of its name."""
    settings.AVP_JWKS = mint.jwks
    settings.AVP_LEEWAY = 3
    settings.AVP_TOKEN_USE = "id"
    rules = RuleReader().current()

    assert (rules.pools, rules.kinds, rules.leeway) == (conf.issuers, ("id",), 3)
    assert (rules.jwks, rules.jwks_url, rules.memory) == (mint.jwks, None, 1000)
    assert rules.clients == {POOL: ("client-1",)}
    assert not rules.is_revocable
    settings.AVP_TOKEN_REVOKED = revoked
    assert RuleReader().current().is_revocable


@pytest.mark.parametrize(
    ("given", "clients"),
    [("a", ("a",)), (["a", "b"], ("a", "b")), ({"a"}, ("a",)), (("a",), ("a",)), (None, None), ([], ())],
)
def test_clients_are_a_collection_or_any(settings, given, clients):
    """A text is one client, None is any, and a list that changes later changes no rule that was made of it."""
    settings.AVP_USER_POOLS = {POOL: given}

    assert RuleReader().current().clients == {POOL: clients}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AVP_USER_POOLS", {POOL: ["client-1", "client-2"]}),
        ("AVP_ISSUERS", {POOL: "http://localhost:9229"}),
        ("AVP_TOKEN_USE", "id"),
        ("AVP_LEEWAY", 1),
        ("AVP_JWKS", {"keys": []}),
        ("AVP_JWKS_URL", "http://localhost:9229/jwks.json"),
        ("AVP_TOKEN_MEMORY", 5),
        ("AVP_TOKEN_REVOKED", revoked),
        ("AVP_TOKEN_REVOKED", f"{__name__}.revoked"),
    ],
)
def test_rules_are_the_same_until_a_setting_changes(name, value):
    """The same object says that nothing has changed; an assignment, an override and its end are changes."""
    reader = RuleReader()
    first = reader.current()
    assert reader.current() is first

    with override_settings(**{name: value}):
        second = reader.current()
        assert second is not first
        assert reader.current() is second
        setattr(django_settings, name, getattr(django_settings, name))
        assert reader.current() is second
        delattr(django_settings, name)
        if name == "AVP_USER_POOLS":
            with pytest.raises(ImproperlyConfigured):
                reader.current()
        else:
            assert reader.current() is not second

    assert reader.current() is not second


def test_a_wrong_setting_is_told_each_time(settings):
    """What cannot be made into rules is an error until it is mended."""
    reader = RuleReader()
    before = reader.current()
    settings.AVP_LEEWAY = "5"
    for _ in range(2):
        with pytest.raises(ImproperlyConfigured, match="AVP_LEEWAY"):
            reader.current()

    settings.AVP_LEEWAY = 0
    assert reader.current() is not before
