"""Values as texts that only this site can have written, signed with ``SECRET_KEY`` (rule F2)."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from hmac import HMAC
from typing import Any

from django.conf import settings
from django.core.signing import BadSignature
from django.utils.crypto import constant_time_compare, salted_hmac

__all__ = ["Seal"]

# A text from so many characters on is compressed, which begins with what no JSON begins with.
_LONG = 2_000
_COMPRESSED = "."


class Seal:
    """Signs values, and reads those that ``SECRET_KEY`` or one of ``SECRET_KEY_FALLBACKS`` has signed.

    Django's own signer derives its keys anew for each value, which takes longer than all else about a short one.

    Args:
        salt: what the values are for.
    """

    def __init__(self, salt: str) -> None:
        secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        self._keyed = [salted_hmac(salt, "", secret, algorithm="sha256") for secret in secrets]

    def sealed(self, value: Any) -> str:
        """A value of JSON with its signature."""
        text = json.dumps(value)
        if len(text) >= _LONG:
            text = _COMPRESSED + b64encode(zlib.compress(text.encode())).decode()
        return f"{_signature(self._keyed[0], text)}:{text}"

    def opened(self, sealed: str) -> Any:
        """The value.

        Raises:
            BadSignature: it was signed by nobody here, or was changed.
            ValueError: it is no text.
        """
        signature, _, text = sealed.partition(":")
        if not any(constant_time_compare(signature, _signature(keyed, text)) for keyed in self._keyed):
            raise BadSignature
        if text.startswith(_COMPRESSED):
            text = zlib.decompress(b64decode(text[1:])).decode()
        return json.loads(text)


def _signature(keyed: HMAC, text: str) -> str:
    digest = keyed.copy()
    digest.update(text.encode())
    return digest.hexdigest()
