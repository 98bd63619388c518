"""The API's site: its policies, its URLs, and clients of REST framework that carry a token."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from rest_framework.test import APIClient, APIRequestFactory

from django_avp.authorization import Authorization
from django_avp.identity import Identity
from tests.testapp.models import Photo


@pytest.fixture(autouse=True)
def api_site(settings, db):
    """Decide by the policies beside this file."""
    settings.AVP_POLICIES = Path(__file__).parent / "policies"
    settings.ROOT_URLCONF = "tests.rest_framework.api"


@pytest.fixture
def make_api(mint):
    """Make clients that send an ID token: ``make_api("ann", "editors")``."""

    def make(sub, *groups, **claims):
        client = APIClient(enforce_csrf_checks=True)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {mint.id_token(sub=sub, groups=list(groups), **claims)}")
        return client

    return make


@pytest.fixture
def photos(user):
    """Thirty photos of ann's, every other one public."""
    ann = user("ann")
    return [Photo.objects.create(title=f"photo {n}", owner=ann, is_public=n % 2 == 0) for n in range(30)]


@pytest.fixture
def request_of(user):
    """A request that the middleware has identified, or that has no token (``None``)."""

    def make(sub, method="get", data=None, **given):
        request = getattr(APIRequestFactory(), method)("/", data)
        identity = Identity.from_claims({"sub": sub, "aud": "client-1"}) if sub else None
        request.avp = Authorization(identity, request=request, **given)
        request.user = request.avp.user or AnonymousUser()
        return request

    return make
