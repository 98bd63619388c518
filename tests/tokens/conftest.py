"""Fixtures shared by the tests of tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from django_avp.testing import TokenMint


@pytest.fixture(autouse=True)
def site(settings):
    """Start without keys: these tests are about where keys come from, and need no engine."""
    settings.AVP_JWKS = None
    return settings


@pytest.fixture(scope="session")
def forger() -> TokenMint:
    """A key of somebody else who claims to be the same pool."""
    return TokenMint()


@pytest.fixture
def join_fetches() -> Iterator[Callable[[], None]]:
    """Wait for the threads of fetches that nobody waits for any more, at the latest when the test is over."""

    def join() -> None:
        for thread in threading.enumerate():
            if thread.name == "django-avp-key-set":
                thread.join(10)

    yield join
    join()
