"""The panel itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from debug_toolbar.panels import Panel
from debug_toolbar.toolbar import DebugToolbar
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from django_avp.gates import declare
from django_avp.panels.recorder import RequestRecorder
from django_avp.panels.report import report, summary_of

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from django_avp.authorization import Authorization

__all__ = ["AuthorizationPanel"]

_MISSING = (
    "Nothing was asked: this request has no request.avp. Either django_avp.middleware.AuthorizationMiddleware is "
    "not in MIDDLEWARE, or another middleware answered before it."
)
_NOT_RECORDED = (
    "Nothing was recorded: put debug_toolbar.middleware.DebugToolbarMiddleware before "
    "django_avp.middleware.AuthorizationMiddleware in MIDDLEWARE."
)
_MOST_CHECKS = 500
"""How many checks are shown; a browser would be slow with many more."""


class AuthorizationPanel(Panel):
    """Shows the rounds of a request, its checks with their decisions and policies, and where they were asked.

    Put ``"django_avp.panels.AuthorizationPanel"`` into ``DEBUG_TOOLBAR_PANELS``.
    """

    is_async = True
    title = "Authorization"
    nav_icon = "django_avp/panel.svg"  # type: ignore[assignment]
    template = "django_avp/panel.html"

    @classmethod
    def ready(cls) -> None:
        """Say that the toolbar's own views need no gate: it answers only those to whom it shows itself."""
        for pattern in DebugToolbar.get_urls():
            declare(pattern.callback, "not_required")

    @property
    def nav_subtitle(self) -> str:
        """Rounds, checks and time."""
        return str(self.get_stats().get("summary", ""))

    @property
    def content(self) -> SafeString:
        """The panel, with the source of each policy at the checks that it decided."""
        stats: dict[str, Any] = self.get_stats()
        checks, sources = stats.get("checks", []), stats.get("policies", {})
        shown = [{**check, "sources": _sources_of(check, sources)} for check in checks[:_MOST_CHECKS]]
        return render_to_string(self.template, {**stats, "checks": shown, "more": len(checks) - len(shown)})

    def process_request(self, request: HttpRequest) -> Any:
        """Have the request's authorization tell what it is asked."""
        request.avp_recorder = RequestRecorder(request)  # type: ignore[attr-defined]
        return super().process_request(request)

    def generate_stats(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Keep what the panel shows. In an async site this runs in the event loop: it asks nobody anything."""
        authorization: Authorization | None = getattr(request, "avp", None)
        recorder: RequestRecorder = request.avp_recorder  # type: ignore[attr-defined]
        if authorization is None:
            self.record_stats({"summary": "no request.avp", "problem": _MISSING})
        elif authorization.recorder is not recorder:
            self.record_stats({"summary": "not recorded", "problem": _NOT_RECORDED})
        else:
            self.record_stats(report(recorder, authorization))

    def generate_server_timing(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Tell the browser's developer tools, too: the toolbar replaces the header that the middleware writes."""
        authorization: Authorization | None = getattr(request, "avp", None)
        if authorization is not None and authorization.rounds:
            milliseconds = sum(round_.milliseconds for round_ in authorization.rounds)
            self.record_server_timing("avp", summary_of(authorization), f"{milliseconds:.1f}")


def _sources_of(check: dict[str, Any], sources: dict[str, Any]) -> list[dict[str, str]]:
    """The policies of a check, as far as their sources are known."""
    return [sources[policy_id] for policy_id in (*check["policies"], *check["errors"]) if policy_id in sources]
