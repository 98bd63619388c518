"""Code of the project around what is planned: views that set or write, tags with content of their own, settings that fail."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, datetime

import django
import pytest
from asgiref.sync import async_to_sync
from django import template
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.models.functions import TruncDate
from django.template import Context, engines
from django.template.response import TemplateResponse
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.views.generic import DetailView, ListView
from django.views.generic.detail import SingleObjectMixin

from django_avp.mixins import ActionRequiredMixin
from tests.planning.conftest import by_render, by_response, photos
from tests.planning.tags import register
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db
by_both = pytest.mark.parametrize("show", [by_render, by_response])

CAN = '{% can "EditPhoto" photo %}e{% else %}-{% endcan %}'
EACH = "{% for photo in photos %}{{ photo.likes }}" + CAN + "{% endfor %}"


class Listed(ActionRequiredMixin, ListView):
    """A list whose rows are planned with the gate."""

    action_required, template_name = "ListPhotos", "page.html"
    queryset, context_object_name = Photo.objects.order_by("pk"), "photos"


# Views


class Expiring(Listed):
    """Writes to the rows that it lists, and says so."""

    def get(self, request, *args, **kwargs):
        Photo.objects.update(is_public=False)
        request.avp.forget()
        return super().get(request, *args, **kwargs)


def test_rows_are_found_anew_after_a_write_that_is_told(templates, request_of, gallery):
    """They were found with the gate, before the view ran."""
    Photo.objects.update(is_public=True)
    templates('{% for photo in photos %}{% can "ViewPhoto" photo %}{{ photo.title }};{% endcan %}{% endfor %}')
    assert Expiring.as_view()(request_of("sam")).rendered_content == ""


class Search(Listed):
    """Lists by what it is asked for, which it notes as it begins."""

    mine = False

    def get(self, request, *args, **kwargs):
        self.mine = True
        return super().get(request, *args, **kwargs)

    def get_queryset(self):
        return photos().filter(owner=self.request.user) if self.mine else photos()


def test_rows_are_found_anew_where_the_view_has_set_what_they_depend_on(templates, request_of, gallery):
    """A search, say."""
    templates(EACH)
    assert Search.as_view()(request_of()).rendered_content == "0e0e0e"


class Naming(Listed):
    """Names its rows for planning, too."""

    def get_planning_context(self):
        return {"rows": self.get_queryset()}

    def get_context_data(self, **kwargs):
        return super().get_context_data(rows=self.get_queryset(), **kwargs)


def test_rows_are_found_once_for_planning_and_for_the_view(templates, request_of, gallery):
    """Whoever asks for them."""
    templates("{% for photo in rows %}{{ photo.likes }}" + CAN + "{% endfor %}" + EACH)
    request = request_of()
    with CaptureQueriesContext(connection) as queries:
        assert Naming.as_view()(request).rendered_content == "0-0e0-0e0-0e" * 2
    assert len([query for query in queries if "ORDER BY" in query["sql"]]) == 1
    assert len(request.avp.rounds) == 1


class Keywords(Listed):
    """Makes a page of its own, by the names of the parameters."""

    paginate_by = 2

    def get_context_data(self, **kwargs):
        made = self.paginate_queryset(queryset=self.object_list, page_size=2)
        assert made[2] is self.paginate_queryset(self.object_list, 2)[2]
        assert self.paginate_queryset(self.object_list, 3)[2] is not made[2]
        return super().get_context_data(**kwargs)


def test_a_page_is_made_by_any_call(templates, request_of, gallery):
    """With keywords as without, it is the page that was planned."""
    templates(EACH)
    request = request_of()
    assert Keywords.as_view()(request).rendered_content == "0-0e"
    assert len(request.avp.rounds) == 1


class Both(ActionRequiredMixin, SingleObjectMixin, ListView):
    """As Django's documentation lists what belongs to an object."""

    action_required, template_name = "ViewPhoto", "page.html"

    def get(self, request, *args, **kwargs):
        self.object = self.get_object(queryset=Photo.objects.all())
        return super().get(request, *args, **kwargs)

    def get_queryset(self):
        return self.object.comments.all()


class Finding(Both):
    """The same, with an object that can be had beforehand."""

    def get_object(self, queryset=None):
        return Photo.objects.get(pk=self.kwargs["pk"])


class Mistaken(ActionRequiredMixin, DetailView):
    """Has a mistake of its own."""

    action_required = "ViewPhoto"

    def get_queryset(self):
        return self.mistake


def test_a_view_of_an_object_and_a_list_names_its_resource(templates, request_of, photo):
    """Where the gate cannot get the object, because it would look for it where the view looks for its rows."""
    templates("{{ object_list|length }}")
    with pytest.raises(ImproperlyConfigured, match=r"Both .* get_action_resource"):
        Both.as_view()(request_of(), pk=photo.pk)
    with pytest.raises(AttributeError, match="mistake"):
        Mistaken.as_view()(request_of(), pk=photo.pk)
    assert Finding.as_view()(request_of(), pk=photo.pk).rendered_content == "0"


# Tags


class Tabs(template.Node):
    """Keeps its content in a list of its own."""

    def __init__(self, parts):
        self.nodelist = [parts]

    def render(self, context):
        """As it is."""
        return "".join(part.render(context) for part in self.nodelist)


class Own(template.Node):
    """Renders its content with names of its own alone."""

    def __init__(self, parts):
        self.nodelist = parts

    def render(self, context):
        """Alone."""
        return self.nodelist.render(Context({"request": context["request"], "photo": context["photo"]}))


