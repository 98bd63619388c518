"""The local endpoint's operations on policies, templates, schemas, identity sources and policy stores."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from django_avp.testing.endpoint import Endpoint
from tests.testing.aws import conforming_client

PERMIT = 'permit (principal == User::"p|ann", action == Action::"Read", resource) when { resource.open };'
TEMPLATE = 'permit (principal == ?principal, action in [Action::"Read"], resource in ?resource);'
ANN = {"entityType": "User", "entityId": "p|ann"}
TOP = {"entityType": "Folder", "entityId": "top"}
FILE = {"entityType": "File", "entityId": "1"}
READ = {"actionType": "Action", "actionId": "Read"}
SCHEMA = {
    "": {
        "entityTypes": {
            "Group": {},
            "User": {"memberOfTypes": ["Group"]},
            "Folder": {},
            "File": {
                "memberOfTypes": ["Folder"],
                "shape": {"type": "Record", "attributes": {"open": {"type": "Boolean"}}},
            },
        },
        "actions": {"Read": {"appliesTo": {"principalTypes": ["User"], "resourceTypes": ["File"]}}},
    }
}
POOL_ARN = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbCdEf123"
SOURCE = {
    "cognitoUserPoolConfiguration": {
        "userPoolArn": POOL_ARN,
        "clientIds": ["client-1"],
        "groupConfiguration": {"groupEntityType": "Group"},
    }
}


@pytest.fixture(scope="module")
def endpoint(mint):
    with Endpoint(jwks=mint.jwks) as endpoint:
        yield endpoint


@pytest.fixture
def client(endpoint):
    return conforming_client(endpoint.url)


@pytest.fixture
def store(client):
    """A store of its own for each test."""
    return client.create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]


def refusal(call, **arguments):
    """The code of an error, and what it is about."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    told = response.get("resourceType") or [field["path"] for field in response.get("fieldList", ())]
    return response["Error"]["Code"], told


def static(statement=PERMIT, **members):
    return {"static": {"statement": statement, **members}}


def linked(template_id, **values):
    return {"templateLinked": {"policyTemplateId": template_id, **values}}


# Policies


def test_a_static_policy_is_kept_as_it_was_written(client, store):
    """Text, description and name; its scope is told beside them."""
    made = client.create_policy(policyStoreId=store, definition=static(description="Of Ann."), name="name/read/open")
    assert (made["effect"], made["principal"], made["actions"]) == ("Permit", ANN, [READ])
    assert "resource" not in made
    for identifier in (made["policyId"], "name/read/open"):
        told = client.get_policy(policyStoreId=store, policyId=identifier)
        assert told["definition"] == static(description="Of Ann.")
        assert (told["policyType"], told["name"]) == ("STATIC", "name/read/open")
        assert told["createdDate"] == told["lastUpdatedDate"] == made["createdDate"]


def test_a_linked_policy_follows_its_template(client, store):
    """It tells the values of the slots, decides as the template says, and is gone with it."""
    template_id = client.create_policy_template(policyStoreId=store, statement=TEMPLATE, description="d")[
        "policyTemplateId"
    ]
    policy = client.create_policy(policyStoreId=store, definition=linked(template_id, principal=ANN, resource=TOP))
    assert (policy["policyType"], policy["principal"], policy["resource"]) == ("TEMPLATE_LINKED", ANN, TOP)
    told = client.get_policy(policyStoreId=store, policyId=policy["policyId"])
    assert told["definition"] == linked(template_id, principal=ANN, resource=TOP)
    entities = {"entityList": [{"identifier": FILE, "parents": [TOP]}]}
    question = {"policyStoreId": store, "principal": ANN, "action": READ, "resource": FILE, "entities": entities}
    answer = client.is_authorized(**question)
    assert (answer["decision"], answer["determiningPolicies"]) == ("ALLOW", [{"policyId": policy["policyId"]}])

    closed = TEMPLATE.replace(";", " when { false };")
    client.update_policy_template(policyStoreId=store, policyTemplateId=template_id, statement=closed, name="name/t")
    assert client.is_authorized(**question)["decision"] == "DENY"
    client.delete_policy_template(policyStoreId=store, policyTemplateId="name/t")
    assert client.list_policies(policyStoreId=store)["policies"] == []
    assert client.list_policy_templates(policyStoreId=store)["policyTemplates"] == []


