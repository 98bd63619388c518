"""Explanations: why a decision is what it is, by the policies, the entities and the context that it was made of.

What a part of a policy evaluates to is always asked of Cedar: there is no interpreter of our own.
"""

from __future__ import annotations

from django_avp.explanation.asked import Asked
from django_avp.explanation.errors import ERRORS
from django_avp.explanation.evaluation import Outcome
from django_avp.explanation.explaining import explained
from django_avp.explanation.explanation import Explanation
from django_avp.explanation.findings import Finding, PolicyOutcome, PolicyReport
from django_avp.explanation.grants import Grant
from django_avp.explanation.refusals import Refusal
from django_avp.explanation.text import Line, Role, lines
from django_avp.explanation.what import actions_on
from django_avp.explanation.who import Who, who_may

__all__ = [
    "ERRORS",
    "Asked",
    "Explanation",
    "Finding",
    "Grant",
    "Line",
    "Outcome",
    "PolicyOutcome",
    "PolicyReport",
    "Refusal",
    "Role",
    "Who",
    "actions_on",
    "explained",
    "lines",
    "who_may",
]
