"""Values that only the database knows: what the columns of a row are to Cedar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, QuerySet

from django_avp.filtering.conditions import Condition, all_of, is_movable, mapped, not_null, where
from django_avp.filtering.dialects import Dialect, Template, TextTest
from django_avp.filtering.outcomes import Outcome
from django_avp.filtering.untranslatable import Untranslatable
from django_avp.values import LONG_MAX

if TYPE_CHECKING:
    from django_avp.filtering.rows import Row

__all__ = [
    "Members",
    "Record",
    "Reference",
    "Term",
    "id_presence",
    "is_converted",
    "is_exact",
    "is_text",
    "kind_of_field",
    "presence",
    "refuse_converted",
    "storage",
    "term_of",
]

# 922337203685477.5807, which is the largest of Cedar's decimals, has 15 digits before the point.
_MOST_WHOLE_DIGITS = 14
# SQLite keeps decimals as 64-bit fractions, which tell 15 digits apart (rule E7).
_MOST_SQLITE_DIGITS = 15

_KINDS: tuple[tuple[type[models.Field[Any, Any]], str], ...] = (
    (models.BooleanField, "Bool"),
    (models.IntegerField, "Long"),
    (models.CharField, "String"),
    (models.TextField, "String"),
    (models.UUIDField, "String"),
    (models.FileField, "String"),
    (models.FilePathField, "String"),
    (models.DecimalField, "decimal"),
    (models.DateField, "datetime"),  # a DateTimeField is one
    (models.DurationField, "duration"),
    (models.GenericIPAddressField, "ipaddr"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """A column, or an expression of columns, that is one value of Cedar.

    Attributes:
        kind: Cedar's type.
        expression: the value in the database, of a row where it is present.
        field: how the database holds it.
    """

    kind: str
    expression: Any
    field: models.Field[Any, Any]

    @property
    def is_collated(self) -> bool:
        """Whether it may be a text with a collation of its own: a column that was given one, or computed of columns."""
        # What the templates here compute, they compute of JSON.
        is_plain = type(self.expression) in (F, OuterRef, Template)
        return bool(getattr(self.field, "db_collation", None)) or not is_plain

    def text(self, dialect: Dialect) -> Any:
        """The text, as it compares by character and case, whatever its collation."""
        if not self.is_collated:
            return self.expression
        return Template(dialect.collated, self.expression, output_field=models.TextField())

    def outer(self) -> Term:
        """The same value, seen from a subquery."""
        return replace(self, expression=outer(self.expression))


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """An entity that a row names, or is.

    Attributes:
        type: its entity type.
        id: the term that is its id.
        row: the row that it is; ``None`` where nothing but its id is known.
        key: the foreign key that leads to it.
        keys: the rows that the foreign key leads to, as their keys.
    """

    kind: ClassVar[str] = "Entity"

    type: str
    id: Term
    row: Row | None = None
    key: Any = None
    keys: QuerySet[Any] | None = None

    def outer(self) -> Reference:
        """The same entity, seen from a subquery, where its row is out of reach."""
        return Reference(self.type, self.id.outer())


class Members(ABC):
    """A Set in the database; ``member`` is a value of it."""

    kind: ClassVar[str] = "Set"
    member: Any

    @abstractmethod
    def contains(self, value: Any) -> Condition:
        """The condition that a value is in the Set."""

    @abstractmethod
    def has_other_than(self, values: Sequence[Any]) -> Condition:
        """The condition that something else than these values is in the Set."""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A JSON object, of which the declared keys are attributes.

    Attributes:
        keys: the declared keys.
        attribute: the outcome of reading one of them.
    """

    kind: ClassVar[str] = "Record"

    keys: frozenset[str]
    attribute: Callable[[str], Outcome]


def outer(expression: Any) -> Any:
    """An expression as a subquery of its row sees it.

    Raises:
        Untranslatable: it names columns in a way that only a query of its own rows understands.
    """
    if not is_movable(expression):
        raise Untranslatable(
            "what has a subquery or a Q in it is looked for in a Set of rows", "Have the rows checked one by one."
        )
    return mapped(expression, lambda name: OuterRef(name if isinstance(name, OuterRef) else name.name))


def storage(field: Any) -> Any:
    """The field whose values a column has: a foreign key's are those of the key that it names."""
    while field.is_relation:
        field = field.target_field
    return getattr(field, "output_field", field)


