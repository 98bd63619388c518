"""Rules D of docs/rules.md: planning and gates."""

from __future__ import annotations

import re

import django
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.context_processors import PermWrapper
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db import connection
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template import engines
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.views.generic import CreateView, DeleteView, DetailView, FormView, ListView, TemplateView, UpdateView

from django_avp.authorization import Authorization
from django_avp.engines.cedar import CedarEngine
from django_avp.exceptions import ActionDenied
from django_avp.identity import Identity
from django_avp.middleware import AuthorizationRequiredMiddleware
from django_avp.mixins import ActionRequiredMixin
from django_avp.runtime import runtime
from django_avp.shortcuts import arender
from tests.required_urls import undeclared
from tests.testapp.models import Photo
from tests.testapp.views import PhotoList

pytestmark = pytest.mark.django_db

REQUIRED = "django_avp.middleware.AuthorizationRequiredMiddleware"


@pytest.fixture
def request_of(rf, user):
    """A request of a user, without the middleware."""

    def make(sub, path="/"):
        request = rf.get(path)
        request.avp = Authorization(Identity.from_claims({"sub": sub}), request=request)
        request.user = user(sub)
        return request

    return make


# D1


class Strict(ActionRequiredMixin):
    """Notes which of its methods run, and when."""

    calls: list[str]

    def get_context_data(self, **kwargs):
        self.calls.append("context")
        return super().get_context_data(**kwargs)

    def render_to_response(self, *args, **kwargs):
        self.calls.append("render")
        return super().render_to_response(*args, **kwargs)


class StrictDetail(Strict, DetailView):
    action_required = "EditPhoto"
    model = Photo
    template_name = "photo.html"


class StrictList(Strict, ListView):
    action_required = "Moderate"
    queryset = PhotoList.queryset
    template_name = "gallery.html"
    paginate_by = 2


@pytest.mark.parametrize("view_class", [StrictDetail, StrictList])
def test_d1_no_code_of_the_view_runs_before_the_gate_has_decided(request_of, photo, view_class):
    """``get_context_data`` is never called early, and not at all when the gate refuses."""
    calls = []
    view = type("View", (view_class,), {"calls": calls}).as_view()

    with pytest.raises(ActionDenied):
        view(request_of("bob"), pk=photo.pk)

    assert calls == []


def test_d1_a_template_that_the_view_s_own_code_names_is_not_planned_early(request_of, photo):
    """``get_template_names`` may do anything."""
    request = request_of("ann")

    class Page(ActionRequiredMixin, DetailView):
        action_required = "ViewPhoto"
        model = Photo

        def get_template_names(self):
            assert self.request.avp.rounds
            return ["photo.html"]

    Page.as_view()(request, pk=photo.pk)

    assert [round_.checks for round_ in request.avp.rounds] == [1]


@pytest.mark.parametrize(
    ("path", "checks"), [("/photos/{pk}/", 4), ("/photos/{pk}/form/", 3), ("/photos/", 4), ("/photos/?page=last", 4)]
)
def test_d1_gate_and_buttons_are_one_round_and_nothing_is_fetched_twice(make_client, photo, path, checks, settings):
    """Object, page and count: as many queries of the page as without planning."""
    client = make_client("ann")
    client.get("/open/")
    taken = {}
    for planning in (False, True):
        settings.AVP_PLANNING = planning
        with CaptureQueriesContext(connection) as queries:
            response = client.get(path.format(pk=photo.pk))
        assert response.status_code == 200
        taken[planning] = [query["sql"] for query in queries if re.search(r"FROM .testapp_photo\b", query["sql"])]

    assert [round_.checks for round_ in response.wsgi_request.avp.rounds] == [checks]
    assert len(taken[True]) <= len(taken[False])


