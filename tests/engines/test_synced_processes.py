"""The synced engine in eight processes with one Redis: one of them reads for all."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.engines.test_synced import FORBID, add, client, endpoint, operations, store

__all__ = ["client", "endpoint", "store"]

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 8
INTERVAL = 3


def heard(workers, word):
    """Wait until every worker has told a verdict."""
    deadline = time.monotonic() + 60
    for worker in workers:
        while (line := worker.stdout.readline().strip()) != word:
            assert line, "the worker has ended"
            assert time.monotonic() < deadline


def test_eight_processes_read_as_often_as_one(store, client, endpoint, mint, redis_url):
    """A change is seen by all of them, also after one has been killed, whatever it was about."""
    command = [sys.executable, "-m", "tests.engines.worker", store, endpoint.url, redis_url[0]]
    command += [mint.id_token("ann"), json.dumps(mint.jwks), str(INTERVAL)]
    endpoint.calls.clear()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
            )
            for _ in range(WORKERS)
        ]
        try:
            heard(workers, "permitted")
            begun, before = time.monotonic(), operations(endpoint).count("ListPolicyTemplates")
            forbid = add(client, store, FORBID)
            heard(workers, "forbidden")
            workers[0].kill()
            client.delete_policy(policyStoreId=store, policyId=forbid)
            heard(workers[1:], "permitted")
            passed = time.monotonic() - begun
            passes = operations(endpoint).count("ListPolicyTemplates") - before
        finally:
            for worker in workers:
                worker.kill()
    # Each change takes a pass more than a reading without one; eight workers on their own would make eight times that.
    assert passes <= 2 * (passed / INTERVAL * 2 + 2)
