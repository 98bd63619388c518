"""Ids with every kind of character and of every length: as resources, rows, parents, in contexts and in lists."""

from __future__ import annotations

import json
import re
import sys

import cedarpy
from django.db import DatabaseError, transaction

from django_avp import entities
from django_avp.cedar import EntityUid, Verdict
from tests.edges.conftest import ANN, NAMESPACE, engines, raw, schemas
from tests.edges.ids import MOST, ids
from tests.edges.values import written
from tests.soak import runs
from tests.testapp.models import Room, Shelf, Wide

# Each with its name; a policy has 10,000 bytes, so those of 10,000 characters can be asked about and not be named.
IDS = list(ids().values())
STEP = {"cedar": runs(3, 1), "cached": runs(9, 1), "remote": runs(9, 1), "synced": runs(9, 1)}
ROWS = runs(6, 1)
OTHER = "another one"
UNNAMED = '"the id of nothing"'


class WideEntity(entities.ModelEntity):
    id_field = "name"


class ShelfEntity(entities.ModelEntity):
    parents = ("room",)


class RoomEntity(entities.ModelEntity):
    id_field = "slug"


DEFINITIONS = {Wide: WideEntity, Shelf: ShelfEntity, Room: RoomEntity}


def literal(text):
    """An id in a policy, where it can stand in one."""
    return written(text) if len(text) <= MOST + 2 and _is_text(text) else UNNAMED


def _is_text(text):
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def policies(numbers):
    """For each id: about the thing, the row and the room that have it, and about the one in the context."""
    for number in numbers:
        scope, id_ = f'principal, action == {NAMESPACE}::Action::"i{number}"', literal(IDS[number][0])
        yield f'@id("is{number}") permit ({scope}, resource == {NAMESPACE}::Thing::{id_});'
        yield f'@id("row{number}") permit ({scope}, resource == {NAMESPACE}::Wide::{id_});'
        yield f'@id("in{number}") permit ({scope}, resource in {NAMESPACE}::Room::{id_});'
        condition = f"context has other && context.other == {NAMESPACE}::Thing::{id_}"
        yield f'@id("has{number}") permit ({scope}, resource) when {{ {condition} }};'


def schema_of(numbers):
    return f"""
namespace {NAMESPACE} {{
  entity Group, Thing, Wide, Room;
  entity Shelf in [Room];
  entity User in [Group];
  action {", ".join(f'"i{number}"' for number in numbers)} appliesTo {{
    principal: User, resource: [Thing, Wide, Shelf], context: {{ other?: Thing }}
  }};
}}
"""


def thing(text):
    return EntityUid(f"{NAMESPACE}::Thing", text)


@engines
@schemas
def test_ids_are_taken_as_the_service_takes_them(doors, policies_in, kind, has_schema):
    """Of what is asked about and of what a context holds; what is no id is undecided, and the others are decided."""
    numbers = range(0, len(IDS), STEP[kind])
    texts, schema = list(policies(numbers)), schema_of(numbers) if has_schema else None
    ask = raw(texts, schema)
    with doors.open(kind, policies_in(texts, schema), {}):
        batch = doors.asking()
        for number in numbers:
            batch.collect(f"i{number}", thing(IDS[number][0]))
        for number in numbers:
            text, is_taken = IDS[number]
            action, uid = f"i{number}", thing(text)
            decision = batch.can(action, uid)
            if is_taken:
                assert (bool(decision), decision.determining_policies) == ask(ANN, action, uid, {}, [])[:2]
            else:
                assert decision.verdict is Verdict.UNDECIDED
            held = batch.can(action, thing(OTHER), {"other": uid})
            context = {"other": {"__entity": uid.as_json()}} if is_taken else {}
            assert (bool(held), held.determining_policies) == ask(ANN, action, thing(OTHER), context, [])[:2]
            assert bool(decision) is bool(held) is (is_taken and literal(text) != UNNAMED)
        assert len(batch.rounds) == 1 + len(numbers)

        for number in numbers[:: STEP["cedar"]]:
            action, uid = f"i{number}", thing(IDS[number][0])
            assert bool(doors.asking().can(action, uid)) is bool(batch.can(action, uid))
            assert doors.shown(doors.asking(), action, uid) is bool(batch.can(action, uid))
            assert doors.has_perm(doors.asking(), action, uid) is bool(batch.can(action, uid))


def kept(text, number):
    """The rows that have a text for an id and for the id of a parent, as far as the database keeps it."""
    rows = []
    for make in (
        lambda: Wide.objects.create(fine="0.1", long="0.1", name=text, serial=number),
        lambda: Shelf.objects.create(room=Room.objects.create(slug=text)),
    ):
        try:
            with transaction.atomic():
                row = make()
                row.refresh_from_db()
        except (DatabaseError, ValueError, OverflowError):
            continue
        rows.append(row)
    return rows


def test_rows_and_lists_take_ids_alike(doors, policies_in):
    """On each database: the row that has an id, and the row below one; and no row that looks like it."""
    numbers = range(0, len(IDS), ROWS)
    seen = 0
    with doors.open("cedar", policies_in(policies(numbers)), DEFINITIONS):
        for number in numbers:
            text, is_taken = IDS[number]
            Wide.objects.all().delete()
            Room.objects.all().delete()
            neighbours = [kept(near, place) for place, near in enumerate((OTHER, text + "x"), 1)]
            rows = kept(text, 0)
            seen += len(rows)
            authorization = doors.asking()
            for model in (Wide, Shelf):
                own = [row for row in rows if isinstance(row, model)] if is_taken else []
                listed = list(authorization.permitted(f"i{number}", model.objects.all()))
                assert [row.pk for row in listed] == [row.pk for row in own], (model, text[:20])
                everyone = [row for row in (*rows, *sum(neighbours, [])) if isinstance(row, model)]
                authorization.collect(f"i{number}", everyone)
                single = [row.pk for row in everyone if authorization.can(f"i{number}", row)]
                assert single == [row.pk for row in own], (model, text[:20])
    assert seen >= len(numbers)


def test_every_character_is_read_and_written_as_cedar_does():
    """1,112,064 of them, all but the halves of pairs: in our text form, and in Cedar's."""
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    step = 4096
    some = [characters[start : start + step] for start in range(0, len(characters), step)][:: runs(8, 1)]
    for part in map("".join, some):
        uid = EntityUid("Photo", part)
        (policy,) = json.loads(cedarpy.policies_to_json_str(f"permit (principal == {uid}, action, resource);"))[
            "staticPolicies"
        ].values()
        assert policy["principal"]["entity"] == uid.as_json()
        document = {"staticPolicies": {"p": policy}, "templates": {}, "templateLinks": []}
        text = cedarpy.policies_from_json_str(json.dumps(document))
        assert EntityUid.parse(re.search(r'Photo::"(?:[^"\\]|\\.)*"', text, re.DOTALL)[0]) == uid


def test_an_erring_policy_is_told_whatever_its_id(doors, policies_in):
    """Cedar escapes ids in its messages; which policy erred decides whether a forbid counts."""
    texts = {
        text for text, _ in IDS[:: runs(2, 1)] if text and len(text) < 2_000 and "`" not in text and _is_text(text)
    }
    annotated = [
        f"@id({written(text)}) permit (principal, action, resource) when {{ resource.missing }};" for text in texts
    ]
    with doors.open("cedar", policies_in(annotated), {}):
        decision = doors.asking().can("View", thing("1"))
    assert set(decision.errors) == texts
