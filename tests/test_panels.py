"""The panel, in the real toolbar: what it shows is read from the page that the toolbar fetches."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from asgiref.sync import async_to_sync
from debug_toolbar.store import get_store
from django.test import Client

from django_avp.runtime import runtime
from tests.site_engines import BrokenEngine, SilentEngine
from tests.testapp.models import Account, Album, Photo

PANEL = "AuthorizationPanel"
TOOLBAR = "debug_toolbar.middleware.DebugToolbarMiddleware"
MIDDLEWARE = "django_avp.middleware.AuthorizationMiddleware"


@pytest.fixture(autouse=True)
def toolbar(settings, db):
    """Show the toolbar to everybody."""
    settings.MIDDLEWARE = [TOOLBAR, *settings.MIDDLEWARE]
    settings.ROOT_URLCONF = "tests.toolbar_urls"
    yield
    get_store().clear()


@dataclass
class Shown(HTMLParser):
    """The panel as people see it: the rows of its tables by the heading above, and all of its words."""

    html: str
    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    words: str = ""

    def __post_init__(self):
        super().__init__()
        self._heading, self._names, self._cells, self._within = "", [], [], []
        self.feed(self.html)
        self.close()
        self.words = " ".join(re.sub(r"<[^>]*>", " ", self.html).split())

    def handle_starttag(self, tag, attributes):
        """Begin a heading, a row or a cell."""
        self._within.append(tag)
        if tag == "h4":
            self._heading = ""
        elif tag == "tr":
            self._cells = []
        elif tag in ("th", "td"):
            self._cells.append("")
            if int(dict(attributes).get("colspan", 1)) > 1 and tag == "th":
                self._cells.append("")
        elif tag == "br":
            self._within.pop()
            self._cells[-1] += "\n"

    def handle_endtag(self, tag):
        """End a row."""
        self._within.pop()
        if tag == "tr" and "thead" in self._within:
            self._names = [name or self._cells[0] for name in self._cells]
        elif tag == "tr" and len(self._cells) == len(self._names):
            row = {
                name: re.sub(r" *\n *", "\n", cell.strip()) for name, cell in zip(self._names, self._cells, strict=True)
            }
            self.tables.setdefault(self._heading, []).append(row)

    def handle_data(self, data):
        """Add text to a heading or to a cell."""
        text = re.sub(r"\s+", " ", data)
        if "h4" in self._within:
            self._heading += text
        elif "td" in self._within or "th" in self._within:
            self._cells[-1] += text

    @property
    def checks(self):
        """The rows of checks."""
        return self.tables.get("Checks", [])

    def check(self, action, resource='Application::"default"'):
        """The row of one check."""
        (row,) = (row for row in self.checks if row["Action"].split("\n")[0] == action and row["Resource"] == resource)
        return row


def shown(response):
    """What the toolbar fetches when the panel is opened."""
    query = {"request_id": response.headers["djdt-request-id"], "panel_id": PANEL}
    fetched = Client().get("/__debug__/render_panel/", query)
    assert fetched.status_code == 200
    return Shown(fetched.json()["content"])


def uid(photo):
    return f'Photo::"{photo.pk}"'


# One round


def test_a_page_in_one_round_has_no_warning(make_client, photo, engine):
    """Gate, buttons and rows are one round, which the gate began."""
    response = make_client("ann").get("/photos/")
    panel = shown(response)

    assert len(engine.batches) == 1
    (round_,) = panel.tables["Rounds"]
    assert round_["Began at"] == "gate of tests.testapp.views.PhotoList"
    assert (round_["Checks"], round_["Calls"], round_["Not planned"], round_["Cached"]) == ("4", "1", "0", "0")
    assert "This request needed" not in panel.words
    (summary,) = panel.tables["Summary"]
    assert summary["Who"] == 'PhotoFlash::User::"eu-west-1_AbCdEf123|ann"'
    assert (summary["Rounds"], summary["Calls"], summary["Checks"]) == ("1", "1", "4")
    assert re.fullmatch(r"\d+\.\d ms", summary["Time"])


def test_each_check_tells_its_decision_policies_and_place(make_client, photo):
    """Those that are allowed and those that are not, by whatever decided."""
    panel = shown(make_client("ann").get("/photos/"))

    gate = panel.check("ListPhotos")
    assert (gate["Decision"], gate["Policies"]) == ("permitted", "everybody-lists")
    assert gate["Asked at"] == "gate of tests.testapp.views.PhotoList"
    edit = panel.check("EditPhoto", uid(photo))
    assert (edit["Decision"], edit["Policies"], edit["Asked at"]) == ("permitted", "owner", "gallery.html:1")
    assert (edit["Planned"], edit["Round"], edit["Cached"], edit["Read"]) == ("yes", "1", "no", "1")
    assert "permit owner" in panel.words
    assert "resource has owner &amp;&amp; resource.owner == principal" in panel.html

    others = shown(make_client("bob").get("/photos/")).check("EditPhoto", uid(photo))
    assert (others["Decision"], others["Policies"]) == ("not permitted", "–")


def test_a_forbid_is_named_with_its_source(make_client, user, photo):
    """A decision that denies has policies, too."""
    panel = shown(make_client("ann", "suspended").get("/gallery/"))

    assert panel.check("EditPhoto", uid(photo))["Policies"] == "suspended"
    assert panel.check("EditPhoto", uid(photo))["Decision"] == "forbidden"
    assert "forbid suspended" in panel.words


def test_a_link_is_shown_with_its_template(make_client, user):
    """What decided is the template, for those whom the link names."""
    account = Account.objects.create(name="Shared", slug="shared")
    album = Album.objects.create(title="ours", account=account, owner=user("ann"))
    photo = Photo.objects.create(title="dawn", owner=user("ann"), album=album)

    panel = shown(make_client("sue").get("/gallery/"))

    assert panel.check("ViewPhoto", uid(photo))["Policies"] == "shared-with-sue"
    assert "permit shared-with-sue" in panel.words
    assert "resource in ?resource" in panel.words
    assert "Linked at tests/policies/template-links.json:4" in panel.words


def test_a_policy_that_cannot_be_evaluated_is_named(make_client, photo, settings, tmp_path):
    """By its id; what Cedar says of it may quote claims."""
    text = '@id("broken") forbid (principal, action, resource) when { principal.email == "x" };\n'
    (tmp_path / "some.cedar").write_text(f'{text}@id("all") permit (principal, action, resource);')
    settings.AVP_POLICIES = tmp_path

    panel = shown(make_client("ann").get("/gallery/"))

    check = panel.check("EditPhoto", uid(photo))
    assert (check["Decision"], check["Policies"]) == ("permitted", "all\nnot evaluated: broken")
    assert "forbid broken" in panel.words


def test_policies_of_an_engine_that_does_not_tell_are_ids(make_client, photo):
    """Nothing can be opened."""
    with runtime.use_engine(SilentEngine()):
        panel = shown(make_client("ann").get("/gallery/"))

    assert panel.check("EditPhoto", uid(photo))["Policies"] == "owner"
    assert "djToggleSwitch" not in panel.html


def test_reading_again_is_counted_with_each_place(make_client, photo):
    """A decision is made once, wherever it is read."""
    check = shown(make_client("ann").get("/code/")).check("EditPhoto", uid(photo))

    assert check["Read"] == "2"
    assert re.fullmatch(r"tests/toolbar_urls\.py:\d+ in code", check["Asked at"])


def test_what_is_collected_and_never_asked_is_shown(make_client):
    """There is no decision about it."""
    check = shown(make_client("ann").get("/unread/")).check("ListPhotos")

    assert (check["Decision"], check["Round"], check["Read"]) == ("not decided", "–", "0")


def test_remembered_decisions_are_marked(make_client, photo, settings):
    """The second request asks the cache alone."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "test_panels"}
    }
    settings.AVP_CACHE, settings.AVP_CACHE_TTL = "default", 60

    first, second = (shown(make_client("ann").get("/gallery/")) for _ in "ab")

    assert {check["Cached"] for check in first.checks} == {"no"}
    assert {check["Cached"] for check in second.checks} == {"yes"}
    assert [round_["Cached"] for round_ in second.tables["Rounds"]] == ["3"]
    assert [round_["Calls"] for round_ in second.tables["Rounds"]] == ["0"]


