"""Cycles, depth, width and groups: denied where Amazon Verified Permissions would refuse them, row by row."""

from __future__ import annotations

import pytest

from django_avp import entities
from django_avp.cedar import Verdict
from django_avp.entities.world import MAX_ANCESTORS
from tests.conftest import POOL
from tests.edges.conftest import NAMESPACE, engines, schemas
from tests.soak import runs
from tests.testapp.models import Folder, Shelf

WIDE = runs(500, 10_000)
LONG_CYCLE = runs(100, 1_000)
DEPTHS = (98, 99, 100, 101, runs(150, 1_000))
GROUPS = (0, 1, 99, 100, 101, 1_000)[:: runs(2, 1)] + (99,)
SCHEMA = f"""
namespace {NAMESPACE} {{
  entity Group, Root;
  entity User in [Group];
  entity Folder in [Folder];
  entity Shelf in [Shelf];
  action View appliesTo {{ principal: User, resource: [Folder, Shelf, Root] }};
}}
"""
POLICIES = ['@id("all") permit (principal, action, resource);']


class FolderEntity(entities.ModelEntity):
    parents = ("parents",)


class ShelfEntity(entities.ModelEntity):
    parents = ("parent",)


DEFINITIONS = {Folder: FolderEntity, Shelf: ShelfEntity}


def folders(number):
    return Folder.objects.bulk_create([Folder(name=str(n)) for n in range(number)])


def linked(*pairs):
    Folder.parents.through.objects.bulk_create(
        [Folder.parents.through(from_folder=child, to_folder=parent) for child, parent in pairs]
    )


def shelves(number):
    """A chain of them, the root first."""
    rows = Shelf.objects.bulk_create([Shelf(level=n) for n in range(number)])
    for row, parent in zip(rows[1:], rows, strict=False):
        row.parent = parent
    Shelf.objects.bulk_update(rows, ["parent"], batch_size=200)
    return rows


@engines
@schemas
def test_cycles_deny_their_rows_only(doors, policies_in, kind, has_schema, django_assert_max_num_queries):
    """Of one folder, of two, of three among others, of hundreds; and what leads into one, whatever else it is in."""
    loop, one, two, a, b, c, into, above, sound = folders(9)
    ring = folders(LONG_CYCLE)
    linked((loop, loop), (one, two), (two, one), (a, b), (b, c), (c, a), (into, a), (into, above), (sound, above))
    linked(*zip(ring, [*ring[1:], ring[0]], strict=True))
    bad = [loop, one, two, a, b, c, into, ring[0], ring[-1]]
    with doors.open(kind, policies_in(POLICIES, SCHEMA if has_schema else None), DEFINITIONS):
        authorization = doors.asking()
        authorization.collect("View", [*bad, above, sound])
        # As many levels as AVP_MAX_DEPTH says, and no more, however long a cycle is.
        with django_assert_max_num_queries(2 * 10 + 6):
            authorization.decide()
        assert [authorization.can("View", row).verdict for row in bad] == [Verdict.UNDECIDED] * len(bad)
        assert authorization.can("View", above)
        assert authorization.can("View", sound)
        assert not any(doors.shown(doors.asking(), "View", row) for row in bad)
        assert not any(doors.has_perm(doors.asking(), "View", row) for row in bad)


@engines
def test_a_row_with_more_parents_than_the_service_takes_is_denied(doors, policies_in, kind):
    """99 ancestors are decided about, and neither 100 nor thousands, beside one that has few."""
    some = folders(WIDE)
    counts = (1, MAX_ANCESTORS, MAX_ANCESTORS + 1, WIDE)
    rows = folders(len(counts))
    linked(*((row, parent) for row, count in zip(rows, counts, strict=True) for parent in some[:count]))
    with doors.open(kind, policies_in(POLICIES), DEFINITIONS):
        authorization = doors.asking()
        authorization.collect("View", rows)
        found = [bool(authorization.can("View", row)) for row in rows]
        assert found == [count <= MAX_ANCESTORS for count in counts]
        assert found == [bool(doors.asking().can("View", row)) for row in rows]


@pytest.mark.parametrize("limit", [10, 99])
def test_a_row_deeper_than_the_limit_is_denied(doors, policies_in, settings, limit):
    """Whatever the limit, no row has more than 99 ancestors; alone, in a batch and in a list."""
    settings.AVP_MAX_DEPTH = limit
    rows = shelves(max(DEPTHS) + 1)
    depths = [0, 1, limit - 1, limit, limit + 1, *DEPTHS]
    with doors.open("cedar", policies_in(POLICIES), DEFINITIONS):
        authorization = doors.asking()
        authorization.collect("View", [rows[depth] for depth in depths])
        found = [bool(authorization.can("View", rows[depth])) for depth in depths]
        assert found == [depth <= limit for depth in depths]
        assert found == [bool(doors.asking().can("View", rows[depth])) for depth in depths]
        if limit == 10:
            listed = {row.level for row in doors.asking().permitted("View", Shelf.objects.all())}
            assert listed == set(range(limit + 1))


@engines
@schemas
def test_a_principal_of_more_groups_than_the_service_takes_is_denied(doors, policies_in, kind, has_schema):
    """99 are decided about, 100 are not, in any reader; what is in the last of them counts."""
    row = folders(1)[0]
    with doors.open(kind, policies_in(group_policies(), SCHEMA if has_schema else None), DEFINITIONS):
        for count in GROUPS:
            groups = [f"g{number}" for number in range(count)]
            is_permitted = 1 <= count <= MAX_ANCESTORS
            for use in ("id", "access"):
                decision = doors.asking(use, groups).can("View", row)
                assert bool(decision) is is_permitted
                assert (decision.verdict is Verdict.UNDECIDED) is (count > MAX_ANCESTORS)
            assert doors.shown(doors.asking(groups=groups), "View", row) is is_permitted
            assert doors.has_perm(doors.asking(groups=groups), "View", row) is is_permitted
            if kind == "cedar":
                # A folder may have parents in several ways, which no query counts: rows are decided one by one.
                listed = doors.asking(groups=groups).permitted("View", Folder.objects.all(), on_untranslatable="check")
                assert listed.count() == is_permitted


def group_policies():
    """A policy for each group."""
    names = [f"g{number}" for number in range(max(GROUPS))]
    groups = ", ".join(f'{NAMESPACE}::Group::"{POOL}|{name}"' for name in names[:100])
    return [f'@id("in") permit (principal, action, resource) when {{ principal in [{groups}] }};']
