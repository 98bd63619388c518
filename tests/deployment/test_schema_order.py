"""The order of a push in which the schema changes, too, and refuses the requests that it does not declare."""

from __future__ import annotations

import functools
import json
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from itertools import product
from random import Random

import cedarpy
import pytest

from django_avp.deployment.items import SCHEMA_GUARD, Kind, State
from django_avp.deployment.planning import plan
from django_avp.deployment.steps import Phase, applied
from django_avp.exceptions import PolicyError
from django_avp.schema_json import schema_json
from tests.deployment.generated import policies, variation
from tests.deployment.support import allowed_by, policy_set_of, state

PAIRS = 400
ACTIONS = ("read", "write", "erase")
ENTITIES = [
    {"uid": {"type": "G", "id": "staff"}, "attrs": {}, "parents": []},
    {"uid": {"type": "U", "id": "ann"}, "attrs": {"level": 1}, "parents": [{"type": "G", "id": "staff"}]},
    {"uid": {"type": "F", "id": "1"}, "attrs": {"open": True}, "parents": []},
    {"uid": {"type": "H", "id": "1"}, "attrs": {"open": False}, "parents": []},
]
REQUESTS = [
    {
        "principal": {"type": "U", "id": "ann"},
        "action": {"type": "Action", "id": action},
        "resource": {"type": resource, "id": "1"},
        "context": {"mfa": mfa},
    }
    for action, resource, mfa in product(ACTIONS, ("F", "H"), (False, True))
]


def schema(random):
    """A schema: some actions, each for files or for more, in a group or in none."""
    declared = [
        f"action {action}{random.choice([' in [any]', ' in [any]', ''])} appliesTo {{principal: U, resource: "
        f"{random.choice(['F', 'F', '[F, H]'])}, context: {{mfa: Bool}}}};"
        for action in ACTIONS
        if random.random() < 0.7
    ]
    text = (
        "entity G; entity U in [G] = {level: Long}; entity F in [F] = {open?: Bool}; entity H = {open?: Bool};"
        f"action any; {' '.join(declared)}"
    )
    return schema_json(cedarpy.Schema.from_str(text))


@functools.cache
def handle_of(text):
    """A schema, parsed once."""
    return cedarpy.Schema.from_json_str(text)


@functools.cache
def parsed(text):
    """A schema with the entities that it lets in, its actions and their groups among them."""
    handle = handle_of(text)
    return handle, cedarpy.Entities.from_json_str(json.dumps(ENTITIES), schema=handle)


def conforming(state, text):
    """What of a state a store takes whose schema this is."""
    handle = handle_of(text)

    def holds(item):
        return cedarpy.validate_policies(item.text, handle).validation_passed

    templates = {key: item for key, item in state.templates.items() if holds(item)}
    kept = {
        key: item
        for key, item in state.policies.items()
        if (item.template in templates if item.kind is Kind.LINK else holds(item))
    }
    return State(kept, templates, text)


def allowed_in(state):
    """The numbers of the requests that a state allows, its schema being asked first."""
    handle, entities = parsed(state.schema)
    return allowed_by(policy_set_of(state), REQUESTS, entities, handle)


def test_g4_with_the_schema_no_call_opens_anything():
    """Four hundred pairs, each also interrupted anywhere and resumed; what cannot be made so is refused."""
    refused, phases, guarded = 0, set(), 0
    for number in range(PAIRS):
        random = Random(number)  # noqa: S311 - no secret
        before = conforming(policies(random), schema(random))
        after = conforming(variation(random, before), schema(random))
        try:
            made = plan(before, after, prune=True)
        except PolicyError as error:
            refused += "The schema cannot change safely" in str(error)
            continue
        limit = allowed_in(before) | allowed_in(after)
        states = [before]
        for step in made.steps:
            states.append(applied(states[-1], step))
            assert allowed_in(states[-1]) <= limit, step.title
        phases |= {step.phase for step in made.steps if step.schema}
        guarded += any(SCHEMA_GUARD in step.title for step in made.steps)

        half = random.choice(states)
        again = plan(half, after, prune=True)
        for step in again.steps:
            half = applied(half, step)
            assert allowed_in(half) <= limit, step.title
        assert allowed_in(half) == allowed_in(after)
    assert phases == {Phase.SCHEMA, Phase.FINAL_SCHEMA}
    assert guarded > 50
    assert refused < PAIRS / 2


# Parents, which no policy can tell from each other

USERS = [[], [{"type": "G", "id": "staff"}], [{"type": "D", "id": "x"}]]
GROUPS = [[], [{"type": "D", "id": "x"}]]
FILES = [[], [{"type": "D", "id": "x"}]]
READ = REQUESTS[0]
MEMBERSHIPS = {"U": ["G", "G, D"], "G": ["", "", "D"], "F": ["", "D"]}
CONDITIONS = [
    f"{effect} (principal, action, resource) {condition};"
    for effect in ("permit", "permit", "forbid")
    for condition in (
        "",
        'when { resource in D::"x" }',
        'unless { principal in D::"x" }',
        'when { principal in G::"staff" }',
        'unless { resource in D::"x" }',
    )
]
CONDITIONS += [
    'forbid (principal, action, resource in D::"x");',
    'permit (principal in D::"x", action == Action::"read", resource);',
]


