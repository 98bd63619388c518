"""What a template asks: one function behind the ``{% can %}`` tag and Jinja2's ``can()``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db import models

from django_avp.cedar import INVALID, UNIDENTIFIED, Decision, EntityUid

if TYPE_CHECKING:
    from django_avp.authorization import Authorization

__all__ = ["decide_in_template"]

logger = logging.getLogger("django_avp")


def decide_in_template(request: Any, action: str, resources: tuple[Any, ...], context: Mapping[str, Any]) -> Decision:
    """Answer a template's question by the request's authorization.

    Without a request nobody is identified; a resource that is named and missing is not the application. Both deny.
    """
    authorization: Authorization | None = getattr(request, "avp", None)
    if authorization is None:
        logger.warning("avp.template_without_request", extra={"action": action})
        return UNIDENTIFIED
    if not resources:
        return authorization.can(action, context=context)
    (resource,) = resources
    if not isinstance(resource, models.Model | EntityUid):
        logger.warning("avp.template_without_resource", extra={"action": action})
        return INVALID
    return authorization.can(action, resource, context)