def test_no_context_claim_or_token_is_shown(make_client, photo, mint):
    """Of a context the names, of a token nothing."""
    response = make_client("ann", email="ann@photoflash.example").get("/context/")
    panel = shown(response)
    stored = str(get_store().panel(response.headers["djdt-request-id"], PANEL))

    assert panel.check("EditPhoto", uid(photo))["Action"] == "EditPhoto\ncontext: mfa, note"
    for secret in ("value-of-the-note", "photoflash.example", "eyJ"):
        assert secret not in panel.html
        assert secret not in stored


def test_the_panel_has_no_script_and_no_style_in_it(make_client, photo):
    """The strictest Content-Security-Policy lets it pass."""
    html = shown(make_client("ann").get("/code/")).html

    assert "<button" in html
    assert not re.search(r"<script|<style|\son\w+=|\sstyle=", html)


def test_no_more_checks_are_shown_than_a_browser_bears(make_client, photo, monkeypatch):
    """The rest is counted."""
    monkeypatch.setattr("django_avp.panels.panel._MOST_CHECKS", 1)
    panel = shown(make_client("ann").get("/gallery/"))

    assert len(panel.checks) == 1
    assert "2 more checks are not shown." in panel.words
    assert panel.tables["Summary"][0]["Checks"] == "3"


