"""What the tests of engines have in common: a Redis server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time

import pytest


@pytest.fixture
def redis_url():
    """A Redis server of the test's own."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("there is no redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        deadline = time.monotonic() + 20
        while not _answers(port):
            assert time.monotonic() < deadline
        yield f"redis://127.0.0.1:{port}", process
        process.kill()


def _answers(port):
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))
