"""Whether this process can serve, for load balancers: told by the status, and why in the log alone."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_avp.decorators import authorization_not_required
from django_avp.readiness import check

logger = logging.getLogger(__name__)


@never_cache
@authorization_not_required
@require_safe
def health(request: HttpRequest) -> HttpResponse:
    """200 if tokens can be verified and checks decided, else 503. Strangers may ask, so no names are told."""
    report = check()
    for problem in report.problems:
        logger.warning("not ready: %s", problem)
    text, status = ("ready", 200) if report.is_ready else ("not ready", 503)
    return HttpResponse(f"{text}\n", content_type="text/plain", status=status)
