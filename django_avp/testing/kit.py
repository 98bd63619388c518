"""What the tests of a site are given: tokens that it trusts, clients that carry one, and identities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.test import AsyncClient, Client

from django_avp.conf import conf
from django_avp.engines.cedar import CedarEngine
from django_avp.identity import Identity
from django_avp.runtime import runtime
from django_avp.testing.carrying import TokenAsyncClient, give_token
from django_avp.testing.endpoint import Endpoint, PolicyStore
from django_avp.testing.tokens import TokenMint
from django_avp.tokens.sources import AuthorizationHeader

if TYPE_CHECKING:
    from django_avp.policies import Policies

__all__ = ["Kit", "site_pool"]

SUB = "5f1d7a52-40c1-70f5-9d4f-1f6e2b3c4d5e"
_POOL = "eu-west-1_AbCdEf123"
_CLIENT_ID = "client-1"
_STORE = "local"


def site_pool() -> str:
    """The id of the first user pool of ``AVP_USER_POOLS``, or one that is made up where there is none."""
    return next(iter(_user_pools()), _POOL)


class Kit:
    """Makes tokens, clients and identities for a site that has the settings of :attr:`settings`.

    Args:
        mint: signs the tokens; by default one for the first pool of ``AVP_USER_POOLS`` and its first client.
    """

    def __init__(self, mint: TokenMint | None = None) -> None:
        self.mint = mint or _mint(site_pool(), next(iter(_user_pools().get(site_pool()) or ()), _CLIENT_ID))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by which the site trusts the mint: its keys, and its pool where there is none."""
        pools = {} if _user_pools() else {"AVP_USER_POOLS": {self.mint.pool: [self.mint.client_id]}}
        return {"AVP_JWKS": self.mint.jwks, **pools}

    def token(self, sub: str = SUB, groups: Sequence[str] = (), use: str | None = None, **claims: Any) -> str:
        """Sign a token.

        Args:
            sub: the subject.
            groups: Cognito groups.
            use: ``"id"`` or ``"access"``; by default the first kind of ``AVP_TOKEN_USE``.
            **claims: whatever :meth:`TokenMint.id_token` takes, claims among it.
        """
        sign = {"id": self.mint.id_token, "access": self.mint.access_token}[use or conf.token_use[0]]
        issuers = [issuer for issuer, pool in conf.issuers.items() if pool == claims.get("pool", self.mint.pool)]
        # Where AVP_ISSUERS names another issuer than Cognito's, the site takes that one only.
        return sign(sub, groups=groups, **{**({"iss": issuers[0]} if issuers else {}), **claims})

    def identity(self, sub: str = SUB, groups: Sequence[str] = (), use: str | None = None, **claims: Any) -> Identity:
        """Make an identity of a token that the site has verified; the arguments are those of :meth:`token`.

        Raises:
            TokenError: the token does not pass.
        """
        verified = runtime.verifier.verify(self.token(sub, groups, use, **claims))
        return Identity.from_tokens(
            id_token=verified if verified.kind == "id" else None,
            access_token=verified if verified.kind == "access" else None,
        )

    def client(
        self,
        sub: str = SUB,
        groups: Sequence[str] = (),
        use: str | None = None,
        client_class: type[Client] = Client,
        **claims: Any,
    ) -> Client:
        """Make a test client that sends a token where the site looks for one.

        Args:
            sub: the subject.
            groups: Cognito groups.
            use: ``"id"`` or ``"access"``; by default the first kind of ``AVP_TOKEN_USE``.
            client_class: another class of clients, such as that of Django REST framework.
            **claims: whatever :meth:`TokenMint.id_token` takes, claims among it.

        Raises:
            ImproperlyConfigured: the site looks for tokens only where a client cannot put one.
        """
        token = self.token(sub, groups, use, **claims)
        if _reads_header():
            return client_class(headers={"Authorization": f"Bearer {token}"})
        client = client_class()
        give_token(client, token, use or conf.token_use[0])
        return client

    def async_client(
        self, sub: str = SUB, groups: Sequence[str] = (), use: str | None = None, **claims: Any
    ) -> AsyncClient:
        """The same as :meth:`client`, for async views."""
        token = self.token(sub, groups, use, **claims)
        if _reads_header():
            return TokenAsyncClient(token)
        client = AsyncClient()
        give_token(client, token, use or conf.token_use[0])
        return client

    @contextmanager
    def serving(self) -> Iterator[tuple[Endpoint, Mapping[str, Any]]]:
        """Serve the site's policies by a local endpoint; yields it with the settings by which the site asks it."""
        policies: Policies = CedarEngine().policies()
        clients = _user_pools().get(self.mint.pool) or ()
        store = PolicyStore.holding(policies, policy_store_id=_STORE, pool=self.mint.pool, client_ids=clients)
        with Endpoint([store], jwks=self.mint.jwks) as endpoint:
            options = {
                "endpoint_url": endpoint.url,
                "region_name": "eu-west-1",
                "aws_access_key_id": "local",
                "aws_secret_access_key": "local",
            }
            yield (
                endpoint,
                {
                    "AVP_ENGINE": "django_avp.engines.verified_permissions.VerifiedPermissionsEngine",
                    "AVP_POLICY_STORE_ID": _STORE,
                    "AVP_CLIENT_OPTIONS": options,
                },
            )


@cache
def _mint(pool: str, client_id: str) -> TokenMint:
    # To make a key takes longer than most tests.
    return TokenMint(pool=pool, client_id=client_id)


def _user_pools() -> Mapping[str, Sequence[str] | None]:
    return conf.user_pools if getattr(settings, "AVP_USER_POOLS", None) else {}


def _reads_header() -> bool:
    return any(isinstance(source, AuthorizationHeader) for source in runtime.token_sources)
