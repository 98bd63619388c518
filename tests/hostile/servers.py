"""The test site behind real servers of this process, whose log records can so be read whole."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message

import uvicorn
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.db import connections

PATIENCE = 30


class Records(logging.Handler):
    """Every log record of every logger, at every level, as text: message, arguments, fields and errors."""

    def __init__(self) -> None:
        super().__init__(1)
        self.texts: list[str] = []
        self.codes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        fields = " ".join(f"{value!r} {value!s}" for value in vars(record).values() if type(value) not in (int, float))
        self.texts.append(f"{record.getMessage()} {fields} {error}")
        if record.msg == "avp.token_refused":
            self.codes.append(record.code)

    def clear(self) -> None:
        self.texts.clear()
        self.codes.clear()

    @contextmanager
    def of_all_loggers(self) -> Iterator[Records]:
        """Listen until the block is left."""
        loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
        before = [(logger, dict(vars(logger))) for logger in loggers]
        for logger in loggers:
            logger.setLevel(1)
            # Nobody else listens: all records of all levels are much to print.
            logger.propagate, logger.disabled, logger.handlers = False, False, [self]
        try:
            yield self
        finally:
            for logger, state in before:
                vars(logger).update(state)
                logger.setLevel(state["level"])


@dataclass(frozen=True)
class Answer:
    """What a server has answered."""

    status: int
    challenge: str | None
    text: str
    """All of it, headers too."""
    headers: Message
    body: str


class Site:
    """The site at an address, asked over one connection for as long as the server keeps it.

    Args:
        port: of the loopback address.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def get(self, path: str, *headers: tuple[str, str | bytes]) -> Answer:
        """Send exactly these headers; one may be sent several times."""
        return self.send("GET", path, *headers)

    def send(self, method: str, path: str, *headers: tuple[str, str | bytes], body: bytes = b"") -> Answer:
        """The same by any method; with a length where there is a body, and with another host where a header has it."""
        connection = self._connection
        names = {name.lower() for name, _ in headers}
        connection.putrequest(method, path, skip_host="host" in names, skip_accept_encoding=True)
        if body or method not in ("GET", "HEAD", "OPTIONS", "TRACE"):
            headers = (*headers, ("Content-Length", str(len(body))))
        for name, value in headers:
            connection.putheader(name, value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass"))
        connection.endheaders(body or None)
        with connection.getresponse() as response:
            body = response.read().decode("utf-8", "replace")
            if response.will_close:
                connection.close()
            shown = "\n".join(f"{name}: {value}" for name, value in response.getheaders())
            challenge = response.headers["WWW-Authenticate"]
            return Answer(response.status, challenge, f"{shown}\n\n{body}", response.headers, body)

    def close(self) -> None:
        self._connection.close()


class _Server(ThreadedWSGIServer):
    def _close_connections(self) -> None:
        # Django keeps what is in memory open, and newer Pythons warn of what nobody has closed.
        for connection in connections.all(initialized_only=True):
            if connection.connection is not None:
                connection._close()
                connection.connection = None


@contextmanager
def wsgi() -> Iterator[int]:
    """Django's own server, as ``runserver`` has it; the port."""
    server = _Server(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(WSGIHandler())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)


@contextmanager
def asgi() -> Iterator[int]:
    """Uvicorn; the port."""
    # The one connection is kept however long a test does something else.
    config = uvicorn.Config(ASGIHandler(), log_config=None, lifespan="off", ws="none", timeout_keep_alive=600)
    server = uvicorn.Server(config)
    # asyncio sends at once only where the protocol is spelled out.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(PATIENCE)


SERVERS = {"wsgi": wsgi, "asgi": asgi}
