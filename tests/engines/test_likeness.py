"""Checks that are alike are decided once, and what tells two resources apart keeps their checks apart."""

from __future__ import annotations

import cedarpy
import pytest

from django_avp.cedar import Check, Entity, EntityUid
from django_avp.engines.base import Batch
from django_avp.engines.cedar import evaluate
from django_avp.identity import Identity
from tests.conftest import POOL
from tests.filtering.conftest import parsed

ALBUM = Entity(EntityUid("PhotoFlash::Album", "a"))
OTHER = Entity(EntityUid("PhotoFlash::Album", "b"))
SCHEMA = """namespace PhotoFlash {
    entity Group; entity User in [Group]; entity Album; entity Kind enum ["k1", "k2"];
    entity Photo in [Album] = { pub: Bool, title: String, rank?: Long, best?: Photo, seen?: Set<Photo>, kind?: Kind };
    action View, Edit appliesTo { principal: User, resource: [Photo, Kind, User, Group],
        context: { best?: Photo, n?: Long } };
}"""


def uid(kind, name):
    return EntityUid(f"PhotoFlash::{kind}", name)


def photo(name, parents=(ALBUM.uid,), **attributes):
    return Entity(uid("Photo", name), {"pub": True, "title": name, **attributes}, parents)


def reference(name):
    return {"__entity": uid("Photo", name).as_json()}


class Counted:
    """cedarpy, with the requests that it was asked noted."""

    def __init__(self, monkeypatch):
        self.asked = []
        decide = cedarpy.is_authorized_batch

        def noted(requests, *arguments):
            self.asked += [request["resource"]["id"] for request in requests]
            return decide(requests, *arguments)

        monkeypatch.setattr(cedarpy, "is_authorized_batch", noted)


@pytest.fixture
def counted(monkeypatch):
    return Counted(monkeypatch)


def decide(policies, photos, context="", actions=("View",), world=(ALBUM, OTHER)):
    identity = Identity.from_claims({"sub": "ann", "cognito:groups": ["g"]}, pool=POOL)
    checks = tuple(Check(uid("Action", action), one.uid, context) for action in actions for one in photos)
    worlds = {one.uid: (one, *world) for one in photos}
    decisions = evaluate(Batch(identity, checks, tuple(worlds[check.resource] for check in checks)), policies)
    return [decision.is_allowed for decision in decisions]


PERMIT = "permit (principal, action, resource) when { resource.pub };"


@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_photos_that_policies_cannot_tell_apart_are_decided_once(counted, schema):
    """For each action; a title that no policy reads makes no difference."""
    policies = parsed(PERMIT, schema)
    photos = [photo("1"), photo("2"), photo("3", pub=False), photo("4", pub=False)]
    assert decide(policies, photos, actions=("View", "Edit")) == [True, True, False, False] * 2
    assert counted.asked == ["1", "3", "1", "3"]


TOLD_APART = [
    # What policies say, and the photos, each of which is decided by itself.
    ('permit (principal, action, resource == PhotoFlash::Photo::"1");', {}, {}, [True, False]),
    ('permit (principal, action, resource) when { resource == PhotoFlash::Photo::"1" };', {}, {}, [True, False]),
    (
        'permit (principal, action, resource) when { [PhotoFlash::Photo::"2"].contains(resource) };',
        {},
        {},
        [False, True],
    ),
    ("permit (principal, action, resource) when { resource.rank > 1 };", {"rank": 1}, {"rank": 2}, [False, True]),
    ("permit (principal, action, resource) when { resource has rank };", {"rank": 1}, {}, [True, False]),
    (
        "permit (principal, action, resource) when { resource.best == resource };",
        {"best": reference("1")},
        {"best": reference("1")},
        [True, False],
    ),
    (
        "permit (principal, action, resource) when { resource.seen.contains(resource) };",
        {"seen": [reference("2")]},
        {"seen": [reference("2")]},
        [False, True],
    ),
    (
        "permit (principal, action, resource) when { resource in resource.best };",
        {"best": reference("2")},
        {"best": reference("2")},
        [False, True],
    ),
]


