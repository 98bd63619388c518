"""Tests of ``django_avp.tokens.jwks``: which keys are usable, and real fetches over loopback HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from urllib.error import URLError

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from django_avp.exceptions import KeySetUnavailableError
from django_avp.testing import TokenMint
from django_avp.tokens import documents
from django_avp.tokens.documents import MAX_BYTES, fetch_document
from django_avp.tokens.jwks import parse_key_set
from django_avp.tokens.keys import KeySets

POOL = "eu-west-1_AbCdEf123"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"


# --- Usable keys ---------------------------------------------------------------------------------------------------


def jwk(mint: TokenMint, **changes: object) -> dict[str, object]:
    """Return the mint's key with parameters replaced, or left out where ``None``."""
    changed = {**mint.jwks["keys"][0], **changes}
    return {name: value for name, value in changed.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"use": None},
        {"alg": None},
        {"key_ops": ["verify"]},
        {"key_ops": ["sign", "verify"]},
        {"use": None, "alg": None},
        {"unknown": ["anything"]},
    ],
)
def test_usable_keys_are_taken(mint, changes):
    """Use, algorithm and operations may be absent (RFC 7517 section 4)."""
    assert list(parse_key_set({"keys": [jwk(mint, **changes)]})) == [mint.kid]


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "EC"},
        {"kty": None},
        {"kty": ["RSA"]},
        {"use": "enc"},
        {"use": ["sig"]},
        {"alg": "RS512"},
        {"alg": "RSA-OAEP"},
        {"key_ops": ["encrypt"]},
        {"key_ops": []},
        {"key_ops": "verify"},
        {"key_ops": {"verify": 1}},
        {"kid": None},
        {"kid": 5},
        {"n": None},
        {"n": 5},
        {"n": "!"},
        {"n": ""},
        {"n": "é"},
        {"e": None},
        {"e": "AQ"},
        {"e": ""},
    ],
)
def test_unusable_keys_are_skipped(mint, forger, changes):
    """A key for another purpose, or a broken one, is left out; the others stay."""
    document = {"keys": [jwk(mint, **changes), *forger.jwks["keys"]]}

    assert list(parse_key_set(document)) == [forger.kid]


def test_short_keys_are_skipped():
    """An RSA key under 2048 bits is not used (RFC 7518 section 3.3)."""
    short = TokenMint(generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505 - that is the point

    assert parse_key_set(short.jwks) == {}


def test_unusable_key_does_not_take_the_place_of_another(mint):
    """Of two keys of one id that counts which can be used, wherever it stands."""
    usable, unusable = jwk(mint), jwk(mint, n="AQAB")

    assert list(parse_key_set({"keys": [unusable, usable]})) == [mint.kid]
    assert list(parse_key_set({"keys": [usable, unusable]})) == [mint.kid]


def test_published_private_keys_are_used_as_public_ones(mint):
    """The private part of a key that was published by mistake is not taken in."""
    private = jwt.algorithms.RSAAlgorithm.to_jwk(mint._private_key, as_dict=True)
    document = {"keys": [jwk(mint, d=private["d"], p=private["p"], q=private["q"])]}

    assert not hasattr(parse_key_set(document)[mint.kid], "private_numbers")


# --- Real fetches --------------------------------------------------------------------------------------------------


def unavailable(key_id: str, **options: float) -> None:
    """Check that a key set that is really fetched tells that it cannot be, in threads and tasks."""
    with pytest.raises(KeySetUnavailableError):
        KeySets(**options).get(ISSUER, POOL, key_id)
    with pytest.raises(KeySetUnavailableError):
        asyncio.run(KeySets(**options).aget(ISSUER, POOL, key_id))


def test_key_set_is_fetched_over_http(server, mint):
    """The fetcher that sites use reads a key set from a real server."""
    server.body = json.dumps(mint.jwks).encode()

    assert KeySets().get(ISSUER, POOL, mint.kid)
    assert asyncio.run(KeySets().aget(ISSUER, POOL, mint.kid))
    assert server.paths == ["/jwks.json"] * 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server, mint, status):
    """A redirect is a failed fetch, even one with a key set in its body: keys come from the configured place only."""
    server.status = status
    server.body = json.dumps(mint.jwks).encode()
    server.headers = {"Location": f"{server.url}/elsewhere"}

    unavailable(mint.kid)
    assert set(server.paths) == {"/jwks.json"}


