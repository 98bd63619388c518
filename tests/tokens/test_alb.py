"""Tests of ``django_avp.tokens.alb``: headers of an Application Load Balancer, its keys, and forgeries of both."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.test import AsyncClient, Client, RequestFactory, override_settings
from jwt.algorithms import ECAlgorithm

from django_avp.exceptions import KeySetUnavailableError, TokenError, TokenExpiredError, TokenInvalidError
from django_avp.identification import identify
from django_avp.runtime import runtime
from django_avp.tokens import alb_keys as module
from django_avp.tokens.alb import LoadBalancers
from django_avp.tokens.alb_keys import LoadBalancerKeys
from django_avp.tokens.compact import MAX_TOKEN_LENGTH
from django_avp.tokens.sources import AlbHeader, TokenPair, build_sources
from django_avp.tokens.verifier import TokenVerifier

POOL = "eu-west-1_AbCdEf123"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/photos/0123456789abcdef"
OTHER_ARN = ARN.replace("photos", "others")
PATH = "django_avp.tokens.sources.AlbHeader"
HEADER = "django_avp.tokens.sources.AuthorizationHeader"
# Seconds that a test waits for what another thread does, on a machine that has much to do.
PATIENCE = 10
ACCESS, DATA, IDENTITY = "X-Amzn-Oidc-Accesstoken", "X-Amzn-Oidc-Data", "X-Amzn-Oidc-Identity"


def base64url(value: bytes) -> str:
    """Encode as load balancers do: with padding."""
    return base64.urlsafe_b64encode(value).decode()


def pem(key) -> bytes:
    """Return the public half of a key as a document."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class LoadBalancer:
    """Signs data as an Application Load Balancer does."""

    def __init__(self) -> None:
        self.key = generate_private_key(SECP256R1())
        self.kid = str(uuid.uuid4())
        self.pem = pem(self.key)

    def header(self, **changes: object) -> dict[str, object]:
        """Return a header with members replaced, or left out where ``None``."""
        own = {"typ": "JWT", "alg": "ES256", "kid": self.kid, "signer": ARN, "iss": ISSUER, "client": "client-1"}
        changed = {**own, "exp": int(time.time()) + 120, **changes}
        return {name: value for name, value in changed.items() if value is not None}

    def data(self, sub: object = "ann", *, payload: object = None, encode=base64url, **changes: object) -> str:
        """Sign data about a user; ``changes`` replace members of the header."""
        claims = {"sub": sub, "email": f"{sub}@example.com"} if payload is None else payload
        body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        signed = f"{encode(json.dumps(self.header(**changes)).encode())}.{encode(body)}"
        return f"{signed}.{encode(ECAlgorithm(ECAlgorithm.SHA256).sign(signed.encode(), self.key))}"

    def with_signature(self, signature: bytes, **changes: object) -> str:
        """Return data with any signature."""
        header, payload, _ = self.data(**changes).split(".")
        return f"{header}.{payload}.{base64url(signature)}"


class KeyServer:
    """A real HTTP server on the loopback address, which has the keys that the test publishes."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}
        self.missing = 404
        self.paths: list[str] = []
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.paths.append(self.path)
                server.asked.set()
                server.may_answer.wait(10)
                document = server.documents.get(self.path.removeprefix("/"))
                self.send_response(server.missing if document is None else 200)
                self.end_headers()
                self.wfile.write(document or b"<Error>AccessDenied</Error>")

            def log_message(self, format: str, *args: object) -> None:
                """Write nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *args: None  # the client is gone: that is what some tests are about
        self.url = f"http://127.0.0.1:{self.server.server_port}/{{kid}}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def url_of(self, kid: str) -> str:
        return self.url.replace("{kid}", kid)

    def close(self) -> None:
        self.may_answer.set()
        self.server.shutdown()
        self.thread.join(10)
        self.server.server_close()


@pytest.fixture(scope="module")
def load_balancer() -> LoadBalancer:
    """The load balancer of the site."""
    return LoadBalancer()


