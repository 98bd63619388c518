"""Amazon Verified Permissions as the engine: needs ``pip install django-avp[aws]``."""

from __future__ import annotations

from django_avp.engines.verified_permissions.engine import VerifiedPermissionsEngine

__all__ = ["VerifiedPermissionsEngine"]
