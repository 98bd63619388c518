"""What an Application Load Balancer says about a request, in ``x-amzn-oidc-data``: that it has signed the user in.

# INVARIANT: it is compared with the access token and never used in its place: nobody is identified by it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from django.core.exceptions import ImproperlyConfigured

from django_avp.conf import conf
from django_avp.exceptions import TokenExpiredError, TokenInvalidError
from django_avp.tokens.alb_keys import LoadBalancerKeys
from django_avp.tokens.compact import MAX_TOKEN_LENGTH, decode_segment, is_time
from django_avp.tokens.verifier import VerifiedToken

__all__ = ["LoadBalancers"]

# Unlike RFC 7515, load balancers pad their segments, and the padding is signed.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]+={0,2}")
# What becomes a part of a URL is exactly this.
_KEY_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SIGNER = re.compile(
    r"arn:([a-z-]+):elasticloadbalancing:([a-z0-9-]+):[0-9]{12}:loadbalancer/app/[\w-]+/[\w-]+", re.ASCII
)
# Source: Elastic Load Balancing, "Authenticate users using an Application Load Balancer".
_KEY_URLS = {
    "aws": "https://public-keys.auth.elb.{region}.amazonaws.com/{kid}",
    "aws-us-gov": "https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}/{kid}",
}
_JWS = jwt.PyJWS()
_EXAMPLE = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/name/0123456789abcdef"
_MESSAGES = {
    "alb_algorithm": "The load balancer's data is not signed with ES256.",
    "alb_data": "The load balancer's data is missing or malformed.",
    "alb_pair": "The load balancer's data and the access token are not of one user, pool and client.",
    "alb_signature": "The signature of the load balancer's data does not hold.",
    "alb_signer": "The data was signed by another load balancer.",
}


class LoadBalancers:
    """The load balancers that a site is behind.

    Args:
        signers: their ARNs.
        keys_url: where their keys are, with ``{kid}`` in the place of the key's id; by default where AWS has them.
        keys: the source of public keys.

    Raises:
        ImproperlyConfigured: there is no ARN, or something is none.
    """

    def __init__(
        self, signers: Iterable[str], keys_url: str | None = None, keys: LoadBalancerKeys | None = None
    ) -> None:
        self._key_urls = {signer: _key_url(signer, keys_url) for signer in signers}
        if not self._key_urls:
            raise ImproperlyConfigured(
                "AVP_TOKEN_SOURCES: AlbHeader does not say whose headers it trusts. Name the ARN of the load balancer: "
                f'("django_avp.tokens.sources.AlbHeader", {{"signer": "{_EXAMPLE}"}}).'
            )
        self._keys = LoadBalancerKeys() if keys is None else keys

    def confirm(self, data: str, token: VerifiedToken) -> None:
        """Refuse a verified access token unless one of the load balancers vouches for it.

        Args:
            data: the value of ``x-amzn-oidc-data``; empty if there is none.
            token: the access token.

        Raises:
            TokenInvalidError: the data is missing, malformed, forged, another load balancer's or about somebody else.
            TokenExpiredError: the data is genuine and past its ``exp``.
            KeySetUnavailableError: the signing key is not known and cannot be fetched.
        """
        header = _header(data)
        _check(data, header, self._keys.get(self._url(header)), token)

    async def aconfirm(self, data: str, token: VerifiedToken) -> None:
        """The same as :meth:`confirm`; key fetches leave the event loop free."""
        header = _header(data)
        _check(data, header, await self._keys.aget(self._url(header)), token)

    def _url(self, header: Mapping[str, Any]) -> str:
        """Where the key is that a header names."""
        signer, key_id = header.get("signer"), header.get("kid")
        if not isinstance(signer, str) or signer not in self._key_urls:
            raise _invalid("alb_signer")
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            raise _invalid("alb_data")
        return self._key_urls[signer].replace("{kid}", key_id)


def _key_url(signer: object, template: object) -> str:
    """Where the keys of a load balancer are, with ``{kid}`` in the place of a key's id."""
    arn = _SIGNER.fullmatch(signer) if isinstance(signer, str) else None
    if arn is None:
        raise ImproperlyConfigured(
            f"AVP_TOKEN_SOURCES: the signer {signer!r} of AlbHeader is not the ARN of an Application Load Balancer; "
            f"it has the form {_EXAMPLE!r}."
        )
    partition, region = arn.groups()
    url = _KEY_URLS.get(partition, "").replace("{region}", region) if template is None else template
    if not isinstance(url, str) or "{kid}" not in url:
        raise ImproperlyConfigured(
            f"AVP_TOKEN_SOURCES: it is not known where the keys of {signer!r} are. Give AlbHeader a keys_url with "
            '{kid} in the place of the key id, such as "https://keys.example.com/{kid}".'
        )
    return url


def _header(data: str) -> Mapping[str, Any]:
    """The header of a signed JWT; ``jku``, ``x5u`` and ``jwk`` stay unread (RFC 8725 section 3.10)."""
    if len(data) > MAX_TOKEN_LENGTH or _COMPACT.fullmatch(data) is None:
        raise _invalid("alb_data")
    header = decode_segment(data.split(".")[0])
    # RFC 7515 section 4.1.11: no extension is understood here, so none may be critical.
    if header is None or "crit" in header:
        raise _invalid("alb_data")
    # RFC 8725 section 3.1: one algorithm, pinned; the header may only agree.
    if header.get("alg") != "ES256":
        raise _invalid("alb_algorithm")
    return header


def _check(data: str, header: Mapping[str, Any], key: EllipticCurvePublicKey, token: VerifiedToken) -> None:
    try:
        _JWS.decode_complete(data, key, algorithms=["ES256"])
    except jwt.PyJWTError:
        raise _invalid("alb_signature") from None
    payload, expiry, issuer = decode_segment(data.split(".")[1]), header.get("exp"), header.get("iss")
    # Load balancers put the expiry into the header.
    if payload is None or not is_time(expiry):
        raise _invalid("alb_data")
    if expiry + conf.leeway <= time.time():
        raise TokenExpiredError("alb_expired", "The load balancer's data has expired.")
    pool = conf.issuers.get(issuer) if isinstance(issuer, str) else None
    if (pool, header.get("client"), payload.get("sub")) != (token.pool, token.client_id, token._claims["sub"]):
        raise _invalid("alb_pair")


def _invalid(code: str) -> TokenInvalidError:
    return TokenInvalidError(code, _MESSAGES[code])