def test_an_update_keeps_effect_principal_and_resource(client, store):
    """Actions and conditions change, and so does the date."""
    made = client.create_policy(policyStoreId=store, definition=static(), name="name/a")
    where = {"policyStoreId": store, "policyId": made["policyId"]}
    other = PERMIT.replace('"Read"', '"Write"').replace("resource.open", "true")
    changed = client.update_policy(**where, definition=static(other))
    assert changed["actions"] == [{"actionType": "Action", "actionId": "Write"}]
    assert changed["lastUpdatedDate"] > made["lastUpdatedDate"]
    assert client.get_policy(**where)["name"] == "name/a"
    for statement in (
        PERMIT.replace("permit", "forbid"),
        PERMIT.replace('== User::"p|ann"', ""),
        PERMIT.replace("resource)", 'resource == File::"1")'),
    ):
        assert refusal(client.update_policy, **where, definition=static(statement)) == (
            "ValidationException",
            ["definition"],
        )
    client.update_policy(**where, name="")
    assert "name" not in client.get_policy(**where)

    template_id = client.create_policy_template(policyStoreId=store, statement=TEMPLATE)["policyTemplateId"]
    link = client.create_policy(policyStoreId=store, definition=linked(template_id, principal=ANN, resource=TOP))
    where["policyId"] = link["policyId"]
    assert refusal(client.update_policy, **where, definition=static())[0] == "ValidationException"
    assert refusal(
        client.update_policy_template,
        policyStoreId=store,
        policyTemplateId=template_id,
        statement=TEMPLATE.replace("permit", "forbid"),
    ) == ("ValidationException", ["statement"])


def test_names_are_unique(client, store):
    """Among policies, and among templates."""
    client.create_policy(policyStoreId=store, definition=static(), name="name/a")
    other = client.create_policy(policyStoreId=store, definition=static(), name="name/b")["policyId"]
    taken = {"policyStoreId": store, "name": "name/a"}
    assert refusal(client.create_policy, **taken, definition=static())[0] == "ConflictException"
    assert refusal(client.update_policy, **taken, policyId=other)[0] == "ConflictException"
    client.create_policy_template(**taken, statement=TEMPLATE)
    assert refusal(client.create_policy_template, **taken, statement=TEMPLATE)[0] == "ConflictException"
    for name in ("a", "name/", "name/ä", "name/" + "x" * 146):
        assert refusal(client.create_policy, policyStoreId=store, definition=static(), name=name) == (
            "ValidationException",
            ["name"],
        )


def test_policies_are_fetched_by_the_hundred(client, store):
    """What is missing is told one by one."""
    made = client.create_policy(policyStoreId=store, definition=static())["policyId"]
    answer = client.batch_get_policy(
        requests=[
            {"policyStoreId": store, "policyId": made},
            {"policyStoreId": store, "policyId": "gone"},
            {"policyStoreId": "nowhere", "policyId": made},
        ]
    )
    assert [result["definition"] for result in answer["results"]] == [static()]
    assert [error["code"] for error in answer["errors"]] == ["POLICY_NOT_FOUND", "POLICY_STORE_NOT_FOUND"]
    many = [{"policyStoreId": store, "policyId": made}] * 101
    assert refusal(client.batch_get_policy, requests=many) == ("ValidationException", ["requests"])
    assert len(client.batch_get_policy(requests=many[:100])["results"]) == 100


