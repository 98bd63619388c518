"""What the tests of pulling and pushing share: requests, what a store allows of them, and the commands."""

from __future__ import annotations

import functools
import json
from io import StringIO
from itertools import product

import cedarpy
from django.core.management import call_command

from django_avp.deployment.items import Item, Kind, State
from django_avp.deployment.statements import as_item
from django_avp.policies import Statement

OPTIONS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}

ENTITIES = [
    {"uid": {"type": "G", "id": "staff"}, "attrs": {}, "parents": []},
    {"uid": {"type": "U", "id": "ann"}, "attrs": {"level": 1}, "parents": [{"type": "G", "id": "staff"}]},
    {"uid": {"type": "U", "id": "bob"}, "attrs": {"level": 2}, "parents": []},
    {"uid": {"type": "F", "id": "top"}, "attrs": {"open": False}, "parents": []},
    {"uid": {"type": "F", "id": "1"}, "attrs": {"open": True}, "parents": [{"type": "F", "id": "top"}]},
    # An attribute that is not there lets the policies that read it err.
    {"uid": {"type": "F", "id": "2"}, "attrs": {}, "parents": []},
    {"uid": {"type": "Action", "id": "read"}, "attrs": {}, "parents": [{"type": "Action", "id": "any"}]},
    {"uid": {"type": "Action", "id": "write"}, "attrs": {}, "parents": [{"type": "Action", "id": "any"}]},
    {"uid": {"type": "Action", "id": "any"}, "attrs": {}, "parents": []},
]
HANDLE = cedarpy.Entities.from_json_str(json.dumps(ENTITIES))
REQUESTS = [
    {
        "principal": {"type": "U", "id": user},
        "action": {"type": "Action", "id": action},
        "resource": {"type": "F", "id": file},
        "context": {"mfa": mfa},
    }
    for user, action, file, mfa in product(("ann", "bob"), ("read", "write"), ("1", "2"), (False, True))
]


def allowed_by(policy_set, requests=REQUESTS, entities=HANDLE, schema=None):
    """The numbers of the requests that a policy set allows."""
    results = cedarpy.is_authorized_batch(requests, policy_set, entities, schema)
    return {number for number, result in enumerate(results) if result.decision is cedarpy.Decision.Allow}


@functools.lru_cache(maxsize=50_000)
def _cedar(text):
    document = json.loads(cedarpy.policies_to_json_str(text))
    (policy,) = (*document["staticPolicies"].values(), *document["templates"].values())
    return policy


def allowed_in(state):
    """The numbers of the requests that a state allows."""
    return allowed_by(policy_set_of(state))


def policy_set_of(state):
    """The policies, templates and links of a state, as Cedar evaluates them."""
    links = [
        {
            "newId": item.id,
            "templateId": f"template {item.template}",
            "values": {slot: {"type": kind, "id": uid} for slot, kind, uid in item.values},
        }
        for item in state.policies.values()
        if item.kind is Kind.LINK
    ]
    static = {item.id: _cedar(item.text) for item in state.policies.values() if item.text}
    templates = {f"template {item.id}": _cedar(item.text) for item in state.templates.values()}
    document = {"staticPolicies": static, "templates": templates, "templateLinks": links}
    return cedarpy.PolicySet.from_json_str(json.dumps(document))


def state(text, links=(), schema=None):
    """A state of statements, one a line, and of links ``(id, template, {slot: (type, id)})``."""
    policies, templates = {}, {}
    for line in filter(None, map(str.strip, text.splitlines())):
        item = as_item(Statement(__file__, 1, line))
        (templates if item.kind is Kind.TEMPLATE else policies)[item.id] = item
    for link_id, template, values in links:
        filled = tuple(sorted((slot, *value) for slot, value in values.items()))
        policies[link_id] = Item(Kind.LINK, link_id, templates[template].effect, template=template, values=filled)
    return State(policies, templates, schema)


def write(directory, state, schema=None):
    """Write a state as the files of a directory, in the place of what is there."""
    directory.mkdir(exist_ok=True)
    for path in directory.iterdir():
        path.unlink()
    statements = [item.text for item in (*state.templates.values(), *state.policies.values()) if item.text]
    (directory / "policies.cedar").write_text("\n\n".join(statements) + "\n")
    links = [
        {
            "newId": item.id,
            "templateId": item.template,
            "values": {slot: {"type": kind, "id": uid} for slot, kind, uid in item.values},
        }
        for item in state.policies.values()
        if item.kind is Kind.LINK
    ]
    if links:
        (directory / "template-links.json").write_text(json.dumps(links))
    if schema:
        (directory / "schema.cedarschema").write_text(schema)
    return directory


def push(directory, *options, settle=0, yes=True):
    """Run ``avp_push``; what it wrote to both streams."""
    return _run("avp_push", directory, *options, f"--settle={settle}", *(["--yes"] if yes else []))


def pull(directory, *options, yes=True):
    """Run ``avp_pull``; what it wrote to both streams."""
    return _run("avp_pull", directory, *options, *(["--yes"] if yes else []))


def _run(name, directory, *options):
    out, err = StringIO(), StringIO()
    try:
        call_command(name, str(directory), *options, stdout=out, stderr=err)
    except BaseException as error:
        error.written = (out.getvalue(), err.getvalue())
        raise
    return out.getvalue(), err.getvalue()


def texts(directory):
    """Every file of a directory."""
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}
