"""Pages: what is planned of them, and that planning changes nothing that anybody sees."""

from __future__ import annotations

import django
import pytest
from django.db import transaction
from django.http import HttpResponse
from django.template import Origin, TemplateDoesNotExist, engines
from django.template.autoreload import reset_loaders
from django.template.loaders.base import Loader
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.test import override_settings
from django.utils.functional import SimpleLazyObject, cached_property

from django_avp.cedar import EntityUid
from django_avp.planning import plan_response
from django_avp.planning.compiling import compiled
from tests.planning.conftest import by_render, by_response, photos
from tests.testapp.models import Album, Note, Photo

pytestmark = pytest.mark.django_db

EDIT = '{% can "EditPhoto" photo %}e{% else %}-{% endcan %}'
BUTTONS = EDIT + '{% can "DeletePhoto" photo as may %}{% if may %}d{% endif %}{% can "ViewPhoto" photo %}v{% endcan %}'


def rows():
    return {"photos": list(photos())}


def lazily():
    return {"photos": photos()}


# One round


@pytest.mark.parametrize("context", [rows, lazily])
def test_a_gallery_through_an_include_is_one_round(show, gallery, context):
    """Nobody named the buttons; rows that are not fetched yet are fetched once."""
    page = show('{% for photo in photos %}{% include "row.html" %}{% endfor %}', context, row=BUTTONS)

    assert page.html == "-edv-edv-edv"
    assert page.rounds == [18]
    assert page.unplanned == 0


def test_a_context_that_cannot_be_sent_joins_no_round(show, gallery):
    """What forges an entity is refused where it is planned and where it is read; the rest of the page is one round."""

    def context():
        return {"photos": list(photos()), "data": {"__entity": {"type": "User", "id": "x"}}}

    text = '{% for photo in photos %}{% can "EditPhoto" photo note=data %}e{% endcan %}' + EDIT + "{% endfor %}"
    page = show(text, context)

    assert page.html == "-e-e-e"
    assert page.rounds == [6]
    assert page.unplanned == 0


