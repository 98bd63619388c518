"""Hostile tokens in every place of a request: cookies, load balancers' headers, several headers, several places."""

from __future__ import annotations

import http.client

import pytest

from django_avp.runtime import runtime
from tests.hostile.test_tokens import GATED, INVALID, OPEN, bearer, is_anonymous, is_refused, session, traces
from tests.hostile.tokens import FAMILIES, Attack
from tests.tokens.test_alb import ACCESS, ARN, DATA, KeyServer, LoadBalancer

HEADER = "django_avp.tokens.sources.AuthorizationHeader"
COOKIE = ("django_avp.tokens.sources.Cookie", {})
SESSION = "django_avp.tokens.sources.Session"
ALB = "django_avp.tokens.sources.AlbHeader"
# What means something to a cookie is not sent as one.
NO_COOKIE = set(';,"\\ \t\r\n\0')


def selected(step: int) -> list[Attack]:
    """Of each family every so manieth that a header can carry."""
    return [
        attack for family in FAMILIES.values() for attack in [attack for attack in family() if attack.in_header][::step]
    ]


@pytest.fixture
def sources(hardened):
    """Say where tokens are read."""

    def read(*entries):
        hardened.AVP_TOKEN_SOURCES = list(entries)
        runtime.reset()

    return read


@pytest.fixture(scope="module")
def load_balancer():
    """A load balancer, and a server that has its key."""
    balancer, server = LoadBalancer(), KeyServer()
    server.documents[balancer.kid] = balancer.pem
    yield balancer, server
    server.close()


@pytest.fixture
def behind(sources, load_balancer, monkeypatch):
    """Put the site behind the load balancer, and give the headers of a request that came through it."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    balancer, server = load_balancer
    sources((ALB, {"signer": ARN, "keys_url": server.url}))
    return lambda token, data=None: ((ACCESS, token), (DATA, balancer.data("mona") if data is None else data))


def good(lab, kind="id", sub="mona"):
    return lab.claiming(kind, sub=f'"{sub}"')


def test_c2_hostile_cookies_identify_nobody(served, lab, records, sources):
    """In the place of the ID token, of the access token, and beside a good one of the other kind."""
    _, site = served
    sources(COOKIE)
    tokens = {attack.name: (attack.kind, attack.make(lab)) for attack in selected(9)}
    sent = {
        name: (kind, token)
        for name, (kind, token) in tokens.items()
        if token and len(token) < 50_000 and not NO_COOKIE & set(token)
    }
    assert len(sent) > 120
    id_token, access_token = good(lab), good(lab, "access")
    assert site.get(GATED, ("Cookie", f"id_token={id_token}; access_token={access_token}")).status == 200

    wrong = []
    for name, (kind, token) in sent.items():
        other = f"access_token={access_token}" if kind == "id" else f"id_token={id_token}"
        for cookies in (f"{kind}_token={token}", f"{other}; {kind}_token={token}"):
            answers = site.get(GATED, ("Cookie", cookies)), site.get(OPEN, ("Cookie", cookies))
            if not (is_refused(answers[0]) and is_anonymous(answers[1])):
                wrong.append(name)

    assert wrong == []
    assert traces("\n".join(records.texts), [token for _, token in sent.values()]) == set()


def test_c2_hostile_tokens_through_a_load_balancer_identify_nobody(served, lab, records, behind):
    """In the place of the access token beside genuine data, and in the place of the data beside a genuine token."""
    _, site = served
    access_token = good(lab, "access")
    assert site.get(GATED, *behind(access_token)).status == 200

    tokens = {attack.name: attack.make(lab) for attack in selected(9)}
    sent = {name: token for name, token in tokens.items() if len(token) < 50_000}
    wrong = [
        name
        for name, token in sent.items()
        for headers in (behind(token), behind(access_token, token))
        if not (is_refused(site.get(GATED, *headers)) and is_anonymous(site.get(OPEN, *headers)))
    ]

    assert wrong == []
    assert site.get(GATED, *behind(access_token)).status == 200
    assert traces("\n".join(records.texts), sent.values()) == set()


def test_headers_with_underscores_are_not_a_load_balancers(served, lab, behind):
    """Names that WSGI could not tell from the real ones are read by nobody."""
    _, site = served
    headers = [(name.replace("-", "_"), value) for name, value in behind(good(lab, "access"))]

    answer = site.get(GATED, *headers)

    assert (answer.status, answer.challenge) == (401, "Bearer")


@pytest.mark.parametrize("write", ["bearer {}", "BEARER {}", "bEaReR {}", "Bearer\t{}", "Bearer   {}", "Bearer {} \t"])
def test_the_scheme_may_be_spelt_as_http_has_it(served, lab, write):
    """RFC 9110 section 11.1: case does not count; and HTTP's white space is white space."""
    _, site = served

    assert site.get(GATED, ("Authorization", write.format(good(lab)))).status == 200


