"""What of entities the policies need: what is left out changes no answer, and hides no entity that does not conform."""

from __future__ import annotations

import json
from random import Random

import cedarpy
import pytest
from django.test import override_settings

from django_avp.cedar import Check, Entity, EntityUid
from django_avp.engines.base import Batch
from django_avp.engines.cedar import evaluate
from django_avp.entities import registry
from django_avp.entities.world import Worlds
from django_avp.identity import Identity
from django_avp.needs import Needs
from django_avp.schema import Schema
from tests.conftest import POOL
from tests.filtering.conftest import parsed, registered
from tests.filtering.generated import Case
from tests.filtering.rows import fill
from tests.testapp.models import Item

SCHEMA = """
entity Group; entity User in [Group];
entity Kind enum ["a", "b"];
entity Album; type Place = { city: String, zip?: Long };
entity Photo in [Album] = {
  title: String, likes?: Long, pub: Bool, album?: Album, tags: Set<String>, place?: Place, at?: datetime,
  price?: decimal, address?: ipaddr, length?: duration, kind?: Kind, nested?: Set<Set<Long>>,
};
action View appliesTo { principal: User, resource: Photo };
"""
ENTITY = {"__entity": {"type": "Album", "id": "1"}}
GOOD = {
    "title": "x",
    "likes": 3,
    "pub": True,
    "album": ENTITY,
    "tags": ["a", "b"],
    "place": {"city": "x"},
    "at": {"__extn": {"fn": "datetime", "arg": "2026-01-01"}},
    "price": {"__extn": {"fn": "decimal", "arg": "1.5"}},
    "address": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}},
    "length": {"__extn": {"fn": "duration", "arg": "5ms"}},
    "nested": [[1], [2, 3]],
}


def photo(attributes):
    return Entity(EntityUid("Photo", "1"), attributes, (EntityUid("Album", "1"),))


def needs(*read):
    return Needs(read, Schema.parse(SCHEMA))


def test_what_policies_read_is_kept_and_nothing_else():
    """With a schema and without, and what is left is what the schema to evaluate with takes."""
    shallow = {name: value for name, value in GOOD.items() if name not in ("nested", "place")}
    for one, attributes in ((needs("pub"), GOOD), (Needs(["pub"], None), shallow)):
        document = one.of(photo(attributes))
        assert document["attrs"] == {"pub": True}
        assert document["uid"] == {"type": "Photo", "id": "1"}
        assert document["parents"] == [{"type": "Album", "id": "1"}]
        assert len(cedarpy.Entities.from_json_str(json.dumps([document]), one.handle)) >= 1


