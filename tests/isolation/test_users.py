"""Fifty users at once behind real servers: each answer is compared with what is true of who asked, and nobody else."""

from __future__ import annotations

import asyncio
import sys

import httpx
import pytest

from django_avp.authorization import Authorization
from django_avp.identity import Identity
from tests.isolation.people import LEAVERS, PEOPLE, PHOTOS, policies, truth
from tests.isolation.visitors import PATIENCE, Crowd
from tests.processes import serving
from tests.soak import SOAKING, runs
from tests.testapp.models import Photo

VISITS = 12_500
"""Requests to each server in its whole form."""
LAST = 1_000
"""Of these, so many come last, and are compared with as many before, when all that a process keeps for good is there.
Both are traced byte by byte: the first of the two fill what is kept for a while with what is traced."""
MOST_OBJECTS = 5_000
"""Objects that Python's garbage collector may know more after those."""
MOST_BYTES = 1_000_000
"""Bytes that may be kept of those: a fifth of the least that a request needs, kept of each."""
# Of each class of ours; the request that looks is one.
MOST_OF_OURS = 3

GUNICORN = [
    *("-m", "gunicorn", "--no-control-socket", "--worker-class=gthread", "--threads=8", "--log-level=error"),
    *("--bind=127.0.0.1:{port}", "tests.isolation.wsgi"),
]
UVICORN = ["-m", "uvicorn", "--log-level=critical", "--port={port}", "tests.isolation.asgi:application"]
SERVERS = {"wsgi": GUNICORN, "asgi": UVICORN}
# Each with decisions that are remembered for so many seconds, or not at all.
FORMS = [("wsgi", 60), ("asgi", 0), ("wsgi", 0), ("asgi", 60)]


@pytest.mark.parametrize(("server", "ttl"), FORMS if SOAKING else FORMS[:2])
def test_nobody_gets_anothers_answer(environment, tokens, tmp_path, server, ttl):
    """Every answer is its own user's, and when all are gone the process holds no more than it did before."""
    variables = {**environment, "SITE_CACHE_TTL": str(ttl)}
    stayers, leavers = PEOPLE[: runs(8, -LEAVERS)], PEOPLE[-runs(2, LEAVERS) :]
    crowds = []
    with serving([sys.executable, *SERVERS[server]], variables, tmp_path / "log") as url:

        def come(visits):
            crowd = Crowd(int(url.rpartition(":")[2]), tokens, stayers, leavers, server == "asgi", visits)
            asyncio.run(crowd.come())
            crowds.append(crowd)
            return held(url)

        come(runs(40, VISITS - 2 * LAST))
        if SOAKING:
            held(url, trace="on")
        before = come(runs(20, LAST))
        after = come(runs(80, LAST))
    sent, left = sum(crowd.sent for crowd in crowds), sum(crowd.left for crowd in crowds)
    objects, traced = (after[name] - before[name] for name in ("objects", "traced"))
    print(f"{sent} requests, {left} of them left alone; {objects} objects more, {traced} bytes; {after['ours']}")
    assert crowds[-1].users == {None, *(person.number for person in (*stayers, *leavers))}
    assert all(count <= MOST_OF_OURS for count in after["ours"].values()), after
    if SOAKING:
        # Before that, what a process keeps for good is not all there yet.
        assert objects < MOST_OBJECTS
        assert traced < MOST_BYTES


def held(url, **parameters):
    """What the process holds."""
    return httpx.get(f"{url}/held/", params=parameters, timeout=PATIENCE, trust_env=False).json()


def test_what_is_true_is_what_cedar_says(authorize, user, settings, tmp_path):
    """The table that answers are compared with is made of numbers alone, and Cedar reads the same from the policies."""
    (tmp_path / "rights.cedar").write_text(policies())
    settings.AVP_POLICIES = [tmp_path]
    photos = [Photo.objects.create(pk=number, title=f"photo {number}") for number in range(1, PHOTOS + 1)]
    rows = {person: user(person.sub) for person in PEOPLE}
    for number, photo in enumerate(photos):
        photo.viewers.set([rows[person] for person in PEOPLE if person.edit[number] == "1"])
    seen = set()
    for person in PEOPLE:
        identity = authorize(person.sub, *person.groups, **person.claims).identity
        authorization = Authorization(identity, context={"note": person.email})
        authorization.collect(["ViewPhoto", "EditPhoto", "DeletePhoto"], photos)
        told = {
            name: "".join("1" if authorization.can(action, photo) else "0" for photo in photos)
            for name, action in (("view", "ViewPhoto"), ("edit", "EditPhoto"), ("delete", "DeletePhoto"))
        }
        assert told.items() <= truth(person, person.email).items()
        assert authorization.can("Moderate")
        assert not Authorization(identity, context={"note": "x"}).can("Moderate")
        seen.add(told["view"])
    assert isinstance(identity, Identity)
    assert len(seen) == len(PEOPLE)
