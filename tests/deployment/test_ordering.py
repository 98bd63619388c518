"""The order of a push (rule G4), step by step in a model of the store: nothing opens, whatever changes."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from django_avp.deployment.changes import Verb, changes_between
from django_avp.deployment.items import State
from django_avp.deployment.planning import plan
from django_avp.deployment.steps import Act, Phase, applied
from django_avp.exceptions import PolicyError
from tests.deployment.generated import policies, variation
from tests.deployment.support import allowed_in, state

PAIRS = 1_000


def opened(current, steps, limit):
    """The titles of the steps after which something is allowed that is beyond the limit."""
    found = []
    for step in steps:
        current = applied(current, step)
        if not allowed_in(current) <= limit:
            found.append(step.title)
    return found


def limit_of(made):
    """What the old policies allow, or the new ones."""
    return allowed_in(made.current) | allowed_in(made.expected)


def merged(current, wanted):
    """What is there in the end if nothing is pruned."""
    return State({**current.policies, **wanted.policies}, {**current.templates, **wanted.templates})


def planned(current, wanted, **options):
    """A plan; one that prunes where a link cannot stay."""
    try:
        return plan(current, wanted, **options)
    except PolicyError:
        return plan(current, wanted, prune=True)


def test_g4_on_generated_pairs_no_call_opens_anything():
    """A thousand pairs, each also interrupted anywhere and resumed, with the same directory or a third one."""
    verbs, phases, interrupted = set(), set(), 0
    for number in range(PAIRS):
        random = Random(number)  # noqa: S311 - no secret
        before = policies(random)
        after = variation(random, before)
        prune = random.random() < 0.7
        made = planned(before, after, prune=prune)
        if prune:
            assert made.expected == after
        limit = limit_of(made)
        assert opened(before, made.steps, limit) == []
        verbs |= {change.verb for change in made.changes}
        phases |= {step.phase for step in made.steps}

        cut = random.randint(0, len(made.steps))
        half = before
        for step in made.steps[:cut]:
            half = applied(half, step)
        third = random.choice([after, after, before, variation(random, before)])
        again = planned(half, third, prune=True)
        assert again.expected == third
        # What is allowed in the middle is within the limit, so what is allowed afterwards is, or the third allows it.
        assert limit_of(again) <= limit | allowed_in(third)
        assert opened(half, again.steps, limit_of(again)) == []
        interrupted += 0 < cut < len(made.steps)

    assert verbs == set(Verb) - {Verb.CLEAN_UP}
    assert phases == set(Phase) - {Phase.FIRST_SCHEMA, Phase.SCHEMA, Phase.FINAL_SCHEMA}
    assert interrupted > PAIRS / 2


def test_without_prune_what_is_only_in_the_store_stays():
    """It counts as old and as new."""
    for number in range(200):
        random = Random(number)  # noqa: S311 - no secret
        before = policies(random)
        after = variation(random, before)
        try:
            made = plan(before, after)
        except PolicyError:
            # A link would stay whose template is replaced.
            continue
        assert made.expected == merged(before, after)
        assert opened(before, made.steps, limit_of(made)) == []


# The counterexamples: orders that look right and open access

PERMIT = '@id("p") permit (principal, action, resource);'


def test_g4_deletions_first_would_open_access():
    """A forbid that goes together with the permit that it is about: between the two deletions all is allowed."""
    before = state(f'{PERMIT}\n@id("f") forbid (principal, action, resource);')
    made = plan(before, state('@id("q") permit (principal == U::"ann", action, resource == F::"1");'), prune=True)
    naive = sorted(made.steps, key=lambda step: (step.act is not Act.DELETE, not step.item.is_forbid))

    assert opened(before, naive, limit_of(made)) == ['delete forbid "f"']
    assert opened(before, made.steps, limit_of(made)) == []


def test_g4_a_forbid_that_changes_without_a_guard_would_open_access():
    """It moves from one file to another, and the permit of the first goes only later."""
    forbid = '@id("f") forbid (principal, action, resource) when {{ resource == F::"{}" }};'
    before = state(f"{PERMIT}\n{forbid.format(1)}")
    after = state(f'{PERMIT[:-1]} when {{ resource == F::"1" }};\n{forbid.format(2)}')
    made = plan(before, after, prune=True)
    naive = [step for step in made.steps if "--guard" not in step.title]

    assert len(naive) == len(made.steps) - 2
    assert opened(before, naive, limit_of(made) - allowed_in(after)) != []
    assert opened(before, made.steps, limit_of(made)) == []


def test_g4_a_template_of_forbids_is_guarded_with_all_of_its_links():
    """Its text reaches every link at once, links that are to go among them."""
    template = '@id("t") forbid (principal == ?principal, action, resource) when {{ {} }};'
    links = [(name, "t", {"?principal": ("U", name)}) for name in ("ann", "bob")]
    before = state(f"{PERMIT}\n{template.format('true')}", links)
    after = state(f"{PERMIT}\n{template.format('context.mfa')}", links[:1])
    made = plan(before, after, prune=True)
    titles = [step.title for step in made.steps]

    assert titles == [
        'create template forbid "t--guard"',
        'create forbid "ann--guard" (link of "t--guard")',
        'create forbid "bob--guard" (link of "t--guard")',
        'change template forbid "t"',
        'delete forbid "ann--guard" (link of "t--guard")',
        'delete forbid "bob--guard" (link of "t--guard")',
        'delete forbid "bob" (link of "t")',
        'delete template forbid "t--guard"',
    ]
    assert opened(before, made.steps, limit_of(made)) == []


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_push_that_was_interrupted_goes_on_with_the_guards_that_it_has_made(cut):
    """And makes no second ones."""
    template = '@id("t") forbid (principal == ?principal, action, resource) when {{ {} }};'
    link = [("l", "t", {"?principal": ("U", "ann")})]
    forbid = '@id("f") forbid (principal, action, resource == F::"1") when {{ {} }};'
    before = state(f"{PERMIT}\n{template.format('true')}\n{forbid.format('true')}", link)
    after = state(f"{PERMIT}\n{template.format('false')}\n{forbid.format('false')}", link)
    made = plan(before, after)
    half = before
    for step in made.steps[:cut]:
        half = applied(half, step)
    again = plan(half, after)

    assert len(made.steps) == 8
    assert len(again.steps) == len(made.steps) - cut
    assert again.expected == after
    assert {change.verb for change in again.changes} <= {Verb.CHANGE, Verb.CLEAN_UP}


def test_guards_never_take_an_id_that_is_there():
    """A push that was interrupted twice, with other policies each time."""
    forbid = '@id("f") forbid (principal, action, resource) when {{ resource == F::"{}" }};'
    first = plan(state(f"{PERMIT}\n{forbid.format(1)}"), state(f"{PERMIT}\n{forbid.format(2)}"))
    half = first.current
    for step in first.steps[:2]:
        half = applied(half, step)
    second = plan(half, state(f"{PERMIT}\n{forbid.format(3)}"))

    assert [step.title for step in second.steps] == [
        'create forbid "f--guard-2"',
        'change forbid "f"',
        'delete forbid "f--guard-2"',
        'delete forbid "f--guard"',
    ]
    assert opened(half, second.steps, limit_of(second)) == []


def test_a_link_that_stays_keeps_its_template_from_being_replaced():
    """What it would mean then, nobody has said."""
    link = [("l", "t", {"?principal": ("U", "ann")})]
    before = state('@id("t") permit (principal == ?principal, action, resource);', link)
    after = state(f'{PERMIT}\n@id("t") forbid (principal == ?principal, action, resource);')
    with pytest.raises(PolicyError, match='The link "l" is only in the store, and its template "t" is to be replaced'):
        plan(before, after)
    assert plan(before, after, prune=True).expected == after


def test_leftovers_go_at_the_end_whether_or_not_anything_is_pruned():
    """Permits when the new ones are there, forbids last; those of a template that changes before it does."""
    template = '@id("t") permit (principal == ?principal, action, resource) when {{ {} }};'
    link = [("l--old", "t", {"?principal": ("U", "ann")}), ("m", "t", {"?principal": ("U", "bob")})]
    left = '@id("p--old") permit (principal, action, resource);\n@id("f--guard") forbid (principal, action, resource);'
    before = state(f"{left}\n{template.format('true')}", link)
    after = replace(state(f"{PERMIT}\n{template.format('context.mfa')}", link[1:]))
    made = plan(before, after)

    assert [step.title for step in made.steps] == [
        'delete permit "l--old" (link of "t")',
        'change template permit "t"',
        'create permit "p"',
        'delete permit "p--old"',
        'delete forbid "f--guard"',
    ]
    assert opened(before, made.steps, limit_of(made)) == []


PERMITTING = '@id("p") permit (principal, action, resource);'
FORBIDDING = '@id("f") forbid (principal, action, resource);'


@pytest.mark.parametrize(
    ("before", "after", "closes"),
    [
        ("", PERMITTING, False),
        ("", FORBIDDING, True),
        (PERMITTING, "", True),
        (FORBIDDING, "", False),
        (PERMITTING, PERMITTING.replace(";", " when { true };"), True),
        (FORBIDDING, FORBIDDING.replace(";", " when { true };"), True),
        (PERMITTING, FORBIDDING.replace('"f"', '"p"'), True),
    ],
)
def test_what_may_allow_more_without_it_closes(before, after, closes):
    """Permits that go and forbids that come; of other text nobody knows."""
    (change,) = changes_between(state(before), state(after), prune=True)
    assert change.closes == closes


def test_what_stays_closes_nothing():
    """It is in the store alone, and is not to be deleted."""
    (change,) = changes_between(state(PERMITTING), state(""), prune=False)
    assert not change.closes