@pytest.mark.parametrize(
    "write",
    [
        *(
            "{}",
            "Bearer{}",
            "Bearer={}",
            "Bearer:{}",
            "Bearer\u00a0{}",
            "Bearer\x0b{}",
            "Bearers {}",
            "Token {}",
            "JWT {}",
        ),
        *(
            "Basic {}",
            "Digest {}",
            "DPoP {}",
            "\u0412earer {}",
            "'Bearer {}'",
            '"Bearer" {}',
            "Bear er {}",
            "B {}",
            ", {}",
        ),
    ],
)
def test_c2_other_schemes_are_left_to_others(served, lab, write):
    """They are no fault, and nobody is identified by them."""
    _, site = served
    header = ("Authorization", write.format(good(lab)))
    answer = site.get(GATED, header)

    # Some servers take no control characters in a header.
    if not (answer.status == 400 and "\x0b" in write):
        assert (answer.status, answer.challenge) == (401, "Bearer")
        assert is_anonymous(site.get(OPEN, header))


@pytest.mark.parametrize(
    "write", ["Bearer", "Bearer ", "Bearer \t", "Bearer Bearer {}", "Bearer Basic {}", "Bearer , {}"]
)
def test_c2_a_bearer_without_a_token_is_a_bad_token(served, lab, write):
    """It says that it is ours, and is not."""
    _, site = served
    header = ("Authorization", write.format(good(lab)))

    assert is_refused(site.get(GATED, header))
    assert is_anonymous(site.get(OPEN, header))


@pytest.mark.parametrize(
    "values", [("good", "good"), ("good", "bad"), ("bad", "good"), ("good", "other"), ("good",) * 40]
)
def test_c2_several_authorization_headers_are_one_bad_token(served, lab, values):
    """Which of them a proxy has looked at is not known, so none is believed."""
    _, site = served
    written = {"good": bearer(good(lab)), "bad": bearer("forged"), "other": ("Authorization", "Basic YTpi")}
    headers = [written[value] for value in values]

    assert is_refused(site.get(GATED, *headers))
    assert is_anonymous(site.get(OPEN, *headers))


def test_c2_a_scheme_of_others_first_is_left_to_others(served, lab):
    """Several headers are one list to HTTP: what begins with another scheme is another scheme's."""
    _, site = served

    answer = site.get(GATED, ("Authorization", "Basic YTpi"), bearer(good(lab)))

    assert (answer.status, answer.challenge) == (401, "Bearer")


def test_c2_no_place_makes_up_for_a_bad_token_in_another(served, lab, sources):
    """A hostile header is not saved by good cookies and a good session, nor are hostile cookies by a good session."""
    _, site = served
    sources(HEADER, COOKIE, SESSION)
    _, kept = session(id_token=good(lab), access_token=good(lab, "access"))
    assert site.get(GATED, ("Cookie", kept)).status == 200
    cookies = ("Cookie", f"{kept}; id_token={good(lab)}")
    assert site.get(GATED, cookies).status == 200
    # Another issuer's token is left to others, and the next place is looked at (rule C2).
    attacks = [attack for attack in selected(12) if attack.code != "foreign_issuer"]
    tokens = {attack.name: attack.make(lab) for attack in attacks}

    wrong = [
        name
        for name, token in tokens.items()
        if len(token) < 50_000 and not is_refused(site.get(GATED, bearer(token), cookies))
    ]

    assert wrong == []
    assert is_refused(site.get(GATED, ("Cookie", f"{kept}; id_token={lab.forged()}")))
    assert site.get(GATED, bearer(lab.claiming(iss='"https://other.example"')), cookies).status == 200


