"""Engines that an explanation has to make do with."""

from __future__ import annotations

from contextlib import contextmanager

from django_avp.cedar import INVALID
from django_avp.engines.base import Decisions
from django_avp.engines.cedar import CedarEngine, evaluate
from django_avp.exceptions import AuthorizationUnavailable
from django_avp.runtime import runtime
from tests.filtering.conftest import Fixed, parsed


class Stale(Fixed):
    """Decides by other policies than those that it tells."""

    def __init__(self, policies, deciding):
        super().__init__(policies)
        self.deciding = deciding

    def decide(self, batch):
        return evaluate(batch, self.deciding)


class Remote(Fixed):
    """Decides by the site's policies, and leaves it to another engine to tell them."""

    lists_engine = "django_avp.engines.cedar.CedarEngine"
    policies = None

    def __init__(self):
        super().__init__(CedarEngine().policies())


class Silent:
    """Decides, and tells no policies."""

    is_in_process = True
    answer = INVALID

    def decide(self, batch):
        return Decisions([self.answer] * len(batch.checks))

    async def adecide(self, batch):
        return self.decide(batch)


class Unread(Silent):
    """Names an engine that knows the policies and cannot tell them now."""

    lists_engine = "tests.explanation.engines.Unreadable"


class Unreadable(Silent):
    """Cannot tell its policies now."""

    def policies(self, store):
        raise AuthorizationUnavailable("The policy store was not read yet.")


class Choosy(Fixed):
    """Takes no tokens of this pool."""

    def accepts(self, store, identity):
        return False

    def decide(self, batch):
        return Decisions([INVALID] * len(batch.checks))


@contextmanager
def deciding(text, schema=None):
    """Decide by the policies of a text, whose ids are p0, p1, …"""
    policies = parsed(text, schema)
    with runtime.use_engine(Fixed(policies)):
        yield policies