def test_listings_are_filtered(client, store):
    """By principal, resource, type and template; no statement is in them."""
    template_id = client.create_policy_template(policyStoreId=store, statement=TEMPLATE)["policyTemplateId"]
    link = client.create_policy(policyStoreId=store, definition=linked(template_id, principal=ANN, resource=TOP))
    own = client.create_policy(policyStoreId=store, definition=static(description="d"))
    free = client.create_policy(policyStoreId=store, definition=static("forbid (principal, action, resource);"))
    of_ann, in_top = {"principal": {"identifier": ANN}}, {"resource": {"identifier": TOP}}
    for wanted, found in [
        (of_ann, [link, own]),
        (in_top, [link]),
        (of_ann | in_top, [link]),
        ({"principal": {"unspecified": True}}, [free]),
        ({"resource": {"unspecified": False}}, [link]),
        ({"policyType": "STATIC"}, [own, free]),
        ({"policyTemplateId": template_id}, [link]),
        ({}, [link, own, free]),
    ]:
        listed = client.list_policies(policyStoreId=store, filter=wanted)["policies"]
        assert {policy["policyId"] for policy in listed} == {policy["policyId"] for policy in found}
    (listed,) = client.list_policies(policyStoreId=store, filter={**of_ann, "policyType": "STATIC"})["policies"]
    assert listed["definition"] == {"static": {"description": "d"}}
    assert refusal(client.list_policies, policyStoreId=store, filter={"policyType": "OTHER"}) == (
        "ValidationException",
        ["filter.policyType"],
    )
    assert refusal(client.list_policies, policyStoreId=store, filter={"principal": {"unspecified": "x"}})[1] == [
        "filter.principal.unspecified"
    ]


def test_listings_come_in_pages(client, store):
    """Ten at a time, or up to fifty; botocore's own paginator reads them."""
    made = {client.create_policy(policyStoreId=store, definition=static())["policyId"] for _ in range(23)}
    assert len(client.list_policies(policyStoreId=store)["policies"]) == 10
    pages = list(client.get_paginator("list_policies").paginate(policyStoreId=store, maxResults=10))
    assert [len(page["policies"]) for page in pages] == [10, 10, 3]
    assert {policy["policyId"] for page in pages for policy in page["policies"]} == made
    assert len(client.list_policies(policyStoreId=store, maxResults=50)["policies"]) == 23
    for most in (0, 51, "x"):
        assert refusal(client.list_policies, policyStoreId=store, maxResults=most)[1] == ["maxResults"]
    for token in ("é", 7):
        assert refusal(client.list_policies, policyStoreId=store, nextToken=token)[1] == ["nextToken"]


def test_deleting_what_is_gone_succeeds(client, store):
    """By id or by name, twice."""
    made = client.create_policy(policyStoreId=store, definition=static(), name="name/a")["policyId"]
    kept = client.create_policy(policyStoreId=store, definition=static())["policyId"]
    for identifier in ("name/a", "name/a", made):
        client.delete_policy(policyStoreId=store, policyId=identifier)
    assert [policy["policyId"] for policy in client.list_policies(policyStoreId=store)["policies"]] == [kept]


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        (static("permit (principal, action, resource)"), "definition.static.statement"),
        (static(PERMIT * 2), "definition.static.statement"),
        (static(""), "definition.static.statement"),
        (static(TEMPLATE), "definition.static.statement"),
        (static(description="x" * 151), "definition.static.description"),
        ({**static(), **linked("t")}, "definition"),
        ({}, "definition"),
    ],
)  # fmt: skip
def test_policies_out_of_shape_are_refused(client, store, definition, path):
    """By the path of what is wrong."""
    assert refusal(client.create_policy, policyStoreId=store, definition=definition) == ("ValidationException", [path])


def test_links_fill_the_slots_of_their_template(client, store):
    """All of them and no other."""
    template_id = client.create_policy_template(policyStoreId=store, statement=TEMPLATE)["policyTemplateId"]
    for values in ({}, {"principal": ANN}, {"principal": ANN, "resource": {"entityType": "Folder"}}):
        refused = refusal(client.create_policy, policyStoreId=store, definition=linked(template_id, **values))
        assert refused[0] == "ValidationException"
    assert refusal(client.create_policy, policyStoreId=store, definition=linked("gone")) == (
        "ResourceNotFoundException",
        "POLICY_TEMPLATE",
    )
    assert refusal(client.create_policy_template, policyStoreId=store, statement=PERMIT) == (
        "ValidationException",
        ["statement"],
    )


