"""A real HTTP server of keys on the loopback address, which misbehaves on command."""

from __future__ import annotations

import gzip
import json
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from django_avp.testing import TokenMint

HUGE = 100_000_000
"""Bytes of what is too large."""
MANY = 2_000
"""Keys of a large set."""
SLOW = 0.5
"""Seconds until an answer that is slow."""
# Seconds between two bytes that drip: much shorter than any read waits, on a busy machine too.
DRIP = 0.002
BLOCK = bytes(65_536)


class Asked:
    """One request, and the way to answer it."""

    def __init__(self, server: KeyServer, connection: socket.socket, path: str) -> None:
        self.server = server
        self.path = path
        self._connection = connection

    @property
    def document(self) -> bytes:
        """What the server has at this path."""
        return self.server.document(self.path)

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)
        self.server.sent += len(data)

    def answer(self, body: bytes | None = None, *headers: str, status: str = "200 OK") -> None:
        """A whole answer; without headers, with the right length."""
        body = self.document if body is None else body
        lines = [f"HTTP/1.1 {status}", *(headers or [f"Content-Length: {len(body)}"]), "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def drip(self, data: bytes) -> None:
        """One byte after the other, until the client has gone."""
        for value in data:
            self.send(bytes([value]))
            if self.server.is_over.wait(DRIP):
                return

    def wait(self, seconds: float | None = None) -> None:
        """Say nothing, for so long or until the server ends."""
        self.server.is_over.wait(seconds)

    def pour(self, head: str, block: bytes = BLOCK, size: int = HUGE) -> None:
        """Send a head, and then a block again and again."""
        self.send(head.encode())
        for _ in range(size // len(block)):
            self.send(block)

    def reset(self) -> None:
        """End the connection by a reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@dataclass(frozen=True)
class Fault:
    """What a server does wrong.

    Attributes:
        misbehave: answers a request.
        brings_keys: whether what it answers is a key set all the same.
        is_silent: whether it costs whoever waits the whole time.
    """

    misbehave: Callable[[Asked], None]
    brings_keys: bool = False
    is_silent: bool = False


OK = "HTTP/1.1 200 OK\r\n"


def _answers(body: bytes | None = None, *headers: str, status: str = "200 OK") -> Callable[[Asked], None]:
    return lambda asked: asked.answer(body, *headers, status=status)


def _drips(data: bytes, head: str = "") -> Callable[[Asked], None]:
    def misbehave(asked: Asked) -> None:
        asked.send(head.encode())
        asked.drip(data)

    return misbehave


def _pours(head: str, block: bytes = BLOCK) -> Callable[[Asked], None]:
    return lambda asked: asked.pour(head, block)


def _falls_silent(asked: Asked) -> None:
    asked.send(f"{OK}Content-Length: 100\r\n\r\n{{".encode())
    asked.wait()


def _is_slow(asked: Asked) -> None:
    asked.wait(SLOW)
    asked.answer()


def _breaks_off(asked: Asked) -> None:
    asked.answer(asked.document[:100], f"Content-Length: {len(asked.document)}")
    asked.reset()


def _claims_length(difference: int) -> Callable[[Asked], None]:
    return lambda asked: asked.answer(None, f"Content-Length: {len(asked.document) + difference}")


def _redirects(to: Callable[[Asked], str], status: str) -> Callable[[Asked], None]:
    return lambda asked: asked.answer(None, f"Location: {to(asked)}", "Content-Length: 0", status=status)


@cache
def _small_key() -> dict[str, object]:
    key: dict[str, object]
    (key,) = TokenMint(generate_private_key(public_exponent=65537, key_size=1024)).jwks["keys"]  # noqa: S505
    return key


def _among_many(asked: Asked) -> None:
    keys = json.loads(asked.document)["keys"]
    many = [{**keys[0], "kid": f"key-{number}"} for number in range(MANY)]
    asked.answer(json.dumps({"keys": [*many[1:], *keys]}).encode())


def _repeats_ids(asked: Asked) -> None:
    keys = json.loads(asked.document)["keys"]
    unusable = [{**_small_key(), "kid": key["kid"]} for key in keys]
    asked.answer(json.dumps({"keys": [*unusable, *keys, *keys, *unusable]}).encode())


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(HUGE // 100)) * 100


def _bombs(asked: Asked) -> None:
    asked.answer(_bomb(), "Content-Encoding: gzip", f"Content-Length: {len(_bomb())}")


def _serves(asked: Asked) -> None:
    if asked.document:
        asked.answer()
    else:
        asked.answer(status="404 Not Found")


HEALTHY = Fault(_serves, brings_keys=True)
FAULTS = {
    # Nothing, late, or not enough
    "closed": Fault(lambda asked: None),
    "reset": Fault(Asked.reset),
    "reset half-way": Fault(_breaks_off),
    "slow": Fault(_is_slow, brings_keys=True),
    "hung": Fault(Asked.wait, is_silent=True),
    "hung half-way": Fault(_falls_silent, is_silent=True),
    "dripping status": Fault(_drips(b"HTTP/1.1 200 " + b"O" * 10_000), is_silent=True),
    "dripping headers": Fault(_drips(b"A: " + b"a" * 10_000, OK), is_silent=True),
    "dripping body": Fault(_drips(b" " * 10_000, f"{OK}Content-Length: 10000\r\n\r\n"), is_silent=True),
    "dripping chunks": Fault(_drips(b"1\r\n \r\n" * 2_000, f"{OK}Transfer-Encoding: chunked\r\n\r\n"), is_silent=True),
    "dripping 100 Continue": Fault(_drips(b"HTTP/1.1 100 Continue\r\n\r\n" * 500), is_silent=True),
    # Too much
    "huge": Fault(_pours(f"{OK}Content-Length: {HUGE}\r\n\r\n")),
    "huge without a length": Fault(_pours(f"{OK}\r\n")),
    "huge in chunks": Fault(_pours(f"{OK}Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + BLOCK + b"\r\n")),
    "huge headers": Fault(_pours(OK, b"A: " + b"a" * 60_000 + b"\r\n")),
    "endless 100 Continue": Fault(_pours("", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000)),
    "gzip bomb": Fault(_bombs),
    "many keys": Fault(_among_many, brings_keys=True),
    # Something else
    "empty": Fault(_answers(b"")),
    "HTML": Fault(_answers(b"<!doctype html><title>Sign in</title>")),
    "invalid UTF-8": Fault(_answers(b'{"keys": "\xff\xfe"}')),
    "deep JSON": Fault(_answers(b"[" * 900_000)),
    "no HTTP": Fault(lambda asked: asked.send(b"SSH-2.0-OpenSSH_9.2\r\n")),
    "error": Fault(_answers(status="503 Service Unavailable")),
    "redirect": Fault(_redirects(lambda asked: asked.server.elsewhere, "302 Found")),
    "redirect to itself": Fault(_redirects(lambda asked: asked.path, "307 Temporary Redirect")),
    "small keys alone": Fault(lambda asked: asked.answer(json.dumps({"keys": [_small_key()]}).encode())),
    # A key set, told wrongly
    "length too small": Fault(_claims_length(-1)),
    # All of it has come, as its syntax tells.
    "length too large": Fault(_claims_length(1), brings_keys=True),
    "length is no number": Fault(_answers(None, "Content-Length: x"), brings_keys=True),
    "lies about its age": Fault(
        _answers(
            None, "Cache-Control: max-age=31536000, immutable", "Age: 1", 'ETag: "1"', "Expires: Fri, 01 Jan 2100"
        ),
        brings_keys=True,
    ),
    "ids that repeat": Fault(_repeats_ids, brings_keys=True),
}


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: KeyServer = self.server.keys
        _, path, _ = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        with server.lock:
            server.paths.append(path)
        # Who asks has gone: that is what the tests are about.
        with suppress(OSError):
            server.fault.misbehave(Asked(server, self.connection, path))


class _TCPServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256
    keys: KeyServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing."""


class KeyServer:
    """The server.

    Attributes:
        url: its address.
        elsewhere: where its redirects lead.
        document: what it has at a path; nothing, if it has none.
        fault: what it does with it.
        paths: what it was asked for.
        sent: the bytes that it could send.
    """

    def __init__(self, document: Callable[[str], bytes]) -> None:
        self.document = document
        self.elsewhere = ""
        self.lock = threading.Lock()
        self.paths: list[str] = []
        self.sent = 0
        self._port = 0
        self.heal()
        self.is_over = threading.Event()
        self.open()
        self.url = f"http://127.0.0.1:{self._port}"

    def heal(self) -> None:
        """Answer as it should."""
        self.fault = HEALTHY

    def open(self) -> None:
        """Listen, at the port of before."""
        self.is_over.clear()
        self._server = _TCPServer(("127.0.0.1", self._port), _Handler)
        self._server.keys = self
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Be down."""
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def key_set(*mints: TokenMint) -> Callable[[str], bytes]:
    """The keys of these, whatever the path."""
    document = json.dumps({"keys": [key for mint in mints for key in mint.jwks["keys"]]}).encode()
    return lambda path: document
