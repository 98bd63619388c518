"""The test kit for ``unittest``: what the fixtures give, as methods of a test case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.test import AsyncClient, Client, override_settings

from django_avp.identity import Identity
from django_avp.questions import Action, Resource
from django_avp.runtime import runtime
from django_avp.testing.counting import Counted, assert_avp_calls, assert_avp_rounds
from django_avp.testing.endpoint import Endpoint
from django_avp.testing.kit import SUB, Kit
from django_avp.testing.overrides import Principal, avp_allow, avp_deny

__all__ = ["AuthorizationTestMixin"]

if TYPE_CHECKING:
    from django.test import SimpleTestCase as _Base
else:
    # A mixin of a test case must not be one.
    _Base = object


class AuthorizationTestMixin(_Base):
    """Mix it into a test case of Django's, before the class that it has: the site trusts the tokens of its methods.

    ::

        class PhotoTests(AuthorizationTestMixin, TestCase):
            def test_the_owner_edits(self):
                with self.assertAvpRounds(1):
                    self.avp_client("ann").get("/")

    A ``setUp`` of your own calls ``super().setUp()``.
    """

    @cached_property
    def avp_kit(self) -> Kit:
        """Makes the tokens."""
        return Kit()

    def setUp(self) -> None:
        """Make the site trust the mint until the test is over."""
        super().setUp()
        trusting = override_settings(**self.avp_kit.settings)
        trusting.enable()
        self.addCleanup(runtime.reset)
        self.addCleanup(trusting.disable)
        runtime.reset()

    def avp_token(self, sub: str = SUB, groups: Sequence[str] = (), use: str | None = None, **claims: Any) -> str:
        """Sign a token; see :meth:`~django_avp.testing.kit.Kit.token`."""
        return self.avp_kit.token(sub, groups, use, **claims)

    def avp_identity(
        self, sub: str = SUB, groups: Sequence[str] = (), use: str | None = None, **claims: Any
    ) -> Identity:
        """Make an identity; see :meth:`~django_avp.testing.kit.Kit.identity`."""
        return self.avp_kit.identity(sub, groups, use, **claims)

    def avp_client(self, sub: str = SUB, groups: Sequence[str] = (), use: str | None = None, **claims: Any) -> Client:
        """Make a client that sends a token; see :meth:`~django_avp.testing.kit.Kit.client`."""
        return self.avp_kit.client(sub, groups, use, **claims)

    def avp_async_client(
        self, sub: str = SUB, groups: Sequence[str] = (), use: str | None = None, **claims: Any
    ) -> AsyncClient:
        """The same for async views."""
        return self.avp_kit.async_client(sub, groups, use, **claims)

    @contextmanager
    def avp_server(self) -> Iterator[Endpoint]:
        """Have a local endpoint decide in a block, by the site's policies."""
        with self.avp_kit.serving() as (endpoint, settings), override_settings(**settings):
            runtime.reset()
            try:
                yield endpoint
            finally:
                runtime.reset()

    def avp_allow(
        self, action: Action, resource: Resource = None, principal: Principal = None
    ) -> AbstractContextManager[None]:
        """Allow an action for a block; see :func:`django_avp.testing.avp_allow`."""
        return avp_allow(action, resource, principal)

    def avp_deny(
        self, action: Action, resource: Resource = None, principal: Principal = None
    ) -> AbstractContextManager[None]:
        """Deny an action for a block; see :func:`django_avp.testing.avp_deny`."""
        return avp_deny(action, resource, principal)

    def assertAvpRounds(self, number: int) -> AbstractContextManager[list[Counted]]:  # noqa: N802 - unittest's way
        """Assert how many rounds a block makes; see :func:`django_avp.testing.assert_avp_rounds`."""
        return assert_avp_rounds(number)

    def assertAvpCalls(self, number: int) -> AbstractContextManager[list[Counted]]:  # noqa: N802 - unittest's way
        """Assert how many calls a block makes; see :func:`django_avp.testing.assert_avp_calls`."""
        return assert_avp_calls(number)
