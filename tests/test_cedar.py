"""Tests of ``django_avp.cedar``: Cedar's nouns, and entity ids as Cedar itself reads and writes them."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import re
import subprocess
import sys

import cedarpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_avp import cedar
from django_avp.cedar import Cause, Check, Decision, Entity, EntityUid, Verdict, qualify, quote, unquote

PHOTO = EntityUid("Photo", "1")
VIEW = EntityUid("Action", "ViewPhoto")

ids = st.text() | st.text("\"\\'`*\n\r\t\0\x1b\x7f\x85\u0301\u200b\u2028\ue000😀aé{}u;/")


# --- Text form -----------------------------------------------------------------------------------------------------


@given(ids)
@example("\u0301 first")
def test_any_id_survives_its_text_form(text):
    """Whatever the id, the text form names the same entity, to us and to Cedar, and prints."""
    uid = EntityUid("A::Photo", text)
    policy = json.loads(cedarpy.policies_to_json_str(f"permit (principal == {uid}, action, resource);"))

    assert EntityUid.parse(str(uid)) == uid
    assert policy["staticPolicies"]["policy0"]["principal"]["entity"] == uid.as_json()
    assert str(uid).isprintable()


@given(ids)
def test_cedars_own_text_form_is_read(text):
    """What Cedar writes for an id is read as that id, with Rust's escapes."""
    scope = {"principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}}
    uid = EntityUid("Photo", text)
    policy = {"effect": "permit", **scope, "principal": {"op": "==", "entity": uid.as_json()}, "conditions": []}
    written = cedarpy.policies_from_json_str(
        json.dumps({"staticPolicies": {"p": policy}, "templates": {}, "templateLinks": []})
    )

    assert EntityUid.parse(re.search(r'Photo::"(?:[^"\\]|\\.)*"', written, re.DOTALL)[0]) == uid


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (r'"\x41\u{e9}\u{1F600}"', "Aé😀"),
        (r'"\'\"\\\n\r\t\0"', "'\"\\\n\r\t\0"),
        ('"a\nb"', "a\nb"),
        ('""', ""),
    ],
)
def test_escapes_are_cedars(literal, text):
    """Every escape of a Cedar string is read."""
    assert unquote(literal) == text
    assert unquote(quote(text)) == text


@pytest.mark.parametrize("escape", [r"\q", r"\*", r"\x80", r"\u{110000}", r"\u{d800}", r"\u{}", r"\u0041"])
def test_unknown_escapes_are_refused(escape):
    """What Cedar does not take as an escape is named and refused."""
    with pytest.raises(ValueError, match="is not an escape in Cedar"):
        EntityUid.parse(f'Photo::"{escape}"')


@pytest.mark.parametrize(
    "text",
    ["", "Photo", 'Photo::"1', 'Photo:"1"', '::"1"', '"1"', 'Photo::"1"x', '1Photo::"1"', 'Pho to::"1"', 'P::"a"b"'],
)
def test_other_text_is_refused(text):
    """What is not an entity id is told, with the form it must have."""
    with pytest.raises(ValueError, match=r'is not an entity id; write Type::"id"'):
        EntityUid.parse(text)


def test_text_may_be_padded():
    """Blanks around the text form do not matter."""
    assert EntityUid.parse(' A::B::Photo::"x" \n') == EntityUid("A::B::Photo", "x")


# --- Namespaces and limits -----------------------------------------------------------------------------------------


def test_types_go_into_the_namespace():
    """An unqualified type is put into the namespace, a qualified one stays."""
    assert PHOTO.in_namespace("Shop") == EntityUid("Shop::Photo", "1")
    assert EntityUid("A::Photo", "1").in_namespace("Shop") == EntityUid("A::Photo", "1")
    assert PHOTO.in_namespace("") == PHOTO
    assert qualify("Photo", "A::B") == "A::B::Photo"


