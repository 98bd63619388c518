"""What stands between a site and its service, and does to each call what a test says."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

PATIENCE = 60


@dataclass(frozen=True)
class Passing:
    """A call on its way.

    Attributes:
        number: how many calls of this fault came before it.
        operation: what is called.
        headers: the request's.
        body: what is asked.
    """

    number: int
    operation: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def asker(self) -> str:
        """Who asks, by the tokens that are sent."""
        asked = json.loads(self.body)
        return f"{asked.get('identityToken')} {asked.get('accessToken')}"


@dataclass(frozen=True)
class Reply:
    """What goes back to the site."""

    status: int
    body: bytes
    content_type: str = "application/x-amz-json-1.0"


Exchange = Callable[["Handler", Passing], None]
"""Does with a call what it likes: forwards it, answers something else, or lets the connection break."""


class Proxy:
    """A proxy on a free port.

    Args:
        upstream: the address of the service.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.removeprefix("http://")
        self.calls = 0
        self.lifted = Event()
        self._lock = Lock()
        self._exchange: Exchange = pass_on
        self._numbers = itertools.count()
        self._answered: dict[str, dict[str, bytes]] = {}
        handler = type("Bound", (Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Proxy:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.lifted.set()
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def doing(self, exchange: Exchange) -> Iterator[None]:
        """Do something to each call of a block."""
        with self._lock:
            self.lifted.clear()
            self._numbers, self._exchange = itertools.count(), exchange
        try:
            yield
        finally:
            with self._lock:
                self._exchange = pass_on
                self.lifted.set()

    def next(self) -> tuple[Exchange, int]:
        """What is done to the next call, and its number."""
        with self._lock:
            self.calls += 1
            return self._exchange, next(self._numbers)

    def forward(self, passing: Passing) -> Reply:
        """What the service answers."""
        with closing(http.client.HTTPConnection(self.upstream, timeout=PATIENCE)) as connection:
            connection.request("POST", "/", passing.body, passing.headers)
            response = connection.getresponse()
            reply = Reply(response.status, response.read())
        with self._lock:
            self._answered.setdefault(passing.operation, {})[passing.asker] = reply.body
        return reply

    def answered_to_another(self, passing: Passing) -> bytes:
        """What somebody else was answered last by the same operation."""
        with self._lock:
            others = [body for asker, body in self._answered[passing.operation].items() if asker != passing.asker]
        return others[-1] if others else b"{}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A site that does not wait any longer is none of the proxy's errors."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def do_POST(self) -> None:
        """Pass an operation on, or not."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        exchange, number = self.proxy.next()
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        exchange(self, Passing(number, operation, kept, body))

    def reply(self, reply: Reply, length: int | None = None) -> None:
        """Send an answer; ``length`` is what its header says, true or not."""
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body) if length is None else length))
        self.end_headers()
        self.wfile.write(reply.body)

    def reset(self) -> None:
        """Break the connection off, as a machine that has gone does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.end()

    def end(self) -> None:
        """Close the connection."""
        self.close_connection = True
        for stream in (self.wfile, self.rfile):
            stream.close()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


class Swallower:
    """A way to a server that can swallow everything: what is sent over it then never gets an answer any more.

    Args:
        port: the server's.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.is_swallowing = False
        self._kept: list[socket.socket] = []
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                near.close()
                continue
            self._kept += [near, far]
            is_lost = Event()
            for one, other in ((near, far), (far, near)):
                Thread(target=self._carry, args=(one, other, is_lost), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, is_lost: Event) -> None:
        try:
            while data := one.recv(65536):
                if self.is_swallowing:
                    is_lost.set()
                # A connection that has lost something never finds to itself again.
                if not is_lost.is_set():
                    other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        """Break everything off."""
        for one in (self._listening, *self._kept):
            one.close()


# What may happen to a call


def pass_on(handler: Handler, passing: Passing) -> None:
    """Nothing."""
    handler.reply(handler.proxy.forward(passing))


def crowded(handler: Handler, passing: Passing) -> None:
    """Somebody else asks the same of the same store, twice as often."""
    for _ in range(2):
        handler.proxy.forward(passing)
    pass_on(handler, passing)


def late(seconds: float) -> Exchange:
    """The answer is right, and comes late."""

    def exchange(handler: Handler, passing: Passing) -> None:
        handler.proxy.lifted.wait(seconds)
        pass_on(handler, passing)

    return exchange


def resets(handler: Handler, passing: Passing) -> None:
    """The connection breaks off: before the answer, or in the middle of it."""
    if passing.number % 2:
        reply = handler.proxy.forward(passing)
        handler.reply(Reply(200, reply.body[: len(reply.body) // 2]), length=len(reply.body))
        handler.wfile.flush()
    handler.reset()


def hangs(handler: Handler, passing: Passing) -> None:
    """There is no answer."""
    handler.proxy.lifted.wait(PATIENCE)
    handler.end()


def drips(handler: Handler, passing: Passing) -> None:
    """The answer comes byte by byte, so that nobody who waits for the next byte waits for long."""
    reply = handler.proxy.forward(passing)
    handler.reply(Reply(200, b""), length=len(reply.body))
    for place in range(len(reply.body)):
        is_over = handler.proxy.lifted.wait(0.2)
        handler.wfile.write(reply.body[place:] if is_over else reply.body[place : place + 1])
        if is_over:
            break


def errors(status: int, body: bytes = b"<html>Service Unavailable</html>", content_type: str = "text/html") -> Exchange:
    """The service, or what stands before it, says that it cannot."""
    return lambda handler, passing: handler.reply(Reply(status, body, content_type))


def service_error(code: str, status: int = 400) -> Exchange:
    """An error of the service's."""
    body = json.dumps({"__type": f"com.amazonaws.verifiedpermissions#{code}", "message": "As you asked."}).encode()
    return errors(status, body, "application/x-amz-json-1.0")


GARBAGE = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"ALLOW"',
    b"<html><body>ALLOW</body></html>",
    b'{"results": [{"decision": "ALL',
    b'{"decision": "ALLOW"',
    b'{"results": [{"decision": "ALLOW"}]}',
    b'{"results": {"decision": "ALLOW"}}',
    b'{"decision": true, "results": [true]}',
    b'{"results": null, "decision": null}',
    b"\xff\xfe\x00\x01" * 64,
    b"[" * 100_000,
    b'{"decision": "ALLOW", "determiningPolicies": 7, "errors": 7}',
    b'{"results": ' + b"9" * 5_000 + b"}",
)
"""What is sent as an answer and is none."""


def garbage(handler: Handler, passing: Passing) -> None:
    """What comes is no answer."""
    handler.reply(Reply(200, GARBAGE[passing.number % len(GARBAGE)]))


def not_http(handler: Handler, passing: Passing) -> None:
    """What comes is not HTTP at all."""
    handler.wfile.write(b"\x15\x03\x01\x00\x02\x02\x46" * 20)
    handler.end()


def of_another(handler: Handler, passing: Passing) -> None:
    """Somebody else's answer comes, whole and sound, to a question of the same operation."""
    handler.proxy.forward(passing)
    handler.reply(Reply(200, handler.proxy.answered_to_another(passing)))


def turned(handler: Handler, passing: Passing) -> None:
    """The right results in another order, one of them twice, or allowing without saying what."""
    answer = json.loads(handler.proxy.forward(passing).body)
    if "results" in answer:
        results = answer["results"]
        order = passing.number % 3
        answer["results"] = [results[1:] + results[:1], results + results[:1], results[:-1]][order]
    else:
        answer["decision"] = "Allow"
    handler.reply(Reply(200, json.dumps(answer).encode()))


def every(period: int, exchange: Exchange, otherwise: Exchange = pass_on) -> Exchange:
    """Something happens to one call of so many."""
    return lambda handler, passing: (otherwise if passing.number % period else exchange)(handler, passing)


def bursts(length: int, exchange: Exchange) -> Exchange:
    """Something happens to so many calls in a row, and then nothing to as many."""
    return lambda handler, passing: (pass_on if passing.number // length % 2 else exchange)(handler, passing)


def any_of(*exchanges: Exchange) -> Exchange:
    """One thing after another, in an order that is the same each time."""
    chosen = random.Random(1).choices(exchanges, k=1_000)  # noqa: S311 - no secret
    return lambda handler, passing: chosen[passing.number % len(chosen)](handler, passing)
