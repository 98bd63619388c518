"""Tests of ``django_avp.expressions``: the rewritten form decides as Cedar decides the text."""

from __future__ import annotations

import json

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_avp.expressions import balanced, calls_unknown

REQUEST = {
    "principal": {"type": "U", "id": "1"},
    "action": {"type": "Action", "id": "a"},
    "resource": {"type": "U", "id": "1"},
    "context": {"t": True, "f": False, "n": 1},
}
ENTITIES = [{"uid": REQUEST["principal"], "attrs": {}, "parents": []}]
HEAD = "permit (principal, action, resource) when"

# True, false, a type error and a missing attribute, in every place of a chain.
leaves = st.sampled_from(["context.t", "context.f", "context.n", "principal.gone", "principal has gone", "!context.f"])
chains = st.recursive(
    leaves,
    lambda inner: (
        st.tuples(st.sampled_from([" && ", " || "]), st.lists(inner, min_size=2, max_size=5)).map(
            lambda chain: f"({chain[0].join(chain[1])})"
        )
        | inner.map("!({})".format)
        | inner.map("(if {} then context.t else context.f)".format)
    ),
)


def parsed(condition):
    return json.loads(cedarpy.policies_to_json_str(f"{HEAD} {{ {condition} }};"))


def decided(policies):
    result = cedarpy.is_authorized(REQUEST, policies, ENTITIES)
    return result.decision, bool(result.diagnostics.errors)


@given(chains)
def test_chains_decide_the_same_when_balanced(condition):
    """Answer and error are those of the text, whichever part is true, false, missing or no boolean."""
    rewritten = cedarpy.PolicySet.from_json_str(json.dumps(balanced(parsed(condition))))

    assert decided(rewritten) == decided(f"{HEAD} {{ {condition} }};")


@pytest.mark.parametrize("operator", ["&&", "||"])
@pytest.mark.parametrize("operands", [2, 3, 7, 400])
def test_chains_nest_little_when_balanced(operator, operands):
    """The depth grows with the logarithm of the length, and the order stays."""
    text = f" {operator} ".join(f"context.a{number}" for number in range(operands))
    document = balanced(parsed(text))

    cedarpy.PolicySet.from_json_str(json.dumps(document))
    names = [
        name for name in json.dumps(document).replace('"', " ").split() if name.startswith("a") and name[1:].isdigit()
    ]
    assert names == [f"a{number}" for number in range(operands)]


@pytest.mark.parametrize(
    "condition",
    [
        'context == {"&&": 1, "||": {"&&": [true]}, "Record": {"left": 1, "right": 2}, "left": 3}',
        '["&&", "||"].contains("&&")',
        "context.a.b.c has d",
        'context like "a*||"',
        'principal is U in U::"&&"',
    ],
)
def test_other_expressions_stay(condition):
    """Names that look like operators are not rewritten."""
    assert balanced(parsed(condition)) == parsed(condition)


@pytest.mark.parametrize(
    ("condition", "is_called"),
    [
        ('unknown("x")', True),
        ('context.a && (if unknown("x") then true else false)', True),
        ('[1, {a: [unknown("x")]}].contains(2)', True),
        ('{Record: unknown("x")} == context', True),
        ('{unknown: unknown("x")} == context', True),
        ("{unknown: [1]}.unknown.contains(1)", False),
        ("{Record: {unknown: [1]}} == context", False),
        ('context.unknown == "unknown" && context has unknown', False),
        ('principal == unknown::"unknown"', False),
    ],
)
def test_a6_calls_of_unknown_are_found(condition, is_called):
    """The function is found in every place; the word may be data."""
    assert calls_unknown(parsed(condition)) is is_called


def test_annotations_may_use_the_word():
    """An annotation is no expression."""
    assert not calls_unknown(json.loads(cedarpy.policies_to_json_str(f'@unknown("x") @Record("y") {HEAD} {{ true }};')))
