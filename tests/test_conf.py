"""Tests of ``django_avp.conf`` and ``django_avp.typed_settings``: defaults, live reading, and what is wrong told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_avp.cedar import EntityUid
from django_avp.conf import Settings, conf
from django_avp.typed_settings import UNSET, read, snapshot
from tests.processes import PATIENCE, ROOT

POOL = "eu-west-1_AbCdEf123"
GOV_POOL = "us-gov-west-1_Xy9"
COGNITO = f"https://cognito-idp.eu-west-1.amazonaws.com/{POOL}"
COGNITO_TOO = f"https://issuer-cognito-idp.eu-west-1.amazonaws.com/{POOL}"


def function(*args):
    """Named by the settings."""


HERE = f"{__name__}.function"
DEFAULTS = {
    "engine": "django_avp.engines.cedar.CedarEngine",
    "namespace": "",
    "policy_store_id": None,
    "on_policy_error": "ignore",
    "max_depth": 10,
    "application": EntityUid("Application", "default"),
    "context": None,
    "token_use": ("id", "access"),
    "jwks_url": None,
    "jwks": None,
    "token_sources": ["django_avp.tokens.sources.AuthorizationHeader"],
    "token_revoked": None,
    "leeway": 0,
    "token_memory": 1000,
    "sign_in_client_secret": None,
    "sign_in_scopes": ("openid",),
    "sign_in_discovery_url": None,
    "principal_type": "User",
    "group_type": "Group",
    "anonymous_principal": None,
    "user_mode": "model",
    "user_id_field": "username",
    "user_resolver": None,
    "require_active_user": True,
    "permission_actions": {},
    "planning": True,
    "client_options": {},
    "call_strategy": "auto",
    "cache": None,
    "cache_ttl": 0,
    "cache_denied_ttl": 0,
    "sync_interval": 30,
    "sync_max_age": 300,
    "server_timing": False,
    "show_policies": False,
}


@pytest.fixture
def bare(settings):
    """A project that sets nothing of ours."""
    for name in [name for name in dir(django_settings) if name.startswith("AVP_")]:
        delattr(settings, name)
    return settings


# --- Values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(bare, name):
    """What is not set has the default that the documentation names."""
    assert getattr(conf, name) == DEFAULTS[name]


def test_every_setting_is_tested():
    """The table of defaults has each property; the others have tests of their own."""
    properties = {name for name, value in vars(Settings).items() if isinstance(value, property)}

    assert properties == {*DEFAULTS, "policies", "user_pools", "issuers", "sign_in_client_id"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("engine", "a.b.Engine", "a.b.Engine"),
        ("policies", "/a", (Path("/a"),)),
        ("policies", Path("/a"), (Path("/a"),)),
        ("policies", ["/a", Path("/b")], (Path("/a"), Path("/b"))),
        ("policies", (), ()),
        ("namespace", "Shop", "Shop"),
        ("policy_store_id", "PSEXAMPLEabcdefg111111", "PSEXAMPLEabcdefg111111"),
        ("policy_store_id", "policy-store-alias/photos", "policy-store-alias/photos"),
        ("policy_store_id", function, function),
        ("policy_store_id", HERE, function),
        ("on_policy_error", "any", "any"),
        ("max_depth", 0, 0),
        ("max_depth", 3, 3),
        ("application", 'Site::"x"', EntityUid("PhotoFlash::Site", "x")),
        ("application", EntityUid("Shop::Site", "x"), EntityUid("Shop::Site", "x")),
        ("context", HERE, function),
        ("user_pools", {POOL: None}, {POOL: None}),
        ("user_pools", {}, {}),
        ("user_pools", [], []),
        ("token_use", "id", ("id",)),
        ("token_use", ["access"], ("access",)),
        ("token_use", ["refresh"], ("refresh",)),
        ("jwks_url", "https://idp/jwks", "https://idp/jwks"),
        ("jwks_url", {POOL: "https://idp/jwks"}, {POOL: "https://idp/jwks"}),
        ("jwks", {"keys": []}, {"keys": []}),
        ("token_sources", ["a.Source"], ["a.Source"]),
        ("token_revoked", function, function),
        ("leeway", 1.5, 1.5),
        ("token_memory", 0, 0),
        ("token_memory", 20, 20),
        ("principal_type", "Employee", "PhotoFlash::Employee"),
        ("principal_type", "Hr::Employee", "Hr::Employee"),
        ("group_type", "Team", "PhotoFlash::Team"),
        ("anonymous_principal", 'Visitor::"anyone"', EntityUid("PhotoFlash::Visitor", "anyone")),
        ("user_mode", "token", "token"),
        ("user_id_field", "subject", "subject"),
        ("user_resolver", HERE, function),
        ("require_active_user", False, False),
        ("permission_actions", {"a.b": "C", "a.d": {"object": "E"}}, {"a.b": "C", "a.d": {"object": "E"}}),
        ("cache", "shared", "shared"),
        ("cache_ttl", 30, 30),
        ("cache_denied_ttl", 5, 5),
        ("sync_interval", 0.5, 0.5),
        ("sync_max_age", 60, 60),
        ("server_timing", True, True),
        ("show_policies", True, True),
    ],
)
def test_settings_are_read_live(name, value, expected):
    """A setting that is overridden counts at once, and no longer afterwards."""
    before = getattr(conf, name)
    with override_settings(**{f"AVP_{name.upper()}": value}):
        assert getattr(conf, name) == expected
    assert getattr(conf, name) == before


def test_denials_are_remembered_as_long_as_the_rest(settings):
    """Unless they have a time of their own, nothing included."""
    settings.AVP_CACHE_TTL = 30
    assert conf.cache_denied_ttl == 30
    settings.AVP_CACHE_DENIED_TTL = 0
    assert conf.cache_denied_ttl == 0


def test_policies_beside_the_settings(bare, tmp_path):
    """Without the setting, ``policies`` beside ``BASE_DIR`` counts, as soon as it is there."""
    bare.BASE_DIR = str(tmp_path)
    assert conf.policies == ()

    (tmp_path / "policies").mkdir()
    assert conf.policies == (tmp_path / "policies",)

    del bare.BASE_DIR
    assert conf.policies == ()


def test_what_is_shown_follows_debug(bare):
    """What tells how decisions are made is for development unless it is asked for."""
    bare.DEBUG = True

    assert conf.server_timing is True
    assert conf.show_policies is True


def test_settings_cannot_be_written():
    """Settings are Django's; ours only reads them."""
    with pytest.raises(AttributeError):
        conf.engine = "x"


