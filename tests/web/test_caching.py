"""Nobody gets somebody else's page out of Django's caches, wherever these stand (rule C5)."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.checks import run_checks
from django.template import engines
from django.test import AsyncClient, Client
from django.utils.http import quote_etag

from django_avp.runtime import runtime
from tests.conftest import POOL
from tests.site_engines import BrokenEngine
from tests.soak import runs
from tests.web import cached
from tests.web.conftest import COOKIE, HEADER, SESSION

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.cached")]

UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
CONDITIONAL = "django.middleware.http.ConditionalGetMiddleware"
OURS = "django_avp.middleware.AuthorizationMiddleware"
READER = "tests.web.cached.reads_the_user"

# Where the caches of a site stand around the middlewares of the test site, whose last is ours.
ORDERS = {
    "none": lambda site: site,
    "as documented": lambda site: [UPDATE, *site, FETCH],
    "both before": lambda site: [UPDATE, FETCH, *site],
    "both after": lambda site: [*site, UPDATE, FETCH],
    "the wrong way round": lambda site: [FETCH, *site, UPDATE],
    "with conditional requests": lambda site: [CONDITIONAL, UPDATE, *site, FETCH],
    "the user read before": lambda site: [*site, READER, UPDATE, FETCH],
    "the user read first": lambda site: [UPDATE, *site, READER, FETCH],
    "sign-in required": lambda site: [UPDATE, *site, LOGIN_REQUIRED, FETCH],
    "sign-in required, both after": lambda site: [*site, LOGIN_REQUIRED, UPDATE, FETCH],
}
VISITORS = (("ann", "moderators"), ("bob",), (None,))
# The short form has every page in some of the orders.
STEP = runs(5, 1)
SOURCES = {"header": HEADER, "cookie": COOKIE, "session": SESSION}


@pytest.fixture(params=SOURCES)
def browsers(request, site, mint):
    """Make browsers of users: ``browsers("ann", "moderators")``; without a name, of nobody."""
    site.AVP_TOKEN_SOURCES = [SOURCES[request.param]]
    site.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    runtime.reset()
    cache.clear()

    def make(sub=None, *groups):
        token = mint.id_token(sub=sub, groups=groups) if sub else ""
        client = Client(headers={"Authorization": f"Bearer {token}"} if sub and request.param == "header" else {})
        if sub and request.param == "cookie":
            client.cookies["id_token"] = token
        if sub and request.param == "session":
            session = client.session
            session["id_token"] = token
            session.save()
        return client

    yield make
    cache.clear()


def body(response):
    return b"".join(response).decode()


@pytest.mark.parametrize("order", ORDERS)
def test_c5_no_page_of_one_user_is_anothers(browsers, site, order):
    """Pages of every kind, with a cache around them and without, in whatever order the site's caches stand."""
    site.MIDDLEWARE = ORDERS[order](site.MIDDLEWARE)
    visitors = [(sub, "moderators" in groups, browsers(sub, *groups)) for sub, *groups in VISITORS]
    wrong = []
    for name in list(cached.PAGES)[list(ORDERS).index(order) % STEP :: STEP]:
        for sub, is_moderator, browser in visitors:
            response = browser.get(f"/{name}/")
            shown = body(response)
            others = [other for other, *_ in VISITORS if other != sub and f"|{other}." in shown]
            others += ["a moderator"] if "may: True" in shown and not is_moderator else []
            if others:
                wrong.append(f"{name}: {sub or 'nobody'} got the page of {others}")
            if sub and f"|{sub}." in shown and "private" not in response.headers.get("Cache-Control", ""):
                wrong.append(f"{name}: does not say that it is {sub}'s")

    assert wrong == []


def test_c5_what_tells_nothing_of_anybody_is_still_kept(browsers):
    """``cache_page`` inside of a gate works for what all see who pass, and so it does on pages for everybody."""
    ann, bob = browsers("ann"), browsers("bob")
    for name in ("inside-for-all", "for-all"):
        first, second = (ann.get(f"/{name}/") for _ in range(2))
        assert first.content == second.content
        # Django keeps what was asked with this header for those who send the same one.
        assert "Authorization" in second.headers.get("Vary", "") or bob.get(f"/{name}/").content == first.content


def test_c5_a_cache_inside_of_a_gate_keeps_nobody_in(browsers, site):
    """The gate is passed at each request: nobody, the refused, and who has been deactivated or revoked get no page."""
    ann = browsers("ann", "moderators")
    assert ann.get("/inside-for-moderators/").content
    assert browsers().get("/inside-for-moderators/").status_code == 401
    assert browsers("bob").get("/inside-for-moderators/").status_code == 403
    with runtime.use_engine(BrokenEngine()):
        assert browsers("ann", "moderators").get("/inside-for-moderators/").status_code == 503

    get_user_model().objects.filter(username=f"{POOL}|ann").update(is_active=False)
    assert ann.get("/inside-for-moderators/").status_code == 403
    get_user_model().objects.update(is_active=True)
    assert ann.get("/inside-for-moderators/").status_code == 200
    site.AVP_TOKEN_REVOKED = lambda claims: True
    assert ann.get("/inside-for-moderators/").status_code == 401


