"""Tests of ``django_avp.tokens.verifier``: real tokens, signed with a real key."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import pickle
import time
from collections.abc import Callable

import jwt
import pytest
from django.template import Context, Engine, TemplateSyntaxError

from django_avp.exceptions import TokenError, TokenExpiredError, TokenForeignError, TokenInvalidError
from django_avp.testing import TokenMint
from django_avp.tokens.keys import KeySets
from django_avp.tokens.verifier import TokenVerifier, VerifiedToken

POOL = "eu-west-1_AbCdEf123"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
SECRET = "a-claim-that-nobody-may-see"

Verify = Callable[..., VerifiedToken]

pytestmark = pytest.mark.usefixtures("accepting")


@pytest.fixture(params=["sync", "async", "sync, known header", "async, known header"])
def verify(request, mint) -> Verify:
    """``verify`` and ``averify`` of one verifier, new or knowing who signs such tokens: every fact holds for all."""
    verifier = TokenVerifier()
    if "known" in request.param:
        verifier.verify(mint.id_token())
    if request.param.startswith("sync"):
        return verifier.verify
    return lambda token, **options: asyncio.run(verifier.averify(token, **options))


def refused(verify: Verify, token: object, **options: str) -> str:
    """Return the code with which a token is refused as invalid."""
    with pytest.raises(TokenInvalidError) as caught:
        verify(token, **options)
    return caught.value.code


def encode(value: object) -> str:
    """Encode one segment of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# --- What is accepted ----------------------------------------------------------------------------------------------


def test_id_token_is_accepted(verify, mint):
    """An ID token of an accepted pool and client verifies, and keeps its text and claims."""
    token = mint.id_token("sub-1", groups=["Editors"], email="a@example.com")

    verified = verify(token)

    assert (verified.kind, verified.pool, verified.client_id) == ("id", POOL, "client-1")
    assert verified._token == token
    assert verified._claims["cognito:groups"] == ["Editors"]
    assert verified._claims["email"] == "a@example.com"


def test_access_token_is_accepted(verify, mint):
    """An access token verifies by its client_id, though it has no audience."""
    verified = verify(mint.access_token(groups=["Editors"]))

    assert (verified.kind, verified.client_id) == ("access", "client-1")
    assert "aud" not in verified._claims


def test_audience_of_an_access_token_is_not_its_client(verify, mint):
    """An access token bound to a resource has that resource's URL as audience, which says nothing about its client."""
    assert verify(mint.access_token(aud="https://api.example.com")).client_id == "client-1"
    assert refused(verify, mint.access_token(client_id="other", aud="client-1")) == "client"


@pytest.mark.parametrize("host", ["cognito-idp", "issuer-cognito-idp"])
def test_both_issuer_forms_are_accepted(verify, mint, host):
    """A pool's original and its updated issuer are the same pool."""
    assert verify(mint.id_token(iss=f"https://{host}.eu-west-1.amazonaws.com/{POOL}")).pool == POOL


def test_configured_issuer_replaces_the_derived_ones(verify, mint, settings):
    """With AVP_ISSUERS only the issuers it names are accepted."""
    settings.AVP_ISSUERS = {POOL: "http://localhost:4566/pool"}

    assert verify(mint.id_token(iss="http://localhost:4566/pool")).pool == POOL
    assert refused(verify, mint.id_token()) == "foreign_issuer"


def test_settings_are_read_live(mint, settings):
    """A verifier follows the settings as they are at each verification."""
    verifier = TokenVerifier()
    verifier.verify(mint.id_token())

    settings.AVP_USER_POOLS = {POOL: ["client-2"]}

    assert refused(verifier.verify, mint.id_token()) == "client"
    assert verifier.verify(mint.id_token(client_id="client-2")).client_id == "client-2"


def test_expiry_is_whole_seconds_and_never_later_than_the_claim(verify, mint):
    """A fractional exp is accepted and rounded down."""
    expiry = int(time.time()) + 100

    assert verify(mint.id_token(exp=expiry)).expires_at == expiry
    assert verify(mint.id_token(exp=expiry + 0.9)).expires_at == expiry