def test_a7_what_the_schema_requires_has_to_be_there_all_the_same():
    """That no policy reads an attribute makes no entity conform that lacks it."""
    with pytest.raises(ValueError, match="requires"):
        needs("pub").of(photo({name: value for name, value in GOOD.items() if name != "title"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", 7),
        ("likes", True),
        ("likes", "3"),
        ("pub", 1),
        ("album", "1"),
        ("album", {"__entity": {"type": "User", "id": "1"}}),
        ("tags", "a"),
        ("tags", ["a", 1]),
        ("place", {"zip": 1}),
        ("place", {"city": 1}),
        ("place", {"city": "x", "street": "y"}),
        ("place", "x"),
        ("at", "2026-01-01"),
        ("at", {"__extn": {"fn": "decimal", "arg": "1.0"}}),
        ("kind", {"__entity": {"type": "Kind", "id": "a"}}),
        ("nested", [[1], ["a"]]),
        ("other", "x"),
    ],
)
def test_a7_what_might_not_conform_is_left_to_cedar(name, value):
    """It is given what it would refuse, or may read in its own way, and refuses it as with the whole schema."""
    schema = Schema.parse(SCHEMA)
    one = Needs(["pub"], schema)
    document = one.of(photo({**GOOD, name: value}))
    assert document["attrs"][name] == value
    whole = is_taken(photo({**GOOD, name: value}).as_json(), schema.handle)
    assert is_taken(document, one.handle) == whole


@pytest.mark.parametrize("value", [[[1]], [{"a": 1}], {"a": 1}])
def test_a5_what_nests_is_left_to_cedar_where_there_is_no_schema(value):
    """It refuses what nests too deeply, whether or not a policy reads it."""
    assert Needs(["pub"], None).of(photo({"deep": value}))["attrs"] == {"deep": value}


def is_taken(document, handle):
    try:
        cedarpy.Entities.from_json_str(json.dumps([document]), handle)
    except ValueError:
        return False
    return True


def test_types_that_the_schema_does_not_know_are_left_to_cedar():
    """Cedar refuses them."""
    document = needs("pub").of(Entity(EntityUid("Stranger", "1"), {"x": 1}))
    assert document["attrs"] == {"x": 1}
    assert not is_taken(document, needs("pub").handle)


def test_a_name_that_is_a_primitive_and_an_entity_type_is_left_to_cedar():
    """What a number is taken for then is for Cedar to say."""
    schema = Schema.parse(
        "entity Long; entity User; entity Photo = { likes?: Long };"
        "action View appliesTo { principal: User, resource: Photo };"
    )
    entity = Entity(EntityUid("Photo", "1"), {"likes": 3})
    one = Needs([], schema)
    assert one.of(entity) == entity.as_json()
    assert is_taken(one.of(entity), one.handle) == is_taken(entity.as_json(), schema.handle)


@pytest.mark.django_db
def test_what_is_left_out_changes_no_answer(caplog):
    """Under generated schemas and policies, with rows that do not conform: each check by itself as with everything."""
    caplog.set_level("CRITICAL")
    random = Random(11)  # noqa: S311 - draws tests
    fill(random, 25)
    outcomes = {"undecided": 0, "decided": 0}
    for _ in range(70):
        case = Case(random)
        policies = case.policies()
        with registered(case.definitions), override_settings(AVP_USER_MODE="token"):
            for sub, groups in case.principals[:1]:
                identity = Identity.from_claims({"sub": sub, "cognito:groups": groups, "level": 2}, pool=POOL)
                for check, world in checks_of(policies):
                    batch = Batch(identity, (check,), (world,))
                    (decision,) = evaluate(batch, policies)
                    assert (decision.is_allowed, decision.determining_policies, decision.errors) == whole(
                        batch, policies
                    ), (case.texts, case.schema)
                    outcomes[decision.verdict if decision.verdict == "undecided" else "decided"] += 1
    assert min(outcomes.values()) > 30


def test_the_engine_gives_cedar_what_is_needed(monkeypatch):
    """And nothing else."""
    policies = parsed("permit (principal, action, resource) when { resource.pub };")
    given = []
    decide = cedarpy.is_authorized_batch
    monkeypatch.setattr(cedarpy, "is_authorized_batch", lambda *asked: given.append(str(asked[2])) or decide(*asked))
    entity = Entity(EntityUid("PhotoFlash::Photo", "1"), {"pub": True, "title": "never-read"})
    identity = Identity.from_claims({"sub": "ann", "note": "neither"}, pool=POOL)
    check = Check(EntityUid("PhotoFlash::Action", "View"), entity.uid)

    assert [bool(one) for one in evaluate(Batch(identity, (check,), ((entity,),)), policies)] == [True]
    assert "pub" in given[0]
    assert "never-read" not in given[0]
    assert "neither" not in given[0]


def checks_of(policies):
    """A check about each row, with its world."""
    worlds = Worlds(registry)
    rows = list(Item.objects.all())
    starts = {Check(EntityUid("PhotoFlash::Action", "View"), worlds.see(registry.uid(row), row)): row for row in rows}
    built = worlds.build({check: [(check.resource, "resource", ())] for check in starts}, policies.references)
    return [(check, world.entities) for check, world in built.items() if not world.fault]


def whole(batch, policies):
    """What Cedar says with the whole set, all attributes and the schema as it is written."""
    (check,), (world,) = batch.checks, batch.worlds
    handle = policies.schema.handle if policies.schema else None
    principal = batch.identity.entity(policies.schema)
    request = {"principal": principal.uid.as_json(), "action": check.action.as_json()}
    request |= {"resource": check.resource.as_json(), "context": "{}"}
    try:
        document = json.dumps([entity.as_json() for entity in (*world, principal)])
        entities = cedarpy.Entities.from_json_str(document, handle)
    except ValueError:
        return False, (), ()
    result = cedarpy.is_authorized(request, policies.policy_set, entities, handle)
    errors = tuple(sorted(map(policies.erring, result.diagnostics.errors)))
    return result.allowed, tuple(sorted(result.diagnostics.reasons)), errors


def test_attributes_are_read_by_name_wherever_policies_name_them():
    """In any position, of any entity, by whichever syntax."""
    policies = parsed(
        'permit (principal, action, resource) when { resource has a.b || resource["c"] == {d: principal.e}.d };\n'
        'forbid (principal, action, resource) when { if context has f then resource.g else resource.h.contains("i") };'
    )
    assert policies.mentions.attributes == {"a", "b", "c", "d", "e", "f", "g", "h"}
