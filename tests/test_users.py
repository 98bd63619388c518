"""The Django user of an identity."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError

from django_avp.authorization import Authorization
from django_avp.identity import Identity
from django_avp.users import TokenUser, _create, resolve_user

pytestmark = pytest.mark.django_db

POOL = "eu-west-1_AbCdEf123"


def identity(sub="ann"):
    return Identity.from_claims({"sub": sub})


def test_a_user_is_made_on_first_sight_and_found_after():
    """One row per principal, without a password that works."""
    first = resolve_user(identity())

    assert first.username == f"{POOL}|ann"
    assert not first.has_usable_password()
    assert not first.is_staff
    assert resolve_user(identity()) == first


def test_another_field_may_hold_the_id(settings):
    """A project's own user model may have a column for it."""
    settings.AVP_USER_ID_FIELD = "first_name"
    row = get_user_model().objects.create(username="ann", first_name=f"{POOL}|ann")

    assert resolve_user(identity()) == row


def test_an_id_that_does_not_fit_makes_no_user(caplog):
    """A shortened id would be somebody else's."""
    assert resolve_user(identity("x" * 200)) is None
    assert "avp.user_id_too_long" in caplog.messages
    assert not get_user_model().objects.exists()


def test_two_first_requests_make_one_user():
    """Who comes second, and looked before the first had made the row, takes that row."""
    first = resolve_user(identity())

    assert _create(first.username) == first
    assert get_user_model().objects.count() == 1


def test_a_collation_that_confuses_ids_makes_no_user(monkeypatch):
    """The insert fails, the exact row is not there, and nobody is taken for the token's user."""

    def refuse(self, *args, **kwargs):
        raise IntegrityError

    monkeypatch.setattr(get_user_model(), "save", refuse)

    assert resolve_user(identity()) is None


def test_a_resolver_decides_alone(settings):
    """Neither found nor made: what the project says."""
    settings.AVP_USER_RESOLVER = lambda identity: None
    assert resolve_user(identity()) is None
    assert not get_user_model().objects.exists()


def test_a_resolver_may_give_one_user_to_several_requests(settings):
    """Each request has its own authorization: one user may stand for all tokens of a service."""
    shared = get_user_model().objects.create(username="service")
    settings.AVP_USER_RESOLVER = lambda identity: shared
    first, second = Authorization(identity("ann")), Authorization(identity("bob"))

    assert first.user == second.user == shared
    assert first.user.avp is first
    assert second.user.avp is second
    assert not hasattr(shared, "avp")


def test_a_token_user_looks_like_a_user(settings, django_assert_num_queries):
    """It can be compared and shown, has Django's permission methods, and needs no database."""
    settings.AVP_USER_MODE = "token"
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    with django_assert_num_queries(0):
        user = resolve_user(identity())

        assert isinstance(user, TokenUser)
        assert user == TokenUser(f"{POOL}|ann")
        assert user != TokenUser(f"{POOL}|bob")
        assert user != get_user_model()(username=f"{POOL}|ann")
        assert len({user, TokenUser(f"{POOL}|ann")}) == 1
        assert str(user) == user.get_username() == user.pk == f"{POOL}|ann"
        assert user.is_authenticated
        assert user.is_active
        assert not user.is_anonymous
        assert not user.is_staff
        assert not user.has_perm("testapp.change_photo")
        assert not user.has_perms(["testapp.change_photo"])
        assert not user.has_module_perms("testapp")
        assert user.get_all_permissions() == set()
