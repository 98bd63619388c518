"""What an OpenAPI schema made by drf-spectacular says: the bearer token, the Cedar actions, and the refusals."""

from __future__ import annotations

import re
from typing import Any

from drf_spectacular import openapi
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent, build_array_type, build_object_type

from django_avp.gates import single_permissions
from django_avp.rest_framework.actions import cedar_action
from django_avp.rest_framework.fields import PermittedActionsField
from django_avp.rest_framework.permissions import ActionPermission

__all__ = ["AutoSchema", "CognitoScheme", "PermittedActions"]

_TEXT = {"type": "string"}
_REFUSALS: dict[str, dict[str, Any]] = {
    "401": {
        "description": "No token, or one that does not hold.",
        "headers": {"WWW-Authenticate": {"schema": _TEXT}},
    },
    "403": {"description": "The policies do not permit it."},
    "503": {
        "description": "It could not be decided. Try again.",
        "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}},
    },
}


class AutoSchema(openapi.AutoSchema):
    """Adds to operations with ``ActionPermission`` the action (``x-cedar-action``) and the answers 401, 403 and 503.

    For ``REST_FRAMEWORK["DEFAULT_SCHEMA_CLASS"]``.
    """

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> dict[str, Any] | None:
        """The operation, as drf-spectacular describes it and with what is required for it."""
        operation: dict[str, Any] | None = super().get_operation(path, path_regex, path_prefix, method, registry)
        permissions = [one for one in single_permissions(self.view.permission_classes) if isinstance(one, type)]
        if operation is None or not any(issubclass(permission, ActionPermission) for permission in permissions):
            return operation
        # No request has been here to tell a list from a detail, but the route has the keywords.
        self.view.kwargs = dict.fromkeys(re.findall(r"(\w+)>", path_regex), "")
        action = cedar_action(self.view, method.upper())
        if action is not None:
            operation["x-cedar-action"] = action
        content = {media_type: {"schema": self._refusal().ref} for media_type in self.map_renderers("media_type")}
        for status, response in _REFUSALS.items():
            operation["responses"].setdefault(status, {**response, "content": content})
        return operation

    def _refusal(self) -> ResolvedComponent:
        policies = {**build_array_type(_TEXT), "description": "The policies that refused it, if they are shown."}
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            "Refusal",
            ResolvedComponent.SCHEMA,
            object="Refusal",
            schema=build_object_type({"detail": _TEXT, "code": _TEXT, "policies": policies}, required=["detail"]),
        )
        self.registry.register_on_missing(component)
        return component


class CognitoScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """``CognitoAuthentication`` as a bearer token."""

    target_class = "django_avp.rest_framework.authentication.CognitoAuthentication"
    match_subclasses = True
    name = "cognito"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """The scheme of RFC 6750."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class PermittedActions(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """``PermittedActionsField`` as an object of booleans."""

    target_class = PermittedActionsField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """One property for each action."""
        actions = self.target.actions
        return build_object_type({action: {"type": "boolean"} for action in actions}, required=actions)
