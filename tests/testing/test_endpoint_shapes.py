"""The local endpoint on requests of any shape: an error of the service's, never a broken connection."""

from __future__ import annotations

import http.client
import json

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_avp.policies import load
from django_avp.testing.endpoint import Endpoint, PolicyStore
from django_avp.testing.endpoint.decisions import OPERATIONS as DECISIONS
from django_avp.testing.endpoint.operations import MANAGEMENT
from django_avp.testing.endpoint.server import Fault
from tests.engines.support import write
from tests.testing.aws import post
from tests.testing.test_endpoint import POLICIES, SCHEMA, TYPES
from tests.testing.test_endpoint_management import ANN, FILE, PERMIT, READ, SOURCE, TEMPLATE

OPERATIONS = sorted({**DECISIONS, **MANAGEMENT})
MODEL = boto3.client("verifiedpermissions", region_name="eu-west-1").meta.service_model
STORE = "PSEXAMPLEabcdefg333333"
# The members of every operation, as right as they can be together.
MEMBERS = {
    "policyStoreId": STORE,
    "policyId": "all",
    "policyTemplateId": "t",
    "identitySourceId": "i",
    "definition": {"static": {"statement": PERMIT, "description": "d"}},
    "configuration": SOURCE,
    "updateConfiguration": SOURCE,
    "principalEntityType": "User",
    "statement": TEMPLATE,
    "name": "name/x",
    "validationSettings": {"mode": "OFF"},
    "deletionProtection": "DISABLED",
    "filter": {"principal": {"identifier": ANN}},
    "filters": [{"principalEntityType": "User"}],
    "maxResults": 5,
    "principal": ANN,
    "action": READ,
    "resource": FILE,
    "context": {"contextMap": {"flag": {"boolean": True}}},
    "entities": {"entityList": [{"identifier": FILE, "attributes": {"words": {"set": [{"string": "a"}]}}}]},
    "requests": [{"principal": ANN, "action": READ, "resource": FILE, "policyStoreId": STORE, "policyId": "all"}],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def damaged(draw, operation):
    """An operation's request with a value somewhere in it that is another, of any type, or is missing."""
    known = MODEL.operation_model(operation).input_shape.members

    def damage(value):
        if isinstance(value, dict) and value and draw(st.integers(0, 5)):
            key = draw(st.sampled_from(sorted(value)))
            rest = {name: content for name, content in value.items() if name != key}
            return rest if draw(st.integers(0, 7)) == 0 else {**rest, key: damage(value[key])}
        if isinstance(value, list) and value and draw(st.booleans()):
            return [damage(value[0])]
        return draw(JSON)

    return damage({name: value for name, value in MEMBERS.items() if name in known})


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory, mint):
    policies = load([write(tmp_path_factory.mktemp("endpoint") / "policies", POLICIES, SCHEMA)])
    store = PolicyStore.holding(policies, policy_store_id=STORE, pool=mint.pool, **TYPES)
    with Endpoint([store], jwks=mint.jwks) as endpoint:
        yield endpoint


@pytest.mark.parametrize("operation", OPERATIONS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_shape_has_an_answer(operation, data, endpoint, mint):
    """Right or an error that the caller can mend."""
    request = data.draw(damaged(operation))
    if isinstance(request, dict) and "Token" in operation:
        request["identityToken"] = mint.id_token("ann")
    if isinstance(request, dict) and operation == "DeletePolicyStore":
        request["policyStoreId"] = "another"

    status, answer = post(endpoint.url, operation, json.dumps(request).encode())

    assert status == 200 or (status, answer["__type"].partition("#")[2] != "InternalServerException") == (400, True)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_fails_as_it_is_asked_to(endpoint, operation):
    """With an error, without an answer, or with an odd one."""
    with endpoint.failing(Fault("ThrottlingException")):
        assert post(endpoint.url, operation, b"{}")[1]["__type"].endswith("#ThrottlingException")
    with endpoint.failing(Fault("InternalServerException", status=500)):
        assert post(endpoint.url, operation, b"{}")[0] == 500
    with endpoint.failing(Fault(is_reset=True)), pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        post(endpoint.url, operation, b"{}")
    with endpoint.failing(Fault(body=b'{"policies": [')), pytest.raises(ValueError, match="Expecting value"):
        post(endpoint.url, operation, b"{}")
    assert post(endpoint.url, operation, b"[]")[1]["__type"].endswith("#SerializationException")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"context": {"contextMap": 7}}, "context"),
        ({"context": {"contextMap": {"a": {"set": 7}}}}, "context.a"),
        ({"entities": {"entityList": 7}}, "entities.entityList"),
        ({"entities": {"entityList": [7]}}, "entities.entityList[0]"),
        ({"entities": {"entityList": [{"identifier": FILE, "parents": 7}]}}, "entities.entityList[0]"),
    ],
)  # fmt: skip
def test_what_an_sdk_would_not_send_is_refused_by_field(endpoint, change, path):
    """botocore turns some of it into other shapes."""
    request = {"policyStoreId": STORE, "principal": ANN, "action": READ, "resource": FILE, **change}
    status, answer = post(endpoint.url, "IsAuthorized", json.dumps(request).encode())

    assert (status, answer["fieldList"][0]["path"]) == (400, path)
