"""Where the site sends browsers: on itself, whatever an address, a path or a host says; and no header is split."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.http import HttpResponse
from django.urls import include, path, re_path

from django_avp.cedar import EntityUid
from django_avp.decorators import action_required
from tests.hostile.servers import Records, Site, wsgi
from tests.signin.conftest import Browser, pool  # noqa: F401 - a fixture
from tests.soak import runs
from tests.web.conftest import WITHOUT_ROWS

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

EVIL = "evil.example"
OURS = "testserver"
CONTROLS = [*map(chr, range(0x21)), "\x7f", "\x85", "\xa0", "\xad", "\u2028", "\u2029", "\u200b", "\ufeff", "\u3000"]
SLASHES = ["\\", "\u2044", "\u2215", "\uff0f", "\uff3c", "\u29f8", "%2f", "%5c", "%252f", "%255c"]
ADDRESSES = [
    *(f"{scheme}{EVIL}/" for scheme in ("https://", "http://", "HTTPS://", "hTtP://", "ftp://", "//", "///", "////")),
    *(
        f"{scheme}{EVIL}/"
        for scheme in ("http:", "https:", "http:/", "https:/", "http:///", "https:////", "https:\\\\")
    ),
    *(f"{scheme}:alert(1)//" for scheme in ("javascript", "JaVaScRiPt", "data", "vbscript", "blob", "view-source")),
    *(f"java{control}script:alert(1)" for control in "\t\n\r"),
    *(f"{control}//{EVIL}/" for control in CONTROLS),
    *(f"/{control}/{EVIL}/" for control in CONTROLS),
    *(f"//{control}{EVIL}/" for control in CONTROLS),
    *(f"{first}{second}{EVIL}/" for first in ("/", *SLASHES) for second in SLASHES),
    *(f"{slash}{slash}{slash}{EVIL}/" for slash in SLASHES),
    *(f"//{user}@{EVIL}/" for user in (OURS, f"{OURS}:80", f"{OURS}%00", f"{OURS}\\", "a:b", f"{OURS}#", f"{OURS}?")),
    *(f"https://{OURS}{end}{EVIL}/" for end in ("@", ".", "%2e", "\\@", ":@", "%40", "\t@", "..", "-", "#@", "?@")),
    *(f"//{EVIL}{end}" for end in ("", ":80", "#", "?", f"#{OURS}", f"?{OURS}", f"/{OURS}", "%00", f"\\{OURS}")),
    *(
        f"//{host}/"
        for host in ("\uff45vil.example", "evil\u3002example", "evil%E3%80%82example", "xn--vil-8cd.example")
    ),
    *(f"//{host}/" for host in ("[::1]", "[::ffff:7f00:1]", "2130706433", "0x7f000001", "127.1", "[", "[evil", "]")),
    *(f"{start}//{EVIL}/" for start in (".", "..", "./", "a:", "?", "#", ":", "/a/..", "/.", "/..")),
    "https:evil.example",
    "http://",
    "//",
    "///",
    "\\",
    "/" * 3000 + EVIL,
    f"//{'a' * 300}.example/",
    "https://testserver:99999999/",
    "/\r\nLocation: https://evil.example/",
    "/%0d%0aLocation:%20https://evil.example/",
    "/\r\n\r\n<script>",
    "/\u560d\u560aLocation: https://evil.example/",
]
HOSTS = [
    (("Host", EVIL),),
    (("Host", f"{EVIL}:80"),),
    (("Host", f"127.0.0.1@{EVIL}"),),
    (("Host", f"127.0.0.1.{EVIL}"),),
    (("Host", f"127.0.0.1, {EVIL}"),),
    (("Host", f"127.0.0.1:80/{EVIL}"),),
    (("Host", ""),),
    (("X-Forwarded-Host", EVIL),),
    (("X-Forwarded-Host", f"127.0.0.1, {EVIL}"),),
    (("X-Host", EVIL),),
    (("X-Original-Host", EVIL),),
    (("X-Original-URL", f"//{EVIL}/"),),
    (("X-Rewrite-URL", f"//{EVIL}/"),),
    (("X-Forwarded-Server", EVIL),),
    (("X-Forwarded-Prefix", f"//{EVIL}"),),
    (("Forwarded", f"host={EVIL}"),),
    (("X-Forwarded-Proto", "javascript"),),
    (("X-Forwarded-Port", f"80@{EVIL}"),),
]
NASTY = [
    "\r\nSet-Cookie: a=b",
    "\nX-Evil: 1",
    "\r",
    "\0",
    "\x0b",
    "\x1b[31m",
    "\x85",
    "\u2028",
    '"',
    "\u560a",
    "%0d%0a",
]


@action_required("ListPhotos")
def gated(request, rest=""):
    return HttpResponse("in")


def asks(request):
    """About whatever a client names."""
    uid = EntityUid("Photo", request.GET["id"])
    action = request.GET.get("action", "ViewPhoto")
    request.avp.require(action, uid)
    return HttpResponse("never")


urlpatterns = [
    path("asks/", asks),
    path("", include("tests.signin.urls")),
    re_path(r"^(?P<rest>[\s\S]*)$", gated),
]


def host_of(location):
    """The host that a browser goes to, as browsers read addresses; ``None`` for this site, "" for what is no site.

    Source: URL Standard, "basic URL parser": white space around it and tabs and line breaks in it are dropped, a
    backslash is a slash, and any number of slashes may stand before a host.
    """
    text = re.sub(r"[\t\r\n]", "", location.strip("".join(map(chr, range(0x21))))).replace("\\", "/")
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", text)
    if scheme:
        if scheme[1].lower() not in ("http", "https"):
            return ""
        rest = text[scheme.end() :].lstrip("/")
    elif text.startswith("//"):
        rest = text.lstrip("/")
    else:
        return None
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return None if host in (OURS, f"{OURS}:80") else host


def test_the_reading_of_addresses_is_a_browsers():
    """What follows relies on it."""
    assert host_of("/page/?next=//evil.example/") is None
    assert host_of(f"http://{OURS}/") is None
    assert host_of("javascript:alert(1)") == ""
    for address in ("//evil.example/", "/\\evil.example", "\t//evil.example", "http:evil.example", "//a@evil.example/"):
        assert host_of(address) == EVIL


def test_a_sign_in_never_leads_elsewhere(pool, db):  # noqa: F811
    """Of all ways to write another site's address none comes out of a sign-in, raw or written in percents."""
    assert len(set(ADDRESSES)) >= 250
    elsewhere = []
    for address in {*ADDRESSES[:: runs(6, 1)], "//", "//?next"}:
        browser = Browser(pool)
        location = browser.sign_in(next=address)["Location"]
        if host_of(location) is not None or re.search(r"[\r\n\0]", location):
            elsewhere.append((address, location))

    assert elsewhere == []


