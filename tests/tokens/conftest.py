"""Fixtures shared by the tests of tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from django_avp.testing import TokenMint


@pytest.fixture(autouse=True)
def site(settings):
    """Start without keys: these tests are about where keys come from, and need no engine."""
    settings.AVP_JWKS = None
    return settings


@pytest.fixture
def accepting(settings, mint) -> None:
    """Accept the tokens of the mint, whose keys are given inline."""
    settings.AVP_USER_POOLS = {mint.pool: ["client-1"]}
    settings.AVP_JWKS = mint.jwks


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


class Server:
    """A loopback HTTP server whose answer the test chooses."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b""
        self.paths: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.paths.append(self.path)
                server.may_answer.wait(10)
                self.send_response(server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, format: str, *args: object) -> None:
                """Write nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None  # the client is gone: that is what the tests are about
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.may_answer.set()
        self.server.shutdown()
        self.thread.join(10)
        self.server.server_close()


@pytest.fixture
def server(settings, monkeypatch, join_fetches) -> Iterator[Server]:
    """A real HTTP server that the settings name for every key set."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    settings.AVP_JWKS_URL = f"{server.url}/jwks.json"
    yield server
    server.close()
