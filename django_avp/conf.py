"""The settings, each a typed property that is read live, so that Django's ``override_settings`` simply works."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_avp.cedar import EntityUid, qualify
from django_avp.typed_settings import flag, function, holder, number, one_of, read, text, texts, uid, wrong

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.http import HttpRequest

    from django_avp.identity import Identity

__all__ = ["conf"]


class Settings:
    """Read-only access to every ``AVP_*`` setting with its default.

    Every property raises ``ImproperlyConfigured`` for a value that it cannot be, and names the setting and the cure.
    """

    # Engine and policies

    @property
    def engine(self) -> str:
        """Dotted path of the engine class."""
        return text("AVP_ENGINE", "django_avp.engines.cedar.CedarEngine", "the dotted path of an engine class")

    @property
    def policies(self) -> tuple[Path, ...]:
        """Directories of ``*.cedar`` files and ``schema.cedarschema``; empty when there are none."""
        value = read("AVP_POLICIES")
        if value is None:
            base = read("BASE_DIR")
            beside = Path(base) / "policies" if base else None
            return (beside,) if beside and beside.is_dir() else ()
        directories = [value] if isinstance(value, str | Path) else value
        if not isinstance(directories, list | tuple) or not all(isinstance(one, str | Path) for one in directories):
            raise wrong("AVP_POLICIES", value, "a directory or a list of directories")
        return tuple(Path(directory) for directory in directories)

    @property
    def namespace(self) -> str:
        """Cedar namespace into which unqualified types and actions are put."""
        return text("AVP_NAMESPACE", "", 'the name of a Cedar namespace, such as "PhotoFlash"')

    @property
    def policy_store_id(self) -> str | Callable[[HttpRequest | None], str] | None:
        """A policy store id, or a callable that names the store of a request."""
        value = read("AVP_POLICY_STORE_ID")
        # A store id never has a dot; a dotted path names the callable.
        return value if isinstance(value, str) and "." not in value else function("AVP_POLICY_STORE_ID")

    @property
    def client_options(self) -> Mapping[str, Any]:
        """Keyword arguments for ``boto3.client``; timeouts and retries have our defaults."""
        value: object = read("AVP_CLIENT_OPTIONS", {})
        if not isinstance(value, Mapping):
            raise wrong("AVP_CLIENT_OPTIONS", value, 'a dict such as {"region_name": "eu-west-1"}')
        return value

    @property
    def call_strategy(self) -> str:
        """``"auto"``, ``"batch"`` or ``"single"``: by which operations checks are asked."""
        return one_of("AVP_CALL_STRATEGY", ("auto", "batch", "single"))

    @property
    def cache(self) -> str | None:
        """Alias of the Django cache in which workers share what they know; ``None`` keeps no decisions."""
        unset = read("AVP_CACHE") is None
        return None if unset else text("AVP_CACHE", "", "a key of CACHES") or None

    @property
    def cache_ttl(self) -> float:
        """Seconds for which a decision that allows is remembered across requests."""
        return number("AVP_CACHE_TTL", 0, "a number of seconds, such as 30")

    @property
    def cache_denied_ttl(self) -> float:
        """Seconds for which a decision that denies is remembered; as long as the others unless set."""
        unset = read("AVP_CACHE_DENIED_TTL") is None
        return self.cache_ttl if unset else number("AVP_CACHE_DENIED_TTL", 0, "a number of seconds, such as 5")

    @property
    def sync_interval(self) -> float:
        """Seconds after which a change in a policy store is seen by the synced engine."""
        return number("AVP_SYNC_INTERVAL", 30, "a number of seconds, such as 30")

    @property
    def sync_max_age(self) -> float:
        """Seconds after which the synced engine decides nothing by what it has read."""
        return number("AVP_SYNC_MAX_AGE", 300, "a number of seconds, such as 300")

    @property
    def on_policy_error(self) -> str:
        """``"ignore"``, ``"forbids"`` or ``"any"``: which policies deny when they cannot be evaluated."""
        return one_of("AVP_ON_POLICY_ERROR", ("ignore", "forbids", "any"))

    @property
    def max_depth(self) -> int:
        """Levels of parents followed; a resource that is deeper is not decided."""
        return int(number("AVP_MAX_DEPTH", 10, "a number of levels, such as 10"))

    @property
    def application(self) -> EntityUid:
        """The resource of a check that names none."""
        value = read("AVP_APPLICATION", 'Application::"default"')
        return uid("AVP_APPLICATION", value).in_namespace(self.namespace)

    @property
    def context(self) -> Callable[[HttpRequest], Mapping[str, Any]] | None:
        """Callable ``request -> dict`` whose result is merged into every check's context."""
        return function("AVP_CONTEXT")

    # Tokens and identity

    @property
    def user_pools(self) -> Mapping[str, Sequence[str] | None]:
        """Accepted Cognito user pools with their client ids; ``None`` in place of the ids accepts any client."""
        value = read("AVP_USER_POOLS")
        if value is None:
            raise ImproperlyConfigured(
                "AVP_USER_POOLS is missing. Name your Cognito user pool and its app clients: "
                'AVP_USER_POOLS = {"eu-west-1_AbCdEf123": ["client id"]}.'
            )
        if value and not isinstance(value, Mapping):
            raise wrong("AVP_USER_POOLS", value, 'a dict such as {"eu-west-1_AbCdEf123": ["client id"]}')
        pools: Mapping[str, Sequence[str] | None] = value
        return pools

    @property
    def token_use(self) -> tuple[str, ...]:
        """Accepted kinds of token: ``"id"``, ``"access"`` or both."""
        value = read("AVP_TOKEN_USE", ("id", "access"))
        return texts("AVP_TOKEN_USE", value, 'a tuple of "id", "access" or both')

    @property
    def issuers(self) -> Mapping[str, str]:
        """Accepted issuers and the pool of each, both issuer forms of every pool unless ``AVP_ISSUERS`` names others.

        ``AVP_ISSUERS`` is ``{pool: issuer or [issuer, …]}``, or a list of issuers that end in their pool's id.
        Source: Amazon Cognito Developer Guide, "Verifying JSON web tokens" and "Federation endpoints".
        """
        named = _named_issuers()
        unknown = set(named).difference(self.user_pools)
        if unknown:
            raise ImproperlyConfigured(
                f"AVP_ISSUERS names the pool {min(unknown)!r}, which AVP_USER_POOLS does not. Name it there, too; a "
                "list of issuers takes the last part of each for its pool."
            )
        return {issuer: pool for pool in self.user_pools for issuer in named.get(pool) or _cognito_issuers(pool)}

    @property
    def jwks_url(self) -> str | Mapping[str, str] | None:
        """Where the key set is fetched instead of from the issuer: one URL, or ``{pool or issuer: URL}``."""
        value: object = read("AVP_JWKS_URL")
        if value is not None and not isinstance(value, str | Mapping):
            raise wrong("AVP_JWKS_URL", value, "a URL, or a dict of URLs by pool or issuer")
        return value

    @property
    def jwks(self) -> Mapping[str, Any] | None:
        """A key set given inline (``{"keys": […]}``); nothing is fetched then."""
        key_set: Mapping[str, Any] | None = read("AVP_JWKS")
        return key_set

    @property
    def token_sources(self) -> Sequence[str | tuple[str, Mapping[str, Any]]]:
        """Dotted paths of token sources, tried in order; a tuple ``(path, options)`` configures one."""
        sources: Sequence[str | tuple[str, Mapping[str, Any]]] = read(
            "AVP_TOKEN_SOURCES", ["django_avp.tokens.sources.AuthorizationHeader"]
        )
        return sources

    @property
    def token_revoked(self) -> Callable[[Mapping[str, Any]], bool] | None:
        """Callable ``claims -> bool``, asked after a token is verified."""
        return function("AVP_TOKEN_REVOKED")

    @property
    def leeway(self) -> float:
        """Seconds of clock skew tolerated on ``exp``."""
        return number("AVP_LEEWAY", 0, "a number of seconds")

    @property
    def token_memory(self) -> int:
        """How many verified tokens a process remembers; 0 verifies each token each time."""
        return int(number("AVP_TOKEN_MEMORY", 1000, "a number of tokens, such as 1000"))

    @property
    def principal_type(self) -> str:
        """Entity type of principals, in the namespace."""
        return qualify(text("AVP_PRINCIPAL_TYPE", "User", 'an entity type, such as "User"'), self.namespace)

    @property
    def group_type(self) -> str:
        """Entity type of the principal's groups, in the namespace."""
        return qualify(text("AVP_GROUP_TYPE", "Group", 'an entity type, such as "Group"'), self.namespace)

    def entity_types(self) -> tuple[str, str]:
        """:attr:`principal_type` and :attr:`group_type`, looked up together."""
        settings = holder()
        principal = getattr(settings, "AVP_PRINCIPAL_TYPE", "User")
        group = getattr(settings, "AVP_GROUP_TYPE", "Group")
        namespace = getattr(settings, "AVP_NAMESPACE", "")
        if isinstance(principal, str) and isinstance(group, str) and isinstance(namespace, str):
            return qualify(principal, namespace), qualify(group, namespace)
        # Which is wrong is told by its own property.
        return self.principal_type, self.group_type

    @property
    def anonymous_principal(self) -> EntityUid | None:
        """The principal that is asked about when nobody is signed in; ``None`` denies without a call."""
        value = read("AVP_ANONYMOUS_PRINCIPAL")
        return None if value is None else uid("AVP_ANONYMOUS_PRINCIPAL", value).in_namespace(self.namespace)

    # Signing in by the user pool's own pages

    @property
    def sign_in_client_id(self) -> str:
        """The app client that users sign in with: the only one of ``AVP_USER_POOLS`` unless the setting names it."""
        named = read("AVP_SIGN_IN_CLIENT_ID")
        clients = [client for ids in self.user_pools.values() for client in ids or ()]
        found = clients if named is None else [client for client in clients if client == named]
        if len(found) != 1:
            raise ImproperlyConfigured(
                "AVP_SIGN_IN_CLIENT_ID must name one of the app clients of AVP_USER_POOLS"
                + (", because there are several." if named is None and clients else ".")
            )
        return found[0]

    @property
    def sign_in_client_secret(self) -> str | None:
        """The app client's secret; ``None`` for a public client."""
        value: object = read("AVP_SIGN_IN_CLIENT_SECRET")
        if value is not None and not isinstance(value, str):
            # The value stays unsaid: it is a secret.
            raise ImproperlyConfigured("AVP_SIGN_IN_CLIENT_SECRET must be a text, or None for a client without one.")
        return value or None

    @property
    def sign_in_scopes(self) -> tuple[str, ...]:
        """The scopes that are asked for; all must be allowed to the app client."""
        wanted = 'a list of scopes, such as ["openid", "email"]'
        return texts("AVP_SIGN_IN_SCOPES", read("AVP_SIGN_IN_SCOPES", ("openid",)), wanted)

    @property
    def sign_in_discovery_url(self) -> str | None:
        """Where the user pool's addresses are looked up; ``None`` for where Cognito has them."""
        unset = read("AVP_SIGN_IN_DISCOVERY_URL") is None
        return None if unset else text("AVP_SIGN_IN_DISCOVERY_URL", "", "a URL")

    # Users

    @property
    def user_mode(self) -> str:
        """``"model"``: ``request.user`` is a Django user; ``"token"``: a stateless user without a database."""
        return one_of("AVP_USER_MODE", ("model", "token"))

    @property
    def user_id_field(self) -> str:
        """Field of the user model that holds the principal id ``<pool>|<sub>``."""
        return text("AVP_USER_ID_FIELD", "username", 'a field of the user model, such as "username"')

    @property
    def user_resolver(self) -> Callable[[Identity], AbstractBaseUser | None] | None:
        """Callable ``identity -> user or None`` that adopts existing users."""
        return function("AVP_USER_RESOLVER")

    @property
    def require_active_user(self) -> bool:
        """Whether deciding needs an active Django user in model mode."""
        return flag("AVP_REQUIRE_ACTIVE_USER", True)

    @property
    def permission_actions(self) -> Mapping[str, str | Mapping[str, str]]:
        """Cedar actions of Django permissions; a mapping of ``object`` and ``model`` where they differ."""
        value: object = read("AVP_PERMISSION_ACTIONS", {})
        if not isinstance(value, Mapping) or not all(isinstance(one, str | Mapping) for one in value.values()):
            raise wrong("AVP_PERMISSION_ACTIONS", value, 'a dict such as {"photos.change_photo": "EditPhoto"}')
        return value

    # Templates

    @property
    def planning(self) -> bool:
        """Whether what templates ask joins a round before they ask it."""
        return flag("AVP_PLANNING", True)

    # Seeing it

    @property
    def server_timing(self) -> bool:
        """Whether responses carry a ``Server-Timing`` header; ``DEBUG`` unless set."""
        return flag("AVP_SERVER_TIMING", bool(settings.DEBUG))

    @property
    def show_policies(self) -> bool:
        """Whether programs that are refused are told by which policies; ``DEBUG`` unless set."""
        return flag("AVP_SHOW_POLICIES", bool(settings.DEBUG))


conf = Settings()


def _named_issuers() -> dict[str, tuple[str, ...]]:
    """The issuers that ``AVP_ISSUERS`` names, by pool."""
    wanted = "a list of issuers, or a dict of issuers by pool"
    value: object = read("AVP_ISSUERS")
    if not value:
        return {}
    if isinstance(value, Mapping):
        return {pool: texts("AVP_ISSUERS", issuers, wanted) for pool, issuers in value.items()}
    pools: dict[str, tuple[str, ...]] = {}
    for issuer in texts("AVP_ISSUERS", value, wanted):
        pool = issuer.rstrip("/").rpartition("/")[2]
        pools[pool] = (*pools.get(pool, ()), issuer)
    return pools


def _cognito_issuers(pool: str) -> list[str]:
    region = pool.partition("_")[0]
    return [f"https://{prefix}.{region}.amazonaws.com/{pool}" for prefix in ("cognito-idp", "issuer-cognito-idp")]