def test_c4_kinds_in_the_place_of_each_other_are_refused(served, lab, records):
    """An ID token where an access token belongs, and the other way round, first and once it is remembered."""
    _, site = served
    id_token, access_token = good(lab), good(lab, "access")

    for _ in range(2):
        assert is_refused(site.get(GATED, session(id_token=access_token)))
        assert is_refused(site.get(GATED, session(access_token=id_token)))
        assert is_refused(site.get(GATED, session(id_token=access_token, access_token=id_token)))
        assert site.get(GATED, bearer(id_token)).status == site.get(GATED, bearer(access_token)).status == 200
    assert set(records.codes) == {"token_use"}


@pytest.mark.parametrize(("wanted", "other"), [("access", "id"), ("id", "access")])
def test_an_id_token_does_where_the_settings_ask_for_it_alone(served, lab, hardened, wanted, other):
    """AVP_TOKEN_USE counts at once, for tokens that are remembered too."""
    _, site = served
    assert site.get(GATED, bearer(good(lab, other))).status == 200

    hardened.AVP_TOKEN_USE = wanted

    assert is_refused(site.get(GATED, bearer(good(lab, other))))
    assert site.get(GATED, bearer(good(lab, wanted))).status == 200


def test_c4_pairs_of_two_users_are_refused(served, lab):
    """Each holds, and together they are nobody's."""
    _, site = served

    assert is_refused(site.get(GATED, session(id_token=good(lab), access_token=good(lab, "access", "ann"))))
    assert is_refused(site.get(GATED, session(id_token=good(lab), access_token=lab.forged("access"))))


@pytest.mark.parametrize("value", [5, None, True, ["a.b.c"], {"token": "a.b.c"}, b"a.b.c", 1.5])
def test_c2_what_is_no_text_in_a_session_is_no_token(served, value):
    """A session may hold anything; only nothing is nothing."""
    _, site = served
    answer = site.get(GATED, session(id_token=value))

    assert answer.status == 401
    assert answer.challenge == ("Bearer" if value is None else INVALID)


def test_c2_what_is_no_text_is_not_made_up_for_by_the_other_token(served, lab):
    """A pair is good or bad as a whole."""
    _, site = served

    assert is_refused(site.get(GATED, session(id_token=5, access_token=good(lab, "access"))))
    assert is_refused(site.get(GATED, session(id_token=good(lab), access_token=["a.b.c"])))


def test_many_headers_beside_a_bad_token_change_nothing(served, lab, records):
    """Fifty more of them, with tokens in them: as many as h11 takes, which gives up at 64 KiB."""
    _, site = served
    more = [(f"X-Token-{number}", good(lab)) for number in range(50)]

    assert is_refused(site.get(GATED, *more, bearer(lab.forged())))
    assert site.get(GATED, *more, bearer(good(lab))).status == 200
    assert traces("\n".join(records.texts), [good(lab), lab.forged()]) == set()


@pytest.mark.parametrize("length", [70_000, 131_073, 1_000_000])
def test_headers_that_the_server_does_not_take_break_nothing(served, lab, records, length):
    """The server ends the connection or answers 4xx; the next request is served, and no record has the header."""
    _, site = served
    try:
        status = site.get(GATED, bearer("a" * length)).status
    except (ConnectionError, http.client.HTTPException):
        site.close()
        status = 0

    assert status in (0, 400, 401, 431)
    assert site.get(GATED, bearer(good(lab))).status == 200
    assert "a" * 100 not in "\n".join(records.texts)


@pytest.mark.parametrize(
    "value", [b"Bearer a\0b", b"Bearer \xff\xfe", b"Bearer \xc0\xae", b"Bearer a\x7f", b"\xe9 \xe9", b"\0"]
)
def test_bytes_that_are_no_text_in_a_header_break_nothing(served, value):
    """The server refuses them, or they are no token."""
    _, site = served

    assert site.get(GATED, ("Authorization", value)).status in (400, 401)
    assert site.get(OPEN).status == 200
