"""What error reports show when something fails: no part of a token, a cookie, a code, a verifier, a secret or a claim.

Each failure is looked at as the debug page, as the two parts of the e-mail to admins, and in all log records.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import nullcontext
from urllib.parse import parse_qs

import django
import pytest
from django.core import mail
from django.core.signals import got_request_exception
from django.test import Client
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter, get_default_exception_reporter_filter

from django_avp.reporting import TokenHiding, exception_reporter_filter
from django_avp.runtime import runtime
from tests.hostile.servers import Records
from tests.signin.conftest import Browser, pool  # noqa: F401 - a fixture
from tests.tokens.test_alb import ACCESS, DATA
from tests.web import failing
from tests.web.conftest import COOKIE, HEADER

pytestmark = pytest.mark.django_db

LENGTH = 16
EMAIL = "never-to-be-seen@claims.example"
ADMIN = "admin@site.example"
CLIENT_SECRET = "never-to-be-seen-client-secret"
# What is named as a token is hidden by Django; these names tell it nothing.
ODD_COOKIE = ("django_avp.tokens.sources.Cookie", {"id_token": "who", "access_token": None})
ODD_SOURCE = ("tests.web.failing.Source", {"id_token": "who", "access_token": None})

LAYERS = {
    "a token source": ("view/", {"AVP_TOKEN_SOURCES": [ODD_SOURCE]}),
    "AVP_TOKEN_REVOKED": ("view/", {"AVP_TOKEN_REVOKED": failing.is_revoked}),
    "AVP_USER_RESOLVER": ("view/", {"AVP_USER_RESOLVER": failing.resolve}),
    "AVP_CONTEXT": ("asking/", {"AVP_CONTEXT": failing.context_of}),
    "an engine": ("asking/", {"AVP_ENGINE": "tests.web.failing.Engine"}),
    "an entity's attribute": ("building/", {}),
    "a gate's resource": ("gated-by-failure/", {}),
    "a view": ("view/", {}),
    "a template tag": ("template/", {}),
    "a list": ("listing/", {}),
    "a view of REST framework": ("api/", {}),
}
SIGN_INS = {
    "AVP_USER_RESOLVER at the callback": {"AVP_USER_RESOLVER": failing.resolve},
    "a receiver of the sign-in": {},
    "the sessions": {"SESSION_ENGINE": "tests.web.failing"},
    "AVP_TOKEN_REVOKED at the callback": {"AVP_TOKEN_REVOKED": failing.is_revoked},
}


def parts(secrets):
    """Every run of sixteen characters."""
    return {secret[at : at + LENGTH] for secret in secrets for at in range(len(secret) - LENGTH + 1)}


class Told:
    """Everything that is told of what fails while a block runs."""

    def __init__(self, settings, debug):
        settings.DEBUG = debug
        # Until Django 6 each has a name.
        settings.ADMINS = [ADMIN if django.VERSION >= (6,) else ("admin", ADMIN)]
        self.texts = []
        self._records = Records()

    def __enter__(self):
        got_request_exception.connect(self._report)
        self._listening = self._records.of_all_loggers()
        self._listening.__enter__()
        self._handler = AdminEmailHandler(include_html=True)
        logging.getLogger("django.request").addHandler(self._handler)
        return self

    def __exit__(self, *error):
        logging.getLogger("django.request").removeHandler(self._handler)
        self._listening.__exit__(*error)
        got_request_exception.disconnect(self._report)
        for message in mail.outbox:
            self.texts += [message.subject, message.body, *(str(content) for content, _ in message.alternatives)]
        # With DEBUG on Django logs what it sends to the database, keys of sessions too, and that is its own affair.
        self.texts += [text for text in self._records.texts if "'django.db.backends" not in text]

    def _report(self, request, **kwargs):
        for is_email in (False, True):
            reporter = ExceptionReporter(request, *sys.exc_info(), is_email=is_email)
            self.texts += [reporter.get_traceback_html(), reporter.get_traceback_text()]
        self.texts.append(repr(request))

    def shows(self, secrets):
        text = "\n".join(self.texts)
        assert "failing.py" in text or "ImproperlyConfigured" in text or "AttributeError" in text
        # Each run of characters once: a report says the same many times.
        runs = "\n".join(set(re.findall(r"[\w.@+/=-]{16,}", text)))
        return sorted(part for part in parts(secrets) if part in runs)


class OwnFilter(SafeExceptionReporterFilter):
    """A site's own, which hides nothing."""

    def is_active(self, request):
        return False

    def get_traceback_frame_variables(self, request, tb_frame):
        return list(tb_frame.f_locals.items())


@pytest.fixture(params=["Django's filter", "the site's own filter", "ours"])
def reporting(request, settings):
    """The filter of error reports that the site names."""
    if request.param == "the site's own filter":
        settings.DEFAULT_EXCEPTION_REPORTER_FILTER = f"{__name__}.OwnFilter"
    elif request.param == "ours":
        settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "django_avp.reporting.TokenHiding"
    get_default_exception_reporter_filter.cache_clear()
    yield request.param
    get_default_exception_reporter_filter.cache_clear()


