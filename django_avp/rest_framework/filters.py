"""The rows that a reader may see, of a list or behind the address of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from django.core.exceptions import ImproperlyConfigured, ValidationError
from rest_framework.filters import BaseFilterBackend

from django_avp.cedar import Cause
from django_avp.exceptions import AuthorizationUnavailable, UntranslatablePolicyError
from django_avp.gates import place_of
from django_avp.rest_framework.actions import is_about_an_object, names_an_object, needed_actions, viewing_action
from django_avp.rest_framework.authentication import identified
from django_avp.rest_framework.exceptions import AuthorizationUnavailableError
from django_avp.rest_framework.fields import collect_object
from django_avp.rest_framework.resources import is_lookup

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

    from django_avp.authorization import Authorization

__all__ = ["PermittedFilterBackend"]


class PermittedFilterBackend(BaseFilterBackend):
    """Leaves the rows on which the policies permit the view's ``avp_permitted_action``.

    Unless the view names it, that is what it requires to retrieve one object, such as ``ViewPhoto``. The policies
    become a part of the query, so that pages and counts agree. What is hidden is 404 by its address, too.

    Attributes:
        on_untranslatable: what to do about a policy that has no exact counterpart in SQL: ``"check"`` decides about up
            to 1,000 rows one by one, ``"raise"`` raises; see :meth:`.Authorization.permitted`.
    """

    on_untranslatable: Literal["check", "raise"] = "check"

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """The permitted part of a queryset.

        Raises:
            AuthorizationUnavailableError: it could not be decided; 503.
            ImproperlyConfigured: it is not known which action the rows need.
            UntranslatablePolicyError: a policy has no exact counterpart in SQL.
        """
        authorization = identified(request)
        if authorization is None:
            return queryset.none()
        if is_about_an_object(view, str(request.method)) and names_an_object(view) and is_lookup(view):
            return self._object(request, queryset, view, authorization)
        try:
            return authorization.permitted(_action(view), queryset, on_untranslatable=self.on_untranslatable)
        except AuthorizationUnavailable as error:
            raise AuthorizationUnavailableError from error

    def _object(
        self, request: Request, queryset: QuerySet[Any], view: Any, authorization: Authorization
    ) -> QuerySet[Any]:
        """The one row that is asked for, already fetched: whether it may be seen is decided with all else about it."""
        rows = _looked_up(queryset, view)
        if not rows:
            return _without_lookup(queryset, view, authorization)
        authorization.collect(_action(view), rows)
        authorization.collect([needed for _, needed in needed_actions(view, str(request.method))], rows)
        for row in rows:
            collect_object(view, row, authorization)
        decisions = [(row, authorization.can(_action(view), row)) for row in rows]
        if any(decision.cause is Cause.UNAVAILABLE for _, decision in decisions):
            raise AuthorizationUnavailableError
        permitted = [row for row, decision in decisions if decision]
        queryset = queryset.filter(pk__in=[row.pk for row in permitted])
        # The row is at hand: nobody needs to fetch it again.
        queryset._result_cache = permitted
        queryset._prefetch_done = True  # type: ignore[attr-defined]
        return queryset


def _looked_up(queryset: QuerySet[Any], view: Any) -> list[Any]:
    try:
        return list(queryset.filter(**{view.lookup_field: view.kwargs[view.lookup_url_kwarg or view.lookup_field]}))
    except (TypeError, ValueError, ValidationError):
        # Not a key at all.
        return []


def _without_lookup(queryset: QuerySet[Any], view: Any, authorization: Authorization) -> QuerySet[Any]:
    """What a view's own ``get_object`` may look for in another way: ``/photos/latest/``."""
    try:
        return authorization.permitted(_action(view), queryset)
    except AuthorizationUnavailable as error:
        raise AuthorizationUnavailableError from error
    except UntranslatablePolicyError:
        # Most often there is nothing at all, and for that nobody decides row by row.
        return queryset.none()


def _action(view: Any) -> str:
    action: str | None = getattr(view, "avp_permitted_action", None) or viewing_action(view)
    if action is None:
        raise ImproperlyConfigured(
            f"{place_of(type(view))} has a PermittedFilterBackend, and does not say which action its rows need: "
            'avp_permitted_action = "ViewPhoto".'
        )
    return action
