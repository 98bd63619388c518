"""The Django user of an identity: a row of the user model, or a stateless user without a database."""

from __future__ import annotations

import logging
from copy import copy
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group, Permission, PermissionsMixin
from django.db import IntegrityError, transaction
from django.db.models.manager import EmptyManager

from django_avp.conf import conf
from django_avp.identity import Identity

__all__ = ["TokenUser", "resolve_user"]

logger = logging.getLogger("django_avp")


class TokenUser:
    """A signed-in user who exists only as a verified token (``AVP_USER_MODE = "token"``).

    It has a user's permission methods, which ask the authentication backends, and no row: ``pk`` is the principal id.
    It is never a superuser, because Django lets those through before any backend is asked (rule B4).
    """

    is_active = True
    is_anonymous = False
    is_authenticated = True
    is_staff = False
    is_superuser = False
    # What ModelBackend looks for: no permission of a table belongs to a token.
    groups = EmptyManager(Group)
    user_permissions = EmptyManager(Permission)

    # A user's methods, asked of the authentication backends as for every other user.
    get_user_permissions = PermissionsMixin.get_user_permissions
    aget_user_permissions = PermissionsMixin.aget_user_permissions
    get_group_permissions = PermissionsMixin.get_group_permissions
    aget_group_permissions = PermissionsMixin.aget_group_permissions
    get_all_permissions = PermissionsMixin.get_all_permissions
    aget_all_permissions = PermissionsMixin.aget_all_permissions
    has_perm = PermissionsMixin.has_perm
    ahas_perm = PermissionsMixin.ahas_perm
    has_perms = PermissionsMixin.has_perms
    ahas_perms = PermissionsMixin.ahas_perms
    has_module_perms = PermissionsMixin.has_module_perms
    ahas_module_perms = PermissionsMixin.ahas_module_perms

    def __init__(self, principal_id: str) -> None:
        self.id = self.pk = self.username = principal_id

    def __str__(self) -> str:
        return self.username

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenUser) and self.pk == other.pk

    def __hash__(self) -> int:
        return hash(self.pk)

    def get_username(self) -> str:
        """The principal id."""
        return self.username


def resolve_user(identity: Identity) -> AbstractBaseUser | TokenUser | None:
    """The Django user of an identity, created on first sight; ``None`` if there may be none.

    Users are matched by the whole principal id (rule C7): a part of it, such as the e-mail address, can be chosen by
    its owner.
    """
    if conf.user_mode == "token":
        return TokenUser(identity.principal.id)
    if conf.user_resolver is not None:
        # Each request writes its authorization on its user, and a resolver may give one object to several.
        return copy(conf.user_resolver(identity))
    return _find(identity.principal.id) or _create(identity.principal.id)


def _find(principal_id: str) -> AbstractBaseUser | None:
    rows = get_user_model()._default_manager.filter(**{conf.user_id_field: principal_id})
    # Compared exactly: collations may ignore case and trailing spaces (rule C7).
    return next((row for row in rows if getattr(row, conf.user_id_field) == principal_id), None)


def _create(principal_id: str) -> AbstractBaseUser | None:
    model: Any = get_user_model()
    length = model._meta.get_field(conf.user_id_field).max_length
    if length is not None and len(principal_id) > length:
        logger.error("avp.user_id_too_long", extra={"field": conf.user_id_field, "max_length": length})
        return None
    user: AbstractBaseUser = model(**{conf.user_id_field: principal_id})
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        # Another request was first, or a collation takes another user's id for this one.
        return _find(principal_id)
    return user