# --- Issuers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issuers", "expected"),
    [
        (None, {COGNITO: POOL, COGNITO_TOO: POOL}),
        ({}, {COGNITO: POOL, COGNITO_TOO: POOL}),
        ([], {COGNITO: POOL, COGNITO_TOO: POOL}),
        (f"http://localhost:9229/{POOL}", {f"http://localhost:9229/{POOL}": POOL}),
        ([f"https://a/{POOL}", f"https://b/{POOL}/"], {f"https://a/{POOL}": POOL, f"https://b/{POOL}/": POOL}),
        ({POOL: "https://idp"}, {"https://idp": POOL}),
        ({POOL: ["https://a", "https://b"]}, {"https://a": POOL, "https://b": POOL}),
        ({POOL: []}, {COGNITO: POOL, COGNITO_TOO: POOL}),
    ],
)
def test_issuers(settings, issuers, expected):
    """Both of Cognito's issuers count for a pool, unless others are named for it."""
    settings.AVP_ISSUERS = issuers

    assert conf.issuers == expected


def test_issuers_of_several_pools(settings):
    """Each pool has its region's issuers; naming those of one leaves the others as they are."""
    settings.AVP_USER_POOLS = {POOL: ["a"], GOV_POOL: ["b"]}
    settings.AVP_ISSUERS = [f"http://localhost/{POOL}"]

    assert conf.issuers == {
        f"http://localhost/{POOL}": POOL,
        f"https://cognito-idp.us-gov-west-1.amazonaws.com/{GOV_POOL}": GOV_POOL,
        f"https://issuer-cognito-idp.us-gov-west-1.amazonaws.com/{GOV_POOL}": GOV_POOL,
    }