def test_nested_loops_over_prefetched_relations_are_one_round(show, gallery):
    """Albums, and the photos in each."""

    def context():
        return {"albums": Album.objects.prefetch_related("photo_set__owner").select_related("account", "owner")}

    page = show(
        '{% for album in albums %}{% can "ViewAlbum" album %}a{% endcan %}'
        "{% for photo in album.photo_set.all %}" + EDIT + "{% endfor %}{% endfor %}",
        context,
    )

    assert page.html == "---eee"
    assert len(page.rounds) == 1
    assert page.unplanned == 0


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("{% for a, photo in pairs %}{{ a }}" + EDIT + "{% endfor %}", "0-1e2-3e4-5e"),
        ("{% for photo in photos reversed %}" + EDIT + "{% endfor %}", "e-e-e-"),
        ("{% for photo in none %}x{% empty %}{% can 'ListPhotos' %}l{% endcan %}{% endfor %}", "l"),
        ("{% for photo in nowhere %}x{% empty %}{% can 'ListPhotos' %}l{% endcan %}{% endfor %}", "l"),
        ("{% for k, photo in named.items %}{{ k }}" + EDIT + "{% endfor %}", "a-be"),
        ("{% for photo in named.values %}" + EDIT + "{% endfor %}", "-e"),
        ("{% with photo=photos.1 %}" + EDIT + "{% endwith %}", "e"),
        ("{% with photo=named.b %}" + EDIT + "{% endwith %}", "e"),
        ("{% with photos|first as photo %}" + EDIT + "{% endwith %}", "-"),
        ("{% for photo in photos|slice:':2' %}" + EDIT + "{% endfor %}", "-e"),
        ("{% for photo in nowhere|default:photos %}" + EDIT + "{% endfor %}", "-e-e-e"),
        ("{% if photos|length == 6 %}{% with photos.0 as photo %}" + EDIT + "{% endwith %}{% endif %}", "-"),
        ("{% for photo in photos %}{% if forloop.first or forloop.last %}" + EDIT + "{% endif %}{% endfor %}", "-e"),
        (
            "{% for photo in photos %}{% for x in two %}{% if forloop.parentloop.counter == x %}"
            + EDIT
            + "{% endif %}{% endfor %}{% endfor %}",
            "-e",
        ),
        ("{% for photo in photos %}{% if photo.title == 'photo 1' %}" + EDIT + "{% endif %}{% endfor %}", "e"),
        ("{% for photo in photos %}{% if not photo.owner == user %}" + EDIT + "{% endif %}{% endfor %}", "---"),
        ("{% for photo in photos %}{% if photo.album.account.slug in 'main' %}" + EDIT + "{% endif %}{% endfor %}", "-e-e-e"),
        ("{% if missing %}{% can 'Moderate' %}{% endcan %}{% elif photos %}{% can 'ListPhotos' %}l{% endcan %}{% endif %}", "l"),
        ("{% if missing %}{% can 'Moderate' %}{% endcan %}{% else %}{% can 'ListPhotos' %}l{% endcan %}{% endif %}", "l"),
        ("{% if two.0 > 0 and two.1 >= 2 and 'x' not in two and two is not None %}{% can 'ListPhotos' %}l{% endcan %}{% endif %}", "l"),
        ("{% if two.0 < 'x' %}{% can 'Moderate' %}{% endcan %}{% endif %}", ""),
        ("{% include name with photo=photos.1 %}", "e"),
        ("{% include names with photo=photos.1 %}", "e"),
        ("{% autoescape off %}{% spaceless %}{% filter upper %}{% with photos.1 as photo %}" + EDIT + "{% endwith %}{% endfilter %}{% endspaceless %}{% endautoescape %}", "E"),
        ("{% regroup photos by album as groups %}{% for g in groups %}{% for photo in g.list %}" + EDIT + "{% endfor %}{% endfor %}", "-e-e-e"),
        ("{% with uid=uid %}{% can 'EditPhoto' uid %}e{% endcan %}{% endwith %}", "e"),
        ("{% comment %}{% can 'Moderate' %}{% endcan %}{% endcomment %}{% can 'ListPhotos' %}l{% endcan %}", "l"),
        ("{% can 'EditPhoto' photos.0 mfa=two.0 as may %}{% can 'EditPhoto' photos.0 mfa=True %}m{% endcan %}", "m"),
    ],
)  # fmt: skip
def test_what_planning_follows_is_one_round_without_a_check_too_many(show, gallery, text, html):
    """Loops, names, conditions, includes and Django's own wrappers: exactly what rendering reads."""

    def context():
        found = list(photos())
        return {
            "photos": found,
            "pairs": list(enumerate(found)),
            "none": None,
            "named": {"a": found[0], "b": found[1]},
            "two": [1, 2],
            "name": "row.html",
            "names": ["nowhere.html", "row.html"],
            "uid": EntityUid("Photo", str(found[1].pk)),
            "user": found[1].owner,
        }

    page = show(text, context, row=EDIT)

    assert page.html == html
    assert len(page.rounds) <= 1
    assert page.unplanned == 0
    assert page.unread == set()


BASE = "{% block a %}{% can 'ListPhotos' %}l{% endcan %}{% endblock %}|{% block b %}{% can 'Moderate' %}m{% endcan %}{% endblock %}"