def test_brackets_that_would_end_the_process_are_refused(client, store):
    """Cedar's parser runs out of stack."""
    deep = f"permit (principal, action, resource) when {{ {'(' * 4000}true{')' * 4000} }};"
    assert refusal(client.create_policy, policyStoreId=store, definition=static(deep)) == (
        "ValidationException",
        ["definition.static.statement"],
    )


def test_sizes_and_numbers_are_limited(client, store):
    """A policy's bytes, and the templates of a store."""
    long = PERMIT.replace("resource.open", " && ".join(["resource.open"] * 800))
    assert refusal(client.create_policy, policyStoreId=store, definition=static(long)) == (
        "ServiceQuotaExceededException",
        "POLICY",
    )
    for _ in range(40):
        client.create_policy_template(policyStoreId=store, statement=TEMPLATE)
    assert refusal(client.create_policy_template, policyStoreId=store, statement=TEMPLATE) == (
        "ServiceQuotaExceededException",
        "POLICY_TEMPLATE",
    )


def test_templates_are_told_with_their_text(client, store):
    """By id or name; a listing has all but the text."""
    made = client.create_policy_template(policyStoreId=store, statement=TEMPLATE, name="name/t", description="d")
    told = client.get_policy_template(policyStoreId=store, policyTemplateId="name/t")
    assert (told["statement"], told["name"], told["description"]) == (TEMPLATE, "name/t", "d")
    changed = client.update_policy_template(
        policyStoreId=store, policyTemplateId=made["policyTemplateId"], statement=TEMPLATE, description=""
    )
    assert changed["lastUpdatedDate"] > made["lastUpdatedDate"]
    (listed,) = client.list_policy_templates(policyStoreId=store)["policyTemplates"]
    assert "description" not in listed


# Writes that are repeated


def test_a_repeated_write_is_answered_as_before(client, store):
    """The same client token with the same request makes nothing new; with another it is a conflict."""
    arguments = {"policyStoreId": store, "definition": static(), "clientToken": "t-1"}
    first, again = client.create_policy(**arguments), client.create_policy(**arguments)
    assert first["policyId"] == again["policyId"]
    assert len(client.list_policies(policyStoreId=store)["policies"]) == 1
    # What was deleted since then is not made again: a token is for one attempt.
    client.delete_policy(policyStoreId=store, policyId=first["policyId"])
    assert client.create_policy(**arguments)["policyId"] == first["policyId"]
    assert client.list_policies(policyStoreId=store)["policies"] == []
    other = {**arguments, "definition": static("forbid (principal, action, resource);")}
    assert refusal(client.create_policy, **other)[0] == "ConflictException"


def test_a_client_token_is_of_one_store_that_is_made(client):
    """Another description is another store, which the token does not make."""
    arguments = {"validationSettings": {"mode": "OFF"}, "clientToken": "one-store"}
    first, again = client.create_policy_store(**arguments), client.create_policy_store(**arguments)
    assert first["policyStoreId"] == again["policyStoreId"]
    assert refusal(client.create_policy_store, **arguments, description="Another.")[0] == "ConflictException"


# Schemas


def test_a_schema_is_kept_as_it_was_written(client, store):
    """And removed by an empty one."""
    assert refusal(client.get_schema, policyStoreId=store) == ("ResourceNotFoundException", "SCHEMA")
    text = json.dumps(SCHEMA)
    put = client.put_schema(policyStoreId=store, definition={"cedarJson": text})
    told = client.get_schema(policyStoreId=store)
    assert (told["schema"], told["namespaces"], put["namespaces"]) == (text, [""], [""])
    assert client.put_schema(policyStoreId=store, definition={"cedarJson": text})["createdDate"] == put["createdDate"]
    client.put_schema(policyStoreId=store, definition={"cedarJson": "{}"})
    assert refusal(client.get_schema, policyStoreId=store)[0] == "ResourceNotFoundException"
    for wrong in ("entity User;", '{"N": {}}', 7, "x" * 100_001):
        assert refusal(client.put_schema, policyStoreId=store, definition={"cedarJson": wrong}) == (
            "ValidationException",
            ["definition.cedarJson"],
        )


