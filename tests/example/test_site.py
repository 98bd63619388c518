"""The example over HTTP: what each user sees and may do, signing in and out, and what production must not have."""

from __future__ import annotations

import ast
import json
import re
import stat
from urllib.parse import parse_qs, urldefrag, urljoin, urlsplit

import pytest

from example_project.photos.explanations import REASONS
from example_project.signin.personas import CARLOS, OLIVIA, PERSONAS, SAM
from tests.example.conftest import CLIENT_ID, KEY_FILE, POOL, ROOT, Browser, Page, Truth

CHANGES = {"edit": "EditPhoto", "delete": "DeletePhoto"}
KEY_SET = f"/dev-issuer/{POOL}/.well-known/jwks.json"
DISCOVERY = f"/dev-issuer/{POOL}/.well-known/openid-configuration"

# A production site on Amazon Cognito; the key is as random as Django's deployment check wants it.
PRODUCTION = {
    "DJANGO_DEBUG": "off",
    "DJANGO_SECRET_KEY": "Vq3-0mJr8nWz_6LcT1yXk9sPd5hAe2uGb7fRo4iNwCtMxEvKj",
    "COGNITO_USER_POOL_ID": "eu-west-1_AbCdEf123",
    "COGNITO_CLIENT_ID": "client-1",
    "COGNITO_DOMAIN": "https://photoflash.auth.eu-west-1.amazoncognito.com",
}

everybody = pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.slug)
changes = pytest.mark.parametrize("word", CHANGES)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def merged(pages):
    return {pk: buttons for page in pages for pk, buttons in page.photos.items()}


# Who sees which buttons


def test_gallery_shows_what_policies_decide(browse, truth):
    """On all its pages the gallery shows what the user may see, with the buttons of what they may do; no two alike."""
    galleries = {persona.slug: merged(browse(persona.slug).gallery()) for persona in PERSONAS}

    assert galleries == {persona.slug: truth.gallery(persona) for persona in PERSONAS}
    different = [*galleries.values()]
    assert all(one not in different[:number] for number, one in enumerate(different))


@everybody
def test_albums_show_what_policies_decide(persona, browse, truth):
    """An album opens for those who may see it, and shows the same photos and buttons as the gallery."""
    browser = browse(persona.slug)

    for slug in truth.albums:
        address = f"/albums/{slug}/"
        if truth.decide(persona, "ViewAlbum", f"Album::{slug}").allowed:
            assert merged(browser.gallery(address)) == truth.gallery(persona, album=slug)
        else:
            assert browser.get(address).status_code == 403


def test_program_sees_the_same(api, issuer_mint, truth):
    """A token in the header opens the same gallery as the session that the sign-in page makes."""
    token = issuer_mint.id_token(OLIVIA.sub, groups=OLIVIA.groups)
    response = api.get("/", headers=bearer(token))

    assert response.status_code == 200
    shown = Page(response.text).photos
    expected = truth.gallery(OLIVIA)
    assert shown
    assert shown == {pk: expected[pk] for pk in shown}


# What is not shown is not allowed either


@changes
@everybody
def test_hidden_button_is_forbidden(persona, word, browse, server, truth):
    """Who has no button may not use its address: 403 with the reason, and the photo stays as it is."""
    browser = browse(persona.slug)
    buttons = truth.gallery(persona)
    denied = {
        # One of each: a photo that is seen and one that is not.
        pk in buttons: pk
        for pk in truth.photos
        if word not in buttons.get(pk, ()) and not truth.decide(persona, CHANGES[word], f"Photo::{pk}").allowed
    }
    assert denied

    for is_seen, pk in denied.items():
        address = f"/photos/{pk}/{word}/"
        policies = truth.decide(persona, CHANGES[word], f"Photo::{pk}").policies
        assert browser.get(f"/photos/{pk}/").status_code == (200 if is_seen else 403)
        for response in (browser.get(address), browser.submit(address, title="Taken over")):
            assert response.status_code == 403
            assert f"You may not {word} this photo" in response.text
            for policy in policies:
                assert policy in response.text
                assert REASONS[policy] in response.text
            assert ("No policy permits it" in response.text) is (not policies)
    assert Truth(server.demo.database).photos == truth.photos


