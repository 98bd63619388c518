"""Tests of ``django_avp.engines.base``: batches and what comes back."""

from __future__ import annotations

from django_avp.cedar import INVALID, UNAVAILABLE, Entity
from django_avp.engines.base import Decisions
from tests.engines.support import batch, check, identity, photo


def test_decisions_count_calls():
    """Decisions are a tuple, in the order of the checks, that knows how many calls they took."""
    decisions = Decisions(iter([INVALID, UNAVAILABLE]), calls=3)

    assert decisions == (INVALID, UNAVAILABLE)
    assert (decisions.calls, Decisions([]).calls) == (3, 1)
    assert decisions.cached == ()


def test_batches_show_no_data():
    """The representation of a batch has ids only."""
    question = (check(note="hush"), [Entity(photo(1), {"title": "secret"})])

    shown = repr(batch(question, who=identity(email="ann@example.com")))

    assert "PhotoFlash::Photo" in shown
    assert not any(word in shown for word in ("hush", "secret", "example.com"))
