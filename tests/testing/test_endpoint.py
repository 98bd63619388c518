"""The local endpoint: the service's wire protocol, limits and errors, as boto3 sees them."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from django_avp.policies import load
from django_avp.testing.endpoint import Endpoint, PolicyStore
from django_avp.testing.endpoint.errors import ServiceError
from django_avp.testing.endpoint.quotas import Quotas
from tests.engines.support import write
from tests.testing.aws import conforming_client, post

SCHEMA = """
entity Group;
entity User in [Group] = { level?: Long, custom?: { a?: String } };
entity Folder in [Folder];
entity File in [Folder] = {
  flag?: Bool, size?: Long, name?: String, owner?: User, words?: Set<String>, at?: { host?: ipaddr },
  price?: decimal, made?: datetime, kept?: duration,
} tags String;
action Read appliesTo { principal: User, resource: File, context: { flag?: Bool, token?: { scope?: Set<String> } } };
"""
POLICIES = """
@id("all") permit (principal, action == Action::"Read", resource) when {
  resource.flag && resource.size == 7 && resource.name == "n" && resource.owner == principal &&
  resource.words.contains("w") && resource.at.host.isInRange(ip("10.0.0.0/8")) &&
  resource.price == decimal("1.5") && resource.made < datetime("2027-01-01") && resource.kept == duration("1h") &&
  resource.getTag("color") == "red" && resource in Folder::"top" && context.flag
};
@id("scoped") permit (principal, action == Action::"Read", resource) when { context.token.scope.contains("write") };
@id("erring") permit (principal, action, resource) when { resource.size > 100 };
"""
STORE = "PSEXAMPLEabcdefg222222"
TYPES = {"principal_type": "User", "group_type": "Group"}
PRINCIPAL = {"entityType": "User", "entityId": "eu-west-1_AbCdEf123|ann"}
ITEM = {
    "action": {"actionType": "Action", "actionId": "Read"},
    "resource": {"entityType": "File", "entityId": "1"},
}
FOLDERS = [
    {
        "identifier": {"entityType": "Folder", "entityId": "sub"},
        "parents": [{"entityType": "Folder", "entityId": "top"}],
    },
    {"identifier": {"entityType": "Folder", "entityId": "top"}},
]
FILE = {
    "identifier": ITEM["resource"],
    "attributes": {
        "flag": {"boolean": True},
        "size": {"long": 7},
        "name": {"string": "n"},
        "owner": {"entityIdentifier": PRINCIPAL},
        "words": {"set": [{"string": "w"}]},
        "at": {"record": {"host": {"ipaddr": "10.1.1.1"}}},
        "price": {"decimal": "1.5"},
        "made": {"datetime": "2026-11-24"},
        "kept": {"duration": "1h"},
    },
    "parents": [FOLDERS[0]["identifier"]],
    "tags": {"color": {"string": "red"}},
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory, mint):
    policies = load([write(tmp_path_factory.mktemp("endpoint") / "policies", POLICIES, SCHEMA)])
    store = PolicyStore.holding(policies, policy_store_id=STORE, pool=mint.pool, client_ids=["client-1"], **TYPES)
    with Endpoint([store], jwks=mint.jwks) as endpoint:
        yield endpoint


@pytest.fixture
def client(endpoint):
    return conforming_client(endpoint.url)


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(policyStoreId=STORE, **arguments)
    response = caught.value.response
    return response["Error"]["Code"], [field["path"] for field in response.get("fieldList", ())]


def test_both_halves_of_both_unions_are_read(client):
    """Every kind of value, as entities and contexts in the API's shapes and as Cedar's JSON."""
    shaped = {"entities": {"entityList": [FILE, *FOLDERS]}, "context": {"contextMap": {"flag": {"boolean": True}}}}
    text = [
        {
            "uid": {"type": "File", "id": "1"},
            "attrs": {
                "flag": True,
                "size": 7,
                "name": "n",
                "owner": {"__entity": {"type": "User", "id": PRINCIPAL["entityId"]}},
                "words": ["w"],
                "at": {"host": {"__extn": {"fn": "ip", "arg": "10.1.1.1"}}},
                "price": {"__extn": {"fn": "decimal", "arg": "1.5"}},
                "made": {"__extn": {"fn": "datetime", "arg": "2026-11-24"}},
                "kept": {"__extn": {"fn": "duration", "arg": "1h"}},
            },
            "parents": [{"type": "Folder", "id": "top"}],
            "tags": {"color": "red"},
        }
    ]
    written = {"entities": {"cedarJson": json.dumps(text)}, "context": {"cedarJson": '{"flag": true}'}}
    for arguments in (shaped, written):
        answer = client.is_authorized(policyStoreId=STORE, principal=PRINCIPAL, **ITEM, **arguments)
        assert (answer["decision"], answer["determiningPolicies"]) == ("ALLOW", [{"policyId": "all"}])
    answer = client.is_authorized(policyStoreId=STORE, principal=PRINCIPAL, **ITEM)
    assert answer["decision"] == "DENY"
    assert "erring" in str(answer["errors"])


def test_tokens_are_mapped_as_the_service_maps_them(client, mint):
    """The principal is told, groups and claims are there, and an access token's claims are in the context."""
    answer = client.is_authorized_with_token(policyStoreId=STORE, identityToken=mint.id_token("ann"), **ITEM)
    assert answer["principal"] == PRINCIPAL
    assert answer["decision"] == "DENY"
    tokens = {"identityToken": mint.id_token("ann"), "accessToken": mint.access_token("ann", scope="read write")}
    answer = client.batch_is_authorized_with_token(policyStoreId=STORE, requests=[ITEM], **tokens)
    (result,) = answer["results"]
    assert (result["decision"], result["determiningPolicies"]) == ("ALLOW", [{"policyId": "scoped"}])
    assert result["request"] == ITEM


