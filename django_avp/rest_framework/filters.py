"""The rows that a reader may see, of a list or behind the address of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from rest_framework.filters import BaseFilterBackend

from django_avp.cedar import Cause
from django_avp.gates import place_of
from django_avp.rest_framework.actions import is_about_an_object, needed_actions, viewing_action
from django_avp.rest_framework.authentication import identified
from django_avp.rest_framework.exceptions import AuthorizationUnavailableError
from django_avp.rest_framework.fields import collect_rows

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

    from django_avp.authorization import Authorization

__all__ = ["PermittedFilterBackend"]


class PermittedFilterBackend(BaseFilterBackend):
    """Leaves the rows on which the policies permit the view's ``avp_permitted_action``.

    Unless the view names it, that is what it requires to retrieve one object, such as ``ViewPhoto``. What is hidden is
    404 by its address, too. It stands last among the filter backends.

    All rows that the backends before it leave are decided in one round, together with what the serializer tells about
    them, so that pages and counts agree. There may be ``max_rows`` of them: whoever has more narrows the queryset
    first. (That policies become part of the query is planned, and will lift this.)
    """

    max_rows = 1000

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """The permitted part of a queryset, already fetched.

        Raises:
            AuthorizationUnavailableError: it could not be decided; 503.
            ImproperlyConfigured: there are more than ``max_rows`` rows, or it is not known which action they need.
        """
        authorization = identified(request)
        if authorization is None:
            return queryset.none()
        rows = self._candidates(request, queryset, view)
        permitted = self._permitted(request, rows, view, authorization)
        queryset = queryset.filter(pk__in=[row.pk for row in permitted])
        # The rows are at hand: nobody needs to fetch or count them again.
        queryset._result_cache = permitted
        queryset._prefetch_done = True  # type: ignore[attr-defined]
        return queryset

    def _candidates(self, request: Request, queryset: QuerySet[Any], view: Any) -> list[Any]:
        keyword = view.lookup_url_kwarg or view.lookup_field
        if is_about_an_object(view, str(request.method)) and keyword in view.kwargs:
            try:
                queryset = queryset.filter(**{view.lookup_field: view.kwargs[keyword]})
            except (TypeError, ValueError, ValidationError):
                # Not a key at all, which the view will answer with 404.
                return []
        rows = list(queryset[: self.max_rows + 1])
        if len(rows) > self.max_rows:
            raise ImproperlyConfigured(
                f"{place_of(type(view))} lists more than {self.max_rows} rows, and PermittedFilterBackend decides "
                "about each. Narrow its queryset, or raise max_rows in a subclass."
            )
        return rows

    def _permitted(self, request: Request, rows: list[Any], view: Any, authorization: Authorization) -> list[Any]:
        action = getattr(view, "avp_permitted_action", None) or viewing_action(view)
        if action is None:
            raise ImproperlyConfigured(
                f"{place_of(type(view))} has a PermittedFilterBackend, and does not say which action its rows need: "
                'avp_permitted_action = "ViewPhoto".'
            )
        authorization.collect(action, rows)
        if is_about_an_object(view, str(request.method)):
            authorization.collect([needed for _, needed in needed_actions(view, str(request.method))], rows)
        collect_rows(view.get_serializer(rows, many=True), rows, authorization)
        decisions = [(row, authorization.can(action, row)) for row in rows]
        if any(decision.cause is Cause.UNAVAILABLE for _, decision in decisions):
            raise AuthorizationUnavailableError
        return [row for row, decision in decisions if decision]
