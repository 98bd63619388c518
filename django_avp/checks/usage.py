"""Checks of views and templates: the actions that they name, and caches that would answer in a decision's place."""

from __future__ import annotations

import inspect
from typing import Any

from django.conf import settings
from django.core.checks import Error, Tags, Warning
from django.middleware.cache import CacheMiddleware

from django_avp.checks.base import Problems, local_policies, problem_check
from django_avp.gates import Gate, declared_authorization, place_of
from django_avp.mixins import ActionRequiredMixin
from django_avp.usage import all_uses, cached_checks, views
from django_avp.validation.actions import unknown_actions

REQUIRED = "django_avp.middleware.AuthorizationRequiredMiddleware"


@problem_check(Tags.templates)
def check_actions() -> Problems:
    """Every action that is named somewhere is one that the schema knows."""
    policies = local_policies()
    if policies is None or policies.schema is None:
        return
    for place, problem, cure in unknown_actions(policies.schema, all_uses()):
        yield Error(f"{place}: {problem}", hint=cure or None, id="django_avp.E025")


@problem_check(Tags.caches)
def check_cached_fragments() -> Problems:
    """No decision is kept in a fragment that others are shown (rule C5)."""
    for place in cached_checks():
        yield Warning(
            f"{place}: {{% can %}} inside of {{% cache %}} shows one user's buttons to all.",
            hint="Move the check out of the cached part, or add the user to the cache's keys.",
            id="django_avp.W026",
        )


@problem_check(Tags.caches)
def check_cached_views() -> Problems:
    """No gate stands behind a cache, which would answer in its place (rule C5)."""
    for view in views():
        if _is_cached_outside_of_its_gate(view):
            yield Warning(
                f"{place_of(view)}: cache_page stands outside of the gate.",
                hint="Put the gate above cache_page, so that it is passed before the cache answers.",
                id="django_avp.W027",
            )


@problem_check(Tags.security)
def check_declarations() -> Problems:
    """Where every view has to say how it is authorized, each one does (rule D5)."""
    if REQUIRED not in settings.MIDDLEWARE:
        return
    for place in dict.fromkeys(place_of(view) for view in views() if declared_authorization(view) is None):
        yield Warning(
            f"{place} declares no authorization, so it is refused to everybody.",
            hint="Give it a gate, or mark it with authorization_in_view or authorization_not_required.",
            id="django_avp.W028",
        )


def _is_cached_outside_of_its_gate(view: Any) -> bool:
    is_cached = False
    layer = view
    while layer is not None:
        is_cached = is_cached or _is_cache_layer(layer)
        if is_cached and _is_gate(layer):
            return True
        layer = getattr(layer, "__wrapped__", None)
    return False


def _is_cache_layer(layer: Any) -> bool:
    """Whether a wrapper is cache_page's, which closes over its middleware."""
    return _closes_over(layer, CacheMiddleware)


def _is_gate(layer: Any) -> bool:
    # wraps() hands attributes on to outer wrappers; the gate itself closes over its Gate.
    return _closes_over(layer, Gate) or issubclass(getattr(layer, "view_class", object), ActionRequiredMixin)


def _closes_over(function: Any, kind: type, *, depth: int = 2) -> bool:
    """Whether a wrapper holds such an object, itself or by a helper; what it wraps is another layer."""
    if not inspect.isfunction(function):
        return False
    values = inspect.getclosurevars(function).nonlocals.values()
    own = [value for value in values if value is not getattr(function, "__wrapped__", None)]
    return any(isinstance(value, kind) or (depth > 1 and _closes_over(value, kind, depth=depth - 1)) for value in own)
