"""An identity source: the Amazon Cognito user pool whose tokens a policy store takes, and what it makes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from django_avp import identity
from django_avp.exceptions import TokenError
from django_avp.testing.endpoint.errors import refused
from django_avp.testing.endpoint.fields import member, text
from django_avp.tokens.verifier import VerifiedToken

__all__ = ["CognitoSource"]

# The group type of a source that names none. Source: Verified Permissions User Guide, "Cognito identity sources".
_DEFAULT_GROUP_TYPE = "AWS::CognitoGroup"
_ARN = re.compile(r"arn:[a-zA-Z0-9-]+:cognito-idp:[a-zA-Z0-9-]+:\d{12}:userpool/([\w-]+_[0-9a-zA-Z]+)")
_CLIENT = {"id": "aud", "access": "client_id"}
_PARAMETERS = {"id": "identityToken", "access": "accessToken"}
_LONGEST_TOKEN = 131_072


@dataclass(frozen=True, slots=True)
class CognitoSource:
    """A user pool, the entity types that its users and groups are of, and the app clients it is for.

    Attributes:
        user_pool_arn: the pool.
        principal_type: entity type of principals.
        group_type: entity type of groups; empty for the service's own.
        client_ids: app clients whose tokens it takes; none for all.
    """

    user_pool_arn: str
    principal_type: str
    group_type: str = ""
    client_ids: tuple[str, ...] = ()

    @classmethod
    def of_pool(cls, pool: str, principal_type: str, group_type: str, client_ids: tuple[str, ...]) -> CognitoSource:
        """The source of a pool, in an account that does not exist."""
        region = pool.partition("_")[0]
        arn = f"arn:aws:cognito-idp:{region}:000000000000:userpool/{pool}"
        return cls(arn, principal_type, group_type, client_ids)

    @classmethod
    def read(cls, configuration: Any, principal_type: str, path: str) -> CognitoSource:
        """Read a ``Configuration``.

        Raises:
            ServiceError: it is out of shape, or not of a Cognito user pool.
        """
        kind, content = member(configuration, path, "cognitoUserPoolConfiguration", "openIdConnectConfiguration")
        if kind != "cognitoUserPoolConfiguration":
            raise refused("This local endpoint takes Amazon Cognito user pools alone.", [path])
        path = f"{path}.{kind}."
        arn = text(content, "userPoolArn", path, most=255)
        if not _ARN.fullmatch(arn):
            raise refused("It is not the ARN of a user pool.", [f"{path}userPoolArn"])
        clients = content.get("clientIds") or []
        if not isinstance(clients, list) or not all(isinstance(client, str) and client for client in clients):
            raise refused("Client ids are texts.", [f"{path}clientIds"])
        groups = content.get("groupConfiguration")
        group_type = text(groups, "groupEntityType", f"{path}groupConfiguration.") if groups else ""
        return cls(arn, principal_type, group_type, tuple(clients))

    @property
    def pool(self) -> str:
        """The id of the user pool."""
        return self.user_pool_arn.rpartition("/")[2]

    @property
    def issuer(self) -> str:
        """The ``iss`` of the pool's tokens."""
        return f"https://cognito-idp.{self.pool.partition('_')[0]}.amazonaws.com/{self.pool}"

    @property
    def mapping(self) -> identity.IdentitySource:
        """How tokens become principals."""
        return identity.IdentitySource(self.pool, self.principal_type, self.group_type or _DEFAULT_GROUP_TYPE)

    def configuration(self) -> dict[str, Any]:
        """As the API tells it."""
        groups = {"groupConfiguration": {"groupEntityType": self.group_type}} if self.group_type else {}
        content = {"userPoolArn": self.user_pool_arn, "clientIds": list(self.client_ids), "issuer": self.issuer}
        return {"cognitoUserPoolConfiguration": {**content, **groups}}

    def identity(self, request: Mapping[str, Any], jwks: Mapping[str, Any]) -> identity.Identity:
        """The principal of a request's tokens.

        Args:
            request: the call.
            jwks: the public keys that verify tokens.

        Raises:
            ServiceError: there is none, one does not hold, or they are not of one user.
        """
        given = {kind: name for kind, name in _PARAMETERS.items() if request.get(name)}
        tokens = {kind: self._verified(request[name], kind, jwks) for kind, name in given.items()}
        if not tokens:
            raise refused("Give an identity token, an access token, or both.", list(_PARAMETERS.values()))
        try:
            return identity.Identity.from_tokens(
                id_token=tokens.get("id"), access_token=tokens.get("access"), source=self.mapping
            )
        except TokenError as error:
            raise refused(str(error), list(_PARAMETERS.values())) from error

    def _verified(self, token: Any, kind: str, jwks: Mapping[str, Any]) -> VerifiedToken:
        path = [_PARAMETERS[kind]]
        if not isinstance(token, str) or not 1 <= len(token) <= _LONGEST_TOKEN:
            raise refused("A token has 1 to 131072 characters.", path)
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = next(jwt.PyJWK(one) for one in jwks["keys"] if one["kid"] == kid)
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=["RS256"], options={"verify_aud": False, "require": ["exp", "iss", "sub"]}
            )
        except (jwt.PyJWTError, StopIteration) as error:
            raise refused("The token does not hold.", path) from error
        is_of_client = not self.client_ids or claims.get(_CLIENT[kind]) in self.client_ids
        if claims.get("token_use") != kind or claims["iss"] != self.issuer or not is_of_client:
            raise refused("The token is not of this store's identity source.", path)
        return VerifiedToken(kind, self.pool, str(claims.get(_CLIENT[kind], "")), token, claims)
