"""Lists: the policies of one action compiled to a condition of a queryset.

A row is in the list if and only if a check of it would be permitted. What has no exact counterpart in SQL is refused
with :class:`~django_avp.exceptions.UntranslatablePolicyError`, never approximated.
"""

from __future__ import annotations

from django_avp.filtering.compiler import Bound
from django_avp.filtering.conditions import Condition, any_of
from django_avp.filtering.dialects import dialect_of
from django_avp.filtering.filters import Filter
from django_avp.filtering.forecast import untranslatable_parts
from django_avp.filtering.kept import Kept
from django_avp.filtering.partial import MisfitError, conforms
from django_avp.filtering.question import Question
from django_avp.filtering.rows import unfilterable
from django_avp.filtering.terms import kind_of_field

__all__ = [
    "Bound",
    "Condition",
    "Filter",
    "Kept",
    "MisfitError",
    "Question",
    "any_of",
    "conforms",
    "dialect_of",
    "kind_of_field",
    "unfilterable",
    "untranslatable_parts",
]
