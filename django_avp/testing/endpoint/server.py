"""The endpoint over HTTP: AWS JSON 1.0 on the loopback address, with faults on demand and a log of what was called."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Event, Lock, Thread
from typing import Any

from django_avp.testing.endpoint.errors import ServiceError, refused
from django_avp.testing.endpoint.operations import call
from django_avp.testing.endpoint.quotas import Quotas
from django_avp.testing.endpoint.service import Service
from django_avp.testing.endpoint.state import PolicyStore

__all__ = ["Called", "Endpoint", "Fault"]

_TARGET = "VerifiedPermissions."
_CONTENT_TYPE = "application/x-amz-json-1.0"
_MOST_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Called:
    """A call that the endpoint was asked: its operation, and how many checks or policies it is about."""

    operation: str
    checks: int
    user_agent: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong in place of an answer.

    Attributes:
        error: a service error, such as ``"ThrottlingException"``.
        status: its HTTP status.
        body: what is sent in place of any answer.
        is_reset: whether the connection is closed without an answer.
        is_hung: whether there is no answer until the fault is lifted.
        delay: seconds that every answer is late, right as it is otherwise.
        members: more members of the error.
        operations: those that the error is for, such as ``"CreatePolicy"``; all of them if there are none.
    """

    error: str = ""
    status: int = 400
    body: bytes | None = None
    is_reset: bool = False
    is_hung: bool = False
    delay: float = 0
    members: Mapping[str, Any] = field(default_factory=dict)
    operations: Collection[str] = ()


class Endpoint:
    """A local endpoint with policy stores. Use it as a context manager::

        with Endpoint([store], jwks=jwks) as endpoint:
            boto3.client("verifiedpermissions", endpoint_url=endpoint.url, …)

    Args:
        stores: the policy stores that it has from the beginning; more can be created with the API.
        jwks: the public keys that verify tokens, of whatever user pool; none holds without.
        port: a port of the loopback address; a free one by default.
        has_quotas: whether it throttles what is over AVP's default quotas.
    """

    def __init__(
        self,
        stores: Iterable[PolicyStore] = (),
        *,
        jwks: Mapping[str, Any] | None = None,
        port: int = 0,
        has_quotas: bool = False,
    ) -> None:
        self._service = Service(stores, jwks)
        self.calls: list[Called] = []
        self._lock = Lock()
        self._fault: Fault | None = None
        self._lifted = Event()
        self._gate: Barrier | None = None
        self._following: Callable[[Called], object] | None = None
        self._quotas = Quotas() if has_quotas else None
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"endpoint": self}))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Its address, for ``endpoint_url``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def serve(self) -> None:
        """Answer until it is closed."""
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """Answer no more."""
        self._lifted.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Endpoint:
        Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Let every call of a block go wrong."""
        self._lifted.clear()
        self._fault = fault
        try:
            yield
        finally:
            self._fault = None
            self._lifted.set()

    @contextmanager
    def meeting(self, number: int) -> Iterator[None]:
        """Answer calls of a block only when so many are under way at once: proves that they are concurrent."""
        self._gate = Barrier(number)
        try:
            yield
        finally:
            self._gate = None

    @contextmanager
    def followed_by(self, function: Callable[[Called], object]) -> Iterator[None]:
        """Run a function after each call of a block, before its answer goes: what others do in between.

        Args:
            function: called with the call.
        """
        self._following = function
        try:
            yield
        finally:
            self._following = None

    def answer(self, operation: str, body: bytes, user_agent: str) -> dict[str, Any]:
        """The answer to a call.

        Raises:
            ServiceError: the service would answer with an error.
        """
        request = _request(body)
        requests = request.get("requests")
        called = Called(operation, len(requests) if isinstance(requests, list) else 1, user_agent)
        with self._lock:
            self.calls.append(called)
        if self._gate is not None:
            self._gate.wait(timeout=10)
        fault = self._fault
        if fault is not None and fault.error and (not fault.operations or operation in fault.operations):
            raise ServiceError(fault.error, "As you asked.", fault.members, status=fault.status)
        if self._quotas is not None:
            self._quotas.take(operation, str(request.get("policyStoreId", "")))
        answer = call(self._service, operation, request)
        if self._following is not None:
            self._following(called)
        return answer

    def disturb(self, connection: socket.socket) -> bytes | None:
        """Do what a fault does to a connection; what it returns is sent in place of an answer."""
        fault = self._fault
        if fault is None:
            return None
        if fault.is_hung or fault.delay:
            self._lifted.wait(None if fault.is_hung else fault.delay)
        if fault.is_hung or fault.is_reset:
            connection.shutdown(socket.SHUT_RDWR)
            return b""
        return fault.body


def _request(body: bytes) -> dict[str, Any]:
    if len(body) > _MOST_BYTES:
        raise refused("A request has at most 1 MB.")
    try:
        request = json.loads(body)
    except ValueError as error:
        raise ServiceError("SerializationException", "The request is not JSON.") from error
    if not isinstance(request, dict):
        raise ServiceError("SerializationException", "The request is not an object.")
    return request


class _Handler(BaseHTTPRequestHandler):
    """One connection. Nothing is logged: requests carry tokens."""

    protocol_version = "HTTP/1.1"
    # Else the body waits for the acknowledgement of the headers, which clients delay by 40 milliseconds.
    disable_nagle_algorithm = True
    endpoint: Endpoint

    def do_POST(self) -> None:
        """Answer an operation."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        disturbed = self.endpoint.disturb(self.connection)
        if disturbed is not None:
            self.close_connection = True
            if disturbed:
                self._send(200, disturbed)
            return
        operation = self.headers.get("X-Amz-Target", "").removeprefix(_TARGET)
        try:
            status, answer = 200, self.endpoint.answer(operation, body, self.headers.get("User-Agent", ""))
        except ServiceError as error:
            status, answer = (
                error.status,
                {"__type": f"com.amazonaws.verifiedpermissions#{error.code}", **error.members},
            )
        self._send(status, json.dumps(answer).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
