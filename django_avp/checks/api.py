"""Checks of APIs: whatever their views do is mapped to an action."""

from __future__ import annotations

from django.core.checks import Tags, Warning

from django_avp.checks.base import Problems, problem_check
from django_avp.usage import unmapped_routes


@problem_check(Tags.security)
def check_routes() -> Problems:
    """No view with a permission class of ours does what is mapped to no action."""
    for place in dict.fromkeys(unmapped_routes()):
        yield Warning(
            f"{place} is mapped to no action, so it is refused to everybody.",
            hint="Name its Cedar action in the view's avp_actions.",
            id="django_avp.W035",
        )
