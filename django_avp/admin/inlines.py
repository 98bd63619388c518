"""Rows that are edited on their parent's page, each by its own decisions."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.options import InlineModelAdmin
from django.db.models import Model
from django.forms.models import _get_foreign_key
from django.http import HttpRequest

from django_avp.admin.base import PolicyOptions
from django_avp.admin.formsets import DecidedRows
from django_avp.admin.pages import page_of
from django_avp.authorization import Resource

__all__ = ["PolicyInlineModelAdmin"]


class PolicyInlineModelAdmin(PolicyOptions, InlineModelAdmin):  # type: ignore[type-arg]
    """An inline by Cedar policies; it stands before ``TabularInline`` or ``StackedInline`` among the bases.

    Its rows are those that may be viewed. Each is decided by itself: it can be changed or deleted, or is shown only.
    As in all of Django's admin, nothing of an inline is changed by whoever may not change the parent.
    """

    def get_add_resource(self, request: HttpRequest, parent: Model | None) -> Resource:
        """What the action of adding a row is asked about: the application, unless this says otherwise.

        Return ``parent`` where policies speak of adding to it; for a new one, that is not stored, it is ``None``.
        """
        return None

    def asked_about(self) -> dict[str, Any]:
        """What each permission is asked about; an inline has no list, and may say what adding is asked about."""
        asked = super().asked_about()
        del asked["list"]
        says = type(self).get_add_resource is not PolicyInlineModelAdmin.get_add_resource
        return asked | {"add": self.get_add_resource if says else None}

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether rows are shown at all: which ones, the queryset tells."""
        return self.get_avp_action("view") is not None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether rows may be added to the parent."""
        return self.permits(request, "add", self.get_add_resource(request, _stored(obj)))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether there can be rows that may be changed."""
        return self.may_have_rows(request, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether there can be rows that may be deleted."""
        return self.may_have_rows(request, "delete")

    def collect_page(self, request: HttpRequest, parent: Model | None) -> None:
        """Have all that the inline asks on its parent's page decided in the next round."""
        resource: Any = self.get_add_resource(request, parent)
        self.collect(request, ("add",), resource)
        if parent is None:
            page_of(request).narrowed[self.page_key] = {"pk__in": ()}
        else:
            self.collect(request, ("change", "delete"), self._rows_of(request, parent))

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """A formset whose rows are decided one by one."""
        formset = DecidedRows.subclass(kwargs.pop("formset", self.formset), self, request)
        return super().get_formset(request, obj, formset=formset, **kwargs)

    def find_rows(self, request: HttpRequest, formset: Any) -> Any:
        """The rows of the parent, if it is stored; Django would fetch the same once more."""
        return None if _stored(formset.instance) is None else self._rows_of(request, formset.instance)

    def _rows_of(self, request: HttpRequest, parent: Model) -> Any:
        rows = page_of(request).rows
        if self.page_key not in rows:
            foreign_key = _get_foreign_key(self.parent_model, self._model, fk_name=self.fk_name)
            page_of(request).narrowed[self.page_key] = {foreign_key.name: parent}
            queryset = self.get_queryset(request)
            rows[self.page_key] = queryset if queryset.ordered else queryset.order_by(self.opts.pk.name)
        return rows[self.page_key]


def _stored(parent: Model | None) -> Model | None:
    return None if parent is None or parent._state.adding else parent
