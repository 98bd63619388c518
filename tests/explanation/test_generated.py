"""What explanations say of policies that nobody wrote, held against Cedar."""

from __future__ import annotations

from collections import Counter
from random import Random

import cedarpy
import pytest
from django.test import override_settings

from django_avp.authorization import Authorization
from django_avp.cedar import Verdict
from django_avp.explanation import ERRORS, Outcome, PolicyOutcome, who_may
from django_avp.identity import Identity
from django_avp.runtime import runtime
from tests.conftest import POOL
from tests.filtering.conftest import Fixed, registered
from tests.filtering.generated import Case
from tests.filtering.rows import fill
from tests.testapp.models import Item

pytestmark = pytest.mark.django_db

ROWS, SETS = 4, 120
# What rows of these tests are refused for; "engine" would mean that the cause was not found.
REFUSALS = {"entity_refused", "invalid_id", "cycle", "too_deep"}


def findings_in(finding):
    """A finding and all that are in it."""
    yield finding
    for inner in finding.inner:
        yield from findings_in(inner)


def by_cedar(expression, explanation, policies):
    """What Cedar says that the text of an expression is, as a condition of its own."""
    result = cedarpy.is_authorized(
        {
            "principal": str(explanation.principal),
            "action": str(explanation.check.action),
            "resource": str(explanation.check.resource),
            "context": dict(explanation.context),
        },
        f"permit (principal, action, resource) when {{ {expression} }};",
        [entity.as_json() for entity in explanation.entities],
        policies.schema.handle if policies.schema else None,
    )
    if result.diagnostics.errors:
        return Outcome.ERROR
    return Outcome.TRUE if result.decision is cedarpy.Decision.Allow else Outcome.FALSE


def held(explanation, policies, kinds):
    """Hold all that an explanation says of policies against Cedar."""
    decision = explanation.decision
    assert {policy.policy_id for policy in explanation.determining} == set(decision.determining_policies)
    assert {policy.policy_id for policy in explanation.policies} == set(policies.statements)
    for policy in explanation.policies:
        if policy.outcome is PolicyOutcome.APPLIES:
            assert policy.finding is None
            is_overruled = decision.verdict is Verdict.FORBIDDEN and policy.effect == "permit"
            assert policy.is_determining or is_overruled
            continue
        assert not policy.is_determining
        assert (policy.outcome is PolicyOutcome.ERROR) == (policy.policy_id in decision.errors)
        for finding in findings_in(policy.finding):
            assert by_cedar(finding.expression, explanation, policies) is finding.outcome, finding
            assert (finding.code in ERRORS) == (finding.outcome is Outcome.ERROR)
            kinds[finding.kind, finding.outcome, finding.code] += 1


def told(explanation, case):
    """Hold that who is permitted is among those that the policies are said to permit."""
    grants = who_may("View", explanation.check.resource, case.context).grants
    own = {None, explanation.principal, *explanation.groups}
    for policy_id in explanation.decision.determining_policies:
        assert own & {grant.whom for grant in grants if (grant.policy_id, grant.effect) == (policy_id, "permit")}


@pytest.mark.parametrize("seed", range(2))
def test_what_is_found_is_what_cedar_says(seed, caplog):
    """Who decided is who decided, and each expression that is named really is what it is said to be.

    That is so for 120 sets of policies on 4 rows each; no policy is without a reason, and whoever is permitted is
    among those whom the policies are told to permit.
    """
    caplog.set_level("CRITICAL")
    random, kinds, explained = Random(seed), Counter(), 0  # noqa: S311 - draws tests
    fill(random, 30)
    for _ in range(SETS):
        case = Case(random)
        policies = case.policies()
        with (
            registered(case.definitions),
            override_settings(AVP_USER_MODE="token"),
            runtime.use_engine(Fixed(policies)),
        ):
            sub, groups = random.choice(case.principals)
            claims = {"sub": sub, "cognito:groups": groups, "email": "a", "level": 2}
            authorization = Authorization(Identity.from_claims(claims, pool=POOL), context=case.context)
            for row in random.sample(list(Item.objects.order_by("pk")), ROWS):
                explanation = authorization.explain("View", row)
                assert explanation.decision == authorization.can("View", row)
                assert explanation.notes == ()
                if explanation.refusal is None:
                    held(explanation, policies, kinds)
                    explained += 1
                    if explanation.decision:
                        told(explanation, case)
                else:
                    assert explanation.decision.verdict is Verdict.UNDECIDED
                    assert explanation.refusal.code in REFUSALS
    assert explained > ROWS * SETS / 2
    assert {kind for kind, _, _ in kinds} >= {"principal", "resource", "when", "unless", ""}
