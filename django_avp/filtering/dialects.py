"""How each database is asked what Cedar means: exact text, patterns, ids, JSON and arrays (rules E6 and E8).

A dialect is a set of templates, in which ``{0}`` is the first expression. What a template does not answer for NULL,
the conditions beside it exclude.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Any

from django.db import models
from django.db.models import Func, Lookup, QuerySet, Subquery, Value

from django_avp.cedar import EntityUid

__all__ = ["DIALECTS", "Dialect", "KeyTest", "Template", "TextTest", "dialect_of", "literal"]

# Line breaks, which AVP takes in no id (rule A9); NUL is looked for apart, since SQLite ends a pattern at it.
_ASCII_BREAKS, _FURTHER_BREAKS = "\n\r", "\u0085\u2028\u2029"
_BREAKS = _ASCII_BREAKS + _FURTHER_BREAKS
_MOST_ID_CHARACTERS = 612  # rule A9
_LONG = "-9223372036854775808 AND 9223372036854775807"
# In JSON text without its escaped backslashes: NUL, or half of a pair of surrogates. Cedar holds neither.
_UNHOLDABLE = r"\\u(0000|[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F])"


class Template(Func):
    """An SQL template over expressions; ``{0}`` stands for the first, as often as it is needed."""

    def __init__(self, sql: str, *expressions: Any, output_field: models.Field[Any, Any] | None = None) -> None:
        super().__init__(*expressions, output_field=output_field or models.BooleanField())
        self.sql = sql

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Any:
        """Resolve the expressions; a test becomes a condition."""
        resolved = super().resolve_expression(*args, **kwargs)
        return _Condition(resolved, True) if self.conditional else resolved

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, tuple[Any, ...]]:  # type: ignore[override]
        """Fill in the template."""
        compiled = [compiler.compile(expression) for expression in self.source_expressions]
        sql, params = [], []
        for text, number in _parts(self.sql):
            sql.append(text)
            if number is not None:
                part, part_params = compiled[number]
                sql.append(part)
                params.extend(part_params)
        return "".join(sql), tuple(params)


class _Condition(Lookup):
    """A test as a condition of a query.

    What is no lookup Django compares with TRUE where a database has no booleans, from version 6.1 on: no index serves
    `name = 'press' = TRUE`.
    """

    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """The test, as it stands."""
        return compiler.compile(self.lhs)


@lru_cache(maxsize=1024)
def _parts(sql: str) -> tuple[tuple[str, int | None], ...]:
    """The texts of a template, as a query takes them, each with the number of the expression that follows it."""
    parsed = Formatter().parse(sql)
    return tuple((text.replace("%", "%%"), None if number is None else int(number)) for text, number, _, _ in parsed)


def literal(value: str) -> Value:
    """A text as a parameter."""
    return Value(value, output_field=models.TextField())


class TextTest(Template):
    """A test of a text, which Python can make of a text that is known.

    Args:
        sql: the template; ``{0}`` is the subject, and ``{1}`` the text to compare it with.
        subject: the text of a row.
        test: ``"equals"``, ``"held"`` for what Cedar holds, or ``"id"`` for what is the id of an entity.
        text: what it is compared with.
    """

    def __init__(self, sql: str, subject: Any, test: str, text: str | None = None) -> None:
        super().__init__(sql, subject, *([] if text is None else [literal(text)]))
        self.subject = subject
        self.test = test
        self.text = text

    def is_passed_by(self, text: str) -> bool:
        """Whether a known text passes."""
        if self.test == "equals":
            return text == self.text
        return "\0" not in text if self.test == "held" else EntityUid("Type", text).is_valid


class KeyTest(TextTest):
    """A foreign key leads to the one row whose column is a text: looked up once, and compared as a number is.

    Where the row is not there, the plain comparison is unknown and not false, so only ``IN`` may stand in a negation.

    Args:
        subject: the column, through the foreign key.
        text: the text.
        key: the foreign key.
        rows: the keys of the rows that have the text; one, or none.
        is_negated: whether the test stands inside of a negation.
    """

    def __init__(self, subject: Any, text: str, key: Any, rows: QuerySet[Any], *, is_negated: bool = True) -> None:
        super().__init__("{0} IN {1}" if is_negated else "{0} = {1}", subject, "equals", text)
        self.set_source_expressions([key, Subquery(rows)])
        self._arguments = (subject, text, key, rows)

    def outside_of_negations(self) -> KeyTest:
        """The same test as it may stand where unknown counts as false."""
        return KeyTest(*self._arguments, is_negated=False)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A database.

    Attributes:
        vendor: its name in messages.
        same_text: two texts are equal, character by character.
        same_collated_text: the same for a text that may have a collation of its own.
        same_columns: two columns, of whatever collations, have equal texts.
        collated: such a text, as it compares by character and case.
        most_tables: how many tables may be joined.
        exact: the collations of columns by which no two texts are equal; ``None`` is that of a column that names none.
        like: a text matches a pattern, by character and case.
        wildcards: how ``*`` is written in a pattern, what escapes a character, and which are escaped.
        has_no_nul: a text has no NUL; empty where the database keeps none.
        is_line: a text has neither NUL nor a line break.
        length: how many characters a text without NUL has.
        json_type: the type of the JSON value at a path; empty for none.
        json_kinds: the names of the types, by ``str``, ``int``, ``bool``, ``list`` and ``dict``.
        json_text: the text at a path.
        json_long: the number at a path; NULL for what is none.
        json_true: whether ``true`` is at a path.
        json_holds_text: whether a text at a path is one that Cedar holds; empty where the database keeps no other.
        json_holds_long: whether a number at a path is an integer of 64 bits.
        json_items: FROM clause of a list's items, as ``item``.
        item_type: the type of an item.
        item_text: the text of an item, and so on: what is asked of an item as of a path.
    """

    vendor: str
    same_text: str
    same_collated_text: str
    same_columns: str
    collated: str
    most_tables: int
    exact: tuple[str | None, ...]
    like: str
    wildcards: tuple[str, str, str]
    has_no_nul: str
    is_line: str
    length: str
    json_type: str
    json_kinds: dict[type, tuple[str, ...]]
    json_text: str
    json_long: str
    json_true: str
    json_holds_text: str
    json_holds_long: str
    json_items: str
    item: dict[str, str]

    @property
    def is_id(self) -> str:
        """A text is the id of an entity; how long a column may be is not what every database holds it to."""
        return f"{self.length} BETWEEN 1 AND {_MOST_ID_CHARACTERS} AND {self.is_line}"

    def pattern(self, parts: Sequence[str | None]) -> str:
        """A pattern for :attr:`like`; ``None`` is the wildcard."""
        wildcard, escape, special = self.wildcards
        escaped = {character: escape.format(character) for character in special}
        return "".join(wildcard if part is None else escaped.get(part, part) for part in parts)

    def path(self, keys: Sequence[str]) -> str:
        """A path of JSON keys as an SQL literal; they are letters, digits, ``_`` and ``-``."""
        if self.vendor == "PostgreSQL":
            return "'{{" + ",".join(keys) + "}}'"
        return "'$" + "".join(f'."{key}"' for key in keys) + "'"


