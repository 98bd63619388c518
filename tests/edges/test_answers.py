"""Policies that cannot be evaluated, and questions that Cedar takes for none: the same from every engine."""

from __future__ import annotations

from itertools import product

import pytest

from django_avp import entities
from django_avp.cedar import Cause, EntityUid, Verdict
from tests.edges.conftest import ANN, NAMESPACE, engines, raw
from tests.soak import runs
from tests.testapp.models import Item

# Conditions that Cedar cannot evaluate about a row with the attributes `small`, 0, and `memo`, empty.
ERRING = {
    "an absent attribute": "resource.missing",
    "an absent claim": 'principal.missing == "a"',
    "an absent context": "context.missing",
    "an attribute of nobody": f'{NAMESPACE}::User::"bob".missing',
    "a tag": 'resource.getTag("a") == 1',
    "too large a sum": "resource.small + 9223372036854775807 + 1 > 0",
    "too small a difference": "resource.small - 9223372036854775807 - 2 > 0",
    "too large a product": "(resource.small + 4611686018427387904) * 2 > 0",
    "the least number's opposite": "-(resource.small - 9223372036854775807 - 1) > 0",
    "a text and a number": "resource.memo < 1",
    "a number as a condition": "resource.small",
    "a decimal of five places": 'decimal("1.23456") == decimal("1.0")',
    "a decimal too large": 'decimal("922337203685477.5808") == decimal("1.0")',
    "an exponent": 'decimal("1e3") == decimal("1.0")',
    "no decimal": 'decimal("NaN") == decimal("1.0")',
    "a leap second": 'datetime("2016-12-31T23:59:60Z") < datetime("2017-01-01")',
    "29 February": 'datetime("2023-02-29") < datetime("2024-01-01")',
    "year 0": 'datetime("0000-01-01") < datetime("2024-01-01")',
    "year 10,000": 'datetime("10000-01-01") < datetime("2024-01-01")',
    "an offset of 24 hours": 'datetime("2024-01-01T00:00:00+2400") < datetime("2024-01-01")',
    "too late": 'datetime("9999-12-31").offset(duration("106751991167d")) < datetime("2024-01-01")',
    "too long": 'duration("9223372036854775808ms") > duration("1d")',
    "no duration": 'duration("1y") > duration("1d")',
    "an address with a zone": 'ip("fe80::1%eth0").isIpv6()',
    "too long a prefix": 'ip("10.0.0.0/33").isIpv4()',
    "no address": 'ip("010.0.0.1").isIpv4()',
}
FORMS = {
    "when": "when {{ {0} }}",
    "unless": "unless {{ {0} }}",
    "behind": "when {{ true && ({0}) == true }}",
    "never": "when {{ false && ({0}) == true }}",
    "branch": "when {{ if resource.small == 0 then ({0}) == true else true }}",
}
SETTINGS = ("ignore", "forbids", "any")
CASES = list(product(ERRING, FORMS))[:: runs(7, 1)]


class ItemEntity(entities.ModelEntity):
    attributes = ("small", "memo")


def written(number, effects):
    """The policies about an action: those that may err, and one that permits in any case."""
    name, form = CASES[number]
    clause = FORMS[form].format(ERRING[name])
    scope = f'principal, action == {NAMESPACE}::Action::"a{number}", resource'
    for effect in effects:
        yield f'@id("{effect}{number}") {effect} ({scope}) {clause};'


def expected(answer, setting):
    """The verdict that Cedar's answer comes to, by the rule as it is documented (rule B2)."""
    is_allowed, reasons, errors = answer
    if setting != "ignore" and any(policy.startswith("forbid") for policy in errors):
        return Verdict.FORBIDDEN
    if setting == "any" and is_allowed and errors:
        return Verdict.UNDECIDED
    if is_allowed:
        return Verdict.PERMITTED
    return Verdict.FORBIDDEN if reasons else Verdict.NOT_PERMITTED


