"""Requests that another site makes a browser send: every place of a token, every kind of view, method and state.

One rule says what has to happen (:func:`is_refused`); the views say what did.
"""

from __future__ import annotations

from itertools import product

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.backends.cache import SessionStore

from django_avp.runtime import runtime
from tests.soak import runs
from tests.tokens.test_alb import ACCESS, DATA
from tests.web.conftest import COOKIE, HEADER, SESSION
from tests.web.urls import FOR_ALL, METHODS, ran

SETTINGS = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"), "ALLOWED_HOSTS": ["site.example"]}
HOST = "site.example"
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
RIGHT, WRONG = "a" * 32, "b" * 32

# Who sends the token: what carries it, and whether it is the browser by itself; nobody is identified by the rest.
CARRIERS = {
    "nobody": (),
    "header": ("header",),
    "cookie": ("cookie",),
    "session": ("session",),
    "alb": ("alb",),
    "header and cookie": ("header", "cookie"),
    "header and session": ("header", "session"),
    "header and alb": ("header", "alb"),
    "cookie and session": ("cookie", "session"),
    "all": ("header", "cookie", "session", "alb"),
    "another issuer's header and cookie": ("foreign", "cookie"),
    "another scheme and session": ("basic", "session"),
    "a bad header": ("bad",),
    "a bad header and cookie": ("bad", "cookie"),
    "a bad header and session": ("bad", "session"),
}
VIEWS = {
    **{name: "exempt" in name or "api" in name or name == "viewset/" for name in FOR_ALL},
    "ninja/open": True,
    "ninja/signed-in": True,
    "admin/report/": False,
}
"""Each view, and whether it is exempt from Django's own check."""
# What a request has of another proof than its token, and whether that will do: over http and over https.
STATES = {
    "nothing": ({}, False, False),
    "the cookie alone": ({"cookie": RIGHT}, False, False),
    "the header alone": ({"X-CSRFToken": RIGHT}, False, False),
    "two that differ": ({"cookie": RIGHT, "X-CSRFToken": WRONG}, False, False),
    "too short": ({"cookie": "a", "X-CSRFToken": "a"}, False, False),
    "both": ({"cookie": RIGHT, "X-CSRFToken": RIGHT}, True, False),
    "a form field": ({"cookie": RIGHT, "field": RIGHT}, True, False),
    "a wrong form field": ({"cookie": RIGHT, "field": WRONG}, False, False),
    "both, from another origin": (
        {"cookie": RIGHT, "X-CSRFToken": RIGHT, "Origin": "https://evil.example"},
        False,
        False,
    ),
    "both, from no origin": ({"cookie": RIGHT, "X-CSRFToken": RIGHT, "Origin": "null"}, False, False),
    "both, from a subdomain": (
        {"cookie": RIGHT, "X-CSRFToken": RIGHT, "Origin": f"https://evil.{HOST}"},
        False,
        False,
    ),
    "both, from this origin by http": (
        {"cookie": RIGHT, "X-CSRFToken": RIGHT, "Origin": f"http://{HOST}"},
        True,
        False,
    ),
    "both, from this origin by https": (
        {"cookie": RIGHT, "X-CSRFToken": RIGHT, "Origin": f"https://{HOST}"},
        False,
        True,
    ),
    "both, referred by another site": (
        {"cookie": RIGHT, "X-CSRFToken": RIGHT, "Referer": f"https://evil.example/{HOST}/"},
        True,
        False,
    ),
    "both, referred by this site": (
        {"cookie": RIGHT, "X-CSRFToken": RIGHT, "Referer": f"https://{HOST}/page/"},
        True,
        True,
    ),
    "this origin alone": ({"Origin": f"https://{HOST}"}, False, False),
}
OVERRIDES = (
    ("X-HTTP-Method-Override", "POST"),
    ("X-HTTP-Method", "DELETE"),
    ("X-Method-Override", "PUT"),
    ("X-METHODOVERRIDE", "PATCH"),
)
CASES = [
    (carrier, view, method, state, scheme)
    for carrier, view, method, state, scheme in product(CARRIERS, VIEWS, METHODS, STATES, ("http", "https"))
    # A field is in a form, and a form is sent by POST.
    if "field" not in STATES[state][0] or method == "POST"
]
# A prime, so that the short form meets every carrier, view, method and state.
STEP = runs(397, 7)


def who(carrier: str, *, cookie_first: bool = False) -> str:
    """Who is identified, and how: by a ``header``, by what is ``ambient``, by a ``bad`` token, or not at all."""
    carried = CARRIERS[carrier]
    if cookie_first and "cookie" in carried:
        return "ambient"
    if "bad" in carried:
        return "bad"
    if "header" in carried:
        return "header"
    return "ambient" if {"cookie", "session", "alb"} & set(carried) else "nobody"


def is_refused(identified: str, view: str, method: str, *, is_proved: bool) -> bool:
    """The rule: what a browser sends by itself needs the proof everywhere; all else only where Django asks for it."""
    if method in SAFE or identified == "header":
        return False
    return not is_proved and (identified == "ambient" or not VIEWS[view])