# More than one round


def warned(panel):
    """The warning."""
    return re.search(r"This request needed.*?(?= Summary )", panel.words)[0]


def test_code_that_asks_one_by_one_is_named(make_client, photo):
    """The second read came late: file, line, function, and the cure."""
    panel = shown(make_client("ann").get("/code/"))

    assert "This request needed 2 rounds." in warned(panel)
    assert re.search(rf"Round 2 began at tests/toolbar_urls\.py:\d+ in code : EditPhoto on {uid(photo)}", _text(panel))
    assert "request.avp.collect(…)" in warned(panel)
    assert [panel.check(action, uid(photo))["Planned"] for action in ("ViewPhoto", "EditPhoto")] == ["yes", "no"]


def _text(panel):
    return warned(panel).replace("&quot;", '"').replace("&#x27;", "'")


def test_a_template_after_a_gate_is_a_round_of_its_own(make_client, photo):
    """What it asks was planned, but only when the gate had decided."""
    panel = shown(make_client("ann").get("/shown/"))

    assert "Round 2 began at gallery.html:1 : " in warned(panel)
    assert "planned only when the gate had been decided" in warned(panel)
    assert {check["Planned"] for check in panel.checks} == {"yes"}
    assert [check["Round"] for check in panel.checks] == ["1", "2", "2", "2"]


def test_a_tag_that_planning_cannot_know_is_named(make_client, photo, settings):
    """Template and line, and the cure."""
    (backend,) = settings.TEMPLATES
    options = {**backend["OPTIONS"], "builtins": ["tests.planning.tags"]}
    settings.TEMPLATES = [{**backend, "OPTIONS": options}]
    panel = shown(make_client("ann").get("/surprising/"))

    assert f"Round 2 began at card.html:1 : EditPhoto on {uid(photo)}." in _text(panel)
    assert "get_planning_context()" in warned(panel)
    assert panel.check("EditPhoto", uid(photo))["Planned"] == "no"
    assert panel.check("ViewPhoto", uid(photo))["Planned"] == "yes"


def test_many_late_checks_are_counted(make_client, user):
    """Five are named, with their places where these are not the round's."""
    for number in range(3):
        Photo.objects.create(title=f"photo {number}", owner=user("ann"))

    assert ", and 4 more." in warned(shown(make_client("ann").get("/shown/")))


def test_a_second_gate_is_told(make_client):
    """Two gates in a row are two rounds."""
    panel = shown(make_client("mona", "moderators").get("/two-gates/"))

    assert "the first gate's also=" in _text(panel)
    assert panel.check("Moderate")["Planned"] == "yes"


def test_what_is_decided_anew_is_another_check(make_client):
    """A write is followed by a round."""
    panel = shown(make_client("ann").get("/again/"))

    assert "request.avp.forget()" in warned(panel)
    assert [(check["Round"], check["Read"]) for check in panel.checks] == [("1", "1"), ("2", "1")]


def test_the_rows_of_an_api_are_its_second_round(make_client, photo):
    """The view is named, as no code of the project asks."""
    panel = shown(make_client("ann").get("/api/"))

    assert "Round 2 began at tests.toolbar_urls.Photos : " in warned(panel)
    assert "Django REST framework" in warned(panel)
    assert panel.check("ListPhotos")["Asked at"] == "gate of tests.toolbar_urls.Photos"
    assert panel.check("EditPhoto", uid(photo))["Asked at"] == "tests.toolbar_urls.Photos"


def test_the_admin_names_its_class(make_client, user):
    """Its views are methods, which are no places."""
    ann = user("ann")
    ann.is_staff = True
    ann.save()

    panel = shown(make_client("ann").get("/admin/testapp/photo/"))

    assert len({tuple(listed.values()) for listed in panel.tables["Lists"]}) == len(panel.tables["Lists"])
    assert any(int(listed["Times"]) > 1 for listed in panel.tables["Lists"])
    places = {check["Asked at"].split("\n")[0] for check in panel.checks}
    assert places == {"tests.admin_urls.PhotoAdmin.changelist_view"}