@pytest.mark.parametrize("issuers", ["http://localhost/local_1", ["https://idp"], {"local_1": "https://idp"}])
def test_issuers_of_unknown_pools(settings, issuers):
    """An issuer of a pool that is not accepted is a mistake, not something to pass over."""
    settings.AVP_ISSUERS = issuers

    with pytest.raises(ImproperlyConfigured, match=r"AVP_ISSUERS names the pool '.*', which AVP_USER_POOLS does not"):
        _ = conf.issuers


# --- How they are read ---------------------------------------------------------------------------------------------

NOWHERE = object()


def same_as_django(name: str) -> bool:
    """Whether a setting is the same object, or as absent, as Django itself finds it."""
    return read(name, NOWHERE) is getattr(django_settings, name, NOWHERE)


def test_a_setting_is_read_as_django_reads_it():
    """Overridden, assigned, deleted, or from the settings module: the quicker way finds what Django finds."""
    assert read("AVP_NAMESPACE") == "PhotoFlash"
    assert same_as_django("AVP_NAMESPACE")
    assert same_as_django("AVP_TOKEN_USE")
    with override_settings(AVP_NAMESPACE="Outer", AVP_TOKEN_USE="id"):
        with override_settings(AVP_NAMESPACE="Inner"):
            assert read("AVP_NAMESPACE") == "Inner"
            assert read("AVP_TOKEN_USE") == "id"
            del django_settings.AVP_TOKEN_USE
            assert read("AVP_TOKEN_USE", NOWHERE) is NOWHERE
            assert same_as_django("AVP_TOKEN_USE")
        assert read("AVP_NAMESPACE") == "Outer"
        assert read("AVP_TOKEN_USE") == "id"
        django_settings.AVP_TOKEN_USE = "access"
        django_settings.AVP_LEEWAY = 5
        assert (read("AVP_TOKEN_USE"), read("AVP_LEEWAY")) == ("access", 5)
        assert same_as_django("AVP_TOKEN_USE")
        del django_settings.AVP_LEEWAY
        assert read("AVP_LEEWAY") is None
    assert same_as_django("AVP_NAMESPACE")
    assert same_as_django("AVP_TOKEN_USE")


PLAIN_SETTINGS = """
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django_avp.typed_settings import read

try:
    read("AVP_NAMESPACE")
except ImproperlyConfigured as error:
    print(str(error).split(",")[0])
settings.configure(AVP_NAMESPACE="Shop")
print(read("AVP_NAMESPACE"), read("AVP_LEEWAY"), read("DEBUG"))
settings.AVP_LEEWAY = 3
print(read("AVP_LEEWAY"))
"""
MODULE_SETTINGS = """
from django.conf import settings
from django_avp.typed_settings import read

# Nobody has looked at any setting before: this makes Django import the module.
print(read("AVP_NAMESPACE"), read("AVP_LEEWAY"))
settings.AVP_LEEWAY = 3
print(read("AVP_LEEWAY"))
del settings.AVP_LEEWAY
print(read("AVP_LEEWAY"))
"""


