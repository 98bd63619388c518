"""A policy store behind the local endpoint for each test, and the settings that name it."""

from __future__ import annotations

import pytest

from django_avp.testing.endpoint import Endpoint
from tests.deployment.support import OPTIONS
from tests.testing.aws import conforming_client


@pytest.fixture(scope="session")
def shared_endpoint(mint):
    with Endpoint(jwks=mint.jwks) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(shared_endpoint):
    shared_endpoint.calls.clear()
    return shared_endpoint


@pytest.fixture
def client(endpoint):
    """What others write with; every answer is held against the API's model."""
    return conforming_client(endpoint.url)


@pytest.fixture
def make_store(client):
    """Make stores of a test's own."""

    def make(mode="OFF"):
        return client.create_policy_store(validationSettings={"mode": mode})["policyStoreId"]

    return make


@pytest.fixture
def store(make_store, endpoint, settings, monkeypatch):
    """The store of the settings, without a quota of calls."""
    # The quota has its own tests; here it would only make everything wait.
    monkeypatch.setattr("django_avp.engines.synced.calling._RATE", 100_000)
    settings.AVP_CLIENT_OPTIONS = {**OPTIONS, "endpoint_url": endpoint.url}
    settings.AVP_POLICY_STORE_ID = make_store()
    endpoint.calls.clear()
    return settings.AVP_POLICY_STORE_ID


@pytest.fixture
def content(endpoint, store):
    """What the store has now, as the endpoint evaluates it."""
    return lambda: endpoint._service.stores[store].content


@pytest.fixture
def directory(tmp_path):
    """Where the policies of a test are."""
    return tmp_path / "policies"
