"""Widgets of relations that show a row's name to those who are offered the row."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.widgets import ForeignKeyRawIdWidget
from django.core.exceptions import ValidationError

__all__ = ["OfferedRawIdWidget"]


class OfferedRawIdWidget(ForeignKeyRawIdWidget):
    """A key in a text field, which may hold any; only of a row that its field offers is the name shown."""

    choices: Any

    def label_and_url_for_value(self, value: Any) -> tuple[str, str]:
        """The row's name and address; empty if it is not offered."""
        key = self.rel.get_related_field().name
        try:
            is_offered = self.choices.queryset.filter(**{key: value}).exists()
        except (ValueError, ValidationError):
            return "", ""
        return super().label_and_url_for_value(value) if is_offered else ("", "")
