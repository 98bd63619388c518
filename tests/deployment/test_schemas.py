"""Schemas compared by what they declare, and the one in between."""

from __future__ import annotations

import json

import cedarpy
import pytest

from django_avp.deployment.schemas import guard_item, is_same_schema, schema_text, transition
from django_avp.deployment.steps import Phase
from django_avp.schema import Schema
from django_avp.schema_json import schema_json
from tests.deployment.support import state

BASE = """
namespace N {
  type Where = {ip: ipaddr, old?: Bool};
  entity G, F;
  entity Size enum ["s", "m"];
  entity U in [G] = {name: String, tags: Set<{a: Long}>, at: Where} tags String;
  action all;
  action read in [all] appliesTo {principal: U, resource: F, context: Where};
  action group;
}
"""


def of(text):
    return schema_json(cedarpy.Schema.from_str(text))


def between(old, new):
    """The schema in between, as Cedar writes it."""
    found = transition(of(old), of(new), (), ())
    assert found.dangers == ()
    return schema_text(found.between)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("entity G, F;", "entity F;\nentity G;"),
        ('enum ["s", "m"]', 'enum ["m", "s"]'),
        ("context: Where", "context: {ip: ipaddr, old?: Bool}"),
        ("principal: U", "principal: [N::U]"),
        ("tags String;", "tags Name;\n  type Name = String;"),
    ],
)
def test_schemas_are_compared_by_what_they_declare(old, new):
    """Not by how they are written."""
    assert is_same_schema(of(BASE), of(BASE.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: String", "name?: String"),
        ('enum ["s", "m"]', 'enum ["s"]'),
        ("tags String", ""),
        ("in [all]", ""),
        ("U in [G]", "U"),
        ("action group;", ""),
        ("context: Where", "context: {}"),
    ],
)
def test_what_differs_is_seen(old, new):
    """Whatever it is that is declared."""
    assert old in BASE
    assert not is_same_schema(of(BASE), of(BASE.replace(old, new)))
    assert not is_same_schema(None, of(BASE))
    assert is_same_schema(None, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("type T = String; entity U tags T;", "type T = Long; entity U tags T;"),
        ("type S = String; type T = S; entity U tags Set<T>;", "type S = Long; type T = S; entity U tags Set<T>;"),
        ("entity String; entity U tags String;", "entity String; entity U tags __cedar::String;"),
        ("entity String; entity U = {a: String};", "entity String; entity U = {a: __cedar::String};"),
    ],
)
def test_what_names_stand_for_is_seen(old, new):
    """A common type that becomes another, whatever it is the type of, and a primitive that an entity type hides."""
    assert not is_same_schema(of(old), of(new))
    assert not is_same_schema(of(new), of(old))
    assert is_same_schema(of(new), of(f"{new}\n"))


def test_between_everything_of_both_is_declared():
    """What the old one alone requires is optional; what both have is as the new one has it."""
    new = (
        BASE.replace('["s", "m"]', '["s", "l"]')
        .replace("name: String", "title: String")
        .replace("{a: Long}", "{b: Long}")
        .replace("old?: Bool", "new: Bool")
        .replace("action group", "action other")
        .replace("entity G, F;", "entity G, F, H;\n  entity V tags Long;")
        .replace("resource: F", "resource: H")
    )
    text = between(BASE, new)
    for part in (
        'entity Size enum ["l", "m", "s"]',
        "name?: String",
        "title: String",
        "a?: Long",
        "b: Long",
        "old?: Bool",
        "new: Bool",
        'action "group"',
        'action "other"',
        "resource: [F, H]",
        "} tags String",
        "entity V tags Long",
    ):
        assert part in text, part


# What BASE declares, as other tools write it: types by their kinds, and references in full.
WHERE = {"type": "Record", "attributes": {"ip": {"type": "Extension", "name": "ipaddr"}}}
WHERE["attributes"]["old"] = {"type": "Boolean", "required": False}
TAGS = {"type": "Set", "element": {"type": "Record", "attributes": {"a": {"type": "Long"}}}}
AS_JSON = {
    "N": {
        "commonTypes": {"Where": WHERE},
        "entityTypes": {
            "G": {},
            "F": {},
            "Size": {"enum": ["s", "m"]},
            "U": {
                "memberOfTypes": ["N::G"],
                "shape": {
                    "type": "Record",
                    "attributes": {"name": {"type": "String"}, "tags": TAGS, "at": {"type": "N::Where"}},
                },
                "tags": {"type": "String"},
            },
        },
        "actions": {
            "all": {},
            "read": {
                "memberOf": [{"id": "all"}],
                "appliesTo": {
                    "principalTypes": ["N::U"],
                    "resourceTypes": ["N::F"],
                    "context": {"type": "N::Where"},
                },
            },
            "group": {},
        },
    }
}


