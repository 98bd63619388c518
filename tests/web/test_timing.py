"""Where 404 is asked for, a hidden object and an absent one look the same (rule D2), but for work that differs."""

from __future__ import annotations

import pytest
from django.db import connection
from django.http import Http404, HttpResponse
from django.template import engines
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.views.generic import DetailView
from ninja import NinjaAPI

from django_avp.decorators import action_required
from django_avp.mixins import ActionRequiredMixin
from django_avp.ninja import action_required as ninja_action_required
from django_avp.ninja import add_exception_handlers
from django_avp.runtime import runtime
from tests.site_engines import CountingEngine
from tests.testapp.models import Photo

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def find(request, pk):
    try:
        return Photo.objects.get(pk=pk)
    except Photo.DoesNotExist:
        raise Http404(f"There is no photo {pk}.") from None


async def afind(request, pk):
    return await Photo.objects.filter(pk=pk).afirst()


def view(request, pk):
    return HttpResponse("here")


async def aview(request, pk):
    return HttpResponse("here")


class Hidden(ActionRequiredMixin, DetailView):
    action_required, raise_404, model = "EditPhoto", True, Photo
    template_name = "photo.html"


class AsyncHidden(Hidden):
    async def get(self, request, *args, **kwargs):
        return HttpResponse("here")


ninja = NinjaAPI(urls_namespace="timing", openapi_url=None)
add_exception_handlers(ninja)


@ninja.get("/{pk}/")
@ninja_action_required("EditPhoto", resource=(Photo, "pk"), raise_404=True)
def operation(request, pk: int):
    return "here"


def hiding(resource):
    return action_required("EditPhoto", resource=resource, raise_404=True)


KINDS = {
    "pair": hiding((Photo, "pk"))(view),
    "callable": hiding(find)(view),
    "async-pair": hiding((Photo, "pk"))(aview),
    "async-callable": hiding(afind)(aview),
    "class": Hidden.as_view(),
    "async-class": AsyncHidden.as_view(),
}


def not_found(request, exception):
    """A page of a site that shows why, as Django's documentation has it."""
    text = "{{ request_path }} is not here: {{ exception }}"
    shown = exception.args[0] if exception.args else type(exception).__name__
    return HttpResponse(
        engines["django"].from_string(text).render({"request_path": "It", "exception": shown}), status=404
    )


handler404 = not_found
urlpatterns = [*(path(f"{name}/<int:pk>/", kind) for name, kind in KINDS.items()), path("ninja/", ninja.urls)]
NAMES = [*KINDS, "ninja"]


@pytest.fixture
def hidden(photo):
    """The key of a photo of ann's, which bob may not see, and one of no photo."""
    return photo.pk, photo.pk + 1


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize("name", NAMES)
def test_d2_hidden_and_absent_look_the_same(make_client, hidden, settings, name, accept):
    """The same status, the same headers and the same bytes; ``Server-Timing`` is for developers, and is off."""
    settings.AVP_SERVER_TIMING = False
    client = make_client("bob")
    there, absent = (client.get(f"/{name}/{pk}/", headers={"Accept": accept}) for pk in hidden)

    assert (there.status_code, absent.status_code) == (404, 404)
    assert there.headers == absent.headers
    assert there.content == absent.content
    assert make_client("ann").get(f"/{name}/{hidden[0]}/").status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_d2_nobody_is_refused_before_anything_is_looked_up(hidden, name):
    """Without a query and without a round, whether it exists or not; a bad token, too."""
    for headers in ({}, {"Authorization": "Bearer bad"}):
        with runtime.use_engine(CountingEngine()) as engine, CaptureQueriesContext(connection) as queries:
            answers = [Client(headers=headers).get(f"/{name}/{pk}/") for pk in hidden]
        assert [answer.status_code for answer in answers] == [401, 401]
        assert answers[0].headers == answers[1].headers
        assert answers[0].content == answers[1].content
        assert len(queries) == 0
        assert engine.batches == []


def test_d2_the_work_for_what_is_hidden_is_the_decision(make_client, hidden):
    """What is absent costs the one query that does not find it, and whose user asks; what is hidden costs one round,
    and the queries for what its policies read. This is what a clock can tell, and the documentation says so."""
    client = make_client("bob")
    costs = {}
    client.get(f"/pair/{hidden[1]}/")
    for what, pk in zip(("hidden", "absent"), hidden, strict=True):
        with runtime.use_engine(CountingEngine()) as engine, CaptureQueriesContext(connection) as queries:
            client.get(f"/pair/{pk}/")
        costs[what] = len(engine.batches), sum("testapp_" in query["sql"] for query in queries.captured_queries)

    assert costs["absent"] == (0, 1)
    assert costs["hidden"][0] == 1
    assert costs["hidden"][1] > 1
