"""Tests of ``django_avp.schema`` and ``django_avp.declarations``: what is read is what was declared."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_avp.cedar import EntityUid
from django_avp.schema import ActionType, Attribute, EntityType, NamedType, RecordType, Schema, SetType
from django_avp.schema_json import namespaces, schema_json

STRING, LONG, BOOL = NamedType("String"), NamedType("Long"), NamedType("Bool")


def record(**attributes):
    """A Record type; a name with a trailing underscore is optional."""
    return RecordType({name.rstrip("_"): Attribute(kind, not name.endswith("_")) for name, kind in attributes.items()})


# --- Any schema ----------------------------------------------------------------------------------------------------

PRIMITIVES = {"String": "String", "Long": "Long", "Boolean": "Bool"}
EXTENSIONS = ("decimal", "datetime", "duration", "ipaddr")
NAMESPACES = ("", "A", "A::B", "type")
texts = st.text(max_size=5) | st.sampled_from(["a", "in", 'q"', "type", "@x", "a;b", "}", "é\n", "__cedar", "::", "'"])
flags = st.booleans()


@dataclass
class Truth:
    """A schema as JSON, and what it declares."""

    document: dict = field(default_factory=dict)
    entity_types: dict = field(default_factory=dict)
    actions: dict = field(default_factory=dict)


@st.composite
def types(draw, entities, commons, depth=2):
    """A type as JSON, and what it is."""
    kind = draw(st.sampled_from(["primitive", "extension", "entity", "common", "set", "record"][: 6 if depth else 4]))
    if kind == "primitive":
        name = draw(st.sampled_from(list(PRIMITIVES)))
        return {"type": name}, NamedType(PRIMITIVES[name])
    if kind == "extension":
        name = draw(st.sampled_from(EXTENSIONS))
        return {"type": "Extension", "name": name}, NamedType(name)
    if kind == "common" and commons:
        name = draw(st.sampled_from(list(commons)))
        return {"type": name}, commons[name]
    if kind == "set":
        document, element = draw(types(entities, commons, depth - 1))
        return {"type": "Set", "element": document}, SetType(element)
    if kind == "record":
        return draw(records(entities, commons, depth - 1))
    name = draw(st.sampled_from(entities))
    return {"type": draw(st.sampled_from(["Entity", "EntityOrCommon"])), "name": name}, NamedType(name)


@st.composite
def records(draw, entities, commons, depth=2):
    """A Record type as JSON, and what it is."""
    attributes, truth = {}, {}
    for name in draw(st.lists(texts, max_size=4, unique=True)):
        document, kind = draw(types(entities, commons, depth))
        required = draw(flags)
        attributes[name] = {**document, "required": required, "annotations": {"doc": draw(texts)}}
        truth[name] = Attribute(kind, required)
    return {"type": "Record", "attributes": attributes}, RecordType(truth)


def join(namespace, name):
    return f"{namespace}::{name}" if namespace else name


def subsets(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


@st.composite
def schemas(draw):
    """A schema of several namespaces that refer to each other."""
    # No name is in two namespaces, because Cedar forbids to hide those outside of any; some look alike.
    names = {
        namespace: draw(subsets([f"{name}{number}" for name in ("Photo", "entity", "Long", "Set")]))
        for number, namespace in enumerate(draw(subsets(NAMESPACES)))
    }
    entities = [join(namespace, name) for namespace, group in names.items() for name in group]
    truth, commons = Truth(), {}
    for namespace in names:
        truth.document[namespace] = {"commonTypes": {}, "entityTypes": {}, "actions": {}}
        if namespace:
            truth.document[namespace]["annotations"] = {"a": draw(texts)}
        for number in range(draw(st.integers(0, 2))):
            document, kind = draw(types(entities, dict(commons)))
            name = f"Common{NAMESPACES.index(namespace)}{number}"
            truth.document[namespace]["commonTypes"][name] = document
            commons[join(namespace, name)] = kind
    for namespace, group in names.items():
        for name in group:
            draw_entity(draw, truth, namespace, name, entities, commons)
    groups = []
    for namespace in names:
        for name in draw(st.lists(texts, max_size=3, unique=True)):
            draw_action(draw, truth, namespace, f"{name}{NAMESPACES.index(namespace)}", entities, commons, groups)
    return truth


def draw_entity(draw, truth, namespace, name, entities, commons):
    declared = truth.document[namespace]["entityTypes"][name] = {}
    qualified = join(namespace, name)
    if draw(st.integers(0, 4)) == 0:
        declared["enum"] = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
        truth.entity_types[qualified] = EntityType(qualified, RecordType())
        return
    parents = draw(st.lists(st.sampled_from(entities), max_size=2, unique=True))
    document, shape = draw(records(entities, commons))
    declared.update(memberOfTypes=parents, shape=document, annotations={"b": draw(texts)})
    tags = None
    if draw(flags):
        declared["tags"], tags = draw(types(entities, commons))
    truth.entity_types[qualified] = EntityType(qualified, shape, frozenset(parents), tags)


def draw_action(draw, truth, namespace, name, entities, commons, groups):
    uid = EntityUid(join(namespace, "Action"), name)
    declared = truth.document[namespace]["actions"][name] = {"annotations": {"c": draw(texts)}}
    direct = draw(subsets(groups)) if groups else []
    if groups:
        declared["memberOf"] = [group.as_json() for group in direct]
    above = frozenset(direct).union(*(truth.actions[group].groups for group in direct))
    groups.append(uid)
    truth.actions[uid] = ActionType(uid, groups=above)
    if draw(flags):
        principals, resources = draw(subsets(entities)), draw(subsets(entities))
        document, context = draw(records(entities, commons))
        declared["appliesTo"] = {"principalTypes": principals, "resourceTypes": resources, "context": document}
        truth.actions[uid] = ActionType(uid, frozenset(principals), frozenset(resources), context, above)


@given(schemas())
@settings(max_examples=40, deadline=None)
def test_any_schema_is_read_as_declared(truth):
    """Whatever was declared, in whichever syntax, is what is read."""
    read = Schema.of(cedarpy.Schema.from_json_str(json.dumps(truth.document)))

    assert read.entity_types == truth.entity_types
    assert read.actions == truth.actions
    again = Schema.parse(str(read.handle))
    assert (again.entity_types, again.actions) == (read.entity_types, read.actions)


@given(schemas())
@settings(max_examples=40, deadline=None)
def test_any_schema_as_json_declares_the_same(truth):
    """Nothing but annotations is lost, and Cedar reads it."""
    handle = cedarpy.Schema.from_json_str(json.dumps(without_annotations(truth.document)))

    assert str(cedarpy.Schema.from_json_str(schema_json(handle))) == str(handle)
    assert namespaces(handle) == sorted(truth.document)


def without_annotations(document):
    if isinstance(document, dict):
        return {name: without_annotations(part) for name, part in document.items() if name != "annotations"}
    return document


# --- As people write it --------------------------------------------------------------------------------------------


def test_written_schema():
    """Annotations, quoted names, short forms, tags, enums and actions without types, in one."""
    schema = Schema.parse(
        r"""
        // A comment; with a semicolon
        @doc("namespace; {")
        namespace Shop::Eu {
          @doc @x("a\"b") type Size = { @d("}") "a b"?: __cedar::Long, "in": Bool, };
          entity Album, Photo in Album { size: Size, sizes?: Set<Set<Size>>, type: Top } tags Set<String>;
          entity Plan enum ["free", "}"];
          entity User in [Album, Account];
          @a("1") action view, "print it" in [read, Action::"all"] appliesTo {
            principal: User, resource: [Photo, Album], context: Size
          };
          action read; action "all";
          action "q\"\u{e9}" appliesTo { principal: User, resource: Account, context: { plan: Plan, n?: decimal } };
        }
        entity Account;
        type Top = Account;
        action act appliesTo { resource: Account, principal: [Account, Shop::Eu::User] };
        """
    )
    size = RecordType({"a b": Attribute(LONG, False), "in": Attribute(BOOL, True)})
    photo = record(size=size, sizes_=SetType(SetType(size)), type=NamedType("Account"))
    inside, tags = frozenset({"Shop::Eu::Album"}), SetType(NamedType("String"))
    view = (frozenset({"Shop::Eu::User"}), frozenset({"Shop::Eu::Photo", "Shop::Eu::Album"}), size)

    assert schema.entity_types == {
        "Account": EntityType("Account", RecordType()),
        "Shop::Eu::Album": EntityType("Shop::Eu::Album", photo, inside, tags),
        "Shop::Eu::Photo": EntityType("Shop::Eu::Photo", photo, inside, tags),
        "Shop::Eu::Plan": EntityType("Shop::Eu::Plan", RecordType()),
        "Shop::Eu::User": EntityType("Shop::Eu::User", RecordType(), frozenset({"Shop::Eu::Album", "Account"})),
    }
    assert {
        str(uid): (action.principals, action.resources, action.context) for uid, action in schema.actions.items()
    } == {
        'Action::"act"': (frozenset({"Account", "Shop::Eu::User"}), frozenset({"Account"}), RecordType()),
        'Shop::Eu::Action::"view"': view,
        'Shop::Eu::Action::"print it"': view,
        'Shop::Eu::Action::"read"': (frozenset(), frozenset(), RecordType()),
        'Shop::Eu::Action::"all"': (frozenset(), frozenset(), RecordType()),
        'Shop::Eu::Action::"q\\"é"': (
            frozenset({"Shop::Eu::User"}),
            frozenset({"Account"}),
            record(plan=NamedType("Shop::Eu::Plan"), n_=NamedType("decimal")),
        ),
    }


def test_qualified_names_are_absolute():
    """``C::U`` in the namespace ``A`` is not ``A::C::U``, even where that exists."""
    schema = Schema.parse(
        "namespace A { entity X { u: C::U }; action a appliesTo { principal: X, resource: C::U }; }"
        "namespace A::C { entity U; } namespace C { entity U; }"
    )

    assert schema.entity_types["A::X"].shape == record(u=NamedType("C::U"))
    assert schema.actions[EntityUid("A::Action", "a")].resources == {"C::U"}


def test_names_may_hide_primitives():
    """A declared ``decimal`` or ``Bool`` comes first, Cedar's own is ``__cedar::…``."""
    schema = Schema.parse(
        "namespace A { type decimal = { n: Long }; entity Bool; entity V { d: decimal, e: __cedar::decimal, b: Bool };}"
    )

    assert schema.entity_types["A::V"].shape == record(d=record(n=LONG), e=NamedType("decimal"), b=NamedType("A::Bool"))


