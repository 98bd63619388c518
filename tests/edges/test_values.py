"""Values at the edges of their types, in each place that policies read from, through every engine and reader."""

from __future__ import annotations

from collections import Counter

from django_avp import entities
from django_avp.cedar import EntityUid
from tests.edges.conftest import ANN, NAMESPACE, engines, raw, schemas
from tests.edges.values import ABSENT, edges
from tests.soak import runs
from tests.testapp.models import Item

EDGES = edges()
KINDS = sorted({edge.kind for edge in EDGES})
# Where a value may be, and what policies call the place.
PLACES = {"resource": "resource", "context": "context", "principal": "principal", "token": "context.token"}
# A policy of the service has 10,000 bytes.
MOST = 5_000
# Of how many values each engine is asked about one beside the other tests; and each of how many questions alone.
EVERY = {"cedar": runs(3, 1), "cached": runs(11, 1), "remote": runs(19, 1), "synced": runs(19, 1)}
STEP = runs(11, 1)
BARE = -1

_ATTRIBUTES = """
  bool?: Bool, long?: Long, text?: String, decimal?: decimal, datetime?: datetime, duration?: duration, ip?: ipaddr,
  longs?: Set<Long>, texts?: Set<String>, record?: {{ a?: {{ a?: Long }} }}{more}
"""


def schema_of(numbers):
    return f"""
namespace {NAMESPACE} {{
  type Token = {{ {_ATTRIBUTES.format(more="")} }};
  entity Group;
  entity User in [Group] = {{ {_ATTRIBUTES.format(more="")} }};
  entity Item = {{ {_ATTRIBUTES.format(more="")} }};
  action {", ".join(f'"e{number}"' for number in numbers)} appliesTo {{
    principal: User, resource: Item, context: {{ {_ATTRIBUTES.format(more=", token?: Token")} }}
  }};
}}
"""


def picked(kind, *, has_schema):
    """The numbers of the values that an engine of a kind can be asked about, beside the other tests of some."""
    for number in range(0, len(EDGES), EVERY[kind]):
        is_declared = EDGES[number].kind != "odd" or not has_schema
        if is_declared and (kind in ("cedar", "cached") or len(EDGES[number].literal) <= MOST):
            yield number


def policies(numbers):
    """For each value one policy for each place: whether it is there, and is this one."""
    for number in numbers:
        edge = EDGES[number]
        scope = f'(principal, action == {NAMESPACE}::Action::"e{number}", resource)'
        for place, owner in PLACES.items():
            looks = "context has token && " if place == "token" else ""
            # Without a look an absent one is an error.
            looks += f"{owner} has {edge.kind} && " if place != "resource" else ""
            is_it = f"{owner}.{edge.kind} == {edge.literal}"
            yield f'@id("{place}{number}") permit {scope} when {{ {looks}{is_it} }};'


def attribute(kind):
    """The attribute of a row whose number is a value's."""

    def read(self, row):
        return EDGES[row.small].value if row.small != BARE and EDGES[row.small].kind == kind else None

    return read


ItemEntity = type("ItemEntity", (entities.ModelEntity,), {f"attribute_{kind}": attribute(kind) for kind in KINDS})


def asked(numbers):
    """The places and numbers of what is asked."""
    for number in numbers:
        yield "resource", number
        if EDGES[number].in_context:
            yield "context", number
        if EDGES[number].in_tokens:
            yield from (("principal", number), ("token", number))


def entity(uid, kind, value):
    attributes = {} if value is ABSENT else {kind: value}
    return {"uid": uid.as_json(), "attrs": attributes, "parents": []}