@pytest.mark.parametrize(
    ("text", "html", "checks"),
    [
        ("{% extends 'base.html' %}", "l|", 2),
        ("{% extends 'base.html' %}{% block b %}x{% endblock %}", "l|x", 1),
        ("{% extends 'base.html' %}{% block a %}{% endblock %}{% block b %}{% endblock %}", "|", 0),
        ("{% extends 'base.html' %}{% block b %}{{ block.super }}{% with photo=photos.1 %}" + EDIT + "{% endwith %}{% endblock %}", "l|e", 3),
        ("{% extends 'middle.html' %}{% block b %}{{ block.super }}{{ block.super }}{% endblock %}", "l|ee", 3),
        ("{% extends 'middle.html' %}{% block b %}{% include 'base.html' %}{{ block.super }}{% endblock %}", "l|l|e", 3),
        ("{% extends parent %}", "l|", 2),
        ("{% extends 'base.html' %}{% block a %}{% for n in 'ab' %}{{ block.super }}{% endfor %}{% endblock %}", "ll|", 2),
        ("{% for n in 'ab' %}{% block a %}{% can 'ListPhotos' %}l{% endcan %}{% endblock %}{% endfor %}", "ll", 1),
        ("{% extends 'looping.html' %}{% block x %}{{ block.super }}{{ block.nowhere }}{% include 'super.html' %}{% endblock %}", "xx", 0),
        ("{% for n in 'ab' %}{% include 'child.html' %}{% endfor %}", "l|l|", 2),
        ("{% extends 'outer.html' %}{% block inner %}" + "{% can 'ListPhotos' %}i{% endcan %}{% endblock %}", "[i]", 1),
        ("{% block a %}{{ block.super }}{% can 'ListPhotos' %}l{% endcan %}{% endblock %}", None, None),
    ],
)  # fmt: skip
def test_inheritance_is_followed_as_django_follows_it(show, gallery, text, html, checks):
    """Blocks that override, that call the one above, and that stand in another block."""

    def context():
        return {**rows(), "parent": "base.html"}

    others = {
        "base": BASE,
        "middle": "{% extends 'base.html' %}{% block b %}{{ block.super }}{% with photo=photos.1 %}" + EDIT + "{% endwith %}{% endblock %}",
        "child": "{% extends 'base.html' %}",
        "looping": "{% for n in 'ab' %}{% block x %}x{% endblock %}{% endfor %}",
        "super": "{{ block.super }}",
        "outer": "{% block outer %}[{% block inner %}{% can 'Moderate' %}{% endcan %}{% endblock %}]{% endblock %}",
    }  # fmt: skip
    if html is None:
        with pytest.raises(Exception, match=r"block\.super"):
            show(text, context, **others)
        return
    page = show(text, context, **others)

    assert page.html == html
    assert page.rounds == ([checks] if checks else [])
    assert page.unread == set()


# What planning does not touch


def test_an_iterator_is_not_consumed(show, gallery):
    """Rendering finds it whole; its rows are decided when they are read."""

    def context():
        return {"photos": iter(list(photos())), "more": (photo for photo in photos())}

    page = show(
        "{% for photo in photos %}" + EDIT + "{% endfor %}{% for photo in more %}" + EDIT + "{% endfor %}", context
    )

    assert page.html == "-e-e-e-e-e-e"
    assert page.unplanned == 6


def test_an_include_with_names_of_its_own_alone_is_followed(show, gallery):
    """Though its template, where the first check is, knows nothing of the page's names."""
    page = show(
        "{% for photo in photos %}{% include 'row.html' with p=photo only %}{% endfor %}",
        rows,
        row="{% include 'inner.html' with photo=p only %}",
        inner=EDIT,
    )

    assert (page.html, page.rounds, page.unplanned) == ("-e-e-e", [6], 0)


def test_the_rest_of_a_page_is_planned_from_within_a_tag_of_the_project(show, gallery):
    """Only what the tag itself asks was not."""
    page = show(
        "{% card photos.1 %}{% for photo in photos %}" + EDIT + "{% endfor %}",
        rows,
        card="{% can 'ViewPhoto' item %}v{% endcan %}",
    )

    assert (page.html, page.rounds, page.unplanned) == ("v-e-e-e", [7], 1)


def test_a_lazy_object_is_not_forced(show, gallery):
    """Only where rendering comes to it."""
    forced = []

    def force():
        forced.append(1)
        return gallery[1]

    def context():
        return {"photo": SimpleLazyObject(force), "no": False}

    page = show("{% if no %}" + EDIT + "{{ photo }}{% endif %}{% can 'ListPhotos' %}l{% endcan %}", context)
    assert page.html == "l"
    assert forced == []

    page = show(
        EDIT + "{% if photo.title == 'photo 1' %}{% can 'DeletePhoto' photo %}d{% endcan %}{% endif %}", context
    )
    assert page.html == "ed"
    assert len(forced) == 2  # once with planning, once without


def test_a_queryset_that_rendering_may_not_fetch_is_not_fetched(show, gallery):
    """The branch of a tag's decision, and the rows of a relation, which are others each time."""
    page = show(
        '{% can "Moderate" %}{% for photo in photos %}' + EDIT + "{% endfor %}{% endcan %}"
        "{% for album in albums %}{% for photo in album.photo_set.all %}{{ photo.pk }},{% endfor %}{% endfor %}",
        lambda: {"photos": photos(), "albums": list(Album.objects.all())},
    )

    assert page.rounds == [1]


