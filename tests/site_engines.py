"""Engines of the test site: one that counts, one that is down, and one that answers what it is told."""

from __future__ import annotations

from django_avp.engines.cedar import CedarEngine
from django_avp.exceptions import AuthorizationUnavailable


class CountingEngine(CedarEngine):
    """Cedar that keeps the batches it was asked."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def decide(self, batch):
        self.batches.append(batch)
        return super().decide(batch)


class BrokenEngine(CedarEngine):
    """An engine that cannot be reached."""

    def decide(self, batch):
        raise AuthorizationUnavailable


class OddEngine(CedarEngine):
    """An engine whose answers are given to it."""

    answers = ()

    def decide(self, batch):
        return self.answers


class RemoteEngine(CountingEngine):
    """Does not know the policies, and names an engine that does."""

    lists_engine = "django_avp.engines.cedar.CedarEngine"
    policies = None


class SilentEngine:
    """Decides by policies that it does not tell."""

    is_in_process = True

    def __init__(self):
        self._engine = CedarEngine()

    def decide(self, batch):
        return self._engine.decide(batch)
