"""``VerifiedPermissionsEngine``: asks Amazon Verified Permissions, in as few calls as its limits allow."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock

from asgiref.sync import sync_to_async
from botocore.exceptions import BotoCoreError, ClientError
from django.core.exceptions import ImproperlyConfigured

from django_avp.cedar import INVALID, UNAVAILABLE
from django_avp.conf import conf
from django_avp.engines.base import Batch, Decisions
from django_avp.engines.breaker import Breaker
from django_avp.engines.verified_permissions.answers import decisions_of
from django_avp.engines.verified_permissions.calls import Call, Caller, Item
from django_avp.engines.verified_permissions.client import Connection
from django_avp.engines.verified_permissions.faults import decision_of, is_refusal
from django_avp.engines.verified_permissions.packing import calls
from django_avp.engines.workers import Job, Workers
from django_avp.observing import observing
from django_avp.policies import load_schema
from django_avp.schema import Schema
from django_avp.values import Unholdable

__all__ = ["VerifiedPermissionsEngine"]

logger = logging.getLogger("django_avp")

# Calls under way at once in a process: as many as connections are kept.
_CONCURRENT = 50
# In the log about checks that nobody asked, since the service has failed too often in a row.
_NOT_ASKED = "not_asked"


class VerifiedPermissionsEngine:
    """Decides by the policies of a policy store, which ``AVP_POLICY_STORE_ID`` names.

    One instance serves a process. Its client and threads are made on first use, so after a fork.
    """

    # The service tells no policies apart from any resource; lists are filtered by the same store's, read beforehand.
    lists_engine = "django_avp.engines.synced.SyncedEngine"

    def __init__(self) -> None:
        self._lock = Lock()
        self._connection = Connection()
        self._workers: Workers | None = None
        self._breaker = Breaker()
        self._schema: tuple[Sequence[Path], Schema | None] | None = None

    def decide(self, batch: Batch) -> Decisions:
        """Decide every check of the batch; see :class:`django_avp.engines.base.Engine`."""
        plan = self._plan(batch)
        answers, patience = [], self._connection.patience
        with self._under_way(plan, batch) as jobs:
            for call, job in zip(plan.calls, jobs, strict=True):
                try:
                    answers.append(job.result(patience))
                except TimeoutError:
                    answers.append(self._given_up(call, job))
        return plan.decisions(answers)

    async def adecide(self, batch: Batch) -> Decisions:
        """The same as :meth:`decide`, without blocking the event loop."""
        plan = await sync_to_async(self._plan)(batch)
        answers, patience = [], self._connection.patience
        with self._under_way(plan, batch) as jobs:
            for call, job in zip(plan.calls, jobs, strict=True):
                try:
                    answers.append(await job.aresult(patience))
                except TimeoutError:
                    answers.append(self._given_up(call, job))
        return plan.decisions(answers)

    def get_ready(self, store: str | None) -> None:
        """Whether the service could be asked; see :func:`django_avp.engines.base.get_ready`.

        Raises:
            BotoCoreError: there is no region, or there are no credentials.
        """
        # Signed and not sent: that takes a client, a region and credentials.
        self._connection.client().generate_presigned_url("is_authorized")

    def _plan(self, batch: Batch) -> _Plan:
        return _Plan(batch, None if batch.identity.has_token else self.schema(batch.store))

    def schema(self, store: str | None) -> Schema | None:
        """The schema beside the project's policies, read once for these: the one that its stores are given.

        What a schema does not declare, the service refuses; so contexts are cut to it, and claims without a token
        (rule A7).

        Raises:
            PolicyError: it cannot be parsed.
        """
        directories = conf.policies
        with self._lock:
            if self._schema is None or self._schema[0] != directories:
                self._schema = (directories, load_schema(directories))
            return self._schema[1]

    @contextmanager
    def _under_way(self, plan: _Plan, batch: Batch) -> Iterator[list[Job[Decisions]]]:
        """The calls of a plan, all under way at once; what has not begun when nobody waits any more is not made."""
        ask, workers = observing.observer.carried(self._ask), self._threads()
        jobs = [workers.submit(partial(ask, call, batch)) for call in plan.calls]
        try:
            yield jobs
        finally:
            for job in jobs:
                job.cancel()

    def _ask(self, call: Call, batch: Batch, job: Job[Decisions]) -> Decisions:
        if not self._breaker.admits():
            return _unavailable(call, _NOT_ASKED, calls=0)
        try:
            client = self._connection.client()
            job.begin()
            response = getattr(client, call.operation)(**call.parameters)
        except (ClientError, BotoCoreError) as error:
            if is_refusal(error) and len(call.items) > 1:
                self._record(job, is_failure=False)  # it did answer
                return self._ask_apart(call, batch, job)
            decision = decision_of(error, call)
            self._record(job, is_failure=decision is UNAVAILABLE)
            return Decisions([decision] * len(call.items))
        except Exception as error:
            # botocore parses what it is given: an answer that is none can raise anything.
            extra = {"checks": len(call.items), "operation": call.operation, "error": type(error).__name__}
            logger.error("avp.odd_answer", extra=extra)
            self._record(job, is_failure=True)
            return Decisions([UNAVAILABLE] * len(call.items))
        self._record(job, is_failure=False)
        return Decisions(decisions_of(call, response, batch.identity.principal))

    def _ask_apart(self, call: Call, batch: Batch, job: Job[Decisions]) -> Decisions:
        """Ask each check by itself: one that is refused must not change the answer to the others (rule A1)."""
        answers = [self._ask(one, batch, job) for one in call.apart()]
        return Decisions((answer[0] for answer in answers), calls=1 + sum(answer.calls for answer in answers))

    def _record(self, job: Job[Decisions], *, is_failure: bool) -> None:
        # What comes when nobody waits any more says nothing of the service as it is now.
        if not job.is_lost:
            self._breaker.record(is_failure=is_failure)

    def _given_up(self, call: Call, job: Job[Decisions]) -> Decisions:
        """What is known when a call has taken longer than all of its attempts may."""
        self._threads().give_up(job)
        self._breaker.record(is_failure=True)
        return _unavailable(call, TimeoutError.__name__)

    def _threads(self) -> Workers:
        with self._lock:
            self._workers = self._workers or Workers("django-avp", _CONCURRENT)
            return self._workers


def _unavailable(call: Call, code: str, calls: int = 1) -> Decisions:
    extra = {"operation": call.operation, "checks": len(call.items), "code": code}
    logger.error("avp.service_unavailable", extra=extra)
    return Decisions([UNAVAILABLE] * len(call.items), calls=calls)


class _Plan:
    """What of a batch is asked in which call; what cannot be asked is undecided."""

    def __init__(self, batch: Batch, schema: Schema | None) -> None:
        self._checks = len(batch.checks)
        self.calls: tuple[Call, ...] = ()
        store = batch.store
        if not store:
            raise ImproperlyConfigured(
                "AVP_POLICY_STORE_ID is missing. VerifiedPermissionsEngine asks a policy store: give its id or alias."
            )
        try:
            caller = Caller(batch.identity, schema)
        except Unholdable:
            # What is wrong is a claim, and may not be shown (rule A8).
            logger.error("avp.entity_refused", extra={"principal_type": batch.identity.principal.type})
            return
        asked = zip(batch.checks, batch.worlds, strict=True)
        items = [caller.item(position, check, world) for position, (check, world) in enumerate(asked)]
        self.calls = calls(caller, items, store, conf.call_strategy, _refuse)

    def decisions(self, answers: Sequence[Decisions]) -> Decisions:
        """The decisions of all checks, in the order of the batch."""
        decided = [INVALID] * self._checks
        for call, decisions in zip(self.calls, answers, strict=True):
            for item, decision in zip(call.items, decisions, strict=True):
                decided[item.position] = decision
        return Decisions(decided, calls=sum(answer.calls for answer in answers))


def _refuse(item: Item, fault: str) -> None:
    extra = {"fault": fault, "action": item.check.action.id, "resource_type": item.check.resource.type}
    logger.error("avp.check_refused", extra=extra)