# Lists


def test_lists_tell_how_they_were_filtered(make_client, photo, settings, tmp_path):
    """In the query, or row by row where SQL cannot say a policy."""
    client = make_client("ann")
    (listed,) = shown(client.get("/rows/ViewPhoto/")).tables["Lists"]
    assert (listed["Action"], listed["Model"], listed["Filtered"]) == ("ViewPhoto", "testapp.Photo", "in its query")
    assert re.fullmatch(r"tests/toolbar_urls\.py:\d+ in rows", listed["Asked at"])

    (tmp_path / "some.cedar").write_text("permit (principal, action, resource) when { resource.likes * 2 > -1 };")
    settings.AVP_POLICIES = tmp_path
    panel = shown(client.get("/rows/ViewPhoto/"))
    assert panel.tables["Lists"][0]["Filtered"].startswith("row by row")
    assert panel.check("ViewPhoto", uid(photo))["Read"] == "1"


def test_a_list_for_nobody_is_told(client):
    """Without anybody to ask about there is no row."""
    (listed,) = shown(client.get("/rows/ViewPhoto/")).tables["Lists"]

    assert listed["Filtered"] == "no row: nobody is identified"


def test_a_filtered_view_is_named(make_client, photo):
    """The mixin asks on its behalf."""
    (listed,) = shown(make_client("ann").get("/permitted/")).tables["Lists"]

    assert listed["Asked at"] == "tests.toolbar_urls.PermittedList"


# Without an engine, and answers that are not pages


def test_nobody_is_decided_without_a_round(client, photo):
    """The cause is in the decision."""
    panel = shown(client.get("/gallery/"))

    assert {check["Decision"] for check in panel.checks} == {"not permitted: unidentified"}
    assert {check["Round"] for check in panel.checks} == {"–"}
    assert panel.tables["Summary"][0]["Who"] == "nobody"
    assert "Rounds" not in panel.tables


def test_the_anonymous_principal_is_named(client, photo, settings):
    """It is who was asked about."""
    settings.AVP_ANONYMOUS_PRINCIPAL = 'Visitor::"anonymous"'

    assert shown(client.get("/gallery/")).tables["Summary"][0]["Who"] == 'PhotoFlash::Visitor::"anonymous"'


def test_a_refused_token_is_told_by_its_code(client):
    """And by nothing else of it."""
    response = client.get("/gallery/", headers={"Authorization": "Bearer not.a.token"})
    panel = shown(response)

    assert re.fullmatch(r"nobody \(the token was refused: \w+\)", panel.tables["Summary"][0]["Who"])
    assert "not.a.token" not in panel.html


def test_answers_of_gates_have_a_panel(make_client, client, photo, settings):
    """401 and the way to the sign-in page, 403, and 503."""
    assert client.get("/moderate/").status_code == 401
    assert shown(client.get("/moderate/")).checks == []
    redirect = client.get("/moderate/", headers={"Accept": "text/html"})
    assert redirect.status_code == 302
    assert "Nothing was asked." in shown(redirect).words

    refused = make_client("ann").get("/moderate/")
    assert refused.status_code == 403
    assert shown(refused).check("Moderate")["Decision"] == "not permitted"

    with runtime.use_engine(BrokenEngine()):
        unavailable = make_client("ann").get("/moderate/")
    assert unavailable.status_code == 503
    assert shown(unavailable).check("Moderate")["Decision"] == "undecided: unavailable"


def test_checks_are_undecided_without_policies(make_client, settings, tmp_path, photo):
    """No engine can be asked when its files are broken."""
    (tmp_path / "broken.cedar").write_text("permit (principal")
    client = make_client("ann")
    client.get("/open/")
    settings.AVP_POLICIES = tmp_path

    panel = shown(client.get("/code/"))

    assert {check["Decision"] for check in panel.checks} == {"undecided: unavailable"}


def test_a_page_that_asks_nothing_says_so(make_client):
    """There is no round to tell about."""
    response = make_client("ann").get("/open/")

    assert "Nothing was asked." in shown(response).words
    assert subtitle(response) == "no round"


def subtitle(response):
    return get_store().panel(response.headers["djdt-request-id"], PANEL)["summary"]


