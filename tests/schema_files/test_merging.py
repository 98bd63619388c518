"""The schema's text: what is wrong in it is put right, and all else stays as it is written."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_avp.cedar import EntityUid
from django_avp.schema import Attribute, NamedType, RecordType, Schema, SetType
from django_avp.schema_files import merged
from django_avp.schema_files.project import DeclaredAction, DeclaredEntity, Project

TEXT, FLAG = NamedType("String"), NamedType("Bool")
APPLICATION = DeclaredEntity("Application", is_complete=False)


def required(kind):
    return Attribute(kind, True)


def optional(kind):
    return Attribute(kind, False)


def project(*entities, actions=(), principals=("User",), context=None):
    return Project(entities, tuple(actions), principals, context or RecordType())


def photo(parents=(), **attributes):
    return DeclaredEntity("Photo", attributes, frozenset(parents))


PHOTO = """\
// What photos are.
@doc("A photo")
entity Photo = {
  // The one that people read.
  @doc("Shown")
  title: String, // as it was typed
  size: Long
};
"""


@pytest.mark.parametrize(
    ("before", "entity", "after"),
    [
        (PHOTO, photo(title=required(TEXT), size=required(NamedType("Long"))), PHOTO),
        (
            PHOTO,
            photo(title=required(TEXT), size=required(NamedType("Long")), open=optional(FLAG)),
            PHOTO.replace("  size: Long\n", "  size: Long,\n  open?: Bool,\n"),
        ),
        (PHOTO, photo(title=required(TEXT)), PHOTO.replace("  size: Long\n", "")),
        (
            PHOTO,
            photo(title=optional(TEXT), size=required(SetType(TEXT))),
            PHOTO.replace("title:", "title?:").replace("Long", "Set<String>"),
        ),
        (
            PHOTO.replace("size:", "size?:"),
            photo(title=required(TEXT), size=required(NamedType("Long"))),
            PHOTO,
        ),
        ("entity Photo;\n", photo(), "entity Photo;\n"),
        ("entity Photo;\n", photo(title=required(TEXT)), "entity Photo = {\n  title: String,\n};\n"),
        (
            "entity Photo { a: Long };",
            photo(a=required(TEXT), b=required(FLAG)),
            "entity Photo { a: String, b: Bool };",
        ),
        ("entity Photo = {};", photo(b=required(FLAG)), "entity Photo = {\n  b: Bool,\n};"),
        ("entity Photo { a: Long, b: Bool };", photo(b=required(FLAG)), "entity Photo {  b: Bool };"),
        (
            "entity Photo = { a: Long } tags String;",
            photo(a=required(NamedType("Long")), b=required(FLAG)),
            "entity Photo = { a: Long, b: Bool } tags String;",
        ),
        ("entity A; entity Photo;", photo(["A"]), "entity A; entity Photo in [A];"),
        ("entity A, B; entity Photo in A;", photo(["A", "B"]), "entity A, B; entity Photo in [A, B];"),
        ("entity A; entity Photo in [A] = {};", photo(), "entity A; entity Photo = {};"),
        ('entity Photo enum ["a", "b"];', photo(title=required(TEXT)), 'entity Photo enum ["a", "b"];'),
        (
            "type Name = String; entity Photo = { title: Name };",
            photo(title=required(TEXT)),
            "type Name = String; entity Photo = { title: Name };",
        ),
        (
            'entity Photo = { "odd name"?: { a: Set<Long>, "b"?: Long } };',
            photo(**{"odd name": optional(TEXT), "x-y": required(TEXT)}),
            'entity Photo = { "odd name"?: String, "x-y": String };',
        ),
        (
            "  entity Photo, Other = { a: Long };\n",
            photo(a=required(TEXT)),
            "  entity Photo = { a: String };\n  entity Other = { a: Long };\n",
        ),
    ],
)
def test_an_entity_type_gets_what_its_model_has(before, entity, after):
    """Attributes and parents are added, changed and removed; the rest of the text is left as it is."""
    assert merged(before, project(entity)) == after
    assert Schema.parse(after).entity_types["Photo"]
    assert merged(after, project(entity)) == after


@pytest.mark.parametrize("tail", ["// The end.\n", "// entity Old;", "\n" * 2_000, "  \n// a\n\n  // b {\n"])
def test_what_follows_the_last_declaration_stays(tail):
    """Comments and blank lines at the end are no declarations, and are passed over in no time."""
    before = f"entity Photo;\n{tail}"

    assert merged(before, project(photo())) == before


def test_a_record_is_written_over_several_lines():
    """Nested Records are indented as deep as they are."""
    shape = RecordType({"b": optional(RecordType({"c": optional(FLAG)})), "a": required(RecordType())})

    text = merged("entity Photo = {\n  meta: String,\n};\n", project(photo(meta=optional(shape))))

    assert text == ("entity Photo = {\n  meta?: {\n    a: {},\n    b?: {\n      c?: Bool,\n    },\n  },\n};\n")


def test_claims_are_added_to_those_that_are_declared():
    """What people have declared of principals stays, whether or not a policy reads it."""
    user = DeclaredEntity("User", {"email": optional(TEXT), "level": optional(TEXT)}, frozenset(["Group"]), False)
    text = "entity Group, Team; entity User in [Team] = { level?: Long, name?: String };"

    assert merged(text, project(user)) == (
        "entity Group, Team; entity User in [Group, Team] = { level?: Long, name?: String, email?: String };"
    )


def test_missing_declarations_join_those_of_their_kind():
    """They are put into their namespace, after the others, and references are written as they are read there."""
    text = (
        "namespace A {\n  entity User;\n  // groups\n  action Write;\n  action Edit in [Write] appliesTo {\n"
        "    principal: [User], resource: [User], context: Common::Request };\n  // the end\n}\n"
        "namespace Common {\n  type Request = { mfa?: Bool };\n}\n"
    )
    found = merged(
        text,
        Project(
            (
                DeclaredEntity(
                    "A::Photo", {"owner": required(NamedType("A::User")), "by": required(NamedType("B::Bot"))}
                ),
                DeclaredEntity("B::Bot"),
                DeclaredEntity("Root", parents=frozenset(["A::Photo"])),
            ),
            (
                DeclaredAction(EntityUid("A::Action", "View it"), frozenset(["A::Photo", "Root"])),
                DeclaredAction(EntityUid("A::Action", "Write"), frozenset()),
            ),
            ("A::User",),
            RecordType(),
        ),
    )

    assert found == (
        "namespace A {\n  entity User;\n\n  entity Photo = {\n    by: B::Bot,\n    owner: User,\n  };\n"
        "  // groups\n  action Write appliesTo {\n    principal: [User],\n    resource: [B::Bot, Photo, Root],\n"
        "    context: Common::Request,\n  };\n  action Edit in [Write] appliesTo {\n"
        "    principal: [User], resource: [User], context: Common::Request };\n\n"
        '  action "View it" appliesTo {\n    principal: [User],\n    resource: [Photo, Root],\n'
        "    context: Common::Request,\n  };\n  // the end\n}\n"
        "namespace Common {\n  type Request = { mfa?: Bool };\n}\n\n"
        "namespace B {\n  entity Bot;\n}\n\nentity Root in [A::Photo];\n"
    )
    assert Schema.parse(found).actions


def test_a_context_is_declared_before_all_else():
    """In the namespace of the actions that have it."""
    text = 'namespace A {\n  @doc("who")\n  entity User;\n}\n'
    action = DeclaredAction(EntityUid("A::Action", "View"), frozenset(["A::User"]))
    context = RecordType({"mfa": optional(FLAG)})

    assert merged(text, Project((), (action,), ("A::User",), context)) == (
        'namespace A {\n  type Context = {\n    mfa?: Bool,\n  };\n\n  @doc("who")\n  entity User;\n\n'
        "  action View appliesTo {\n    principal: [User],\n    resource: [User],\n    context: Context,\n  };\n}\n"
    )


def test_groups_are_read_in_every_form():
    """`in Read`, `in [Read]` and `in Action::"Read"` are groups, and annotations have values or none."""
    text = (
        "entity User;\n@quiet action Read;\n"
        "action A in Read; action B in [Read];\n"
        'action C in Action::"Read" appliesTo { principal: User, resource: User };\n'
    )
    action = DeclaredAction(EntityUid("Action", "C"), frozenset(["User"]))

    assert merged(text, project(DeclaredEntity("User"), actions=[action])) == text


def test_what_an_action_applies_to_stays():
    """People know better: neither a narrower nor a wider list is changed."""
    text = "entity User, Photo, Album; action View appliesTo { principal: [User], resource: [Album] };"
    action = DeclaredAction(EntityUid("Action", "View"), frozenset(["Photo"]))

    assert merged(text, project(photo(), actions=[action])) == text


def test_an_action_of_several_is_split_off():
    """One of them gets what the others do not get."""
    text = "entity User, Photo;\naction View, Edit;\n"
    action = DeclaredAction(EntityUid("Action", "View"), frozenset(["Photo"]))

    assert merged(text, project(photo(), actions=[action])) == (
        "entity User, Photo;\naction View appliesTo {\n  principal: [User],\n  resource: [Photo],\n};\naction Edit;\n"
    )


def test_actions_of_one_name_in_two_namespaces_are_two():
    """What one is asked about says nothing of the other."""
    text = "namespace A { entity User; action View; }\nnamespace B { action View; }\n"
    action = DeclaredAction(EntityUid("A::Action", "View"), frozenset(["A::User"]))

    found = merged(text, Project((), (action,), ("A::User",), RecordType()))

    assert found.endswith("namespace B { action View; }\n")
    assert "action View appliesTo {" in found


def test_a_new_schema_has_all():
    """The context is a common type, unless a type of that name is there."""
    context = RecordType({"mfa": optional(FLAG)})
    action = DeclaredAction(EntityUid("Action", "View"), frozenset(["Photo"]))
    declared = project(DeclaredEntity("User"), photo(), actions=[action], context=context)

    assert merged("", declared) == (
        "type Context = {\n  mfa?: Bool,\n};\n\nentity User;\n\nentity Photo;\n\n"
        "action View appliesTo {\n  principal: [User],\n  resource: [Photo],\n  context: Context,\n};\n"
    )
    assert merged("type Context = {};\n", declared).count("type Context") == 1


def test_an_attribute_of_no_known_type_is_refused():
    """Unless the schema declares it, nobody knows what it is."""
    declared = project(photo(size=None))
    assert merged("entity Photo = { size: Long };", declared) == "entity Photo = { size: Long };"

    with pytest.raises(ImproperlyConfigured, match=r"Photo's attribute 'size'. Say what attribute_size returns"):
        merged("entity Photo;", declared)


def test_a_schema_that_is_none_is_refused():
    """Nothing is written into what Cedar does not take."""
    with pytest.raises(ValueError, match="unexpected token"):
        merged("entity Photo Photo;", project(APPLICATION))
