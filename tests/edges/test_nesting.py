"""What nests too deeply for Cedar, whose parser ends the process: an error of a policy or a schema, else a denial."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from django_avp import entities
from django_avp.cedar import EntityUid
from django_avp.exceptions import PolicyError
from django_avp.policies import PolicyBuilder, Statement, parse_schema
from django_avp.policy_files import MAX_NESTING, nesting
from django_avp.schema import Schema
from django_avp.values import MAX_DEPTH, is_too_deep
from tests.edges.conftest import NAMESPACE, engines
from tests.processes import PATIENCE
from tests.testapp.models import Item

# Conditions that nest with every step: the first is as deep as its number says.
CONDITIONS = {
    "parentheses": lambda n: "(" * n + "true" + ")" * n,
    "sets": lambda n: "[" * n + "1" + "]" * n + " == 1",
    "records": lambda n: "{a:" * n + "1" + "}" * n + " == 1",
    "calls": lambda n: "context.contains(" * n + "1" + ")" * n,
    "if, in the condition": lambda n: "if " * n + "true" + " then true else false" * n,
    "if, in the branch": lambda n: "if true then " * n + "true" + " else false" * n,
    "if, in the other branch": lambda n: "if true then true else " * n + "true",
    "attributes": lambda n: "resource" + ".a" * n,
    "attributes in brackets": lambda n: "resource" + '["a"]' * n,
    "methods": lambda n: "resource" + ".contains(1)" * n,
    "has": lambda n: "resource has a" + ".a" * n,
    "sums": lambda n: "1" + " + 1" * n + " == 1",
    "differences": lambda n: "1" + "-1" * n + " == 1",
    "products": lambda n: "1" + "*1" * n + " == 1",
    "and": lambda n: "true" + " && true" * n,
    "or": lambda n: "false" + " || true" * n,
    "not": lambda n: "!" * n + "true",
    "minus": lambda n: "1 == " + "-" * n + "1",
}
SCHEMAS = {
    "sets": lambda n: f"entity A = {{ a: {'Set<' * n}Long{'>' * n} }};",
    "records": lambda n: f"entity A = {{ a: {'{a:' * n}Long{'}' * n} }};",
    "tags": lambda n: f"entity A tags {'Set<' * n}Long{'>' * n};",
    "contexts": lambda n: (
        f"entity A; action a appliesTo {{ principal: A, resource: A, context: {{a: {'{a:' * n}A{'}' * n}}}}};"
    ),
}
LEVELS = (1_000, 100_000)


def policy(condition):
    return f"permit (principal, action, resource) when {{ {condition} }};"


def loaded(text):
    builder = PolicyBuilder()
    builder.add(Statement(Path("policies.cedar"), 1, text))
    builder.build(None)


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("name", CONDITIONS)
def test_a_policy_that_nests_too_deeply_is_an_error(name, levels):
    """Whatever it is that nests, in brackets or without any; Cedar is not asked about what would end the process."""
    with pytest.raises(PolicyError, match="policies.cedar:1: (nested too deeply|too many occurrences)"):
        loaded(policy(CONDITIONS[name](levels)))


@pytest.mark.parametrize("levels", LEVELS)
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_that_nests_too_deeply_is_an_error(name, levels):
    """With its place, too."""
    with pytest.raises(PolicyError, match="schema.cedarschema:1: .*nested too deeply"):
        parse_schema(Statement(Path("schema.cedarschema"), 1, SCHEMAS[name](levels)))


def test_such_a_policy_and_such_a_schema_do_end_a_process():
    """The danger is real: Cedar's parser runs out of its stack, which no `except` catches."""
    code = "import cedarpy, sys; getattr(cedarpy, sys.argv[1]).from_str(sys.stdin.read())"
    texts = {
        "PolicySet": policy(CONDITIONS["if, in the other branch"](100_000)),
        "Schema": SCHEMAS["sets"](100_000),
    }
    for kind, text in texts.items():
        done = subprocess.run(  # noqa: S603 - this Python, our code
            [sys.executable, "-c", code, kind],
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode < 0


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_policy_that_nests_a_little_is_taken(name):
    """As people write them."""
    loaded(policy(CONDITIONS[name](3)))


def test_what_stands_side_by_side_does_not_nest():
    """A thousand members of a Set, conditions and policies."""
    members = ", ".join(f'resource.a.b == {NAMESPACE}::User::"{number}"' for number in range(1_000))
    assert nesting(f"[{members}, if true then 1 else 2]") < 2.6
    assert nesting("permit (principal, action, resource)" + " when { if true then a.b else c.d }" * 1_000) < 3
    assert nesting('"((((" + "[[[[" // {{{{\n') < 1
    assert nesting(")))") == 0
    assert nesting(policy(CONDITIONS["and"](600))) < MAX_NESTING
    loaded(f"permit (principal, action, resource) when {{ [{members}].isEmpty() }};")


def test_types_and_groups_that_are_declared_by_others():
    """Hundreds of levels are an error, and what is declared by another one twice takes no longer than once."""
    chain = "".join(f"type T{n} = Set<T{n + 1}>;\n" for n in range(1_000)) + "type T1000 = Long; entity A = {a: T0};"
    with pytest.raises(ValueError, match="nested too deeply"):
        Schema.parse(chain)

    both = "[{0}a{1}, {0}b{1}]"
    levels = range(40)
    groups = "".join(f"action a{n}, b{n} in {both.format('', n + 1)};\n" for n in levels) + "action a40, b40;"
    schema = Schema.parse(groups)
    assert len(schema.actions[EntityUid("Action", "a0")].groups) == 80
    twice = "".join(f"type T{n} = {{a: T{n + 1}, b: T{n + 1}}};\n" for n in range(12)) + "type T12 = Long;"
    kind = Schema.parse(twice + "entity A = {a: T0};").entity_types["A"].shape.attributes["a"].type
    assert kind.attributes["a"].type is kind.attributes["b"].type


def nested(levels, make=list):
    value = 1
    for _ in range(levels):
        value = [value] if make is list else {"a": value}
    return value


def test_depth_is_that_of_the_deepest_member():
    """Sets and Records count alike, and what holds itself has no end."""
    round_and_round = []
    round_and_round += [round_and_round, {"a": round_and_round}]
    for make in (list, dict):
        assert not is_too_deep({"a": nested(MAX_DEPTH - 1, make)})
        assert is_too_deep({"b": 1, "a": nested(MAX_DEPTH, make)})
    assert is_too_deep(round_and_round)
    assert not is_too_deep([[1, "a"], (2,), {3}, {"a": None}])


class Deep(entities.ModelEntity):
    attributes = ("memo",)

    def attribute_deep(self, row):
        """As deep as a row says, as a document from somewhere else may be."""
        return nested(row.small, dict if row.memo == "records" else list)


@engines
@pytest.mark.parametrize("make", [list, dict])
def test_data_that_nests_too_deeply_denies(doors, policies_in, kind, make):
    """A context and claims are undecided, an attribute is absent, and others of the round are decided."""
    policies = [
        '@id("shallow") permit (principal, action == Edge::Action::"Shallow", resource);',
        '@id("deep") permit (principal, action == Edge::Action::"Deep", resource) when { resource has deep };',
    ]
    names = "records" if make is dict else "sets"
    rows = {n: Item.objects.create(small=n, memo=names) for n in (1, MAX_DEPTH, MAX_DEPTH + 1, 125, 300, 1_000, 5_000)}
    with doors.open(kind, policies_in(policies), {Item: Deep}):
        authorization = doors.asking()
        authorization.collect("Deep", rows.values())
        found = {levels: bool(authorization.can("Deep", row)) for levels, row in rows.items()}
        assert found == {levels: levels <= MAX_DEPTH for levels in rows}

        for levels in (MAX_DEPTH - 1, MAX_DEPTH, 125, 300, 1_000, 5_000):
            is_held = levels < MAX_DEPTH
            asked = {"a": nested(levels, make)}
            authorization = doors.asking()
            authorization.collect("Shallow", rows.values())
            assert bool(authorization.can("Shallow", rows[1], asked)) is is_held
            assert authorization.can("Shallow", rows[1])
            assert doors.shown(doors.asking(), "Shallow", rows[1], a=asked["a"]) is is_held
            # The lists of the service are those of its store, read beforehand.
            if kind != "remote":
                listed = doors.asking().permitted("Shallow", Item.objects.all(), asked)
                assert listed.count() == (len(rows) if is_held else 0)
            # What Python does not read is no token.
            if levels <= 300:
                for use in ("id", "access"):
                    assert bool(doors.asking(use, a=asked["a"]).can("Shallow", rows[1])) is is_held
