"""Signing in at a user pool and out again, over whole requests and real HTTP to the pool."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session

from django_avp.signin.discovery import MAX_AGE, Discovery, discovery
from django_avp.signin.provider import Provider
from django_avp.signin.sessions import MAX_ATTEMPT_AGE, MOST_ATTEMPTS
from django_avp.signin.tokens import Attempt, SignInError, Tokens
from tests.conftest import POOL
from tests.signin.conftest import Browser
from tests.signin.pool import ISSUER

ANN = {"principal": f"{POOL}|ann", "fault": None}


def failure(caplog):
    """The codes of the sign-ins that failed."""
    return [record.code for record in caplog.records if record.message == "avp.sign_in_failed"]


# Signing in


def test_a_sign_in_begins_with_what_its_end_is_compared_with(browser):
    """State, nonce and challenge are new each time; the verifier and the session's key stay here."""
    first, second = (parse_qs(urlsplit(browser.begin()).query) for _ in range(2))

    assert first["scope"] == ["openid"]
    assert first["redirect_uri"] == ["http://testserver/sign-in/callback/"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) >= 43
        assert first[name] != second[name]
    assert "code_verifier" not in first


def test_scopes_are_those_of_the_settings(browser, settings):
    """A site that needs more of a user asks for it."""
    settings.AVP_SIGN_IN_SCOPES = ["openid", "email"]

    assert parse_qs(urlsplit(browser.begin()).query)["scope"] == ["openid email"]


def test_who_comes_back_is_signed_in(browser, pool):
    """The code becomes tokens, and the tokens identify every request of the new session."""
    before = browser.begin() and browser.session.session_key
    response = browser.sign_in(next="/gated/?from=here")

    assert (response.status_code, response["Location"]) == (302, "/gated/?from=here")
    assert "no-store" in response["Cache-Control"]
    assert browser.session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()
    assert browser.me().items() >= ANN.items()
    assert browser.get("/gated/").content == b"in"
    (sent,) = pool.sent_to("/token")
    assert sent["grant_type"] == "authorization_code"
    assert sent["authorization"] == ""


def test_django_is_told(browser):
    """Receivers of Django's own signal see the sign-in, and the time of it is kept."""
    seen = []

    def receive(*, request, user, **kwargs):
        # The visitor's authorization, who was somebody else, is closed (rule C6).
        seen.append((user.get_username(), bool(request.avp.can("ListPhotos"))))

    user_logged_in.connect(receive)
    try:
        browser.sign_in()
    finally:
        user_logged_in.disconnect(receive)

    assert seen == [(f"{POOL}|ann", False)]
    assert get_user_model().objects.get().last_login is not None


def test_a_site_without_rows_of_users_signs_in_too(browser, settings):
    """Django's receivers save users, so they are told of rows only."""
    settings.AVP_USER_MODE = "token"
    browser.sign_in()

    assert browser.me().items() >= ANN.items()
    assert not get_user_model().objects.exists()


def test_the_csrf_token_is_another_afterwards(browser):
    """What a page knew before the sign-in forges nothing after it."""
    browser.cookies["csrftoken"] = before = "a" * 32
    browser.sign_in()

    assert browser.cookies["csrftoken"].value != before


def test_a_visitor_keeps_what_was_in_the_session(browser):
    """A basket that was filled before survives, under another key."""
    browser.me()
    browser.me()
    browser.sign_in()

    assert browser.me()["visits"] == 3


@pytest.mark.parametrize("others", ["tokens", "password"])
def test_the_session_of_another_user_does_not_survive(browser, user, others, pool):
    """Nothing that one user left is shown to the next, and the first one's tokens are gone."""
    if others == "tokens":
        browser.sign_in("bob")
    else:
        browser.force_login(user("bob"), "django.contrib.auth.backends.ModelBackend")
    browser.me()
    old = browser.cookies["sessionid"].value
    browser.sign_in("ann")

    assert browser.me() == {**ANN, "visits": 1}
    # The session and, beside it, the record of its tokens.
    assert Session.objects.count() == 2
    browser.cookies["sessionid"] = old
    assert browser.me()["principal"] is None


