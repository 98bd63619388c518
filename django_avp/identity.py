"""Who asks: Cognito claims as Amazon Verified Permissions maps them to a Cedar principal.

Source: Verified Permissions User Guide, "Mapping Amazon Cognito tokens to schema" and "Working with Amazon Cognito
identity sources".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django_avp.cedar import Entity, EntityUid
from django_avp.conf import conf
from django_avp.exceptions import TokenInvalidError
from django_avp.schema import Schema
from django_avp.tokens.verifier import VerifiedToken
from django_avp.values import Unholdable, has_reserved_key, to_value

__all__ = ["GROUPS_CLAIM", "Identity", "IdentitySource"]

GROUPS_CLAIM = "cognito:groups"


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """How the tokens of one user pool become principals; the same as a policy store's identity source.

    Attributes:
        pool: user pool id, also the prefix of principal and group ids.
        principal_type: entity type of principals, qualified.
        group_type: entity type of groups, qualified.
    """

    pool: str
    principal_type: str
    group_type: str

    @classmethod
    def of_pool(cls, pool: str) -> IdentitySource:
        """The source of a pool with the configured types."""
        return cls(pool, conf.principal_type, conf.group_type)

    def principal(self, sub: str) -> EntityUid:
        """The principal of a token's ``sub``."""
        return EntityUid(self.principal_type, f"{self.pool}|{sub}")

    def group(self, name: str) -> EntityUid:
        """A group of the pool."""
        return EntityUid(self.group_type, f"{self.pool}|{name}")


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified principal, its groups, and the claims and tokens that a decision needs.

    Claims and tokens have underscore names, which templates cannot read, stay out of ``repr``, and keep an identity
    from being pickled (rule C8).

    Attributes:
        principal: entity id, ``User::"<pool>|<sub>"`` for a token.
        groups: entity ids of the principal's groups.
        source: pool and types; ``None`` for a principal without a token.
        client_id: app client that the tokens were issued to.
        expires_at: seconds since the epoch of the earliest ``exp``; ``None`` without a token.
        is_ambient: whether a browser or proxy sends the token by itself, so that CSRF applies (rule C1).
    """

    principal: EntityUid
    groups: tuple[EntityUid, ...] = ()
    source: IdentitySource | None = None
    client_id: str = ""
    expires_at: float | None = None
    is_ambient: bool = False
    _id_claims: Mapping[str, Any] | None = field(default=None, repr=False)
    _access_claims: Mapping[str, Any] | None = field(default=None, repr=False)
    _id_token: str | None = field(default=None, repr=False)
    _access_token: str | None = field(default=None, repr=False)

    @classmethod
    def from_tokens(
        cls, *, id_token: VerifiedToken | None = None, access_token: VerifiedToken | None = None, ambient: bool = False
    ) -> Identity:
        """Make the identity of one source's verified token or pair of tokens.

        Raises:
            TokenInvalidError: the two name different users or pools (rule C4), or the claims are not usable.
        """
        tokens = [token for token in (id_token, access_token) if token is not None]
        if len({(token.pool, token._claims["sub"]) for token in tokens}) != 1:
            raise TokenInvalidError("pair", "The ID token and the access token are not of the same user.")
        return cls._of(
            IdentitySource.of_pool(tokens[0].pool),
            id_token and id_token._claims,
            access_token and access_token._claims,
            client_id=tokens[0].client_id,
            is_ambient=ambient,
            _id_token=id_token and id_token._token,
            _access_token=access_token and access_token._token,
        )

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any], *, pool: str | None = None) -> Identity:
        """Make an identity outside a request from claims that the caller trusts: nothing is verified here.

        Args:
            claims: an ID token's claims, or an access token's (``token_use`` is ``"access"``); ``sub`` is needed.
            pool: user pool id; by default the one of ``iss``, or the only one of ``AVP_USER_POOLS``.

        Raises:
            TokenInvalidError: no ``sub``, no pool, or claims that are not usable.
        """
        pool = pool or conf.issuers.get(str(claims.get("iss"))) or _only_pool()
        is_access = claims.get("token_use") == "access"
        return cls._of(
            IdentitySource.of_pool(pool),
            None if is_access else claims,
            claims if is_access else None,
            client_id=str(claims.get("client_id" if is_access else "aud", "")),
        )

    @classmethod
    def _of(
        cls,
        source: IdentitySource,
        id_claims: Mapping[str, Any] | None,
        access_claims: Mapping[str, Any] | None,
        **attributes: Any,
    ) -> Identity:
        given = [claims for claims in (id_claims, access_claims) if claims is not None]
        if any(has_reserved_key(claims) for claims in given):
            raise TokenInvalidError("reserved", "A claim spells one of Cedar's JSON escapes.")
        sub = given[0].get("sub")
        if not isinstance(sub, str) or not source.principal(sub).is_valid:
            raise TokenInvalidError("claims", "The claims have no usable sub.")
        groups = dict.fromkeys(name for claims in given for name in _group_names(claims))
        expiries = [claims["exp"] for claims in given if "exp" in claims]
        return cls(
            principal=source.principal(sub),
            groups=tuple(source.group(name) for name in groups),
            source=source,
            expires_at=min(expiries) if expiries else None,
            _id_claims=id_claims,
            _access_claims=access_claims,
            **attributes,
        )

    def entity(self, schema: Schema | None = None) -> Entity:
        """The principal with the ID token's claims as attributes and its groups as parents.

        Claims are projected onto what ``schema`` declares (rule A7). A claim ``custom:dept`` stands under its own
        name, or in a record ``custom`` where the schema declares one, as AVP's older form has it.
        """
        claims = {name: value for name, value in (self._id_claims or {}).items() if name != GROUPS_CLAIM}
        attributes = _cedar_record(claims)
        declared = schema and schema.entity_types.get(self.principal.type)
        if declared:
            attributes = declared.shape.project(_nested(attributes, declared.shape.attributes))
        return Entity(self.principal, attributes, self.groups)

    def token_context(self) -> dict[str, Any]:
        """The access token's claims as AVP puts them under ``context.token``; empty without an access token."""
        claims = {name: value for name, value in (self._access_claims or {}).items() if name != GROUPS_CLAIM}
        if isinstance(claims.get("scope"), str):
            claims["scope"] = claims["scope"].split()
        return _cedar_record(claims)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "An identity carries tokens and claims and is not pickled. Pass the principal's id instead, and make an "
            "identity where it is needed with Identity.from_claims()."
        )

    def __copy__(self) -> Identity:
        return self

    def __deepcopy__(self, memo: object) -> Identity:
        return self


def _only_pool() -> str:
    pools = list(conf.user_pools)
    if len(pools) != 1:
        raise TokenInvalidError("issuer", "The claims have no issuer of ours, and there is not just one user pool.")
    return pools[0]


def _group_names(claims: Mapping[str, Any]) -> Iterable[str]:
    names = claims.get(GROUPS_CLAIM) or ()
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TokenInvalidError("groups", "The groups claim is not a list of names.")
    return names


def _cedar_record(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Claims in Cedar's JSON format; what Cedar cannot hold (null, fractions) is an absent attribute (rule A5)."""
    record = {}
    for name, value in claims.items():
        try:
            record[name] = to_value(_without_floats(value))
        except Unholdable:
            continue
    return record


def _without_floats(value: Any) -> Any:
    """JSON has fractions, Cedar has not: whole ones become integers, others ``None``."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, Mapping):
        return {name: _without_floats(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_floats(item) for item in value]
    return value


def _nested(attributes: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in attributes.items():
        prefix, _, rest = name.partition(":")
        if rest and name not in declared and prefix in declared:
            nested.setdefault(prefix, {})[rest] = value
        else:
            nested[name] = value
    return nested
