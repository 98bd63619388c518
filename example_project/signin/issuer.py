"""The development issuer: a user pool on this machine alone, whose tokens are shaped and signed like Amazon Cognito's.

INVARIANT: nobody can mint a token unless ``settings.DEV_ISSUER`` is true, which the settings allow with DEBUG only.
Knows no Django model, so that the settings can take its key set.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_avp.testing import TokenMint
from example_project.signin.personas import Persona

KEY_FILE = "dev-issuer-key.pem"


def require_dev_issuer() -> None:
    """Refuse to go on where the issuer must not exist.

    Raises:
        ImproperlyConfigured: the settings do not switch the development issuer on.
    """
    if not getattr(settings, "DEV_ISSUER", False):
        raise ImproperlyConfigured(
            "The development issuer exists only while DJANGO_DEBUG is on and COGNITO_USER_POOL_ID is not set."
        )


def key_set(directory: Path) -> dict[str, Any]:
    """The public keys as a JWKS document; the first call makes the key."""
    return _mint(directory).jwks


def sign_in(persona: Persona, directory: Path, *, pool: str, client: str, nonce: str | None = None) -> dict[str, str]:
    """Sign an ID token and an access token, by the names that a user pool gives them.

    Args:
        persona: whom they identify.
        directory: where the key is.
        pool: user pool id.
        client: app client id.
        nonce: what ties the ID token to a sign-in.

    Raises:
        ImproperlyConfigured: the settings do not switch the development issuer on.
    """
    require_dev_issuer()
    mint = _mint(directory)
    seconds = settings.DEV_ISSUER_TOKEN_SECONDS
    profile: dict[str, Any] = {
        "nonce": nonce,
        "cognito:username": persona.slug,
        "email": f"{persona.slug}@photoflash.example",
        "email_verified": True,
        "name": persona.name,
    }
    return {
        "id_token": mint.id_token(
            persona.sub, groups=persona.groups, pool=pool, client_id=client, expires_in=seconds, **profile
        ),
        "access_token": mint.access_token(
            persona.sub,
            groups=persona.groups,
            pool=pool,
            client_id=client,
            expires_in=seconds,
            username=persona.slug,
        ),
    }


@cache
def _mint(directory: Path) -> TokenMint:
    """What signs with the key, made on first use and readable for this user alone."""
    path = directory / KEY_FILE
    if not path.exists():
        _create(path)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise ImproperlyConfigured(f"{KEY_FILE} does not hold an RSA key; delete it, and a new one is made.")
    return TokenMint(key)


def _create(path: Path) -> None:
    """Write a new key. Django's reloader starts two processes at once: the first to link its key wins."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_name(f"{path.name}.{uuid4().hex}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
