"""Small helpers of the pages: icons, drawn scenes, and what the page's decisions cost."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from example_project.photos.drawing import draw
from example_project.photos.explanations import PHRASES, Explanation, explain
from example_project.photos.models import data_uri
from example_project.signin.personas import PERSONAS, Persona

register = template.Library()

# Outlines on a canvas of 24 by 24.
ICONS = {
    "archive": "M3 4h18v5H3zM5 9v11h14V9M10 13h4",
    "back": "M11 5l-7 7 7 7M4 12h16",
    "check": "M4 13l5 5L20 6",
    "cross": "M6 6l12 12M18 6L6 18",
    "dice": "M4 4h16v16H4zM8.5 8.5h.01M15.5 8.5h.01M12 12h.01M8.5 15.5h.01M15.5 15.5h.01",
    "edit": "M4 20l1-5L16 4l4 4L9 19zM13 7l4 4",
    "eye": "M2 12s4-7 10-7 10 7 10 7-4 7-10 7-10-7-10-7zM12 9a3 3 0 100 6 3 3 0 000-6z",
    "flash": "M13 2L4 14h7l-1 8 9-12h-7z",
    "globe": "M12 3a9 9 0 100 18 9 9 0 000-18zM3 12h18M12 3c5 5 5 13 0 18M12 3c-5 5-5 13 0 18",
    "image": "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 6M15.5 9h.01",
    "lock": "M5 11h14v9H5zM8 11V7a4 4 0 018 0v4",
    "out": "M14 4h6v16h-6M10 8l-4 4 4 4M6 12h10",
    "question": "M9 9a3 3 0 115 2c-1 1-2 1.5-2 3M12 18h.01M12 3a9 9 0 100 18 9 9 0 000-18z",
    "trash": "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
    "upload": "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
    "users": "M9 4a4 4 0 100 8 4 4 0 000-8zM2 20c0-4 3-6 7-6s7 2 7 6M16 5a3.5 3.5 0 010 7M18 14c2.5.5 4 2.5 4 6",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon that says nothing which the text beside it does not say."""
    return format_html('<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>', ICONS[name])


@register.simple_tag
def scene(motif: str, seed: int) -> SafeString:
    """The address of a drawn picture, for ``src``."""
    return data_uri(draw(motif, seed))


@register.filter
def because(decision: Any) -> str:
    """One of the policies that decided, always the same, in words."""
    policies = getattr(decision, "determining_policies", ())
    return explain(min(policies)).reason if policies else ""


@register.filter
def policies(decision: Any) -> list[Explanation]:
    """All policies that decided, in words."""
    return [explain(policy_id) for policy_id in sorted(getattr(decision, "determining_policies", ()))]


@register.filter
def phrase(action: str) -> str:
    """What an action is called."""
    return PHRASES[action]


@register.filter
def short(group: Any) -> str:
    """A group's name without its user pool."""
    return str(group.id).partition("|")[2]


@register.simple_tag(takes_context=True)
def persona(context: template.Context) -> Persona | None:
    """The demo user who is signed in, if it is one."""
    identity = getattr(getattr(context.get("request"), "avp", None), "identity", None)
    sub = identity.principal.id.partition("|")[2] if identity else ""
    return next((persona for persona in PERSONAS if persona.sub == sub), None)


@register.simple_tag(takes_context=True)
def page_cost(context: template.Context) -> dict[str, float] | None:
    """What has been decided for this page until here; at its end, that is all."""
    rounds = getattr(getattr(context.get("request"), "avp", None), "rounds", ())
    if not rounds:
        return None
    return {
        "rounds": len(rounds),
        "checks": sum(round_.checks for round_ in rounds),
        "calls": sum(round_.calls for round_ in rounds),
        "milliseconds": sum(round_.milliseconds for round_ in rounds),
    }