@pytest.fixture
def server(monkeypatch, join_fetches, load_balancer):
    """A server that has the load balancer's key."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = KeyServer()
    server.documents[load_balancer.kid] = load_balancer.pem
    yield server
    server.close()


@pytest.fixture
def behind(settings, mint, server):
    """Make the site be behind the load balancer."""
    settings.AVP_JWKS = mint.jwks
    settings.AVP_TOKEN_SOURCES = [(PATH, {"signer": ARN, "keys_url": server.url}), HEADER]
    runtime.reset()
    yield settings
    runtime.reset()


@pytest.fixture
def headers(mint, load_balancer):
    """Make the headers of a request that came through the load balancer."""

    def make(sub="ann", *groups, data=None):
        return {
            ACCESS: mint.access_token(sub=sub, groups=list(groups)),
            DATA: load_balancer.data(sub) if data is None else data,
            IDENTITY: sub,
        }

    return make


@pytest.fixture
def token(settings, mint):
    """Verify an access token of ann's, or the given one."""
    settings.AVP_JWKS = mint.jwks
    return lambda text=None: TokenVerifier().verify(text or mint.access_token(sub="ann"))


@pytest.fixture(params=["sync", "async"])
def confirm(request):
    """``confirm`` and ``aconfirm``: every fact below holds for both."""
    if request.param == "sync":
        return lambda balancers, data, token: balancers.confirm(data, token)
    return lambda balancers, data, token: asyncio.run(balancers.aconfirm(data, token))


@pytest.fixture(params=["sync", "async"])
def get(request):
    """``get`` and ``aget``: every fact below holds for both."""
    if request.param == "sync":
        return lambda keys, url: keys.get(url)
    return lambda keys, url: asyncio.run(keys.aget(url))


@pytest.fixture(params=["sync", "async"])
def status(request):
    """The status of a page, by the middleware's sync and async paths."""
    if request.param == "sync":
        return lambda headers, path="/moderate/": Client().get(path, headers=headers).status_code

    def ask(headers, path="/moderate/"):
        async def get():
            return await AsyncClient().get(path, headers=headers)

        return asyncio.run(get()).status_code

    return ask


def code_of(call) -> str:
    """Return the code of the refusal, whose text has nothing of what was refused."""
    with pytest.raises(TokenError) as caught:
        call()
    assert not any(secret in str(caught.value) for secret in ("eyJ", "client-1", "photos", "@example.com"))
    assert caught.value.__cause__ is None
    return caught.value.code


# --- The source ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "pair"),
    [
        ({}, None),
        ({IDENTITY: "ann"}, None),
        ({ACCESS: "a.b.c", DATA: "d.e.f"}, TokenPair(access_token="a.b.c")),
        ({ACCESS: "a.b.c"}, TokenPair(access_token="a.b.c")),
        ({DATA: "d.e.f"}, TokenPair(access_token="")),
        ({ACCESS: ""}, TokenPair(access_token="")),
        ({DATA: ""}, TokenPair(access_token="")),
    ],
)
def test_c2_either_header_makes_it_this_sources_request(sent, pair):
    """One header without the other, or an empty one, is a fault; the unsigned identity alone is nothing."""
    source = AlbHeader(ARN)
    request = RequestFactory().get("/", headers=sent)

    assert source.read(request) == pair
    assert asyncio.run(source.aread(request)) == pair


def test_the_source_shows_no_secret():
    """It is ambient, all three headers vary responses and are hidden, and its repr has nothing of a request."""
    source = AlbHeader(signer=[ARN, OTHER_ARN])

    assert source.ambient
    assert not source.is_shared
    assert set(source.vary) == set(source.sensitive_headers) == {ACCESS, DATA, IDENTITY}
    assert "eyJ" not in repr(source)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "does not say whose headers it trusts. Name the ARN"),
        ({"signer": []}, "does not say whose headers it trusts"),
        ({"signer": ""}, "is not the ARN of an Application Load Balancer"),
        ({"signer": "photos"}, "is not the ARN of an Application Load Balancer"),
        ({"signer": [ARN, 7]}, "is not the ARN of an Application Load Balancer"),
        ({"signer": ARN.replace("/app/", "/net/")}, "is not the ARN of an Application Load Balancer"),
        ({"signer": ARN + "\n"}, "is not the ARN of an Application Load Balancer"),
        ({"signer": ARN.replace("eu-west-1", "evil.example/")}, "is not the ARN of an Application Load Balancer"),
        ({"signer": None}, "cannot be built with the options"),
        ({"signer": ARN, "keys": "x"}, "cannot be built with the options"),
        ({"signer": ARN, "keys_url": "https://keys.example.com/"}, "keys_url with {kid}"),
        ({"signer": ARN, "keys_url": 7}, "keys_url with {kid}"),
        ({"signer": ARN.replace(":aws:", ":aws-cn:").replace("eu-west-1", "cn-north-1")}, "keys_url with {kid}"),
    ],
)
def test_misconfiguration_is_told_with_its_cure(settings, options, message):
    """``manage.py check`` reports what the source cannot be built with."""
    settings.AVP_TOKEN_SOURCES = [(PATH, options)]

    with pytest.raises(ImproperlyConfigured) as caught:
        build_sources(settings.AVP_TOKEN_SOURCES)
    assert message in str(caught.value)
    assert [error.msg for error in checks.run_checks() if error.id == "django_avp.E001"] == [str(caught.value)]


