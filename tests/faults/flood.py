"""A flood of requests, each with a key id of its own: ``python -m tests.faults.flood PORT SECONDS < token``.

It prints how many were answered with which status, and seconds: how long it took, and what 99 of 100 did not exceed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence

CONNECTIONS = 16
PATH = "/moderate/"


def with_key_id(token: str, key_id: str) -> str:
    """The token with another key id in its header."""
    header, rest = token.split(".", 1)
    named = {**json.loads(base64.urlsafe_b64decode(header + "==")), "kid": key_id}
    return f"{base64.urlsafe_b64encode(json.dumps(named).encode()).rstrip(b'=').decode()}.{rest}"


def made_up(token: str) -> Iterator[str]:
    """The token with one made-up key id after the other."""
    while True:
        yield with_key_id(token, str(uuid.uuid4()))


def p99(seconds: Sequence[float]) -> float:
    """What 99 of 100 do not exceed."""
    return sorted(seconds)[int(len(seconds) * 0.99)]


async def ask(port: int, token: str, until: float, statuses: Counter[int], seconds: list[float]) -> None:
    """Ask over one connection, again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for bearer in made_up(token):
        before = time.perf_counter()
        if before >= until:
            break
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        # The site leaves the length to the server, and both servers answer in chunks then.
        await reader.readuntil(b"0\r\n\r\n")
        statuses[int(head.split()[1])] += 1
        seconds.append(time.perf_counter() - before)
    writer.close()


async def main(port: int, duration: float, token: str) -> None:
    """Ask over all connections."""
    statuses: Counter[int] = Counter()
    seconds: list[float] = []
    before = time.perf_counter()
    until = before + duration
    await asyncio.gather(*[ask(port, token, until, statuses, seconds) for _ in range(CONNECTIONS)])
    print(json.dumps({"statuses": statuses, "seconds": time.perf_counter() - before, "p99": p99(seconds)}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), sys.stdin.read()))
