"""Visitors of the site of many users: each connection asks for all of them, and looks at every answer by itself.

The client speaks HTTP/1.1 by hand, to keep connections, to send several requests before the first is answered, and to
go away in the middle of an answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from random import Random

from tests.isolation.people import PHOTOS, POOL, Person, truth, viewed
from tests.soak import runs

PATIENCE = runs(60, 600)
"""Seconds that the slowest of many answers may take on a machine that has much else to do."""
CONNECTIONS = 16
"""So many ask for anybody; each user who is deactivated meanwhile has one more of their own."""
LEAVING = 0.02
"""How often a visitor goes away instead of reading the answers."""
TOGETHER = 4
"""At most so many requests are sent at once on one connection."""

GATES = ("gate", "agate")
PAGES = (
    *("page", "rendered", "arendered", "can", "acan", "permissions", "apermissions", "lists", "alists", "api"),
    *("hops", "stream", "astream"),
)
FAILURES = ("broken", "abroken")
# A loop that ends with the request, as under WSGI, has no tasks that go on.
TASKS = ("background",)


@dataclass(frozen=True)
class Visit:
    """One request, and what its answer must be."""

    nonce: str
    path: str
    headers: dict[str, str]
    status: int
    person: Person | None
    note: str
    is_active: bool = True

    def request(self) -> bytes:
        lines = [f"GET /{self.path} HTTP/1.1", "Host: 127.0.0.1", f"X-Nonce: {self.nonce}", f"X-Note: {self.note}"]
        return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in self.headers.items()), "", ""]).encode()

    def check(self, status: int, body: bytes) -> None:
        """Compare an answer with what is true of the one who asked, whatever the site says."""
        said = f"{self.path} by {self.person}: {status} {body[:1000]!r}"
        assert status == self.status, said
        if status in (401, 403):
            assert POOL.encode() not in body, said
            return
        told = json.loads(body)
        expected = {**truth(self.person, self.note, is_active=self.is_active), "nonce": self.nonce}
        for name, value in told.items():
            assert value == expected[name], f"{name}: {value!r} is not {expected[name]!r}; {said}"
        assert told["nonce"] == self.nonce, said


@dataclass
class Crowd:
    """All connections to a server.

    Args:
        port: of the server.
        tokens: of each user, by number.
        stayers: the users that any connection asks for.
        leavers: the users that are deactivated and activated again meanwhile.
        has_loop: whether tasks go on when their request is answered.
        visits: how many requests are sent in all, at least.
    """

    port: int
    tokens: list[str]
    stayers: list[Person]
    leavers: list[Person]
    has_loop: bool
    visits: int
    cookies: dict[int, str] = field(default_factory=dict)
    sent: int = 0
    left: int = 0
    users: set[int | None] = field(default_factory=set)

    async def come(self) -> None:
        """Ask until there were enough requests."""
        await self._enter()
        async with asyncio.TaskGroup() as group:
            for number in range(CONNECTIONS):
                group.create_task(self._ask(_chance(number)))
            for person in self.leavers:
                group.create_task(self._leave(person, _chance(CONNECTIONS + person.number)))

    async def _enter(self) -> None:
        """Begin a session for every user who stays, and have made what is kept for each: conditions of lists."""
        connection = Connection(self.port)
        for person in self.leavers:
            headers = {"Authorization": f"Bearer {self.tokens[person.number]}"}
            await connection.ask([self._visit("return", person, headers, "x")])
        for person in self.stayers:
            headers = {"Authorization": f"Bearer {self.tokens[person.number]}"}
            answer, *_ = await connection.ask([self._visit(path, person, headers, "") for path in ("enter", "lists")])
            self.cookies[person.number] = answer.cookie
        await connection.close()

    async def _ask(self, random: Random) -> None:
        """One connection that asks for everybody."""
        connection = Connection(self.port)
        while self.sent < self.visits:
            visits = [self._any(random) for _ in range(random.randint(1, TOGETHER))]
            tasks = [visit for visit in visits if visit.path == "background/"]
            if not tasks and random.random() < LEAVING:
                self.left += len(visits)
                await connection.leave(visits, random.randrange(300))
                continue
            await connection.ask(visits)
            for visit in tasks:
                found = replace(visit, path=f"found/?nonce={visit.nonce}", headers={})
                self._count(found)
                await connection.ask([found])
        await connection.close()

    async def _leave(self, person: Person, random: Random) -> None:
        """One connection of a user who is deactivated and activated again, over and over."""
        connection = Connection(self.port)
        headers = {"Authorization": f"Bearer {self.tokens[person.number]}"}
        is_active = True
        while self.sent < self.visits or not is_active:
            for _ in range(random.randint(1, 4)):
                path = random.choice([*GATES, *PAGES, *FAILURES])
                note = random.choice([person.email, "x"])
                await connection.ask([self._visit(path, person, headers, note, is_active)])
            await connection.ask([self._visit("leave" if is_active else "return", person, headers, "x", is_active)])
            is_active = not is_active
        await connection.close()

    def _any(self, random: Random) -> Visit:
        """A request of anybody, signed in by a token, by a session, by both, or not at all."""
        person = random.choice([*self.stayers, None])
        other = random.choice(self.stayers)
        way = random.choice(["token", "session", "both"])
        headers = {}
        if person is not None and way != "session":
            headers["Authorization"] = f"Bearer {self.tokens[person.number]}"
        if person is not None and way == "session":
            headers["Cookie"] = self.cookies[person.number]
        elif way == "both" and person is not None:
            # The token counts, whoever the session is of.
            headers["Cookie"] = self.cookies[other.number]
        note = random.choice([person.email if person else "x", other.email])
        tasks = TASKS if self.has_loop and person is not None else ()
        return self._visit(random.choice([*GATES, *PAGES, *FAILURES, *tasks]), person, headers, note)

    def _visit(
        self, path: str, person: Person | None, headers: dict[str, str], note: str, is_active: bool = True
    ) -> Visit:
        photo = self.sent % PHOTOS + 1
        status = 500 if path in FAILURES else 200
        if path in GATES or path == "api":
            is_permitted = path == "api" or photo in viewed(person.number) if person else False
            status = 401 if person is None else 200 if is_permitted and is_active else 403
        where = f"{path}/{photo}/" if path in GATES else f"{path}/"
        visit = Visit(str(self.sent), where, headers, status, person, note, is_active)
        self._count(visit)
        return visit

    def _count(self, visit: Visit) -> None:
        self.sent += 1
        self.users.add(visit.person.number if visit.person else None)


def _chance(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - no secret


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    cookie: str
    body: bytes


class Connection:
    """A connection that is kept for as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, visits: list[Visit]) -> list[Answer]:
        """Send requests one directly after the other, and check the answers, which come in their order."""
        answers: list[Answer] = []
        async with asyncio.timeout(PATIENCE):
            while len(answers) < len(visits):
                rest = visits[len(answers) :]
                reader, writer = await self._open()
                writer.write(b"".join(visit.request() for visit in rest))
                for visit in rest:
                    answer, is_last = await _answer(reader)
                    visit.check(answer.status, answer.body)
                    answers.append(answer)
                    if is_last:
                        # What was sent after it is sent again.
                        await self.close()
                        break
        return answers

    async def leave(self, visits: list[Visit], after: int) -> None:
        """Send requests, and go away after some bytes of the answers."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await self._open()
            writer.write(b"".join(visit.request() for visit in visits))
            await reader.read(after)
            writer.transport.abort()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()
            self._streams = None


async def _answer(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    """The next answer, and whether the server says that it is the last one."""
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers: dict[str, str] = {}
    for line in filter(None, lines):
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join([part async for part in _chunks(reader)])
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        body = await reader.read()
    answer = Answer(int(head.split()[1]), headers.get("set-cookie", "").partition(";")[0], body)
    return answer, headers.get("connection", "").lower() == "close"


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
