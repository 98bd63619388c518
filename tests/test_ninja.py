"""Django Ninja: who asks, and gates for operations, sync and async."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.urls import path
from ninja import NinjaAPI, Router
from ninja.security import APIKeyHeader

from django_avp.exceptions import AuthorizationUnavailable, PolicyError
from django_avp.ninja import CognitoAuth, action_required, add_exception_handlers
from django_avp.responses import UNIDENTIFIED
from django_avp.runtime import runtime
from tests.conftest import TokenAsyncClient
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db(transaction=True)

POOL = "eu-west-1_AbCdEf123"


class Key(APIKeyHeader):
    """Another way to authenticate."""

    param_name = "X-Key"

    def authenticate(self, request, key):
        return key if key == "good" else None


def make_api(name, prepare, auth=None):
    """An API with operations of every kind."""
    api = NinjaAPI(urls_namespace=name, auth=auth or CognitoAuth(), openapi_url="openapi.json")
    prepare(api)
    router = Router()

    @api.get("/me")
    def me(request) -> dict:
        return {"principal": request.auth if isinstance(request.auth, str) else request.auth.principal.id}

    @api.get("/photos/{pk}")
    @action_required("ViewPhoto", resource=(Photo, "pk"), also=["EditPhoto"])
    def photo(request, pk: int) -> dict:
        return {"edit": bool(request.avp.can("EditPhoto", Photo.objects.get(pk=pk))), "rounds": len(request.avp.rounds)}

    @router.get("/photos/{pk}", auth=None)
    @action_required("EditPhoto", resource=lambda request, pk: Photo.objects.filter(pk=pk).first(), raise_404=True)
    async def aphoto(request, pk: int) -> dict:
        found = await Photo.objects.aget(pk=pk)
        return {"edit": bool(await request.avp.acan("EditPhoto", found)), "rounds": len(request.avp.rounds)}

    @api.post("/moderate")
    @action_required("Moderate")
    def moderate(request, note: int) -> dict:
        return {"note": note}

    @api.get("/require/{pk}")
    def require(request, pk: int) -> dict:
        request.avp.require("EditPhoto", Photo.objects.get(pk=pk))
        return {}

    @api.get("/broken")
    def broken(request) -> dict:
        raise PolicyError("photos.cedar:1: broken")

    api.add_router("/async", router)
    return api


urlpatterns = [
    path("api/", make_api("handled", add_exception_handlers).urls),
    path("bare/", make_api("bare", lambda api: None).urls),
    path("several/", make_api("several", add_exception_handlers, [CognitoAuth(), Key()]).urls),
]


@pytest.fixture(autouse=True)
def site(site):
    """Its URLs."""
    site.ROOT_URLCONF = "tests.test_ninja"
    return site


class Unreachable:
    """An engine that does not answer."""

    def decide(self, batch):
        raise AuthorizationUnavailable

    async def adecide(self, batch):
        raise AuthorizationUnavailable


def test_who_asks(make_client):
    """``request.auth`` is the identity; without a token, and with one that does not hold, it is 401."""
    assert make_client("ann").get("/api/me").json() == {"principal": f"{POOL}|ann"}
    nobody = Client().get("/api/me")
    assert (nobody.status_code, nobody.json()["code"], nobody["WWW-Authenticate"]) == (401, "unidentified", "Bearer")
    expired = make_client("ann", expires_in=-1).get("/api/me")
    assert (expired.status_code, expired["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert Client().get("/bare/me").status_code == 401


def test_who_has_no_token_of_ours_is_left_to_the_authentication_after_it(make_client, mint):
    """Without a token and with one of others, a key passes, and without it they are 401; a token is asked first."""
    foreign = {"Authorization": f"Bearer {mint.id_token(sub='ann', iss='https://login.example')}"}
    for headers in ({}, foreign):
        passed = Client().get("/several/me", headers={**headers, "X-Key": "good"})
        assert (passed.status_code, passed.json()) == (200, {"principal": "good"})
        refused = Client().get("/several/me", headers={**headers, "X-Key": "bad"})
        alone = Client().get("/api/me", headers=headers)
        assert refused.status_code == alone.status_code == 401
        assert refused.json() == alone.json() == UNIDENTIFIED
        assert refused["WWW-Authenticate"] == alone["WWW-Authenticate"]
    assert make_client("ann").get("/several/me", headers={"X-Key": "good"}).json() == {"principal": f"{POOL}|ann"}


def test_a_token_of_ours_that_does_not_hold_is_refused_whatever_stands_after_it(make_client, user):
    """An expired one is 401 with its challenge, and a deactivated user 403, with a good key, too."""
    key = {"X-Key": "good"}
    expired = make_client("ann", expires_in=-1).get("/several/me", headers=key)
    assert (expired.status_code, expired["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    ann = user("ann")
    ann.is_active = False
    ann.save()
    assert make_client("ann").get("/several/me", headers=key).status_code == 403


def test_b6_a_deactivated_user_is_403(make_client, user):
    """As everywhere."""
    ann = user("ann")
    ann.is_active = False
    ann.save()
    assert make_client("ann").get("/api/me").status_code == 403


def test_keys_that_cannot_be_fetched_are_503(site, make_client, photo):
    """With and without a gate."""
    client = make_client("ann")
    site.AVP_JWKS = None
    site.AVP_JWKS_URL = "http://127.0.0.1:9/jwks.json"
    assert client.get("/api/me").status_code == 503
    assert client.get(f"/api/photos/{photo.pk}").status_code == 503


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("prefix", ["api", "bare"])
def test_a_gate_is_passed_or_answered_as_json(site, make_client, photo, prefix, debug):
    """The owner passes in one round, others get 403 or 404, nobody 401, and 503 if nothing is decided."""
    site.DEBUG = debug
    address = f"/{prefix}/photos/{photo.pk}"
    assert make_client("ann").get(address).json() == {"edit": True, "rounds": 1}
    refused = make_client("bob").get(address, headers={"Accept": "text/html"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert refused.json().get("policies") == ([] if debug else None)
    nobody = Client().get(address, headers={"Accept": "text/html"})
    assert (nobody.status_code, nobody["WWW-Authenticate"]) == (401, "Bearer")
    assert make_client("ann").get(f"/{prefix}/photos/{photo.pk + 1}").status_code == 404
    assert make_client("ann").get(f"/{prefix}/photos/x").status_code == 404
    with runtime.use_engine(Unreachable()):
        down = make_client("ann").get(address)
    assert (down.status_code, down["Retry-After"]) == (503, "5")


def test_the_gate_comes_before_parameters(make_client):
    """What is wrong with a request is told to those who may make it."""
    assert make_client("ann").post("/api/moderate?note=x").status_code == 403
    assert make_client("mo", "moderators").post("/api/moderate?note=x").status_code == 422
    assert make_client("mo", "moderators").post("/api/moderate?note=1").json() == {"note": 1}


@pytest.mark.parametrize("prefix", ["api", "bare"])
def test_async_operations_are_the_same(make_client, mint, photo, prefix):
    """Also in a router that is mounted twice, and hidden from those who may not."""
    address = f"/{prefix}/async/photos/{photo.pk}"

    async def get(client, path):
        return await client.get(path)

    run = async_to_sync(get)
    assert run(TokenAsyncClient(mint.id_token(sub="ann")), address).json() == {"edit": True, "rounds": 1}
    assert run(TokenAsyncClient(mint.id_token(sub="bob")), address).status_code == 404
    assert run(AsyncClient(), address).status_code == 401
    assert make_client("ann").get(address).status_code == 200


@pytest.mark.parametrize("debug", [False, True])
def test_what_is_required_in_an_operation_is_answered_like_its_gate(site, make_client, photo, debug):
    """With the handlers; what is not about access is not answered by them."""
    site.DEBUG = debug
    assert make_client("ann").get(f"/api/require/{photo.pk}").status_code == 200
    refused = make_client("bob").get(f"/api/require/{photo.pk}")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    with pytest.raises(PolicyError):
        make_client("ann").get("/api/broken")


def test_c1_what_a_browser_sends_by_itself_needs_the_csrf_token(site, mint):
    """The middleware checks it, though the views are exempt."""
    site.AVP_TOKEN_SOURCES = [("django_avp.tokens.sources.Cookie", {})]
    client = Client(enforce_csrf_checks=True)
    client.cookies["id_token"] = mint.id_token(sub="mo", groups=["moderators"])
    assert client.post("/api/moderate?note=1").status_code == 403
    client.cookies["csrftoken"] = "a" * 32
    assert client.post("/api/moderate?note=1", headers={"X-CSRFToken": "a" * 32}).status_code == 200


def test_the_schema_has_the_token(make_client):
    """A bearer token, as for clients' generators."""
    schema = Client().get("/api/openapi.json").json()
    (scheme,) = schema["components"]["securitySchemes"].values()
    assert scheme == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert schema["paths"]["/api/me"]["get"]["security"]
