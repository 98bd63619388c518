"""Pages that are rendered by Django's own loader, and what they asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.test.utils import CaptureQueriesContext

from django_avp.authorization import Authorization
from django_avp.identity import Identity
from django_avp.middleware import AuthorizationMiddleware
from tests.testapp.models import Account, Album, Photo, Tag


class Watched(Authorization):
    """An authorization that notes what templates read, and whether it was planned."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reads: dict[Any, bool] = {}
        self.own_queries = 0

    def answer(self, check, *, place=None, is_planned=True):
        self.reads.setdefault(check, is_planned)
        return super().answer(check, place=place, is_planned=is_planned)

    def decide(self):
        """Decide, and note how many queries that took."""
        before = len(connection.queries_log)
        super().decide()
        self.own_queries += len(connection.queries_log) - before

    @property
    def planned(self):
        """Everything that was collected, by whomever."""
        return {*self._decider.decisions, *self._decider.pending}


@dataclass
class Page:
    """A rendered page."""

    html: str
    avp: Watched
    queries: int

    @property
    def rounds(self):
        return [round_.checks for round_ in self.avp.rounds]

    @property
    def unplanned(self):
        return sum(round_.unplanned for round_ in self.avp.rounds)

    @property
    def unread(self):
        return self.avp.planned - self.avp.reads.keys()


@pytest.fixture
def templates(settings):
    """Give templates by name; ``page.html`` is the page."""

    def give(page, *, processors=(), loader="django.template.loaders.locmem.Loader", **others):
        texts = {name.replace("__", "/") + ".html": text for name, text in others.items()}
        settings.TEMPLATES = [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [(loader, {**texts, "page.html": page})],
                    "builtins": ["django_avp.templatetags.avp", "tests.planning.tags"],
                    "context_processors": ["django.template.context_processors.request", *processors],
                },
            }
        ]

    return give


@pytest.fixture
def request_of(rf, user):
    """A request of a user with a watched authorization."""

    def make(sub="ann", *groups):
        user(sub)
        request = rf.get("/")
        identity = Identity.from_claims({"sub": sub, "cognito:groups": list(groups), "aud": "client-1"})
        request.avp = Watched(identity, request=request)
        request.user = user(sub)
        return request

    return make


def by_render(request, context):
    """As ``render`` in a view."""
    return render(request, "page.html", context)


def by_response(request, context):
    """As a ``TemplateResponse`` that passes the middleware."""
    response = TemplateResponse(request, "page.html", context)
    return AuthorizationMiddleware(lambda _: response).process_template_response(request, response).render()


@pytest.fixture(params=[by_render, by_response])
def show(request, templates, request_of, settings):
    """Show a page with planning, after it was shown without: both are the same to the byte, with as many queries.

    Every test that shows a page proves this on its way. ``context`` is a function, so that each has its own.
    """
    rendered = request.param

    def make(text, context=dict, *, sub="ann", **others):
        templates(text, **others)
        settings.AVP_PLANNING = False
        plain = _shown(rendered, request_of(sub), context)
        settings.AVP_PLANNING = True
        page = _shown(rendered, request_of(sub), context)
        assert page.html == plain.html
        assert page.queries == plain.queries
        assert page.unplanned == sum(not is_planned for is_planned in page.avp.reads.values())
        return page

    return make


def _shown(rendered, request, context):
    given = context()
    with CaptureQueriesContext(connection) as queries:
        html = rendered(request, given).content.decode()
    # What a decision reads is not the page's.
    return Page(html, request.avp, len(queries) - request.avp.own_queries)


@pytest.fixture
def gallery(user):
    """Six photos of ann and bob in two albums of one account."""
    account = Account.objects.create(name="Main", slug="main")
    albums = [Album.objects.create(title=f"album {number}", account=account, owner=user("ann")) for number in range(2)]
    rows = [
        Photo.objects.create(
            title=f"photo {number}", owner=user("ann" if number % 2 else "bob"), album=albums[number % 2]
        )
        for number in range(6)
    ]
    rows[0].tags.add(Tag.objects.create(name="press"))
    return rows


def photos():
    """Photos as a page loads them that asks about them."""
    rows = Photo.objects.select_related("owner", "album__account", "album__owner").order_by("pk")
    return rows.prefetch_related("tags", "viewers", "comments__author")