@pytest.mark.parametrize(("text", "first", "second", "allowed"), TOLD_APART)
def test_a1_what_tells_two_photos_apart_keeps_their_checks_apart(counted, text, first, second, allowed):
    """By name, by attribute, or by being compared with what leads to them."""
    photos = [photo("1", **first), photo("2", **second)]
    assert decide(parsed(text), photos) == allowed
    assert counted.asked == ["1", "2"]


def test_a1_photos_of_other_parents_are_not_alike(counted):
    """Or of other worlds."""
    policies = parsed('permit (principal, action, resource in PhotoFlash::Album::"a");')
    assert decide(policies, [photo("1"), photo("2", parents=(OTHER.uid,)), photo("3")]) == [True, False, True]
    assert counted.asked == ["1", "2"]


def test_a1_what_the_context_holds_is_compared_with_the_resource(counted):
    """So checks with an entity in their context are decided one by one."""
    policies = parsed("permit (principal, action, resource) when { resource == context.best };")
    best = '{"best":{"__entity":{"id":"2","type":"PhotoFlash::Photo"}}}'
    assert decide(policies, [photo("1"), photo("2"), photo("3")], best) == [False, True, False]
    assert counted.asked == ["1", "2", "3"]
    counted.asked.clear()
    policies = parsed("permit (principal, action, resource) when { context.n == 1 };")
    assert decide(policies, [photo("1"), photo("2"), photo("3")], '{"n":1}') == [True] * 3
    assert counted.asked == ["1"]


def test_a1_principals_groups_actions_and_what_is_not_there_are_never_alike(counted):
    """A principal is itself and in its groups, and what has no entity may be anything."""
    policies = parsed(
        "permit (principal, action, resource) when { principal in resource };\n"
        "permit (principal, action, resource) when { action == resource };"
    )
    resources = [
        uid("User", f"{POOL}|ann"),
        uid("User", f"{POOL}|bob"),
        uid("Group", f"{POOL}|g"),
        uid("Group", f"{POOL}|h"),
        uid("Action", "View"),
        uid("Action", "Edit"),
        uid("Photo", "8"),
        uid("Photo", "9"),
    ]
    given = [Entity(one) for one in resources[3:6]]
    identity = Identity.from_claims({"sub": "ann", "cognito:groups": ["g"]}, pool=POOL)
    checks = tuple(Check(uid("Action", "View"), one) for one in resources)
    worlds = tuple(tuple(entity for entity in given if entity.uid == one) for one in resources)
    decisions = evaluate(Batch(identity, checks, worlds), policies)
    assert [bool(one) for one in decisions] == [True, False, True, False, True, False, False, False]
    assert len(counted.asked) == len(resources)


def test_a1_one_world_for_several_resources_makes_them_no_more_alike(counted):
    """A caller may give the same entities for all checks."""
    policies = parsed(PERMIT)
    world = (photo("1"), photo("2", pub=False), ALBUM)
    identity = Identity.from_claims({"sub": "ann"}, pool=POOL)
    checks = tuple(Check(uid("Action", "View"), one.uid) for one in world[:2])
    decisions = evaluate(Batch(identity, checks, (world, world)), policies)
    assert [bool(one) for one in decisions] == [True, False]


def test_a7_ids_of_an_enumeration_are_for_cedar_to_know(counted):
    """One that it does not list is refused, and the other is not."""
    policies = parsed("permit (principal, action, resource);", SCHEMA)
    identity = Identity.from_claims({"sub": "ann"}, pool=POOL)
    resources = [Entity(uid("Kind", "k1")), Entity(uid("Kind", "k3"))]
    checks = tuple(Check(uid("Action", "View"), one.uid) for one in resources)
    decisions = evaluate(Batch(identity, checks, tuple((one,) for one in resources)), policies)
    assert [bool(one) for one in decisions] == [True, False]


def test_a5_a_photo_that_does_not_conform_is_like_no_other(counted):
    """It lacks an attribute that the schema requires and no policy reads: it alone is undecided."""
    policies = parsed(PERMIT, SCHEMA)
    bad = Entity(uid("Photo", "2"), {"pub": True}, (ALBUM.uid,))
    assert decide(policies, [photo("1"), bad, photo("3")]) == [True, False, True]
