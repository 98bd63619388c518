"""Gates: what a view requires before it runs, written down where checks and tools can read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import Http404
from django.shortcuts import get_object_or_404

from django_avp.cedar import UNIDENTIFIED, Check
from django_avp.conf import conf
from django_avp.exceptions import ActionDenied, AuthorizationUnavailable, KeySetUnavailableError
from django_avp.vocabulary import action_uid

if TYPE_CHECKING:
    from django.db import models
    from django.http import HttpRequest

    from django_avp.authorization import Authorization, Resource

__all__ = [
    "Declaration",
    "Gate",
    "authorization_of",
    "declare",
    "declared_authorization",
    "found_or_404",
    "is_identified",
    "permission_classes_of",
    "place_of",
    "single_permissions",
]

Declaration = Literal["gate", "in_view", "not_required"]
"""How a view is authorized: by its gate, by its own code, or not at all."""

_DECLARATION = "avp_authorization"


@dataclass(frozen=True, slots=True)
class Gate:
    """An action that a view requires before it runs.

    Attributes:
        action: the Cedar action.
        resource: how the resource is found: ``(model, URL keyword)``, a callable ``(request, **kwargs)``, or ``None``
            for the application. The keyword names a field, with or without the model's name before it
            (``"slug"``, ``"album_slug"``).
        also: more checks for the same round: actions on the same resource, or pairs of action and resource.
        raise_404: whether a refusal looks as if there were nothing.
    """

    action: str
    resource: tuple[type[models.Model], str] | Callable[..., Any] | None = None
    also: tuple[str | tuple[str, Any], ...] = ()
    raise_404: bool = False

    def admit(self, authorization: Authorization) -> None:
        """Refuse the unidentified, before anything is fetched: 404 against 401 would tell what exists (rule D2).

        Raises:
            ActionDenied: nobody is identified, and no anonymous principal may be asked about.
            AuthorizationUnavailable: the token cannot be verified now.
        """
        if not is_identified(authorization):
            raise ActionDenied(Check(action_uid(self.action), conf.application), UNIDENTIFIED)

    def find(self, request: HttpRequest, kwargs: dict[str, Any]) -> Resource:
        """Find the resource.

        Raises:
            Http404: there is none.
        """
        if self.resource is None:
            return None
        with self.hiding():
            return self._found(self.resource, request, kwargs)

    def _found(self, resource: Any, request: HttpRequest, kwargs: dict[str, Any]) -> Resource:
        if callable(resource):
            return found_or_404(resource(request, **kwargs))
        model, keyword = resource
        if keyword not in kwargs:
            raise ImproperlyConfigured(
                f"action_required({self.action!r}): the URL has no {keyword!r}, only {sorted(kwargs)}. Name one of "
                f"its keywords in resource=({model.__name__}, …)."
            )
        try:
            found: Resource = get_object_or_404(model, **{_field(model, keyword): kwargs[keyword]})
        except (ValueError, ValidationError) as error:
            raise Http404 from error
        return found

    async def afind(self, request: HttpRequest, kwargs: dict[str, Any]) -> Resource:
        """The same as :meth:`find`, to be awaited; the callable may be a coroutine function."""
        if iscoroutinefunction(self.resource):
            with self.hiding():
                return found_or_404(await self.resource(request, **kwargs))
        return await sync_to_async(self.find)(request, kwargs)

    def require(self, authorization: Authorization, resource: Resource) -> None:
        """Decide the gate's action and all that was collected with it, in one round.

        Raises:
            ActionDenied: it is not permitted.
            Http404: it is not, and the gate hides what exists.
            AuthorizationUnavailable: it could not be decided.
        """
        self._collect(authorization, resource)
        try:
            authorization.require(self.action, resource)
        except ActionDenied as error:
            raise self._refusal(authorization, error) from error

    async def arequire(self, authorization: Authorization, resource: Resource) -> None:
        """The same as :meth:`require`, to be awaited."""
        # Apart from the event loop, because AVP_CONTEXT may ask the database.
        await sync_to_async(self._collect)(authorization, resource)
        try:
            await authorization.arequire(self.action, resource)
        except ActionDenied as error:
            raise self._refusal(authorization, error) from error

    @contextmanager
    def hiding(self) -> Iterator[None]:
        """Where a gate hides what exists, have what is absent say no more: pages and APIs show the exception's text."""
        try:
            yield
        except Http404 as error:
            if not self.raise_404:
                raise
            raise Http404 from error

    def _collect(self, authorization: Authorization, resource: Resource) -> None:
        for item in self.also:
            if isinstance(item, str):
                authorization.collect(item, resource)
            else:
                authorization.collect(*item)

    def _refusal(self, authorization: Authorization, error: ActionDenied) -> Exception:
        is_hidden = self.raise_404 and authorization.has_identity
        return Http404() if is_hidden else error


