"""Small documents of an issuer, fetched over HTTP: key sets, and where else it is found."""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.error
import urllib.request
from typing import Any

__all__ = ["TIMEOUT", "fetch_document"]

TIMEOUT = 2.0
"""Seconds that a request waits for a document."""
MAX_BYTES = 1_000_000
# What may stand before a body: headers, and any number of interim responses.
_MAX_HEAD = 65_536


def fetch_document(url: str, *, timeout: float = TIMEOUT) -> bytes:
    """Fetch the document at an http or https URL; redirects are refused, and so is more than a megabyte.

    Args:
        url: where it is.
        timeout: seconds to connect within, and then for the whole response, however its bytes come.

    Raises:
        OSError, ValueError, http.client.HTTPException: it cannot be fetched.
    """
    opener = urllib.request.OpenerDirector()
    # Built by hand: without a handler for redirects they are errors, and no handler knows `file:` or `ftp:`.
    for handler in (
        urllib.request.ProxyHandler,
        _HTTPHandler,
        _HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    try:
        response = opener.open(url, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise
    with response:
        body: bytes = response.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise ValueError("The document is too large.")
    return body


class _Bounded(io.RawIOBase):
    """What a server sends, as long as it is no more and takes no longer than the whole of a response may.

    A socket's own timeout starts anew with every byte.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + (sock.gettimeout() or TIMEOUT)
        self._left = _MAX_HEAD + MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("The document takes too long.")
        self._sock.settimeout(remaining)
        count = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise ValueError("The document is too large.")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Bounded(sock))


class _Connection(http.client.HTTPConnection):
    response_class = _Response


class _SecureConnection(http.client.HTTPSConnection):
    response_class = _Response


class _HTTPHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        # Without a context, that of the module `ssl`, which verifies certificate and name.
        return self.do_open(_SecureConnection, req)
