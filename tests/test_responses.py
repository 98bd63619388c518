"""What those get who may not pass (rules C2 and C3)."""

from __future__ import annotations

import pytest
from django.test import Client

from django_avp.exceptions import AvpError
from django_avp.responses import answer
from django_avp.runtime import runtime
from tests.site_engines import BrokenEngine

pytestmark = pytest.mark.django_db

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_browser_is_sent_to_the_sign_in_page():
    """And comes back to where it wanted to go."""
    response = Client().get("/moderate/?a=1", headers=PAGE)

    assert response.status_code == 302
    assert response.headers["Location"] == "/accounts/login/?next=/moderate/%3Fa%3D1"


def test_a_bad_token_sends_a_browser_to_the_sign_in_page():
    """An expired token is renewed there."""
    assert Client(headers={"Authorization": "Bearer x", **PAGE}).get("/moderate/").status_code == 302


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("get", {}),
        ("get", {"Accept": "*/*"}),
        ("get", {"Accept": "application/json"}),
        ("post", PAGE),
        ("get", {**PAGE, "HX-Request": "true"}),
        ("get", {**PAGE, "X-Requested-With": "XMLHttpRequest"}),
    ],
)
def test_everything_else_gets_a_401_with_a_challenge(method, headers):
    """Programs cannot follow a sign-in page, and a form that was sent is not sent again by one."""
    response = getattr(Client(), method)("/moderate/", headers=headers)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_programs_get_json():
    """With a code that they can act on."""
    response = Client().get("/moderate/")

    assert response.json() == {"detail": "Sign in, or send a valid token.", "code": "unidentified"}


def test_a_refusal_is_403_and_says_what(make_client):
    """JSON for programs; Django's own page for browsers."""
    client = make_client("ann")

    assert client.get("/moderate/").json() == {"detail": "Moderate is not permitted.", "code": "forbidden"}
    page = client.get("/moderate/", headers=PAGE)
    assert page.status_code == 403
    assert b"403 Forbidden" in page.content


def test_a_session_without_a_token_is_not_sent_round_in_circles(user):
    """The sign-in page would send them back here (rule C3)."""
    client = Client()
    client.force_login(user("ann"), backend="django.contrib.auth.backends.ModelBackend")

    assert client.get("/moderate/", headers=PAGE).status_code == 403
    assert client.get("/moderate/").status_code == 401


def test_pages_use_the_projects_own_templates(settings, make_client, tmp_path):
    """401.html and 503.html are rendered where they exist."""
    (tmp_path / "401.html").write_text("<h1>sign in</h1>{{ detail }}")
    (tmp_path / "503.html").write_text("<h1>later</h1>{{ request.path }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]

    page = Client().post("/moderate/", headers=PAGE)
    assert page.content.startswith(b"<h1>sign in</h1>")
    with runtime.use_engine(BrokenEngine()):
        assert make_client("ann").get("/moderate/", headers=PAGE).content == b"<h1>later</h1>/moderate/"


def test_without_templates_the_page_is_plain_text(make_client):
    """Nothing has to be written first."""
    page = Client().post("/moderate/", headers=PAGE)

    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert page.content == b"Sign in, or send a valid token."


def test_other_exceptions_of_the_package_have_no_response(rf):
    """They are mistakes in a project, and are to be seen."""
    assert answer(rf.get("/"), AvpError()) is None


def test_an_anonymous_principal_that_is_refused_is_not_identified(settings):
    """Signing in may help (AVP_ANONYMOUS_PRINCIPAL)."""
    settings.AVP_ANONYMOUS_PRINCIPAL = 'Visitor::"anonymous"'

    assert Client().get("/moderate/").status_code == 401
    assert Client().get("/moderate/", headers=PAGE).status_code == 302
    assert Client(headers={"Authorization": "Bearer x"}).get("/moderate/").status_code == 401