def test_header_urls_and_keys_are_ignored(mint, forger, settings):
    """A key set named or carried by the token itself is never used (RFC 8725 section 3.10)."""
    settings.AVP_JWKS = None
    fetched = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return json.dumps(mint.jwks).encode()

    verifier = TokenVerifier(KeySets(fetch=fetch))
    headers = {"jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5u", "jwk": forger.jwks["keys"][0]}

    assert verifier.verify(mint.id_token(headers=headers)).pool == POOL
    assert refused(verifier.verify, forger.id_token(headers={**headers, "kid": mint.kid})) == "signature"
    assert refused(verifier.verify, forger.id_token(headers=headers)) == "unknown_key"
    assert set(fetched) == {f"{ISSUER}/.well-known/jwks.json"}


def test_each_issuer_has_its_own_keys(mint, forger, settings):
    """A key of one pool does not sign for another pool."""
    settings.AVP_JWKS = None
    settings.AVP_USER_POOLS = {POOL: ["client-1"], "eu-west-1_Other": ["client-1"]}
    sets = {POOL: mint.jwks, "eu-west-1_Other": forger.jwks}
    verifier = TokenVerifier(KeySets(fetch=lambda url: json.dumps(sets[url.split("/")[3]]).encode()))

    assert verifier.verify(mint.id_token()).pool == POOL
    assert verifier.verify(forger.id_token(pool="eu-west-1_Other")).pool == "eu-west-1_Other"
    assert refused(verifier.verify, forger.id_token()) == "unknown_key"
    assert refused(verifier.verify, mint.id_token(pool="eu-west-1_Other")) == "unknown_key"


# --- Structure -----------------------------------------------------------------------------------------------------

NO_TOKENS = {
    "nothing": "",
    "a word": "opaque",
    "two segments": "YQ.YQ",
    "four segments": "YQ.YQ.YQ.YQ",
    "empty segments": "..",
    "no signature": f"{encode({'alg': 'RS256', 'kid': 'a'})}.{encode({'iss': ISSUER})}.",
    "letters beyond ASCII": "é.é.é",
    "digits beyond ASCII": "\u0661.\u0661.\u0661",
    "a lone surrogate": "\ud800.YQ.YQ",
    "an impossible length": "Y.Y.Y",
    "two words": "YQ.YQ.YQ YQ.YQ.YQ",
    "None": None,
    "a number": 5,
    "bytes": b"YQ.YQ.YQ",
    "a list": ["YQ.YQ.YQ"],
}


@pytest.mark.parametrize("token", NO_TOKENS.values(), ids=NO_TOKENS)
def test_malformed_text_is_refused(verify, token):
    """Whatever is not three base64url segments is malformed."""
    assert refused(verify, token) == "malformed"


@pytest.mark.parametrize(("before", "after"), [("", "\n"), (" ", ""), ("", "="), ("", "==")])
def test_blanks_and_padding_are_refused(verify, mint, before, after):
    """A token is taken exactly: no surrounding blanks, no padding (RFC 7515 section 2)."""
    assert refused(verify, f"{before}{mint.id_token()}{after}") == "malformed"


def test_signature_has_one_spelling(verify, mint):
    """Unused bits of the last character must be zero, so that one token is one text."""
    token = mint.id_token()
    # 256 bytes end in a character of which only the two leading bits count: A, Q, g or w.
    other = token[:-1] + chr(ord(token[-1]) + 1)

    assert refused(verify, other) == "malformed"


def test_token_over_the_limit_of_avp_is_refused(verify, mint):
    """131,072 characters are AVP's limit; nothing longer is even looked at."""
    assert refused(verify, "a" * 131_073) == "too_large"
    assert refused(verify, mint.id_token(padding="x" * 100_000)) == "too_large"
    assert refused(verify, "a" * 131_072) == "malformed"


