"""Shortcuts for async views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from django_avp.gates import authorization_of
from django_avp.planning import load, plan_template

__all__ = ["arender"]


async def arender(
    request: HttpRequest,
    template_name: str | Sequence[str],
    context: Mapping[str, Any] | None = None,
    content_type: str | None = None,
    status: int | None = None,
    using: str | None = None,
) -> HttpResponse:
    """Render a template in an async view: what it asks is decided in one awaited round, and it may use the database.

    The arguments are those of :func:`django.shortcuts.render`. Rendering runs in a thread, as a ``TemplateResponse``
    is rendered.
    """
    authorization = authorization_of(request)
    names = {"request": request, **(context or {})}
    await sync_to_async(lambda: plan_template(authorization, load(template_name, using), names))()
    await authorization.adecide()
    return await sync_to_async(render)(request, template_name, context, content_type, status, using)