def test_d1_every_kind_of_generic_view_knows_its_template(request_of, photo):
    """Detail, list, update, create and template views; names from the URL, the class and Django."""
    page = '{% can "ViewPhoto" photo as p %}{% can "ViewPhoto" object as p %}{% for p in object_list %}{% can "ViewPhoto" p as x %}{% endfor %}{% for p in photo_list %}{% can "EditPhoto" p as x %}{% endfor %}{% for p in page_obj %}{% can "DeletePhoto" p as x %}{% endfor %}{% can "ListPhotos" note=pk as x %}{% can "ListPhotos" note=extra as x %}'  # noqa: E501
    loaders = [("django.template.loaders.locmem.Loader", {"page.html": page})]
    templates = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": loaders, "builtins": ["django_avp.templatetags.avp"]},
        }
    ]
    common = {"template_name": "page.html", "extra_context": {"extra": "e"}}
    of_photos = {"queryset": PhotoList.queryset, **common}
    gate = {"action_required": "ListPhotos", "get_action_resource": lambda self: None}
    expected = {
        TemplateView: (common, 3),
        DetailView: (of_photos, 3),
        DeleteView: (of_photos, 3),
        UpdateView: ({**of_photos, "fields": ["title"]}, 3),
        CreateView: ({**of_photos, "fields": ["title"]}, 2),
        ListView: ({**of_photos, "paginate_by": 3}, 5),
        FormView: ({**common, "form_class": Form}, 2),
    }
    with override_settings(TEMPLATES=templates):
        for base, (attributes, checks) in expected.items():
            request = request_of("ann")
            view = type("Page", (ActionRequiredMixin, base), {**attributes, **gate}).as_view()
            view(request, pk=str(photo.pk))
            assert [round_.checks for round_ in request.avp.rounds] == [checks], base


def test_d1_a_view_that_asks_for_something_else_gets_it(request_of, photo):
    """Only what was made before the gate is not made again."""
    other = Photo.objects.create(title="other", owner=photo.owner)

    class Page(ActionRequiredMixin, DetailView):
        action_required = "ViewPhoto"
        model = Photo
        template_name = "photo.html"

        def get_context_data(self, **kwargs):
            return super().get_context_data(
                again=self.get_object(), other=self.get_object(Photo.objects.exclude(pk=photo.pk)), **kwargs
            )

        def get_object(self, queryset=None):
            return (queryset or Photo.objects.filter(pk=photo.pk)).get()

    context = Page.as_view()(request_of("ann"), pk=photo.pk).context_data

    assert context["again"] is context["object"]
    assert context["other"] == other


def test_d1_a_view_names_more_of_its_context(request_of, photo, settings):
    """What it shows besides joins the gate's round, as what it declares does."""

    class Page(ActionRequiredMixin, ListView):
        action_required = "ListPhotos"
        queryset = PhotoList.queryset
        template_name = "albums.html"
        context_object_name = "rows"

        def get_planning_context(self):
            return {"object_list": [], "photo": photo}

        def get_also_checks(self):
            return [("Moderate", None)]

    request = request_of("ann")
    Page.as_view()(request)

    assert [round_.checks for round_ in request.avp.rounds] == [2]


def test_d1_without_planning_nothing_is_made_early(request_of, photo, settings):
    """The switch leaves the gate, and nothing else."""
    settings.AVP_PLANNING = False

    class Page(ActionRequiredMixin, ListView):
        action_required = "ListPhotos"
        template_name = "gallery.html"

        def get_queryset(self):
            assert self.request.avp.rounds
            return PhotoList.queryset.all()

    assert Page.as_view()(request_of("ann")).status_code == 200


def test_d1_rows_that_are_not_paginated_are_fetched_once(make_client, photo):
    """The queryset that is planned is the one that is shown."""
    client = make_client("ann")
    client.get("/open/")
    with CaptureQueriesContext(connection) as queries:
        response = client.get("/albums/")

    assert response.status_code == 200
    assert len([query for query in queries if re.search(r"FROM .testapp_album\b", query["sql"])]) == 1
    assert len(response.wsgi_request.avp.rounds) == 1


def test_d1_what_a_view_does_wrong_is_said_by_the_view(request_of, photo):
    """A page that is not there, a queryset that needs more than the view has yet: after the gate, by Django."""

    class Late(ActionRequiredMixin, ListView):
        action_required = "ListPhotos"
        template_name = "gallery.html"
        paginate_by = 1

        def get(self, request, *args, **kwargs):
            self.rows = PhotoList.queryset
            return super().get(request, *args, **kwargs)

        def get_queryset(self):
            return self.rows.all()

    request = request_of("ann")
    assert Late.as_view()(request).render().content
    assert len(request.avp.rounds) == 2
    with pytest.raises(Http404):
        PhotoList.as_view()(request_of("ann", "/?page=7"))


def test_d1_a_post_asks_its_gate_alone(make_client, photo):
    """What it shows is known when it is handled: a form that is not valid is planned then."""
    client = make_client("ann")
    valid = client.post(f"/photos/{photo.pk}/form/", {"title": "new", "owner": photo.owner_id})
    invalid = client.post(f"/photos/{photo.pk}/form/", {"title": "new", "owner": "0"})

    assert [round_.checks for round_ in valid.wsgi_request.avp.rounds] == [1]
    assert [round_.checks for round_ in invalid.wsgi_request.avp.rounds] == [1, 2]
    assert not any(round_.unplanned for round_ in invalid.wsgi_request.avp.rounds)