JUNK = {
    "text": b"junk",
    "nothing": b" ",
    "invalid utf-8": b'{"iss": "\xff"}',
    "utf-16": '{"iss": "x"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "deep nesting": b"[" * 50_000,
    "deep objects": b'{"a":' * 15_000,
    "a huge integer": b'{"iss": ' + b"9" * 5_000 + b"}",
    "NaN": b'{"iss": NaN}',
    "infinity": b'{"iss": -Infinity}',
    "duplicate names": b'{"iss": "a", "iss": "b"}',
    "duplicate names deep down": b'{"a": [{"b": 1, "b": 1}]}',
    "a list": b"[]",
    "a string": b'"iss"',
    "a number": b"1",
    "null": b"null",
    "trailing data": b"{}{}",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_in_a_segment_is_refused(verify, mint, junk):
    """Header and payload must be plain JSON objects; nothing else raises anything but an invalid token."""
    header, payload, signature = mint.id_token().split(".")

    assert refused(verify, f"{encode(junk)}.{payload}.{signature}") == "malformed"
    assert refused(verify, f"{header}.{encode(junk)}.{signature}") == "malformed"
    assert refused(verify, mint.sign(junk)) == "malformed"


# --- Header --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", "PS256", "ES256", "rs256", "", None, ["RS256"], {}, 1])
def test_other_algorithms_are_refused(verify, mint, algorithm):
    """Only RS256 is accepted, whatever the header asks for (RFC 8725 section 3.1)."""
    assert refused(verify, mint.id_token(headers={"alg": algorithm})) == "algorithm"


def test_public_key_is_no_shared_secret(verify, mint):
    """An HS256 token made with the published key as its secret is refused."""
    claims = jwt.decode(mint.id_token(), options={"verify_signature": False})
    secret = json.dumps(mint.jwks)
    token = jwt.api_jws.encode(json.dumps(claims).encode(), "x" + secret, "HS256", headers={"kid": mint.kid})

    assert refused(verify, token) == "algorithm"


@pytest.mark.parametrize("critical", [["exp"], ["b64"], [], "exp"])
def test_critical_extensions_are_refused(verify, mint, critical):
    """No extension is understood, so a token that makes one critical is refused (RFC 7515 section 4.1.11)."""
    assert refused(verify, mint.id_token(headers={"crit": critical})) == "critical"


def test_unencoded_payload_is_refused(verify, mint):
    """A payload that is not base64url-encoded (RFC 7797) is refused."""
    assert refused(verify, mint.id_token(headers={"b64": False})) == "malformed"


@pytest.mark.parametrize("key_id", [None, "", 5, ["a"], {"a": 1}, "x" * 257])
def test_key_id_must_be_a_short_text(verify, mint, key_id):
    """A token that does not say which key signed it is refused without looking for one."""
    assert refused(verify, mint.id_token(headers={"kid": key_id})) == "key_id"


@pytest.mark.parametrize("key_id", ["x", "x" * 256])
def test_key_ids_have_up_to_256_characters(verify, mint, settings, key_id):
    """The shortest and the longest are looked for as others are."""
    settings.AVP_JWKS = {"keys": [{**mint.jwks["keys"][0], "kid": key_id}]}

    assert verify(mint.id_token("sub-1", headers={"kid": key_id}))._claims["sub"] == "sub-1"


# --- Signature -----------------------------------------------------------------------------------------------------


def test_unknown_key_is_refused(verify, forger):
    """A key id that is not in the key set is refused."""
    assert refused(verify, forger.id_token()) == "unknown_key"


def test_forged_signature_is_refused(verify, mint, forger):
    """A signature by another key under a known key id is refused."""
    assert refused(verify, forger.id_token(headers={"kid": mint.kid})) == "signature"


def test_changed_claims_are_refused(verify, mint):
    """The signature covers header and claims."""
    header, _, signature = mint.id_token("sub-1").split(".")
    payload = mint.id_token("sub-2").split(".")[1]

    assert refused(verify, f"{header}.{payload}.{signature}") == "signature"


def test_signature_is_judged_before_the_claims(verify, mint, forger):
    """A forged token is refused as forged, whatever else is wrong with it."""
    token = forger.id_token(expires_in=-1, token_use="refresh", aud=["x"], headers={"kid": mint.kid})

    assert refused(verify, token) == "signature"


# --- Issuer, time, kind, client ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "issuer",
    ["https://accounts.example.com", f"{ISSUER}/", f"{ISSUER}4", ISSUER.upper(), ISSUER.replace("https", "http"), ""],
)
def test_c2_foreign_issuers_are_told_apart(verify, mint, issuer):
    """A token of an issuer that is not exactly ours is foreign: others may know it."""
    with pytest.raises(TokenForeignError) as caught:
        verify(mint.id_token(iss=issuer))

    assert caught.value.code == "foreign_issuer"


