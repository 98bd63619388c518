"""What a response tells caches and developer tools about the decisions that it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import FileResponse
from django.utils.cache import patch_cache_control, patch_vary_headers

from django_avp.conf import conf
from django_avp.runtime import runtime

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

    from django_avp.authorization import Authorization

__all__ = ["add_headers"]


def add_headers(response: HttpResponseBase, authorization: Authorization) -> None:
    """Keep a response that depends on who asks out of shared caches (rule C5), and show its rounds if that is on."""
    if response.streaming and not isinstance(response, FileResponse):
        # What it asks while it is sent comes too late for its headers.
        authorization.mark_read()
    if authorization.is_used:
        patch_cache_control(response, private=True)
    if authorization.is_used or authorization.is_user_read:
        patch_vary_headers(response, [header for source in runtime.token_sources for header in source.vary])
    if authorization.rounds and conf.server_timing:
        _add_server_timing(response, authorization)


def _add_server_timing(response: HttpResponseBase, authorization: Authorization) -> None:
    rounds = authorization.rounds
    milliseconds = sum(round_.milliseconds for round_ in rounds)
    counts = {
        "round": len(rounds),
        "call": sum(round_.calls for round_ in rounds),
        "check": sum(round_.checks for round_ in rounds),
    }
    description = ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items())
    if unplanned := sum(round_.unplanned for round_ in rounds):
        description += f", {unplanned} unplanned"
    timings = [response.get("Server-Timing", ""), f'avp;dur={milliseconds:.1f};desc="{description}"']
    response["Server-Timing"] = ", ".join(filter(None, timings))