@pytest.mark.parametrize(
    ("arn", "keys_url", "url"),
    [
        (ARN, None, "https://public-keys.auth.elb.eu-west-1.amazonaws.com/{kid}"),
        (
            ARN.replace("eu-west-1", "us-gov-east-1").replace(":aws:", ":aws-us-gov:"),
            None,
            "https://s3-us-gov-east-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-east-1/{kid}",
        ),
        (ARN.replace(":aws:", ":aws-cn:"), "https://keys.example.com/{kid}.pem", "https://keys.example.com/{kid}.pem"),
    ],
)
def test_keys_are_fetched_from_the_place_of_the_arn(confirm, load_balancer, token, arn, keys_url, url, join_fetches):
    """Region and partition say where, unless an option does; nothing of the token chooses the host."""
    fetched = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return load_balancer.pem

    balancers = LoadBalancers([OTHER_ARN, arn], keys_url, LoadBalancerKeys(fetch=fetch))

    assert fetched == []
    for _ in range(2):
        confirm(balancers, load_balancer.data(signer=arn), token())
    assert fetched == [url.replace("{kid}", load_balancer.kid)]


# --- Genuine data, and forgeries -----------------------------------------------------------------------------------


def test_genuine_data_confirms(confirm, server, load_balancer, token):
    """Data of the load balancer about the token's user passes, padded or not, and its key is fetched once."""
    balancers = LoadBalancers([ARN], server.url)

    confirm(balancers, load_balancer.data(), token())
    confirm(balancers, load_balancer.data(encode=lambda value: base64url(value).rstrip("=")), token())
    assert "=" in load_balancer.data()
    assert server.paths == [f"/{load_balancer.kid}"]


def test_either_issuer_form_of_the_pool_will_do(confirm, server, load_balancer, token):
    """The load balancer may know the pool by its other issuer."""
    confirm(
        LoadBalancers([ARN], server.url), load_balancer.data(iss=ISSUER.replace("cognito", "issuer-cognito")), token()
    )


def _hs256(balancer: LoadBalancer) -> str:
    """Take the public key for an HMAC secret, which PyJWT itself refuses to do."""
    signed = balancer.data(alg="HS256").rpartition(".")[0]
    return f"{signed}.{base64url(hmac.digest(balancer.pem, signed.encode(), 'sha256'))}"


def _swap(data: str, part: int, value: str) -> str:
    parts = data.split(".")
    parts[part] = value
    return ".".join(parts)


