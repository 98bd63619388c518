"""Signals of django-avp."""

from __future__ import annotations

from django.dispatch import Signal

__all__ = ["decisions_made"]

decisions_made = Signal()
"""Sent after every round, with ``authorization``, ``round`` (a :class:`~django_avp.rounds.Round`) and
``decisions`` (a dict of checks and their decisions). A receiver that raises is logged and changes nothing."""
