"""What another process makes of things that are pickled into it."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.conf import settings  # noqa: E402

from django_avp.authorization import Authorization  # noqa: E402
from django_avp.identity import Identity  # noqa: E402
from django_avp.runtime import runtime  # noqa: E402


def asked(authorization, user, jwks, token):
    """What each of them says there, and what that process says by itself about who has a token."""
    settings.AVP_JWKS, settings.AVP_USER_MODE = jwks, "token"
    identity = Identity.from_tokens(id_token=runtime.verifier.verify(token))
    return [bool(one.can("ListPhotos")) for one in (authorization, user.avp, Authorization(identity))]