@pytest.mark.parametrize("order", ["as documented", "both before", "both after"])
def test_c5_answers_of_gates_are_nobody_elses_either(browsers, site, order):
    """302, 401, 403, 404 and 503 say ``private`` and ``Vary``, and the next visitor gets an answer of their own."""
    site.MIDDLEWARE = ORDERS[order](site.MIDDLEWARE)
    page = {"Accept": "text/html"}

    def check(response, status):
        assert response.status_code == status
        assert "private" in response.headers["Cache-Control"]
        assert {"Authorization", "Cookie"} & set(response.headers["Vary"].split(", "))

    for _ in range(2):
        check(browsers().get("/gated/"), 401)
        check(browsers().get("/gated/", headers=page), 302)
        check(browsers("bob").get("/gated/"), 403)
        check(browsers("bob").get("/hidden/"), 404)
        check(browsers("ann", "moderators").get("/gated/"), 200)
        with runtime.use_engine(BrokenEngine()):
            check(browsers("ann", "moderators").get("/gated/"), 503)


def test_c5_an_etag_tells_nothing_of_anothers_page(browsers, site):
    """With another's ``ETag`` a user gets their own page, the refused their refusal, and only the same page is 304."""
    site.MIDDLEWARE = [CONDITIONAL, *site.MIDDLEWARE]
    ann = browsers("ann", "moderators").get("/named/")
    asked = {"If-None-Match": ann.headers["ETag"]}
    assert asked["If-None-Match"] != quote_etag("")

    assert browsers("ann", "moderators").get("/named/", headers=asked).status_code == 304
    assert "private" in browsers("ann", "moderators").get("/named/", headers=asked).headers["Cache-Control"]
    other = browsers("bob").get("/named/", headers=asked)
    assert (other.status_code, "|bob." in body(other)) == (200, True)
    gated = {"If-None-Match": browsers("ann", "moderators").get("/gated/").headers["ETag"]}
    assert browsers("bob").get("/gated/", headers=gated).status_code == 403
    assert browsers().get("/gated/", headers=gated).status_code == 401


def test_c5_a_stream_is_personal_before_it_asks(browsers):
    """Its headers go before it asks anything: nothing of a user's may be kept by a cache on the way."""
    response = browsers("ann", "moderators").get("/stream/")

    assert "private" in response.headers["Cache-Control"]
    assert {"Authorization", "Cookie"} & set(response.headers["Vary"].split(", "))
    nobody = browsers().get("/stream/")
    assert "Cache-Control" not in nobody.headers
    assert {"Authorization", "Cookie"} & set(nobody.headers["Vary"].split(", "))
    # A file asks nothing.
    assert "Cache-Control" not in browsers("ann").get("/file/").headers


def test_c5_async_pages_are_nobody_elses(site, mint):
    """Under an event loop too: what is awaited is as personal."""
    site.AVP_TOKEN_SOURCES = [COOKIE]
    site.MIDDLEWARE = ORDERS["sign-in required"](site.MIDDLEWARE)
    runtime.reset()
    cache.clear()
    for name in cached.ASYNC_PAGES:
        for sub in ("ann", "bob", "ann"):
            client = AsyncClient()
            client.cookies["id_token"] = mint.id_token(sub=sub)
            response = async_to_sync(client.get)(f"/{name}/")
            assert f"|{sub}." in response.content.decode(), name
            assert "private" in response.headers["Cache-Control"]
    cache.clear()


@pytest.mark.parametrize(
    ("text", "is_shared"),
    [
        ("{% cache 60 box %}{% can 'Moderate' %}yes{% else %}no{% endcan %}{% endcache %}", True),
        (
            "{% cache 60 box request.user.username %}{% can 'Moderate' %}yes{% else %}no{% endcan %}{% endcache %}",
            False,
        ),
        (
            "{% cache 60 box request.avp.identity.principal.id %}{% can 'Moderate' %}yes{% else %}no{% endcan %}"
            "{% endcache %}",
            False,
        ),
        ("{% can 'Moderate' %}{% cache 60 box %}yes{% endcache %}{% else %}no{% endcan %}", False),
    ],
)
def test_c5_a_fragment_is_shared_as_far_as_its_keys_say(browsers, rf, text, is_shared):
    """``{% cache %}`` asks nobody: without the user in its keys all get the first one's fragment, of which a check
    warns; with the user in it, or inside of ``{% can %}``, nobody gets another's."""
    template = engines["django"].from_string("{% load avp cache %}" + text)

    def shown(sub, *groups):
        request = browsers(sub, *groups).get("/for-nobody/").wsgi_request
        return template.render({}, request)

    assert shown("ann", "moderators") == "yes"
    assert shown("bob") == ("yes" if is_shared else "no")


def test_c5_the_check_warns_of_a_shared_fragment(site, tmp_path):
    """It is said before anybody has seen it."""
    (tmp_path / "shared.html").write_text(
        "{% load avp cache %}{% cache 60 x %}{% can 'Moderate' %}{% endcan %}{% endcache %}"
    )
    site.TEMPLATES = [{**site.TEMPLATES[0], "DIRS": [tmp_path]}]

    assert "django_avp.W026" in {message.id for message in run_checks()}