@pytest.mark.parametrize(
    ("type_", "id_", "is_valid"),
    [
        ("Photo", "1", True),
        ("A::_b1::Photo", "é 😀 \t \x1b", True),
        ("Photo", "x" * 612, True),
        ("Photo", "x" * 613, False),
        ("Photo", "", False),
        ("Action", "x" * 512, True),
        ("A::Action", "x" * 513, False),
        ("Action", "x" * 513, False),
        ("Reaction", "x" * 513, True),
        ("T" * 200, "1", True),
        ("T" * 201, "1", False),
        ("", "1", False),
        ("Pho to", "1", False),
        ("Photo\n", "1", False),
        ("Photo::", "1", False),
        ("Phöto", "1", False),
        *(("Photo", f"a{forbidden}", False) for forbidden in "\0\n\r\u0085\u2028\u2029\ud800"),
    ],
)
def test_a9_limits_are_avps(type_, id_, is_valid):
    """Types and ids have AVP's lengths and no line break, NUL or lone surrogate."""
    assert EntityUid(type_, id_).is_valid is is_valid


@pytest.mark.parametrize("uid", [EntityUid("Photo", 7), EntityUid(None, "7")])
def test_ids_are_text(uid):
    """An id that is a number is told with the cure, where it is used first."""
    for use in (lambda: uid.in_namespace("Shop"), lambda: uid.is_valid):
        with pytest.raises(TypeError, match=r'are text, not .*; write EntityUid\("Photo", "7"\)'):
            use()


# --- Entities, checks, decisions -----------------------------------------------------------------------------------


def test_entities_are_cedars_json():
    """An entity has Cedar's JSON form."""
    entity = Entity(PHOTO, {"title": "t"}, (EntityUid("Album", "2"),))

    assert entity.as_json() == {
        "uid": {"type": "Photo", "id": "1"},
        "attrs": {"title": "t"},
        "parents": [{"type": "Album", "id": "2"}],
    }
    assert Entity(PHOTO).as_json() == {"uid": {"type": "Photo", "id": "1"}, "attrs": {}, "parents": []}


def test_representations_hold_no_data():
    """Neither attributes, which may be claims, nor context show in a representation."""
    assert "secret" not in repr(Entity(PHOTO, {"email": "secret"}))
    assert "secret" not in repr(Check(VIEW, PHOTO, '{"ip":"secret"}'))


def test_equal_questions_are_one():
    """Checks are values, so that a question is asked once."""
    assert len({Check(VIEW, PHOTO), Check(VIEW, EntityUid("Photo", "1")), Check(VIEW, PHOTO, "{}")}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        Check(VIEW, PHOTO).context = "{}"


@pytest.mark.parametrize("verdict", list(Verdict))
def test_b1_only_permitted_is_true(verdict):
    """A decision is true when it is permitted, and never else."""
    decision = Decision(verdict)

    assert bool(decision) is decision.is_allowed is (verdict is Verdict.PERMITTED)


def test_b1_answers_without_an_engine_deny():
    """The decisions made without asking are all false, and say why."""
    causes = {cedar.UNIDENTIFIED: "unidentified", cedar.INACTIVE: "inactive", cedar.UNAVAILABLE: "unavailable"}

    assert not any(causes)
    assert {decision.cause.value for decision in causes} == set(causes.values())
    assert not cedar.INVALID
    assert (cedar.INVALID.verdict, cedar.INVALID.cause) == (Verdict.UNDECIDED, Cause.INVALID)


@pytest.mark.parametrize("value", [PHOTO, Check(VIEW, PHOTO, "{}")])
def test_ids_and_checks_find_their_places_in_another_process(value):
    """The hash of a text differs from process to process: it is not carried along."""
    program = "import pickle, sys; value = pickle.load(sys.stdin.buffer); print(value in {eval(sys.argv[1]): 1})"
    made = repr(value) if isinstance(value, EntityUid) else f"Check({value.action!r}, {value.resource!r}, '{{}}')"
    code = f"from django_avp.cedar import Check, EntityUid; {program}"
    found = subprocess.run(  # noqa: S603 - this Python, our code
        [sys.executable, "-c", code, made],
        input=pickle.dumps(value),
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert found.stdout.strip() == b"True"
