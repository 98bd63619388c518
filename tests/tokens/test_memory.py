"""Tests of ``django_avp.tokens.memory``, by verifiers that remember: what a token costs, and what it may never do."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jwt.algorithms import RSAAlgorithm

from django_avp.exceptions import KeySetUnavailableError, TokenError, TokenExpiredError, TokenInvalidError
from django_avp.identity import Identity
from django_avp.testing import TokenMint
from django_avp.tokens import keys, memory
from django_avp.tokens.keys import KeySets
from django_avp.tokens.verifier import TokenVerifier, VerifiedToken

POOL = "eu-west-1_AbCdEf123"
OTHER_POOL = "eu-west-1_Other"
ISSUER = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
SECRET = "a-claim-that-nobody-may-see"

Verify = Callable[..., VerifiedToken]

pytestmark = pytest.mark.usefixtures("accepting")


@pytest.fixture
def verifier() -> TokenVerifier:
    """One that has verified nothing yet."""
    return TokenVerifier()


@pytest.fixture(params=["sync", "async"])
def verify(request, verifier) -> Verify:
    """``verify`` and ``averify`` of that verifier: every fact below holds for both."""
    return either(request.param, verifier)


def either(way: str, verifier: TokenVerifier) -> Verify:
    """``verify``, or ``averify`` in an event loop of its own."""
    if way == "sync":
        return verifier.verify
    return lambda token, **options: asyncio.run(verifier.averify(token, **options))


class Signatures:
    """Counts the signatures that PyJWT has verified."""

    count = 0


@pytest.fixture
def signatures(monkeypatch) -> Signatures:
    """How many signatures were verified since the test began."""
    signatures, verify = Signatures(), RSAAlgorithm.verify

    def counted(*arguments: Any) -> bool:
        signatures.count += 1
        return verify(*arguments)

    monkeypatch.setattr(RSAAlgorithm, "verify", counted)
    return signatures


class Clock:
    """The time of day, for this package and for PyJWT."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    @contextmanager
    def set(self, patch: pytest.MonkeyPatch) -> Iterator[Clock]:
        """Show this time until the block is left."""
        clock = self

        class Datetime(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.fromtimestamp(clock.now, tz)

        with patch.context() as context:
            context.setattr(time, "time", lambda: self.now)
            context.setattr("jwt.api_jwt.datetime", Datetime)
            yield self


@pytest.fixture
def clock(monkeypatch) -> Iterator[Clock]:
    """A clock that the test sets."""
    with Clock().set(monkeypatch) as clock:
        yield clock


def refused(verify: Verify, token: object, **options: str) -> str:
    """Return the code with which a token is refused."""
    with pytest.raises(TokenError) as caught:
        verify(token, **options)
    return caught.value.code


# --- What it is for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["id_token", "access_token"])
def test_a_token_is_verified_once(verify, mint, signatures, make):
    """The same token again is the same answer, and no signature is verified for it."""
    token = getattr(mint, make)(groups=["Editors"], identities=[{"userId": "7", "dates": [1, 2]}])

    first = verify(token)
    second = verify(token)

    assert signatures.count == 1
    assert second == first
    assert second._token == token
    assert dict(second._claims) == dict(first._claims)
    assert Identity.from_tokens(**{make: second}) == Identity.from_tokens(**{make: first})


def test_each_token_is_another_one(verify, mint, signatures):
    """Two tokens of one user are verified both, and each keeps its own claims."""
    tokens = [mint.id_token("ann", jti=jti) for jti in ("1", "2")]

    assert [verify(token)._claims["jti"] for token in [*tokens, *tokens]] == ["1", "2", "1", "2"]
    assert signatures.count == 2


def test_threads_and_tasks_share_a_memory(verifier, mint, signatures):
    """What ``verify`` has verified ``averify`` knows, and the other way round."""
    tokens = [mint.id_token(), mint.access_token()]

    verifier.verify(tokens[0])
    asyncio.run(verifier.averify(tokens[0]))
    asyncio.run(verifier.averify(tokens[1]))
    verifier.verify(tokens[1])

    assert signatures.count == 2


def test_every_character_counts(verify, mint):
    """A text that differs in one character anywhere is another token, whatever is remembered."""
    token = mint.id_token()
    verify(token)

    for place in range(0, len(token), 7):
        for other in "A_":
            changed = token[:place] + other + token[place + 1 :]
            if changed != token:
                refused(verify, changed)
    assert refused(verify, f"{token} ") == "malformed"
    assert refused(verify, f"{token}=") == "malformed"
    assert verify(token)


# --- Only what was verified ----------------------------------------------------------------------------------------

REFUSED = {
    "forged": lambda mint, forger: forger.id_token(headers={"kid": mint.kid}),
    "of an unknown key": lambda mint, forger: forger.id_token(),
    "expired": lambda mint, forger: mint.id_token(expires_in=-1),
    "of another client": lambda mint, forger: mint.id_token(client_id="other"),
    "of another kind": lambda mint, forger: mint.id_token(token_use="refresh"),
    "not valid yet": lambda mint, forger: mint.id_token(nbf=9_999_999_999),
    "spells an entity": lambda mint, forger: mint.id_token(role={"__entity": {"type": "Role", "id": "admin"}}),
    "malformed": lambda mint, forger: "a.b.c",
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_not_remembered(verify, verifier, mint, forger, make):
    """A token that does not hold is judged anew each time, and leaves nothing behind."""
    token = make(mint, forger)

    assert refused(verify, token) == refused(verify, token)
    assert len(verifier._memory) == 0


def test_a_kind_is_asked_each_time(verify, mint, signatures):
    """A remembered access token is no ID token; refusing it does not make it forgotten."""
    token = mint.access_token()
    assert verify(token, kind="access")

    assert refused(verify, token, kind="id") == "token_use"
    assert verify(token).kind == verify(token, kind="access").kind == "access"
    assert signatures.count == 2


def test_revocation_is_asked_each_time(verify, mint, settings, signatures):
    """A remembered token is revoked as soon as AVP_TOKEN_REVOKED says so, and verified no less if it takes it back."""
    gone: set[str] = set()
    token = mint.id_token(jti="one")
    assert verify(token) == verify(token)

    settings.AVP_TOKEN_REVOKED = lambda claims: claims["jti"] in gone
    assert verify(token) == verify(token)
    gone.add("one")
    assert refused(verify, token) == refused(verify, token) == "revoked"

    gone.clear()
    assert verify(token)
    assert signatures.count == 2


def test_a_revoked_token_is_not_remembered(verify, verifier, mint, settings):
    """What was revoked from the beginning leaves nothing behind."""
    settings.AVP_TOKEN_REVOKED = lambda claims: True

    assert refused(verify, mint.id_token()) == "revoked"
    assert len(verifier._memory) == 0


def test_revocation_that_fails_accepts_nothing_remembered(verify, mint, settings):
    """An error of the callable rises for a remembered token, too."""
    asked: list[object] = []

    def is_revoked(claims: object) -> bool:
        asked.append(claims)
        if len(asked) > 1:
            raise ConnectionError("the list of revoked tokens is away")
        return False

    settings.AVP_TOKEN_REVOKED = is_revoked
    token = mint.id_token()
    verify(token)

    with pytest.raises(ConnectionError):
        verify(token)


# --- The clock -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leeway", [0, 30, 1.5])
def test_c9_a_remembered_token_is_over_with_its_exp(verify, mint, settings, clock, signatures, leeway):
    """To the second it is refused when a verification would refuse it, with a leeway as without."""
    settings.AVP_LEEWAY = leeway
    token = mint.id_token(expires_in=100)
    expiry = verify(token).expires_at

    clock.now = expiry + leeway - 0.001
    assert verify(token)
    assert signatures.count == 1

    for clock.now in (expiry + leeway, expiry + leeway + 1, expiry + leeway + 10_000):
        assert refused(verify, token) == "expired"
        assert refused(either("sync", TokenVerifier()), token) == "expired"


def test_c9_a_smaller_leeway_counts_at_once(verify, mint, settings):
    """A token that is remembered by its leeway is refused when there is none."""
    settings.AVP_LEEWAY = 60
    token = mint.id_token(expires_in=-30)
    assert verify(token) == verify(token)

    settings.AVP_LEEWAY = 0
    assert refused(verify, token) == "expired"

    settings.AVP_LEEWAY = 60
    assert verify(token)


def test_nbf_is_looked_at_each_time(verify, mint, clock, settings):
    """If the clock goes back, or a leeway is taken away, a remembered token is not valid yet, as for a verification."""
    settings.AVP_LEEWAY = 10
    token = mint.id_token(nbf=int(clock.now) + 5)
    assert verify(token) == verify(token)

    clock.now -= 6
    assert refused(verify, token) == "not_yet_valid"

    clock.now += 6
    settings.AVP_LEEWAY = 4
    assert refused(verify, token) == "not_yet_valid"


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("is_down", [True, False])
def test_time_may_run_out_while_keys_are_fetched(settings, mint, clock, way, is_down):
    """A remembered token whose key set is fetched again, or cannot be, is judged by the time after that."""
    settings.AVP_JWKS = None
    steps = iter([0.0, 50.0])
    now = 1000.0

    def fetch(url: str) -> bytes:
        step = next(steps)
        clock.now += step
        if step and is_down:
            raise OSError("down")
        return json.dumps(mint.jwks).encode()

    verify = either(way, TokenVerifier(KeySets(fetch=fetch, clock=lambda: now)))
    token = mint.id_token(expires_in=20)
    verify(token)
    now += keys.MAX_AGE

    assert refused(verify, token) == "expired"


def test_expired_tokens_are_forgotten(verifier, mint, clock):
    """When other tokens come, what has expired is looked for once a minute, and removed."""
    for number in range(3):
        verifier.verify(mint.id_token(str(number), expires_in=10))
    clock.now += 10
    verifier.verify(mint.id_token("before the minute is over"))
    assert len(verifier._memory) == 4

    verifier._memory._swept_at -= memory.SWEEP_INTERVAL
    verifier.verify(mint.id_token("after it"))

    assert len(verifier._memory) == 2


# --- Keys ----------------------------------------------------------------------------------------------------------


class Publisher:
    """A real server of key sets, and the clock by which they grow old."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.now = 1000.0

    def publish(self, *entries: dict[str, Any]) -> None:
        """Have these keys at the server."""
        self.server.body = json.dumps({"keys": entries}).encode()

    @property
    def verifier(self) -> TokenVerifier:
        """One that fetches from the server."""
        return TokenVerifier(KeySets(clock=lambda: self.now))

    @property
    def fetches(self) -> int:
        """How often a key set was fetched."""
        return len(self.server.paths)


@pytest.fixture
def publisher(settings, server) -> Publisher:
    """Key sets over real HTTP."""
    settings.AVP_JWKS = None
    return Publisher(server)


@pytest.fixture(params=["sync", "async"])
def fetching(request, publisher) -> Verify:
    """``verify`` and ``averify`` of a verifier that fetches its keys."""
    return either(request.param, publisher.verifier)


def key_of(mint: TokenMint, **changes: str) -> dict[str, Any]:
    """A mint's published key."""
    return {**mint.jwks["keys"][0], **changes}


def test_removed_keys_stop_remembered_tokens(fetching, publisher, mint, forger):
    """A key that its issuer has removed is gone with the next fetch, which remembered tokens cause as others do."""
    publisher.publish(key_of(mint), key_of(forger))
    tokens = [mint.id_token(), forger.id_token()]
    for token in [*tokens, *tokens]:
        assert fetching(token)
    publisher.publish(key_of(mint))
    publisher.now += keys.MAX_AGE - 1
    assert fetching(tokens[1])
    assert publisher.fetches == 1

    publisher.now += 1

    assert refused(fetching, tokens[1]) == "unknown_key"
    assert fetching(tokens[0])
    assert publisher.fetches == 2


def test_an_old_set_is_fetched_again_for_a_remembered_token(fetching, publisher, mint, signatures):
    """A site that sees nothing but one remembered token still learns of removed keys; the token is verified again."""
    publisher.publish(key_of(mint))
    token = mint.id_token()
    fetching(token)
    fetching(token)
    assert (publisher.fetches, signatures.count) == (1, 1)

    publisher.now += keys.MAX_AGE
    fetching(token)
    fetching(token)

    assert (publisher.fetches, signatures.count) == (2, 2)


def test_other_material_under_the_same_id_stops_remembered_tokens(fetching, publisher, mint, forger):
    """A key that was replaced under its id has not signed what the old one has."""
    publisher.publish(key_of(mint))
    token = mint.id_token()
    assert fetching(token) == fetching(token)

    publisher.publish(key_of(forger, kid=mint.kid))
    publisher.now += keys.MAX_AGE

    assert refused(fetching, token) == "signature"
    assert fetching(forger.id_token(headers={"kid": mint.kid}))


def test_a_fetch_for_another_key_stops_remembered_tokens(fetching, publisher, mint, forger):
    """A set that is fetched for the sake of an unknown key id is the new truth for all."""
    publisher.publish(key_of(mint))
    token = mint.id_token()
    assert fetching(token) == fetching(token)
    publisher.publish(key_of(forger))

    assert fetching(forger.id_token())
    assert refused(fetching, token) == "unknown_key"


def test_remembered_tokens_outlive_the_endpoint_as_keys_do(fetching, publisher, mint, signatures):
    """While the key set cannot be fetched the last one counts, for remembered tokens as for others."""
    publisher.publish(key_of(mint))
    token = mint.id_token()
    fetching(token)
    publisher.server.status = 503

    for _ in range(3):
        publisher.now += keys.MAX_AGE
        assert fetching(token)
    assert signatures.count == 1
    with pytest.raises(KeySetUnavailableError):
        fetching(mint.id_token(headers={"kid": "new"}))


@pytest.mark.parametrize("how", ["assigned", "in place", "overridden"])
def test_an_inline_key_that_is_taken_away_stops_remembered_tokens(verify, settings, mint, forger, how):
    """AVP_JWKS is looked at each time, however it changes."""
    key_set = {"keys": [key_of(mint), key_of(forger)]}
    settings.AVP_JWKS = key_set
    token = mint.id_token()
    assert verify(token) == verify(token)

    with override_settings(**({"AVP_JWKS": forger.jwks} if how == "overridden" else {})):
        if how == "assigned":
            django_settings.AVP_JWKS = forger.jwks
        if how == "in place":
            del key_set["keys"][0]

        assert refused(verify, token) == "unknown_key"
        assert verify(forger.id_token())


def test_an_address_that_changes_stops_remembered_tokens(settings, mint, forger):
    """The key set at another address counts, and the one at the old address no more."""
    settings.AVP_JWKS = None
    settings.AVP_JWKS_URL = addresses = {POOL: "http://localhost:1/old"}
    sets = {"http://localhost:1/old": mint, "http://localhost:1/new": forger}
    verify = TokenVerifier(KeySets(fetch=lambda url: json.dumps(sets[url].jwks).encode())).verify
    token = mint.id_token()
    assert verify(token) == verify(token)

    addresses[POOL] = "http://localhost:1/new"
    assert refused(verify, token) == "unknown_key"

    settings.AVP_JWKS_URL = "http://localhost:1/old"
    assert verify(token)
    settings.AVP_JWKS_URL = "http://localhost:1/new"
    assert refused(verify, token) == "unknown_key"


# --- Settings ------------------------------------------------------------------------------------------------------

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "the client is removed": ({"AVP_USER_POOLS": {POOL: ["client-2"]}}, "client"),
    "all clients are removed": ({"AVP_USER_POOLS": {POOL: []}}, "client"),
    "the pool is removed": ({"AVP_USER_POOLS": {OTHER_POOL: ["client-1"]}}, "foreign_issuer"),
    "the issuer is removed": ({"AVP_ISSUERS": {POOL: "http://localhost:9229"}}, "foreign_issuer"),
    "the kind is removed": ({"AVP_TOKEN_USE": "access"}, "token_use"),
    "no kind is left": ({"AVP_TOKEN_USE": []}, "token_use"),
}


@pytest.mark.parametrize("how", ["assigned", "overridden"])
@pytest.mark.parametrize(("changed", "code"), CHANGES.values(), ids=CHANGES)
def test_settings_count_at_once(verify, mint, changed, code, how):
    """A remembered token is judged by the settings as they are now, and again when they are as before."""
    token = mint.id_token()
    assert verify(token) == verify(token)

    with override_settings(**(changed if how == "overridden" else {})):
        for name, value in changed.items() if how == "assigned" else ():
            setattr(django_settings, name, value)
        assert refused(verify, token) == refused(verify, token) == code

    assert verify(token) == verify(token)


IN_PLACE: dict[str, tuple[str, Any, Callable[[Any], Any], str]] = {
    "a client": ("AVP_USER_POOLS", {POOL: ["client-1"]}, lambda value: value[POOL].remove("client-1"), "client"),
    "a pool": ("AVP_USER_POOLS", {POOL: None}, lambda value: value.pop(POOL), "foreign_issuer"),
    "any client": ("AVP_USER_POOLS", {POOL: None}, lambda value: value.update({POOL: ["a"]}), "client"),
    "an issuer": ("AVP_ISSUERS", {POOL: [ISSUER]}, lambda value: value[POOL].__setitem__(0, "a"), "foreign_issuer"),
    "a listed issuer": ("AVP_ISSUERS", [ISSUER, f"a/{POOL}"], lambda value: value.remove(ISSUER), "foreign_issuer"),
    "a kind": ("AVP_TOKEN_USE", ["id", "access"], lambda value: value.remove("id"), "token_use"),
    "a kind in a set": ("AVP_TOKEN_USE", {"id", "access"}, lambda value: value.remove("id"), "token_use"),
}


@pytest.mark.parametrize(("name", "value", "change", "code"), IN_PLACE.values(), ids=IN_PLACE)
def test_settings_that_are_changed_in_place_count_at_once(verify, mint, settings, name, value, change, code):
    """What is removed from a dict, a list or a set of the settings stops remembered tokens, too."""
    value = copy.deepcopy(value)
    setattr(settings, name, value)
    token = mint.id_token()
    assert verify(token) == verify(token)

    change(value)

    assert refused(verify, token) == code


class Clients(Sequence[str]):
    """The app clients of a pool, looked up each time, as from a database."""

    def __init__(self) -> None:
        self.known = ["client-1"]

    def __getitem__(self, place: Any) -> Any:
        return self.known[place]

    def __len__(self) -> int:
        return len(self.known)


def test_settings_that_cannot_be_looked_into_are_read_each_time(verify, mint, settings, signatures):
    """A container of another kind may have changed at any time: tokens are verified each time by it."""
    clients = Clients()
    settings.AVP_USER_POOLS = {POOL: clients}
    token = mint.id_token()
    assert verify(token) == verify(token)
    assert signatures.count == 2

    clients.known.clear()

    assert refused(verify, token) == "client"


def test_a_text_is_one_client_for_remembered_tokens(verify, mint, settings):
    """A pool's client may be given as a text, which is no collection of characters."""
    settings.AVP_USER_POOLS = {POOL: "client-1"}
    token = mint.id_token()

    assert verify(token) == verify(token)
    settings.AVP_USER_POOLS = {POOL: "client-10"}
    assert refused(verify, token) == "client"


def test_the_order_of_pools_is_a_setting(verify, mint, settings):
    """Of two pools for which one issuer is named the last one counts, for remembered tokens as for others."""
    settings.AVP_ISSUERS = {POOL: ISSUER, OTHER_POOL: ISSUER}
    settings.AVP_USER_POOLS = {POOL: None, OTHER_POOL: None}
    token = mint.id_token()
    assert verify(token).pool == verify(token).pool == OTHER_POOL

    settings.AVP_USER_POOLS = {OTHER_POOL: None, POOL: None}

    assert verify(token).pool == POOL


# --- Nobody changes what another one gets --------------------------------------------------------------------------

NESTED = {
    "a list": ("cognito:groups", ["Editors"], lambda claim: claim.append("Admins")),
    "a record": ("address", {"city": "Bonn"}, lambda claim: claim.update(city="Rome")),
    "a list of records": ("identities", [{"userId": "7"}], lambda claim: claim[0].update(userId="8")),
    "a record of lists": ("roles", {"a": ["b"]}, lambda claim: claim["a"].append("admin")),
    "lists of lists": ("deep", [[["a"]], [{"b": ["c"]}]], lambda claim: claim[1][0]["b"].clear()),
}


@pytest.mark.parametrize(("name", "value", "change"), NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_changed_claims_reach_nobody_else(verify, mint, name, value, change, times):
    """Whoever changes a list or a record among the claims, the first one or a later one, changes it for nobody else."""
    token = mint.id_token(**{name: value})
    before = [verify(token) for _ in range(times)]

    change(before[-1]._claims[name])

    assert before[-1]._claims[name] != value
    assert verify(token)._claims[name] == value
    assert [one._claims[name] for one in before[:-1]] == [value] * (times - 1)


def test_revocation_cannot_change_what_is_remembered(verify, mint, settings):
    """A callable that adds to the claims that it is asked about adds nothing to those of the next request."""

    def is_revoked(claims: Any) -> bool:
        claims["cognito:groups"].append("Admins")
        return False

    settings.AVP_TOKEN_REVOKED = is_revoked
    token = mint.id_token(groups=["Editors"])
    for _ in range(3):
        assert verify(token)._claims["cognito:groups"] == ["Editors", "Admins"]

    settings.AVP_TOKEN_REVOKED = None
    assert verify(token)._claims["cognito:groups"] == ["Editors"]


@pytest.mark.parametrize(("levels", "verified"), [(memory.MAX_LEVELS, 1), (memory.MAX_LEVELS + 1, 2), (200, 2)])
def test_claims_that_nest_deeply_are_verified_each_time(verify, mint, signatures, levels, verified):
    """Copying them is not worth it, and each request still has its own."""
    deep: Any = "a"
    for _ in range(levels):
        deep = [deep]
    token = mint.id_token(deep=deep, groups=["Editors"])

    verify(token)._claims["cognito:groups"].append("Admins")

    assert verify(token)._claims["deep"] == deep
    assert signatures.count == verified
    assert verify(token)._claims["cognito:groups"] == ["Editors"]


# --- Who signs tokens with the same header -------------------------------------------------------------------------


def test_a_header_is_only_a_guess(verify, mint, forger):
    """A token with the header of one that was verified is judged by what it says itself."""
    assert verify(mint.id_token())
    known = {"headers": {"kid": mint.kid}}

    assert refused(verify, forger.id_token(**known)) == "signature"
    assert refused(verify, forger.id_token(iss="https://accounts.example.com", **known)) == "foreign_issuer"
    assert refused(verify, mint.id_token(iss="https://accounts.example.com")) == "foreign_issuer"
    assert refused(verify, forger.sign(b'{"iss": "a", "iss": "b"}', {"kid": mint.kid})) == "malformed"
    assert refused(verify, mint.id_token(expires_in=-1)) == "expired"
    assert verify(mint.id_token())


def test_c4_a_kind_is_asked_of_tokens_whose_header_is_known_of_another_issuer(verify, mint):
    """Both forms of a pool's issuer have one key: the guess is wrong, and what is wanted stays what it is."""
    updated = ISSUER.replace("cognito-idp", "issuer-cognito-idp")
    assert verify(mint.id_token())

    assert refused(verify, mint.access_token(iss=updated), kind="id") == "token_use"
    assert refused(verify, mint.id_token(iss=updated), kind="access") == "token_use"
    assert verify(mint.id_token(iss=updated), kind="id")


@pytest.mark.parametrize("way", ["sync", "async"])
def test_two_issuers_may_have_one_key(settings, mint, signatures, way):
    """Both forms of a pool's issuer publish the same keys: their tokens have one header, and each its own issuer.

    The first token of a second issuer is verified twice, and then such a header tells nothing.
    """
    settings.AVP_JWKS = None
    settings.AVP_USER_POOLS = {POOL: None, OTHER_POOL: None}
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return json.dumps(mint.jwks).encode()

    verify = either(way, TokenVerifier(KeySets(fetch=fetch)))
    updated = ISSUER.replace("cognito-idp", "issuer-cognito-idp")
    for number in range(3):
        assert verify(mint.id_token(jti=f"{number}"))._claims["iss"] == ISSUER
        assert verify(mint.id_token(jti=f"{number}", iss=updated))._claims["iss"] == updated
        assert verify(mint.id_token(pool=OTHER_POOL)).pool == OTHER_POOL

    assert len(fetched) == 3
    assert signatures.count == 9 + 1


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_key_of_one_pool_signs_for_no_other(settings, mint, forger, way):
    """A header that is known of one pool's tokens does not make another pool's token one of its own."""
    settings.AVP_JWKS = None
    settings.AVP_USER_POOLS = {POOL: None, OTHER_POOL: None}
    sets = {POOL: mint.jwks, OTHER_POOL: forger.jwks}
    verify = either(way, TokenVerifier(KeySets(fetch=lambda url: json.dumps(sets[url.split("/")[3]]).encode())))
    assert verify(mint.id_token()).pool == POOL

    assert refused(verify, mint.id_token(pool=OTHER_POOL)) == "unknown_key"
    assert verify(forger.id_token(pool=OTHER_POOL)).pool == OTHER_POOL
    assert refused(verify, forger.id_token()) == "unknown_key"


def test_a_forgery_costs_one_verification(verify, mint, forger, signatures):
    """Whoever sends forged tokens with a known header does not have them verified twice."""
    verify(mint.id_token())

    refused(verify, forger.id_token(headers={"kid": mint.kid}))

    assert signatures.count == 2


def test_headers_are_bounded(verifier, mint):
    """An issuer that never uses a header twice does not fill the memory, and its tokens are verified all the same."""
    for number in range(memory.MAX_HEADERS + 5):
        assert verifier.verify(mint.id_token(headers={"typ": str(number)}))

    assert len(verifier._memory._signers) == memory.MAX_HEADERS


# --- Bounds --------------------------------------------------------------------------------------------------------


def test_there_are_never_more_than_the_setting_says(verify, verifier, mint, settings, signatures):
    """The token that was not used for longest makes room; one that is used stays."""
    settings.AVP_TOKEN_MEMORY = 3
    kept, *others = [mint.id_token(str(number)) for number in range(10)]
    verify(kept)
    for token in others:
        verify(token)
        verify(kept)
        assert len(verifier._memory) <= 3
    assert signatures.count == 10

    verify(others[-1])
    assert signatures.count == 10
    verify(others[0])
    assert signatures.count == 11


def test_the_first_of_tokens_that_nobody_uses_again_makes_room(verify, mint, settings, signatures):
    """Of tokens that came once the oldest goes."""
    settings.AVP_TOKEN_MEMORY = 2
    tokens = [mint.id_token(str(number)) for number in range(3)]
    for token in tokens:
        verify(token)

    verify(tokens[1])
    verify(tokens[2])
    assert signatures.count == 3
    verify(tokens[0])
    assert signatures.count == 4


def test_a_token_that_is_verified_again_takes_no_more_room(verifier, mint, settings, signatures):
    """What is known of it is replaced, and nothing else has to go."""
    settings.AVP_TOKEN_MEMORY = 2
    tokens = [mint.id_token("a"), mint.access_token("b")]
    for token in tokens:
        verifier.verify(token)
    settings.AVP_LEEWAY = 1
    for token in tokens:
        verifier.verify(token)
    digest, _ = verifier._memory.look_up(tokens[1], None)
    verifier._memory.add(tokens[1], digest, verifier._memory._facts[digest])

    verifier.verify(tokens[0])
    assert signatures.count == 4


def test_there_is_room_though_all_are_used(verify, verifier, mint, settings, signatures):
    """Where every token was used since it came, the oldest makes room for a new one, which is remembered."""
    settings.AVP_TOKEN_MEMORY = 2
    tokens = [mint.id_token(str(number)) for number in range(3)]
    for token in [tokens[0], tokens[1], tokens[0], tokens[1], tokens[2], tokens[2]]:
        verify(token)

    assert len(verifier._memory) == 2
    assert signatures.count == 3


def test_nothing_is_remembered_if_the_setting_says_so(verify, verifier, mint, settings, signatures):
    """0 verifies each token each time, and what was remembered before is forgotten at once."""
    token = mint.id_token()
    verify(token)
    settings.AVP_TOKEN_MEMORY = 0

    assert verify(token) == verify(token)
    assert signatures.count == 3
    assert len(verifier._memory) == 0


def test_long_tokens_are_verified_each_time(verify, verifier, mint, signatures):
    """Memory is bounded by size as well as by number."""
    token = mint.id_token(padding="x" * memory.MAX_LENGTH)

    assert verify(token) == verify(token)
    assert signatures.count == 2
    assert len(verifier._memory) == 0


def test_threads_share_a_memory(mint, settings):
    """Many threads with many tokens, and little room: each gets what its token says, and there are never more."""
    settings.AVP_TOKEN_MEMORY = 5
    verifier = TokenVerifier()
    tokens = {str(number): mint.id_token(str(number), groups=[str(number)]) for number in range(20)}

    def ask(number: int) -> int:
        for sub, token in tokens.items():
            verified = verifier.verify(token)
            assert (verified._claims["sub"], verified._claims["cognito:groups"]) == (sub, [sub])
            verified._claims["cognito:groups"].append("changed")
        return len(verifier._memory)

    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(ask, range(24)))

    assert max(sizes) <= 5


# --- Nothing leaks -------------------------------------------------------------------------------------------------


def held(value: object) -> Iterator[object]:
    """All that an object of this memory holds, at any depth."""
    yield value
    if isinstance(value, dict):
        inner: Any = [*value, *value.values()]
    elif isinstance(value, memory.TokenFacts):
        inner = [getattr(value, name) for name in value.__slots__ if name not in ("key", "key_set", "_copiers")]
    else:
        inner = value if isinstance(value, list | tuple) else ()
    for item in inner:
        yield from held(item)


def test_the_token_is_not_kept(verifier, mint):
    """Neither its text nor its signature is in memory, so that nothing there can be sent to anybody."""
    token = mint.id_token(SECRET)
    verifier.verify(token)
    verifier.verify(token)

    everything = list(held(verifier._memory._facts))
    assert SECRET in everything
    assert [item for item in everything if isinstance(item, bytes)] == [*verifier._memory._facts]
    assert all(len(digest) == 32 for digest in verifier._memory._facts)
    segments = token.split(".")
    assert not [item for item in everything if isinstance(item, str) and any(one in item for one in segments)]


def test_c8_representations_of_the_memory_hold_no_secret(verifier, mint):
    """No claim and no token is in the text of what remembers them."""
    token = mint.id_token(SECRET)
    verifier.verify(token)
    known = verifier._memory

    for text in (repr(known), *map(repr, known._facts.values()), repr(verifier)):
        assert SECRET not in text
        assert not any(segment in text for segment in token.split("."))


# --- With and without ----------------------------------------------------------------------------------------------


class Site:
    """Two verifiers of the same keys, one of which has no time to remember anything, and all that may change."""

    def __init__(self, mint: TokenMint, forger: TokenMint) -> None:
        self.clock = Clock()
        self.now = 1000.0
        self.mints = {"mint": mint, "forger": forger}
        self.published = ["mint", "forger"]
        self.sets = KeySets(fetch=self.fetch, clock=lambda: self.now)
        self.remembering = TokenVerifier(self.sets)
        self.tokens = [
            mint.id_token(expires_in=100, groups=["Editors"]),
            mint.access_token(expires_in=60, client_id="client-2"),
            forger.id_token(expires_in=100, iss=ISSUER.replace("cognito-idp", "issuer-cognito-idp")),
            forger.access_token(expires_in=200, pool=OTHER_POOL),
            forger.id_token(headers={"kid": mint.kid}),
            mint.id_token(expires_in=90, nbf=int(self.clock.now) + 20),
        ]

    def fetch(self, url: str) -> bytes:
        """The key set that is published now."""
        return json.dumps({"keys": [key for name in self.published for key in self.mints[name].jwks["keys"]]}).encode()

    def answers(self, number: int, kind: str | None) -> list[object]:
        """What both say about a token."""
        return [
            answer(self.remembering, self.tokens[number], kind),
            answer(TokenVerifier(self.sets), self.tokens[number], kind),
        ]


def answer(verifier: TokenVerifier, token: str, kind: str | None) -> object:
    """All that a verification says."""
    try:
        verified = verifier.verify(token, kind=kind)
    except (TokenInvalidError, TokenExpiredError, KeySetUnavailableError) as error:
        return type(error), error.code
    except ImproperlyConfigured as error:
        return str(error)
    return verified, dict(verified._claims)


ASKED = st.tuples(st.just("ask"), st.integers(0, 5), st.sampled_from([None, None, "id", "access"]))
SET = st.one_of(
    st.tuples(
        st.just("AVP_USER_POOLS"),
        st.sampled_from(
            [
                {POOL: ["client-1", "client-2"], OTHER_POOL: None},
                {POOL: ["client-1"]},
                {POOL: None, OTHER_POOL: ["client-2"]},
                {OTHER_POOL: None, POOL: None},
            ]
        ),
    ),
    st.tuples(st.just("AVP_TOKEN_USE"), st.sampled_from(["id", "access", ("id", "access")])),
    st.tuples(st.just("AVP_LEEWAY"), st.sampled_from([0, 10, 0.5])),
    st.tuples(st.just("AVP_ISSUERS"), st.sampled_from([None, {POOL: ISSUER}, [f"{ISSUER}", f"x/{OTHER_POOL}"]])),
    st.tuples(st.just("AVP_TOKEN_REVOKED"), st.sampled_from([None, lambda claims: claims["token_use"] == "id"])),
    st.tuples(st.just("AVP_TOKEN_MEMORY"), st.sampled_from([1, 2, 1000])),
)
MOVED = st.tuples(st.just("clock"), st.sampled_from([-20, 1, 19, 20, 39, 59, 60, 61, 70, 99, 100, 110]))
ROTATED = st.tuples(st.just("publish"), st.sampled_from([("mint",), ("forger",), ("mint", "forger")]))
AGED = st.tuples(st.just("age"), st.sampled_from([1.0, keys.PAUSE, keys.MAX_AGE]))


@given(steps=st.lists(st.one_of(ASKED, ASKED, ASKED, SET, MOVED, ROTATED, AGED), min_size=25, max_size=50))
@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_memory_changes_no_answer(mint, forger, monkeypatch, steps):
    """Whatever is asked after whatever has changed: settings, clock, keys; both verifiers say the same."""
    site = Site(mint, forger)
    began = site.clock.now
    given_settings = {"AVP_JWKS": None, "AVP_USER_POOLS": {POOL: ["client-1", "client-2"], OTHER_POOL: None}}
    with override_settings(**given_settings), site.clock.set(monkeypatch):
        for step in steps:
            match step:
                case "ask", number, kind:
                    remembered, fresh = site.answers(number, kind)
                    assert remembered == fresh
                case "clock", seconds:
                    site.clock.now = began + seconds
                case "publish", names:
                    site.published = list(names)
                case "age", seconds:
                    site.now += seconds
                case name, value:
                    setattr(django_settings, name, value)
