"""Formsets in which the policies decide about every row: what may not be changed is shown disabled."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.forms import BaseModelFormSet
from django.forms.formsets import DELETION_FIELD_NAME
from django.http import HttpRequest
from django.utils.text import get_text_list

from django_avp.admin.base import PolicyOptions
from django_avp.admin.deletion import Deletion

__all__ = ["DecidedRows", "keeps_key"]


class DecidedRows(BaseModelFormSet):  # type: ignore[type-arg]
    """A formset whose rows are collected together and decided one by one.

    A disabled field keeps what is stored, whatever was sent.

    Attributes:
        options: the admin whose rows they are.
        request: the request for the page.
    """

    options: ClassVar[PolicyOptions]
    request: ClassVar[HttpRequest]

    @classmethod
    def subclass(cls, base: type[Any], options: PolicyOptions, request: HttpRequest) -> type[Any]:
        """A formset class like another, for one page."""
        return type(base.__name__, (cls, base), {"options": options, "request": request})

    def get_queryset(self) -> Any:
        """The rows, and their decisions join the next round, unless all that happened before the page was decided."""
        if not hasattr(self, "_queryset"):
            known = self.options.find_rows(self.request, self)
            self._queryset = super().get_queryset() if known is None else known
            self.options.collect(self.request, ("change", "delete") if self.can_delete else ("change",), self._queryset)
        return self._queryset

    def add_fields(self, form: Any, index: Any) -> None:
        """Disable the fields that may not be used on the row."""
        own = list(form.fields)  # without the key and the parent, which the formset adds
        super().add_fields(form, index)
        if form.instance._state.adding:
            return
        if not self.options.permits(self.request, "change", form.instance):
            for name in own:
                form.fields[name].disabled = True
                form.fields[name].required = False  # what is stored may be nothing
        deletion = form.fields.get(DELETION_FIELD_NAME)
        if deletion is not None and not self.options.permits(self.request, "delete", form.instance):
            deletion.disabled = True

    def clean(self) -> None:
        """Refuse other keys for rows, and to delete rows with which others would vanish that may not be deleted.

        Raises:
            ValidationError: it names the kinds of these, and what protects the rows.
        """
        if not all(map(keeps_key, self.initial_forms)):
            raise ValidationError("The key of a row stays as it is.")
        chosen = [form for form in self.initial_forms if form.cleaned_data.get(DELETION_FIELD_NAME)]
        doomed = [form.instance for form in chosen if not form.instance._state.adding]
        deletion = Deletion(self.options, self.request, doomed)
        if refused := deletion.refused(but=doomed):
            names = get_text_list(sorted(map(str, refused)))
            raise ValidationError(f"You may not delete what would be deleted with these rows: {names}.")
        if protecting := deletion.protecting():
            raise ValidationError(f"These rows cannot be deleted, because others need them: {', '.join(protecting)}.")
        super().clean()  # where Django would name all that protects a row


def keeps_key(form: Any) -> bool:
    """Whether a form leaves an object the key that it is stored under.

    Django would save it over the row that has the other key, or as a new one, and neither was decided about. The keys
    of the rows that it has in the tables of its model's parents count as well.
    """
    row, stored = form.instance, form.initial
    keys = [field for field in row._meta.concrete_fields if field.primary_key and field.name in stored]
    return row._state.adding or all(field.value_from_object(row) == stored[field.name] for field in keys)
