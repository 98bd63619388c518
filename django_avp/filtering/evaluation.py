"""Cedar's evaluation, for all rows at once: an expression of a residual becomes an outcome (rules E1, E2, E5).

An expression that no row enters is not looked at, as Cedar does not look at the other branch of an ``if``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from django_avp.cedar import EntityUid
from django_avp.filtering.comparing import less, same
from django_avp.filtering.conditions import Condition, all_of, any_of, negated, where
from django_avp.filtering.dialects import Dialect, Template, literal
from django_avp.filtering.extensions import COMPARISONS, CONSTRUCTORS, METHODS, Extension, FailedCall, network
from django_avp.filtering.ground import Entities, ground, kind_of
from django_avp.filtering.hierarchy import is_below
from django_avp.filtering.outcomes import FAILS, Outcome, known, truth
from django_avp.filtering.rows import Row
from django_avp.filtering.terms import Members, Record, Reference, Term, is_text
from django_avp.filtering.untranslatable import Untranslatable
from django_avp.values import LONG_MAX, LONG_MIN

__all__ = ["Evaluator"]

_ORDERED = frozenset({"Long", "datetime", "duration"})
_ARITHMETIC: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}
_PARSE_CURE = "Store the parsed value, or have the rows checked one by one."
_COMPUTE_CURE = (
    "Compute it in the other operand, give the result as an attribute with an expression_<name>, or have the rows "
    "checked one by one."
)


class Evaluator:
    """Evaluates expressions of Cedar's JSON format for the rows of a list.

    Args:
        row: the list's own row, which is the resource.
        variables: ``principal``, ``action`` and ``context``.
        entities: what exists apart from the rows; of users, the principal alone (rule A3).

    Attributes:
        is_personal: whether what was evaluated so far looked at who the principal is.
    """

    def __init__(self, row: Row, variables: Mapping[str, Any], entities: Entities) -> None:
        self._row = row
        self._variables = variables
        self._entities = entities
        self._dialect: Dialect = row.dialect
        self._principal_type = variables["principal"].type
        self.is_personal = False

    @property
    def _principal(self) -> EntityUid:
        self.is_personal = True
        return self._variables["principal"]  # type: ignore[no-any-return]

    def evaluate(self, expression: Any) -> Outcome:
        """What an expression comes to.

        Raises:
            Untranslatable: it has no exact counterpart in SQL.
        """
        ((operator, operands),) = expression.items()
        try:
            if operator in _OPERATORS:
                return _OPERATORS[operator](self, operands)
            return self._call(operator, operands)
        except Untranslatable as refusal:
            refusal.expression = refusal.expression or expression
            raise

    # Leaves

    def _value(self, value: Any) -> Outcome:
        return known(ground(value))

    def _variable(self, name: str) -> Outcome:
        if name == "principal":
            return known(self._principal)
        return known(self._row.reference if name == "resource" else self._variables[name])

    def _unknown(self, operands: Any) -> Outcome:
        name = operands[0]["Value"]
        if name == "resource":
            return self._variable(name)
        try:
            # An entity that was not given does not exist (rule E3).
            return known(EntityUid.parse(name))
        except ValueError:
            raise Untranslatable(f"partial evaluation left {name!r} unknown", "Report this policy.") from None

    def _set(self, items: Any) -> Outcome:
        def add(members: Outcome, item: Any) -> Outcome:
            return members.then(lambda known_: self.evaluate(item).then(lambda one: known((*known_, one))))

        return reduce(add, items, known(()))

    def _record(self, fields: Any) -> Outcome:
        def add(record: Outcome, field: tuple[str, Any]) -> Outcome:
            name, item = field
            return record.then(lambda known_: self.evaluate(item).then(lambda one: known({**known_, name: one})))

        return reduce(add, fields.items(), known({}))

    # Logic

    def _and(self, operands: Any) -> Outcome:
        return self._truth(operands["left"]).then(lambda left: self._truth(operands["right"]) if left else known(False))

    def _or(self, operands: Any) -> Outcome:
        return self._truth(operands["left"]).then(lambda left: known(True) if left else self._truth(operands["right"]))

    def _not(self, operands: Any) -> Outcome:
        return self._truth(operands["arg"]).then(lambda value: known(not value))

    def _if(self, operands: Any) -> Outcome:
        return self._truth(operands["if"]).then(lambda value: self.evaluate(operands["then" if value else "else"]))

    def _truth(self, expression: Any) -> Outcome:
        return self.evaluate(expression).then(lambda value: known(value) if isinstance(value, bool) else FAILS)

    # Comparing

    def _pair(self, operands: Any, function: Callable[[Any, Any], Outcome]) -> Outcome:
        right = self.evaluate(operands["right"])
        return self.evaluate(operands["left"]).then(lambda one: right.then(lambda other: function(one, other)))

    def _equal(self, operands: Any) -> Outcome:
        return self._pair(operands, lambda left, right: truth(same(left, right, self._dialect)))

    def _less(self, operands: Any) -> Outcome:
        return self._pair(operands, self._is_less)

    def _less_or_equal(self, operands: Any) -> Outcome:
        return self._pair(operands, lambda left, right: _negated(self._is_less(right, left)))

    def _is_less(self, left: Any, right: Any) -> Outcome:
        if kind_of(left) != kind_of(right) or kind_of(left) not in _ORDERED:
            return FAILS
        return truth(less(left, right, self._dialect))

    def _arithmetic(self, operator: str, operands: Any) -> Outcome:
        def compute(left: Any, right: Any) -> Outcome:
            if kind_of(left) != "Long" or kind_of(right) != "Long":
                return FAILS
            if isinstance(left, Term) or isinstance(right, Term):
                raise Untranslatable("a column is computed with", _COMPUTE_CURE)
            value = _ARITHMETIC[operator](left, right)
            return known(value) if LONG_MIN <= value <= LONG_MAX else FAILS

        return self._pair(operands, compute)

    def _negative(self, operands: Any) -> Outcome:
        zero = {"Value": 0}
        return self._arithmetic("-", {"left": zero, "right": operands["arg"]})

    def _like(self, operands: Any) -> Outcome:
        parts = [None if part == "Wildcard" else part["Literal"] for part in operands["pattern"]]

        def match(value: Any) -> Outcome:
            if kind_of(value) != "String":
                return FAILS
            if not isinstance(value, Term):
                return known(_is_like(value, parts))
            if not is_text(value.field):
                raise Untranslatable(f"a {type(value.field).__name__} is matched by a pattern", _COMPUTE_CURE)
            if any(part and "\0" in part for part in parts):
                # No text has a NUL that is present (rule E6), and SQLite ends a pattern at it.
                return known(False)
            pattern = literal(self._dialect.pattern(parts))
            return truth(where(Template(self._dialect.like, value.text(self._dialect), pattern)))

        return self.evaluate(operands["left"]).then(match)

    # Entities

    def _attribute(self, operands: Any) -> Outcome:
        return self.evaluate(operands["left"]).then(lambda value: self._read(value, operands["attr"]))

    def _read(self, value: Any, name: str) -> Outcome:
        """An attribute's value; an error where it is absent."""
        if isinstance(value, Reference) and value.type == self._principal_type:
            # Of users, the principal alone has attributes (rule A3).
            return self._read(self._principal, name).given(same(value, self._principal, self._dialect))
        if isinstance(value, Reference):
            return value.row.attribute(name).given(value.row.exists) if value.row else FAILS
        if isinstance(value, EntityUid):
            attributes = self._entities.attributes(value)
            return known(ground(attributes[name])) if name in attributes else FAILS
        if isinstance(value, dict):
            return known(value[name]) if name in value else FAILS
        return value.attribute(name) if isinstance(value, Record) else FAILS

    def _has(self, operands: Any) -> Outcome:
        def has(value: Any) -> Outcome:
            if kind_of(value) not in ("Entity", "Record"):
                return FAILS
            return truth(any_of(condition for condition, _ in self._read(value, operands["attr"]).cases))

        return self.evaluate(operands["left"]).then(has)

    def _has_tag(self, operands: Any) -> Outcome:
        return self._pair(operands, lambda entity, tag: known(False) if _may_have_tag(entity, tag) else FAILS)

    def _get_tag(self, operands: Any) -> Outcome:
        # No entity has tags: there is nothing to declare them with.
        return self._pair(operands, lambda entity, tag: FAILS)

    def _is(self, operands: Any) -> Outcome:
        def is_of_type(value: Any) -> Outcome:
            return known(value.type == operands["entity_type"]) if kind_of(value) == "Entity" else FAILS

        return self.evaluate(operands["left"]).then(is_of_type)

    def _in(self, operands: Any) -> Outcome:
        def is_in(entity: Any, container: Any) -> Outcome:
            if kind_of(entity) != "Entity":
                return FAILS
            if kind_of(container) == "Entity":
                return truth(self._is_in(entity, container))
            if isinstance(container, Members):
                return self._in_members(entity, container)
            if isinstance(container, tuple) and all(kind_of(one) == "Entity" for one in container):
                return truth(any_of(self._is_in(entity, one) for one in container))
            return FAILS

        return self._pair(operands, is_in)

    def _is_in(self, entity: Any, ancestor: Any) -> Condition:
        if isinstance(entity, EntityUid):
            return any_of(same(one, ancestor, self._dialect) for one in self._entities.ancestry(entity))
        equal = same(entity, ancestor, self._dialect)
        if entity.type == self._principal_type:
            is_principal = same(entity, self._principal, self._dialect)
            return any_of([equal, all_of([is_principal, self._is_in(self._principal, ancestor)])])
        below = is_below(entity.row, ancestor) if entity.row else False
        return any_of([equal, all_of([entity.row.exists if entity.row else False, below])])

    def _in_members(self, entity: Any, members: Members) -> Outcome:
        if kind_of(members.member) != "Entity":
            # What is no entity is an error, but nothing is in an empty Set.
            return known(False).given(negated(members.has_other_than(())))
        if isinstance(entity, EntityUid):
            return truth(any_of(members.contains(one) for one in self._entities.ancestry(entity)))
        if entity.row and entity.row.definition.plan.parents:
            raise Untranslatable("the ancestors of a row are looked for in a Set of rows", _COMPUTE_CURE)
        if entity.type == self._principal_type:
            is_principal = same(entity, self._principal, self._dialect)
            groups = any_of(members.contains(one) for one in self._entities.ancestry(self._principal))
            return truth(any_of([members.contains(entity), all_of([is_principal, groups])]))
        return truth(members.contains(entity))

    # Sets

    def _contains(self, operands: Any) -> Outcome:
        return self._pair(operands, lambda members, value: self._of_members(members, lambda one: one(value)))

    def _contains_all(self, operands: Any) -> Outcome:
        return self._pair(operands, lambda members, values: self._among(members, values, all_of))

    def _contains_any(self, operands: Any) -> Outcome:
        return self._pair(operands, lambda members, values: self._among(members, values, any_of))

    def _among(self, members: Any, values: Any, joined: Callable[[Any], Condition]) -> Outcome:
        if kind_of(values) != "Set":
            return FAILS
        if isinstance(values, tuple):
            return self._of_members(members, lambda contains: joined([contains(value) for value in values]))
        if joined is any_of and isinstance(members, tuple):
            return truth(any_of(values.contains(value) for value in members))
        if isinstance(members, tuple):
            # Everything that is in the Set of the database is one of these.
            from_members = values.has_other_than(members)
            return _negated(truth(from_members))
        if kind_of(members) != "Set":
            return FAILS
        raise Untranslatable("two Sets of the database are compared", "Compare each with a Set of the policy.")

    def _of_members(self, members: Any, function: Callable[[Callable[[Any], Condition]], Condition]) -> Outcome:
        if isinstance(members, Members):
            return truth(function(members.contains))
        if isinstance(members, tuple):
            return truth(function(lambda value: any_of(self._same_member(one, value) for one in members)))
        return FAILS

    def _same_member(self, member: Any, value: Any) -> Condition:
        return same(member, value, self._dialect)

    def _is_empty(self, operands: Any) -> Outcome:
        def is_empty(value: Any) -> Outcome:
            if isinstance(value, tuple):
                return known(not value)
            return _negated(truth(value.has_other_than(()))) if isinstance(value, Members) else FAILS

        return self.evaluate(operands["arg"]).then(is_empty)

    # Extensions

    def _call(self, function: str, arguments: Any) -> Outcome:
        outcome = self._set(arguments)
        if function in CONSTRUCTORS:
            return outcome.then(lambda values: _constructed(function, *values))
        if function in COMPARISONS:
            return outcome.then(lambda values: self._compare(COMPARISONS[function], *values))
        if function in METHODS:
            return outcome.then(lambda values: self._method(function, values))
        raise Untranslatable(f"the operator {function!r} is not known", "Report this policy.")

    def _compare(self, operator: str, left: Any, right: Any) -> Outcome:
        if kind_of(left) != "decimal" or kind_of(right) != "decimal":
            return FAILS
        if operator in (">", "<="):
            left, right = right, left
        found = truth(less(left, right, self._dialect))
        return found if operator in ("<", ">") else _negated(found)

    def _method(self, function: str, values: tuple[Any, ...]) -> Outcome:
        kinds, compute = METHODS[function]
        if tuple(map(kind_of, values)) != kinds:
            return FAILS
        if any(isinstance(value, Term) for value in values):
            return self._method_of_column(function, values)
        try:
            return known(compute(*(value.value for value in values)))
        except FailedCall:
            return FAILS

    def _method_of_column(self, function: str, values: tuple[Any, ...]) -> Outcome:
        column, *arguments = values
        if function in ("isIpv4", "isIpv6"):
            return truth(where(Template(f"FAMILY({{0}}) = {function[-1]}", column.expression)))
        if function == "isInRange" and isinstance(column, Term) and isinstance(arguments[0], Extension):
            range_ = Template("{0}::inet", literal(str(network(arguments[0].value))))
            return truth(where(Template("{0} <<= {1}", column.expression, range_)))
        raise Untranslatable("a column is computed with", _COMPUTE_CURE)


