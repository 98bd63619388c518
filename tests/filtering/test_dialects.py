"""What each database is asked, on whichever the tests run; on their own they prove it by rows."""

from __future__ import annotations

import json
from itertools import product

import cedarpy
import pytest
from django.db import connection, models
from django.db.models import TextField
from django.db.models.functions import Cast

from django_avp import entities
from django_avp.cedar import Entity, EntityUid
from django_avp.entities.registry import Registry
from django_avp.filtering.compiler import compiled
from django_avp.filtering.dialects import DIALECTS, Template, dialect_of, literal
from django_avp.filtering.evaluation import Evaluator
from django_avp.filtering.ground import Entities
from django_avp.filtering.partial import residuals
from django_avp.filtering.question import Question
from django_avp.filtering.rows import Row
from django_avp.filtering.terms import is_exact
from django_avp.filtering.untranslatable import Untranslatable
from tests.filtering.conftest import declared, parsed
from tests.filtering.test_rules_e import CALLS
from tests.testapp.models import Box, Exotic, Item, Place, Room, Wide

ANN = Entity(EntityUid("PhotoFlash::User", "ann"))
VIEW = EntityUid("PhotoFlash::Action", "View")


def definition_of(model, **body):
    return type("ModelEntity", (entities.ModelEntity,), body)(model, Registry())


def asked(condition, definition, vendor):
    """The templates of the list that a condition makes."""
    policies = parsed(f"permit (principal, action, resource) when {{ {condition} }};")
    left = residuals(policies, ANN.uid, VIEW, "", [ANN], definition.entity_type)
    found, _ = compiled(policies, left, Question(ANN, VIEW), definition, DIALECTS[vendor])
    return " ".join(sorted(templates(found)))


def templates(node):
    if isinstance(node, Template):
        yield node.sql
    for child in getattr(node, "children", None) or getattr(node, "source_expressions", None) or ():
        yield from templates(child)


ITEM = {"attributes": ["address", "memo", "meta", "price"], "shapes": {"meta": {"flag": bool, "list": [str]}}}
EXOTIC = {"attributes": ["words", "numbers"]}


@pytest.mark.parametrize(
    ("condition", "model", "body", "vendor", "sql"),
    [
        ('resource.memo like "a*"', Item, ITEM, "sqlite", "{0} GLOB {1}"),
        ('resource.memo like "a*"', Item, ITEM, "postgresql", "{0} LIKE {1} ESCAPE '!'"),
        ('resource.memo like "a*"', Item, ITEM, "mariadb", "{0} COLLATE utf8mb4_nopad_bin LIKE {1} ESCAPE '!'"),
        ('resource.memo == "a"', Item, ITEM, "mariadb", "({0} = {1} AND {0} COLLATE utf8mb4_nopad_bin = {1})"),
        ("resource.price == resource.price", Item, ITEM, "postgresql", "{0} <> 'NaN'"),
        ('resource.address == ip("10.0.0.1")', Item, ITEM, "postgresql", "{0} = HOST({0})::inet"),
        ('resource.address == ip("10.0.0.0/8")', Item, ITEM, "postgresql", ""),
        ('resource.address.isInRange(ip("10.0.0.0/8"))', Item, ITEM, "postgresql", "{0} <<= {1}"),
        ("resource.address.isIpv6()", Item, ITEM, "postgresql", "FAMILY({0}) = 6"),
        ("resource.meta.flag", Item, ITEM, "postgresql", "(({0} #> '{{flag}}') = 'true'::jsonb)"),
        ("resource.meta.flag", Item, ITEM, "mariadb", "JSON_EXTRACT({0}, '$.\"flag\"') = 'true'"),
        ('resource.meta.list.contains("a")', Item, ITEM, "mariadb", "JSON_TABLE"),
        ('resource.words.contains("a")', Exotic, EXOTIC, "postgresql", "UNNEST({0}) item"),
        ("resource.numbers.contains(1)", Exotic, EXOTIC, "postgresql", "UNNEST({0}) item"),
        ("resource.huge > 1", Wide, {"attributes": ["huge"]}, "mariadb", "{0} <= 9223372036854775807"),
        ('resource.code like "a*"', Place, {"attributes": ["code"]}, "sqlite", "{0} GLOB {1}"),
    ],
)
def test_e6_each_database_is_asked_in_its_own_words(condition, model, body, vendor, sql):
    """So that it answers as Cedar does."""
    assert sql in asked(condition, definition_of(model, **body), vendor)


class Citext(models.CharField):
    """A text of a type that compares in its own way."""

    def db_type(self, connection):
        return "citext"


