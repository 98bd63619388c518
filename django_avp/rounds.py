"""What a round leaves behind: its record, its decisions as far as they can be trusted, and its logs."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django_avp.cedar import INVALID, UNAVAILABLE, Check, Decision
from django_avp.engines.base import Batch
from django_avp.engines.keys import keys_of
from django_avp.exceptions import AvpError
from django_avp.values import Unholdable

if TYPE_CHECKING:
    from django_avp.asker import Asker

__all__ = ["Round", "fitting", "unavailable", "write_audit", "write_round"]

logger = logging.getLogger("django_avp")
audit = logging.getLogger("django_avp.audit")
rounds = logging.getLogger("django_avp.rounds")

# Of a digest, so many characters tell checks apart: two of a billion are taken for one with a chance of 3 %.
_DIGEST = 16


@dataclass(frozen=True, slots=True)
class Round:
    """One batch that an engine was asked to decide.

    Attributes:
        checks: how many checks it had.
        calls: how many calls the engine made for it; one for Cedar in process.
        milliseconds: how long the engine took.
        unplanned: how many of the checks a template read before anybody had expected them; each cost a round.
    """

    checks: int
    calls: int
    milliseconds: float
    unplanned: int = 0


def fitting(batch: Batch, answers: Sequence[object]) -> list[Decision]:
    """The engine's decisions if they fit the batch; an answer that does not fit the question decides nothing."""
    decisions = [answer for answer in answers if isinstance(answer, Decision)]
    if len(decisions) == len(answers) == len(batch.checks):
        return decisions
    logger.error("avp.odd_answer", extra={"checks": len(batch.checks), "answers": len(answers)})
    return [INVALID] * len(batch.checks)


def unavailable(error: AvpError) -> Decision:
    """The decision about everything that a round could not decide; logged once for all of it."""
    # The exceptions of this package quote no token, claim or attribute.
    logger.error("avp.engine_unavailable", extra={"error": type(error).__name__, "cause": str(error)})
    return UNAVAILABLE


def write_audit(batch: Batch, decided: Mapping[Check, Decision]) -> None:
    """Log who asked for what and what was decided by which policies; no claim, no attribute, no context."""
    if not audit.isEnabledFor(logging.INFO):
        return
    for check, decision in decided.items():
        audit.info(
            "avp.decision",
            extra={
                "principal": batch.identity.principal.id,
                "action": check.action.id,
                "resource": str(check.resource),
                "verdict": decision.verdict.value,
                "policies": decision.determining_policies,
            },
        )


def write_round(asker: Asker, batch: Batch, round_: Round, number: int) -> None:
    """Log what a round took, and digests that tell which of its checks were asked before, but not what they are.

    Args:
        asker: whose schema the digests are made by.
        batch: what the engine was asked.
        round_: what is counted of it.
        number: which round of its request it was; 1 is the first.
    """
    if not rounds.isEnabledFor(logging.DEBUG):
        return
    try:
        # As a service's own cache would know them, whichever engine decides.
        keys = keys_of(batch, "", None, asker.schema)
    except Unholdable:
        # Nobody is asked about such claims.
        return
    rounds.debug(
        "avp.round",
        extra={
            "at": time.time(),
            "round": number,
            "checks": round_.checks,
            "calls": round_.calls,
            "milliseconds": round_.milliseconds,
            "unplanned": round_.unplanned,
            # One text: a list would be a field for each of them in CloudWatch Logs.
            "digests": " ".join(key[:_DIGEST] for key in keys.values()),
        },
    )