def _block(name, node):
    def parse(parser, token):
        parts = parser.parse((f"end{name}",))
        parser.delete_first_token()
        return node(parts)

    register.tag(name, parse)


_block("tabs", Tabs)
_block("own", Own)


@by_both
@pytest.mark.parametrize("tag", ["tabs", "own"])
def test_a_page_is_rendered_whatever_its_tags_make_of_their_content(templates, request_of, gallery, tag, show):
    """What cannot be planned is decided as it is read."""
    templates("{% " + tag + " %}" + CAN + "{% end" + tag + " %}")
    assert show(request_of(), {"photo": gallery[1]}).content == b"e"


@by_both
def test_what_a_query_takes_from_its_surroundings_is_left_to_rendering(templates, request_of, gallery, show):
    """Here the time zone."""
    if not connection.features.has_zoneinfo_database:
        pytest.skip("this database knows no time zones by their names")
    Photo.objects.update(taken=datetime(2026, 1, 1, 20, tzinfo=UTC))
    rows = Photo.objects.annotate(on=TruncDate("taken"))[:2]
    templates(
        '{% load tz %}{% timezone "Asia/Tokyo" %}'
        '{% for photo in photos %}{{ photo.on|date:"d" }}{% can "EditPhoto" photo as x %}{% endfor %}{% endtimezone %}'
    )
    request = request_of()
    assert show(request, {"photos": rows}).content == b"0202"
    assert [round_.checks for round_ in request.avp.rounds] == [2]


@register.simple_tag(takes_context=True)
def autopaginate(context, name):
    """Put a page of rows in the place of all."""
    context[name] = context[name][:1]
    return ""


@by_both
def test_a_table_is_not_fetched_of_which_a_tag_shows_a_page(templates, request_of, gallery, show):
    """Rows that are not sliced may be millions."""
    templates('{% can "ListPhotos" %}{% endcan %}{% autopaginate "photos" %}' + EACH)
    rows, request = photos(), request_of()
    show(request, {"photos": rows})

    assert rows._result_cache is None
    assert sum(round_.checks for round_ in request.avp.rounds) == 2


@by_both
def test_a_page_of_rows_is_planned_behind_a_tag(templates, request_of, gallery, show):
    """It is one of few, so no harm is done if a tag shows others."""
    templates("{% load_all %}" + EACH)
    request = request_of()
    show(request, {"photos": photos()[:3]})
    assert [round_.checks for round_ in request.avp.rounds] == [3]


@register.simple_tag(takes_context=True)
def load_all(context):
    """Might set anything."""
    return ""


@by_both
def test_a_name_that_is_set_inside_of_a_loop_is_known_no_more(templates, request_of, gallery, show):
    """Django sets it where it was set before, so no rows are fetched for what is not shown."""
    templates(
        '{% can "ListPhotos" %}{% endcan %}{% for one in two %}{% cycle "" "" as shown silent %}{% endfor %}'
        "{% if shown %}" + EACH + "{% endif %}"
    )
    rows = photos()
    show(request_of(), {"photos": rows, "shown": True, "two": [1, 2]})
    assert rows._result_cache is None


@pytest.mark.skipif(django.VERSION < (6,), reason="Django 6.0 has partials")
def test_templates_go_with_their_partials(templates, request_of, gallery):
    """A template that was made of a string is nobody's when it is rendered, however its partials name each other."""
    templates("")
    text = (
        "{% partialdef a %}{% partial b %}{% endpartialdef %}{% partialdef b %}"
        + CAN
        + "{% endpartialdef %}{% partial a %}"
    )
    page = engines["django"].from_string(text)
    page.render({"photo": gallery[0]}, request_of())
    gone = weakref.ref(page.template)
    del page
    gc.collect()
    assert gone() is None


# Settings


CALLS = []


def failing(request):
    """A context that takes long and has none in the end."""
    CALLS.append(request)
    raise TimeoutError


def breaking(request):
    """A context of a database that is broken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM nowhere")


@by_both
def test_a_context_that_fails_is_not_asked_for_each_question(templates, request_of, gallery, settings, show):
    """Once by planning, and once by the tag that says so."""
    settings.AVP_CONTEXT = failing
    CALLS.clear()
    templates(EACH)
    with pytest.raises(TimeoutError):
        show(request_of(), {"photos": photos()})
    assert len(CALLS) <= 2


@by_both
def test_a_query_that_fails_in_a_transaction_is_told(templates, request_of, gallery, settings, show):
    """All that follows would fail for another reason."""
    settings.AVP_CONTEXT = breaking
    templates(EACH)
    with pytest.raises(DatabaseError, match="nowhere"):
        show(request_of(), {"photos": photos()})


def asking_nothing(request):
    """A page without a question."""
    return TemplateResponse(request, "page.html", {})


async def awaiting_nothing(request):
    """The same."""
    return TemplateResponse(request, "page.html", {})


urlpatterns = [path("page/", asking_nothing), path("awaited/", awaiting_nothing)]


@pytest.mark.parametrize("address", ["/page/", "/awaited/"])
def test_a_page_that_asks_nothing_needs_no_context(templates, settings, address):
    """Under ASGI as under WSGI."""
    settings.AVP_CONTEXT, settings.ROOT_URLCONF = failing, __name__
    templates("nothing is asked")
    CALLS.clear()
    assert async_to_sync(AsyncClient().get)(address).status_code == 200
    assert CALLS == []
