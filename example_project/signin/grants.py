"""What the development issuer hands out before and beside tokens: codes and refresh tokens, signed and not kept.

Which code was used and which refresh token was revoked stands in the cache, so that it is forgotten with the process.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict, dataclass
from uuid import uuid4

from django.core import signing
from django.core.cache import cache

__all__ = ["Grant", "code_of", "redeem", "refresh", "refresh_token_of", "revoke"]

# In seconds.
CODE_AGE = 60
REFRESH_AGE = 30 * 24 * 3600

_CODE, _REFRESH = "example_project.code", "example_project.refresh"


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody agreed to on the sign-in page.

    Attributes:
        slug: the persona.
        client_id: the app client that asked.
        redirect_uri: where the code was sent.
        challenge: what the code's verifier must hash to (RFC 7636 section 4.6).
        nonce: goes into the ID token.
    """

    slug: str
    client_id: str
    redirect_uri: str = ""
    challenge: str = ""
    nonce: str = ""


def code_of(grant: Grant) -> str:
    """A code that can be exchanged once, within a minute."""
    return signing.dumps([uuid4().hex, asdict(grant)], salt=_CODE)


def redeem(code: str, *, client_id: str, redirect_uri: str, verifier: str) -> Grant | None:
    """What a code stands for; ``None`` if it is not one of these, too old, used, or another's."""
    found = _opened(code, _CODE, CODE_AGE)
    if found is None:
        return None
    number, grant = found
    is_first = cache.add(f"{_CODE}.{number}", True, CODE_AGE)
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    fits = (grant.client_id, grant.redirect_uri, grant.challenge) == (client_id, redirect_uri, hashed)
    return grant if is_first and fits else None


def refresh_token_of(grant: Grant) -> str:
    """A token that gets others, until it is revoked."""
    return signing.dumps([uuid4().hex, asdict(Grant(grant.slug, grant.client_id))], salt=_REFRESH)


def refresh(token: str, *, client_id: str) -> Grant | None:
    """What a refresh token stands for; ``None`` if it is not one of these, too old, revoked, or another client's."""
    found = _opened(token, _REFRESH, REFRESH_AGE)
    if found is None or cache.get(f"{_REFRESH}.{found[0]}"):
        return None
    return found[1] if found[1].client_id == client_id else None


def revoke(token: str) -> None:
    """Have a refresh token refused from now on."""
    found = _opened(token, _REFRESH, REFRESH_AGE)
    if found is not None:
        cache.set(f"{_REFRESH}.{found[0]}", True, REFRESH_AGE)


def _opened(text: str, salt: str, age: int) -> tuple[str, Grant] | None:
    try:
        number, fields = signing.loads(text, salt=salt, max_age=age)
    except signing.BadSignature:
        return None
    return number, Grant(**fields)
