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
from django_avp.schema import RecordType, Schema
from django_avp.tokens.verifier import VerifiedToken
from django_avp.values import Unholdable, has_reserved_key, is_too_deep, to_value

__all__ = ["GROUPS_CLAIM", "Identity", "IdentitySource"]

GROUPS_CLAIM = "cognito:groups"
# Cognito's prefixes of claim names, which AVP's older form reads as Records: principal.custom.dept.
_PREFIXES = frozenset({"cognito", "custom", "dev"})


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
        return cls(pool, *conf.entity_types())

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
        cls,
        *,
        id_token: VerifiedToken | None = None,
        access_token: VerifiedToken | None = None,
        ambient: bool = False,
        source: IdentitySource | None = None,
    ) -> Identity:
        """Make the identity of one source's verified token or pair of tokens.

        Args:
            id_token: the verified ID token.
            access_token: the verified access token.
            ambient: whether a browser or proxy sends the token by itself.
            source: pool and types; by default the token's pool with the configured types.

        Raises:
            TokenInvalidError: the two name different users, pools or clients (rules C4, C10), or the claims are not
                usable.
        """
        tokens = [token for token in (id_token, access_token) if token is not None]
        whose = [(token.pool, token.client_id, token._claims["sub"]) for token in tokens]
        if not whose or whose[0] != whose[-1]:
            raise TokenInvalidError("pair", "The ID token and the access token are not of one user and client.")
        return cls._of(
            source or IdentitySource.of_pool(tokens[0].pool),
            id_token._claims if id_token else None,
            access_token._claims if access_token else None,
            client_id=tokens[0].client_id,
            is_ambient=ambient,
            _id_token=id_token._token if id_token else None,
            _access_token=access_token._token if access_token else None,
        )

    @classmethod
    def from_claims(cls, claims: Mapping[str, Any], *, pool: str | None = None) -> Identity:
        """Make an identity outside a request from claims that the caller trusts: nothing is verified here.

        Args:
            claims: an ID token's claims, or an access token's (``token_use`` is ``"access"``); ``sub`` is needed.
            pool: user pool id; by default the one of ``iss``, or without ``iss`` the only one of ``AVP_USER_POOLS``.

        Raises:
            TokenInvalidError: no ``sub``, no pool, or claims that are not usable.
        """
        # The verifier has looked at the claims of tokens.
        if has_reserved_key(claims):
            raise TokenInvalidError("reserved", "A claim spells one of Cedar's JSON escapes.")
        is_access = claims.get("token_use") == "access"
        return cls._of(
            IdentitySource.of_pool(pool or _pool_of(claims)),
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
        sub = given[0].get("sub")
        principal = source.principal(sub) if isinstance(sub, str) else None
        if principal is None or not principal.is_valid:
            raise TokenInvalidError("claims", "The claims have no usable sub.")
        names = dict.fromkeys([name for claims in given for name in _group_names(claims)])
        groups = tuple([source.group(name) for name in names])
        for group in groups:
            if not group.is_valid:
                raise TokenInvalidError("groups", "The name of a group is not one that AVP takes.")
        expiries = [claims["exp"] for claims in given if "exp" in claims]
        for expiry in expiries:
            if not isinstance(expiry, int | float):
                raise TokenInvalidError("claims", "The expiry is not a number of seconds.")
        return cls(
            principal=principal,
            groups=groups,
            source=source,
            expires_at=min(expiries) if expiries else None,
            _id_claims=id_claims,
            _access_claims=access_claims,
            **attributes,
        )

    @property
    def has_token(self) -> bool:
        """Whether it was made of tokens, which a policy store then verifies for itself."""
        return self._id_token is not None or self._access_token is not None

    def entity(self, schema: Schema | None = None) -> Entity:
        """The principal with the ID token's claims as attributes and its groups as parents.

        Claims are projected onto what ``schema`` declares (rule A7). A claim ``custom:dept`` stands under its own
        name, or in a record ``custom`` where the schema declares one, as AVP's older form has it.

        Raises:
            Unholdable: the claims have no form that the schema and Cedar could agree on.
        """
        claims = {name: value for name, value in (self._id_claims or {}).items() if name != GROUPS_CLAIM}
        attributes = _cedar_record(claims)
        declared = schema and schema.entity_types.get(self.principal.type)
        if declared:
            attributes = declared.shape.project(_nested(attributes, declared.shape))
        return Entity(self.principal, attributes, self.groups)

    def token_context(self) -> dict[str, Any]:
        """The access token's claims as AVP puts them under ``context.token``; empty without an access token.

        Raises:
            Unholdable: the claims have no form in Cedar.
        """
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


def _pool_of(claims: Mapping[str, Any]) -> str:
    pools = list(conf.user_pools)
    pool = conf.issuers.get(str(claims["iss"])) if "iss" in claims else pools[0] if len(pools) == 1 else None
    if pool is None:
        raise TokenInvalidError("issuer", "The claims have no issuer of ours, and there is not just one user pool.")
    return pool


def _group_names(claims: Mapping[str, Any]) -> Iterable[str]:
    names = claims.get(GROUPS_CLAIM, ())
    # A text would be taken for its characters.
    if not isinstance(names, list | tuple | set | frozenset) or not all(isinstance(name, str) for name in names):
        raise TokenInvalidError("groups", "The groups claim is not a list of names.")
    return names


def _cedar_record(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Claims in Cedar's JSON format; what Cedar cannot hold (null, fractions) is an absent attribute (rule A5)."""
    if is_too_deep(claims):
        raise Unholdable("claims that nest too deeply")
    record: dict[str, Any] = to_value(_without_floats(claims))
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


def _nested(attributes: Mapping[str, Any], declared: RecordType) -> dict[str, Any]:
    """Put claims with one of Cognito's prefixes into a Record of its name, where the schema declares that alone."""
    flat: dict[str, Any] = {}
    records: dict[str, dict[str, Any]] = {}
    for name, value in attributes.items():
        prefix, _, rest = name.partition(":")
        record = declared.attributes.get(prefix)
        is_inner = prefix in _PREFIXES and rest and name not in declared.attributes
        if is_inner and record is not None and isinstance(record.type, RecordType):
            records.setdefault(prefix, {})[rest] = value
        else:
            flat[name] = value
    if not records.keys().isdisjoint(flat):
        # AVP refuses such a token, too.
        raise Unholdable("a claim that has the name of another one's prefix")
    return flat | records