def test_a_common_type_comes_before_an_entity_type():
    """Where one name is both, attributes mean the common type, and scopes the entity type."""
    schema = Schema.parse(
        "type U = { n: Long }; entity U, V { u: U }; action a appliesTo { principal: U, resource: V };"
    )

    assert schema.entity_types["V"].shape == record(u=record(n=LONG))
    assert schema.actions[EntityUid("Action", "a")].principals == {"U"}


@pytest.mark.parametrize("text", ["", "// nothing"])
def test_empty_schema(text):
    """A schema may declare nothing."""
    schema = Schema.parse(text)

    assert (schema.entity_types, schema.actions) == ({}, {})


def test_broken_schema_is_a_value_error():
    """cedarpy's message rises as it is."""
    with pytest.raises(ValueError, match="failed to resolve type: Nope"):
        Schema.parse("entity E { a: Nope };")


def test_applies_to_needs_both_types():
    """An action applies to its principals and its resources, and to nothing if it names none."""
    schema = Schema.parse("entity U, P; action a appliesTo { principal: U, resource: P }; action g;")
    action, group = (schema.actions[EntityUid("Action", name)] for name in "ag")

    assert action.applies_to("U", "P")
    assert not action.applies_to("P", "P")
    assert not action.applies_to("U", "U")
    assert not group.applies_to("U", "P")


