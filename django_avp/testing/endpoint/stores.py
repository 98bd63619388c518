"""A policy store: its policies, its identity source, and what it makes of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from django_avp.exceptions import TokenError
from django_avp.identity import Identity
from django_avp.policies import Policies
from django_avp.testing.endpoint.errors import refused
from django_avp.tokens.verifier import VerifiedToken

__all__ = ["PolicyStore"]

_CLIENT = {"id": "aud", "access": "client_id"}
_PARAMETERS = {"id": "identityToken", "access": "accessToken"}
_LONGEST_TOKEN = 131_072


@dataclass(frozen=True, slots=True)
class PolicyStore:
    """A policy store with an Amazon Cognito identity source.

    Attributes:
        policy_store_id: its id.
        policies: its policies and schema.
        pool: the user pool whose tokens it takes; entity types are those of ``AVP_PRINCIPAL_TYPE`` and
            ``AVP_GROUP_TYPE``.
        jwks: the pool's public keys.
        client_ids: app clients whose tokens it takes; none for all.
    """

    policy_store_id: str
    policies: Policies
    pool: str
    jwks: Mapping[str, Any] = field(repr=False)
    client_ids: Sequence[str] = ()

    def identity(self, request: Mapping[str, Any]) -> Identity:
        """The principal of a request's tokens.

        Raises:
            ServiceError: there is none, one does not hold, or they are not of one user.
        """
        tokens = {kind: self._verified(request[name], kind) for kind, name in _PARAMETERS.items() if request.get(name)}
        if not tokens:
            raise refused("Give an identity token, an access token, or both.", list(_PARAMETERS.values()))
        try:
            return Identity.from_tokens(id_token=tokens.get("id"), access_token=tokens.get("access"))
        except TokenError as error:
            raise refused(str(error), list(_PARAMETERS.values())) from error

    def _verified(self, token: Any, kind: str) -> VerifiedToken:
        path = [_PARAMETERS[kind]]
        if not isinstance(token, str) or not 1 <= len(token) <= _LONGEST_TOKEN:
            raise refused("A token has 1 to 131072 characters.", path)
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = next(jwt.PyJWK(one) for one in self.jwks["keys"] if one["kid"] == kid)
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=["RS256"], options={"verify_aud": False, "require": ["exp", "iss", "sub"]}
            )
        except (jwt.PyJWTError, StopIteration) as error:
            raise refused("The token does not hold.", path) from error
        region = self.pool.partition("_")[0]
        is_ours = claims["iss"] == f"https://cognito-idp.{region}.amazonaws.com/{self.pool}"
        is_of_client = not self.client_ids or claims.get(_CLIENT[kind]) in self.client_ids
        if claims.get("token_use") != kind or not is_ours or not is_of_client:
            raise refused("The token is not of this store's identity source.", path)
        return VerifiedToken(kind, self.pool, str(claims.get(_CLIENT[kind], "")), token, claims)
