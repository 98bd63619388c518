"""Servers in processes of their own, on free ports of the loopback address."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60


@contextmanager
def serving(command: Sequence[str], environment: Mapping[str, str], log: Path, directory: Path = ROOT) -> Iterator[str]:
    """Run a server until the block is left, and give its address.

    ``{port}`` is a free one, in the command and in the environment's ``EXAMPLE_URL``.
    """
    port = _free_port()
    parts = [part.format(port=port) for part in command]
    if "EXAMPLE_URL" in environment:
        environment = {**environment, "EXAMPLE_URL": environment["EXAMPLE_URL"].format(port=port)}
    with (
        log.open("wb") as output,
        subprocess.Popen(parts, cwd=directory, env=environment, stdout=output, stderr=output) as process,  # noqa: S603
    ):
        try:
            _wait_for(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"Nothing answers on port {port}:\n{log.read_text()}")