def is_let_in(identified: str, view: str) -> bool:
    """Whether a view runs for whoever passed: some want to know who asks."""
    if view in ("ninja/signed-in", "admin/report/"):
        return identified in ("header", "ambient")
    return identified != "bad" or "api" not in view and view != "viewset/"


@pytest.fixture
def carried(light, mint, balancer):
    """The headers and cookies of each carrier."""
    load_balancer, source = balancer
    light.AVP_TOKEN_SOURCES = [HEADER, COOKIE, SESSION, source]
    runtime.reset()
    token = mint.id_token(sub="ann")
    session = SessionStore()
    session["id_token"] = token
    session.save()
    parts = {
        "header": ({"Authorization": f"Bearer {token}"}, {}),
        "bad": ({"Authorization": f"Bearer {token[:-8]}AAAAAAAA"}, {}),
        "foreign": ({"Authorization": f"Bearer {mint.id_token(sub='ann', pool='eu-west-1_Other')}"}, {}),
        "basic": ({"Authorization": "Basic YW5uOmFubg=="}, {}),
        "cookie": ({}, {"id_token": token}),
        "session": ({}, {django_settings.SESSION_COOKIE_NAME: session.session_key}),
        "alb": ({ACCESS: mint.access_token("ann"), DATA: load_balancer.data("ann")}, {}),
    }
    found = {}
    for carrier, names in CARRIERS.items():
        headers, cookies = {}, {}
        for name in names:
            headers |= parts[name][0]
            cookies |= parts[name][1]
        found[carrier] = headers, cookies
    return found


def ask(site, method, view, carried, state, scheme, *more):
    """Send one request, and tell its status and whether its view ran."""
    headers, cookies = dict(carried[0]), dict(carried[1])
    proof, body = dict(STATES[state][0]), b""
    if "cookie" in proof:
        cookies["csrftoken"] = proof.pop("cookie")
    if "field" in proof:
        body = f"csrfmiddlewaretoken={proof.pop('field')}".encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    ran.clear()
    sent = {"Host": HOST, "X-Forwarded-Proto": scheme, **headers, **proof}
    answer = site.send(method, f"/{view}", *sent.items(), *more, body=body)
    return answer.status, list(ran)


def faults(site, carried, cases, **order):
    """Where something else happened than the rule says."""
    wrong = []
    for carrier, view, method, state, scheme in cases:
        _, over_http, over_https = STATES[state]
        identified = who(carrier, **order)
        refused = is_refused(identified, view, method, is_proved=over_https if scheme == "https" else over_http)
        status, seen = ask(site, method, view, carried[carrier], state, scheme)
        expected = [] if refused or not is_let_in(identified, view) else [method]
        if seen != expected or (refused and status not in (401, 403)) or status >= 500:
            wrong.append(f"{carrier}, {view}, {method}, {state}, {scheme}: {status}, {seen} and not {expected}")
    return wrong


def test_c1_what_a_browser_sends_by_itself_needs_a_proof_everywhere(served, carried):
    """Each place of a token, with each view, method and proof, over http and https, under both servers."""
    cases = CASES[::STEP]
    for position, all_of_them in enumerate((CARRIERS, VIEWS, METHODS, STATES)):
        assert {case[position] for case in cases} == set(all_of_them)

    assert faults(served, carried, cases) == []


def test_c1_the_first_source_says_which_kind_it_is(served, carried, light):
    """Where a site reads cookies before the header, a header beside a cookie proves nothing."""
    light.AVP_TOKEN_SOURCES = [COOKIE, HEADER]
    runtime.reset()
    carriers = [name for name, parts in CARRIERS.items() if {"header", "cookie"} >= set(parts)]
    cases = [case for case in CASES if case[0] in carriers][:: runs(211, 7)]

    assert faults(served, carried, cases, cookie_first=True) == []


@pytest.mark.parametrize("carrier", ["cookie", "session", "alb"])
def test_c1_a_method_that_is_only_said_is_no_method(served, carried, carrier):
    """Headers, fields and queries by which frameworks let clients name another method change nothing: a GET stays
    one, and a POST is checked as one."""
    for view in VIEWS:
        for header in OVERRIDES:
            status, seen = ask(served, "GET", f"{view}?_method=DELETE", carried[carrier], "nothing", "http", header)
            assert (status, seen) == (200, ["GET"])
            _, seen = ask(
                served, "POST", f"{view}?_method=GET", carried[carrier], "nothing", "http", (header[0], "GET")
            )
            assert seen == []


@pytest.mark.parametrize("place", ["field", "header"])
def test_c1_another_browsers_proof_is_none(served, carried, place):
    """The proof of one browser beside the cookie of another; and a secret in the place of a masked token is one."""
    _, cookies = carried["cookie"]
    headers = {"Host": HOST, "Cookie": f"id_token={cookies['id_token']}; csrftoken={RIGHT}"}
    body = f"csrfmiddlewaretoken={WRONG}".encode() if place == "field" else b""
    headers |= {"Content-Type": "application/x-www-form-urlencoded"} if body else {"X-CSRFToken": WRONG}
    ran.clear()

    assert served.send("POST", "/exempt/", *headers.items(), body=body).status == 403
    assert ran == []