def test_rows_behind_a_condition_about_themselves_are_planned(show, gallery):
    """``{% if photos %}`` fetches them anyway, so the loop behind it may look."""
    page = show("{% if photos %}{% for photo in photos %}" + EDIT + "{% endfor %}{% else %}none{% endif %}", lazily)

    assert page.html == "-e-e-e"
    assert page.rounds == [6]


def test_code_of_the_project_does_not_run(show, gallery):
    """Methods, properties and filters are left to rendering, except what is computed once and kept."""
    calls = []

    class Shelf:
        @property
        def photos(self):
            calls.append("property")
            return gallery[:1]

        def method(self):
            calls.append("method")
            return gallery[1:2]

        @cached_property
        def kept(self):
            calls.append("kept")
            return gallery[3:4]

        def __getattr__(self, name):
            calls.append(name)
            raise AttributeError(name)

    text = "".join(
        "{% for photo in " + name + " %}" + EDIT + "{% endfor %}"
        for name in ("shelf.photos", "shelf.method", "shelf.kept", "shelf.nowhere")
    )
    page = show(text, lambda: {"shelf": Shelf()})

    assert page.html == "-ee"
    assert page.unplanned == 2
    half = len(calls) // 2
    assert sorted(calls[:half]) == sorted(calls[half:])


class Broken:
    """Fails when it is looked at."""

    @cached_property
    def photos(self):
        raise RuntimeError("here")


ERRORS = [
    "{% for photo in broken.photos %}" + EDIT + "{% endfor %}",
    "{% include 'nowhere.html' %}",
    "{% include 'bad.html' %}",
    "{% include names %}",
    "{% include nothing %}",
    "{% for a, b in photos %}" + EDIT + "{% endfor %}",
    "{% can 'ViewPhoto' unsaved %}{% endcan %}",
    "{% can 'ViewPhoto' note %}{% endcan %}",
    "{% can 'ListPhotos' token=1 %}{% endcan %}",
    "{% can number %}{% endcan %}",
    "{% with photos=queryset %}{% for photo in photos %}" + EDIT + "{% endfor %}{% endwith %}",
    "{% extends 'nowhere.html' %}",
    "{% extends nothing %}",
]


@pytest.mark.parametrize("text", ERRORS)
@pytest.mark.parametrize("rendered", [by_render, by_response])
def test_an_error_is_rendering_s_own(gallery, templates, request_of, settings, rendered, text):
    """Planning raises nothing: the same error comes with it and without."""
    start = "" if "extends" in text else "{% can 'ListPhotos' %}{% endcan %}"
    templates(start + text, bad="{% if %}")
    raised = []
    for planning in (False, True):
        settings.AVP_PLANNING = planning
        context = {
            "broken": Broken(),
            "names": ["nowhere.html", 3],
            "nothing": None,
            "unsaved": Photo(),
            "note": Note.objects.create(text="registered nowhere"),
            "number": 3,
            "queryset": Photo.objects.extra(where=["nonsense("]),  # noqa: S610
            **rows(),
        }
        with pytest.raises(Exception) as caught, transaction.atomic():  # noqa: PT011
            rendered(request_of(), context)
        raised.append((caught.type, str(caught.value)))

    assert raised[0] == raised[1]


# What only rendering knows


def test_a_check_in_an_inclusion_tag_is_right_counted_and_logged(show, gallery, caplog):
    """With its template and line; what else the tag asks about the same photo joins its round."""
    page = show(
        "{% for photo in photos %}{% card photo %}{% endfor %}",
        rows,
        card='\n{% can "EditPhoto" item %}e{% else %}-{% endcan %}{% can "ViewPhoto" item %}v{% endcan %}',
    )

    assert page.html.split() == ["-", "ev", "-", "ev", "-", "ev"]
    assert page.rounds == [2] * 6
    assert page.unplanned == 6
    record = next(record for record in caplog.records if record.msg == "avp.unplanned_check")
    assert (record.template, record.line, record.action) == ("card.html", 2, "EditPhoto")


def test_names_that_tags_set_are_unknown(show, gallery):
    """Planning neither guesses their values nor takes them for missing."""
    page = show(
        "{% first_of photos as photo %}" + EDIT + "{% setting photos.1 %}"
        "{% with surprise as photo %}" + EDIT + "{% endwith %}{% if surprise %}{% can 'ListPhotos' %}l{% endcan %}{% endif %}",
        rows,
    )  # fmt: skip

    assert page.html == "-el"
    assert page.unplanned == 2


