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

from tests.testing.test_endpoint import FILE, FOLDERS, ITEM, PRINCIPAL, STORE, endpoint, no_namespace

__all__ = ["endpoint", "no_namespace"]

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
