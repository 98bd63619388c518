"""Small documents of an issuer over HTTP, within limits of time and size: key sets, where else it is found, tokens."""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["TIMEOUT", "Answer", "ask", "fetch_document"]

TIMEOUT = 2.0
"""Seconds that a request waits for a document."""
MAX_BYTES = 1_000_000
# What may stand before a body: headers, and any number of interim responses.
_MAX_HEAD = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says, whatever its status.

    Attributes:
        status: of HTTP.
        headers: by name.
        body: the whole of it.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def fetch_document(url: str, *, timeout: float = TIMEOUT) -> bytes:
    """Fetch the document at an http or https URL; redirects are refused, and so is more than a megabyte.

    Args:
        url: where it is.
        timeout: seconds to connect within, and then for the whole response, however its bytes come.

    Raises:
        OSError, ValueError, http.client.HTTPException: it cannot be fetched.
    """
    with _opened(url, timeout) as response:
        if not 200 <= response.status < 300:
            raise urllib.error.HTTPError(url, response.status, response.reason, response.headers, None)
        return _body(response)


def ask(method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, timeout: float) -> Answer:
    """Send a request within the limits of :func:`fetch_document`; no status is an error, and no redirect is followed.

    Args:
        method: of HTTP.
        url: where to.
        headers: by name.
        body: what is sent.
        timeout: as in :func:`fetch_document`.

    Raises:
        OSError, ValueError, http.client.HTTPException: it cannot be sent, or the answer is none.
    """
    request = urllib.request.Request(url, body, dict(headers), method=method)  # noqa: S310 - no handler opens another scheme
    with _opened(request, timeout) as response:
        return Answer(response.status, dict(response.headers.items()), _body(response))


def _opened(request: urllib.request.Request | str, timeout: float) -> http.client.HTTPResponse:
    opener = urllib.request.OpenerDirector()
    # Built by hand: without the handlers for errors and redirects each status is an answer, and none knows `file:` or
    # `ftp:`.
    for handler in (urllib.request.ProxyHandler, _HTTPHandler, _HTTPSHandler, urllib.request.UnknownHandler):
        opener.add_handler(handler())
    response: http.client.HTTPResponse = opener.open(request, timeout=timeout)
    return response


def _body(response: http.client.HTTPResponse) -> bytes:
    body = response.read(MAX_BYTES + 1)
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
