"""A policy store in a process of its own that answers at once what it was asked before.

The first time a question is decided by the local endpoint of :mod:`django_avp.testing`; from then on its answer is
ready, so that what is measured on the other side of the connection is the client's own work.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import django

from django_avp.policies import load
from django_avp.testing.endpoint import Endpoint, PolicyStore

__all__ = ["STORE", "Canned"]

STORE = "PSEXAMPLEabcdefg111111"
LATENCIES = (0.0, 0.010)


class Canned:
    """The server, with a port for each latency.

    Args:
        policies: directory of the store's policies and schema.
        jwks: the keys that verify tokens.
        pool: the user pool of its identity source.
        latencies: seconds that answers are late.
    """

    def __init__(
        self, policies: Path, jwks: Mapping[str, Any], pool: str, latencies: Sequence[float] = LATENCIES
    ) -> None:
        context = get_context("spawn")
        pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, policies, jwks, pool, latencies), daemon=True)
        self._process.start()
        theirs.close()
        self.urls = dict(zip(latencies, pipe.recv(), strict=True))

    def last(self) -> bytes:
        """The body of the last request."""
        with urllib.request.urlopen(f"{self.urls[0.0]}/last") as response:  # noqa: S310 - on the loopback address
            body: bytes = response.read()
        return body

    def options(self, latency: float = 0.0) -> dict[str, str]:
        """Keyword arguments for ``boto3.client``."""
        return {
            "endpoint_url": self.urls[latency],
            "region_name": "eu-west-1",
            "aws_access_key_id": "local",
            "aws_secret_access_key": "local",
        }

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.join()


class _Answers:
    """What was decided, by the bodies of the requests."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._known: dict[tuple[str, bytes], bytes] = {}
        self.last = b""

    def answer(self, operation: str, body: bytes) -> bytes:
        """The answer to a request; it is decided the first time."""
        self.last = body
        question = operation, body
        if question not in self._known:
            self._known[question] = json.dumps(self._endpoint.answer(operation, body, "")).encode()
        return self._known[question]


class _Connection(asyncio.Protocol):
    """One kept connection, which asks one thing after the other."""

    def __init__(self, answers: _Answers, latency: float) -> None:
        self._answers = answers
        self._latency = latency
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        names = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
        if not blank or len(body) < int(names.get("content-length", 0)):
            return
        self._buffer = b""
        if head.startswith(b"GET"):
            answer = self._answers.last
        else:
            target = next(
                line for line in head.decode("latin-1").split("\r\n") if line.lower().startswith("x-amz-target")
            )
            answer = self._answers.answer(target.rpartition(".")[2], body)
        asyncio.get_running_loop().call_later(self._latency, self._send, answer)

    def _send(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


def _serve(pipe: Connection, policies: Path, jwks: Mapping[str, Any], pool: str, latencies: Sequence[float]) -> None:
    django.setup()
    store = PolicyStore.holding(load([policies]), policy_store_id=STORE, pool=pool)
    answers = _Answers(Endpoint([store], jwks=jwks))
    asyncio.run(_listen(pipe, answers, latencies))


async def _listen(pipe: Connection, answers: _Answers, latencies: Sequence[float]) -> None:
    loop, urls = asyncio.get_running_loop(), []
    for latency in latencies:
        make = lambda latency=latency: _Connection(answers, latency)  # noqa: E731 - one for each connection
        server = await loop.create_server(make, "127.0.0.1", 0)
        urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    pipe.send(urls)
    await asyncio.Event().wait()