def test_without_a_schema_the_same(client, endpoint, mint, tmp_path):
    """Claims go whole, then."""
    policies = load([write(tmp_path / "policies", POLICIES, None)])
    store = PolicyStore.holding(policies, policy_store_id="other", pool=mint.pool, **TYPES)
    with Endpoint([store], jwks=mint.jwks) as other:
        client = conforming_client(other.url)
        token = mint.access_token("ann", scope="write", client_id="any")
        answer = client.is_authorized_with_token(policyStoreId="other", accessToken=token, **ITEM)
    assert answer["decision"] == "ALLOW"


def test_tokens_that_do_not_hold_are_refused(client, mint):
    """Signature, expiry, kind, pool, client, and users that differ."""
    call = client.is_authorized_with_token
    good = mint.id_token("ann")
    for name, token in [
        ("identityToken", good[:-4] + "AAAA"),
        ("identityToken", "no.token.atall"),
        ("identityToken", "x" * 131_073),
        ("identityToken", mint.id_token("ann", expires_in=-10)),
        ("identityToken", mint.id_token("ann", pool="eu-west-1_Foreign00")),
        ("identityToken", mint.id_token("ann", client_id="another")),
        ("identityToken", mint.id_token("ann", headers={"kid": "another"})),
        ("identityToken", mint.access_token("ann")),
        ("accessToken", mint.id_token("ann")),
    ]:
        assert refusal(call, **{name: token}, **ITEM) == ("ValidationException", [name])
    both = ["identityToken", "accessToken"]
    assert refusal(call, **ITEM) == ("ValidationException", both)
    assert refusal(call, identityToken=good, accessToken=mint.access_token("bob"), **ITEM)[1] == both
    clashing = mint.id_token("ann", custom={"a": 1}, **{"custom:a": "x"})
    assert refusal(call, identityToken=clashing, **ITEM)[1] == both


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"action": {"actionType": "Action"}}, "action"),
        ({"action": {"actionType": "Deed", "actionId": "Read"}}, "action"),
        ({"action": {"actionType": "Action", "actionId": "x" * 513}}, "action"),
        ({"action": {"actionType": "Action", "actionId": "Fly"}}, "action"),
        ({"resource": {"entityType": "File", "entityId": ""}}, "resource"),
        ({"context": {}}, "context"),
        ({"context": {"cedarJson": "{"}}, "context"),
        ({"context": {"cedarJson": "[]"}}, "context"),
        ({"context": {"contextMap": {"x": {"string": "a", "long": 1}}}}, "context.x"),
        ({"entities": {"cedarJson": "{}"}}, "entities"),
        ({"entities": {"cedarJson": "[1]"}}, "entities"),
        ({"entities": {"cedarJson": '[{"uid": "User::\\"a\\""}]'}}, "entities"),
        ({"entities": {"cedarJson": '[{"uid": {"__entity": 5}}]'}}, "entities"),
        ({"entities": {"entityList": [], "cedarJson": "[]"}}, "entities"),
        ({"entities": {"entityList": [{**FILE, "attributes": {"size": {"string": "x"}}}]}}, "entities"),
        ({"entities": {"entityList": [{**FOLDERS[1]}] * 201}}, "entities"),
    ],
)  # fmt: skip
def test_requests_out_of_shape_are_refused_by_field(client, change, path):
    """A ``ValidationException`` that names the field."""
    arguments = {"principal": PRINCIPAL, **ITEM, **change}

    assert refusal(client.is_authorized, **arguments) == ("ValidationException", [path])