def test_the_sign_in_that_another_one_ends_is_revoked(browser, pool):
    """Nobody has its refresh token any more: the user pool forgets it, too, as at signing out."""
    browser.sign_in("bob")
    (before,) = pool.refresh_tokens
    browser.sign_in("ann")

    assert [sent["token"] for sent in pool.sent_to("/revoke")] == [before]
    assert list(pool.refresh_tokens.values()) == ["ann"]


def test_a_revocation_that_fails_keeps_nobody_from_signing_in(browser, pool, caplog):
    """It is logged, and the new sign-in stands."""
    browser.sign_in("bob")
    pool.replies["/revoke"] = (500, b"")

    assert browser.sign_in("ann").status_code == 302
    assert browser.me().items() >= ANN.items()
    assert "avp.revocation_failed" in [record.message for record in caplog.records]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "///evil.example",
        "http:///evil.example",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_sign_in_does_not_lead_elsewhere(browser, address):
    """An address of another site is not followed."""
    assert browser.sign_in(next=address)["Location"] == "/me/"


def test_a_client_with_a_secret_proves_itself(browser, pool, settings):
    """The secret goes to the token endpoint, in the header, and nowhere else."""
    pool.secret = settings.AVP_SIGN_IN_CLIENT_SECRET = "not-for-browsers"
    location = browser.begin()
    browser.sign_in()

    assert browser.me()["principal"] == f"{POOL}|ann"
    assert pool.secret not in location
    (sent,) = pool.sent_to("/token")
    assert sent["authorization"].startswith("Basic ")
    assert pool.secret not in str({**sent, "authorization": ""})


@pytest.mark.parametrize(("use", "kept"), [(("access",), "access_token"), (("id",), "id_token")])
def test_only_tokens_that_the_site_accepts_are_kept(browser, settings, use, kept):
    """The other one would be refused with the next request."""
    settings.AVP_TOKEN_USE = use
    browser.sign_in()

    assert browser.me()["principal"] == f"{POOL}|ann"
    assert [name for name in ("id_token", "access_token") if browser.session[name]] == [kept]


def test_without_a_refresh_token_the_sign_in_lasts_as_long_as_its_tokens(browser, pool):
    """There is nothing to keep beside the session, and nothing is asked when the tokens expire."""
    pool.answer = lambda tokens: {name: value for name, value in tokens.items() if name != "refresh_token"}
    pool.lifetime = 30
    browser.sign_in()

    assert browser.me()["principal"] == f"{POOL}|ann"
    assert Session.objects.count() == 1
    assert len(pool.sent_to("/token")) == 1


# Coming back otherwise


def test_a_state_is_of_one_browser(browser, pool, caplog):
    """A code that was sent to another browser signs nobody in: the forger's account is not taken for one's own."""
    location = Browser(pool).begin()
    response = browser.get(f"/sign-in/callback/?{pool.choose(location)}")

    assert response.status_code == 400
    assert failure(caplog) == ["state"]
    assert pool.sent_to("/token") == []
    assert browser.me()["principal"] is None


@pytest.mark.parametrize("query", ["", "state=", "state=x&code=y", "code=y", "error=access_denied"])
def test_nobody_began_this(browser, pool, query):
    """Without a sign-in that began here there is none to finish."""
    assert browser.get(f"/sign-in/callback/?{query}").status_code == 400
    assert pool.sent_to("/token") == []


def test_a_sign_in_is_finished_once(browser, pool):
    """Whoever goes back in the browser's history stays signed in; after signing out it is of no use."""
    location = browser.begin()
    query = pool.choose(location)
    browser.get(f"/sign-in/callback/?{query}")

    assert browser.get(f"/sign-in/callback/?{query}")["Location"] == "/me/"
    browser.post("/sign-out/")
    assert browser.get(f"/sign-in/callback/?{query}").status_code == 400
    assert len(pool.sent_to("/token")) == 1