# D2


@pytest.mark.parametrize("path", ["/photos/{}/", "/photos/", "/photos/{}/form/"])
def test_d2_nothing_is_fetched_for_the_unidentified(photo, path):
    """Neither the object nor the rows of a page: 401, whether they exist or not."""
    for pk in (photo.pk, photo.pk + 1):
        with CaptureQueriesContext(connection) as queries:
            assert Client().get(path.format(pk)).status_code == 401
        assert not queries.captured_queries


# D3


def planned(request, text, **context):
    """The checks that a page has planned when its first tag has been read."""
    template = engines["django"].from_string('{% load avp %}{% can "ViewPhoto" first as x %}' + text)
    template.render({"first": context["photo"], **context}, request)
    return {check.action.id for check in request.avp._decider.decisions}


BRANCHES = '{% can "EditPhoto" photo as x %}{% else %}{% can "DeletePhoto" photo as x %}{% endif %}'


@pytest.mark.parametrize(
    "condition", ["rows", "rows.exists", "perms.testapp.add_photo", "photo.get_deferred_fields", "rows|length"]
)
def test_d3_a_condition_that_costs_is_not_evaluated(request_of, photo, condition):
    """A queryset that is not fetched, a method, Django's permissions: both branches are planned."""
    request = request_of("ann")
    rows = Photo.objects.all()
    found = planned(
        request, "{% if " + condition + " %}" + BRANCHES, photo=photo, rows=rows, perms=PermWrapper(request.user)
    )

    assert found == {"ViewPhoto", "EditPhoto", "DeletePhoto"}


@pytest.mark.parametrize(
    "condition", ["number > 0", "photo", "not missing", "photo.title == 'dawn'", "list and not none"]
)
def test_d3_any_other_condition_is(request_of, photo, condition):
    """Only the branch that is shown is planned."""
    found = planned(
        request_of("ann"), "{% if " + condition + " %}" + BRANCHES, photo=photo, number=1, list=[1], none=None
    )

    assert found == {"ViewPhoto", "EditPhoto"}


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 6.0 has partials")
def test_d3_a_partial_is_planned_where_it_is_called(request_of, photo):
    """A definition that is not inline shows nothing."""
    text = '{% partialdef a %}{% can "EditPhoto" photo as x %}{% endpartialdef %}'

    assert planned(request_of("ann"), text, photo=photo) == {"ViewPhoto"}
    assert planned(request_of("ann"), text + "{% partial a %}", photo=photo) == {"ViewPhoto", "EditPhoto"}


def test_d3_planning_leaves_no_trace_in_the_render_context(request_of, photo):
    """A cycle begins at its beginning, a block is where it was."""
    text = (
        '{% load avp %}{% for n in numbers %}{% cycle "a" "b" %}{% ifchanged n %}{{ n }}{% endifchanged %}'
        '{% can "EditPhoto" photo %}e{% endcan %}{% endfor %}'
    )
    page = engines["django"].from_string(text).render({"numbers": [1, 1, 2], "photo": photo}, request_of("ann"))

    assert page == "a1ebea2e"


# D4


class RemoteEngine(CedarEngine):
    """An engine that waits for somebody else."""

    is_in_process = False

    def __init__(self):
        super().__init__()
        self.asked = []

    def decide(self, batch):
        self.asked.append("decide")
        return super().decide(batch)

    async def adecide(self, batch):
        self.asked.append("adecide")
        return super().decide(batch)


@pytest.fixture
def remote():
    with runtime.use_engine(RemoteEngine()) as engine:
        yield engine


def in_event_loop(scenario):
    """Run a coroutine in an event loop of its own."""
    return async_to_sync(scenario)()


def test_d4_an_undecided_remote_check_under_an_event_loop_is_refused(request_of, photo, settings, remote):
    """As the ORM refuses queries, with what to do in the message; and nothing that was collected is lost."""
    settings.AVP_REQUIRE_ACTIVE_USER = False
    request = request_of("ann")
    request.avp.collect("Moderate")

    async def scenario():
        with pytest.raises(SynchronousOnlyOperation, match=r"await request\.avp\.acan.*arender"):
            request.avp.can("ListPhotos")
        with pytest.raises(SynchronousOnlyOperation):
            engines["django"].from_string('{% load avp %}{% can "ListPhotos" %}{% endcan %}').render({}, request)
        assert remote.asked == []
        await request.avp.adecide()
        assert request.avp.can("ListPhotos")

    in_event_loop(scenario)
    assert remote.asked == ["adecide"]
    assert [round_.checks for round_ in request.avp.rounds] == [2]


