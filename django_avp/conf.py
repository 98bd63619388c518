"""The settings, each a typed property that is read live, so that Django's ``override_settings`` simply works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_avp.cedar import EntityUid, qualify

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.http import HttpRequest

    from django_avp.identity import Identity

__all__ = ["conf"]


class Settings:
    """Read-only access to every ``AVP_*`` setting with its default."""

    # Engine and policies

    @property
    def engine(self) -> str:
        """Dotted path of the engine class."""
        return self._get("AVP_ENGINE", "django_avp.engines.cedar.CedarEngine")

    @property
    def policies(self) -> tuple[Path, ...]:
        """Directories of ``*.cedar`` files and ``schema.cedarschema``; empty when there are none."""
        value = self._get("AVP_POLICIES", None)
        if value is None:
            base = getattr(settings, "BASE_DIR", None)
            beside = Path(base) / "policies" if base else None
            return (beside,) if beside and beside.is_dir() else ()
        if isinstance(value, str | Path):
            value = [value]
        return tuple(Path(directory) for directory in value)

    @property
    def namespace(self) -> str:
        """Cedar namespace into which unqualified types and actions are put."""
        return self._get("AVP_NAMESPACE", "")

    @property
    def policy_store_id(self) -> str | Callable[[HttpRequest], str] | None:
        """A policy store id, or a callable that names the store of a request."""
        value = self._get("AVP_POLICY_STORE_ID", None)
        # A store id never has a dot; a dotted path names the callable.
        return import_string(value) if isinstance(value, str) and "." in value else value

    @property
    def on_policy_error(self) -> str:
        """``"ignore"``, ``"forbids"`` or ``"any"``: which policies deny when they cannot be evaluated."""
        return self._one_of("AVP_ON_POLICY_ERROR", ("ignore", "forbids", "any"))

    @property
    def max_depth(self) -> int:
        """Levels of parents followed; a resource that is deeper is not decided."""
        return self._get("AVP_MAX_DEPTH", 10)

    @property
    def application(self) -> EntityUid:
        """The resource of a check that names none."""
        value = self._get("AVP_APPLICATION", 'Application::"default"')
        return self._uid("AVP_APPLICATION", value)

    @property
    def context(self) -> Callable[[HttpRequest], Mapping[str, Any]] | None:
        """Callable ``request -> dict`` whose result is merged into every check's context."""
        return self._callable("AVP_CONTEXT")

    # Tokens and identity

    @property
    def user_pools(self) -> Mapping[str, Sequence[str] | None]:
        """Accepted Cognito user pools with their client ids; ``None`` in place of the ids accepts any client.

        Raises:
            ImproperlyConfigured: the setting is missing.
        """
        value = self._get("AVP_USER_POOLS", None)
        if value is None:
            raise ImproperlyConfigured(
                "AVP_USER_POOLS is missing. Name your Cognito user pool and its app clients: "
                'AVP_USER_POOLS = {"eu-west-1_AbCdEf123": ["client id"]}.'
            )
        return value  # type: ignore[no-any-return]

    @property
    def token_use(self) -> tuple[str, ...]:
        """Accepted kinds of token: ``"id"``, ``"access"`` or both."""
        value = self._get("AVP_TOKEN_USE", ("id", "access"))
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def issuers(self) -> Mapping[str, str]:
        """Accepted issuers and the pool of each, both issuer forms of every pool unless ``AVP_ISSUERS`` names others.

        ``AVP_ISSUERS`` is ``{pool: issuer or [issuer, …]}``, or a list of issuers that end in their pool's id.
        Source: Amazon Cognito Developer Guide, "Verifying JSON web tokens" and "Federation endpoints".
        """
        value = self._get("AVP_ISSUERS", None) or {}
        if not isinstance(value, Mapping):
            value = _by_pool([value] if isinstance(value, str) else value)
        issuers: dict[str, str] = {}
        for pool in self.user_pools:
            named = value.get(pool) or _cognito_issuers(pool)
            issuers.update(dict.fromkeys([named] if isinstance(named, str) else named, pool))
        return issuers

    @property
    def jwks_url(self) -> str | Mapping[str, str] | None:
        """Where the key set is fetched instead of from the issuer: one URL, or ``{pool or issuer: URL}``."""
        return self._get("AVP_JWKS_URL", None)

    @property
    def jwks(self) -> Mapping[str, Any] | None:
        """A key set given inline (``{"keys": […]}``); nothing is fetched then."""
        return self._get("AVP_JWKS", None)

    @property
    def token_sources(self) -> Sequence[str | tuple[str, Mapping[str, Any]]]:
        """Dotted paths of token sources, tried in order; a tuple ``(path, options)`` configures one."""
        return self._get("AVP_TOKEN_SOURCES", ["django_avp.tokens.sources.AuthorizationHeader"])

    @property
    def token_revoked(self) -> Callable[[Mapping[str, Any]], bool] | None:
        """Callable ``claims -> bool``, asked after a token is verified."""
        return self._callable("AVP_TOKEN_REVOKED")

    @property
    def leeway(self) -> float:
        """Seconds of clock skew tolerated on ``exp``."""
        return self._get("AVP_LEEWAY", 0)

    @property
    def principal_type(self) -> str:
        """Entity type of principals, in the namespace."""
        return qualify(self._get("AVP_PRINCIPAL_TYPE", "User"), self.namespace)

    @property
    def group_type(self) -> str:
        """Entity type of the principal's groups, in the namespace."""
        return qualify(self._get("AVP_GROUP_TYPE", "Group"), self.namespace)

    @property
    def anonymous_principal(self) -> EntityUid | None:
        """The principal that is asked about when nobody is signed in; ``None`` denies without a call."""
        value = self._get("AVP_ANONYMOUS_PRINCIPAL", None)
        return None if value is None else self._uid("AVP_ANONYMOUS_PRINCIPAL", value)

    # Users

    @property
    def user_mode(self) -> str:
        """``"model"``: ``request.user`` is a Django user; ``"token"``: a stateless user without a database."""
        return self._one_of("AVP_USER_MODE", ("model", "token"))

    @property
    def user_id_field(self) -> str:
        """Field of the user model that holds the principal id ``<pool>|<sub>``."""
        return self._get("AVP_USER_ID_FIELD", "username")

    @property
    def user_resolver(self) -> Callable[[Identity], AbstractBaseUser | None] | None:
        """Callable ``identity -> user or None`` that adopts existing users."""
        return self._callable("AVP_USER_RESOLVER")

    @property
    def require_active_user(self) -> bool:
        """Whether deciding needs an active Django user in model mode."""
        return self._get("AVP_REQUIRE_ACTIVE_USER", True)

    @property
    def permission_actions(self) -> Mapping[str, str | Mapping[str, str]]:
        """Cedar actions of Django permissions; a mapping of ``object`` and ``model`` where they differ."""
        return self._get("AVP_PERMISSION_ACTIONS", {})

    # Seeing it

    @property
    def server_timing(self) -> bool:
        """Whether responses carry a ``Server-Timing`` header; ``DEBUG`` unless set."""
        return self._get("AVP_SERVER_TIMING", settings.DEBUG)

    def _get(self, name: str, default: Any) -> Any:
        return getattr(settings, name, default)

    def _one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = self._get(name, choices[0])
        if value not in choices:
            raise ImproperlyConfigured(f"{name} is {value!r}; it is one of {', '.join(map(repr, choices))}.")
        return value

    def _callable(self, name: str) -> Callable[..., Any] | None:
        value = self._get(name, None)
        return import_string(value) if isinstance(value, str) else value

    def _uid(self, name: str, value: EntityUid | str) -> EntityUid:
        try:
            uid = EntityUid.parse(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {error}") from error
        return uid.in_namespace(self.namespace)


conf = Settings()


def _cognito_issuers(pool: str) -> list[str]:
    region = pool.partition("_")[0]
    return [f"https://{prefix}.{region}.amazonaws.com/{pool}" for prefix in ("cognito-idp", "issuer-cognito-idp")]


def _by_pool(issuers: Sequence[str]) -> dict[str, list[str]]:
    pools: dict[str, list[str]] = {}
    for issuer in issuers:
        pools.setdefault(issuer.rstrip("/").rpartition("/")[2], []).append(issuer)
    return pools