def test_validation_holds_what_is_written_against_the_schema(client):
    """``STRICT`` refuses everything without a schema; what is there already stays when the schema changes."""
    store = client.create_policy_store(validationSettings={"mode": "STRICT"})["policyStoreId"]
    path = ["definition.static.statement"]
    assert refusal(client.create_policy, policyStoreId=store, definition=static()) == ("ValidationException", path)
    client.put_schema(policyStoreId=store, definition={"cedarJson": json.dumps(SCHEMA)})
    client.create_policy(policyStoreId=store, definition=static(PERMIT.replace("resource.open", "true")))
    # The attribute is not a required one.
    assert refusal(
        client.create_policy,
        policyStoreId=store,
        definition=static(PERMIT.replace("resource.open", "resource.size > 1")),
    ) == ("ValidationException", path)
    wrong = TEMPLATE.replace('"Read"', '"Fly"')
    assert refusal(client.create_policy_template, policyStoreId=store, statement=wrong)[1] == ["statement"]
    assert client.create_policy_template(policyStoreId=store, statement=TEMPLATE)


# Identity sources


def test_an_identity_source_makes_principals_of_tokens(client, store, mint):
    """Types, client ids and groups are its own; without one no token is taken."""
    question = {"policyStoreId": store, "action": READ, "resource": FILE}
    token = {"identityToken": mint.id_token("ann", groups=["staff"])}
    assert refusal(client.is_authorized_with_token, **question, **token) == ("ValidationException", ["policyStoreId"])
    made = client.create_identity_source(policyStoreId=store, configuration=SOURCE, principalEntityType="Person")
    where = {"policyStoreId": store, "identitySourceId": made["identitySourceId"]}
    answer = client.is_authorized_with_token(**question, **token)
    assert answer["principal"] == {"entityType": "Person", "entityId": "eu-west-1_AbCdEf123|ann"}
    told = client.get_identity_source(**where)
    assert told["principalEntityType"] == "Person"
    assert told["configuration"]["cognitoUserPoolConfiguration"] == {
        **SOURCE["cognitoUserPoolConfiguration"],
        "issuer": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123",
    }
    in_staff = 'permit (principal in Group::"eu-west-1_AbCdEf123|staff", action, resource);'
    client.create_policy(policyStoreId=store, definition=static(in_staff))
    assert client.is_authorized_with_token(**question, **token)["decision"] == "ALLOW"

    bare = {"cognitoUserPoolConfiguration": {"userPoolArn": POOL_ARN}}
    changed = client.update_identity_source(**where, updateConfiguration=bare)
    assert changed["lastUpdatedDate"] > made["lastUpdatedDate"]
    told = client.get_identity_source(**where)
    assert told["principalEntityType"] == "Person"
    assert "groupConfiguration" not in told["configuration"]["cognitoUserPoolConfiguration"]
    # The group type is the service's own now, and every client's tokens are taken.
    token = {"identityToken": mint.id_token("ann", groups=["staff"], client_id="another")}
    assert client.is_authorized_with_token(**question, **token)["decision"] == "DENY"


