"""Async: views of adrf, and REST framework's own under ASGI, by engines in process and remote ones."""

from __future__ import annotations

import pytest
from adrf import generics, serializers, viewsets
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient
from django.urls import path

from django_avp.engines.cedar import CedarEngine
from django_avp.rest_framework.fields import PermittedActionsField
from django_avp.runtime import runtime
from tests.conftest import TokenAsyncClient
from tests.rest_framework import api
from tests.rest_framework.support import told
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db(transaction=True)


class Remote:
    """Decides as Cedar does; under an event loop it has to be awaited, like every engine behind a network."""

    def __init__(self):
        self.engine = CedarEngine()
        self.asked = []

    def decide(self, batch):
        self.asked.append("sync")
        return self.engine.decide(batch)

    async def adecide(self, batch):
        self.asked.append("async")
        return await sync_to_async(self.engine.decide)(batch)


class AsyncPhotoSerializer(serializers.ModelSerializer):
    """Awaits its fields."""

    may = PermittedActionsField(actions=api.BUTTONS)

    class Meta:
        model = Photo
        fields = ("id", "title", "is_public", "may")


class AsyncPhotos(api.Gated, viewsets.ModelViewSet):
    """The whole of a model."""

    queryset = api.PHOTOS
    serializer_class = AsyncPhotoSerializer
    pagination_class = api.Pages
    fetched = 0

    async def aget_object(self):
        """Count how often the object is fetched."""
        type(self).fetched += 1
        return await super().aget_object()


class AsyncDetail(api.Gated, generics.RetrieveUpdateDestroyAPIView):
    """A generic view with REST framework's own serializer."""

    queryset = api.PHOTOS
    serializer_class = api.PhotoSerializer

    async def aget_object(self):
        """Look elsewhere, if it is asked to, after the gate."""
        return await super().aget_object()

    async def get(self, request, *args, **kwargs):
        """First this one, then another."""
        response = await super().get(request, *args, **kwargs)
        if "other" in request.GET:
            self.kwargs = {"pk": request.GET["other"]}
            response.data["other"] = (await self.aget_object()).title
        return response


ROUTES = {"get": "aretrieve", "put": "aupdate", "patch": "partial_aupdate", "delete": "adestroy"}
urlpatterns = [
    path("photos/", AsyncPhotos.as_view({"get": "alist", "post": "acreate"})),
    path("photos/<int:pk>/", AsyncPhotos.as_view(ROUTES)),
    path("detail/<int:pk>/", AsyncDetail.as_view()),
    path("sync/", api.PhotoViewSet.as_view({"get": "list"})),
    path("sync/<int:pk>/", api.PhotoViewSet.as_view({"get": "retrieve"})),
]


@pytest.fixture(autouse=True)
def site(site, api_site):
    """Their URLs."""
    site.ROOT_URLCONF = "tests.rest_framework.test_async"
    return site


@pytest.fixture
def client_of(mint):
    """An async client with a token."""
    return lambda sub, *groups: TokenAsyncClient(mint.id_token(sub=sub, groups=list(groups)))


@pytest.fixture(params=["in process", "remote"])
def engine(request):
    """Both kinds of engine."""
    with runtime.use_engine(CedarEngine() if request.param == "in process" else Remote()) as engine:
        yield engine


def rounds(response):
    """The checks of each round."""
    return [round_.checks for round_ in response.asgi_request.avp.rounds]


def run(coroutine):
    """From a test's thread."""

    async def main():
        return await coroutine

    return async_to_sync(main)()


@pytest.mark.parametrize("address", ["/photos/", "/sync/"])
def test_a_list_is_two_rounds(engine, client_of, photos, address):
    """The gate, and what is told about all rows."""
    response = run(client_of("bob").get(address))

    assert response.status_code == 200
    assert rounds(response) == [1, 90]
    assert {pk for pk, may in told(response).items() if may["ViewPhoto"]} == {p.pk for p in photos if p.is_public}


@pytest.mark.parametrize("address", ["/photos/{}/", "/detail/{}/", "/sync/{}/"])
def test_a_detail_is_one_round(engine, client_of, photo, address):
    """Gate and field, on an object that is fetched once."""
    AsyncPhotos.fetched = 0
    response = run(client_of("ann").get(address.format(photo.pk)))

    assert (response.status_code, rounds(response)) == (200, [3])
    assert response.json()["may"] == {"ViewPhoto": True, "EditPhoto": True, "DeletePhoto": True}
    assert AsyncPhotos.fetched <= 1
    assert run(client_of("bob").get(address.format(photo.pk))).status_code == 403
    assert run(client_of("ann").get(address.format(photo.pk + 1))).status_code == 404
    assert run(AsyncClient().get(address.format(photo.pk))).status_code == 401


def test_writes_ask_their_action(engine, client_of, photo):
    """As in sync views."""
    address, body = f"/photos/{photo.pk}/", {"data": {"title": "new"}, "content_type": "application/json"}
    for method in ("put", "patch", "delete"):
        send = getattr(client_of("bob"), method)
        assert run(send(address, **({} if method == "delete" else body))).status_code == 403
        send = getattr(client_of("ann"), method)
        response = run(send(address, **({} if method == "delete" else body)))
        assert (response.status_code, len(rounds(response))) == (204 if method == "delete" else 200, 1)
    assert run(client_of("ann").post("/photos/", **body)).status_code == 403
    created = run(client_of("ed", "editors").post("/photos/", **body))
    assert (created.status_code, created.json()["may"]["EditPhoto"], rounds(created)) == (201, True, [1, 3])


def test_d6_an_object_that_is_taken_is_the_one_that_was_decided_on(client_of, photo):
    """Another one is fetched and checked by itself."""
    other = Photo.objects.create(title="other", owner=photo.owner)
    hidden = Photo.objects.create(title="hidden")

    found = run(client_of("ann").get(f"/detail/{photo.pk}/", {"other": other.pk}))
    assert (found.status_code, found.json()["other"]) == (200, "other")
    assert run(client_of("ann").get(f"/detail/{photo.pk}/", {"other": hidden.pk})).status_code == 403
