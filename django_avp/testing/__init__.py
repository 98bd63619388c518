"""Help for the tests of sites that use django-avp; importable without pytest.

A name is loaded when it is first asked for: pytest loads the plugin in projects that do not use it, too, and settings
may make tokens before there are models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django_avp.testing.counting import assert_avp_calls, assert_avp_rounds
    from django_avp.testing.kit import Kit
    from django_avp.testing.mixins import AuthorizationTestMixin
    from django_avp.testing.overrides import avp_allow, avp_deny
    from django_avp.testing.policy_table import PolicyTable
    from django_avp.testing.tokens import TokenMint

__all__ = [
    "AuthorizationTestMixin",
    "Kit",
    "PolicyTable",
    "TokenMint",
    "assert_avp_calls",
    "assert_avp_rounds",
    "avp_allow",
    "avp_deny",
]

_MODULES = {
    "AuthorizationTestMixin": "mixins",
    "Kit": "kit",
    "PolicyTable": "policy_table",
    "TokenMint": "tokens",
    "assert_avp_calls": "counting",
    "assert_avp_rounds": "counting",
    "avp_allow": "overrides",
    "avp_deny": "overrides",
}


def __getattr__(name: str) -> Any:
    """Load the module that a name stands in."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
