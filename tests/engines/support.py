"""What the tests of engines share: policy files on disk, and batches without a request."""

from __future__ import annotations

from django_avp.cedar import Check, EntityUid
from django_avp.engines.base import Batch
from django_avp.identity import Identity
from django_avp.policies import load
from django_avp.values import to_json, to_value

SCHEMA = """
namespace PhotoFlash {
  entity Group;
  entity User in [Group] = { email?: String, level?: Long };
  entity Album in [Album] = { open: Bool };
  entity Photo in [Album] = { public: Bool, title?: String, album?: Album };
  action "ReadOnly";
  action "View" in ["ReadOnly"] appliesTo {
    principal: User, resource: Photo, context: { mfa?: Bool, token?: { scope?: Set<String>, client_id?: String } }
  };
  action "Edit" appliesTo { principal: User, resource: [Photo, Album] };
}
"""


def photo(number):
    """A photo's id."""
    return EntityUid("PhotoFlash::Photo", str(number))


def action(name):
    """An action's id."""
    return EntityUid("PhotoFlash::Action", name)


def check(name="View", resource=None, **context):
    """A check on a photo."""
    return Check(action(name), resource or photo(1), to_json(to_value(context)))


def identity(**claims):
    """A user with an ID token's claims; ``cognito:groups`` is ``groups``."""
    return Identity.from_claims({"sub": "ann", "cognito:groups": claims.pop("groups", []), **claims})


def batch(*questions, who=None):
    """A batch of pairs: a check and the entities of its world."""
    return Batch(
        who or identity(),
        tuple(question for question, _ in questions),
        tuple(tuple(world) for _, world in questions),
    )


def write(directory, policies, schema=SCHEMA):
    """Write policies, and a schema unless it is ``None``."""
    directory.mkdir(exist_ok=True)
    (directory / "policies.cedar").write_text(policies)
    if schema is not None:
        (directory / "schema.cedarschema").write_text(schema)
    return directory


def parsed(directory, policies, schema=SCHEMA):
    """Parsed policies."""
    return load([write(directory, policies, schema)])
