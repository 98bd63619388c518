"""The gate of API views: the policies permit what a request is about to do, or it is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Never

from django.db import models
from rest_framework.exceptions import MethodNotAllowed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BrowsableAPIRenderer

from django_avp.cedar import Cause
from django_avp.exceptions import ActionDenied, AuthorizationUnavailable
from django_avp.gates import place_of
from django_avp.responses import UNIDENTIFIED, denial
from django_avp.rest_framework.actions import is_about_an_object, needed_actions, route_name, routed_actions
from django_avp.rest_framework.authentication import identified
from django_avp.rest_framework.exceptions import AuthorizationUnavailableError, unidentified
from django_avp.rest_framework.fields import collect_object, declared_actions
from django_avp.rest_framework.resources import resource_of

if TYPE_CHECKING:
    from rest_framework.request import Request

    from django_avp.authorization import Authorization, Resource

__all__ = ["ActionPermission"]

logger = logging.getLogger("django_avp")


class ActionPermission(BasePermission):
    """Lets a request pass only if the policies permit the Cedar action that the view maps it to.

    A view names its actions in ``avp_actions``, by REST framework's names of what it does (``"list"``, ``"publish"``)
    or by HTTP method (``"GET"``). What it does not name is derived from its model, if it is one of REST framework's
    own: ``ListPhotos``, ``CreatePhoto``, ``ViewPhoto``, ``EditPhoto``, ``DeletePhoto``. All else is refused.

    Details are asked about their object, which the view's ``get_object`` fetches once. Lists and new rows are asked
    about the view's ``avp_resource`` (an attribute, a method, or a pair of model and URL keyword), or about the
    application. ``OPTIONS`` needs any action of the view, unless ``"metadata"`` names one.

    ``&``, ``|`` and ``~`` combine what the policies decided. A request that nobody stands behind, that no action is
    mapped to, or that could not be decided is refused whatever the permission is combined with.
    """

    avp_authorization = "gate"
    message: Any = None
    code: str | None = None

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the policies permit the request, on the object that it names if it names one.

        Raises:
            APIException: there is nothing to decide, or it was not decided: 401, 403, 404, 405 or 503.
            ImproperlyConfigured: neither the middleware nor ``CognitoAuthentication`` has identified the request.
        """
        authorization = _admitted(request)
        method = str(request.method)
        if method not in view.allowed_methods:
            raise MethodNotAllowed(method)
        questions = [(action, resource_of(view, one)) for one, action in _needed(view, method)]
        if isinstance(getattr(request, "accepted_renderer", None), BrowsableAPIRenderer):
            # Its page has a form or a button for each method that is permitted.
            for one, action in needed_actions(view, "OPTIONS"):
                authorization.collect(action, resource_of(view, one))
        (_, resource), *_ = questions
        if is_about_an_object(view, method) and isinstance(resource, models.Model):
            collect_object(view, resource, authorization)
        return self._decide(authorization, questions)

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        """Whether the policies permit the request on ``obj``; what a view's ``get_object`` returns is decided before.

        Raises what :meth:`has_permission` raises.
        """
        method = str(request.method)
        is_answered = hasattr(getattr(view, "response", None), "renderer_context")
        if is_answered and not is_about_an_object(view, method):
            # The browsable API asks about its form for another row, and names the row that was just made.
            return self.has_permission(request, view)
        return self._decide(_admitted(request), [(action, obj) for _, action in _needed(view, method)])

    @classmethod
    def named_actions(cls, callback: Any) -> Iterator[tuple[str, str | None, Any]]:
        """What a routed view does and tells, each with its Cedar action or ``None``, and what that is asked about.

        For tools: the last is as in a gate, a pair that begins with a model, ``None`` for the application, or a
        callable.
        """
        yield from routed_actions(callback)
        yield from declared_actions(getattr(callback.cls, "serializer_class", None))

    def _decide(self, authorization: Authorization, questions: list[tuple[str, Resource]]) -> bool:
        """Whether any of it is permitted, decided in one round.

        Raises:
            APIException: none is, and not all of it was decided.
        """
        for action, resource in questions:
            authorization.collect(action, resource)
        refusals: list[ActionDenied] = []
        unavailable: AuthorizationUnavailable | None = None
        for action, resource in questions:
            try:
                authorization.require(action, resource)
            except ActionDenied as error:
                refusals.append(error)
            except AuthorizationUnavailable as error:
                unavailable = error
            else:
                return True
        if unavailable is not None:
            raise AuthorizationUnavailableError(unavailable) from unavailable
        self.message, self.code = denial(refusals[0]), "forbidden"
        if any(refusal.decision.cause is not Cause.NONE for refusal in refusals):
            raise PermissionDenied(self.message, self.code) from refusals[0]
        return False


def _admitted(request: Request) -> Authorization:
    """The request's authorization, if there is somebody to ask about, before anything is fetched (rule D2)."""
    authorization = identified(request)
    if authorization is not None:
        return authorization
    if request.successful_authenticator:
        # Signed in by other means, which no policy knows.
        raise PermissionDenied(UNIDENTIFIED, UNIDENTIFIED["code"])
    raise unidentified()


def _needed(view: Any, method: str) -> list[tuple[str, str]]:
    return needed_actions(view, method) or _refuse_unmapped(view, method)


def _refuse_unmapped(view: Any, method: str) -> Never:
    name = route_name(view, method) or method
    logger.error("avp.unmapped_action", extra={"view": place_of(type(view)), "route": name})
    said = {"detail": f"{name!r} is mapped to no action, so nobody may do it.", "code": "unmapped"}
    raise PermissionDenied(said, said["code"])
