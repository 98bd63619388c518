"""System checks: what ``manage.py check`` says about settings, policies, entities, views and templates.

No network is used, and no file but the project's own policies and templates is read.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.middleware.cache import CacheMiddleware
from django.utils.module_loading import import_string

from django_avp.conf import conf
from django_avp.engines.cedar import CedarEngine
from django_avp.entities import registry
from django_avp.exceptions import PolicyError
from django_avp.gates import Gate
from django_avp.mixins import ActionRequiredMixin
from django_avp.policies import Policies, load
from django_avp.tokens.sources import Session, build_sources
from django_avp.usage import Use, cached_checks, template_uses, view_uses, views
from django_avp.vocabulary import action_of_permission, action_uid, mapped_permissions

MIDDLEWARE = "django_avp.middleware.AuthorizationMiddleware"
BACKEND = "django_avp.backends.VerifiedPermissionsBackend"
# Source: Cognito API reference, `UserPoolIdType`.
POOL_ID = re.compile(r"[\w-]{1,55}_[0-9a-zA-Z]+")

Problems = Iterator[CheckMessage]


def _check(*tags: str) -> Callable[[Callable[[], Problems]], Callable[..., list[CheckMessage]]]:
    """Register a generator of problems; a setting that cannot be read is reported by its own check."""

    def decorate(problems: Callable[[], Problems]) -> Callable[..., list[CheckMessage]]:
        def check(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
            try:
                return list(problems())
            except ImproperlyConfigured as error:
                return [Error(str(error), id="django_avp.E001")]

        # Not wraps(): Django would look at the signature of what is wrapped.
        check.__name__ = check.__qualname__ = problems.__name__
        check.__doc__ = problems.__doc__
        return register(*tags)(check)

    return decorate


# Settings


@_check(Tags.security)
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


@_check(Tags.security)
def check_values() -> Problems:
    """Settings with a fixed set of values have one of them, dotted paths can be imported."""
    _ = (conf.on_policy_error, conf.user_mode, conf.application, conf.anonymous_principal)
    unknown = set(conf.token_use) - {"id", "access"}
    if unknown or not conf.token_use:
        yield Error(
            "AVP_TOKEN_USE names no kind of token, or an unknown one.",
            hint='It is a tuple of "id", "access" or both.',
            id="django_avp.E006",
        )
    for name in ("context", "token_revoked", "user_resolver", "policy_store_id"):
        try:
            getattr(conf, name)
        except ImportError as error:
            yield Error(f"AVP_{name.upper()} cannot be imported: {error}.", id="django_avp.E007")
    sources = build_sources(conf.token_sources)
    is_signed_cookie = settings.SESSION_ENGINE == "django.contrib.sessions.backends.signed_cookies"
    if is_signed_cookie and any(isinstance(source, Session) for source in sources):
        yield Warning(
            "Tokens in the session are sent to the browser, because SESSION_ENGINE keeps sessions in signed cookies.",
            hint="Use another session engine (database, cache), or the Cookie token source.",
            id="django_avp.W008",
        )


@_check(Tags.security)
def check_engine() -> Problems:
    """The engine can be imported and fits the settings."""
    try:
        engine = import_string(conf.engine)
    except ImportError as error:
        yield Error(
            f"AVP_ENGINE cannot be imported: {error}.",
            hint="Name an engine class, such as 'django_avp.engines.cedar.CedarEngine'.",
            id="django_avp.E009",
        )
        return
    if callable(conf.policy_store_id) and isinstance(engine, type) and issubclass(engine, CedarEngine):
        yield Error(
            "AVP_POLICY_STORE_ID is a callable, and CedarEngine has one set of policies for all tenants.",
            hint="Use an engine with policy stores, or give one store id.",
            id="django_avp.E010",
        )


@_check(Tags.security)
def check_middleware() -> Problems:
    """The middleware is there, and in its place (rule C6)."""
    order = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in order:
        yield Error(f"{MIDDLEWARE!r} is not in MIDDLEWARE.", hint="Add it; it makes request.avp.", id="django_avp.E011")
        return
    position = order.index(MIDDLEWARE)
    before = [name for name in order[position:] if name.endswith("AuthenticationMiddleware")]
    if before:
        yield Error(
            f"{MIDDLEWARE!r} stands before {before[0]!r}, which then replaces its user.",
            hint="Put it after the authentication middleware.",
            id="django_avp.E012",
        )
    after = [name for name in order[:position] if name.endswith("LoginRequiredMiddleware")]
    if after:
        yield Error(
            f"{MIDDLEWARE!r} stands after {after[0]!r}, which sends users with a token to the sign-in page.",
            hint="Put it before LoginRequiredMiddleware.",
            id="django_avp.E013",
        )


@_check(Tags.security)
def check_backend() -> Problems:
    """The permission backend is there."""
    if BACKEND not in settings.AUTHENTICATION_BACKENDS:
        yield Warning(
            "user.has_perm() does not ask the policies.",
            hint=f"Put {BACKEND!r} first in AUTHENTICATION_BACKENDS.",
            id="django_avp.W014",
        )


@_check(Tags.models)
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
            id="django_avp.E015",
        )
        return
    if not getattr(field, "unique", False):
        yield Error(
            f"AVP_USER_ID_FIELD: {conf.user_id_field!r} is not unique, so two users could be one principal.",
            hint="Make the field unique.",
            id="django_avp.E016",
        )


# Policies and entities


def _policies() -> Policies | None:
    try:
        return load(conf.policies) if conf.policies else None
    except PolicyError:
        return None


@_check(Tags.security)
def check_policies() -> Problems:
    """The policy files parse, validate against their schema, and are there if the engine needs them."""
    is_local = conf.engine == "django_avp.engines.cedar.CedarEngine"
    try:
        policies = load(conf.policies) if conf.policies or is_local else None
    except PolicyError as error:
        yield Error(str(error), hint="Correct the file; without it nothing is decided.", id="django_avp.E017")
        return
    if policies is None:
        return
    for warning in policies.warnings:
        yield Error(warning, hint="Correct the policy or the schema.", id="django_avp.E018")
    if policies.schema is None:
        yield Warning(
            "The policies have no schema.",
            hint="Write schema.cedarschema beside them: without it misspelt actions and attributes deny silently, and "
            "groups of actions are not known.",
            id="django_avp.W019",
        )


@_check(Tags.models)
def check_entities() -> Problems:
    """Entity declarations hold together."""
    places: dict[str, str] = {}
    for definition in registry:
        label, entity_type = definition.model._meta.label, definition.entity_type
        for problem in definition.problems():
            yield Error(f"{label}: {problem}", obj=type(definition), id="django_avp.E020")
        if entity_type in (conf.principal_type, conf.group_type):
            yield Error(
                f"{label}: the entity type {entity_type} is reserved for the principals of tokens.",
                hint='Give it a type of its own, such as type = "Account".',
                obj=type(definition),
                id="django_avp.E021",
            )
        if entity_type in places:
            yield Error(
                f"{label}: {places[entity_type]} has the entity type {entity_type} already.",
                hint=f'Give one of them another: type = "{definition.model._meta.app_label.title()}'
                f'{definition.model.__name__}".',
                obj=type(definition),
                id="django_avp.E022",
            )
        places.setdefault(entity_type, label)


@_check(Tags.models)
def check_entities_in_schema() -> Problems:
    """The schema declares what entities send; an undeclared attribute would leave every check undecided."""
    policies = _policies()
    if policies is None or policies.schema is None:
        return
    for definition in registry:
        declared = policies.schema.entity_types.get(definition.entity_type)
        if declared is None:
            yield Error(
                f"{definition.model._meta.label}: the schema has no entity type {definition.entity_type}.",
                hint="Declare it in schema.cedarschema.",
                obj=type(definition),
                id="django_avp.E023",
            )
        elif not any(definition.problems()):
            for name in sorted(definition.declared_names - declared.shape.attributes.keys()):
                yield Error(
                    f"{definition.model._meta.label}: the schema declares no attribute {name!r} of "
                    f"{definition.entity_type}.",
                    hint="Declare it in schema.cedarschema, or leave it out of attributes.",
                    obj=type(definition),
                    id="django_avp.E024",
                )


# Actions


def _permission_uses() -> Iterator[Use]:
    for permission in mapped_permissions():
        for has_object in (True, False):
            action = action_of_permission(permission, has_object=has_object)
            if action is not None:
                yield Use(str(action), f"AVP_PERMISSION_ACTIONS[{permission!r}]")


@_check(Tags.templates)
def check_actions() -> Problems:
    """Every action that is named somewhere is one that the schema knows."""
    policies = _policies()
    if policies is None or policies.schema is None:
        return
    names = [uid.id for uid in policies.schema.actions]
    for use in dict.fromkeys((*view_uses(), *template_uses(), *_permission_uses())):
        try:
            action = action_uid(use.action)
        except ValueError as error:
            yield Error(f"{use.place}: {error}", id="django_avp.E025")
            continue
        if action not in policies.schema.actions:
            close = difflib.get_close_matches(action.id, names, 1)
            yield Error(
                f"{use.place}: the schema has no action {action.id!r}, so it would always be denied.",
                hint=f"Did you mean {close[0]!r}?" if close else "Declare it in schema.cedarschema.",
                id="django_avp.E025",
            )


# Caching


@_check(Tags.caches)
def check_cached_fragments() -> Problems:
    """No decision is kept in a fragment that others are shown (rule C5)."""
    for place in cached_checks():
        yield Warning(
            f"{place}: {{% can %}} inside of {{% cache %}} shows one user's buttons to all.",
            hint="Move the check out of the cached part, or add the user to the cache's keys.",
            id="django_avp.W026",
        )


@_check(Tags.caches)
def check_cached_views() -> Problems:
    """No gate stands behind a cache, which would answer in its place (rule C5)."""
    for view in views():
        if _is_cached_outside_of_its_gate(view):
            yield Warning(
                f"{view.__module__}.{view.__qualname__}: cache_page stands outside of the gate.",
                hint="Put the gate above cache_page, so that it is passed before the cache answers.",
                id="django_avp.W027",
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


def _closes_over(function: Any, kind: type) -> bool:
    return any(isinstance(value, kind) for value in inspect.getclosurevars(function).nonlocals.values())