def test_a_sign_in_that_took_too_long_is_over(browser, pool, caplog):
    """An hour after it began the answer of the user pool is worth nothing."""
    query = pool.choose(browser.begin())
    session = browser.session
    (attempt,) = session["_avp_sign_in_attempts"]
    attempt[0] -= MAX_ATTEMPT_AGE + 1
    session.save()

    assert browser.get(f"/sign-in/callback/?{query}").status_code == 400
    assert failure(caplog) == ["state"]


def test_several_tabs_sign_in_at_once(browser, pool):
    """Each begins by itself; more than a few are not remembered, the newest are."""
    locations = [browser.begin(next=f"/me/?{number}") for number in range(MOST_ATTEMPTS + 1)]

    assert browser.get(f"/sign-in/callback/?{pool.choose(locations[0])}").status_code == 400
    assert browser.get(f"/sign-in/callback/?{pool.choose(locations[1])}")["Location"] == "/me/?1"


def test_a_refusal_of_the_pool_is_told(browser, pool, caplog):
    """The user said no, or the pool did; what it says about it is not repeated."""
    location = browser.begin()
    state = parse_qs(urlsplit(location).query)["state"][0]
    query = urlencode({"error": "access_denied", "error_description": "<b>call 555</b>", "state": state})
    response = browser.get(f"/sign-in/callback/?{query}")

    assert response.status_code == 400
    assert failure(caplog) == ["refused"]
    assert b"555" not in response.content
    assert b'href="/sign-in/"' in response.content


FORGERIES = {
    "another nonce": (lambda pool: pool.claims.update(nonce="x"), "nonce"),
    "no nonce": (lambda pool: pool.claims.update(nonce=None), "nonce"),
    "a nonce that is no text": (lambda pool: pool.claims.update(nonce=["x"]), "nonce"),
    "another client": (lambda pool: pool.claims.update(aud="client-2"), "token_client"),
    "another user": (lambda pool: pool.claims.update(sub="bob"), "token_pair"),
    "expired": (lambda pool: setattr(pool, "lifetime", -1), "token_expired"),
    "another issuer": (lambda pool: pool.claims.update(iss="https://evil.example"), "token_foreign_issuer"),
}


@pytest.mark.parametrize(("forge", "code"), FORGERIES.values(), ids=FORGERIES)
def test_tokens_that_do_not_hold_sign_nobody_in(browser, pool, caplog, forge, code):
    """Whatever the token endpoint answers is verified like the tokens of a request, and tied to this sign-in."""
    forge(pool)
    response = browser.sign_in()

    assert response.status_code == 400
    assert failure(caplog) == [code]
    assert browser.me()["principal"] is None