def _lacks(characters: str) -> str:
    """A text has none of these characters. One GLOB with all of them takes four times as long in SQLite."""
    return " AND ".join(f"{{0}} NOT LIKE '%{character}%'" for character in characters)


SQLITE = Dialect(
    vendor="SQLite",
    same_text="{0} = {1}",
    same_collated_text="({0}) COLLATE BINARY = {1}",
    same_columns="{0} = {1} COLLATE BINARY",
    collated="({0}) COLLATE BINARY",
    most_tables=64,
    exact=(None, "BINARY"),
    like="{0} GLOB {1}",
    wildcards=("*", "[{}]", "*?["),
    has_no_nul="INSTR({0}, CHAR(0)) = 0",
    # As many bytes as characters before a NUL: there is no NUL, and all of it is ASCII, as ids mostly are.
    is_line=f"{_lacks(_ASCII_BREAKS)} AND (LENGTH({{0}}) = LENGTH(CAST({{0}} AS BLOB)) "
    f"OR (INSTR({{0}}, CHAR(0)) = 0 AND {_lacks(_FURTHER_BREAKS)}))",
    length="LENGTH({0})",
    json_type="COALESCE(JSON_TYPE({0}, <path>), '')",
    json_kinds={
        str: ("text",),
        int: ("integer",),
        bool: ("true", "false"),
        list: ("array",),
        dict: ("object",),
    },
    json_text="JSON_EXTRACT({0}, <path>)",
    json_long="JSON_EXTRACT({0}, <path>)",
    json_true="(JSON_TYPE({0}, <path>) = 'true')",
    # Asked for two paths it answers in JSON, with the escapes that tell what is in the text.
    json_holds_text=f"REPLACE(JSON_EXTRACT({{0}}, <path>, <path>), '\\\\', '') NOT REGEXP '{_UNHOLDABLE}'",
    json_holds_long="TYPEOF(JSON_EXTRACT({0}, <path>)) = 'integer'",
    json_items="JSON_EACH({0}, <path>) item",
    item={
        "json_type": "item.type",
        "json_text": "item.value",
        "json_long": "item.value",
        "json_true": "(item.type = 'true')",
        "json_holds_text": f"REPLACE(JSON_EXTRACT({{0}}, item.fullkey, item.fullkey), '\\\\', '') "
        f"NOT REGEXP '{_UNHOLDABLE}'",
        "json_holds_long": "TYPEOF(item.value) = 'integer'",
    },
)

