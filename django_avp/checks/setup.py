"""Checks of settings: pools, values, engine, middleware, backend and the user model."""

from __future__ import annotations

import re

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import Error, Tags, Warning
from django.core.exceptions import FieldDoesNotExist
from django.utils.module_loading import import_string

from django_avp.checks.base import Problems, problem_check
from django_avp.conf import conf
from django_avp.engines.cedar import CedarEngine
from django_avp.tokens.sources import Session, build_sources

AUTHENTICATION = "django_avp.rest_framework.authentication.CognitoAuthentication"
MIDDLEWARE = "django_avp.middleware.AuthorizationMiddleware"
BACKEND = "django_avp.backends.VerifiedPermissionsBackend"
# Source: Cognito API reference, `UserPoolIdType`.
POOL_ID = re.compile(r"[\w-]{1,55}_[0-9a-zA-Z]+")


@problem_check(Tags.security)
def check_user_pools() -> Problems:
    """Each pool has a well-formed id and a list of its app clients."""
    pools = conf.user_pools
    if not isinstance(pools, dict) or not pools:
        yield Error(
            "AVP_USER_POOLS names no user pool.",
            hint='Write AVP_USER_POOLS = {"eu-west-1_AbCdEf123": ["client id"]}.',
            id="django_avp.E002",
        )
        return
    for pool, clients in pools.items():
        if not isinstance(pool, str) or not POOL_ID.fullmatch(pool):
            yield Error(
                f"AVP_USER_POOLS: {pool!r} is not a user pool id.",
                hint='A pool id has the form "eu-west-1_AbCdEf123"; it is shown in the Cognito console.',
                id="django_avp.E003",
            )
        if clients is None:
            yield Warning(
                f"AVP_USER_POOLS accepts tokens of every app client of {pool!r}.",
                hint="Name the pool's app clients in a list, unless every one of them is yours.",
                id="django_avp.W004",
            )
        elif isinstance(clients, str) or not clients:
            yield Error(
                f"AVP_USER_POOLS: the clients of {pool!r} are not a list of app client ids.",
                hint="Write a list, or None to accept every client.",
                id="django_avp.E005",
            )


@problem_check(Tags.security)
def check_values() -> Problems:
    """Settings with a fixed set of values have one of them, dotted paths can be imported."""
    _ = (conf.client_options, conf.call_strategy)
    _ = (conf.on_policy_error, conf.user_mode, conf.application, conf.anonymous_principal)
    _ = (conf.context, conf.token_revoked, conf.user_resolver, conf.policy_store_id)
    _ = (conf.max_depth, conf.leeway, conf.token_memory)
    unknown = set(conf.token_use) - {"id", "access"}
    if unknown or not conf.token_use:
        yield Error(
            "AVP_TOKEN_USE names no kind of token, or an unknown one.",
            hint='It is a tuple of "id", "access" or both.',
            id="django_avp.E006",
        )
    sources = build_sources(conf.token_sources)
    is_signed_cookie = settings.SESSION_ENGINE == "django.contrib.sessions.backends.signed_cookies"
    if is_signed_cookie and any(isinstance(source, Session) for source in sources):
        yield Warning(
            "Tokens in the session are sent to the browser, because SESSION_ENGINE keeps sessions in signed cookies.",
            hint="Use another session engine (database, cache), or the Cookie token source.",
            id="django_avp.W007",
        )


@problem_check(Tags.security)
def check_engine() -> Problems:
    """The engine can be imported and fits the settings."""
    try:
        engine = import_string(conf.engine)
    except ImportError as error:
        yield Error(
            f"AVP_ENGINE cannot be imported: {error}.",
            hint="Name an engine class, such as 'django_avp.engines.cedar.CedarEngine'.",
            id="django_avp.E008",
        )
        return
    if callable(conf.policy_store_id) and isinstance(engine, type) and issubclass(engine, CedarEngine):
        yield Error(
            "AVP_POLICY_STORE_ID is a callable, and CedarEngine has one set of policies for all tenants.",
            hint="Use an engine with policy stores, or give one store id.",
            id="django_avp.E009",
        )


@problem_check(Tags.security)
def check_middleware() -> Problems:
    """The middleware is there, and in its place (rule C6)."""
    order = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in order:
        if AUTHENTICATION in getattr(settings, "REST_FRAMEWORK", {}).get("DEFAULT_AUTHENTICATION_CLASSES", ()):
            return  # an API alone can do without it
        yield Error(f"{MIDDLEWARE!r} is not in MIDDLEWARE.", hint="Add it; it makes request.avp.", id="django_avp.E010")
        return
    position = order.index(MIDDLEWARE)
    before = [name for name in order[position:] if name.endswith("AuthenticationMiddleware")]
    if before:
        yield Error(
            f"{MIDDLEWARE!r} stands before {before[0]!r}, which then replaces its user.",
            hint="Put it after the authentication middleware.",
            id="django_avp.E011",
        )
    after = [name for name in order[:position] if name.endswith("LoginRequiredMiddleware")]
    if after:
        yield Error(
            f"{MIDDLEWARE!r} stands after {after[0]!r}, which sends users with a token to the sign-in page.",
            hint="Put it before LoginRequiredMiddleware.",
            id="django_avp.E012",
        )


@problem_check(Tags.security)
def check_backend() -> Problems:
    """The permission backend is there."""
    if BACKEND not in settings.AUTHENTICATION_BACKENDS:
        yield Warning(
            "user.has_perm() does not ask the policies.",
            hint=f"Put {BACKEND!r} first in AUTHENTICATION_BACKENDS.",
            id="django_avp.W013",
        )


@problem_check(Tags.models)
def check_user_id_field() -> Problems:
    """Users can be found by their principal id."""
    if conf.user_mode != "model":
        return
    try:
        field = get_user_model()._meta.get_field(conf.user_id_field)
    except FieldDoesNotExist:
        yield Error(
            f"AVP_USER_ID_FIELD: the user model has no field {conf.user_id_field!r}.",
            hint="Name the field that holds the principal id '<pool>|<sub>'.",
            id="django_avp.E014",
        )
        return
    if not getattr(field, "unique", False):
        yield Error(
            f"AVP_USER_ID_FIELD: {conf.user_id_field!r} is not unique, so two users could be one principal.",
            hint="Make the field unique.",
            id="django_avp.E015",
        )