def test_c2_foreign_tokens_need_not_look_like_ours(verify):
    """Another application's HS256 token without a key id is foreign, not broken."""
    token = jwt.encode({"iss": "https://app.example.com", "sub": "1"}, "a-secret-of-thirty-two-characters", "HS256")

    with pytest.raises(TokenForeignError):
        verify(token)


def test_c2_foreign_issuers_are_never_asked_for_keys(mint, settings):
    """No key set is fetched for an issuer that is not ours."""
    settings.AVP_JWKS = None
    fetched = []
    verifier = TokenVerifier(KeySets(fetch=lambda url: fetched.append(url) or b""))

    assert refused(verifier.verify, mint.id_token(pool="eu-west-1_Foreign")) == "foreign_issuer"
    assert fetched == []


@pytest.mark.parametrize("issuer", [None, 5, True, [ISSUER], {"a": 1}])
def test_issuer_must_be_a_text(verify, mint, issuer):
    """A token without an issuer is nobody's, and is invalid rather than foreign."""
    with pytest.raises(TokenInvalidError) as caught:
        verify(mint.id_token(iss=issuer))

    assert caught.value.code == "issuer"
    assert not isinstance(caught.value, TokenForeignError)


@pytest.mark.parametrize("expires_in", [-1, 0, -3600])
def test_c9_expired_tokens_are_refused_without_leeway(verify, mint, expires_in):
    """A token is refused from the second of its exp on."""
    with pytest.raises(TokenExpiredError) as caught:
        verify(mint.access_token(expires_in=expires_in))

    assert caught.value.code == "expired"


def test_c9_leeway_is_a_setting(verify, mint, settings):
    """AVP_LEEWAY tolerates an exp that has just passed, and no more."""
    settings.AVP_LEEWAY = 60

    assert verify(mint.id_token(expires_in=-30)).kind == "id"
    with pytest.raises(TokenExpiredError):
        verify(mint.id_token(expires_in=-90))


@pytest.mark.parametrize("issued_at", [time.time() + 300, "soon", None])
def test_c9_iat_is_not_enforced(verify, mint, issued_at):
    """A token from an issuer whose clock is ahead is accepted: only exp ends it."""
    assert verify(mint.id_token(iat=issued_at)).kind == "id"


def test_nbf_is_honoured(verify, mint):
    """A token is refused before its nbf, if it has one."""
    assert verify(mint.id_token(nbf=int(time.time()))).kind == "id"
    assert refused(verify, mint.id_token(nbf=int(time.time()) + 300)) == "not_yet_valid"
    assert refused(verify, mint.id_token(nbf="soon")) == "malformed"


@pytest.mark.parametrize("name", ["exp", "sub", "token_use"])
def test_required_claims(verify, mint, name):
    """A token without exp, sub or token_use is refused."""
    assert refused(verify, mint.id_token(**{name: None})) == "claims"


@pytest.mark.parametrize("expiry", ["9999999999", 10**400, 1e300, 253_402_300_800])
def test_exp_must_be_a_sane_number(verify, mint, expiry):
    """A textual exp, or one that no clock can hold, is refused although PyJWT takes it."""
    assert refused(verify, mint.id_token(exp=expiry)) == "claims"


@pytest.mark.parametrize("expiry", [b"1e999", b"[9999999999]", b"{}", b'"soon"'])
def test_exp_that_is_no_number_is_refused(verify, mint, expiry):
    """An exp that overflows, or is no number at all, is an invalid token and no other error."""
    payload = b'{"iss":"%s","sub":"a","token_use":"id","aud":"client-1","exp":%s}' % (ISSUER.encode(), expiry)

    assert refused(verify, mint.sign(payload)) == "malformed"


def test_boolean_exp_is_refused(verify, mint, settings):
    """True is the number 1 to Python; even a leeway that reaches back to 1970 does not make it a time."""
    settings.AVP_LEEWAY = 10**12

    assert refused(verify, mint.id_token(exp=True)) == "claims"


