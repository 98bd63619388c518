"""JSON columns, by their declared shapes (rule E8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from django_avp.entities.columns import Shape
from django_avp.filtering.collections import json_members
from django_avp.filtering.conditions import Condition, all_of, where
from django_avp.filtering.dialects import Dialect, Template
from django_avp.filtering.outcomes import FAILS, Outcome, known, truth
from django_avp.filtering.terms import Record, Term
from django_avp.filtering.untranslatable import Untranslatable

__all__ = ["Document"]

_TEXT: Any = models.TextField()
_LONG: Any = models.BigIntegerField()
# A key that every database finds by its name in a path, however it is escaped in the text.
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A JSON column of a row.

    Attributes:
        column: the column.
        dialect: of its database.
        path: keys that lead to a part of it.
    """

    column: Any
    dialect: Dialect
    path: tuple[str, ...] = ()

    def value(self, shape: Shape) -> Outcome:
        """The value here, where it has the declared shape and Cedar holds it; an error elsewhere.

        Raises:
            Untranslatable: a key cannot be named in a path.
        """
        if isinstance(shape, Mapping):
            return known(Record(frozenset(shape), lambda key: self._attribute(shape, key))).given(self._is(dict))
        if isinstance(shape, list):
            items = self._sql(self.dialect.json_items)
            return known(json_members(self.column, items, shape[0], self.dialect)).given(self._is(list))
        if shape is bool:
            return truth(where(self._template(self.dialect.json_true))).given(self._is(bool))
        if shape is int:
            term = Term("Long", self._template(self.dialect.json_long, _LONG), _LONG)
            return known(term).given(all_of([self._is(int), where(self._template(self.dialect.json_holds_long))]))
        held = self.dialect.json_holds_text
        conditions = [self._is(str), where(self._template(held)) if held else True]
        return known(Term("String", self._template(self.dialect.json_text, _TEXT), _TEXT)).given(all_of(conditions))

    def _attribute(self, shape: Mapping[str, Shape], key: str) -> Outcome:
        return self._at(key).value(shape[key]) if key in shape else FAILS

    def _at(self, key: str) -> Document:
        """The part under a key."""
        if not _KEY.fullmatch(key):
            raise Untranslatable(
                f"databases do not agree on how the JSON key {key!r} is named in a path",
                "Rename the key.",
            )
        return Document(self.column, self.dialect, (*self.path, key))

    def _is(self, kind: type) -> Condition:
        names = ", ".join(f"'{name}'" for name in self.dialect.json_kinds[kind])
        return where(self._template(f"{self.dialect.json_type} IN ({names})"))

    def _template(self, sql: str, output_field: models.Field[Any, Any] | None = None) -> Template:
        return Template(self._sql(sql), self.column, output_field=output_field)

    def _sql(self, sql: str) -> str:
        return sql.replace("<path>", self.dialect.path(self.path))