FORGERIES = {
    # What is no signed JWT
    "missing": (lambda lb: "", "alb_data"),
    "garbage": (lambda lb: "garbage", "alb_data"),
    "two segments": (lambda lb: lb.data().rpartition(".")[0], "alb_data"),
    "four segments": (lambda lb: lb.data() + ".e30=", "alb_data"),
    "two headers": (lambda lb: f"{lb.data()},{lb.data()}", "alb_data"),
    "a blank": (lambda lb: lb.data() + " ", "alb_data"),
    "a line break": (lambda lb: lb.data() + "\n", "alb_data"),
    "padding in between": (lambda lb: "=" + lb.data(), "alb_data"),
    "huge": (lambda lb: "a" * MAX_TOKEN_LENGTH + lb.data(), "alb_data"),
    "huge and genuine": (lambda lb: lb.data(payload={"sub": "ann", "x": "x" * MAX_TOKEN_LENGTH}), "alb_data"),
    "header is no JSON": (lambda lb: _swap(lb.data(), 0, base64url(b"{")), "alb_data"),
    "header is a list": (lambda lb: _swap(lb.data(), 0, base64url(b"[]")), "alb_data"),
    "header is deep": (lambda lb: _swap(lb.data(), 0, base64url(b"[" * 90_000)), "alb_data"),
    "duplicate names": (lambda lb: _swap(lb.data(), 0, base64url(b'{"alg": "none", "alg": "ES256"}')), "alb_data"),
    "critical": (lambda lb: lb.data(crit=["exp"]), "alb_data"),
    # Another algorithm
    "none": (lambda lb: lb.with_signature(b"", alg="none") + "AA", "alb_algorithm"),
    "no algorithm": (lambda lb: lb.data(alg=None), "alb_algorithm"),
    "HS256 with the public key": (_hs256, "alb_algorithm"),
    "RS256": (lambda lb: lb.data(alg="RS256"), "alb_algorithm"),
    "ES384": (lambda lb: lb.data(alg="ES384"), "alb_algorithm"),
    "es256": (lambda lb: lb.data(alg="es256"), "alb_algorithm"),
    # Another load balancer
    "another signer": (lambda lb: lb.data(signer=OTHER_ARN), "alb_signer"),
    "no signer": (lambda lb: lb.data(signer=None), "alb_signer"),
    "a signer in capitals": (lambda lb: lb.data(signer=ARN.upper()), "alb_signer"),
    "a longer signer": (lambda lb: lb.data(signer=ARN + "0"), "alb_signer"),
    "a list of signers": (lambda lb: lb.data(signer=[ARN]), "alb_signer"),
    # Another key
    "no key id": (lambda lb: lb.data(kid=None), "alb_data"),
    "a path": (lambda lb: lb.data(kid="../" + lb.kid), "alb_data"),
    "a path behind": (lambda lb: lb.data(kid=lb.kid + "/../x"), "alb_data"),
    "a query": (lambda lb: lb.data(kid=lb.kid + "?x"), "alb_data"),
    "a URL": (lambda lb: lb.data(kid="http://127.0.0.1:1/" + lb.kid), "alb_data"),
    "an encoded path": (lambda lb: lb.data(kid="%2e%2e%2f" + lb.kid[9:]), "alb_data"),
    "a line break behind": (lambda lb: lb.data(kid=lb.kid + "\n"), "alb_data"),
    "a number": (lambda lb: lb.data(kid=7), "alb_data"),
    "no UUID": (lambda lb: lb.data(kid="key-1"), "alb_data"),
    "unknown key": (lambda lb: lb.data(kid=str(uuid.UUID(int=7))), "alb_unknown_key"),
    # Another signature
    "another key's": (lambda lb: _swap(lb.data(), 2, LoadBalancer().data().rpartition(".")[2]), "alb_signature"),
    "empty": (lambda lb: lb.with_signature(b"\0"), "alb_signature"),
    "zeros": (lambda lb: lb.with_signature(bytes(64)), "alb_signature"),
    "DER": (lambda lb: lb.with_signature(lb.key.sign(b"x", ECDSA(SHA256()))), "alb_signature"),
    "payload exchanged": (lambda lb: _swap(lb.data("bob"), 1, lb.data().split(".")[1]), "alb_signature"),
    "header exchanged": (lambda lb: _swap(lb.data(exp=1), 0, lb.data().split(".")[0]), "alb_signature"),
    "padding taken away": (lambda lb: lb.data(payload=b'{"sub":"ann"}').replace("=", ""), "alb_signature"),
    "detached payload": (lambda lb: lb.data(b64=False), "alb_signature"),
    # Genuine, and no proof
    "expired": (lambda lb: lb.data(exp=int(time.time())), "alb_expired"),
    "expired long ago": (lambda lb: lb.data(exp=1), "alb_expired"),
    "no expiry": (lambda lb: lb.data(exp=None), "alb_data"),
    "expiry in the payload": (lambda lb: lb.data(exp=None, payload={"sub": "ann", "exp": 99999999999}), "alb_data"),
    "a text as expiry": (lambda lb: lb.data(exp="99999999999"), "alb_data"),
    "a boolean as expiry": (lambda lb: lb.data(exp=True), "alb_data"),
    "an endless expiry": (lambda lb: lb.data(exp=10**30), "alb_data"),
    "payload is no JSON": (lambda lb: lb.data(payload=b"{"), "alb_data"),
    "payload is a list": (lambda lb: lb.data(payload=["ann"]), "alb_data"),
    "two subs": (lambda lb: lb.data(payload=b'{"sub": "bob", "sub": "ann"}'), "alb_data"),
    # Genuine, and about something else
    "another user": (lambda lb: lb.data("bob"), "alb_pair"),
    "a user in capitals": (lambda lb: lb.data("ANN"), "alb_pair"),
    "no user": (lambda lb: lb.data(payload={"username": "ann"}), "alb_pair"),
    "a list of users": (lambda lb: lb.data(["ann"]), "alb_pair"),
    "another client": (lambda lb: lb.data(client="client-2"), "alb_pair"),
    "no client": (lambda lb: lb.data(client=None), "alb_pair"),
    "a list of clients": (lambda lb: lb.data(client=["client-1"]), "alb_pair"),
    "client in the payload": (
        lambda lb: lb.data(client=None, payload={"sub": "ann", "client": "client-1"}),
        "alb_pair",
    ),
    "another issuer": (lambda lb: lb.data(iss=ISSUER + "x"), "alb_pair"),
    "another pool of ours": (lambda lb: lb.data(iss=ISSUER.replace(POOL, "eu-west-1_Second")), "alb_pair"),
    "no issuer": (lambda lb: lb.data(iss=None), "alb_pair"),
    "a list of issuers": (lambda lb: lb.data(iss=[ISSUER]), "alb_pair"),
}


