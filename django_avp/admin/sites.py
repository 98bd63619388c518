"""The admin site by Cedar policies: who gets in, where they sign in, and what the index shows, in one round."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.admin.sites import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.views import shortcut
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import URLPattern, URLResolver, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from django_avp.admin.base import is_permitted
from django_avp.admin.log import ViewableEntries
from django_avp.admin.options import PolicyModelAdmin, collect_models
from django_avp.gates import Gate, authorization_of, declare, place_of

__all__ = ["PolicyAdminSite"]


class PolicyAdminSite(AdminSite):
    """An admin site that an action on the application opens.

    Its models have admins of every kind: those of :class:`.PolicyModelAdmin` ask the policies, all others ask
    ``user.has_perm`` as ever.

    Attributes:
        avp_action: the Cedar action that opens the site, in place of Django's rule, which ``None`` keeps: active and
            staff.
    """

    avp_action: ClassVar[str | None] = None

    def named_actions(self) -> Iterator[tuple[str, str, Any]]:
        """The action that opens the site, with where it is named; for tools, as of an admin."""
        if self.avp_action is not None:
            yield f"{place_of(type(self))}.avp_action", self.avp_action, None

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the site is open to the user.

        Raises:
            AuthorizationUnavailable: it could not be decided.
        """
        if self.avp_action is None:
            return super().has_permission(request)
        return is_permitted(request, self.avp_action)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """A view behind the gate; what the page asks is decided in the gate's round."""
        admitted = super().admin_view(self._of_visible(view) if view is shortcut else view, cacheable)

        @wraps(admitted)
        def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if self.avp_action is not None:
                self._require(self.avp_action, view, request, kwargs)
            return admitted(request, *args, **kwargs)

        declare(gated, "gate")
        return gated

    def get_urls(self) -> list[Any]:
        """The site's addresses, marked as gated where they are, for ``AuthorizationRequiredMiddleware``."""
        urls = super().get_urls()
        for view in _views(urls):
            # Django calls admin_view anew for every request, in a function that carries one of these.
            if hasattr(view, "admin_site") or hasattr(view, "model_admin"):
                declare(view, "gate")
        return urls

    @method_decorator(never_cache)
    @login_not_required
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to the project's sign-in page: a password makes no token, so nobody whom policies know.

        Where ``LOGIN_URL`` is this page, it is Django's form.
        """
        if resolve_url(settings.LOGIN_URL) == request.path:
            return super().login(request, extra_context)
        index = reverse("admin:index", current_app=self.name)
        if self.has_permission(request):
            return HttpResponseRedirect(index)
        if request.user.is_authenticated:
            # The sign-in page would lead back here, for ever (rule C3).
            raise PermissionDenied
        return redirect_to_login(request.GET.get(REDIRECT_FIELD_NAME, index))

    declare(login, "not_required")

    def get_log_entries(self, request: HttpRequest) -> Any:
        """The entries of the log, without those of rows that may not be viewed."""
        return ViewableEntries.of(super().get_log_entries(request), self, request)

    def _policy_admins(self) -> list[PolicyModelAdmin]:
        return [one for one in self._registry.values() if isinstance(one, PolicyModelAdmin)]

    def _require(self, action: str, view: Any, request: HttpRequest, kwargs: dict[str, Any]) -> None:
        gate, authorization = Gate(action), authorization_of(request)
        gate.admit(authorization)
        authorization.collect(action)
        options = getattr(view, "__self__", None)
        if isinstance(options, PolicyModelAdmin):
            options.collect_page(request, view.__name__, kwargs.get("object_id"))
        else:
            collect_models(self, request)
        gate.require(authorization, None)

    def _of_visible(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """The redirect to an object's page on the site, for objects that may be viewed: their addresses tell names."""

        @wraps(view)
        def of_visible(request: HttpRequest, content_type_id: str, object_id: str) -> Any:
            # Django reads a number as Python does, which knows more ways to write one.
            is_number = re.fullmatch("[0-9]{1,20}", content_type_id)
            content_type = ContentType.objects.filter(pk=content_type_id).first() if is_number else None
            if content_type is None:
                raise Http404
            model: Any = content_type.model_class()
            # A proxy, and a child with a table of its own, are the same row.
            asked = [one for one in self._policy_admins() if model and issubclass(model, _table_of(one))]
            if asked and not any(one.get_object(request, object_id) for one in asked):
                raise Http404
            return view(request, str(content_type.pk), object_id)

        return of_visible


def _table_of(options: PolicyModelAdmin) -> Any:
    return options.opts.concrete_model


def _views(urls: Iterable[URLPattern | URLResolver]) -> Iterator[Any]:
    for url in urls:
        if isinstance(url, URLResolver):
            yield from _views(url.url_patterns)
        else:
            yield url.callback