def test_a_schema_is_the_same_in_the_json_of_other_tools():
    """Cedar reads ``{"type": "String"}`` as ``__cedar::String``; a short name is that, too."""
    stored = json.dumps(AS_JSON)
    assert "__cedar::String" in schema_text(stored)
    assert is_same_schema(stored, of(BASE))
    wider = BASE.replace("name: String", "name: String, level?: Long")
    for old, new in ((stored, of(wider)), (of(wider), stored)):
        found = transition(old, new, (), ())
        assert found.dangers == ()
        assert is_same_schema(found.between, of(wider))


def test_names_are_as_short_as_they_can_be():
    """Not shorter: an entity type may have the name of a primitive, which it hides."""
    text = "entity String; entity U = {a: __cedar::String, b: String}; namespace N { entity V = {a: __cedar::String}; }"
    assert between(text, text) == str(cedarpy.Schema.from_str(text))
    text = "entity A; namespace N { entity ipaddr; entity U in [N::V] = {a: __cedar::ipaddr, b: N::ipaddr, c: A}; }"
    text = text.replace("entity A;", "entity A; entity B = {a: __cedar::Long};").replace(
        "entity ipaddr", "entity V, ipaddr"
    )
    short = text.replace("__cedar::Long", "Long").replace("N::", "")
    assert between(text, text) == str(cedarpy.Schema.from_str(short))


def test_actions_that_begin_or_cease_to_apply_keep_what_they_have():
    """A group of one schema is an action of the other."""
    applies = BASE.replace("action group;", "action group appliesTo {principal: U, resource: F};")
    assert 'action "group" appliesTo' in between(BASE, applies)
    assert 'action "group" appliesTo' in between(applies, BASE)


def test_other_namespaces_are_left_alone():
    """Each has its own."""
    assert between(BASE, f"{BASE} namespace M {{ entity X; }}").count("namespace") == 2


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("name: String", "name: Long", "U.name has one type in the old schema"),
        ("Set<{a: Long}>", "Set<String>", "U.tags has one type"),
        ("tags String", "tags Long", "U's tags has one type"),
        ("ip: ipaddr", "ip: String", "Where.ip has one type"),
        ("context: Where", "context: {ip: ipaddr}", "the context of read has one type"),
        ('entity Size enum ["s", "m"]', "entity Size", "Size is an enumeration in one schema and none in the other"),
    ],
)
def test_what_two_schemas_declare_differently_cannot_be_in_one(old, new, cause):
    """It is named."""
    (danger,) = transition(of(BASE), of(BASE.replace(old, new)), (), ()).dangers
    assert danger.startswith(cause)


def test_a_policy_must_conform_while_the_old_schema_holds_too():
    """An action of more types than the policy knows the attributes of."""
    (policy,) = state(
        '@id("p") permit (principal, action == N::Action::"read", resource) when { resource.x };'
    ).policies.values()
    new = BASE.replace("resource: F", "resource: X").replace("entity G, F;", "entity G, F; entity X = {x: Bool};")
    found = transition(of(BASE), of(new), [policy], [])
    assert [danger.partition(": ")[2] for danger in found.dangers] == [
        'permit "p" conforms to the new schema, but not while the old one holds, too.'
    ]


def test_what_is_too_large_together_cannot_be_in_one():
    """The service takes 100,000 bytes of a schema and 10,000 of a policy."""

    def many(prefix, number):
        return "".join(f"entity {prefix}{'x' * 40}{one};" for one in range(number))

    (danger,) = transition(of(many("A", 700)), of(many("B", 700)), (), ()).dangers
    assert "more than 100000 bytes together" in danger
    actions = "".join(f'action "{"x" * 100}{one}" appliesTo {{principal: U, resource: U}};' for one in range(120))
    first, second = (f"entity U; {actions} action {one} appliesTo {{principal: U, resource: U}};" for one in "ab")
    (danger,) = transition(of(first), of(second), (), ()).dangers
    assert "Too many actions and types are declared for one policy" in danger