def test_limits_of_batches(client, mint):
    """Thirty checks, one principal or one resource, no principal among the entities of a token."""
    token = {"identityToken": mint.id_token("ann")}
    batch = client.batch_is_authorized_with_token
    assert refusal(batch, requests=[ITEM] * 31, **token) == ("ValidationException", ["requests"])
    assert refusal(batch, requests=[], **token) == ("ValidationException", ["requests"])
    user = {"type": PRINCIPAL["entityType"], "id": PRINCIPAL["entityId"]}
    for users in (
        {"entityList": [{"identifier": PRINCIPAL}]},
        {"cedarJson": json.dumps([{"uid": user, "attrs": {}, "parents": []}])},
        {"cedarJson": json.dumps([{"uid": {"__entity": user}, "attrs": {}, "parents": []}])},
    ):
        assert refusal(batch, requests=[ITEM], entities=users, **token) == ("ValidationException", ["entities"])
    other = {"resource": {"entityType": "File", "entityId": "2"}}
    bob = {"principal": {"entityType": "User", "entityId": "bob"}}
    ann = {"principal": PRINCIPAL, **ITEM}
    plain = client.batch_is_authorized
    assert len(plain(policyStoreId=STORE, requests=[ann, {**ann, **other}])["results"]) == 2
    assert len(plain(policyStoreId=STORE, requests=[ann, {**ann, **bob}])["results"]) == 2
    assert refusal(plain, requests=[ann, {**ann, **bob, **other}]) == ("ValidationException", ["requests"])
    large = {"cedarJson": json.dumps({"flag": True, "x": "y" * 1_100_000})}
    assert refusal(client.is_authorized, context=large, **ann) == ("ValidationException", [])


def test_what_is_not_there_is_told(client):
    """The store, and operations that this endpoint does not have."""
    with pytest.raises(ClientError) as caught:
        client.is_authorized(policyStoreId="nowhere", principal=PRINCIPAL, **ITEM)
    response = caught.value.response
    assert response["Error"]["Code"] == "ResourceNotFoundException"
    assert (response["resourceId"], response["resourceType"]) == ("nowhere", "POLICY_STORE")
    with pytest.raises(ClientError, match="UnknownOperationException"):
        client.list_policy_store_aliases()


@pytest.mark.parametrize("body", [b"{", b"[]"])
def test_bodies_that_are_no_requests(endpoint, body):
    """A ``SerializationException``, in AWS's form of errors."""
    status, answer = post(endpoint.url, "IsAuthorized", body)
    assert (status, answer["__type"]) == (400, "com.amazonaws.verifiedpermissions#SerializationException")


@pytest.mark.parametrize("items", [{}, None, "all", ["all"], [None]])
def test_batches_that_are_no_lists_of_requests(endpoint, items):
    """No SDK sends one; who does is told which field it is."""
    body = json.dumps({"policyStoreId": STORE, "requests": items}).encode()

    status, answer = post(endpoint.url, "BatchIsAuthorized", body)

    assert (status, answer["fieldList"][0]["path"]) == (400, "requests")


def take_all(quotas):
    """Another second's worth, at once."""
    for _ in range(30):
        quotas.take("BatchIsAuthorized")


def test_quotas_are_those_of_the_operations_that_decide():
    """A second's worth is there at once, and no more; other operations have quotas of their own."""
    quotas = Quotas()
    take_all(quotas)
    with pytest.raises(ServiceError) as caught:
        take_all(quotas)
    assert (caught.value.code, caught.value.members["quotaCode"]) == ("ThrottlingException", "L-9DB5CAA4")
    quotas.take("IsAuthorized")
    quotas.take("ListPolicies")


def test_calls_can_be_read_back(client, endpoint):
    """By operation and number of checks; no request is kept."""
    endpoint.calls.clear()
    client.is_authorized(policyStoreId=STORE, principal=PRINCIPAL, **ITEM)
    client.batch_is_authorized(policyStoreId=STORE, requests=[{"principal": PRINCIPAL, **ITEM}] * 2)

    assert [(call.operation, call.checks) for call in endpoint.calls] == [("IsAuthorized", 1), ("BatchIsAuthorized", 2)]
