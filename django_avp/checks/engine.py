"""Checks of engines that ask or read a policy store, and of what workers share."""

from __future__ import annotations

import inspect
import re

from django.conf import settings
from django.core.checks import Error, Tags, Warning

from django_avp.checks.base import Problems, problem_check
from django_avp.conf import conf

VERIFIED_PERMISSIONS = "django_avp.engines.verified_permissions.VerifiedPermissionsEngine"
SYNCED = ("django_avp.engines.synced.SyncedEngine", "django_avp.engines.synced.engine.SyncedEngine")
# Caches that each process has for itself.
_OWN = ("django.core.cache.backends.locmem.LocMemCache", "django.core.cache.backends.dummy.DummyCache")
_CLOCK = re.compile(r"\b(now|utcnow|today|time|time_ns|localtime|monotonic)\(")


@problem_check(Tags.security)
def check_verified_permissions() -> Problems:
    """The settings are those that Amazon Verified Permissions can follow."""
    if conf.engine != VERIFIED_PERMISSIONS and conf.engine not in SYNCED:
        return
    name = conf.engine.rpartition(".")[2]
    if not conf.policy_store_id:
        yield Error(
            f"AVP_POLICY_STORE_ID is missing, and {name} decides by a policy store.",
            hint="Give the store's id, or policy-store-alias/ and its alias.",
            id="django_avp.E029",
        )
    if conf.on_policy_error == "forbids" and conf.engine == VERIFIED_PERMISSIONS:
        yield Error(
            "AVP_ON_POLICY_ERROR = 'forbids' needs to know which policy could not be evaluated, and Amazon Verified "
            "Permissions does not tell.",
            hint="Use 'any', which denies whenever one could not, or 'ignore'.",
            id="django_avp.E030",
        )


@problem_check(Tags.caches)
def check_cache() -> Problems:
    """``AVP_CACHE`` names a cache, and one that all workers have."""
    if conf.cache is not None and conf.cache not in settings.CACHES:
        yield Error(
            f"AVP_CACHE is {conf.cache!r}, which is not a key of CACHES.",
            hint="Name one of " + ", ".join(map(repr, settings.CACHES)) + ".",
            id="django_avp.E031",
        )
        return
    used_for = _uses_of_the_cache()
    backend = settings.CACHES.get(conf.cache or "default", {}).get("BACKEND", "")
    if used_for and backend in _OWN and not settings.DEBUG:
        yield Warning(
            f"The cache {conf.cache or 'default'!r} is each process's own, so {used_for}.",
            hint="Name a cache that all workers share, such as Redis, in AVP_CACHE.",
            id="django_avp.W032",
        )


@problem_check(Tags.caches)
def check_context_is_remembered() -> Problems:
    """No clock in ``AVP_CONTEXT``: with another context each time nothing is ever found in the cache."""
    if conf.cache is None or not (conf.cache_ttl or conf.cache_denied_ttl) or conf.context is None:
        return
    clock = _CLOCK.search(_source(conf.context))
    if clock:
        yield Warning(
            f"AVP_CONTEXT calls {clock[1]}(), and decisions are remembered by their context, so none is ever found.",
            hint="Give what policies ask about, such as whether it is working time, in place of the time.",
            id="django_avp.W033",
        )


@problem_check(Tags.caches)
def check_sync() -> Problems:
    """What is read may grow older than one interval."""
    if conf.engine in SYNCED and conf.sync_max_age <= 2 * conf.sync_interval:
        yield Error(
            "AVP_SYNC_MAX_AGE is less than two times AVP_SYNC_INTERVAL, so one reading that fails stops the site.",
            hint="Give AVP_SYNC_MAX_AGE several intervals; the default is 300 seconds to 30.",
            id="django_avp.E034",
        )


def _uses_of_the_cache() -> str:
    if conf.engine in SYNCED:
        return "each reads the policy store by itself, and has to before it can decide"
    if conf.cache is not None and (conf.cache_ttl or conf.cache_denied_ttl):
        return "none finds the decisions of another"
    return ""


def _source(function: object) -> str:
    try:
        return inspect.getsource(function)  # type: ignore[arg-type]
    except (OSError, TypeError):
        # Typed at a prompt, or written in C.
        return ""
