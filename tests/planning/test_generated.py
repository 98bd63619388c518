"""Templates that nobody wrote: whatever they are, what is read was planned, and what was planned is read.

Each tag carries a number in its context, so that a check tells the tag that it belongs to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from django.db import connection
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


@dataclass
class Source:
    """A template as it is being written, and what is known of each of its tags."""

    page: str = ""
    uncertain: dict[int, bool] = field(default_factory=dict)
    includes: dict[str, str] = field(default_factory=dict)


@st.composite
def pages(draw):
    """A page of nested loops, conditions, names and includes, with tags that ask in all places."""
    source = Source()

    def body(depth, is_uncertain):
        return "".join(node(depth, is_uncertain) for _ in range(draw(st.integers(1, 3))))

    def tag(is_uncertain):
        number = len(source.uncertain)
        source.uncertain[number] = is_uncertain
        action, resource = draw(
            st.sampled_from(
                [("ListPhotos", "")] + [(a, r) for a in ("EditPhoto", "ViewPhoto", "DeletePhoto") for r in RESOURCES]
            )
        )
        return f'{{% can "{action}" {resource} note="{number}"'

    def node(depth, is_uncertain):
        kinds = ["can", "text", "as"] + (["block", "if", "for", "for", "with", "include", "only"] if depth else [])
        kind = draw(st.sampled_from(kinds))
        return WRITERS[kind](depth - 1, is_uncertain)

    def can(depth, is_uncertain):
        return tag(is_uncertain) + " %}1{% else %}0{% endcan %}"

    def as_variable(depth, is_uncertain):
        return (
            tag(is_uncertain)
            + " as may %}{{ may.verdict }}{% if may %}"
            + (can(depth, True) if depth > 0 else "")
            + "{% endif %}"
        )

    def block(depth, is_uncertain):
        return tag(is_uncertain) + " %}" + body(depth, True) + "{% else %}" + body(depth, True) + "{% endcan %}"

    def if_(depth, is_uncertain):
        condition = draw(st.sampled_from(FREE + COSTLY))
        inside = is_uncertain or condition in COSTLY
        text = "{% if " + condition + " %}" + body(depth, inside)
        if draw(st.booleans()):
            condition = draw(st.sampled_from(FREE + COSTLY))
            inside = inside or condition in COSTLY
            text += "{% elif " + condition + " %}" + body(depth, inside)
        return text + "{% else %}" + body(depth, inside) + "{% endif %}"

    def for_(depth, is_uncertain):
        sequence = draw(st.sampled_from(SEQUENCES))
        inside = is_uncertain or sequence == "shelf.photos"
        name = draw(st.sampled_from(["photo", "item"]))
        how = draw(st.sampled_from(["", " reversed"]))
        text = "{% for " + name + " in " + sequence + how + " %}" + body(depth, inside)
        return text + "{% empty %}" + body(depth, inside) + "{% endfor %}"

    def with_(depth, is_uncertain):
        name = draw(st.sampled_from(["photo", "item"]))
        return "{% with " + name + "=" + draw(st.sampled_from(RESOURCES)) + " %}" + body(depth, is_uncertain) + "{% endwith %}"  # fmt: skip

    def include(depth, is_uncertain, how=""):
        name = f"part{len(source.includes)}.html"
        source.includes[name] = ""
        source.includes[name] = body(depth, is_uncertain)
        given = draw(st.sampled_from(RESOURCES))
        return "{% include '" + name + "' with photo=" + given + how + " %}"

    def only(depth, is_uncertain):
        return include(depth, is_uncertain, " only")

    WRITERS = {
        "can": can,
        "text": lambda depth, is_uncertain: draw(st.sampled_from(["a", "{{ photo.pk }}", "{{ forloop.counter }}"])),
        "as": as_variable,
        "block": block,
        "if": if_,
        "for": for_,
        "with": with_,
        "include": include,
        "only": only,
    }
    source.page = body(draw(st.integers(1, 4)), False)
    return source


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
    is_whole = rendered is by_response
    seen = {"read": 0, "unplanned": 0, "unread": 0}

    @given(pages())
    @SETTINGS
    def check(source):
        texts.clear()
        texts.update({"page.html": source.page, **source.includes})
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
        assert sum(round_.checks for round_ in avp.rounds) == len(avp._decisions)
        if is_whole and not unplanned:
            assert len(avp.rounds) <= 1
        for one in unread:
            assert source.uncertain[int(json.loads(one.context)["note"])], one
        seen["read"] += len(reads)
        seen["unplanned"] += len(unplanned)
        seen["unread"] += len(unread)

    with override_settings(AVP_USER_MODE="token", TEMPLATES=[backend(texts)]):
        check()
    # Otherwise these templates would show nothing.
    assert seen["read"] > 1000
    assert 0 < seen["unplanned"] < seen["read"] / 2
    assert seen["unread"]


SETTINGS = settings(
    max_examples=300,
    deadline=None,
    derandomize=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