def truth(ask, place, number, row):
    """What Cedar says of JSON that is written by hand."""
    edge = EDGES[number]
    there = {name: edge.json if name == place else ABSENT for name in PLACES}
    context = {} if there["context"] is ABSENT else {edge.kind: edge.json}
    if place == "token":
        context["token"] = {} if edge.json is ABSENT else {edge.kind: edge.json}
    resource = EntityUid(f"{NAMESPACE}::Item", str(row.pk))
    known = [entity(ANN, edge.kind, there["principal"]), entity(resource, edge.kind, there["resource"])]
    return ask(ANN, f"e{number}", resource, context, known)


def test_the_table_is_large():
    """With every kind of value, and with ones that Cedar does not hold."""
    assert len(EDGES) >= 200
    assert len({edge.name for edge in EDGES}) == len(EDGES)
    assert min(Counter(edge.kind for edge in EDGES).values()) >= 1
    assert sum(edge.json is ABSENT for edge in EDGES) >= 35


@engines
@schemas
def test_values_decide_as_cedar_decides_on_them(doors, policies_in, kind, has_schema):
    """In attributes, contexts and claims; all in a batch, each alone, by ``{% can %}`` and by ``has_perm``."""
    numbers = list(picked(kind, has_schema=has_schema))
    schema = schema_of(numbers) if has_schema else None
    texts = list(policies(numbers))
    rows = {number: Item.objects.create(small=number) for number in (BARE, *numbers)}
    questions = list(asked(numbers))
    ask = raw(texts, schema)
    true = {(place, n): truth(ask, place, n, rows[n if place == "resource" else BARE]) for place, n in questions}

    def resource(place, number):
        return rows[number if place == "resource" else BARE]

    def context(place, number):
        return {EDGES[number].kind: EDGES[number].value} if place == "context" else {}

    def told(decision):
        errors = decision.errors
        return bool(decision), decision.determining_policies, errors if errors != ("unknown",) else None

    with doors.open(kind, policies_in(texts, schema), {Item: ItemEntity}):
        for _ in range(2 if kind == "cached" else 1):
            batch = doors.asking()
            together = [(place, number) for place, number in questions if place in ("resource", "context")]
            for place, number in together:
                batch.collect(f"e{number}", resource(place, number), context(place, number))
            found = {
                (place, number): told(batch.can(f"e{number}", resource(place, number), context(place, number)))
                for place, number in together
            }
            assert len(batch.rounds) == 1
            # A service does not tell which policies erred.
            assert found == {
                one: (*true[one][:2], true[one][2] if found[one][2] is not None else None) for one in together
            }

        for place, number in questions[::STEP]:
            use = "access" if place == "token" else "id"
            claims = {EDGES[number].kind: EDGES[number].value} if place in ("principal", "token") else {}
            action, row, own = f"e{number}", resource(place, number), context(place, number)
            alone = told(doors.asking(use, **claims).can(action, row, own))
            assert alone[:2] == true[place, number][:2], (place, EDGES[number].name)
            assert doors.shown(doors.asking(use, **claims), action, row, **own) is alone[0]
            assert own or doors.has_perm(doors.asking(use, **claims), action, row) is alone[0]


@schemas
def test_lists_have_the_rows_that_single_decisions_permit(doors, policies_in, has_schema):
    """Of attributes that Python computes, where rows are decided one by one."""
    numbers = list(picked("cedar", has_schema=has_schema))[::STEP]
    schema = schema_of(numbers) if has_schema else None
    texts = list(policies(numbers))
    rows = {number: Item.objects.create(small=number) for number in (BARE, *range(len(EDGES)))}
    ask = raw(texts, schema)
    with doors.open("cedar", policies_in(texts, schema), {Item: ItemEntity}):
        authorization = doors.asking()
        for number in numbers:
            near = Item.objects.filter(small__in=[BARE, number, *range(number - 3, number + 4)]).order_by("small")
            listed = authorization.permitted(f"e{number}", near, on_untranslatable="check")
            expected = [truth(ask, "resource", number, rows[number])[0]]
            assert [number in {row.small for row in listed}] == expected, EDGES[number].name
            assert list(listed) == [row for row in near if authorization.can(f"e{number}", row)]
