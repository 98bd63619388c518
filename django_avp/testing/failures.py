"""What the test of a policy says of a decision that it did not expect: policies and places, and nothing of a token."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from django_avp.cedar import Decision, EntityUid, Verdict
from django_avp.policies import Policies

__all__ = ["told"]


def told(policies: Policies, action: EntityUid, decision: Decision) -> Iterator[str]:
    """Tell what is to be known of a decision.

    Args:
        policies: by which it was made.
        action: the action that was asked about.
        decision: what was decided.
    """
    yield from _statements(policies, "determined by", decision.determining_policies)
    yield from _statements(policies, "cannot be evaluated:", decision.errors)
    if decision.verdict is Verdict.UNDECIDED and policies.schema and action not in policies.schema.actions:
        yield f"the schema has no {action}"
    elif decision.verdict is Verdict.UNDECIDED:
        yield "the action does not apply to the resource, or claims do not conform to the schema"
    elif not decision.determining_policies:
        yield "determined by no policy"


def _statements(policies: Policies, words: str, ids: Iterable[str]) -> Iterator[str]:
    for policy_id in ids:
        statement = policies.statements.get(policy_id)
        # An erring policy may be one that Cedar's message does not tell.
        place = f" ({os.path.relpath(statement.place)})" if statement else ""
        text = statement.text.splitlines() if statement else []
        yield "\n    ".join([f"{words} {policy_id}{place}", *text])
