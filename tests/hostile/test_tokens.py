"""Every token of the table over real HTTP: nobody is identified, nothing breaks, and nothing of it is told."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings as django_settings

from tests.hostile.lab import POOL, SECRET
from tests.hostile.servers import Answer, Records, Site
from tests.hostile.tokens import FAMILIES, Attack, oddities

GATED, OPEN = "/moderate/", "/open/"
INVALID = 'Bearer error="invalid_token"'
# What `http.server` takes as one line.
LONGEST_HEADER = 60_000
# Under ASGI a token of so many is tried.
STEP = 8
WORD = re.compile(r"[\w-]{16,}")

families = pytest.mark.parametrize("family", FAMILIES)


def bearer(token: str) -> tuple[str, str]:
    return "Authorization", f"Bearer {token}"


def session(**values: object) -> tuple[str, str]:
    """The cookie of a new session on the server with these values."""
    store = import_module(django_settings.SESSION_ENGINE).SessionStore()
    store.update(values)
    store.save()
    return "Cookie", f"{django_settings.SESSION_COOKIE_NAME}={store.session_key}"


def traces(told: str, tokens: Iterable[str]) -> set[str]:
    """What was told of tokens: words of sixteen letters or more that are a piece of one, and any claim."""
    # What comes behind that in the longest is the same letter again.
    everything = "\n".join(token[:140_000] for token in tokens)
    # The pool's name is public, and stands in the names of users whom the audit log has.
    words = {word for word in WORD.findall(told) if word in everything and word != POOL}
    return words | {SECRET} if SECRET in told else words


def attempts(attack: Attack, token: str) -> dict[str, tuple[str, str]]:
    """The headers that carry a token, by the place where it is."""
    places = {}
    if attack.in_header and len(token) <= LONGEST_HEADER:
        places["header"] = bearer(token)
    # An empty text in a session is the absence of a token.
    if token:
        places["session"] = session(**{f"{attack.kind}_token": token})
    return places


def is_refused(answer: Answer) -> bool:
    return (answer.status, answer.challenge) == (401, INVALID)


def is_anonymous(answer: Answer) -> bool:
    return answer.status == 200 and answer.text.endswith("\n\nhello nobody")


def faults(site: Site, records: Records, attack: Attack, token: str) -> list[str]:
    """What a site does with a token that it should not."""
    found = []
    for place, header in attempts(attack, token).items():
        for time in ("first", "again")[: 2 if place == "header" else 1]:
            seen = len(records.codes)
            answer = site.get(GATED, header)
            codes = set(records.codes[seen:])
            if not is_refused(answer):
                found.append(f"{place}, {time}: {answer.status} {answer.challenge}")
            if codes != {attack.code} and (attack.code or not codes):
                found.append(f"{place}, {time}: {codes} and not {attack.code}")
            if traces(answer.text, [token]):
                found.append(f"{place}, {time}: the answer has a part of it")
        if not is_anonymous(answer := site.get(OPEN, header)):
            found.append(f"{place}: {answer.status} for an ungated view")
    return found


@families
def test_c2_hostile_tokens_identify_nobody_and_leave_no_trace(served, lab, records, family):
    """401 from a gate, nobody on an open page; the fault is the table's; no record and no answer has a part of them.

    Each is sent in a header, again, and from a session, after good tokens have been remembered.
    """
    server, site = served
    attacks = list(FAMILIES[family]())[:: 1 if server == "wsgi" else STEP]
    tokens = {attack.name: attack.make(lab) for attack in attacks}
    # Whom a gate lets pass is in the audit log, by name.
    good = bearer(lab.claiming(sub='"mona"'))
    assert site.get(GATED, good).status == 200
    for kind in ("id", "access"):
        assert SECRET in site.get(OPEN, bearer(lab.good(kind))).text

    found = {attack.name: faults(site, records, attack, tokens[attack.name]) for attack in attacks}

    assert {name: told for name, told in found.items() if told} == {}
    assert site.get(GATED, good).status == 200
    told = "\n".join(records.texts)
    assert "avp.token_refused" in told
    assert traces(told, tokens.values()) == set()


def test_a_trace_would_be_seen(served, lab, records):
    """In a message, in arguments, in a field and in an error, whole or in part, at any level of any logger."""
    token = lab.forged()
    logger = logging.getLogger("django.request")

    def told(*arguments: object, **fields: Any) -> bool:
        records.clear()
        logger.log(3, *arguments, **fields)
        return bool(traces("\n".join(records.texts), [token]))

    assert told(f"refused {token}")
    assert told("refused %s", token[-20:])
    assert told("refused", extra={"token": {"start": token[:20]}})
    try:
        raise ValueError(token[100:120])
    except ValueError:
        assert told("refused", exc_info=True)
    assert told(SECRET)
    assert not told("refused")


def test_the_table_is_large_and_has_nothing_twice(lab):
    """Names and tokens differ, and so many of the tokens are hostile."""
    attacks = {(family, attack.name): attack for family, make in FAMILIES.items() for attack in make()}
    tokens = {attack.make(lab) for attack in attacks.values()}

    assert len(attacks) == len(tokens) == sum(len(list(make())) for make in FAMILIES.values())
    assert len(tokens) >= 1_500


@pytest.mark.parametrize("kind", ["id", "access"])
def test_genuine_tokens_are_what_they_say_however_odd(served, lab, records, kind):
    """What looks like an attack in a genuine token is data: it opens nothing, and it breaks nothing.

    A name that is written as Cedar is a name, and a group that is called almost as another is another.
    """
    _, site = served
    odd = [oddity for oddity in oddities() if oddity.kind == kind]

    found = {}
    for oddity in odd:
        token = oddity.make(lab)
        headers = (bearer(token), session(**{f"{kind}_token": token}))
        found[oddity.name] = {(site.get(GATED, header).status, site.get(OPEN, header).status) for header in headers}

    assert found == {oddity.name: {(oddity.status, 200)} for oddity in odd}
    assert records.codes == []