@pytest.mark.parametrize(
    ("code", "module", "said"),
    [
        (PLAIN_SETTINGS, "", ["Requested setting AVP_NAMESPACE", "Shop None False", "3"]),
        (MODULE_SETTINGS, "tests.settings", ["PhotoFlash None", "3", "None"]),
    ],
    ids=["settings.configure", "a settings module"],
)
def test_a_setting_is_read_before_anything_else_is(code, module, said):
    """In a process of its own: the settings are set up by the first look-up, and what is not set up is an error."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment |= {"DJANGO_SETTINGS_MODULE": module} if module else {}
    process = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (process.stdout.splitlines(), process.stderr) == (said, "")


class Lazy(Mapping):
    """A mapping that is no dict, as a library might give settings."""

    def __init__(self, values):
        self.values_of = values

    def __getitem__(self, name):
        return self.values_of[name]

    def __iter__(self):
        return iter(self.values_of)

    def __len__(self):
        return len(self.values_of)


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ({"a": ["b"]}, lambda value: value["a"].append("c")),
        ({"a": {"b": "c"}}, lambda value: value["a"].clear()),
        (Lazy({"a": ["b"]}), lambda value: value["a"].append("c")),
        ([["a"]], lambda value: value[0].clear()),
        ((["a"], "b"), lambda value: value[0].clear()),
        ({"a", "b"}, lambda value: value.remove("a")),
    ],
)
def test_a_snapshot_is_equal_until_something_changes(value, change):
    """What is changed in place is no longer what it was."""
    kept = snapshot(value)
    assert kept == value

    change(value)

    assert kept != value


@pytest.mark.parametrize("value", [None, True, 5, 1.5, "a", UNSET, function, frozenset("a"), ()])
def test_a_snapshot_of_what_cannot_change_is_equal(value):
    """A text, a number, a function, nothing."""
    assert snapshot(value) == value


def test_a_snapshot_of_anything_else_is_equal_to_nothing():
    """What cannot be looked into may have changed at any time."""
    value = object()

    assert snapshot(value) != value
    assert snapshot([value]) != [value]


@pytest.mark.parametrize(
    ("changed", "types"),
    [
        ({}, ("PhotoFlash::User", "PhotoFlash::Group")),
        ({"AVP_NAMESPACE": ""}, ("User", "Group")),
        ({"AVP_PRINCIPAL_TYPE": "Employee", "AVP_GROUP_TYPE": "Hr::Team"}, ("PhotoFlash::Employee", "Hr::Team")),
    ],
)
def test_both_entity_types_are_those_that_are_read_alone(changed, types):
    """Together they cost less, and are the same."""
    with override_settings(**changed):
        assert conf.entity_types() == (conf.principal_type, conf.group_type) == types


@pytest.mark.parametrize("name", ["AVP_NAMESPACE", "AVP_PRINCIPAL_TYPE", "AVP_GROUP_TYPE"])
def test_of_both_entity_types_the_wrong_setting_is_told(name):
    """The message names the one that has to be mended."""
    with override_settings(**{name: None}), pytest.raises(ImproperlyConfigured, match=f"^{name} is None"):
        conf.entity_types()


# --- What is wrong -------------------------------------------------------------------------------------------------


def test_pools_are_needed(bare):
    """The one setting that is required says what to write."""
    for name in ("user_pools", "issuers"):
        with pytest.raises(ImproperlyConfigured, match=r'AVP_USER_POOLS is missing\. .* \{"eu-west-1_AbCdEf123": \["'):
            getattr(conf, name)


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("engine", function, "it must be the dotted path of an engine class"),
        ("engine", None, "it must be the dotted path of an engine class"),
        ("policies", 5, "it must be a directory or a list of directories"),
        ("policies", [5], "it must be a directory or a list of directories"),
        ("policies", {"a": 1}, "it must be a directory or a list of directories"),
        ("namespace", None, "it must be the name of a Cedar namespace"),
        ("policy_store_id", "nowhere.store", "cannot be imported (No module named 'nowhere'). Name a function by its"),
        ("policy_store_id", 5, "it must be a function or the dotted path of one"),
        ("client_options", ["eu-west-1"], "it must be a dict such as"),
        ("call_strategy", "both", "it must be one of 'auto', 'batch', 'single'"),
        ("on_policy_error", "deny", "it must be one of 'ignore', 'forbids', 'any'"),
        ("on_policy_error", ["any"], "it must be one of 'ignore', 'forbids', 'any'"),
        ("max_depth", "10", "it must be a number of levels"),
        ("max_depth", -1, "it must be a number of levels"),
        ("max_depth", True, "it must be a number of levels"),
        ("max_depth", float("nan"), "it must be a number of levels"),
        ("application", "Application", 'write Type::"id"'),
        ("application", r'Site::"\q"', "is not an escape in Cedar"),
        ("application", None, "it must be an entity id, such as"),
        ("context", "nowhere.context", "cannot be imported (No module named 'nowhere'). Name a function by its dotted"),
        ("context", "context", "cannot be imported"),
        ("context", f"{HERE}s", "cannot be imported"),
        ("context", f"{__name__}.HERE", "it must be a function or the dotted path of one"),
        ("context", {"a": 1}, "it must be a function or the dotted path of one"),
        ("user_pools", [POOL], "it must be a dict such as"),
        ("user_pools", POOL, "it must be a dict such as"),
        ("token_use", None, "it must be a tuple of"),
        ("token_use", [1], "it must be a tuple of"),
        ("issuers", 5, "it must be a list of issuers, or a dict of issuers by pool"),
        ("issuers", [5], "it must be a list of issuers, or a dict of issuers by pool"),
        ("issuers", {POOL: 5}, "it must be a list of issuers, or a dict of issuers by pool"),
        ("jwks_url", ["https://idp"], "it must be a URL, or a dict of URLs by pool or issuer"),
        ("token_revoked", "nowhere.revoked", "cannot be imported"),
        ("leeway", "5", "it must be a number of seconds"),
        ("leeway", -1, "it must be a number of seconds"),
        ("token_memory", "1000", "it must be a number of tokens"),
        ("token_memory", -1, "it must be a number of tokens"),
        ("token_memory", True, "it must be a number of tokens"),
        ("principal_type", None, "it must be an entity type"),
        ("group_type", 5, "it must be an entity type"),
        ("anonymous_principal", "Visitor", 'write Type::"id"'),
        ("anonymous_principal", 5, "it must be an entity id"),
        ("user_mode", "models", "it must be one of 'model', 'token'"),
        ("user_id_field", None, "it must be a field of the user model"),
        ("user_resolver", "nowhere.resolve", "cannot be imported"),
        ("require_active_user", "False", "it must be True or False"),
        ("permission_actions", ["a.b"], "it must be a dict such as"),
        ("permission_actions", {"a.b": ["C"]}, "it must be a dict such as"),
        ("server_timing", 1, "it must be True or False"),
        ("show_policies", 1, "it must be True or False"),
    ],
)
def test_wrong_values_are_told(settings, name, value, cure):
    """A value that a setting cannot have is told with the setting's name and the cure."""
    setattr(settings, f"AVP_{name.upper()}", value)

    with pytest.raises(ImproperlyConfigured) as caught:
        getattr(conf, name)
    assert str(caught.value).startswith(f"AVP_{name.upper()}")
    assert cure in str(caught.value)


