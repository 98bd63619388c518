"""Slices: what the policies decide whose scopes may match is what all of them decide."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random

import cedarpy
import pytest
from django.test import override_settings

from django_avp.cedar import Check, Entity, EntityUid
from django_avp.engines.base import Batch
from django_avp.engines.cedar import evaluate
from django_avp.filtering.partial import residuals
from django_avp.identity import Identity
from django_avp.policies import PolicyBuilder, Statement
from django_avp.schema import Schema
from django_avp.slicing import Asked, Slice, Slices
from tests.conftest import POOL

SETS = int(os.environ.get("SLICED_SETS", "260"))
NS = "PhotoFlash::"
ACTIONS = ["View", "Edit", "Delete", "Share"]
GROUPS = ["Read", "Write", "All"]
SCHEMA = """namespace PhotoFlash {
    entity Group; entity User in [Group] = { level?: Long };
    entity Account; entity Album in [Album, Account] = { pub?: Bool, note?: String };
    entity Photo in [Album] = { pub?: Bool, rank: Long, owner?: User, note: String };
    action All; action Read in [All]; action Write in [All];
    action View in [Read] appliesTo { principal: User, resource: [Photo, Album], context: { n?: Long } };
    action Edit in [Write] appliesTo { principal: User, resource: [Photo, Album], context: { n?: Long } };
    action Delete in [Write, Read] appliesTo { principal: User, resource: [Photo, Album], context: { n?: Long } };
    action Share appliesTo { principal: User, resource: [Photo, Album], context: { n?: Long } };
}"""
# Among them some that err, always or for some resources.
CONDITIONS = [
    "",
    "when { resource.pub }",
    "when { resource has rank && resource.rank > 2 }",
    "unless { resource.owner == principal }",
    "when { principal.level > 1 }",
    "when { context.n + 9223372036854775807 > 0 }",
    "when { context has n }",
    'when { resource is PhotoFlash::Album || resource in PhotoFlash::Album::"a1" }',
]


def uid(kind, name):
    return EntityUid(f"{NS}{kind}", name)


class World:
    """Policies whose scopes say everything that a scope can say, and questions about a small site."""

    def __init__(self, random):
        self.random = random
        self.has_schema = random.random() < 0.6
        self.identity = Identity.from_claims(
            {"sub": random.choice(["ann", "bob"]), "aud": "c", "level": 2, "note": "unread"}
            | {"cognito:groups": random.sample(["g1", "g2", "g3"], random.randint(0, 3))},
            pool=POOL,
        )
        self.entities = self._entities()
        self.policies = self._policies()

    def _entities(self):
        random = self.random
        albums = [
            Entity(
                uid("Album", f"a{n}"), {"pub": n % 2 == 0} if n else {}, (uid("Album", f"a{n + 1}"),) if n < 3 else ()
            )
            for n in range(4)
        ]
        albums[3] = Entity(albums[3].uid, {"note": "x"}, (uid("Account", "c1"),))
        photos = [
            Entity(
                uid("Photo", f"p{n}"),
                {
                    "rank": n,
                    "note": "never read",
                    **({"pub": random.random() < 0.5} if random.random() < 0.7 else {}),
                    **({"owner": {"__entity": uid("User", f"{POOL}|ann").as_json()}} if n % 2 else {}),
                },
                (uid("Album", f"a{random.randint(0, 3)}"),) if random.random() < 0.8 else (),
            )
            for n in range(8)
        ]
        return {entity.uid: entity for entity in [*albums, *photos, Entity(uid("Account", "c1"))]}

    # Scopes

    def _side(self, name, kinds, slot):
        random = self.random
        kind, ids = random.choice(kinds)
        one = f'{NS}{kind}::"{random.choice(ids)}"' if not slot or random.random() < 0.5 else f"?{name}"
        return random.choice(
            [
                name,
                name,
                f"{name} == {one}",
                f"{name} in {one}",
                f"{name} is {NS}{kind}",
                f"{name} is {NS}{kind} in {one}",
            ]
        )

    def _scope(self, *, slot=False):
        random = self.random
        groups = ("Group", [f"{POOL}|g1", f"{POOL}|g2", f"{POOL}|g3", f"{POOL}|g4"])
        principal = self._side("principal", [("User", [f"{POOL}|ann", f"{POOL}|bob", f"{POOL}|zoe"]), groups], slot)
        albums = ("Album", ["a0", "a1", "a2", "a3", "a9"])
        photos = ("Photo", [f"p{n}" for n in range(10)])
        resource = self._side("resource", [photos, photos, albums, ("Account", ["c1", "c2"])], slot)
        named = [f'{NS}Action::"{one}"' for one in random.sample([*ACTIONS, *GROUPS], random.randint(0, 3))]
        action = random.choice(
            ["action", f'action == {NS}Action::"{random.choice(ACTIONS)}"', f"action in [{', '.join(named)}]"]
            + [f'action in {NS}Action::"{random.choice(GROUPS)}"']
        )
        return f"{principal}, {action}, {resource}"

    def _policies(self):
        random = self.random
        builder = PolicyBuilder()
        for number in range(random.choice([1, 4, 12, 40])):
            effect = random.choice(["permit", "permit", "forbid"])
            slot = random.random() < 0.25
            text = f"{effect} ({self._scope(slot=slot)}) {random.choice(CONDITIONS)};"
            builder.add(Statement(Path("sliced.cedar"), number + 1, text), f"policy {number}")
            slots = {"?principal", "?resource"} & {one for one in ("?principal", "?resource") if one in text}
            for link in range(random.randint(0, 3) if slots else 0):
                values = {"?principal": uid("User", f"{POOL}|{random.choice(['ann', 'bob'])}")}
                values["?resource"] = uid(*random.choice([("Photo", f"p{random.randint(0, 9)}"), ("Album", "a1")]))
                filled = {"newId": f"link {number}.{link}", "templateId": f"policy {number}"}
                filled["values"] = {one: values[one].as_json() for one in slots}
                builder.add_link(filled, Statement(Path("links.json"), 1, json.dumps(filled)))
        return builder.build(Schema.parse(SCHEMA) if self.has_schema else None)

    # Questions

    def ancestry(self, start):
        """An entity and what it is in."""
        found, rest = {}, [start]
        while rest:
            entity = self.entities.get(rest.pop())
            if entity and entity.uid not in found:
                found[entity.uid] = entity
                rest.extend(entity.parents)
        return tuple(found.values())

    def batch(self):
        """Some actions on some resources, one of which is not there."""
        random = self.random
        resources = random.sample([*self.entities, uid("Photo", "p9")], random.choice([1, 1, 3, 8]))
        if self.has_schema:
            resources = [one for one in resources if one.type != f"{NS}Account"]
        context = random.choice(["", "", '{"n":1}'])
        checks = tuple(
            Check(uid("Action", action), resource, context)
            for action in random.sample(ACTIONS, random.randint(1, 4))
            for resource in resources
        )
        return Batch(self.identity, checks, tuple(self.ancestry(check.resource) for check in checks))

    def whole(self, batch):
        """What Cedar says of the whole set about each check by itself, with all attributes and the whole schema."""
        policies, schema = self.policies, self.policies.schema
        principal = batch.identity.entity(schema)
        for check, world in zip(batch.checks, batch.worlds, strict=True):
            document = json.dumps([entity.as_json() for entity in (*world, principal)])
            entities = cedarpy.Entities.from_json_str(document, schema.handle if schema else None)
            request = {
                "principal": principal.uid.as_json(),
                "action": check.action.as_json(),
                "resource": check.resource.as_json(),
                "context": check.context or "{}",
            }
            result = cedarpy.is_authorized(request, policies.policy_set, entities, schema.handle if schema else None)
            errors = tuple(sorted(map(policies.erring, result.diagnostics.errors)))
            yield result.allowed, tuple(sorted(result.diagnostics.reasons)), errors


def test_a_slice_decides_as_the_whole_set_does(caplog):
    """Decision, reasons and errors, for more than 10,000 requests under generated policies of every scope."""
    caplog.set_level("CRITICAL")
    asked = erring = permitted = 0
    for seed in range(SETS):
        world = World(Random(seed))  # noqa: S311 - draws tests
        for _ in range(8):
            batch = world.batch()
            expected = list(world.whole(batch))
            # Until it is worth it the whole set decides, then the slice.
            for _ in range(2):
                found = [
                    (decision.is_allowed, decision.determining_policies, decision.errors)
                    for decision in evaluate(batch, world.policies)
                ]
                assert found == expected, (seed, batch.checks)
            asked += len(expected)
            erring += sum(bool(errors) for _, _, errors in expected)
            permitted += sum(allowed for allowed, _, _ in expected)
    assert SETS < 260 or asked > 10_000
    assert 0 < erring < asked
    assert 0 < permitted < asked


def test_what_is_left_of_a_slice_is_what_is_left_of_the_whole_set():
    """Partial evaluation of the policies that may match a row of a type leaves the same, and errs the same."""
    left_out_of_all = 0
    for seed in range(60):
        world = World(Random(seed))  # noqa: S311 - draws tests
        principal = world.identity.entity(world.policies.schema)
        entities = [entity for entity in world.entities.values() if entity.uid.type != f"{NS}Photo"]
        action = uid("Action", world.random.choice(ACTIONS))
        sliced = residuals(world.policies, principal.uid, action, "", [*entities, principal], f"{NS}Photo")
        request = {"principal": str(principal.uid), "action": str(action), "context": "{}"}
        handle = world.policies.schema.handle if world.policies.schema else None
        document = json.dumps([entity.as_json() for entity in (*entities, principal)])
        whole = cedarpy.is_authorized_partial(
            request, world.policies.policy_set, cedarpy.Entities.from_json_str(document, handle), handle
        )
        left_out = whole.residuals.keys() - sliced.conditions.keys()
        assert all(whole.residuals[one]["conditions"][0]["body"] == sliced.conditions[one] for one in sliced.conditions)
        assert sliced.errors == set(map(world.policies.erring, whole.diagnostics.errors))
        # What is left out matters to no row of the type.
        photos = [one for one in world.entities if one.type == f"{NS}Photo"]
        checks = tuple(Check(action, photo) for photo in photos)
        batch = Batch(world.identity, checks, tuple(map(world.ancestry, photos)))
        for _, reasons, errors in world.whole(batch):
            assert left_out.isdisjoint({*reasons, *errors})
        left_out_of_all += len(left_out)
    assert left_out_of_all > 100


def document_of(*texts):
    builder = PolicyBuilder()
    for number, text in enumerate(texts):
        builder.add(Statement(Path("sliced.cedar"), number + 1, text), f"p{number}")
    return builder.build(None)


def asked_about(entity):
    return Asked.about({entity}, {})


def fitting(policies, principal="ann", *, checks=1):
    sides = [uid("User", principal), uid("Action", "View"), uid("Photo", "p1")]
    return policies.slices.fitting(*map(asked_about, sides), checks=checks).policy_set


def of_users(count):
    return [f'permit (principal == {NS}User::"u{number}", action, resource);' for number in range(count)]


def test_a_slice_is_made_once_it_is_worth_it():
    """Few questions do not pay for parsing, many do, and what was made is kept."""
    policies = document_of("permit (principal, action, resource);", *of_users(4))
    assert fitting(policies) is policies.policy_set
    for _ in range(3):
        assert fitting(policies) is policies.policy_set
    made = fitting(policies)
    assert made is not policies.policy_set
    assert fitting(policies) is made
    assert fitting(policies, "bob") is made


def test_many_questions_at_once_pay_for_a_slice():
    """A page has its slice at its first request."""
    policies = document_of("permit (principal, action, resource);", *of_users(4))
    assert fitting(policies, checks=90) is not policies.policy_set


def test_the_engine_evaluates_the_slice(monkeypatch):
    """Of policies about others Cedar sees none."""
    policies = document_of('permit (principal == PhotoFlash::User::"u", action, resource);', *of_users(50))
    seen = []
    decide = cedarpy.is_authorized_batch
    monkeypatch.setattr(cedarpy, "is_authorized_batch", lambda *asked: seen.append(asked[1]) or decide(*asked))
    identity = Identity.from_claims({"sub": "ann"}, pool=POOL)
    evaluate(Batch(identity, (Check(uid("Action", "View"), uid("Photo", "p1")),), ((),)), policies)

    assert len(seen) == 1
    assert seen[0] is not policies.policy_set


def test_policies_that_all_may_match_are_not_sliced():
    """There is nothing to leave out."""
    policies = document_of("permit (principal, action, resource);")
    assert fitting(policies, checks=10_000) is policies.policy_set


def test_slices_do_not_grow_without_end(monkeypatch):
    """Those that were not used for longest go first."""
    monkeypatch.setattr("django_avp.slicing._MOST", 6)
    policies = document_of("permit (principal, action, resource);", *of_users(9))
    first = fitting(policies, "u1", checks=90)
    assert fitting(policies, "u2", checks=90) is not first
    assert fitting(policies, "u1", checks=90) is first
    fitting(policies, "u3", checks=90)
    assert fitting(policies, "u1", checks=90) is first
    fitting(policies, "u4", checks=90)
    fitting(policies, "u5", checks=90)
    assert fitting(policies, "u1", checks=90) is not first


def test_action_in_nothing_is_in_no_slice():
    """It matches no question."""
    policies = document_of("permit (principal, action in [], resource);", "permit (principal, action, resource);")
    assert fitting(policies, checks=90) is not policies.policy_set
    with override_settings(AVP_USER_MODE="token"):
        batch = Batch(
            Identity.from_claims({"sub": "ann"}, pool=POOL),
            (Check(uid("Action", "View"), uid("Photo", "p1")),) * 90,
            ((),) * 90,
        )
        assert {decision.determining_policies for decision in evaluate(batch, policies)} == {("p1",)}


@pytest.mark.parametrize("count", [0, 1])
def test_a_set_without_policies_has_no_slices(count):
    """Nobody is asked about nothing."""
    document = {"staticPolicies": {}, "templates": {}, "templateLinks": []}
    whole = cedarpy.PolicySet.from_json_str(json.dumps(document))
    one = asked_about(uid("User", "ann"))
    assert Slices(document, Slice(whole, frozenset())).fitting(one, one, one, checks=count).policy_set is whole