@pytest.mark.parametrize(
    ("field", "exact"),
    [
        (models.UUIDField(), {"sqlite", "postgresql", "mariadb"}),
        (Item._meta.get_field("shelf"), {"sqlite", "postgresql", "mariadb"}),
        (models.CharField(), {"sqlite", "postgresql"}),
        (models.TextField(db_collation="NOCASE"), set()),
        (models.CharField(db_collation="utf8mb4_bin"), set()),  # it pads
        (models.CharField(db_collation="utf8mb4_nopad_bin"), {"mariadb"}),
        (models.CharField(db_collation="C"), {"postgresql"}),
        (models.CharField(db_collation="BINARY"), {"sqlite"}),
        (Citext(), set()),
    ],
)
def test_e6_databases_join_exactly_by_what_they_tell_apart(field, exact):
    """Elsewhere the row that is joined need not be the one that is named."""
    assert {vendor for vendor, dialect in DIALECTS.items() if is_exact(field, dialect)} == exact


@pytest.mark.parametrize("vendor", DIALECTS)
def test_what_policies_say_is_asked_before_what_every_row_has_to_be(vendor):
    """Whether a row is decided is asked of those that are left: databases go by the order where no index tells."""
    policies = parsed('permit (principal, action, resource) when { resource.memo like "a*" };')
    definition = definition_of(Room, id_field="slug", attributes={"memo": "slug"})
    left = residuals(policies, ANN.uid, VIEW, "", [ANN], definition.entity_type)
    found, _ = compiled(policies, left, Question(ANN, VIEW), definition, DIALECTS[vendor])
    tests = [DIALECTS[vendor].like, f"({DIALECTS[vendor].is_id})"]
    assert [sql for sql in templates(found) if sql in tests] == tests


# Line breaks and what is next to them, text of one to four bytes, and what patterns and escapes are made of.
CHARACTERS = "a \t\n\x0b\x0c\r\x1c\u0084\u0085é\u2027\u2028\u2029\u2030😀%_*[]!'\\\0"


def test_a9_databases_know_ids(db):
    """As rule A9 has them, whatever characters stand beside each other."""
    characters = CHARACTERS.replace("\0", "" if connection.vendor == "postgresql" else "\0")
    texts = ["", *characters, *map("".join, product(characters, repeat=2)), "é" * 612, "é" * 613]
    Box.objects.create()
    is_id = dialect_of(connection).is_id
    found = [text for text in texts if Box.objects.filter(Template(is_id, Cast(literal(text), TextField()))).exists()]
    assert found == [text for text in texts if EntityUid("Box", text).is_valid]


@pytest.mark.parametrize("test", ['isInRange(ip("10.0.0.1"))', "isLoopback()"])
def test_e5_what_no_database_knows_of_addresses_is_refused(test):
    """And what all but PostgreSQL do not."""
    definition = definition_of(Item, **ITEM)
    if "Loopback" in test:
        with pytest.raises(Exception, match="a column is computed with"):
            asked(f"resource.address.{test}", definition, "postgresql")
    with pytest.raises(Exception, match="SQLite does not know IP addresses"):
        asked(f"resource.address.{test}", definition, "sqlite")


@pytest.fixture
def evaluator():
    """Evaluates expressions about an item."""
    row = Row(declared()(Item, Registry()), DIALECTS["sqlite"])
    return Evaluator(row, {"principal": ANN.uid, "action": VIEW, "context": {}}, Entities.of([ANN]))


def test_a3_a_condition_that_reads_the_principal_is_personal(evaluator):
    """And one that reads the other variables is not."""
    assert evaluator.evaluate({"Var": "action"}).cases == ((True, VIEW),)
    assert evaluator.evaluate({"Var": "context"}).cases == ((True, {}),)
    assert evaluator.evaluate({"Var": "resource"}).cases[0][1].type == "PhotoFlash::Item"
    assert not evaluator.is_personal
    assert evaluator.evaluate({"Var": "principal"}).cases == ((True, ANN.uid),)
    assert evaluator.is_personal


def test_e3_an_ancestor_by_two_ways_is_found_once():
    """In a circle, too."""
    a, b, c, d = (EntityUid("PhotoFlash::Shelf", name) for name in "abcd")
    parents = {a: (b, c), b: (d,), c: (d,), d: (a,)}
    known = Entities.of(Entity(uid, parents=above) for uid, above in parents.items())
    assert list(known.ancestry(a)) == [a, b, c, d]


@pytest.mark.parametrize("call", CALLS)
def test_e2_calls_come_to_what_cedar_says(evaluator, call):
    """Evaluated here, whether or not Cedar leaves them."""
    text = f"permit (principal, action, resource) when {{ {call} }};"
    (policy,) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
    outcome = evaluator.evaluate(policy["conditions"][0]["body"])
    request = {"principal": str(ANN.uid), "action": str(VIEW), "resource": 'Item::"1"'}
    assert (outcome.is_true is True) == cedarpy.is_authorized(request, text, []).allowed


@pytest.mark.parametrize(
    "expression", [{"unknown": [{"Value": "context"}]}, {"shiny": [{"Value": 1}]}, {"!": {"arg": {"shiny": []}}}]
)
def test_e5_what_is_not_known_is_refused(evaluator, expression):
    """Never taken for something else."""
    with pytest.raises(Untranslatable):
        evaluator.evaluate(expression)
