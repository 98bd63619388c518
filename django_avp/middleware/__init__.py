"""The two middlewares: one identifies who asks, the other refuses views that declare no authorization."""

from __future__ import annotations

from django_avp.middleware.authorization import AuthorizationMiddleware
from django_avp.middleware.required import AuthorizationRequiredMiddleware

__all__ = ["AuthorizationMiddleware", "AuthorizationRequiredMiddleware"]