@pytest.mark.parametrize("sub", ["", 5, ["a"], "a\nb", "a\0b", "a\u2028b", "\ud800", "x" * 600])
def test_sub_must_fit_an_entity_id(verify, mint, sub):
    """A sub that AVP would refuse within a principal id is refused (rule A9)."""
    assert refused(verify, mint.id_token(sub)) == "claims"


@pytest.mark.parametrize("sub", ["5f1d7a52-40c1-70f5-9d4f-1f6e2b3c4d5e", "client-1", "a|b", "é", "x" * 592])
def test_sub_is_opaque(verify, mint, sub):
    """Any other text is a sub: Cognito does not promise a UUID."""
    assert verify(mint.id_token(sub))._claims["sub"] == sub


@pytest.mark.parametrize("token_use", ["refresh", "", "ID", 5, ["id"], {"id": 1}])
def test_token_use_must_be_known(verify, mint, token_use):
    """Only ID and access tokens are accepted."""
    assert refused(verify, mint.id_token(token_use=token_use)) == "token_use"


@pytest.mark.parametrize(("accepted", "other"), [("id", "access"), ("access", "id")])
def test_token_use_must_be_accepted_by_the_settings(verify, mint, settings, accepted, other):
    """A kind that AVP_TOKEN_USE does not name is refused."""
    settings.AVP_TOKEN_USE = accepted
    tokens = {"id": mint.id_token(), "access": mint.access_token()}

    assert verify(tokens[accepted]).kind == accepted
    assert refused(verify, tokens[other]) == "token_use"


def test_unknown_kinds_in_the_settings_open_nothing(verify, mint, settings):
    """A kind without a known client claim is refused even if AVP_TOKEN_USE names it."""
    settings.AVP_TOKEN_USE = ["refresh"]

    assert refused(verify, mint.id_token(token_use="refresh")) == "token_use"


def test_kind_must_be_the_expected_one(verify, mint):
    """An access token in the place of an ID token is refused, and the other way round."""
    assert verify(mint.id_token(), kind="id").kind == "id"
    assert verify(mint.access_token(), kind="access").kind == "access"
    assert refused(verify, mint.access_token(), kind="id") == "token_use"
    assert refused(verify, mint.id_token(), kind="access") == "token_use"


@pytest.mark.parametrize("audience", [None, "", "other", "client", ["client-1"], {"client-1": 1}, 5])
def test_c10_audience_of_an_id_token_must_be_an_accepted_client(verify, mint, audience):
    """An ID token must name one accepted client, as a text."""
    assert refused(verify, mint.id_token(aud=audience)) == "client"


@pytest.mark.parametrize("client_id", [None, "", "other", ["client-1"], 5])
def test_c10_client_of_an_access_token_must_be_accepted(verify, mint, client_id):
    """An access token must name one accepted client; it has no other audience."""
    assert refused(verify, mint.sign(_claims(mint.access_token()) | {"client_id": client_id})) == "client"


def test_c10_clients_belong_to_their_pool(verify, mint, settings):
    """A client of one pool is no client of another."""
    settings.AVP_USER_POOLS = {POOL: ["client-1"], "eu-west-1_Other": ["client-2"]}

    assert verify(mint.id_token(pool="eu-west-1_Other", client_id="client-2")).pool == "eu-west-1_Other"
    assert refused(verify, mint.id_token(pool="eu-west-1_Other", client_id="client-1")) == "client"


def test_c10_only_none_skips_the_client_check(verify, mint, settings):
    """None accepts any client of the pool, though one must be named; an empty list accepts none."""
    settings.AVP_USER_POOLS = {POOL: None}
    assert verify(mint.id_token(client_id="any")).client_id == "any"
    assert refused(verify, mint.id_token(aud=None)) == "client"

    settings.AVP_USER_POOLS = {POOL: []}
    assert refused(verify, mint.id_token()) == "client"


@pytest.mark.parametrize("client", [None, "", 5, True, ["client-1"], {"client-1": 1}])
def test_c10_where_any_client_is_accepted_one_must_be_named(verify, mint, settings, client):
    """Skipping the comparison makes nothing else a client: it is a text, and not an empty one."""
    settings.AVP_USER_POOLS = {POOL: None}

    assert refused(verify, mint.id_token(aud=client)) == "client"