def test_a_sign_in_leads_to_every_page_of_the_site(pool, db):  # noqa: F811
    """The other half: what is the site's own is followed as it was asked for."""
    for address in ("/gated/?a=1&b=//x", "/a%2Fb/", "/caf\u00e9/", f"http://{OURS}/gated/", "?page=2", "gated/"):
        assert host_of(Browser(pool).sign_in(next=address)["Location"]) is None
        assert quote(address, safe="/?&=:%") in Browser(pool).sign_in(next=address)["Location"]


def test_a_gate_leads_to_the_sign_in_whatever_the_path(pool, db, settings):  # noqa: F811
    """The path of a request comes back as ``next``, and there it names a page of this site or none."""
    settings.ROOT_URLCONF = __name__
    for address in ADDRESSES[:: runs(7, 1)]:
        sent = "/" + quote(address, safe="/\\?#%@:;=[]")
        response = Browser(pool).get(sent)
        location = response["Location"]
        assert host_of(location) is None, address
        assert location.startswith("/sign-in/?next="), location
        back = Browser(pool).sign_in(next=parse_qs(urlsplit(location).query)["next"][0])["Location"]
        assert host_of(back) is None, (address, back)


def test_signing_out_leads_to_where_the_settings_say(pool, db):  # noqa: F811
    """``next`` means nothing there, in the address as in the form."""
    for address in ADDRESSES[::9]:
        browser = Browser(pool)
        response = browser.post(f"/sign-out/?next={quote(address)}", {"next": address})
        assert response["Location"].startswith(f"{pool.url}/logout?")
        assert parse_qs(urlsplit(response["Location"]).query)["logout_uri"] == [f"http://{OURS}/"]


@pytest.fixture
def light_pool(pool, settings):  # noqa: F811
    """The same for a server's threads, which have no database."""
    for name, value in WITHOUT_ROWS.items():
        setattr(settings, name, value)
    settings.ROOT_URLCONF = __name__
    return pool


@pytest.mark.parametrize("trusts", [False, True])
def test_host_headers_lead_nowhere(light_pool, settings, trusts):
    """On the wire: another host is refused, or ignored; the addresses that the user pool is given are the site's own,
    where a proxy's ``X-Forwarded-Host`` is trusted as well."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.USE_X_FORWARDED_HOST = trusts
    page = ("Accept", "text/html")
    with wsgi() as port:
        site = Site(port)
        for headers in HOSTS:
            for method, address in (("GET", "/sign-in/"), ("POST", "/sign-out/"), ("GET", "/gated/")):
                answer = site.send(method, address, page, *headers)
                assert EVIL not in answer.text, (headers, address)
                assert answer.status in (302, 400, 403), (headers, address)
        site.close()


@pytest.mark.parametrize("place", ["id", "action"])
def test_what_a_client_names_splits_no_header_and_no_line_of_a_log(light_pool, settings, place, mint):
    """Ids and actions with line breaks, NUL and other control characters, as a page and as JSON; nothing of them is in
    a header, and a formatter that writes every field writes one line for each record."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.AVP_TOKEN_SOURCES = ["django_avp.tokens.sources.AuthorizationHeader"]
    settings.AVP_SERVER_TIMING = True
    token = ("Authorization", f"Bearer {mint.id_token(sub='ann')}")
    with wsgi() as port, Records().of_all_loggers() as records:
        site = Site(port)
        for nasty in NASTY:
            query = {"id": "7", "action": "ViewPhoto", place: f"7{nasty}"}
            sent = "&".join(f"{name}={quote(value)}" for name, value in query.items())
            for accept in ("text/html", "application/json"):
                answer = site.get(f"/asks/?{sent}", token, ("Accept", accept))
                assert answer.status == 403
                assert {"set-cookie", "x-evil"}.isdisjoint(name.lower() for name in answer.headers)
                told = "".join(answer.headers.values())
                assert not re.search(r"[\0-\x08\x0a-\x1f\x7f-\x9f]", told)
        site.close()

    told = "\n\n".join(records.texts)
    assert "avp." in told
    assert not re.search(r"[\r\n](Set-Cookie|X-Evil)", told)
