"""The permission backend: ``user.has_perm`` answered by the request's own decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import PermissionDenied
from django.db import models

from django_avp.authorization import Authorization, asker_of
from django_avp.cedar import Cause, Decision, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.vocabulary import action_of_permission, action_uid, mapped_permissions

if TYPE_CHECKING:
    from django_avp.schema import Schema

__all__ = ["VerifiedPermissionsBackend"]


class VerifiedPermissionsBackend(BaseBackend):
    """Answers permissions that ``AVP_PERMISSION_ACTIONS`` maps to actions, or that are themselves actions.

    Everything else, and every user without a token, is left to the other backends (rule B5). A refusal by a
    ``forbid``, or no decision at all, raises :exc:`PermissionDenied`, so that no other backend may grant; where no
    policy permits, others may. Django lets active superusers through before it asks any backend (rule B4).
    """

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Whether the policies permit ``perm`` on ``obj``, or on the application."""
        authorization = _authorization(user_obj)
        if authorization is None:
            return False
        action = self._action(authorization, perm, obj)
        return action is not None and _granted(authorization.can(action, obj))

    async def ahas_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """The same as :meth:`has_perm`, to be awaited."""
        authorization = _authorization(user_obj)
        if authorization is None:
            return False
        action = await sync_to_async(self._action)(authorization, perm, obj)
        return action is not None and _granted(await authorization.acan(action, obj))

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Whether any mapped permission of the app is permitted on the application; decided in one round."""
        return bool(self._permitted(user_obj, app_label, None))

    async def ahas_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """The same as :meth:`has_module_perms`, to be awaited."""
        return bool(await self._apermitted(user_obj, app_label, None))

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """The mapped permissions that are permitted, decided in one round; never raises."""
        return self._permitted(user_obj, None, obj)

    async def aget_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """The same as :meth:`get_all_permissions`, to be awaited."""
        return await self._apermitted(user_obj, None, obj)

    def _permitted(self, user_obj: Any, app_label: str | None, obj: Any) -> set[str]:
        authorization = _authorization(user_obj)
        if authorization is None:
            return set()
        actions = self._collect(authorization, app_label, obj)
        return {permission for permission, action in actions.items() if authorization.can(action, obj)}

    async def _apermitted(self, user_obj: Any, app_label: str | None, obj: Any) -> set[str]:
        authorization = _authorization(user_obj)
        if authorization is None:
            return set()
        actions = await sync_to_async(self._collect)(authorization, app_label, obj)
        return {permission for permission, action in actions.items() if await authorization.acan(action, obj)}

    def _collect(self, authorization: Authorization, app_label: str | None, obj: Any) -> dict[str, EntityUid]:
        actions = {
            permission: action
            for permission in mapped_permissions(app_label)
            if (action := self._action(authorization, permission, obj)) is not None
        }
        if actions:  # else it may be anything
            authorization.collect(actions.values(), obj)
        return actions

    def _action(self, authorization: Authorization, perm: str, obj: Any) -> EntityUid | None:
        """The action to ask about; ``None`` if the question is not ours."""
        # A row that is not saved may have a key, and one that is deleted has none.
        if isinstance(obj, models.Model) and (obj.pk is None or obj._state.adding):
            return None
        kind = obj if obj is None or isinstance(obj, EntityUid) else obj.__class__
        try:
            return authorization.permission_actions[perm, kind]
        except KeyError:
            action = _action_of_kind(asker_of(authorization).schema, perm, kind)
            authorization.permission_actions[perm, kind] = action
            return action


def _action_of_kind(schema: Schema | None, perm: str, kind: Any) -> EntityUid | None:
    """The same for any resource of a kind: an entity id, nothing, or a class."""
    resource_type = _resource_type(kind)
    if resource_type is None:
        return None
    mapped = action_of_permission(perm, has_object=kind is not None)
    if schema is None:
        return mapped
    action = mapped or action_uid(perm)
    declared = schema.actions.get(action)
    is_ours = declared is not None and resource_type in declared.resources
    return action if is_ours else None


def _authorization(user_obj: Any) -> Authorization | None:
    """The request's authorization, if it was a token that identified the user."""
    authorization: Authorization | None = getattr(user_obj, "avp", None)
    return authorization if authorization is not None and authorization.has_identity else None


def _resource_type(kind: Any) -> str | None:
    """The type of a resource, which is an entity id, nothing, or an instance of a class."""
    if kind is None:
        return conf.application.type
    if isinstance(kind, EntityUid):
        return kind.in_namespace(conf.namespace).type
    definition = registry.find(kind) if issubclass(kind, models.Model) else None
    return definition.entity_type if definition else None


def _granted(decision: Decision) -> bool:
    if decision.verdict in (Verdict.FORBIDDEN, Verdict.UNDECIDED) or decision.cause is Cause.INACTIVE:
        raise PermissionDenied
    return bool(decision)
