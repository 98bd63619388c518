"""The gate of class-based views, sync and async."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import classonlymethod
from django.views.generic import View
from django.views.generic.detail import SingleObjectMixin
from django.views.generic.edit import BaseCreateView
from django.views.generic.list import MultipleObjectMixin

from django_avp.authorization import Authorization, Resource
from django_avp.gates import Gate, authorization_of, declare, found_or_404
from django_avp.planning import begin_view, fetch_object, plan_view

__all__ = ["ActionRequiredMixin"]


class ActionRequiredMixin(View):
    """Lets a view run only if the policies permit ``action_required``. It stands first among the bases.

    Attributes:
        action_required: the Cedar action.
        permitted_action: the Cedar action that each row of the view's queryset has to permit; empty for all rows.
        on_untranslatable: what to do about a policy that has no exact counterpart in SQL: ``"check"`` decides about up
            to 1,000 rows one by one, ``"raise"`` raises; see :meth:`.Authorization.permitted`.
        raise_404: whether a refusal looks as if there were nothing.
    """

    action_required: ClassVar[str] = ""
    permitted_action: ClassVar[str] = ""
    on_untranslatable: ClassVar[Literal["check", "raise"]] = "check"
    raise_404: ClassVar[bool] = False

    @classonlymethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """The view as a function, marked as gated."""
        view: Callable[..., HttpResponseBase] = super().as_view(**initkwargs)
        declare(view, "gate")
        return view

    def get_action_resource(self) -> Resource:
        """The resource of the gate: the view's object, if it is a view of one, else the application.

        The object is judged as it is stored, before the view changes it, and is not fetched twice.
        """
        view: Any = self
        if not isinstance(view, SingleObjectMixin) or isinstance(view, BaseCreateView):
            return None
        try:
            return found_or_404(fetch_object(view))
        except AttributeError as error:
            # As Django's documentation has it, get_queryset() reads what get() sets.
            if not issubclass(type(view), MultipleObjectMixin):
                raise
            raise ImproperlyConfigured(
                f"{type(self).__name__} has an object and a list, and its gate cannot get the object before the view "
                "runs. Return the resource from get_action_resource()."
            ) from error

    def get_also_checks(self) -> Iterable[tuple[str, Any]]:
        """More checks for the gate's round, pairs of an action and a resource or resources.

        What the view's template asks joins by itself; see :mod:`django_avp.planning`.
        """
        return ()

    def get_planning_context(self) -> Mapping[str, Any]:
        """More names that the template will be given and that are known now; what it asks about them joins the round.

        Only what the template asks in any case is decided early, so give the same objects to the template, which then
        finds them as they are: keep them in a ``cached_property``.
        """
        return {}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Pass the gate, then handle the request."""
        if self.view_is_async:
            return self._adispatch(request, *args, **kwargs)  # type: ignore[return-value]
        authorization = authorization_of(request)
        gate = self._gate()
        gate.admit(authorization)
        self._filter_rows(authorization)
        with gate.hiding():
            resource = self.get_action_resource()
        self._collect(request)
        gate.require(authorization, resource)
        begin_view(self)
        return super().dispatch(request, *args, **kwargs)

    async def _adispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        authorization = authorization_of(request)
        gate = self._gate()
        gate.admit(authorization)
        self._filter_rows(authorization)
        with gate.hiding():
            resource = await sync_to_async(self.get_action_resource)()
        await sync_to_async(self._collect)(request)
        await gate.arequire(authorization, resource)
        begin_view(self)
        return await super().dispatch(request, *args, **kwargs)  # type: ignore[no-any-return,misc]

    def _gate(self) -> Gate:
        if not self.action_required:
            raise ImproperlyConfigured(
                f"{type(self).__name__}.action_required is not set. Name the Cedar action: "
                'action_required = "ViewPhoto".'
            )
        return Gate(self.action_required, raise_404=self.raise_404)

    def _filter_rows(self, authorization: Authorization) -> None:
        """Leave what ``permitted_action`` is permitted on of whatever ``get_queryset`` returns.

        It is wrapped, not overridden: a view that writes its own, without ``super()``, is filtered, too.
        """
        if not self.permitted_action:
            return
        get_queryset: Callable[[], Any] | None = getattr(self, "get_queryset", None)
        if get_queryset is None:
            raise ImproperlyConfigured(
                f"{type(self).__name__}.permitted_action filters a queryset, and the view has none. Remove it, or use "
                "a ListView."
            )

        def get_permitted(**narrowed: Any) -> Any:
            queryset = get_queryset()
            if not isinstance(queryset, QuerySet):
                raise ImproperlyConfigured(
                    f"{type(self).__name__}.permitted_action filters a queryset, and get_queryset() returned a "
                    f"{type(queryset).__name__}."
                )
            rows = queryset.filter(**narrowed) if narrowed else queryset
            return authorization.permitted(self.permitted_action, rows, on_untranslatable=self.on_untranslatable)

        def get_object(queryset: Any = None) -> Any:
            # Narrowed first, because what has no counterpart in SQL is decided row by row.
            rows = get_permitted(**_in_address(view)) if queryset is None else queryset
            return SingleObjectMixin.get_object(view, rows)

        view: Any = self
        vars(self)["get_queryset"] = get_permitted
        if getattr(type(self), "get_object", None) is SingleObjectMixin.get_object:
            vars(self)["get_object"] = get_object

    def _collect(self, request: HttpRequest) -> None:
        authorization = authorization_of(request)
        for action, resources in self.get_also_checks():
            authorization.collect(action, resources)
        plan_view(self, authorization, self.get_planning_context)


def _in_address(view: Any) -> dict[str, Any]:
    """What the address of a view says of its object, as a filter's arguments: its key, else its slug."""
    pk, slug = view.kwargs.get(view.pk_url_kwarg), view.kwargs.get(view.slug_url_kwarg)
    if pk is not None:
        return {"pk": pk}
    return {} if slug is None else {view.get_slug_field(): slug}