def test_unknown_tags_are_looked_into(show, gallery):
    """What they hold may be shown."""
    page = show("{% twice %}{% with photos.1 as photo %}" + EDIT + "{% endwith %}{% endtwice %}", rows)

    assert page.html == "ee"
    assert page.rounds == [1]
    assert page.unplanned == 0


def test_a_template_that_includes_itself_ends(show, gallery):
    """By its data, or by planning's own limit."""
    tree = {"name": "a", "children": [{"name": "b", "children": []}, {"name": "c", "children": [{"name": "d"}]}]}
    node = "{{ node.name }}{% can 'ListPhotos' note=node.name %}l{% endcan %}{% for child in node.children %}{% include 'node.html' with node=child %}{% endfor %}"
    page = show("{% include 'node.html' with node=tree %}", lambda: {"tree": tree}, node=node)
    assert page.html == "albldl" or page.rounds == [4]

    class Counter:
        def __init__(self):
            self.left = 3

        def more(self):
            self.left -= 1
            return self.left > 0

    again = "{% can 'ListPhotos' %}l{% endcan %}{% if counter.more %}{% include 'again.html' %}{% include 'again.html' %}{% endif %}"
    page = show("{% include 'again.html' %}", lambda: {"counter": Counter()}, again=again)
    assert page.rounds == [1]


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 6.0 has partials")
def test_partials_are_walked_where_they_are_shown(show, gallery):
    """A definition shows nothing by itself unless it is inline."""
    page = show(
        "{% partialdef p %}{% for photo in photos %}" + EDIT + "{% endfor %}{% endpartialdef %}|"
        "{% partialdef q %}{% can 'Moderate' %}{% endcan %}{% endpartialdef %}"
        "{% partialdef r inline %}{% can 'ListPhotos' %}l{% endcan %}{% endpartialdef %}|{% partial p %}",
        rows,
    )

    assert page.html == "|l|-e-e-e"
    assert page.rounds == [7]
    assert page.unread == set()


# The edges


def test_names_that_python_reserves_are_names(show, gallery):
    """A loop variable may be called ``self``."""
    page = show("{% for self in photos %}{% can 'EditPhoto' self as values %}{{ values.verdict }},{% endfor %}", rows)

    assert page.rounds == [6]


def test_templates_as_objects_are_followed(show, gallery):
    """Loaded or compiled by the view."""

    def context():
        part = engines["django"].from_string(EDIT)
        return {
            **rows(),
            "part": part,
            "inner": part.template,
            "above": engines["django"].from_string("{% block b %}{% endblock %}"),
        }

    page = show("{% for photo in photos %}{% include part %}{% include inner %}{% endfor %}", context)
    assert (page.html, page.rounds, page.unplanned) == ("--ee--ee--ee", [6], 0)
    page = show("{% extends above %}{% block b %}{% can 'ListPhotos' %}l{% endcan %}{% endblock %}", context)
    assert (page.html, page.rounds, page.unplanned) == ("l", [1], 0)


def test_a_loop_that_asks_nothing_fetches_nothing(show, gallery):
    """Nor is a template without a tag walked."""
    page = show(
        "{% can 'ListPhotos' %}{% for photo in photos %}{% include 'plain.html' %}{% if photo %}{{ photo.pk }}{% endif %}"
        "{% with x=photo %}{% now 'Y' as x %}{% endwith %}{% endfor %}{% endcan %}"
        "{% for n in two %}{% now 'Y' as y %}{% for photo in later %}{% include 'plain.html' %}{% endfor %}{% endfor %}",
        lambda: {"photos": photos(), "later": photos(), "two": [1, 2]},
        plain="{{ photo.title }}",
    )  # fmt: skip

    assert page.rounds == [1]


def test_regroup_in_a_loop_and_by_what_only_rendering_knows(show, gallery):
    """Groups are made each time; a method's are left to rendering."""
    loop = "{% for g in groups %}{% for photo in g.list %}" + EDIT + "{% endfor %}{% endfor %}"
    page = show(
        "{% for n in two %}{% regroup photos by owner as groups %}" + loop + "{% endfor %}",
        lambda: {**rows(), "two": "ab"},
    )
    assert (page.html, page.unplanned) == ("-e-e-e-e-e-e", 0)
    page = show("{% regroup photos by get_deferred_fields as groups %}" + loop, rows)
    assert (page.html, page.unplanned) == ("-e-e-e", 6)
    page = show(
        "{% regroup nowhere by title as groups %}" + loop + "{% regroup shelf.method by x as groups %}" + loop, rows
    )
    assert page.html == ""


