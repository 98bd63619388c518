"""Templates that nobody wrote: whatever they are, what is read was planned, and what was planned is read.

Each tag carries a number in its context, so that a check tells the tag that it belongs to.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from itertools import product

import pytest
from django.db import connection, reset_queries
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_avp.identity import Identity
from django_avp.middleware import AuthorizationMiddleware
from tests.planning.conftest import Watched, photos
from tests.testapp.models import Album

pytestmark = pytest.mark.django_db

# What rendering alone can tell: a method, and a queryset that is not fetched.
COSTLY = ["shelf.is_open", "shelf.is_shut", "later"]
FREE = [
    "yes",
    "no",
    "missing",
    "number > 2",
    "number == 3",
    "photo",
    "photo.title",
    "photo.owner == owner",
    "not no",
    "yes and number < 9",
    "no or forloop.first",
    "forloop.counter > 1",
    "'x' in words",
    "owner is photo.owner",
    "words|length > 1",
    "photo.album.title|default:'z' == 'album 1'",
]
SEQUENCES = ["photos", "few", "empty", "missing", "album.photo_set.all", "words", "later", "shelf.photos", "more"]
RESOURCES = ["photo", "photos.0", "photos.1", "photos|first", "item", "album.missing", "shelf.first"]


class Shelf:
    """Answers by methods."""

    def __init__(self, rows):
        self.rows = rows

    def is_open(self):
        return True

    def is_shut(self):
        return False

    def photos(self):
        return self.rows[:2]

    def first(self):
        return self.rows[0]


@dataclass(frozen=True)
class Place:
    """Where something is written: whether only rendering knows that it is shown, and whose values only that knows."""

    is_uncertain: bool = False
    unknown: frozenset[str] = frozenset()

    def under(self, condition):
        """Behind a condition."""
        names = set(re.findall(r"\b(?:photo|item)\b", condition))
        return replace(self, is_uncertain=self.is_uncertain or condition in COSTLY or bool(names & self.unknown))

    def uncertain(self):
        """In a branch of a decision."""
        return replace(self, is_uncertain=True)

    def naming(self, name, value):
        """Where a name stands for a value."""
        is_unknown = value == "shelf.first" or value in self.unknown
        return replace(self, unknown=self.unknown | {name} if is_unknown else self.unknown - {name})


class Writer:
    """Writes a page of nested loops, conditions, names and includes, with tags that ask in all places.

    ``uncertain`` tells of each tag, by its number, whether planning may ask what nobody reads.
    """

    def __init__(self, draw):
        self.draw = draw
        self.uncertain = {}
        self.includes = {}
        self.page = self.body(draw(st.integers(1, 4)), Place())

    def __repr__(self):
        return f"<{self.page!r}, {self.includes!r}, {self.uncertain!r}>"

    def choose(self, values):
        return self.draw(st.sampled_from(values))

    def body(self, depth, place):
        return "".join(self.node(depth, place) for _ in range(self.draw(st.integers(1, 3))))

    def node(self, depth, place):
        flat = [self.can, self.text, self.as_variable]
        nested = [self.block, self.if_, self.for_, self.for_, self.with_, self.include, self.include_only]
        return self.choose(flat + nested if depth else flat)(depth - 1, place)

    def tag(self, place):
        number = len(self.uncertain)
        self.uncertain[number] = place.is_uncertain
        actions = [("ListPhotos", ""), *product(("EditPhoto", "ViewPhoto", "DeletePhoto"), RESOURCES)]
        action, resource = self.choose(actions)
        return f'{{% can "{action}" {resource} note="{number}"'

    def text(self, depth, place):
        return self.choose(["a", "{{ photo.pk }}", "{{ forloop.counter }}"])

    def can(self, depth, place):
        return self.tag(place) + " %}1{% else %}0{% endcan %}"

    def as_variable(self, depth, place):
        inside = self.can(depth, place.uncertain())
        return self.tag(place) + " as may %}{{ may.verdict }}{% if may %}" + inside + "{% endif %}"

    def block(self, depth, place):
        true, false = (self.body(depth, place.uncertain()) for _ in range(2))
        return self.tag(place) + " %}" + true + "{% else %}" + false + "{% endcan %}"

    def if_(self, depth, place):
        text = ""
        for word in self.choose([["if"], ["if", "elif"]]):
            condition = self.choose(FREE + COSTLY)
            place = place.under(condition)
            text += "{% " + word + " " + condition + " %}" + self.body(depth, place)
        return text + "{% else %}" + self.body(depth, place) + "{% endif %}"

    def for_(self, depth, place):
        name, sequence, how = self.choose(["photo", "item"]), self.choose(SEQUENCES), self.choose(["", " reversed"])
        body, empty = self.body(depth, place.naming(name, sequence)), self.body(depth, place)
        return "{% for " + name + " in " + sequence + how + " %}" + body + "{% empty %}" + empty + "{% endfor %}"

    def with_(self, depth, place):
        name, value = self.choose(["photo", "item"]), self.choose(RESOURCES)
        return "{% with " + name + "=" + value + " %}" + self.body(depth, place.naming(name, value)) + "{% endwith %}"

    def include(self, depth, place, how=""):
        value = self.choose(RESOURCES)
        inside = place.naming("photo", value)
        if how:
            inside = replace(inside, unknown=inside.unknown & {"photo"})
        name = f"part{len(self.includes)}.html"
        self.includes[name] = ""
        self.includes[name] = self.body(depth, inside)
        return "{% include '" + name + "' with photo=" + value + how + " %}"

    def include_only(self, depth, place):
        return self.include(depth, place, " only")


@st.composite
def pages(draw):
    """Pages that a writer writes."""
    return Writer(draw)


def context():
    found = list(photos())
    return {
        "photos": found,
        "photo": found[2],
        "few": tuple(found[3:5]),
        "empty": [],
        "words": ["x", "y"],
        "owner": found[1].owner,
        "album": Album.objects.prefetch_related("photo_set__owner").first(),
        "later": photos(),
        "more": (photo for photo in found[:2]),
        "yes": True,
        "no": False,
        "number": 3,
        "shelf": Shelf(found),
    }


def request_of():
    request = RequestFactory().get("/")
    identity = Identity.from_claims({"sub": "ann", "aud": "client-1"})
    request.avp = Watched(identity, request=request)
    return request


def by_response(request):
    response = TemplateResponse(request, "page.html", context())
    return AuthorizationMiddleware(lambda _: response).process_template_response(request, response).render()


def backend(texts):
    """Django's own, with templates that change."""
    options = {
        "loaders": [("django.template.loaders.locmem.Loader", texts)],
        "builtins": ["django_avp.templatetags.avp"],
        "context_processors": ["django.template.context_processors.request"],
    }
    return {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": options}


def shown(request, rendered):
    """The page and its queries, or what rendering raised."""
    reset_queries()  # Django keeps a limited number of them
    with CaptureQueriesContext(connection) as queries:
        try:
            content = rendered(request).content
        except Exception as error:
            return type(error), str(error)
    return content, len(queries) - request.avp.own_queries


@pytest.mark.parametrize(
    "rendered", [by_response, lambda request: render(request, "page.html", context())], ids=["response", "render"]
)
def test_what_is_read_was_planned_and_what_is_planned_is_read(rendered, gallery):
    """And the page is the same to the byte, with as many queries, as without planning."""
    texts = {}
    seen = {"read": 0, "unplanned": 0, "unread": 0}

    @given(pages())
    @SETTINGS
    def check(page):
        texts.clear()
        texts.update({"page.html": page.page, **page.includes})
        with override_settings(AVP_PLANNING=False):
            plain = shown(request_of(), rendered)
        request = request_of()
        assert shown(request, rendered) == plain
        if not isinstance(plain[0], bytes):
            return
        avp = request.avp
        reads, unread = avp.reads, avp.planned - avp.reads.keys()
        unplanned = [check for check, is_planned in reads.items() if not is_planned]
        assert len(unplanned) == sum(round_.unplanned for round_ in avp.rounds)
        assert sum(round_.checks for round_ in avp.rounds) == len(avp._decider.decisions)
        if not unplanned:
            # A second one for rows that a decision let rendering fetch.
            assert len(avp.rounds) <= 2
        for one in unread:
            assert page.uncertain[int(json.loads(one.context)["note"])], one
        seen["read"] += len(reads)
        seen["unplanned"] += len(unplanned)
        seen["unread"] += len(unread)

    with override_settings(AVP_USER_MODE="token", TEMPLATES=[backend(texts)]):
        check()
    # Otherwise these templates would show nothing.
    assert seen["read"] > 300
    assert seen["unplanned"]
    assert seen["unread"]


SETTINGS = settings(
    # The same ones each time; PLANNING_CASES=5000 tries as many that nobody has seen.
    max_examples=int(os.environ.get("PLANNING_CASES", "300")),
    derandomize="PLANNING_CASES" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