ODD_ANSWERS = {
    "a time that is a mapping": {"expires_in": {"a": 1}},
    "a time that is a word": {"expires_in": "soon"},
    "a time that is a list": {"expires_at": [1]},
    "nested too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("reply", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
def test_odd_answers_are_no_errors_of_the_site(browser, pool, reply):
    """Whatever the token endpoint says beside its tokens, nobody sees a page of status 500."""
    pool.replies["/token"] = (200, reply)

    assert browser.sign_in().status_code in (400, 503)


@pytest.mark.parametrize("name", ["id_token", "access_token"])
@pytest.mark.parametrize("value", [None, 5, "", {"a": 1}, "a.b.c"])
def test_answers_without_a_token_sign_nobody_in(browser, pool, caplog, name, value):
    """One that is missing or no text is a failure, and not half a sign-in."""
    pool.answer = lambda tokens: {**tokens, name: value}

    assert browser.sign_in().status_code == 400
    assert failure(caplog) == ["token_malformed"]


def test_a_client_that_the_site_accepts_but_does_not_sign_in_with_is_refused(browser, pool, settings, caplog):
    """Tokens of another app client of the pool are good for requests, and are no answer to this question."""
    settings.AVP_USER_POOLS = {POOL: ["client-1", "client-2"]}
    settings.AVP_SIGN_IN_CLIENT_ID = "client-1"
    access = pool.mint.access_token("ann", client_id="client-2")
    pool.claims = {"aud": "client-2"}
    pool.answer = lambda tokens: {**tokens, "access_token": access}

    assert browser.sign_in().status_code == 400
    assert failure(caplog) == ["token_client"]


def test_a_code_that_the_pool_refuses_signs_nobody_in(browser, pool, caplog):
    """A code that was made up, or used before."""
    location = browser.begin()
    response = browser.get(f"/sign-in/callback/?{pool.choose(location, code='made-up')}")

    assert response.status_code == 400
    assert failure(caplog) == ["invalid_grant"]


@pytest.mark.parametrize(
    "reply",
    [
        (500, b"<html>"),
        (503, {"error": "temporarily_unavailable"}),
        (400, {"error": "slow_down"}),
        (429, b"Too many requests"),
        (307, b""),
        (200, b"[]"),
        (200, b""),
    ],
    ids=repr,
)
def test_a_pool_that_cannot_be_asked_is_told(browser, pool, caplog, reply):
    """Trying again may help; nobody is signed in, no redirect is followed, and the page says when."""
    pool.replies["/token"] = reply
    response = browser.sign_in()

    assert response.status_code == 503
    assert failure(caplog)[0] in ("unreachable", "provider")
    assert response["Retry-After"] == "5"
    assert "/elsewhere" not in [path for path, _ in pool.asked]
    assert browser.me()["principal"] is None


def test_keys_that_cannot_be_fetched_are_no_refusal(browser, settings, pool):
    """The tokens may be good: it cannot be told now."""
    settings.AVP_JWKS = None
    settings.AVP_JWKS_URL = f"{pool.url}/keys"
    pool.replies["/keys"] = (500, b"")

    assert browser.sign_in().status_code == 503


# Where the pool is


BODIES = {"html": b"<html>", "list": b"[]", "empty": b"", "null": b"null", "deep": b"[" * 100_000}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_discovery_that_tells_nothing_is_no_answer(browser, pool, caplog, body):
    """Whatever is served there instead, the visitor is told to try again."""
    pool.replies["/.well-known/openid-configuration"] = (200, body)
    response = browser.get("/sign-in/")

    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert failure(caplog) == ["discovery"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": "https://evil.example"}, "issuer"),
        ({"issuer": None}, "issuer"),
        ({"issuer": ["x"]}, "issuer"),
        ({"authorization_endpoint": "http://evil.example/authorize"}, "authorization_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"authorization_endpoint": "//127.0.0.1/"}, "authorization_endpoint"),
        ({"authorization_endpoint": None}, "authorization_endpoint"),
    ],
    ids=repr,
)
def test_a_discovery_of_another_is_refused(browser, pool, caplog, changes, code):
    """Codes and secrets go to the pool that the settings name, by TLS or within this machine."""
    pool.changes = changes

    assert browser.get("/sign-in/").status_code == 400
    assert failure(caplog) == [code]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_this_machine_needs_no_tls(browser, pool, host):
    """A stand-in for the pool on the loopback address is asked by http."""
    pool.changes = {"authorization_endpoint": f"http://{host}/authorize"}

    assert browser.begin().startswith(f"http://{host}/authorize?")


def test_addresses_are_looked_up_once(browser, pool):
    """One sign-in or many, discovery is asked once in an hour."""
    browser.sign_in()
    browser.post("/sign-out/")
    browser.sign_in()

    assert len(pool.sent_to("/.well-known/openid-configuration")) == 1


def test_addresses_that_are_known_outlive_a_pool_that_is_down(pool, monkeypatch):
    """After an hour they are looked up again, and kept if there is no answer."""
    known = Discovery()
    document = known.get(pool.discovery_url)
    pool.replies["/.well-known/openid-configuration"] = (500, b"")
    monkeypatch.setattr("django_avp.signin.discovery.MAX_AGE", -1.0)

    assert MAX_AGE == 3600
    assert known.get(pool.discovery_url) == document
    assert len(pool.sent_to("/.well-known/openid-configuration")) == 2


@pytest.fixture
def dripping():
    """A server whose answer comes byte by byte until the test ends."""
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            while not is_over.wait(0.05):
                self.wfile.write(b" ")

        def log_message(self, *args):
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *args: None  # the client is gone
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    # A test that fails ends all the same.
    timer = threading.Timer(20, is_over.set)
    timer.start()
    yield f"http://127.0.0.1:{server.server_port}/token", is_over
    timer.cancel()
    is_over.set()
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.parametrize("limit", ["TIMEOUT", "PATIENCE"])
def test_tokens_that_come_byte_by_byte_are_not_waited_for(browser, pool, caplog, dripping, monkeypatch, limit):
    """Each byte is there in time, and the whole never: the visitor is told to try again by either limit."""
    for name in ("TIMEOUT", "PATIENCE"):
        monkeypatch.setattr(f"django_avp.signin.client.{name}", 0.5 if name == limit else 60.0)
    pool.changes["token_endpoint"], is_over = dripping
    response = browser.sign_in()

    assert response.status_code == 503
    assert failure(caplog) == ["unreachable"]
    assert not is_over.is_set()
    if limit == "TIMEOUT":
        # Who reads such an answer does not go on for as long as bytes come.
        for reader in [one for one in threading.enumerate() if one.name == "django-avp-sign-in"]:
            reader.join(10)
            assert not reader.is_alive()


def test_tokens_of_any_size_are_not_read(browser, pool, caplog):
    """Tokens are a few thousand characters; an answer of a megabyte is none."""
    pool.answer = lambda tokens: tokens | {"padding": "x" * 1_000_000}
    response = browser.sign_in()

    assert response.status_code == 503
    assert failure(caplog) == ["unreachable"]


def test_a_pool_that_is_down_keeps_one_visitor_waiting_and_not_all(browser, pool, monkeypatch):
    """Whoever comes within a pause is told at once to try again; afterwards one asks for all."""
    pool.replies["/.well-known/openid-configuration"] = (500, b"")
    assert [browser.get("/sign-in/").status_code for _ in range(3)] == [503] * 3
    assert len(pool.sent_to("/.well-known/openid-configuration")) == 1

    pool.replies.clear()
    monkeypatch.setattr("django_avp.signin.discovery.FAILURE_PAUSE", 0.0)
    assert browser.get("/sign-in/").status_code == 302
    assert len(pool.sent_to("/.well-known/openid-configuration")) == 2


def test_cognito_s_own_address_is_the_default(pool, settings):
    """Without a setting it follows from the pool; both issuer forms are the pool's."""
    settings.AVP_SIGN_IN_DISCOVERY_URL = None
    discovery._kept[f"{ISSUER}/.well-known/openid-configuration"] = (float("inf"), pool.document)

    assert Provider.configured().sign_out_address("http://testserver/").startswith(f"{pool.url}/logout?")
    pool.changes = {"issuer": ISSUER.replace("cognito-idp", "issuer-cognito-idp")}
    discovery._kept[f"{ISSUER}/.well-known/openid-configuration"] = (float("inf"), pool.document)
    assert Provider.configured().sign_out_address("http://testserver/").startswith(f"{pool.url}/logout?")


# Signing out


def test_signing_out_forgets_the_tokens_everywhere(browser, pool):
    """Session, record and refresh token are gone, and the browser is sent to the pool, which forgets it too."""
    browser.sign_in()
    old = browser.cookies["sessionid"].value
    response = browser.post("/sign-out/")

    location = urlsplit(response["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == f"{pool.url}/logout"
    assert parse_qs(location.query) == {"client_id": ["client-1"], "logout_uri": ["http://testserver/"]}
    assert not Session.objects.exists()
    assert pool.refresh_tokens == {}
    (sent,) = pool.sent_to("/revoke")
    assert sent["token_type_hint"] == "refresh_token"
    browser.cookies["sessionid"] = old
    assert browser.me()["principal"] is None


def test_signing_out_leads_to_where_the_settings_say(browser, settings):
    """Django's setting names the page; the pool has to know its address."""
    settings.LOGOUT_REDIRECT_URL = "/gated/"
    browser.sign_in()

    query = parse_qs(urlsplit(browser.post("/sign-out/")["Location"]).query)
    assert query["logout_uri"] == ["http://testserver/gated/"]


def test_django_s_own_way_out_forgets_the_tokens_too(browser, pool):
    """The admin and other apps call ``logout``."""
    browser.sign_in()
    browser.get("/leave/")

    assert pool.refresh_tokens == {}
    assert not Session.objects.exists()


def test_a_pool_that_is_down_keeps_nobody_signed_in(browser, pool, caplog):
    """What is here is forgotten first; the browser goes where it can."""
    browser.sign_in()
    pool.replies["/revoke"] = (503, b"")
    pool.changes = {"end_session_endpoint": None}
    discovery.forget()
    response = browser.post("/sign-out/")

    assert (response.status_code, response["Location"]) == (302, "/")
    assert not Session.objects.exists()
    events = [(record.message, record.code) for record in caplog.records if hasattr(record, "code")]
    assert events == [("avp.revocation_failed", "unreachable"), ("avp.sign_out_failed", "end_session_endpoint")]


def test_a_pool_that_cannot_revoke_is_not_asked_to(browser, pool):
    """Not every app client has revocation."""
    pool.changes = {"revocation_endpoint": None}
    browser.sign_in()

    assert browser.post("/sign-out/").status_code == 302
    assert pool.sent_to("/revoke") == []


def test_the_record_of_another_process_may_be_gone_already(browser, pool):
    """Signing out twice at once is no error."""
    browser.sign_in()
    Session.objects.exclude(session_key=browser.session.session_key).delete()

    assert browser.post("/sign-out/").status_code == 302
    assert pool.sent_to("/revoke") == []


def test_whoever_is_not_signed_in_may_sign_out(browser, pool):
    """It changes nothing."""
    assert browser.post("/sign-out/").status_code == 302
    assert pool.sent_to("/revoke") == []


def test_a_page_elsewhere_signs_nobody_out(browser, pool):
    """Signing out is a post with a CSRF token."""
    browser.sign_in()
    browser.handler.enforce_csrf_checks = True

    assert browser.get("/sign-out/").status_code == 405
    assert browser.post("/sign-out/").status_code == 403
    assert browser.me()["principal"] == f"{POOL}|ann"


@pytest.mark.parametrize("address", ["/sign-in/", "/sign-in/callback/"])
def test_signing_in_is_no_post(browser, address):
    """Nothing is sent to these pages."""
    assert browser.post(address).status_code == 405


def test_a_gate_leads_to_the_sign_in_and_back(browser, pool):
    """Who is not signed in comes back to the page that was asked for."""
    location = browser.get("/gated/?page=2")["Location"]
    assert location == "/sign-in/?next=/gated/%3Fpage%3D2"
    begun = browser.get(location)["Location"]

    assert browser.get(f"/sign-in/callback/?{pool.choose(begun)}")["Location"] == "/gated/?page=2"


# What nobody may read


def test_nothing_secret_is_logged(browser, pool, caplog):
    """No token, code, state, nonce or verifier is in a log line, whatever fails."""
    caplog.set_level(logging.DEBUG)
    pool.secret = ""
    browser.sign_in()
    pool.claims = {"nonce": "x"}
    browser.sign_in()
    pool.replies["/token"] = (500, b"")
    browser.sign_in()
    pool.replies["/revoke"] = (500, b"")
    browser.post("/sign-out/")
    secrets = {
        value
        for path, sent in pool.asked
        for name, value in sent.items()
        if name in ("code", "code_verifier", "token", "refresh_token") and value
    }
    secrets |= set(pool.refresh_tokens)

    assert len(secrets) >= 6
    lines = [str(vars(record)) for record in caplog.records if record.name.startswith("django_avp")]
    assert lines
    lines += [record.getMessage() for record in caplog.records]
    assert not [secret for secret in secrets if any(secret in line for line in lines)]


def test_tokens_are_not_shown_and_not_pickled():
    """A repr has no credential, and a pickle cannot be made."""
    tokens = Tokens("pool|ann", 1, "secret-id", "secret-access", "secret-refresh")

    assert "secret" not in repr(tokens) + repr(Attempt("secret", "secret", "secret", "/"))
    with pytest.raises(TypeError, match="credentials"):
        pickle.dumps(tokens)
    with pytest.raises(TypeError, match="credentials"):
        copy.copy(tokens)
    assert str(SignInError("state")) == "The sign-in failed: state."
