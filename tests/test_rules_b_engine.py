"""Rules B1 and B2 of docs/rules.md, from the engine's answer to what a page reads."""

from __future__ import annotations

import pytest

from django_avp.authorization import Authorization
from django_avp.cedar import Cause, EntityUid, Verdict
from django_avp.exceptions import ActionDenied
from django_avp.identity import Identity
from tests.engines.support import write

SCHEMA = """
entity User, Site;
action enter, leave appliesTo { principal: User, resource: Site, context: { n?: Long } };
"""
PERMIT = '@id("permit") permit (principal, action == Action::"enter", resource);'
FORBID = '@id("forbid") forbid (principal, action == Action::"enter", resource) when { context has n };'
BROKEN_PERMIT = '@id("broken-permit") permit (principal, action, resource) when { context.n > 1 };'
BROKEN_FORBID = '@id("broken-forbid") forbid (principal, action, resource) when { context.n > 1 };'
MAIN = EntityUid("Site", "main")


@pytest.fixture
def ask(settings, tmp_path):
    """Ask on a site with these policies."""
    settings.AVP_NAMESPACE = ""
    settings.AVP_USER_MODE = "token"
    settings.AVP_POLICIES = tmp_path / "site"

    def make(policies):
        write(settings.AVP_POLICIES, policies, SCHEMA)
        return Authorization(Identity.from_claims({"sub": "ann"}))

    return make


def test_b1_each_verdict_is_told_apart(ask):
    """Permitted, forbidden, not permitted and undecided are four answers, of which one is true."""
    authorization = ask(PERMIT + FORBID)

    answers = [
        authorization.can("enter", MAIN),
        authorization.can("enter", MAIN, {"n": 1}),
        authorization.can("leave", MAIN),
        authorization.can("exit", MAIN),
        authorization.can("enter", MAIN, {"m": 1}),
    ]

    assert [(one.verdict.value, one.cause.value, one.determining_policies) for one in answers] == [
        ("permitted", "", ("permit",)),
        ("forbidden", "", ("forbid",)),
        ("not_permitted", "", ()),
        ("undecided", "invalid", ()),
        ("undecided", "invalid", ()),
    ]
    assert [bool(one) for one in answers] == [True, False, False, False, False]
    for action, context in (("enter", {"n": 1}), ("leave", None), ("exit", None)):
        with pytest.raises(ActionDenied):
            authorization.require(action, MAIN, context)


@pytest.mark.parametrize(
    ("setting", "policies", "verdict"),
    [
        ("ignore", PERMIT + BROKEN_PERMIT + BROKEN_FORBID, "permitted"),
        ("forbids", PERMIT + BROKEN_PERMIT, "permitted"),
        ("forbids", PERMIT + BROKEN_FORBID, "forbidden"),
        ("any", PERMIT, "permitted"),
        ("any", PERMIT + BROKEN_PERMIT, "undecided"),
        ("any", PERMIT + BROKEN_FORBID, "forbidden"),
    ],
)
def test_b2_errors_deny_as_set(ask, settings, setting, policies, verdict):
    """A policy that cannot be evaluated denies nothing, denies if it is a forbid, or denies in any case."""
    settings.AVP_ON_POLICY_ERROR = setting

    decision = ask(policies).can("enter", MAIN)

    assert decision.verdict.value == verdict
    assert bool(decision) is (verdict == "permitted")
    assert bool(decision.errors) is ("broken" in policies)


def test_b2_is_read_live(ask, settings):
    """The setting counts from the next round on."""
    authorization = ask(PERMIT + BROKEN_FORBID)
    assert authorization.can("enter", MAIN)

    settings.AVP_ON_POLICY_ERROR = "forbids"
    authorization.forget(MAIN)

    decision = authorization.can("enter", MAIN)
    assert (decision.verdict, decision.cause) == (Verdict.FORBIDDEN, Cause.NONE)
    assert decision.determining_policies == decision.errors == ("broken-forbid",)


@pytest.mark.parametrize("setting", ["forbids", "any"])
def test_b2_an_erring_forbid_denies_without_a_permit_too(ask, settings, setting):
    """Where an erring forbid counts it forbids, so that no other backend grants what it may be about."""
    settings.AVP_ON_POLICY_ERROR = setting

    assert ask(BROKEN_FORBID).can("leave", MAIN).verdict is Verdict.FORBIDDEN
    settings.AVP_ON_POLICY_ERROR = "ignore"
    assert ask(BROKEN_FORBID).can("leave", MAIN).verdict is Verdict.NOT_PERMITTED
