"""The endpoint, asked by clients that nobody here wrote: AWS's SDK for JavaScript and its clients for Express.

They are installed by ``make javascript``; without them these tests are left out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.testing.test_endpoint import FILE, FOLDERS, ITEM, PRINCIPAL, STORE, endpoint
from tests.testing.test_endpoint_management import ANN, PERMIT, SCHEMA, SOURCE, TEMPLATE, TOP

__all__ = ["endpoint"]

HERE = Path(__file__).resolve().parents[1] / "javascript"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(
    NODE is None or not (HERE / "node_modules").is_dir(), reason="make javascript installs the clients"
)

REQUEST = {
    "action": {"type": "Action", "id": "Read"},
    "resource": {"type": "File", "id": "1"},
    "context": {"flag": True},
}
ENTITIES = [{"uid": {"type": "Folder", "id": "top"}, "attrs": {}, "parents": []}]


@pytest.fixture
def ask(endpoint):
    """Ask questions, and have the answers."""

    def answers(*questions):
        environment = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": endpoint.url,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }
        process = subprocess.run(  # noqa: S603 - our own script
            [NODE, "ask.mjs"],
            cwd=HERE,
            env=environment,
            input=json.dumps(questions),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout)

    return answers


def test_the_sdk_for_javascript_has_its_answers(ask, mint):
    """All four operations, values in the API's shapes, results in order, and an error as its exception."""
    shaped = {"entities": {"entityList": [FILE, *FOLDERS]}, "context": {"contextMap": {"flag": {"boolean": True}}}}
    store = {"policyStoreId": STORE}
    tokens = {"identityToken": mint.id_token("ann"), "accessToken": mint.access_token("ann", scope="write")}
    ann = {"principal": PRINCIPAL, **ITEM}
    both = {"requests": [{**ann, "context": shaped["context"]}, ann]}
    single, with_token, batch, batch_with_token, refused = ask(
        {"operation": "IsAuthorized", "input": {**store, **ann, **shaped}},
        {"operation": "IsAuthorizedWithToken", "input": {**store, **ITEM, **tokens}},
        {"operation": "BatchIsAuthorized", "input": {**store, **both, "entities": shaped["entities"]}},
        {"operation": "BatchIsAuthorizedWithToken", "input": {**store, "requests": [ITEM, ITEM], **tokens}},
        {"operation": "IsAuthorizedWithToken", "input": {**store, **ITEM, "identityToken": "no.token.atall"}},
    )

    assert (single["decision"], single["determiningPolicies"]) == ("ALLOW", [{"policyId": "all"}])
    assert (with_token["decision"], with_token["principal"]) == ("ALLOW", PRINCIPAL)
    assert [result["decision"] for result in batch["results"]] == ["ALLOW", "DENY"]
    assert [result["decision"] for result in batch_with_token["results"]] == ["ALLOW", "ALLOW"]
    assert (refused["error"], refused["fieldList"][0]["path"]) == ("ValidationException", "identityToken")


def test_awss_clients_for_express_have_their_answers(ask, mint):
    """They take tokens in the principal's place, and always send context and entities."""
    ann = {"type": "User", "id": PRINCIPAL["entityId"]}
    questions = [
        ("isAuthorized", ann),
        ("identityToken", {"type": "Token", "id": mint.id_token("ann")}),
        ("accessToken", {"type": "Token", "id": mint.access_token("ann", scope="read write")}),
        ("accessToken", {"type": "Token", "id": mint.access_token("ann", expires_in=-10)}),
    ]
    answers = ask(
        *(
            {
                "callType": call_type,
                "policyStoreId": STORE,
                "request": {"principal": principal, **REQUEST},
                "entities": ENTITIES,
            }
            for call_type, principal in questions
        )
    )

    assert [answer["type"] for answer in answers] == ["deny", "deny", "allow", "error"]
    assert answers[2]["authorizerInfo"] == {"principalUid": ann, "determiningPolicies": ["scoped"]}


def test_the_sdk_for_javascript_manages_a_store(ask):
    """A store with a schema, an identity source, a template, a link and a policy, read back as they were written."""
    (made,) = ask({"operation": "CreatePolicyStore", "input": {"validationSettings": {"mode": "STRICT"}}})
    store = {"policyStoreId": made["policyStoreId"]}
    schema, source, template, policy = ask(
        {"operation": "PutSchema", "input": {**store, "definition": {"cedarJson": json.dumps(SCHEMA)}}},
        {
            "operation": "CreateIdentitySource",
            "input": {**store, "configuration": SOURCE, "principalEntityType": "User"},
        },
        {"operation": "CreatePolicyTemplate", "input": {**store, "statement": TEMPLATE, "name": "name/in"}},
        {
            "operation": "CreatePolicy",
            "input": {**store, "definition": {"static": {"statement": PERMIT.replace("resource.open", "true")}}},
        },
    )
    assert schema["namespaces"] == [""]
    link = {"policyTemplateId": "name/in", "principal": ANN, "resource": TOP}
    (linked,) = ask({"operation": "CreatePolicy", "input": {**store, "definition": {"templateLinked": link}}})
    listed, fetched, told, refused = ask(
        {"operation": "ListPolicies", "input": {**store, "maxResults": 50}},
        {"operation": "BatchGetPolicy", "input": {"requests": [{**store, "policyId": policy["policyId"]}]}},
        {"operation": "GetIdentitySource", "input": {**store, "identitySourceId": source["identitySourceId"]}},
        {"operation": "CreatePolicy", "input": {**store, "definition": {"static": {"statement": PERMIT + PERMIT}}}},
    )

    dates = {item["policyId"]: item["lastUpdatedDate"][:19] for item in listed["policies"]}
    assert dates == {item["policyId"]: item["createdDate"][:19] for item in (policy, linked)}
    assert linked["policyType"] == "TEMPLATE_LINKED"
    (result,) = fetched["results"]
    assert result["definition"]["static"]["statement"].startswith("permit (principal == User")
    assert told["configuration"]["cognitoUserPoolConfiguration"]["clientIds"] == ["client-1"]
    assert (refused["error"], refused["fieldList"][0]["path"]) == ("ValidationException", "definition.static.statement")
    assert template["policyTemplateId"]
