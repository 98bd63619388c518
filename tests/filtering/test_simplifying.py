"""Conditions are true for the same rows when they are shorter."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from django.db import connection
from django.db.models import F, Value
from django.db.models.lookups import Exact

from django_avp.filtering.conditions import all_of, any_of, is_null, negated, not_null, where
from django_avp.filtering.dialects import TextTest, dialect_of
from django_avp.filtering.simplifying import simplified
from tests.testapp.models import Item

TEXTS = [None, "", "a", "b"]


def drawn(random, depth):
    """A condition as policies make them: what a NULL would make unknown stands beside what excludes the NULL."""
    if depth:
        parts = [drawn(random, depth - 1) for _ in range(random.randint(1, 3))]
        whole = random.choice([all_of, any_of])(parts)
        return negated(whole) if random.random() < 0.4 else whole
    column = F(random.choice(["name", "odd"]))
    dialect = dialect_of(connection)
    equals = where(TextTest(dialect.same_text, column, "equals", random.choice(["a", "b", ""])))
    is_id = where(TextTest(f"({dialect.is_id})", column, "id"))
    leaves = [is_null(column), not_null(column), all_of([not_null(column), equals]), all_of([not_null(column), is_id])]
    leaves += [all_of([not_null(column), negated(equals)]), where(Exact(F("small"), Value(random.randint(0, 1))))]
    return random.choice(leaves)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(10))
def test_e10_a_condition_that_is_simplified_is_true_for_the_same_rows(seed):
    """50 of them, each with its complement, over every combination of what columns may be."""
    for name, odd, small in itertools.product(TEXTS, TEXTS, [0, 1]):
        Item.objects.create(name=name, odd=odd, small=small)
    rows = {row.pk for row in Item.objects.all()}
    random = Random(seed)  # noqa: S311 - draws tests

    def found(condition):
        if isinstance(condition, bool):
            return rows if condition else set()
        return {row.pk for row in Item.objects.filter(condition)}

    for _ in range(50):
        condition = drawn(random, random.randint(1, 4))
        shorter = simplified(condition)
        assert found(shorter) == found(condition), (condition, shorter)
        assert found(negated(condition)) == found(simplified(negated(condition))) == rows - found(condition), condition