@engines
@pytest.mark.parametrize("effects", [("permit",), ("forbid",), ("permit", "forbid")], ids="-".join)
def test_policies_that_err(doors, policies_in, settings, kind, effects):
    """A permit, a forbid and both, in each clause, beside a permit that does not err, for each AVP_ON_POLICY_ERROR."""
    always = f'@id("always") permit (principal, action, resource == {NAMESPACE}::Item::"2");'
    texts = [always, *(text for number in range(len(CASES)) for text in written(number, effects))]
    Item.objects.bulk_create([Item(pk=1), Item(pk=2)])
    ask = raw(texts)

    def entity(pk):
        uid = EntityUid(f"{NAMESPACE}::Item", str(pk))
        known = [{"uid": uid.as_json(), "attrs": {"small": 0, "memo": ""}, "parents": []}]
        return uid, [*known, {"uid": ANN.as_json(), "attrs": {}, "parents": []}]

    with doors.open(kind, policies_in(texts), {Item: ItemEntity}):
        for setting in SETTINGS if kind != "remote" else SETTINGS[:1]:
            settings.AVP_ON_POLICY_ERROR = setting
            rows = list(Item.objects.order_by("pk"))
            authorization = doors.asking()
            for number in range(len(CASES)):
                authorization.collect(f"a{number}", rows)
            for number, row in product(range(len(CASES)), rows):
                uid, known = entity(row.pk)
                answer = ask(ANN, f"a{number}", uid, {}, known)
                decision = authorization.can(f"a{number}", row)
                assert decision.verdict is expected(answer, setting), (CASES[number], setting)
                assert decision.errors == answer[2] or (kind == "remote" and bool(decision.errors) is bool(answer[2]))
            if kind == "cedar":
                for number in range(0, len(CASES), 3):
                    listed = doors.asking().permitted(
                        f"a{number}", Item.objects.order_by("pk"), on_untranslatable="check"
                    )
                    assert list(listed) == [row for row in rows if authorization.can(f"a{number}", row)]


SCHEMA = f"""
namespace {NAMESPACE} {{
  entity Group;
  entity User in [Group] = {{ level?: Long }};
  entity Item = {{ small: Long, memo: String }};
  entity Kind enum ["a", "b"];
  entity Strict = {{ must: Long }};
  action View, "Other" appliesTo {{ principal: User, resource: [Item, Kind, Strict], context: {{ n?: Long }} }};
  action Needy appliesTo {{ principal: User, resource: Item, context: {{ must: Long }} }};
  action Alone appliesTo {{ principal: Group, resource: Item }};
}}
"""
ITEM, KIND = f"{NAMESPACE}::Item", f"{NAMESPACE}::Kind"
# Action, type and id of the resource, context, claims.
QUESTIONS = {
    "an action that is not there": ("Missing", ITEM, "1", {}, {}),
    "an action in other letters": ("view", ITEM, "1", {}, {}),
    "an action of another principal": ("Alone", ITEM, "1", {}, {}),
    "a type that is not there": ("View", f"{NAMESPACE}::Missing", "1", {}, {}),
    "a type of another namespace": ("View", "Other::Item", "1", {}, {}),
    "a type that the action is not for": ("Needy", KIND, "a", {}, {}),
    "an action as a resource": ("View", f"{NAMESPACE}::Action", "View", {}, {}),
    "a principal as a resource": ("View", f"{NAMESPACE}::User", "1", {}, {}),
    "a reserved word as a type": ("View", f"{NAMESPACE}::if", "1", {}, {}),
    "Cedar's own namespace": ("View", "__cedar::Long", "1", {}, {}),
    "an id that is not of the enumeration": ("View", KIND, "c", {}, {}),
    "a context that is not there": ("Needy", ITEM, "1", {}, {}),
    "a context of another type": ("View", ITEM, "1", {"n": "1"}, {}),
    "a context that is not declared": ("View", ITEM, "1", {"other": 1}, {}),
    "a context over 64 bits that has to be there": ("Needy", ITEM, "1", {"must": 2**63}, {}),
    "a claim of another type": ("View", ITEM, "1", {}, {"level": "high"}),
    "a claim that is a set": ("View", ITEM, "1", {}, {"level": [1]}),
}


@engines
def test_what_cedar_takes_for_no_question_is_undecided(doors, policies_in, kind):
    """Though all is permitted; and another question of the same round is decided."""
    Item.objects.create(pk=1)
    permit = '@id("all") permit (principal, action, resource);'
    other = EntityUid(KIND, "a")
    with doors.open(kind, policies_in([permit], SCHEMA), {Item: ItemEntity}):
        for name, (action, type_, id_, context, claims) in QUESTIONS.items():
            uid = EntityUid(type_, id_)
            authorization = doors.asking(**claims)
            authorization.collect("Other", other)
            decision = authorization.can(action, uid, context)
            assert (decision.verdict, decision.cause) == (Verdict.UNDECIDED, Cause.INVALID), name
            assert bool(authorization.can("Other", other)) is (not claims), name
            assert not doors.shown(doors.asking(**claims), action, uid, **context), name
            assert context or not doors.has_perm(doors.asking(**claims), action, uid), name
            if kind == "cedar" and type_ == ITEM:
                assert not doors.asking(**claims).permitted(action, Item.objects.all(), context).exists(), name