def test_a_loader_of_the_project_is_not_asked_twice(show, gallery):
    """It may read templates from the database: what would have to be loaded is left to rendering."""
    page = show("{% can 'ListPhotos' %}l{% endcan %}{% with photos.1 as photo %}{% include 'row.html' %}{% endwith %}",
        rows, loader="tests.planning.test_pages.Stored", row=EDIT)  # fmt: skip

    assert page.html == "le"
    assert page.unplanned == 1
    assert page.rounds == [1, 1]


class Stored(Loader):
    """Keeps templates where it likes."""

    def __init__(self, engine, texts):
        super().__init__(engine)
        self.texts = texts

    def get_template_sources(self, template_name):
        yield Origin(template_name, template_name, self)

    def get_contents(self, origin):
        try:
            return self.texts[origin.name]
        except KeyError as error:
            raise TemplateDoesNotExist(origin) from error


def test_names_of_context_processors_are_known_when_rendering_begins(show, gallery):
    """Before that they are unknown, not missing."""
    page = show(
        "{% if shelf %}{% for photo in shelf %}"
        + EDIT
        + "{% endfor %}{% else %}{% can 'Moderate' %}{% endcan %}{% endif %}",
        rows,
        processors=["tests.planning.test_pages.shelf"],
    )

    assert page.html == "e-"
    assert page.unplanned == 0


def shelf(request):
    """Two photos for every page."""
    return {"shelf": list(photos()[1:3])}


def test_a_template_is_compiled_once_and_again_when_it_is_reloaded(request_of, gallery):
    """What depends on the template alone is kept as long as the template is."""
    texts = {"page.html": "{% can 'ListPhotos' %}l{% endcan %}"}
    cached = [("django.template.loaders.cached.Loader", [("django.template.loaders.locmem.Loader", texts)])]
    options = {"loaders": cached, "builtins": ["django_avp.templatetags.avp"]}
    backend = {"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": options}
    with override_settings(TEMPLATES=[backend]):
        request = request_of()
        assert by_response(request, {}).content == b"l"
        kept = compiled(engines["django"].get_template("page.html").template)
        assert by_response(request_of(), {}).content == b"l"
        assert compiled(engines["django"].get_template("page.html").template) is kept

        texts["page.html"] = "{% can 'Moderate' %}m{% endcan %}"
        reset_loaders()  # as autoreload does
        request = request_of()
        by_response(request, {})

    assert [check.action.id for check in request.avp.reads] == ["Moderate"]
    assert request.avp.planned == request.avp.reads.keys()


def test_responses_that_render_in_their_own_way_are_left_alone(gallery, templates, request_of):
    """Nor is one planned that has no request, is rendered, or names no template of Django's."""
    templates("{% can 'ListPhotos' %}l{% endcan %}")

    class Own(TemplateResponse):
        def resolve_context(self, context):
            raise AssertionError("twice")

    request = request_of()
    for response in [
        Own(request, "page.html"),
        SimpleTemplateResponse("page.html"),
        TemplateResponse(request, "page.html").render(),
        TemplateResponse(request, ["nowhere.html"]),
        TemplateResponse(request, object()),
        TemplateResponse(request, "page.html", [("not", "a dict")]),
        HttpResponse(),
    ]:
        request.avp._decider.pending.clear()
        request.avp._decider.decisions.clear()
        plan_response(request, response)
        assert request.avp.planned == set()


def test_an_error_in_planning_itself_does_not_reach_the_page(show, gallery, caplog, monkeypatch):
    """The page is rendered as if there were no planning; the log names the error and no value."""
    monkeypatch.setattr("django_avp.planning.walk._MOST_STEPS", 3)
    page = show("{% for photo in photos %}" + EDIT + "{% endfor %}", rows)

    assert page.html == "-e-e-e"
    record = next(record for record in caplog.records if record.msg == "avp.planning_stopped")
    assert record.error == "TooLongError"
    assert page.unplanned