def test_c10_client_given_as_a_text_is_one_client(verify, mint, settings):
    """A text in place of the list is one client id and not its parts."""
    settings.AVP_USER_POOLS = {POOL: "client-1"}

    assert verify(mint.id_token()).client_id == "client-1"
    assert refused(verify, mint.id_token(client_id="client")) == "client"
    assert refused(verify, mint.id_token(client_id="c")) == "client"


# --- Other claims --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", ["Admins", 5, True, {"Admins": 1}, ["Admins", 5], ["Admins", None], [["Admins"]]])
def test_groups_must_be_a_list_of_texts(verify, mint, groups):
    """Groups in any other form are refused: the characters of a text are no groups."""
    assert refused(verify, mint.id_token(**{"cognito:groups": groups})) == "groups"


FORGERIES = {
    "an entity": {"role": {"__entity": {"type": "Role", "id": "admin"}}},
    "an extension call": {"ip": {"__extn": {"fn": "unknown", "arg": "x"}}},
    "an expression": {"role": {"__expr": 'Role::"admin"'}},
    "deep down": {"a": [{"b": [{"__entity": {}}]}]},
    "at the top": {"__entity": {"type": "Role", "id": "admin"}},
}


@pytest.mark.parametrize("claims", FORGERIES.values(), ids=FORGERIES)
def test_a6_claims_cannot_spell_entities(verify, mint, claims):
    """A claim that Cedar would read as an entity or a call is refused, at any depth."""
    assert refused(verify, mint.id_token(**claims)) == "reserved"
    assert refused(verify, mint.access_token(**claims)) == "reserved"


def test_other_claims_are_of_no_concern(verify, mint):
    """Claims are additive over time: unknown ones are kept and ignored."""
    token = mint.id_token(identities=[{"issuer": None, "primary": "true"}], amr=["pwd"], nothing={"a": None})

    assert verify(token)._claims["amr"] == ["pwd"]
    assert refused(verify, mint.id_token(jti=5)) == "claims"


# --- Revocation ----------------------------------------------------------------------------------------------------


def test_revoked_tokens_are_refused(verify, mint, settings):
    """A token that AVP_TOKEN_REVOKED knows is refused; it is asked about verified claims."""
    settings.AVP_TOKEN_REVOKED = lambda claims: claims["jti"] == "gone"

    assert verify(mint.id_token()).kind == "id"
    assert refused(verify, mint.id_token(jti="gone")) == "revoked"


def revoked_by_path(claims) -> bool:
    """Revoke everything, for a setting that names this function."""
    return True


def test_revocation_can_be_a_dotted_path(verify, mint, settings):
    """AVP_TOKEN_REVOKED may name the callable."""
    settings.AVP_TOKEN_REVOKED = f"{__name__}.revoked_by_path"

    assert refused(verify, mint.id_token()) == "revoked"


def test_revocation_that_fails_accepts_nothing(verify, mint, settings):
    """An error of the callable rises: a token that could not be asked about is not accepted."""

    def is_revoked(claims):
        raise ConnectionError("the list of revoked tokens is away")

    settings.AVP_TOKEN_REVOKED = is_revoked

    with pytest.raises(ConnectionError):
        verify(mint.id_token())


def test_revocation_is_asked_only_about_genuine_tokens(verify, mint, forger, settings):
    """Claims that did not verify never reach the callable."""
    asked = []
    settings.AVP_TOKEN_REVOKED = asked.append

    refused(verify, forger.id_token(headers={"kid": mint.kid}))
    refused(verify, mint.id_token(client_id="other"))
    assert asked == []

    verify(mint.id_token())
    assert len(asked) == 1


def test_revocation_does_not_block_the_event_loop(mint, settings):
    """Under an event loop the callable runs in a thread, where it may use the database."""

    def is_revoked(claims) -> bool:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return False

    settings.AVP_TOKEN_REVOKED = is_revoked

    assert asyncio.run(TokenVerifier().averify(mint.id_token())).kind == "id"


# --- Nothing leaks -------------------------------------------------------------------------------------------------


