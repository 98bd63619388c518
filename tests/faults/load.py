"""Many users who ask a site at the same time, and what they see, held against the truth."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from tests.soak import runs

MOST_USERS = 16
USERS = [f"user{number}" for number in range(runs(6, MOST_USERS))]
PAGES = {
    "/photos/": "a gate, and three buttons on each of thirty photos",
    "/aphotos/": "the same, async",
    "/gallery/": "ninety checks, and no gate",
    "/agallery/": "the same, async",
    "/photos/2/": "a gate and three buttons",
    "/aphotos/3/": "the same, async",
    "/moderate/": "a gate",
    "/require/4/": "a check in the view",
}
PATIENCE = 60


def tokens(mint) -> dict[str, str]:
    """Who has which rights: by groups, by a scope, by what they own, or none."""
    made = {}
    for number, sub in enumerate(USERS):
        groups = [name for name, each in (("moderators", 4), ("suspended", 5)) if number % each == 1]
        make = mint.access_token if number % 3 == 2 else mint.id_token
        scope = {"scope": "photos/write"} if number % 6 == 2 else {}
        made[sub] = make(sub, groups=groups, **scope)
    return made


def shown(text: str) -> frozenset[str]:
    """What a page grants: the letters of each row, or words."""
    rows = re.findall(r"(\d+):([a-z-]*);", text)
    letters = [f"{row}{letter}" for row, granted in rows for letter in granted if letter != "-"]
    return frozenset(letters if rows else text.split())


@dataclass(frozen=True)
class Seen:
    """What a user saw.

    Attributes:
        kind: ``"right"``, ``"unavailable"`` (503), ``"hidden"`` (a page that lacks what was not decided), ``"refused"``
            (403 though the truth is a page), or ``"wrong"``: whatever the truth denies, and what is no answer.
        seconds: how long the user waited.
        what: page, status and text, for who has to find out.
    """

    kind: str
    seconds: float
    what: str = field(repr=False)


class Visitors:
    """All users of a site.

    Args:
        url: the site's address.
        tokens: each user's.
        truth: for each user and page, status and text.
    """

    def __init__(self, url: str, tokens: Mapping[str, str], truth: Mapping[str, Mapping[str, tuple[int, str]]]) -> None:
        self._host = url.removeprefix("http://")
        self._tokens = tokens
        self._truth = truth

    def ask(self, sub: str, page: str) -> Seen:
        """One request over a connection of its own."""
        started = time.monotonic()
        try:
            status, text = self.get(page, self._tokens[sub])
        except OSError as error:
            return Seen("wrong", time.monotonic() - started, f"{sub} {page}: {error!r}")
        seconds = time.monotonic() - started
        return Seen(self._kind(sub, page, status, text), seconds, f"{sub} {page}: {status} {text[:400]}")

    def get(self, page: str, token: str = "") -> tuple[int, str]:
        """Status and text of a page."""
        with closing(http.client.HTTPConnection(self._host, timeout=PATIENCE)) as connection:
            connection.request("GET", page, headers={"Authorization": f"Bearer {token}"} if token else {})
            response = connection.getresponse()
            return response.status, response.read().decode()

    def _kind(self, sub: str, page: str, status: int, text: str) -> str:
        true_status, true_text = self._truth[sub][page]
        if status == 503:
            return "unavailable"
        if status == 403:
            return "right" if true_status == 403 else "refused"
        if (status, true_status) != (200, 200) or not shown(text) <= shown(true_text):
            return "wrong"
        return "right" if shown(text) == shown(true_text) else "hidden"

    def all_ask(self, pages: Iterable[str], until: Callable[[int], bool]) -> list[Seen]:
        """All users at once, each page after page, as long as ``until`` of the number of times says so."""
        asked = list(pages)

        def go_round(number: int) -> list[Seen]:
            seen: list[Seen] = []
            times = 0
            while not until(times):
                for place in range(len(asked)):
                    # Not all of them at the same page.
                    seen.append(self.ask(USERS[number], asked[(place + number) % len(asked)]))
                times += 1
            return seen

        with ThreadPoolExecutor(len(USERS)) as users:
            return [one for of_user in users.map(go_round, range(len(USERS))) for one in of_user]

    def threads(self) -> Counter[str]:
        """How many threads the site's process has of which name."""
        return Counter(json.loads(self.get("/threads/")[1])["threads"])


def counted(seen: Iterable[Seen]) -> dict[str, int]:
    """How many saw what."""
    return dict(Counter(one.kind for one in seen))