def test_a_store_has_one_identity_source(client, store):
    """It is listed, found by the type of its principals, and deleted."""
    arguments = {"policyStoreId": store, "configuration": SOURCE, "principalEntityType": "User"}
    made = client.create_identity_source(**arguments)["identitySourceId"]
    assert refusal(client.create_identity_source, **arguments) == ("ServiceQuotaExceededException", "IDENTITY_SOURCE")
    where = {"policyStoreId": store, "identitySourceId": made}
    for filters, found in ([], 1), ([{"principalEntityType": "User"}], 1), ([{"principalEntityType": "Other"}], 0):
        assert len(client.list_identity_sources(policyStoreId=store, filters=filters)["identitySources"]) == found
    assert refusal(client.get_identity_source, policyStoreId=store, identitySourceId="other")[1] == "IDENTITY_SOURCE"
    client.delete_identity_source(**where)
    assert refusal(client.delete_identity_source, **where) == ("ResourceNotFoundException", "IDENTITY_SOURCE")
    assert client.list_identity_sources(policyStoreId=store)["identitySources"] == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"userPoolArn": "arn:aws:s3:::bucket"}, "configuration.cognitoUserPoolConfiguration.userPoolArn"),
        ({"clientIds": [7]}, "configuration.cognitoUserPoolConfiguration.clientIds"),
        (
            {"groupConfiguration": {"groupEntityType": 7}},
            "configuration.cognitoUserPoolConfiguration.groupConfiguration.groupEntityType",
        ),
    ],
)  # fmt: skip
def test_identity_sources_out_of_shape_are_refused(client, store, change, path):
    """By the path of what is wrong; and so is what this endpoint does not have."""
    configuration = {"cognitoUserPoolConfiguration": {**SOURCE["cognitoUserPoolConfiguration"], **change}}
    arguments = {"policyStoreId": store, "principalEntityType": "User"}
    create = client.create_identity_source
    assert refusal(create, **arguments, configuration=configuration) == ("ValidationException", [path])
    other = {"openIdConnectConfiguration": {"issuer": "https://issuer.example"}}
    assert refusal(create, **arguments, configuration=other) == ("ValidationException", ["configuration"])


# Policy stores


def test_policy_stores_come_and_go(client):
    """With their settings; a protected one stays."""
    made = client.create_policy_store(
        validationSettings={"mode": "OFF"}, description="Of tests.", deletionProtection="ENABLED"
    )
    where = {"policyStoreId": made["policyStoreId"]}
    told = client.get_policy_store(**where)
    assert (told["description"], told["deletionProtection"]) == ("Of tests.", "ENABLED")
    assert (told["validationSettings"], told["cedarVersion"]) == ({"mode": "OFF"}, "CEDAR_4")
    assert refusal(client.delete_policy_store, **where)[0] == "InvalidStateException"
    changed = client.update_policy_store(**where, validationSettings={"mode": "STRICT"}, deletionProtection="DISABLED")
    assert changed["lastUpdatedDate"] > made["lastUpdatedDate"]
    told = client.get_policy_store(**where)
    assert (told["validationSettings"], told["description"]) == ({"mode": "STRICT"}, "Of tests.")
    pages = client.get_paginator("list_policy_stores").paginate()
    assert made["policyStoreId"] in [store["policyStoreId"] for page in pages for store in page["policyStores"]]
    for _ in range(2):
        client.delete_policy_store(**where)
    assert refusal(client.get_policy_store, **where) == ("ResourceNotFoundException", "POLICY_STORE")
    assert refusal(client.create_policy_store, validationSettings={"mode": "LAX"})[1] == ["validationSettings.mode"]
    assert refusal(client.create_policy_store)[1] == ["validationSettings"]


def test_every_store_has_its_own_quotas(mint):
    """Ten calls a second of each operation of management."""
    with Endpoint(jwks=mint.jwks, has_quotas=True) as endpoint:
        client = conforming_client(endpoint.url)
        first = client.create_policy_store(validationSettings={"mode": "OFF"})["policyStoreId"]
        assert refusal(client.create_policy_store, validationSettings={"mode": "OFF"})[0] == "ThrottlingException"

        def throttled(store):
            for _ in range(100):
                client.list_policies(policyStoreId=store)

        assert refusal(throttled, store=first)[0] == "ThrottlingException"
        listings = [call.operation for call in endpoint.calls].count("ListPolicies")
        assert listings > 10
        assert client.list_policy_templates(policyStoreId=first)["policyTemplates"] == []
