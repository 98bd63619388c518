"""``manage.py avp_sync``: what workers start from, and what it says where it cannot read."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_avp.engines.synced import SyncedEngine
from django_avp.testing.endpoint import Endpoint, Fault
from tests.engines.test_synced import TEMPLATE, add, asking, client, endpoint, store, who

__all__ = ["client", "endpoint", "store", "who"]


def sync(*stores):
    out, err = StringIO(), StringIO()
    call_command("avp_sync", *stores, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_workers_start_from_what_it_has_read(endpoint, client, store, who, settings):
    """It tells what that was, and that a cache of its own serves nobody."""
    settings.AVP_POLICY_STORE_ID = store
    template = client.create_policy_template(policyStoreId=store, statement=TEMPLATE)["policyTemplateId"]
    uid = {"entityType": "PhotoFlash::User", "entityId": "x"}
    client.create_policy(
        policyStoreId=store, definition={"templateLinked": {"policyTemplateId": template, "principal": uid}}
    )
    out, err = sync()
    assert out == (
        f"{store}: 2 policies, 1 of them linked to 1 templates; schema: yes; user pool: eu-west-1_AbCdEf123\n"
    )
    assert "The cache 'default' is this process's own" in err
    engine = SyncedEngine()
    with endpoint.failing(Fault(is_hung=True)):
        assert engine.decide(asking(store, who()))[0]
    engine.close()


def test_a_shared_cache_is_not_warned_about(store, settings, tmp_path):
    """Several stores can be named."""
    backend = {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(tmp_path)}
    settings.CACHES = {**settings.CACHES, "shared": backend}
    settings.AVP_CACHE = "shared"
    out, err = sync(store, store)
    assert (out.count("1 policies"), err) == (2, "")


def test_a_store_without_an_identity_source_is_read(store, client):
    """It takes no token, which the line says."""
    (source,) = client.list_identity_sources(policyStoreId=store)["identitySources"]
    client.delete_identity_source(policyStoreId=store, identitySourceId=source["identitySourceId"])
    assert sync(store)[0].endswith("user pool: none\n")


def test_a_store_that_cannot_be_read_does_not_keep_the_others_from_it(store):
    """It is told at the end, and the command fails; as JSON the report is for programs."""
    out = StringIO()
    with pytest.raises(CommandError, match="^nowhere: ResourceNotFoundException"):
        call_command("avp_sync", "nowhere", store, "--format=json", stdout=out, stderr=StringIO())
    assert json.loads(out.getvalue()) == [
        {
            "store": store,
            "policies": 1,
            "linked": 0,
            "templates": 0,
            "schema": True,
            "user_pool": "eu-west-1_AbCdEf123",
        }
    ]


def test_what_has_not_changed_is_not_fetched_again(store, endpoint, monkeypatch):
    """The workers' last reading is where it begins."""
    monkeypatch.setattr("django_avp.engines.synced.pulling._SETTLING", timedelta(0))
    sync(store)
    endpoint.calls.clear()
    sync(store)
    assert [call.operation for call in endpoint.calls].count("BatchGetPolicy") == 0


def test_what_it_lacks_is_told(store, client, endpoint, settings):
    """The store, its name, permissions, and policies that cannot be used."""
    settings.AVP_POLICY_STORE_ID = lambda request: store
    with pytest.raises(CommandError, match="AVP_POLICY_STORE_ID is a callable"):
        sync()
    settings.AVP_POLICY_STORE_ID = None
    with pytest.raises(CommandError, match="AVP_POLICY_STORE_ID is missing"):
        sync()
    with pytest.raises(CommandError, match="nowhere: ResourceNotFoundException. There is no such policy store"):
        sync("nowhere")
    with endpoint.failing(Fault("AccessDeniedException")), pytest.raises(CommandError, match="ListPolicies"):
        sync(store)
    add(client, store, 'permit (principal, action, resource) when { unknown("x") };', name="name/odd")
    with pytest.raises(CommandError, match="odd:1"):
        sync(store)


def test_it_needs_no_answer_of_a_dead_endpoint(store, settings):
    """A service that is not there is told within the time of its attempts."""
    with Endpoint() as gone:
        url = gone.url
    settings.AVP_CLIENT_OPTIONS = {**settings.AVP_CLIENT_OPTIONS, "endpoint_url": url}
    with pytest.raises(CommandError, match="EndpointConnectionError"):
        sync(store)


def test_an_identity_source_that_is_not_the_sites_is_told(store, client, settings):
    """It would refuse every token; what was read is there all the same."""
    settings.AVP_PRINCIPAL_TYPE = "Person"
    with pytest.raises(CommandError, match=r"AVP_PRINCIPAL_TYPE.*PhotoFlash::User"):
        sync(store)
    settings.AVP_PRINCIPAL_TYPE = "User"
    settings.AVP_GROUP_TYPE = "Team"
    with pytest.raises(CommandError, match=r"AVP_GROUP_TYPE.*PhotoFlash::Group"):
        sync(store)
    settings.AVP_GROUP_TYPE = "Group"
    settings.AVP_USER_POOLS = {"eu-west-1_Another00": None}
    with pytest.raises(CommandError, match=r"AVP_USER_POOLS.*eu-west-1_AbCdEf123"):
        sync(store)