@pytest.mark.parametrize("value", [None, ""])
def test_no_cache_can_be_said(settings, value):
    """What is the default may be written down."""
    settings.AVP_CACHE = value

    assert conf.cache is None


@pytest.mark.parametrize(
    ("pools", "named", "found"),
    [
        ({POOL: ["a"]}, None, "a"),
        ({POOL: ["a", "b"]}, "b", "b"),
        ({POOL: ["a"], GOV_POOL: ["b"]}, "b", "b"),
        ({POOL: None, GOV_POOL: ["b"]}, None, "b"),
    ],
)
def test_the_client_of_the_sign_in_is_the_only_one_or_named(pools, named, found):
    """Where it is clear nothing has to be set."""
    with override_settings(AVP_USER_POOLS=pools, AVP_SIGN_IN_CLIENT_ID=named):
        assert conf.sign_in_client_id == found


@pytest.mark.parametrize(
    ("pools", "named", "message"),
    [
        ({POOL: ["a", "b"]}, None, "because there are several"),
        ({POOL: ["a"]}, "b", "must name one of the app clients"),
        ({POOL: ["a"]}, 5, "must name one of the app clients"),
        ({POOL: None}, None, "must name one of the app clients"),
        ({POOL: ["a"], GOV_POOL: ["a"]}, "a", "must name one of the app clients"),
    ],
)
def test_a_client_that_cannot_be_told_is_an_error(pools, named, message):
    """The message names the setting."""
    is_told = pytest.raises(ImproperlyConfigured, match=f"AVP_SIGN_IN_CLIENT_ID .*{message}")
    with override_settings(AVP_USER_POOLS=pools, AVP_SIGN_IN_CLIENT_ID=named), is_told:
        _ = conf.sign_in_client_id


def test_a_wrong_secret_is_not_quoted():
    """The message says what it must be, and not what it is."""
    with override_settings(AVP_SIGN_IN_CLIENT_SECRET=b"hush"), pytest.raises(ImproperlyConfigured) as error:
        _ = conf.sign_in_client_secret
    assert "hush" not in str(error.value)
