"""The admin of a model by Cedar policies: which rows are seen, and what may be done with each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.options import TO_FIELD_VAR, IncorrectLookupParameters, ModelAdmin
from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.forms import BaseModelFormSet
from django.http import HttpRequest
from django.http.response import HttpResponse

from django_avp.admin.base import OF_MODELS, PolicyOptions, is_permitted
from django_avp.admin.deletion import Deletion
from django_avp.admin.filters import permitted_filter
from django_avp.admin.formsets import DecidedRows, keeps_key
from django_avp.admin.inlines import PolicyInlineModelAdmin
from django_avp.admin.log import without_rows
from django_avp.admin.pages import page_of
from django_avp.gates import authorization_of, is_identified

__all__ = ["PolicyModelAdmin", "collect_models"]

_OF_OBJECTS = ("view", "change", "delete")


class PolicyModelAdmin(PolicyOptions, ModelAdmin):  # type: ignore[type-arg]
    """A model's admin by Cedar policies, for superusers too; it stands first among the bases.

    Lists hold the rows that may be viewed. Without an object, Django asks whether there may be any that permits a
    change: that is told from the policies. What a page asks about its objects is decided in one round.
    """

    def __init__(self, model: Any, admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        if type(self).get_search_results is not ModelAdmin.get_search_results:
            # Wrapped as get_queryset is: it may add rows to those that it was given.
            vars(self)["get_search_results"] = self._permitted_search(self.get_search_results)

    def _permitted_search(self, search: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(search)
        def get_permitted(request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
            found, may_have_duplicates = search(request, queryset, search_term)
            return self.permitted(request, "view", found), may_have_duplicates

        return get_permitted

    # What Django asks

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether an object may be viewed; without one, whether the list may."""
        return self.permits(request, "list" if obj is None else "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether objects may be added."""
        return self.permits(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether an object may be changed; without one, whether there can be any, in a list that may be viewed."""
        return self.has_avp_permission(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether an object may be deleted; without one, whether there can be any, in a list that may be viewed."""
        return self.has_avp_permission(request, "delete", obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the index shows the model; asked about one after the other, and decided in one round."""
        collect_models(self.admin_site, request)
        return self.has_view_permission(request) or self.has_add_permission(request)

    def has_avp_permission(self, request: HttpRequest, permission: str, obj: Any = None) -> bool:
        """Whether a permission is given on an object; without one, whether there can be any, in a list that is seen.

        For a permission of your own, as Django wants it: ``def has_publish_permission(self, request, obj=None)``.
        """
        if obj is None:
            return self.has_view_permission(request) and self.may_have_rows(request, permission)
        return self.permits(request, permission, obj)

    # What lists offer

    def get_list_filter(self, request: HttpRequest) -> Any:
        """The filters of the list; those of Django by a related row offer what may be viewed."""
        return [permitted_filter(self.model, item) for item in super().get_list_filter(request)]

    # Pages, whose questions are collected before the first is answered

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list of objects."""
        self.collect_page(request, "changelist_view")
        return super().changelist_view(request, extra_context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """The form of an object, or of a new one."""
        self.collect_page(request, "add_view" if object_id is None else "change_view", object_id)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The question whether to delete an object."""
        self.collect_page(request, "delete_view", object_id)
        return super().delete_view(request, object_id, extra_context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """What was done to an object in the admin."""
        self.collect_page(request, "history_view", object_id)
        response = super().history_view(request, object_id, extra_context)
        shown: Any = getattr(response, "context_data", {})
        for entry in shown.get("action_list", ()):
            if entry.user_id != request.user.pk:
                entry.change_message = without_rows(entry.change_message)
        return response

    def collect_page(self, request: HttpRequest, view_name: str, object_id: str | None = None) -> None:
        """Have all that a page asks decided in the next round; once per request, and for the identified only.

        Args:
            request: the request for the page.
            view_name: the name of the method that is its view.
            object_id: the object in its address.
        """
        page = page_of(request)
        if page.is_collected or not is_identified(authorization_of(request)):
            return
        page.is_collected = True
        collect_models(self.admin_site, request)
        if view_name == "changelist_view":
            self._collect_list(request)
        elif object_id is not None:
            self._collect_object(request, view_name, object_id)
        elif view_name == "add_view":
            self._collect_inlines(request, None)

    def _collect_list(self, request: HttpRequest) -> None:
        page = page_of(request)
        if not self.list_editable:
            # Its rows are in the queryset, and nothing is asked about any of them.
            return
        if request.method == "POST":
            prefix = BaseModelFormSet.get_default_prefix()
            rows = self._get_list_editable_queryset(request, prefix)
        else:
            try:
                with page.collecting():
                    change_list = self.get_changelist_instance(request)
            except IncorrectLookupParameters:
                return  # for which the view has an answer
            page.kept["list", self.page_key] = change_list
            rows = change_list.result_list
        page.rows[self.page_key] = shown = list(rows)
        # Whoever may not enter can send any number of keys.
        self.collect(request, ("change",), shown[: max(self.list_per_page, self.list_max_show_all)])

    def _collect_object(self, request: HttpRequest, view_name: str, object_id: str) -> None:
        to_field = request.POST.get(TO_FIELD_VAR, request.GET.get(TO_FIELD_VAR))
        if view_name == "history_view":
            to_field = None
        if to_field and not self.to_field_allowed(request, to_field):
            return
        page = page_of(request)
        key = unquote(object_id)
        obj = page.kept["object", self.page_key, key, to_field] = self.get_object(request, key, to_field)
        if obj is None:
            return
        page.rows[self.page_key] = [obj]
        self.collect(request, _OF_OBJECTS, [obj])
        if view_name == "change_view":
            self._collect_inlines(request, obj)
        elif view_name == "delete_view":
            page.kept["deletion", self.page_key, obj.pk] = Deletion(self, request, [obj])

    def _collect_inlines(self, request: HttpRequest, obj: Model | None) -> None:
        for inline_class in self.get_inlines(request, obj):
            if issubclass(inline_class, PolicyInlineModelAdmin):
                inline_class(self.model, self.admin_site).collect_page(request, obj)

    # What was fetched to be asked about

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The object of a page, if it may be viewed."""
        get_object, page = super().get_object, page_of(request)

        def find() -> Any:
            field: Any = self.opts.pk if from_field is None else self.opts.get_field(from_field)
            try:
                page.narrowed[self.page_key] = {field.name: field.to_python(object_id)}
            except (ValidationError, ValueError):
                return None
            try:
                return get_object(request, object_id, from_field)
            finally:
                del page.narrowed[self.page_key]

        return page.take(("object", self.page_key, object_id, from_field), find)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list of a page; made anew if anything was assumed of it that is not so."""
        get_changelist_instance, page, key = super().get_changelist_instance, page_of(request), ("list", self.page_key)
        if not page.is_collecting and not all(is_permitted(request, action) for action in page.assumed):
            page.kept.pop(key, None)
        return page.take(key, lambda: get_changelist_instance(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What would be deleted with objects, and what of it may not be: decided in one round."""
        objects = list(objs)
        key = ("deletion", self.page_key, *(obj.pk for obj in objects))
        deletion = page_of(request).take(key, lambda: Deletion(self, request, objects))
        return deletion.result()

    # Rows that are edited in the list

    def _get_list_editable_queryset(self, request: HttpRequest, prefix: str) -> QuerySet[Any]:
        """The rows whose keys were sent; none if one of these is no key, for which Django would take every row."""
        try:
            for key in self._get_edited_object_pks(request, prefix):
                self.opts.pk.to_python(key)
        except ValidationError:
            return QuerySet(self.model).none()
        return super()._get_list_editable_queryset(request, prefix)

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        """A formset whose rows are decided one by one."""
        base = kwargs.pop("formset", BaseModelFormSet)
        formset = DecidedRows.subclass(base, self, request)
        return super().get_changelist_formset(request, formset=formset, **kwargs)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """The object of a form; a form for changing that has none, or another key, would save another row."""
        # Not every release of Django refuses what a forged key makes of a list's form.
        if change and (form.instance._state.adding or not keeps_key(form)):
            raise PermissionDenied
        return super().save_form(request, form, change)

    # Actions on rows

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> Any:
        """The actions that the user may choose; those with ``permissions`` get the rows that permit it."""
        # Since Django 6.1 there are actions of forms, too, and actions are objects.
        located = {} if action_location is None else {"action_location": action_location}
        actions: Any = super().get_actions(request, **located)
        return {name: self._decided(action) for name, action in actions.items()}

    def _decided(self, action: Any) -> Any:
        decide = self._decided_function
        return (
            (decide(action[0]), *action[1:]) if isinstance(action, tuple) else replace(action, func=decide(action.func))
        )

    def _decided_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        permissions = getattr(function, "allowed_permissions", ())
        if not permissions or function is delete_selected:
            # That one tells what may not be deleted by itself.
            return function

        @wraps(function)
        def decided(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
            return function(model_admin, request, self._rows_with(request, permissions, queryset))

        return decided

    def _rows_with(self, request: HttpRequest, permissions: Sequence[str], queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows on which one of the permissions is given. About the others the user is told."""
        of_rows = [permission for permission in permissions if self._is_of_rows(permission)]
        others = [
            getattr(self, f"has_{permission}_permission") for permission in permissions if permission not in of_rows
        ]
        if any(has_permission(request) for has_permission in others):
            return queryset
        rows = list(queryset)
        self.collect(request, of_rows, rows)
        permitted = [row.pk for row in rows if self._has_any(request, of_rows, row)]
        if len(permitted) < len(rows):
            left_out = f"{len(rows) - len(permitted)} of {len(rows)} were left out: you may not do that with them."
            self.message_user(request, left_out, messages.WARNING)
        return queryset.filter(pk__in=permitted)

    def _is_of_rows(self, permission: str) -> bool:
        return permission not in OF_MODELS and (permission in _OF_OBJECTS or permission in self.avp_actions)

    def _has_any(self, request: HttpRequest, permissions: Iterable[str], row: Model) -> bool:
        return any(self.permits(request, permission, row) for permission in permissions)


def collect_models(admin_site: AdminSite, request: HttpRequest) -> None:
    """Have what the navigation of every page asks about all models decided in the next round."""
    for options in admin_site._registry.values():
        if isinstance(options, PolicyModelAdmin):
            options.collect(request, OF_MODELS)