def is_text(field: Any) -> bool:
    """Whether the database holds text that a template may compare."""
    return isinstance(field, models.CharField | models.TextField | models.FileField | models.FilePathField)


def is_exact(field: Any, dialect: Dialect) -> bool:
    """Whether joins by a column find what it names and nothing else: of texts, many collations take two for one."""
    field = storage(field)
    is_of_django = type(field).db_type is models.Field.db_type  # another type, such as citext, may compare otherwise
    return not is_text(field) or (is_of_django and getattr(field, "db_collation", None) in dialect.exact)


def kind_of_field(field: Any) -> str:
    """Cedar's type of what a field holds; empty for a field that converts what it reads, or holds nothing of Cedar."""
    field = storage(field)
    kind = next((kind for fields, kind in _KINDS if isinstance(field, fields)), "")
    return "" if hasattr(field, "from_db_value") else kind


def is_converted(field: Any) -> bool:
    """Whether a field reads what the database does not have, by a method or a decoder that is not Django's."""
    methods = (getattr(field, name, None) for name in ("from_db_value", "to_python"))
    is_own = any(method and not method.__module__.startswith("django.") for method in methods)
    return is_own or getattr(field, "decoder", None) is not None


def refuse_converted(field: Any) -> None:
    """Refuse a field that reads what the database does not have.

    Raises:
        Untranslatable: it does.
    """
    if is_converted(field):
        raise _otherwise(field)


def _otherwise(field: Any) -> Untranslatable:
    return Untranslatable(
        f"a {type(field).__name__} is not in the database what it is to Cedar",
        "Leave it out of the policy, or write attribute_<name> and expression_<name> in its place.",
    )


def term_of(expression: Any, field: Any, dialect: Dialect) -> Term:
    """The term of a column.

    Raises:
        Untranslatable: the database does not hold it as Cedar would.
    """
    field, kind = storage(field), kind_of_field(field)
    if not kind or is_converted(field):
        raise _otherwise(field)
    reason = _inexact(kind, field, dialect)
    if reason:
        raise Untranslatable(reason, "Leave it out of the policy, or have the rows checked one by one.")
    return Term(kind, expression, field)


def _inexact(kind: str, field: Any, dialect: Dialect) -> str:
    """Why a database cannot compare a column as Cedar does."""
    if kind == "decimal":
        digits, places = field.max_digits or 0, field.decimal_places
        if places is None or places > 4 or digits - places > _MOST_WHOLE_DIGITS:
            return "a decimal of Cedar has 4 places and 14 digits before them, and this column may have more"
        if dialect.vendor == "SQLite" and digits > _MOST_SQLITE_DIGITS:
            return "SQLite tells decimals apart by 15 digits, and this column has more"
    if is_text(field) and type(field).db_type is not models.Field.db_type:
        return f"a {type(field).__name__} has a column type of its own, which may compare text in its own way"
    if isinstance(field, models.DateTimeField) and not settings.USE_TZ:
        return "without USE_TZ a datetime is local time, which no query converts"
    if kind == "ipaddr" and dialect.vendor != "PostgreSQL":
        return f"{dialect.vendor} does not know IP addresses"
    return ""


def presence(term: Term, dialect: Dialect, *, is_optional: bool) -> Condition:
    """The condition that the column has a value, and one that Cedar holds (rule A5)."""
    conditions: list[Condition] = [not_null(term.expression)] if is_optional else []
    if is_text(term.field) and dialect.has_no_nul:
        conditions.append(where(TextTest(dialect.has_no_nul, term.text(dialect), "held")))
    if isinstance(term.field, models.PositiveBigIntegerField) and dialect.vendor == "MariaDB":
        conditions.append(where(Template(f"{{0}} <= {LONG_MAX}", term.expression)))
    if term.kind == "decimal" and dialect.vendor == "PostgreSQL":
        conditions.append(where(Template("{0} <> 'NaN'", term.expression)))
    if term.kind == "ipaddr":
        conditions.append(where(Template("{0} = HOST({0})::inet", term.expression)))
    return all_of(conditions)


def id_presence(term: Term, dialect: Dialect, *, is_optional: bool) -> Condition:
    """The condition that the column has a value, and one that is the id of an entity (rule A9)."""
    if not is_text(term.field):
        return presence(term, dialect, is_optional=is_optional)
    is_id = where(TextTest(f"({dialect.is_id})", term.text(dialect), "id"))
    return all_of([not_null(term.expression), is_id]) if is_optional else is_id