@pytest.mark.parametrize("status", [204, 304, 400, 403, 404, 429, 500, 503])
def test_errors_over_http_are_failed_fetches(server, mint, status):
    """An error is a failed fetch, whatever its body."""
    server.status = status
    server.body = json.dumps(mint.jwks).encode()

    unavailable(mint.kid)


def test_html_over_http_is_a_failed_fetch(server):
    """A captive portal's page is no key set."""
    server.headers = {"Content-Type": "text/html"}
    server.body = b"<html>Sign in to the network</html>"

    unavailable("a")


def test_oversized_answers_are_refused(server, mint):
    """An answer over the limit is refused, and no more of it is read."""
    server.body = json.dumps(mint.jwks).encode().ljust(MAX_BYTES + 1)

    with pytest.raises(ValueError, match="too large"):
        fetch_document(f"{server.url}/jwks.json")
    unavailable(mint.kid)

    server.body = server.body[:-1]
    assert KeySets().get(ISSUER, POOL, mint.kid)


def test_truncated_answers_are_failed_fetches(server, mint):
    """A connection that ends early is a failed fetch."""
    server.headers = {"Content-Length": "100000"}
    server.body = json.dumps(mint.jwks).encode()[:-1]

    unavailable(mint.kid)


def test_silent_server_ends_with_the_timeout(server, mint):
    """A server that accepts and says nothing costs the timeout and no more."""
    server.may_answer.clear()

    unavailable(mint.kid, timeout=0.05)
    with pytest.raises(TimeoutError):
        fetch_document(f"{server.url}/jwks.json", timeout=0.05)


def test_time_is_over_though_bytes_are_there():
    """What comes after the time of a response is not read, even if it has come already."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.01)
        reading = documents._Bounded(ours)
        theirs.sendall(b"a")
        while time.monotonic() < reading._deadline:
            pass

        with reading, pytest.raises(TimeoutError, match="takes too long"):
            reading.readinto(bytearray(1))


def _certificate(host: str) -> bytes:
    """A key, and a certificate for a host that is signed with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


@pytest.mark.parametrize(
    ("host", "is_trusted"), [("localhost", True), ("localhost", False), ("other.example", True)], ids=str
)
def test_certificates_are_verified(server, mint, tmp_path, monkeypatch, host, is_trusted):
    """Over HTTPS a key set comes from a server that has a trusted certificate for its name, or not at all."""
    own, other = tmp_path / "own.pem", tmp_path / "other.pem"
    own.write_bytes(_certificate(host))
    other.write_bytes(_certificate(host))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    server.server.socket = context.wrap_socket(server.server.socket, server_side=True)
    server.body = json.dumps(mint.jwks).encode()
    monkeypatch.setenv("SSL_CERT_FILE", str(own if is_trusted else other))
    url = f"https://localhost:{server.server.server_port}/jwks.json"

    if host == "localhost" and is_trusted:
        assert fetch_document(url) == server.body
    else:
        with pytest.raises(URLError, match="certificate verify failed"):
            fetch_document(url)


def test_refused_connections_are_failed_fetches(server):
    """A server that is not there is a failed fetch."""
    server.close()

    unavailable("a")


@pytest.mark.parametrize("scheme", ["file", "ftp", "data", "gopher"])
def test_other_schemes_are_refused(scheme, tmp_path, mint):
    """Only http and https URLs are opened, whatever the settings say."""
    (tmp_path / "jwks.json").write_text(json.dumps(mint.jwks))

    with pytest.raises(OSError, match="unknown url type"):
        fetch_document(f"{scheme}://{tmp_path}/jwks.json")


@pytest.mark.parametrize(
    "url", ["", "jwks.json", "http://", "http://[", "http://localhost:port/", "http://localhost/a b"]
)
def test_urls_that_make_no_sense_are_failed_fetches(settings, url):
    """A URL that cannot be opened is a failed fetch rather than any other error."""
    with pytest.raises((OSError, ValueError, http.client.HTTPException)):
        fetch_document(url)

    settings.AVP_JWKS_URL = url or {ISSUER: "no URL"}
    unavailable("a")