@pytest.mark.parametrize(("forge", "code"), FORGERIES.values(), ids=FORGERIES)
def test_forged_data_is_refused(confirm, settings, server, load_balancer, token, forge, code):
    """Each is refused for its own reason, and a key is asked for by a whole UUID or not at all."""
    settings.AVP_USER_POOLS = {POOL: ["client-1", "client-2"], "eu-west-1_Second": ["client-1"]}
    balancers = LoadBalancers([ARN], server.url)

    assert code_of(lambda: confirm(balancers, forge(load_balancer), token())) == code
    assert all(len(path) == 37 for path in server.paths)


def test_expiry_has_the_leeway_of_tokens(confirm, settings, server, load_balancer, token):
    """``AVP_LEEWAY`` counts here too, and expiry is told as such."""
    balancers = LoadBalancers([ARN], server.url)
    data, access = load_balancer.data(exp=int(time.time()) - 5), token()

    with pytest.raises(TokenExpiredError):
        confirm(balancers, data, access)
    settings.AVP_LEEWAY = 60
    confirm(balancers, data, access)


def test_a_pool_of_any_client_still_needs_the_tokens_client(confirm, settings, server, load_balancer, mint, token):
    """Where every client is accepted, data and token are of one all the same."""
    settings.AVP_USER_POOLS = {POOL: None}
    balancers = LoadBalancers([ARN], server.url)
    access = token(mint.access_token(sub="ann", client_id="client-9"))

    confirm(balancers, load_balancer.data(client="client-9"), access)
    assert code_of(lambda: confirm(balancers, load_balancer.data(), access)) == "alb_pair"


# --- Through the middleware ----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("behind")
def test_a_request_through_the_load_balancer_is_identified(status, headers):
    """Both headers identify the user, whose groups are the access token's."""
    assert status(headers("mona", "moderators")) == 200
    assert status(headers("ann")) == 403
    assert status({}) == 401
    assert status({IDENTITY: "mona"}) == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("behind")
def test_only_the_access_token_says_who_it_is(mint, load_balancer, rf):
    """Claims of the load balancer's data are no claims of the principal."""
    data = load_balancer.data(payload={"sub": "ann", "email": "x@example.com", "cognito:groups": ["moderators"]})
    authorization = identify(rf.get("/", headers={ACCESS: mint.access_token(sub="ann"), DATA: data}))

    assert authorization.identity.principal.id == f"{POOL}|ann"
    assert authorization.identity.groups == ()
    assert authorization.identity.is_ambient
    assert "email" not in authorization.identity.entity(None).attributes
    assert not authorization.can("Moderate")