def _field(model: type[models.Model], keyword: str) -> str:
    """The field that a URL keyword names: ``album_slug`` is an album's slug, unless it has such a field."""
    is_field = any(keyword in (field.name, getattr(field, "attname", "")) for field in model._meta.get_fields())
    return keyword if is_field else keyword.removeprefix(f"{model._meta.model_name}_")


def is_identified(authorization: Authorization) -> bool:
    """Whether there is somebody to ask about: a token's principal, or the anonymous one if there was no token.

    Raises:
        AuthorizationUnavailable: the token cannot be verified now.
    """
    authorization.mark_used()
    if isinstance(authorization.fault, KeySetUnavailableError):
        raise AuthorizationUnavailable("The keys that verify tokens cannot be fetched.")
    is_anonymous = conf.anonymous_principal is not None and authorization.fault is None
    return authorization.has_identity or is_anonymous


def declare(view: Any, declaration: Declaration) -> None:
    """Mark a view with how it is authorized. Wrappers that Django's decorators make of it carry the mark along."""
    setattr(view, _DECLARATION, declaration)


def declared_authorization(view: Any) -> Declaration | None:
    """How a view says that it is authorized; ``None`` if it does not say."""
    marked = [view, *permission_classes_of(view)]
    return next((mark for one in marked if (mark := getattr(one, _DECLARATION, None)) is not None), None)


def permission_classes_of(view: Any) -> Iterator[Any]:
    """The permission classes of a view of Django REST framework, as URLs hold it."""
    initial: Mapping[str, Any] = getattr(view, "initkwargs", {})
    classes = initial.get("permission_classes", getattr(getattr(view, "cls", None), "permission_classes", ()))
    yield from single_permissions(classes)


def single_permissions(permission_classes: Iterable[Any]) -> Iterator[Any]:
    """Permission classes of Django REST framework, in the place of those that are composed of them."""
    waiting = list(permission_classes)
    while waiting:
        permission = waiting.pop(0)
        operands = [getattr(permission, name) for name in ("op1_class", "op2_class") if hasattr(permission, name)]
        waiting += operands
        if not operands:
            yield permission


def place_of(view: Any) -> str:
    """The dotted path of a view; of its class, if it is made by one."""
    named = getattr(view, "view_class", view)
    return f"{named.__module__}.{getattr(named, '__qualname__', type(named).__qualname__)}"


def found_or_404(resource: Resource) -> Resource:
    """Return what was looked for; nothing is not the application, on which more might be permitted.

    Raises:
        Http404: it is ``None``.
    """
    if resource is None:
        raise Http404
    return resource


def authorization_of(request: HttpRequest) -> Authorization:
    """The request's authorization.

    Raises:
        ImproperlyConfigured: the middleware is not installed.
    """
    authorization: Authorization | None = getattr(request, "avp", None)
    if authorization is None:
        raise ImproperlyConfigured(
            "request.avp is missing. Add 'django_avp.middleware.AuthorizationMiddleware' to MIDDLEWARE, after "
            "'django.contrib.auth.middleware.AuthenticationMiddleware'; for an API alone, CognitoAuthentication among "
            "the authentication classes of Django REST framework is enough."
        )
    authorization.serve(request)
    return authorization