def test_suspended_user_is_told(browse, truth):
    """A suspended user learns that this is the reason, and which policy says so, on a photo of their own."""
    photo = next(iter(truth.gallery(SAM)))

    for response in (browse("sam").get(f"/photos/{photo}/edit/"), browse("sam").submit(f"/photos/{photo}/delete/")):
        assert response.status_code == 403
        assert "Your account is suspended" in response.text
        assert "suspended-no-changes" in response.text


def test_contributor_uploads_edits_and_deletes(browse, server, truth):
    """What the policies allow works: a photo comes, changes and goes, and belongs to the one who uploaded it."""
    browser = browse("carlos")
    fields = {"title": "Made by a test", "is_public": "on"}

    uploaded = browser.submit("/albums/summer-2026/upload/", motif="sea", seed="4711", **fields)
    assert uploaded.status_code == 302
    address = uploaded.headers["Location"]
    pk = int(address.strip("/").rpartition("/")[2])
    photo = Truth(server.demo.database).photos[pk]
    assert (photo["title"], photo["album"], photo["owner"]) == (
        "Made by a test",
        "summer-2026",
        CARLOS.principal_id(POOL),
    )
    assert merged(browse("olivia").gallery())[pk] == {"edit", "delete"}

    assert browser.submit(f"{address}edit/", **fields | {"title": "Changed by a test"}).status_code == 302
    assert "Changed by a test" in browser.get(address).text

    assert browser.submit(f"{address}delete/").status_code == 302
    assert browser.get(address).status_code == 404
    assert Truth(server.demo.database).photos == truth.photos


# One round


@pytest.mark.parametrize("page", ["gallery", "album", "detail", "edit", "delete", "upload", "what", "what-photo"])
def test_page_is_decided_in_one_round(page, browse, truth):
    """All the questions of a page, its gate and its buttons, are one call; header and foot of the page say so."""
    photo = next(pk for pk, buttons in truth.gallery(OLIVIA).items() if buttons)
    addresses = {
        "gallery": "/",
        "album": "/albums/night-skies/",
        "detail": f"/photos/{photo}/",
        "edit": f"/photos/{photo}/edit/",
        "delete": f"/photos/{photo}/delete/",
        "upload": "/albums/night-skies/upload/",
        "what": "/what-may-i-do/",
        "what-photo": f"/what-may-i-do/?photo={photo}",
    }
    response = browse("olivia").get(addresses[page])

    assert response.status_code == 200
    assert '"1 round, 1 call, ' in response.headers["Server-Timing"]
    assert "<b>1</b> round" in response.text
    assert "(1 call)" in response.text


# Not signed in


@pytest.mark.parametrize("address", ["/", "/albums/summer-2026/", "/photos/1/edit/", "/what-may-i-do/?photo=2"])
def test_stranger_is_sent_to_sign_in(address, browser):
    """A browser without a session goes to the sign-in page, which knows the way back."""
    response = browser.get(address)

    assert response.status_code == 302
    location = urlsplit(response.headers["Location"])
    assert location.path == "/sign-in/"
    assert parse_qs(location.query) == {"next": [address]}
    page = browser.get(response.headers["Location"]).headers["Location"]
    assert "Who do you want to be?" in browser.get(page).text


@pytest.mark.parametrize("address", ["/", "/photos/1/", "/photos/1/image.svg"])
def test_program_without_token_is_challenged(address, api):
    """A program gets 401 and is told to send a token; it sent none, so no error is named."""
    response = api.get(address)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.json()["code"] == "unidentified"


