"""The order of a push in which the schema changes, too, and refuses the requests that it does not declare."""

from __future__ import annotations

import functools
import json
from itertools import product
from random import Random

import cedarpy

from django_avp.deployment.items import SCHEMA_GUARD, Kind, State
from django_avp.deployment.planning import plan
from django_avp.deployment.steps import Phase, applied
from django_avp.exceptions import PolicyError
from django_avp.schema_json import schema_json
from tests.deployment.generated import policies, variation
from tests.deployment.support import allowed_by, policy_set_of

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
def parsed(text):
    """A schema with the entities that it lets in, its actions and their groups among them."""
    handle = cedarpy.Schema.from_json_str(text)
    return handle, cedarpy.Entities.from_json_str(json.dumps(ENTITIES), schema=handle)


def conforming(state, text):
    """What of a state a store takes whose schema this is."""
    handle = parsed(text)[0]

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
