"""What the admins of models and of inlines share: names of actions, decisions about rows, and permitted querysets."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.sites import AdminSite
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from django_avp.admin.pages import page_of
from django_avp.admin.widgets import OfferedRawIdWidget
from django_avp.authorization import Resource
from django_avp.cedar import Cause
from django_avp.exceptions import AuthorizationUnavailable, UntranslatablePolicyError
from django_avp.gates import authorization_of, place_of
from django_avp.vocabulary import model_action

__all__ = ["OF_MODELS", "PolicyOptions", "is_permitted"]

OF_MODELS = ("list", "add")
"""Permissions that are asked about the application, whatever rows are chosen."""

_VERBS = {"list": "List", "add": "Create", "view": "View", "change": "Edit", "delete": "Delete"}


class PolicyOptions(BaseModelAdmin):  # type: ignore[type-arg]
    """Options of an admin whose permissions are Cedar actions.

    Attributes:
        avp_actions: the Cedar action of each permission; what it does not name is derived from the model:
            ``ListPhotos``, ``ViewPhoto``, ``CreatePhoto``, ``EditPhoto``, ``DeletePhoto``. ``None`` is for nobody.
        on_untranslatable: what to do about a policy that has no exact counterpart in SQL: ``"check"`` decides about up
            to 1,000 rows one by one, ``"raise"`` raises; see :meth:`.Authorization.permitted`.
    """

    avp_actions: ClassVar[Mapping[str, str | None]] = {}
    on_untranslatable: ClassVar[Literal["check", "raise"]] = "check"

    def __init__(self, model: Any, admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)  # type: ignore[call-arg]  # what stands behind this class takes both
        # Wrapped, not overridden: an admin that writes its own, without super(), is filtered, too.
        get_queryset = self.get_queryset

        def get_permitted(request: HttpRequest) -> QuerySet[Any]:
            queryset, narrowed = get_queryset(request), page_of(request).narrowed.get(self.page_key)
            # First, because what has no counterpart in SQL is decided row by row.
            return self.permitted(request, "view", queryset.filter(**narrowed) if narrowed else queryset)

        vars(self)["get_queryset"] = get_permitted

    def get_avp_action(self, permission: str) -> str | None:
        """The Cedar action of a permission; ``None`` if nobody has it.

        Args:
            permission: ``"list"``, ``"view"``, ``"add"``, ``"change"``, ``"delete"``, or another of ``avp_actions``.

        Raises:
            ImproperlyConfigured: nothing tells.
        """
        if permission in self.avp_actions:
            return self.avp_actions[permission] or None
        if permission not in _VERBS:
            raise ImproperlyConfigured(
                f"{type(self).__name__}.avp_actions does not say which Cedar action {permission!r} is. Add it: "
                f'avp_actions = {{"{permission}": "PublishPhoto"}}.'
            )
        return model_action(_VERBS[permission], self._model.__name__)

    def named_actions(self) -> Iterator[tuple[str, str, Any]]:
        """The actions that the admin asks, each with where it is named and what it is asked about.

        For tools: the last is as in a gate, a pair that begins with a model, ``None`` for the application, or a
        callable.
        """
        for permission, resource in self.asked_about().items():
            action = self.get_avp_action(permission)
            if action is not None:
                yield f"{place_of(type(self))}.avp_actions[{permission!r}]", action, resource

    def asked_about(self) -> dict[str, Any]:
        """What each permission is asked about: a row, which is a pair with its model, or ``None``, the application."""
        return dict.fromkeys((*_VERBS, *self.avp_actions), (self._model, "pk")) | dict.fromkeys(OF_MODELS)

    def permits(self, request: HttpRequest, permission: str, resource: Resource = None) -> bool:
        """Whether the policies permit the action of a permission, on an object or on the application.

        An object that is not stored, yet or any more, permits nothing.

        Raises:
            AuthorizationUnavailable: it could not be decided.
        """
        action = self.get_avp_action(permission)
        if action is None or not _is_stored(resource):
            return False
        if resource is None and page_of(request).is_collecting:
            authorization_of(request).collect(action)
            page_of(request).assumed.add(action)
            return True
        return is_permitted(request, action, resource)

    def may_have_rows(self, request: HttpRequest, permission: str) -> bool:
        """Whether there can be objects that the policies permit a permission on, whatever rows there are.

        Told from the policies, without a round and without a query for rows; true where they are not known.
        """
        action = self.get_avp_action(permission)
        if action is None:
            return False
        try:
            rows: QuerySet[Any] = authorization_of(request).permitted(action, QuerySet(self._model))
        except (UntranslatablePolicyError, AuthorizationUnavailable):
            # Each row is decided anyway.
            return True
        return not rows.query.is_empty()

    def collect(self, request: HttpRequest, permissions: Iterable[str], rows: Any = None) -> None:
        """Have permissions on one stored object, on several, or on the application decided in the next round."""
        actions = [action for name in permissions if (action := self.get_avp_action(name)) is not None]
        authorization_of(request).collect(actions, rows)

    def find_rows(self, request: HttpRequest, formset: Any) -> Any:
        """The rows of a formset, if they were fetched before; ``None`` if they were not."""
        return None

    # What a relation's field offers

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> Any:
        """What a relation's field offers: the rows that may be viewed, and those that the shown rows have already."""
        return self._offered(request, db_field, super().get_field_queryset(db, db_field, request), db)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The field of a relation; it offers no other rows if it is given a queryset."""
        is_raw = db_field.name in self.raw_id_fields and db_field.name not in self.get_autocomplete_fields(request)
        if is_raw and self._options_of(db_field) is not None:
            widget = OfferedRawIdWidget(db_field.remote_field, self.admin_site, using=kwargs.get("using"))
            kwargs.setdefault("widget", widget)
        return super().formfield_for_foreignkey(db_field, request, **self._narrowed(request, db_field, kwargs))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The same as :meth:`formfield_for_foreignkey`, for several rows."""
        return super().formfield_for_manytomany(db_field, request, **self._narrowed(request, db_field, kwargs))

    def _narrowed(self, request: HttpRequest, db_field: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
        if "queryset" in kwargs:
            kwargs["queryset"] = self._offered(request, db_field, kwargs["queryset"], kwargs.get("using"))
        return kwargs

    def _options_of(self, db_field: Any) -> PolicyOptions | None:
        """The policy admin of what a field refers to, if the site has one."""
        options: Any = self.admin_site._registry.get(db_field.remote_field.model)
        return options if isinstance(options, PolicyOptions) else None

    def _offered(self, request: HttpRequest, db_field: Any, queryset: Any, db: str | None) -> Any:
        options = self._options_of(db_field)
        if options is None:
            return queryset
        every = db_field.remote_field.model._default_manager.using(db).all() if queryset is None else queryset
        viewed = options.permitted(request, "view", every)
        shown = [row.pk for row in page_of(request).rows.get(self.page_key, ())]
        if not shown:
            return viewed
        # Without them the form would refuse to save what nobody changed.
        kept: Any = QuerySet(db_field.model).filter(pk__in=shown).values(f"{db_field.name}__pk")
        return every.filter(Q(pk__in=viewed.order_by().values("pk")) | Q(pk__in=kept))

    @property
    def page_key(self) -> Hashable:
        """What tells this admin from the others of a page."""
        return type(self), self._model

    @property
    def _model(self) -> type[Model]:
        model: type[Model] = self.opts.model
        return model

    def permitted(self, request: HttpRequest, permission: str, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows of a queryset that the policies permit a permission on."""
        action = self.get_avp_action(permission)
        if action is None:
            return queryset.none()
        return authorization_of(request).permitted(action, queryset, on_untranslatable=self.on_untranslatable)


def is_permitted(request: HttpRequest, action: str, resource: Resource = None) -> bool:
    """Whether the policies permit an action.

    Raises:
        AuthorizationUnavailable: it could not be decided, which is not a refusal.
    """
    decision = authorization_of(request).can(action, resource)
    if decision.cause is Cause.UNAVAILABLE:
        raise AuthorizationUnavailable
    return bool(decision)


def _is_stored(resource: Resource) -> bool:
    return not isinstance(resource, Model) or (resource.pk is not None and not resource._state.adding)
