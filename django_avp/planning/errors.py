"""Errors that planning runs into: they are rendering's to raise, where they belong."""

from __future__ import annotations

from django.db import DatabaseError, connections

__all__ = ["leave_to_rendering"]


def leave_to_rendering(error: Exception) -> None:
    """Drop an error, which rendering raises again.

    Raises:
        DatabaseError: a query failed in a transaction. That is lost now, so rendering could raise nothing but that, and
            nobody would learn why.
    """
    is_lost = any(connection.in_atomic_block for connection in connections.all(initialized_only=True))
    if isinstance(error, DatabaseError) and is_lost:
        raise error