def test_d4_an_engine_in_process_just_answers(request_of, settings):
    """It waits for nobody."""
    settings.AVP_REQUIRE_ACTIVE_USER = False
    request = request_of("ann")

    async def scenario():
        return bool(request.avp.can("ListPhotos"))

    assert in_event_loop(scenario)


@pytest.mark.parametrize("path", ["/agallery/", "/aresponse/", "/aphotos/", "/aphotos/{pk}/"])
def test_d4_async_pages_are_decided_by_awaiting(make_async_client, photo, remote, path):
    """``arender``, a ``TemplateResponse`` and gated views: one awaited round, and rendering reads."""

    async def scenario():
        response = await make_async_client("ann").get(path.format(pk=photo.pk))
        assert response.status_code == 200
        return response

    response = in_event_loop(scenario)
    assert remote.asked == ["adecide"]
    assert len(response.asgi_request.avp.rounds) == 1


def test_d4_arender_is_render(request_of, photo):
    """The same arguments, the same response; querysets may be fetched while it renders."""

    async def scenario():
        return await arender(request_of_ann, ["nowhere.html", "photo.html"], {"photo": photo}, "text/plain", 202)

    request_of_ann = request_of("ann")
    response = in_event_loop(scenario)
    plain = render(request_of("ann"), "photo.html", {"photo": photo}, "text/plain", 202)

    assert (response.content, response.status_code) == (plain.content, 202)
    assert response["Content-Type"] == "text/plain"
    assert len(request_of_ann.avp.rounds) == 1


# D5


METHODS = ["get", "head", "options", "post", "put", "patch", "delete", "trace"]


@pytest.fixture
def required(settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, REQUIRED]
    settings.ROOT_URLCONF = "tests.required_urls"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["undeclared", "aundeclared", "class", "exempt"])
def test_d5_a_view_without_a_mark_is_refused(required, make_client, method, path, caplog):
    """Whatever the method, whoever asks; what is said tells the page from a forbidden action."""
    response = getattr(make_client("ann"), method)(f"/{path}/")
    assert response.status_code == 403
    if method != "head":
        assert response.json() == {"detail": "This page declares no authorization.", "code": "forbidden"}
    assert getattr(Client(), method)(f"/{path}/").status_code == 401
    assert "avp.undeclared_view" in caplog.messages
    assert response.headers["Cache-Control"] == "private"


def test_d5_a_view_without_a_mark_is_refused_in_an_async_stack(required, make_async_client):
    """By the same check, before the view."""

    async def scenario():
        assert (await make_async_client("ann").get("/aundeclared/")).status_code == 403
        assert (await AsyncClient().get("/aundeclared/")).status_code == 401
        assert (await make_async_client("ann").get("/gated/")).status_code == 200

    in_event_loop(scenario)


def test_d5_marks_let_in(required, make_client):
    """A gate, a view that decides by itself, a view for everybody; a gate still decides."""
    for path in ("gated", "agated", "gated-class", "in-view", "public", "wrapped"):
        assert make_client("ann").get(f"/{path}/").status_code == 200, path
    assert Client().get("/public/").status_code == 200
    assert Client().get("/in-view/").status_code == 200
    assert Client().get("/gated/").status_code == 401
    assert make_client("ann").get("/gated-moderate/").status_code == 403


def test_d5_browsers_get_pages(required, make_client, settings):
    """The sign-in page, Django's 403, and 503 while tokens cannot be verified."""
    page = {"Accept": "text/html"}

    assert Client().get("/undeclared/", headers=page).status_code == 302
    assert make_client("ann").get("/undeclared/", headers=page).status_code == 403
    settings.AVP_JWKS = None
    settings.AVP_JWKS_URL = "http://127.0.0.1:9/jwks.json"
    runtime.reset()
    assert make_client("ann").get("/undeclared/").status_code == 503


def test_d5_a_refused_view_has_not_begun(required, make_client):
    """The mark is looked at before the view, and so before its transaction."""
    with CaptureQueriesContext(connection) as queries:
        assert make_client("ann").post("/writes/").status_code == 403
    assert not any("INSERT" in query["sql"] and "testapp" in query["sql"] for query in queries)


def test_d5_it_needs_the_other_middleware(rf):
    """Without request.avp there is nothing to say who asks."""
    middleware = AuthorizationRequiredMiddleware(lambda request: HttpResponse())

    with pytest.raises(ImproperlyConfigured, match=r"request\.avp is missing"):
        middleware.process_view(rf.get("/"), undeclared, (), {})