def tampered(mint):
    header, payload, signature = mint.id_token(SAM.sub, groups=SAM.groups).split(".")
    return f"{header}.{mint.id_token(OLIVIA.sub, groups=OLIVIA.groups).split('.')[1]}.{signature}"


BAD_TOKENS = {
    "tampered": tampered,
    "expired": lambda mint: mint.id_token(OLIVIA.sub, groups=OLIVIA.groups, expires_in=-1),
    "of another client": lambda mint: mint.id_token(OLIVIA.sub, groups=OLIVIA.groups, client_id="another"),
    "no token": lambda mint: "olivia",
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_bad_token_is_refused(make, api, issuer_mint):
    """A token that is not valid opens nothing, and the challenge says that it is to blame."""
    response = api.get("/", headers=bearer(make(issuer_mint)))

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("kind", ["id_token", "access_token"])
def test_token_in_the_header_identifies(kind, api, issuer_mint, truth):
    """An ID token or an access token of the issuer is enough, and is judged by the same policies."""
    token = getattr(issuer_mint, kind)(SAM.sub, groups=SAM.groups)
    own = next(iter(truth.gallery(SAM)))

    assert api.get(f"/photos/{own}/", headers=bearer(token)).status_code == 200
    denied = api.post(f"/photos/{own}/delete/", headers=bearer(token))
    assert denied.status_code == 403
    assert denied.json()["code"] == "forbidden"


# Signing in and out


def test_sign_in_begins_a_new_session(browser, server):
    """A session id that was known before is worth nothing afterwards, whether made up or of another user."""
    browser.cookies.set("sessionid", "planted-by-somebody-else-0123456789", domain="127.0.0.1")
    browser.sign_in("victor")
    victor = browser.session_id
    answer = browser.sign_in("olivia")

    assert len({"planted-by-somebody-else-0123456789", victor, browser.session_id}) == 3
    cookie = next(value for value in answer.headers.get_list("set-cookie") if value.startswith("sessionid="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert browser.get("/").status_code == 200
    for old in (victor, "planted-by-somebody-else-0123456789"):
        with Browser(server.url) as thief:
            assert thief.get("/", headers={"Cookie": f"sessionid={old}"}).status_code == 302


def test_sign_out_ends_the_session(browser, server):
    """After signing out the old cookie opens nothing, for whoever kept it."""
    browser.sign_in("hugo")
    old = browser.session_id
    assert browser.get("/").status_code == 200

    issuer = browser.submit("/sign-out/").headers["Location"]
    assert urlsplit(issuer).path == f"/dev-issuer/{POOL}/sign-out/"
    assert browser.get(issuer).headers["Location"] == f"{server.url}/"
    assert browser.session_id is None
    assert browser.get("/").status_code == 302
    with Browser(server.url) as thief:
        assert thief.get("/", headers={"Cookie": f"sessionid={old}"}).status_code == 302


@pytest.mark.parametrize("address", ["/sign-out/", "/photos/1/edit/", "/photos/1/delete/"])
def test_form_needs_the_csrf_token(address, browser, server, truth):
    """A post that a page elsewhere could have sent is refused, and changes nothing."""
    browser.sign_in("olivia")
    before = browser.session_id
    response = browser.post(address, data={"title": "Forged"})

    assert response.status_code == 403
    assert browser.session_id == before
    assert browser.get("/").status_code == 200
    assert Truth(server.demo.database).photos == truth.photos


def test_sign_out_is_a_post(browser):
    """A link or a picture can sign nobody out."""
    assert browser.get("/sign-out/").status_code == 405


def test_sign_in_leads_back(browser):
    """After signing in one is where one wanted to go."""
    assert browser.sign_in("mira", next="/photos/3/?from=here").headers["Location"] == "/photos/3/?from=here"
    assert browser.sign_in("mira").headers["Location"] == "/"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "///evil.example",
        "http:///evil.example",
        "javascript:alert(1)",
    ],
)
def test_sign_in_does_not_lead_elsewhere(address, browser):
    """An address of another site is not followed."""
    assert browser.sign_in("mira", next=address).headers["Location"] == "/"


# The development issuer, and production


def test_issuer_serves_its_key_set(api, issuer_mint):
    """The public key is where Cognito would have it, without its private part, and for the demo's pool only."""
    response = api.get(KEY_SET)

    assert response.status_code == 200
    assert response.json() == issuer_mint.jwks
    assert {name for key in response.json()["keys"] for name in key} == {"alg", "e", "kid", "kty", "n", "use"}
    assert api.get("/dev-issuer/eu-west-1_Another00/.well-known/jwks.json").status_code == 404


def test_key_is_for_its_owner_alone(server):
    """Nobody else on the machine can read the key, or what lies beside it."""
    assert stat.S_IMODE((server.demo.data / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(server.demo.data.stat().st_mode) == 0o700


INSPECTION = f"""
import json
import re

import django

django.setup()

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django_avp.conf import conf
from example_project.signin import issuer
from example_project.signin.personas import OLIVIA


def refusal(do):
    try:
        do()
    except ImproperlyConfigured as error:
        return str(error)


def import_urls():
    import example_project.signin.issuer_urls


client = Client(headers={{"Host": "photoflash.example"}})
print(json.dumps({{
    "discovery elsewhere": conf.sign_in_discovery_url,
    "discovery": client.get("{DISCOVERY}", secure=True).status_code,
    "key set": client.get("{KEY_SET}", secure=True).status_code,
    "preview": client.get("/errors/503/", secure=True).status_code,
    "forms": re.findall("form-action [^;]+", client.get("/", secure=True)["Content-Security-Policy"]),
    "import": refusal(import_urls),
    "mint": refusal(lambda: issuer.sign_in(OLIVIA, settings.VAR_DIR, pool="{POOL}", client="{CLIENT_ID}")),
}}))
"""


@pytest.mark.parametrize("debug", ["off", "on"])
def test_issuer_does_not_exist_beside_cognito(debug, demo, tmp_path):
    """With DEBUG off or a user pool set, nobody can be signed in by the issuer: no address, no import, no key."""
    process = demo.python("-c", INSPECTION, **PRODUCTION | {"DJANGO_DEBUG": debug, "EXAMPLE_DATA_DIR": str(tmp_path)})

    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert "The development issuer exists only while" in found.pop("import")
    assert "The development issuer exists only while" in found.pop("mint")
    preview = 404 if debug == "off" else 503
    assert found.pop("forms") == ["form-action 'self' https://photoflash.auth.eu-west-1.amazoncognito.com"]
    assert found == {"discovery elsewhere": None, "discovery": 404, "key set": 404, "preview": preview}
    assert not list(tmp_path.iterdir())


def test_production_passes_the_checks(demo):
    """Django's deployment checks find nothing to say about the configuration of django-avp."""
    process = demo.manage("check", "--deploy", "--fail-level=ERROR", **PRODUCTION)

    assert process.returncode == 0, process.stderr
    assert "django_avp." not in process.stderr


has_env = (ROOT / "example_project" / ".env").exists()


@pytest.mark.parametrize(
    "key", ["", pytest.param(None, marks=pytest.mark.skipif(has_env, reason="your .env may have a key"))]
)
def test_production_needs_a_secret_key(key, demo):
    """The demo's secret key, which everybody knows, is none: without another the site does not start."""
    process = demo.manage("check", **PRODUCTION | {"DJANGO_SECRET_KEY": key})

    assert process.returncode != 0
    assert "Set DJANGO_SECRET_KEY" in process.stderr


# All pages


def assert_sound(response):
    """An answer of the site itself: a page with one heading and nothing inline, under a strict policy."""
    assert response.headers["Content-Type"].startswith("text/html")
    policy = response.headers["Content-Security-Policy"]
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["style-src"] == directives["form-action"] == "'self'"
    assert directives["frame-ancestors"] == directives["base-uri"] == "'none'"
    assert "script-src" not in directives
    assert "unsafe" not in policy
    page = Page(response.text)
    assert page.headings == 1
    assert page.inline == []
    return page


@pytest.mark.parametrize("slug", ["olivia", "sam"])
def test_every_link_leads_somewhere(slug, browse, server):
    """Whoever follows links from the gallery meets no error and no refusal: what is shown may be used."""
    seen = {f"{server.url}/": "the start"}
    waiting = list(seen)
    fetched = 0
    while waiting and fetched < 150:
        address = waiting.pop(0)
        response = browse(slug).get(address)
        fetched += 1
        if address == f"{server.url}/sign-in/":
            response = browse(slug).get(response.headers["Location"])
        assert response.status_code == 200, f"{address}, linked from {seen[address]}: {response.status_code}"
        # REST framework's pages lead to its own site, too; those of the admin are Django's.
        is_ours = not address.startswith((f"{server.url}/api/", f"{server.url}/admin/"))
        if not is_ours or not response.headers["Content-Type"].startswith("text/html"):
            continue
        for link in assert_sound(response).addresses:
            found = urldefrag(urljoin(address, link)).url
            assert found.startswith(f"{server.url}/"), f"{address} leads elsewhere: {found}"
            if found not in seen:
                seen[found] = address
                waiting.append(found)
    assert fetched >= 20


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_error_pages_are_sound(status, browser):
    """The error pages can be looked at while developing, and are pages like all others."""
    response = browser.get(f"/errors/{status}/")

    assert response.status_code == status
    assert Page(response.text).headings == 1
    assert Page(response.text).inline == []


def test_picture_may_do_nothing(browse):
    """A picture has a policy of its own: opened by itself, an SVG is a document."""
    response = browse("olivia").get("/photos/1/image.svg")

    assert response.headers["Content-Type"] == "image/svg+xml"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


# Operating it

HEALTH = """
import django
django.setup()
from django.test import Client
response = Client(SERVER_NAME="127.0.0.1").get("/health/")
print(response.status_code, response.content.decode(), end="")
"""


def test_stranger_is_told_that_the_site_is_healthy(api):
    """Without a token, without names, and never from a cache."""
    response = api.get("/health/")

    assert (response.status_code, response.text) == (200, "ready\n")
    assert "no-store" in response.headers["Cache-Control"]
    assert not response.cookies
    assert api.post("/health/").status_code in (403, 405)


def test_site_that_cannot_decide_is_not_healthy(demo):
    """The status says so; why is in the log, and nowhere else."""
    engine = "django_avp.engines.verified_permissions.VerifiedPermissionsEngine"
    nowhere = {"AWS_CONFIG_FILE": str(demo.data / "none"), "AWS_EC2_METADATA_DISABLED": "true"}
    process = demo.python("-c", HEALTH, AVP_ENGINE=engine, AVP_POLICY_STORE_ID="local", DJANGO_LOG_JSON="on", **nowhere)

    told, *_, answer = process.stdout.splitlines()
    assert answer == "503 not ready"
    assert json.loads(told)["level"] == "WARNING"
    assert json.loads(told)["event"] == "not ready: engine with local: It cannot be used (NoRegionError)."


def test_logs_are_json_as_the_documentation_has_it(demo):
    """The example's ``LOGGING`` is the one of the page about operating a site."""
    text = (ROOT / "docs" / "operating.md").read_text()
    (shown,) = re.findall(r"^LOGGING = (.*?^\})$", text, re.DOTALL | re.MULTILINE)
    process = demo.python("-c", "from example_project.settings import LOGGING; print(LOGGING)", DJANGO_LOG_JSON="on")

    assert ast.literal_eval(process.stdout) == ast.literal_eval(shown)