@pytest.mark.parametrize("layer", LAYERS)
def test_c8_a_failure_at_any_layer_shows_no_token(settings, site, mint, reporting, layer):
    """In a cookie of an odd name, in the header and beside a session, whichever filter a site has."""
    page, changes = LAYERS[layer]
    settings.ROOT_URLCONF = "tests.web.failing"
    settings.AVP_TOKEN_SOURCES = [ODD_COOKIE, HEADER]
    for name, value in changes.items():
        setattr(settings, name, value)
    runtime.reset()
    token = mint.id_token(sub="ann", email=EMAIL)
    other = mint.access_token("ann")
    client = Client(headers={"Authorization": f"Bearer {other}", "Accept": "text/html"}, raise_request_exception=False)
    client.cookies["who"] = token

    with Told(settings, debug=reporting != "ours") as told:
        response = client.get(f"/{page}")
        told.texts.append(response.content.decode())

    assert response.status_code == 500
    assert told.shows([token, other, EMAIL]) == []


@pytest.mark.parametrize("debug", [True, False])
def test_c8_a_load_balancers_data_is_not_shown(settings, site, mint, balancer, debug):
    """Not in an error before anybody is identified, either."""
    load_balancer, source = balancer
    settings.ROOT_URLCONF = "tests.web.failing"
    settings.AVP_TOKEN_SOURCES = [source]
    settings.AVP_TOKEN_REVOKED = failing.is_revoked
    runtime.reset()
    token, data = mint.access_token("ann"), load_balancer.data("ann", payload={"sub": "ann", "email": EMAIL})

    with Told(settings, debug) as told:
        client = Client(headers={ACCESS: token, DATA: data, "Accept": "text/html"}, raise_request_exception=False)
        told.texts.append(client.get("/view/").content.decode())

    assert told.shows([token, data, EMAIL]) == []


@pytest.mark.parametrize("layer", SIGN_INS)
def test_c8_a_failure_at_a_sign_in_shows_nothing_of_it(settings, site, pool, reporting, layer):  # noqa: F811
    """The code, the verifier, the tokens, the refresh token, the app client's secret, and the session's key."""
    pool.claims = {"email": EMAIL}
    pool.secret = settings.AVP_SIGN_IN_CLIENT_SECRET = CLIENT_SECRET
    given = []
    pool.answer = lambda answer: given.append(answer) or answer
    for name, value in SIGN_INS[layer].items():
        setattr(settings, name, value)
    runtime.reset()
    browser = Browser(pool, raise_request_exception=False)
    query = pool.choose(browser.begin(next="/gated/"))
    code = parse_qs(query)["code"][0]
    with Told(settings, debug=reporting != "ours") as told:
        with failing.receiving() if "receiver" in layer else nullcontext():
            response = browser.get(f"/sign-in/callback/?{query}")
        told.texts.append(response.content.decode())

    assert response.status_code == 500
    (sent,), (answer,) = pool.sent_to("/token"), given
    secrets = [code, sent["code_verifier"], CLIENT_SECRET, EMAIL, browser.cookies["sessionid"].value]
    secrets += [answer[name] for name in ("id_token", "access_token", "refresh_token")]
    secrets += [parse_qs(query)["state"][0]]
    assert told.shows(secrets) == []


def test_c8_what_would_be_shown_is_found(settings, site, mint):
    """A view that keeps a token in a variable of its own shows it: the search does find what is there."""
    token = mint.id_token(sub="ann")
    settings.ROOT_URLCONF = "tests.web.failing"
    settings.AVP_CONTEXT = None
    with Told(settings, debug=True) as told:
        client = Client(headers={"X-Copy": token, "Authorization": f"Bearer {token}"}, raise_request_exception=False)
        client.get("/view/")

    assert told.shows([token])


def test_c8_the_variables_of_the_sites_own_code_stay(settings, site, mint):
    """Only what may hold a token is starred: the view's own variables help whoever looks for the error."""
    settings.ROOT_URLCONF = "tests.web.failing"
    with Told(settings, debug=True) as told:
        Client(headers={"Authorization": f"Bearer {mint.id_token(sub='ann')}"}, raise_request_exception=False).get(
            "/view/"
        )

    page = told.texts[0]
    assert "WSGIRequest: GET &#x27;/view/&#x27;" in page
    assert "wrapped_callback" in page
    assert "&lt;function view at" in page


def test_a_filter_of_ours_is_not_put_before_itself(settings):
    """A site may name it itself, to hide tokens in errors of middlewares before ours, too."""
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = "django_avp.reporting.TokenHiding"
    get_default_exception_reporter_filter.cache_clear()
    found = exception_reporter_filter()
    get_default_exception_reporter_filter.cache_clear()

    assert type(found) is TokenHiding


@pytest.mark.parametrize("source", [HEADER, COOKIE])
def test_c8_the_browsable_api_shows_no_token(settings, site, mint, source):
    """Its pages show answers and headers of answers."""
    settings.ROOT_URLCONF = "tests.web.failing"
    settings.AVP_TOKEN_SOURCES = [source]
    runtime.reset()
    token = mint.id_token(sub="ann", email=EMAIL)
    client = Client(headers={"Accept": "text/html", "Authorization": f"Bearer {token}"})
    client.cookies["id_token"] = token
    response = client.get("/browsable/")

    assert response.status_code == 200
    assert b"Django REST framework" in response.content
    assert not [part for part in parts([token, EMAIL]) if part in response.content.decode()]
