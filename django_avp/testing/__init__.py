"""Help for the tests of sites that use django-avp; importable without pytest."""

from __future__ import annotations

from django_avp.testing.tokens import TokenMint

__all__ = ["TokenMint"]