def test_a_changed_group_matters_where_a_policy_asks_for_it():
    """In its scope or in a condition, however it is written, and groups of groups."""
    new = BASE.replace("action all;", "action all in [top]; action top;")
    (policy,) = state('@id("p") permit (principal, action in N :: Action :: "top", resource);').policies.values()
    assert transition(of(BASE), of(new), (), [policy]).dangers == (
        'N::Action::"all" joins N::Action::"top", which a policy asks for.',
        'N::Action::"read" joins N::Action::"top", which a policy asks for.',
    )
    assert transition(of(BASE), of(new), (), ()).dangers == ()


def test_without_a_schema_no_action_is_in_a_group():
    """So the first schema of a store that permits something changes what its policies ask for."""
    (policy,) = state('@id("p") permit (principal, action in N::Action::"all", resource);').policies.values()
    assert transition(None, of(BASE), (), [policy]).dangers == (
        'N::Action::"read" joins N::Action::"all", which a policy asks for.',
    )


def test_g4_guards_forbid_what_one_of_the_schemas_does_not_declare():
    """New actions, and new types of old ones; it conforms to the old schema."""
    new = BASE.replace("resource: F", "resource: [F, G]").replace(
        "action group;", "action group; action write appliesTo {principal: U, resource: F};"
    )
    found = transition(of(BASE), of(new), (), ())
    ((phase, guard),) = found.guards
    assert (phase, guard) == (
        Phase.GUARDS,
        '!([N::Action::"read"].contains(action)) || '
        '(action == N::Action::"read" && !((principal is N::U) && (resource is N::F)))',
    )
    guard = guard_item(guard, "x--guard")
    assert guard.scope == next(iter(state(guard.text.replace("\n", " ")).policies.values())).scope
    assert cedarpy.validate_policies(guard.text, cedarpy.Schema.from_str(BASE)).validation_passed
    assert transition(of("namespace N { entity U; }"), of(new), (), ()).guards == ((Phase.GUARDS, "true"),)
    # What goes is forbidden before permits are created that do not know it.
    assert transition(of(new), of(BASE), (), ()).guards == ((Phase.FORBIDS_CREATE, found.guards[0][1]),)
    assert transition(of(BASE), of(BASE), (), ()).guards == ()
    assert is_same_schema(transition(of(BASE), of(BASE), (), ()).between, of(BASE))


def two(first, second):
    """A schema of two namespaces, with these actions."""
    return "".join(
        f"namespace {name} {{ entity U, F; action {actions} appliesTo {{principal: U, resource: F}}; }}"
        for name, actions in (("A", first), ("B", second))
        if actions
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (two("read", "read"), two("read", "read, write")),
        (two("read", ""), two("read", "read")),
        (two("read, write", "read"), two("read", "read, print")),
        (two("read", "read"), two("read", "")),
    ],
)
def test_g4_guards_conform_where_actions_are_in_several_namespaces(old, new):
    """To the schema that is there when they are created: actions of two namespaces are no members of one list."""
    found = transition(of(old), of(new), (), ())
    assert found.guards
    for phase, condition in found.guards:
        schema = of(old) if phase is Phase.GUARDS else found.between
        guard, declared = guard_item(condition, "x--guard"), Schema.of(cedarpy.Schema.from_json_str(schema))
        assert cedarpy.validate_policies(guard.text, declared.handle).validation_passed, guard.text
        # It forbids exactly what the other one of the two does not declare.
        known = Schema.of(cedarpy.Schema.from_json_str(of(old) if phase is Phase.GUARDS else of(new))).actions
        asked = Schema.of(cedarpy.Schema.from_json_str(found.between)).actions
        for uid in asked:
            request = {
                "principal": {"type": uid.type.replace("Action", "U"), "id": "ann"},
                "action": uid.as_json(),
                "resource": {"type": uid.type.replace("Action", "F"), "id": "1"},
                "context": {},
            }
            text = f"permit (principal, action, resource);\n{guard.text}"
            (answer,) = cedarpy.is_authorized_batch([request], text, [])
            assert (answer.decision is cedarpy.Decision.Allow) is (uid in known), uid
