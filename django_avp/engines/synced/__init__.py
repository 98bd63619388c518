"""Amazon Verified Permissions is the source of truth, and Cedar decides in process: no call for a request."""

from __future__ import annotations

from django_avp.engines.synced.engine import SyncedEngine

__all__ = ["SyncedEngine"]
