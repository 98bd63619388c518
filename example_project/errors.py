"""The error pages: what happened, why, and what to do next."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from django_avp.decorators import authorization_not_required
from django_avp.exceptions import ActionDenied
from example_project.headers import POLICY
from example_project.photos.explanations import PHRASES, Explanation, explain

PAGES = {401: "401.html", 403: "403.html", 404: "404.html", 503: "503.html"}


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Tell why an action was refused: ``ActionDenied`` carries the decision and with it the policies that decided."""
    phrase, reasons = "do this", list[Explanation]()
    if isinstance(exception, ActionDenied):
        phrase = PHRASES.get(exception.check.action.id, phrase)
        reasons = [explain(policy_id) for policy_id in exception.decision.determining_policies]
    return render(request, "403.html", {"phrase": phrase, "reasons": reasons}, status=403)


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Tell that a form's CSRF token is not the session's: it changes whenever somebody signs in."""
    return render(request, "stale.html", status=403)


@authorization_not_required
def preview(request: HttpRequest, status: int) -> HttpResponse:
    """Show an error page while developing, when Django would show its own or the error is hard to provoke."""
    if status not in PAGES:
        raise Http404
    response = render(request, PAGES[status], status=status)
    # The middleware does without where it takes the page for one of Django's own.
    response.headers["Content-Security-Policy"] = POLICY
    return response