# --- Projection ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"s": "x", "jti": 1}, {"s": "x"}),
        ({"r": {"n": 1, "m": 2, "deep": {"s": "a", "t": "b"}}}, {"r": {"n": 1, "deep": {"s": "a"}}}),
        ({"rs": [{"n": 1, "m": 2}, {"m": 3}, 4]}, {"rs": [{"n": 1}, {}, 4]}),
        ({"rss": [[{"n": 1, "m": 2}], []]}, {"rss": [[{"n": 1}], []]}),
        # What is of another type stays, so that Cedar refuses it.
        ({"s": {"x": 1}, "r": 5, "rs": {"n": 1}}, {"s": {"x": 1}, "r": 5, "rs": {"n": 1}}),
        ({"r": {"__entity": {"type": "U", "id": "1"}}}, {"r": {"__entity": {"type": "U", "id": "1"}}}),
        ({"r": {"__extn": {"fn": "ip", "arg": "::1"}}}, {"r": {"__extn": {"fn": "ip", "arg": "::1"}}}),
        ({"d": {"__extn": {"fn": "decimal", "arg": "1.0"}}}, {"d": {"__extn": {"fn": "decimal", "arg": "1.0"}}}),
    ],
)
def test_a7_records_are_projected_at_every_depth(given, kept):
    """What is not declared is left out, in nested Records and in Sets of Records, too."""
    inner = record(n_=LONG, deep_=record(s_=STRING))
    shape = record(s_=STRING, r_=inner, rs_=SetType(inner), rss_=SetType(SetType(inner)), d_=NamedType("decimal"))

    assert shape.project(given) == kept