def _claims(token: str) -> dict[str, object]:
    return jwt.decode(token, options={"verify_signature": False})


LEAKS: dict[str, Callable[[TokenMint, TokenMint], str]] = {
    "malformed": lambda mint, forger: mint.sign(b'{"iss": "%s' % SECRET.encode()),
    "algorithm": lambda mint, forger: mint.id_token(SECRET, headers={"alg": SECRET}),
    "critical": lambda mint, forger: mint.id_token(SECRET, headers={"crit": [SECRET]}),
    "key_id": lambda mint, forger: mint.id_token(SECRET, headers={"kid": SECRET * 20}),
    "unknown_key": lambda mint, forger: forger.id_token(SECRET, headers={"kid": SECRET}),
    "signature": lambda mint, forger: forger.id_token(SECRET, headers={"kid": mint.kid}),
    "foreign_issuer": lambda mint, forger: mint.id_token(SECRET, iss=SECRET),
    "issuer": lambda mint, forger: mint.id_token(SECRET, iss=[SECRET]),
    "expired": lambda mint, forger: mint.id_token(SECRET, expires_in=-1),
    "not_yet_valid": lambda mint, forger: mint.id_token(SECRET, nbf=9_999_999_999),
    "claims": lambda mint, forger: mint.id_token(SECRET + "\n"),
    "token_use": lambda mint, forger: mint.id_token(token_use=SECRET),
    "client": lambda mint, forger: mint.id_token(client_id=SECRET),
    "groups": lambda mint, forger: mint.id_token(**{"cognito:groups": SECRET}),
    "reserved": lambda mint, forger: mint.id_token(role={"__entity": SECRET}),
}


@pytest.mark.parametrize("code", LEAKS)
def test_errors_hold_no_part_of_a_token(verify, mint, forger, caplog, code):
    """No error, nor any error behind it, nor any log line, shows a token or a claim."""
    token = LEAKS[code](mint, forger)

    with pytest.raises(TokenError) as caught:
        verify(token)

    assert caught.value.code == code
    error: BaseException | None = caught.value
    while error is not None:
        shown = f"{error} {error!r} {vars(error)}"
        assert SECRET not in shown
        assert not any(segment in shown for segment in token.split(".") if segment)
        error = error.__cause__ or error.__context__
    assert SECRET not in caplog.text


def test_c8_representations_hold_no_secret(verify, mint):
    """The text of a verified token shows its kind and pool and nothing else."""
    verified = verify(mint.id_token(SECRET))

    assert repr(verified) == f"<VerifiedToken: id token of {POOL}>"
    assert str(verified) == f"{verified}" == repr(verified)


def test_c8_pickles_are_refused(verify, mint):
    """A verified token is not pickled, and the error says what to pickle instead."""
    verified = verify(mint.id_token())

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="pickle the principal id"):
            pickle.dumps(verified, protocol)


@pytest.mark.parametrize("name", ["_claims", "_token", "_claims.sub"])
def test_c8_templates_cannot_read_token_or_claims(name):
    """Django refuses the names under which token and claims live."""
    with pytest.raises(TemplateSyntaxError):
        Engine().from_string("{{ token." + name + " }}")


def test_c8_templates_show_no_secret(verify, mint):
    """Whatever public name a template tries, it finds no token and no claim."""
    verified = verify(mint.id_token(SECRET))
    names = [name for name in dir(verified) if not name.startswith("_")]
    text = "{{ token }}" + "".join("{{ token." + name + " }}" for name in [*names, "claims", "token", "sub"])

    rendered = Engine().from_string(text).render(Context({"token": verified}))

    assert names == ["client_id", "expires_at", "kind", "pool"]
    assert SECRET not in rendered
    assert verified._token not in rendered


def test_values_are_frozen(verify, mint):
    """A verified token and its claims cannot be changed; equal tokens are equal values, and a copy is the value."""
    token = mint.id_token()
    verified = verify(token)

    with pytest.raises(AttributeError):
        verified.kind = "access"
    with pytest.raises(TypeError):
        verified._claims["sub"] = "somebody else"
    assert verified == verify(token)
    assert hash(verified) == hash(verify(token))
    assert copy.copy(verified) is verified
    assert copy.deepcopy(verified) is verified