BAD_REQUESTS = {
    "no data": lambda mint, lb, good: {ACCESS: good},
    "no access token": lambda mint, lb, good: {DATA: lb.data("mona")},
    "empty data": lambda mint, lb, good: {ACCESS: good, DATA: ""},
    "swapped": lambda mint, lb, good: {ACCESS: lb.data("mona"), DATA: good},
    "the access token twice": lambda mint, lb, good: {ACCESS: good, DATA: good},
    "an ID token": lambda mint, lb, good: {ACCESS: mint.id_token(sub="mona"), DATA: lb.data("mona")},
    "an expired token": lambda mint, lb, good: {
        ACCESS: mint.access_token(sub="mona", expires_in=-1),
        DATA: lb.data("mona"),
    },
    "a foreign token": lambda mint, lb, good: {
        ACCESS: mint.access_token(sub="mona", pool="eu-west-1_Other"),
        DATA: lb.data("mona"),
    },
    "another user's token": lambda mint, lb, good: {ACCESS: mint.access_token(sub="ann"), DATA: lb.data("mona")},
    "another load balancer": lambda mint, lb, good: {ACCESS: good, DATA: lb.data("mona", signer=OTHER_ARN)},
    "an unknown key": lambda mint, lb, good: {ACCESS: good, DATA: lb.data("mona", kid=str(uuid.UUID(int=7)))},
    "expired data": lambda mint, lb, good: {ACCESS: good, DATA: lb.data("mona", exp=1)},
    "garbage": lambda mint, lb, good: {ACCESS: "garbage", DATA: "garbage"},
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize("send", BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_c2_bad_headers_never_fall_through(status, mint, load_balancer, send):
    """Not to the next source, though it has a good token, and not to being anonymous."""
    sent = send(mint, load_balancer, mint.access_token(sub="mona", groups=["moderators"]))
    bearer = {"Authorization": f"Bearer {mint.id_token(sub='mona', groups=['moderators'])}"}

    assert status(bearer) == 200
    assert status(sent) == 401
    assert status({**sent, **bearer}) == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("behind")
def test_c2_bad_headers_are_not_a_session_users(user, mint):
    """Who signed in to Django is not who a forged header was sent for; without headers, they are."""
    client = Client()
    client.force_login(user("ann"), backend="django.contrib.auth.backends.ModelBackend")

    assert client.get("/open/").content.decode() == f"hello {POOL}|ann"
    foreign = {ACCESS: mint.access_token(sub="x", pool="eu-west-1_Other"), DATA: "x"}
    assert client.get("/open/", headers=foreign).content == b"hello nobody"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("behind")
def test_keys_that_cannot_be_fetched_are_503(status, server, headers):
    """Whether the load balancer signed cannot be told, so nobody is admitted and nobody is told to sign in."""
    server.close()

    assert status(headers("mona", "moderators")) == 503


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("behind")
@pytest.mark.parametrize("path", ["/plain/", "/exempt/"])
def test_c1_the_load_balancer_is_ambient(headers, path):
    """Its cookie signs the user in from any page, so requests that write need the CSRF check, everywhere."""
    client = Client(enforce_csrf_checks=True, headers=headers())

    assert client.get(path).status_code == 200
    assert client.post(path).status_code == 403
    client.cookies["csrftoken"] = "a" * 32
    assert client.post(path, headers={"X-CSRFToken": "a" * 32}).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("behind")
def test_c5_decided_responses_vary_by_the_headers(headers):
    """No cache between gives a page to somebody else."""
    response = Client().get("/moderate/", headers=headers("mona", "moderators"))

    assert {ACCESS, DATA, IDENTITY} <= set(response["Vary"].split(", "))
    assert "private" in response["Cache-Control"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("behind")
def test_c8_error_reports_hide_the_headers(headers):
    """The page of an error has none of the three values, with ``DEBUG`` on as well."""
    sent = {**headers(), IDENTITY: "what was not signed"}
    with override_settings(DEBUG=True):
        response = Client(raise_request_exception=False).get("/boom/", headers=sent)

    assert response.status_code == 500
    assert b"HTTP_X_AMZN_OIDC_DATA" in response.content
    assert not any(value.encode() in response.content for value in sent.values())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("behind")
def test_c8_a_refusal_is_logged_by_its_code_alone(mint, headers, caplog):
    """The log says why, and nothing of what was sent."""
    caplog.set_level("DEBUG", logger="django_avp")
    Client().get("/moderate/", headers=headers(data="garbage"))
    Client().get("/moderate/", headers={ACCESS: mint.access_token(sub="x", pool="eu-west-1_Other"), DATA: "x"})

    assert [record.code for record in caplog.records if record.name == "django_avp"] == ["alb_data", "foreign_issuer"]
    assert not any("eyJ" in str(vars(record)) for record in caplog.records)


# --- Keys ----------------------------------------------------------------------------------------------------------


class Clock:
    """A clock under the test's control."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def keys(server, clock) -> LoadBalancerKeys:
    """Keys fetched from the server, by the clock."""
    return LoadBalancerKeys(clock=clock, timeout=PATIENCE)


def kid_of(number: int) -> str:
    """Make up a key id."""
    return str(uuid.UUID(int=number))


def unavailable(get, keys, url) -> None:
    """Check that a key cannot be judged."""
    with pytest.raises(KeySetUnavailableError) as caught:
        get(keys, url)
    assert caught.value.code == "alb_key"


def unknown(get, keys, url) -> None:
    """Check that a key is refused as unknown."""
    with pytest.raises(TokenInvalidError) as caught:
        get(keys, url)
    assert caught.value.code == "alb_unknown_key"


def test_a_key_is_kept(get, keys, server, load_balancer, clock):
    """A key is fetched when it is first needed, and not again, even when the server is gone."""
    url = server.url_of(load_balancer.kid)
    key = get(keys, url)
    server.close()
    clock.now += 1e6

    assert get(keys, url) is key
    assert server.paths == [f"/{load_balancer.kid}"]


def test_keys_are_bounded(get, keys, server, load_balancer):
    """The key that was not used for longest is forgotten, and fetched again when it is needed."""
    for number in range(module.MOST_KEYS):
        server.documents[kid_of(number)] = load_balancer.pem
        get(keys, server.url_of(kid_of(number)))
    get(keys, server.url_of(kid_of(0)))
    get(keys, server.url_of(load_balancer.kid))
    before = len(server.paths)

    get(keys, server.url_of(kid_of(0)))
    assert len(server.paths) == before
    get(keys, server.url_of(kid_of(1)))
    assert len(server.paths) == before + 1
    assert len(keys._keys) == module.MOST_KEYS


@pytest.mark.parametrize("missing", [403, 404])
def test_a_key_that_is_not_there_is_looked_for_once(get, keys, server, load_balancer, clock, missing):
    """It is refused without a fetch until its pause is over, and other keys are fetched meanwhile."""
    server.missing = missing
    url = server.url_of(kid_of(7))
    for _ in range(3):
        unknown(get, keys, url)
    assert len(server.paths) == 1
    assert get(keys, server.url_of(load_balancer.kid))

    clock.now += module.KEY_ID_PAUSE
    server.documents[kid_of(7)] = load_balancer.pem
    assert get(keys, url)


def test_made_up_key_ids_cause_a_bounded_number_of_fetches(get, keys, server, load_balancer, clock):
    """A flood is looked for so often and no more; a known key goes on, a new one waits for the end of the pause."""
    server.documents[kid_of(7)] = load_balancer.pem
    get(keys, server.url_of(load_balancer.kid))
    for number in range(100, 100 + module.MOST_LOOKUPS):
        unknown(get, keys, server.url_of(kid_of(number)))
    for number in range(200, 210):
        unavailable(get, keys, server.url_of(kid_of(number)))

    assert len(server.paths) == 1 + module.MOST_LOOKUPS
    assert get(keys, server.url_of(load_balancer.kid))
    unavailable(get, keys, server.url_of(kid_of(7)))
    clock.now += module.KEY_ID_PAUSE
    assert get(keys, server.url_of(kid_of(7)))
    assert not keys._unknown_until


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>Sign in to the network</html>",
        b"-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
        pem(generate_private_key(SECP384R1())),
        "rsa",
    ],
    ids=["nothing", "html", "no base64", "another curve", "RSA"],
)
def test_what_is_no_key_is_a_failed_fetch(get, keys, server, load_balancer, mint, document):
    """Only a key for ES256 is one."""
    server.documents[load_balancer.kid] = pem(mint._private_key) if document == "rsa" else document

    unavailable(get, keys, server.url_of(load_balancer.kid))


def test_failures_pause(get, keys, server, load_balancer, clock, caplog):
    """While the server fails there is one fetch per pause, and it is logged without anything of the token."""
    url, server.missing = server.url_of(load_balancer.kid), 500
    document = server.documents.pop(load_balancer.kid)
    for _ in range(3):
        unavailable(get, keys, url)
        unavailable(get, keys, server.url_of(kid_of(7)))
    assert server.paths == [f"/{load_balancer.kid}"]
    (record,) = caplog.records
    assert (record.message, record.url, record.fault) == ("avp.key_set_failed", url, "HTTP 500")

    server.documents[load_balancer.kid] = document
    clock.now += module.FAILURE_PAUSE
    assert get(keys, url)


def test_one_fetch_serves_all_who_wait(keys, server, load_balancer):
    """Threads that come at once share a fetch; another key's is not held up by it."""
    url = server.url_of(load_balancer.kid)
    server.may_answer.clear()
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(keys.get, url) for _ in range(8)]
        assert server.asked.wait(10)
        server.may_answer.set()
        found = {id(future.result(10)) for future in waiting}

    assert len(found) == 1
    assert server.paths == [f"/{load_balancer.kid}"]


def test_the_event_loop_is_free_during_a_fetch(keys, server, load_balancer):
    """Tasks go on while a key is fetched: one of them lets the server answer."""
    server.may_answer.clear()

    async def answer() -> None:
        while not server.asked.is_set():
            await asyncio.sleep(0.001)
        server.may_answer.set()

    async def both() -> object:
        key, _ = await asyncio.gather(keys.aget(server.url_of(load_balancer.kid)), answer())
        return key

    assert asyncio.run(both()) is keys.get(server.url_of(load_balancer.kid))


def test_a_silent_server_costs_the_timeout(get, server, load_balancer, clock, caplog):
    """Who waits is told 503, and what comes too late is not taken in."""
    keys = LoadBalancerKeys(clock=clock, timeout=0.05)
    server.may_answer.clear()

    unavailable(get, keys, server.url_of(load_balancer.kid))
    assert [record.fault for record in caplog.records] == ["TimeoutError"]
    server.may_answer.set()
    for thread in threading.enumerate():
        if thread.name == "django-avp-key-set":
            thread.join(10)
    assert not keys._keys


def test_a_fetch_that_nobody_waits_for_is_begun_anew(server, load_balancer, clock):
    """Who waited was cancelled: the next one does not wait for what will not come."""
    keys, url = LoadBalancerKeys(clock=clock, timeout=PATIENCE), server.url_of(load_balancer.kid)
    server.may_answer.clear()

    async def cancelled() -> None:
        task = asyncio.ensure_future(keys.aget(url))
        while not server.asked.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    clock.now += PATIENCE
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(keys.get, url)
        while len(server.paths) < 2:
            assert not waiting.done()
        server.may_answer.set()
        assert waiting.result(10)


def test_while_fetches_fail_one_is_tried_and_one_waits(get, server, load_balancer, clock):
    """After a failed fetch neither more tokens of its key nor made-up key ids have more threads wait."""
    keys, url = LoadBalancerKeys(clock=clock, timeout=PATIENCE), server.url_of(load_balancer.kid)
    server.documents[kid_of(1)] = b"<html>"
    unavailable(get, keys, server.url_of(kid_of(1)))
    clock.now += module.FAILURE_PAUSE
    server.asked.clear()
    server.may_answer.clear()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(keys.get, url)
        assert server.asked.wait(PATIENCE)

        unavailable(get, keys, url)
        unavailable(get, keys, server.url_of(kid_of(2)))
        assert not waiting.done()

        server.may_answer.set()
        assert waiting.result(PATIENCE)
    assert server.paths == [f"/{kid_of(1)}", f"/{load_balancer.kid}"]
    unknown(get, keys, server.url_of(kid_of(2)))


def test_no_thread_for_a_fetch_is_a_failed_fetch(keys, server, load_balancer, clock, caplog):
    """Where the machine has no more threads, a key that is not known is 503, and fetched when its pause is over."""
    url, before = server.url_of(load_balancer.kid), threading.stack_size(1 << 46)  # none can have so large a stack
    try:
        unavailable(LoadBalancerKeys.get, keys, url)
    finally:
        threading.stack_size(before)
    assert [record.fault for record in caplog.records] == ["RuntimeError"]

    clock.now += module.FAILURE_PAUSE
    assert keys.get(url)