_POSTGRESQL_TEXT = {
    "json_long": "CASE WHEN jsonb_typeof(DOC) = 'number' THEN (DOC #>> '{{}}')::numeric END",
    "json_true": "(DOC = 'true'::jsonb)",
    "json_holds_long": "CASE WHEN jsonb_typeof(DOC) = 'number' THEN (DOC #>> '{{}}') ~ '^-?[0-9]+$' "
    f"AND (DOC #>> '{{{{}}}}')::numeric BETWEEN {_LONG} ELSE FALSE END",
    "json_text": "(DOC #>> '{{}}')",
    "json_holds_text": "",
}

POSTGRESQL = Dialect(
    vendor="PostgreSQL",
    same_text="{0} = {1}",
    same_collated_text='({0} = {1} AND ({0}) COLLATE "C" = {1})',
    same_columns='{0} COLLATE "C" = {1} COLLATE "C"',
    collated='({0}) COLLATE "C"',
    most_tables=65_000,
    exact=(None, "C", "POSIX"),
    like="{0} LIKE {1} ESCAPE '!'",
    wildcards=("%", "!{}", "%_!"),
    has_no_nul="",
    is_line=f"{{0}} !~ '[{_BREAKS}]'",
    length="CHAR_LENGTH({0})",
    json_type="COALESCE(jsonb_typeof({0} #> <path>), '')",
    json_kinds={str: ("string",), int: ("number",), bool: ("boolean",), list: ("array",), dict: ("object",)},
    json_items="jsonb_array_elements(CASE WHEN jsonb_typeof({0} #> <path>) = 'array' THEN {0} #> <path> END) item",
    item={"json_type": "jsonb_typeof(item)", **{k: v.replace("DOC", "item") for k, v in _POSTGRESQL_TEXT.items()}},
    **{name: sql.replace("DOC", "({0} #> <path>)") for name, sql in _POSTGRESQL_TEXT.items()},
)

_BINARY = "COLLATE utf8mb4_nopad_bin"
_MARIADB_TEXT = {
    "json_text": "JSON_UNQUOTE(DOC)",
    "json_long": "CAST(DOC AS DECIMAL(65, 0))",
    "json_true": "(DOC = 'true')",
    "json_holds_text": f"REPLACE(DOC, '\\\\\\\\', '') NOT REGEXP '{_UNHOLDABLE.replace(chr(92), chr(92) * 2)}'",
    "json_holds_long": f"DOC REGEXP '^-?[0-9]+$' AND CAST(DOC AS DECIMAL(65, 0)) BETWEEN {_LONG}",
}

MARIADB = Dialect(
    vendor="MariaDB",
    same_text=f"({{0}} = {{1}} AND {{0}} {_BINARY} = {{1}})",
    same_collated_text=f"({{0}} = {{1}} AND {{0}} {_BINARY} = {{1}})",
    same_columns=f"{{0}} {_BINARY} = {{1}} {_BINARY}",
    collated="{0}",
    most_tables=61,
    exact=("utf8mb4_nopad_bin",),
    like=f"{{0}} {_BINARY} LIKE {{1}} ESCAPE '!'",
    wildcards=("%", "!{}", "%_!"),
    has_no_nul="{0} NOT REGEXP '\\\\x00'",
    is_line="{0} NOT REGEXP '\\\\x00' AND {0} NOT REGEXP '[\\\\n\\\\r\\\\x{{85}}\\\\x{{2028}}\\\\x{{2029}}]'",
    length="CHAR_LENGTH({0})",
    json_type="COALESCE(JSON_TYPE(JSON_EXTRACT({0}, <path>)), '')",
    json_kinds={
        str: ("STRING",),
        int: ("INTEGER",),
        bool: ("BOOLEAN",),
        list: ("ARRAY",),
        dict: ("OBJECT",),
    },
    json_items="JSON_TABLE(JSON_EXTRACT({0}, <path>), '$[*]' COLUMNS (doc JSON PATH '$')) item",
    item={"json_type": "JSON_TYPE(item.doc)", **{k: v.replace("DOC", "item.doc") for k, v in _MARIADB_TEXT.items()}},
    **{name: sql.replace("DOC", "JSON_EXTRACT({0}, <path>)") for name, sql in _MARIADB_TEXT.items()},
)

DIALECTS = {"sqlite": SQLITE, "postgresql": POSTGRESQL, "mariadb": MARIADB}


def dialect_of(connection: Any) -> Dialect | None:
    """The dialect of a connection; ``None`` of a database that is not known."""
    is_mariadb = connection.vendor == "mysql" and connection.mysql_is_mariadb
    return DIALECTS.get("mariadb" if is_mariadb else connection.vendor)