def test_without_the_middleware_the_panel_says_so(client, settings):
    """And the page is shown."""
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
    response = client.get("/open/")

    assert response.status_code == 200
    assert "MIDDLEWARE" in shown(response).words
    assert "no request.avp" in shown(response).words


def test_the_wrong_order_of_middlewares_is_told(make_client, settings):
    """The toolbar has to come first."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[1:], TOOLBAR]
    response = make_client("ann").get("/code/")

    assert "Nothing was recorded: put" in shown(response).words
    assert subtitle(response) == "not recorded"


# In the toolbar


def test_the_page_has_a_button_with_the_counts(make_client, photo):
    """Rounds, checks and time are seen without opening the panel, and in the browser's developer tools."""
    response = make_client("ann").get("/rows/ViewPhoto/")
    assert "<small>no round</small>" in response.content.decode()

    timing = make_client("ann").get("/gallery/").headers["Server-Timing"]
    assert re.search(r'AuthorizationPanel_avp;dur=\d+\.\d;desc="1 round, 3 checks, \d+\.\d ms"', timing)


def test_nothing_is_recorded_where_the_panel_or_the_toolbar_is_off(make_client, settings):
    """A cookie of the toolbar's switches the panel off, and a callback the toolbar."""
    client = make_client("ann")
    assert client.get("/open/").wsgi_request.avp.recorder is not None

    client.cookies[f"djdt{PANEL}"] = "off"
    assert client.get("/open/").wsgi_request.avp.recorder is None
    del client.cookies[f"djdt{PANEL}"]

    off = {"DISABLE_PANELS": {"django_avp.panels.AuthorizationPanel"}}
    settings.DEBUG_TOOLBAR_CONFIG = settings.DEBUG_TOOLBAR_CONFIG | off
    assert client.get("/open/").wsgi_request.avp.recorder is None


def test_the_toolbars_views_need_no_gate(make_client, settings):
    """Where every view has to say how it is authorized, the panel says it for those that fetch it."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_avp.middleware.AuthorizationRequiredMiddleware"]

    assert "Moderate" in shown(make_client("ann").get("/moderate/")).html


# Async


@pytest.mark.parametrize(
    ("path", "began"),
    [
        ("/agallery/", "gallery.html:1"),
        ("/aresponse/", "gallery.html:1"),
        ("/aphotos/", "gate of tests.testapp.views.AsyncPhotoList"),
    ],
)
def test_async_pages_are_recorded(make_async_client, photo, path, began):
    """One round, and the same places."""
    panel = shown(async_to_sync(make_async_client("ann").get)(path))

    (round_,) = panel.tables["Rounds"]
    assert round_["Began at"] == began
    assert panel.check("EditPhoto", uid(photo))["Asked at"] == "gallery.html:1"


def test_an_async_gate_and_its_view_are_told_apart(make_async_client, photo):
    """The gate asks in threads, the view on a line."""
    panel = shown(async_to_sync(make_async_client("ann").get)(f"/photos/{photo.pk}/aedit/"))

    assert panel.check("EditPhoto", uid(photo))["Asked at"] == "gate of tests.testapp.views.aedit"
    gate, line = panel.check("DeletePhoto", uid(photo))["Asked at"].split("\n")
    assert gate == "gate of tests.testapp.views.aedit"
    assert re.fullmatch(r"tests/testapp/views\.py:\d+ in aedit", line)


def test_what_is_asked_in_a_thread_is_the_views(make_async_client):
    """No way leads back to the line that started it."""
    assert shown(async_to_sync(make_async_client("ann").get)("/thread/")).check("ListPhotos")["Asked at"] == (
        "tests.toolbar_urls.thread"
    )


def test_what_is_asked_before_there_is_a_view_has_none(make_async_client, settings):
    """A middleware that asks in a thread leaves no trace."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.toolbar_urls.asking"]
    response = async_to_sync(make_async_client("ann").get)("/open/")
    settings.MIDDLEWARE = settings.MIDDLEWARE[:-1]
    panel = shown(response)

    assert panel.check("Moderate")["Asked at"] == "no view"


def test_a_template_of_jinja_is_named_without_a_line(make_client, settings, tmp_path):
    """Jinja2 does not tell it."""
    (tmp_path / "gallery.html").write_text('{{ can("ListPhotos") }}')
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.jinja2.Jinja2",
            "DIRS": [tmp_path],
            "OPTIONS": {"environment": "django_avp.jinja2.environment"},
        },
        *settings.TEMPLATES,
    ]

    assert shown(make_client("ann").get("/gallery/")).check("ListPhotos")["Asked at"] == "gallery.html"