def parental(random):
    """A schema in which files, users or groups may be in departments."""
    inside = {kind: random.choice(choices) for kind, choices in MEMBERSHIPS.items()}
    text = "entity D; " + " ".join(f"entity {kind} in [{parents}];" for kind, parents in inside.items())
    erase = random.choice(["", "action erase appliesTo {principal: U, resource: F, context: {mfa: Bool}};"])
    return schema_of(f"{text} {erase} action read appliesTo {{principal: U, resource: F, context: {{mfa: Bool}}}};")


def schema_of(text):
    return schema_json(cedarpy.Schema.from_str(text))


@functools.cache
def parented(text):
    """The entities of each request that a schema lets in, by the number of their parents; others are refused."""
    handle, found = handle_of(text), {}
    for number, (user, group, file) in enumerate(product(USERS, GROUPS, FILES)):
        entities = [
            {"uid": {"type": kind, "id": uid}, "attrs": {}, "parents": parents}
            for kind, uid, parents in (("U", "ann", user), ("G", "staff", group), ("F", "1", file))
        ]
        with suppress(ValueError):
            found[number] = cedarpy.Entities.from_json_str(json.dumps(entities), schema=handle)
    return handle, found


def allowed_with_parents(state):
    """What a state allows of requests that differ in the parents of their entities, and in their action."""
    handle, found = parented(state.schema)
    requests = [READ, {**READ, "action": {"type": "Action", "id": "erase"}}]
    policy_set = policy_set_of(state)
    return {
        (number, action)
        for number, entities in found.items()
        for action in allowed_by(policy_set, requests, entities, handle)
    }


def some_policies(random):
    lines = [f'@id("{one}") {random.choice(CONDITIONS)}' for one in "abc" if random.random() < 0.7]
    return "\n".join(lines)


def opened(before, made, after):
    """The titles of the steps after which something is allowed that neither state allows."""
    limit = allowed_with_parents(before) | allowed_with_parents(after)
    current, found = made.current, []
    for step in made.steps:
        current = applied(current, step)
        if not allowed_with_parents(current) <= limit:
            found.append(step.title)
    return found


def test_g4_with_other_parents_no_call_opens_anything():
    """Four hundred pairs, half of them with one more policy: types of parents come and go with them."""
    wide, refused = 0, 0
    for number in range(PAIRS):
        random = Random(number)  # noqa: S311 - no secret
        first = some_policies(random)
        second = random.choice([some_policies(random), f'{first}\n@id("d") {random.choice(CONDITIONS)}'])
        before = conforming(state(first), parental(random))
        after = conforming(state(second), parental(random))
        try:
            made = plan(before, after, prune=True)
        except PolicyError:
            refused += 1
            continue
        assert opened(before, made, after) == []
        # Interrupted anywhere, and resumed.
        half = reduce(applied, made.steps[: random.randint(0, len(made.steps))], before)
        again = plan(half, after, prune=True)
        assert opened(before, again, after) == []
        assert made.expected.policies == again.expected.policies == after.policies
        assert allowed_with_parents(made.expected) == allowed_with_parents(after)
        wide += any(step.phase is Phase.SCHEMA and "D" in step.schema for step in made.steps)
    assert wide > 50
    assert refused < PAIRS / 4


IN_NONE = (
    "entity G; entity U in [G]; entity D; entity F; "
    "action read appliesTo {principal: U, resource: F, context: {mfa: Bool}};"
)
IN_SOME = IN_NONE.replace("entity F;", "entity F in [D];")
ANYBODY = '@id("p") permit (principal, action, resource);'


def test_g4_parents_are_taken_when_the_forbids_of_them_are_there():
    """What is in the secret department was refused before, and is forbidden afterwards."""
    forbid = '@id("f") forbid (principal, action, resource) when { resource in D::"secret" };'
    before = replace(state(ANYBODY), schema=schema_of(IN_NONE))
    after = replace(state(f"{ANYBODY}\n{forbid}"), schema=schema_of(IN_SOME))
    made = plan(before, after)
    assert [step.title for step in made.steps] == ['create forbid "f"', "put schema"]


def test_g4_parents_go_before_the_permits_that_do_not_know_them():
    """What was permitted outside of a department alone is permitted anywhere when there is none."""
    outside = ANYBODY.replace(";", ' unless { resource in D::"x" };')
    before = replace(state(outside), schema=schema_of(IN_SOME))
    after = replace(state(ANYBODY), schema=schema_of(IN_NONE))
    made = plan(before, after)
    assert [step.title for step in made.steps] == ["put schema", 'change permit "p"']
    assert opened(before, made, after) == []
    assert opened(before, replace(made, steps=made.steps[::-1]), after) == ['change permit "p"']


def test_a_scope_that_asks_for_new_parents_can_come_where_nothing_closes():
    """It cannot conform while they are refused; with a forbid it is told."""
    before = replace(state(ANYBODY), schema=schema_of(IN_NONE))
    scoped = '@id("s") {} (principal, action, resource in D::"x");'
    after = replace(state(f"{ANYBODY}\n{scoped.format('permit')}"), schema=schema_of(IN_SOME))
    assert [step.title for step in plan(before, after).steps] == ["put schema", 'create permit "s"']
    after = replace(state(f"{ANYBODY}\n{scoped.format('forbid')}"), schema=schema_of(IN_SOME))
    with pytest.raises(PolicyError, match='forbid "s" conforms to the new schema, but not while the old one holds'):
        plan(before, after)
