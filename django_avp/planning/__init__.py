"""Knows what a page will ask before it is rendered, so that all of it is decided in one round.

The compiled template is walked with the names that its context has. Planning changes nothing that rendering shows and
makes no query that rendering would not make; what it cannot know is left to rendering, where it is decided when it is
read, counted and logged.
"""

from __future__ import annotations

from django_avp.planning.errors import leave_to_rendering
from django_avp.planning.pages import load, plan_rendering, plan_response, plan_template
from django_avp.planning.views import begin_view, fetch_object, plan_view

__all__ = [
    "begin_view",
    "fetch_object",
    "leave_to_rendering",
    "load",
    "plan_rendering",
    "plan_response",
    "plan_template",
    "plan_view",
]