def _negated(outcome: Outcome) -> Outcome:
    return outcome.then(lambda value: known(not value))


def _may_have_tag(entity: Any, tag: Any) -> bool:
    return kind_of(entity) == "Entity" and kind_of(tag) == "String"


def _constructed(function: str, text: Any) -> Outcome:
    if kind_of(text) != "String":
        return FAILS
    if isinstance(text, Term):
        raise Untranslatable("the text of a column is parsed", _PARSE_CURE)
    try:
        return known(CONSTRUCTORS[function](text))
    except FailedCall:
        return FAILS


def _is_like(text: str, parts: list[str | None]) -> bool:
    """Whether a text matches a pattern, in which ``None`` is the wildcard."""
    places = {0}
    for part in parts:
        if part is None:
            places = set(range(min(places, default=len(text) + 1), len(text) + 1))
        else:
            places = {place + 1 for place in places if text[place : place + 1] == part}
    return len(text) in places


_OPERATORS: Mapping[str, Callable[[Evaluator, Any], Outcome]] = {
    "Value": Evaluator._value,
    "Var": Evaluator._variable,
    "unknown": Evaluator._unknown,
    "Set": Evaluator._set,
    "Record": Evaluator._record,
    "&&": Evaluator._and,
    "||": Evaluator._or,
    "!": Evaluator._not,
    "if-then-else": Evaluator._if,
    "==": Evaluator._equal,
    "<": Evaluator._less,
    "<=": Evaluator._less_or_equal,
    "+": lambda evaluator, operands: evaluator._arithmetic("+", operands),
    "-": lambda evaluator, operands: evaluator._arithmetic("-", operands),
    "*": lambda evaluator, operands: evaluator._arithmetic("*", operands),
    "neg": Evaluator._negative,
    "like": Evaluator._like,
    ".": Evaluator._attribute,
    "has": Evaluator._has,
    "hasTag": Evaluator._has_tag,
    "getTag": Evaluator._get_tag,
    "is": Evaluator._is,
    "in": Evaluator._in,
    "contains": Evaluator._contains,
    "containsAll": Evaluator._contains_all,
    "containsAny": Evaluator._contains_any,
    "isEmpty": Evaluator._is_empty,
}
