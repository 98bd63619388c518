"""One question through every door: each engine, with and without a schema, alone and beside others."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack, contextmanager

import cedarpy
import pytest
from django.core.cache import cache
from django.template import Context, Template

from django_avp.authorization import Authorization
from django_avp.cedar import EntityUid
from django_avp.engines.caching import CachingEngine
from django_avp.engines.cedar import CedarEngine
from django_avp.engines.shared_cache import SharedCache
from django_avp.engines.synced import SyncedEngine
from django_avp.engines.verified_permissions import VerifiedPermissionsEngine
from django_avp.exceptions import AuthorizationUnavailable
from django_avp.identity import Identity
from django_avp.policies import load
from django_avp.runtime import runtime
from django_avp.testing.endpoint import Endpoint, PolicyStore
from tests.conftest import POOL
from tests.engines.support import write
from tests.filtering.conftest import item, lists, registered
from tests.processes import PATIENCE

__all__ = ["item", "lists"]

STORE = "PSEXAMPLEabcdefg111111"
ENGINES = ("cedar", "cached", "remote", "synced")
NAMESPACE = "Edge"
ANN = EntityUid(f"{NAMESPACE}::User", f"{POOL}|ann")

engines = pytest.mark.parametrize("kind", ENGINES)
schemas = pytest.mark.parametrize("has_schema", [True, False], ids=["schema", "no schema"])


def raw(policies, schema=None):
    """Asks Cedar itself, with JSON that is written by hand: whether it permits, by which policies, and which erred."""
    static = {}
    for text in policies:
        (policy,) = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values()
        static[policy["annotations"]["id"]] = policy
    document = {"staticPolicies": static, "templates": {}, "templateLinks": []}
    policy_set = cedarpy.PolicySet.from_json_str(json.dumps(document))
    handle = cedarpy.Schema.from_str(schema) if schema else None

    def ask(principal, action, resource, context, entities):
        request = {
            "principal": principal.as_json(),
            "action": {"type": f"{NAMESPACE}::Action", "id": action},
            "resource": resource.as_json(),
            "context": json.dumps(context),
        }
        known = cedarpy.Entities.from_json_str(json.dumps(entities), handle)
        result = cedarpy.is_authorized(request, policy_set, known, handle)
        is_allowed = result.decision is cedarpy.Decision.Allow
        errors = {message.partition("`")[2].partition("`")[0] for message in result.diagnostics.errors}
        return is_allowed, tuple(sorted(result.diagnostics.reasons)), tuple(sorted(errors))

    return ask


def _pulled(engine):
    """Wait until an engine has read its store."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return engine.policies(STORE)
        except AuthorizationUnavailable:
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)


class Doors:
    """A site with policies, in front of one engine."""

    def __init__(self, settings, mint, rf):
        self._settings = settings
        self._mint = mint
        self._rf = rf

    @contextmanager
    def open(self, kind, directory, definitions):
        """Decide by the policies of a directory with an engine of a kind, for a block."""
        settings = self._settings
        settings.AVP_NAMESPACE, settings.AVP_POLICIES, settings.AVP_USER_MODE = NAMESPACE, directory, "token"
        settings.AVP_POLICY_STORE_ID = STORE
        cache.clear()
        with ExitStack() as stack:
            if kind in ("remote", "synced"):
                policies = load([directory])
                store = PolicyStore.holding(policies, policy_store_id=STORE, pool=POOL, client_ids=["client-1"])
                endpoint = stack.enter_context(Endpoint([store], jwks=self._mint.jwks))
                settings.AVP_CLIENT_OPTIONS = {
                    "endpoint_url": endpoint.url,
                    "region_name": "eu-west-1",
                    "aws_access_key_id": "x",
                    "aws_secret_access_key": "x",
                }
            if kind == "cached":
                settings.AVP_CACHE_TTL = 60
                engine = CachingEngine(CedarEngine(), SharedCache("default"))
            else:
                made = {"cedar": CedarEngine, "remote": VerifiedPermissionsEngine, "synced": SyncedEngine}[kind]
                engine = made()
            if kind == "synced":
                stack.callback(engine.close)
                _pulled(engine)
            stack.enter_context(registered(definitions))
            stack.enter_context(runtime.use_engine(engine))
            yield self

    def asking(self, use="id", groups=(), **claims):
        """An authorization of a token with these claims."""
        sign = {"id": self._mint.id_token, "access": self._mint.access_token}[use]
        token = runtime.verifier.verify(sign("ann", groups=groups, **claims))
        return Authorization(Identity.from_tokens(**{f"{use}_token": token}))

    def shown(self, authorization, action, resource, **context):
        """Whether a template shows what ``{% can %}`` is about."""
        request = self._rf.get("/")
        request.avp = authorization
        named = " ".join(f"{name}={name}" for name in context)
        template = Template(f"{{% load avp %}}{{% can action resource {named} %}}yes{{% endcan %}}")
        values = {"request": request, "action": action, "resource": resource, **context}
        return template.render(Context(values)) == "yes"

    def has_perm(self, authorization, action, resource):
        """What ``user.has_perm`` says."""
        self._settings.AVP_PERMISSION_ACTIONS = {f"edges.{action}": action}
        return authorization.user.has_perm(f"edges.{action}", resource)


@pytest.fixture
def doors(db, settings, mint, rf, caplog, patient_caches):
    """A site, of which each engine is asked."""
    caplog.set_level("CRITICAL")
    return Doors(settings, mint, rf)


@pytest.fixture
def policies_in(tmp_path):
    """Write policies, and a schema if there is one."""
    return lambda policies, schema=None: write(tmp_path / "policies", "\n".join(policies), schema)
