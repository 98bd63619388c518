"""The chain end to end: a signed token, one round, and everything that reads from it."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.http import JsonResponse
from django.test import AsyncRequestFactory, RequestFactory
from django.test.utils import CaptureQueriesContext

from django_avp.middleware import AuthorizationMiddleware
from tests.testapp.models import Account, Album, Photo, Tag
from tests.testapp.views import BUTTONS, PhotoList

POOL = "eu-west-1_AbCdEf123"


@pytest.fixture
def photos(user):
    """Thirty photos, of ann and bob in turn, in albums of one account."""
    account = Account.objects.create(name="Main", slug="main")
    albums = [Album.objects.create(title=f"album {number}", account=account, owner=user("ann")) for number in range(3)]
    rows = [
        Photo.objects.create(
            title=f"photo {number}",
            owner=user("ann" if number % 2 else "bob"),
            album=albums[number % 3],
            is_public=number % 5 == 0,
        )
        for number in range(30)
    ]
    for row in rows:
        row.tags.add(Tag.objects.get_or_create(name=f"tag {row.pk % 4}")[0])
    return rows


def expected(photos, sub, *, moderator=False):
    """What the policies say, written by hand."""
    page = ""
    for number, photo in enumerate(photos):
        own = sub == ("ann" if number % 2 else "bob")
        view = own or number % 5 == 0
        page += f"{photo.pk}:{'v' if view else ''}{'e' if own else '-'}{'d' if own or moderator else ''};"
    return page


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/gallery/", "/photos/", "/response/"])
def test_a_gallery_is_decided_in_one_round(photos, make_client, engine, path):
    """Thirty photos and three actions that nobody named: one batch, and everybody sees their own buttons."""
    ann = make_client("ann").get(path)
    assert ann.content.decode().strip() == expected(photos, "ann")
    assert [round_.checks for round_ in ann.wsgi_request.avp.rounds] == [91 if path == "/photos/" else 90]
    assert len(engine.batches) == 1

    mona = make_client("mona", "moderators").get(path)
    assert mona.content.decode().strip() == expected(photos, "mona", moderator=True)
    assert len(engine.batches) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/agallery/", "/aphotos/", "/aresponse/"])
def test_the_gallery_is_the_same_when_it_is_async(photos, make_async_client, engine, path):
    """Awaited, in one round as well."""

    async def scenario():
        response = await make_async_client("ann").get(path)
        assert response.content.decode().strip() == expected(photos, "ann")
        assert len(response.asgi_request.avp.rounds) == 1

    async_to_sync(scenario)()
    assert len(engine.batches) == 1


@pytest.mark.django_db
def test_deciding_asks_the_database_nothing_that_the_page_had_not_read(photos, make_client):
    """The entities are made of the rows of the page; sets that it did not prefetch take one query each."""
    client = make_client("ann")
    client.get("/open/")

    def page():
        return list(PhotoList.queryset.prefetch_related("viewers", "comments__author"))

    with CaptureQueriesContext(
        connection,
    ) as plain:
        page()
    request = client.get("/open/").wsgi_request
    with CaptureQueriesContext(connection) as decided:
        rows = page()
        request.avp.collect(BUTTONS, rows)
        request.avp.decide()

    assert request.avp.rounds[0].checks == 90
    assert len(decided) == len(plain)


@pytest.mark.django_db
def test_every_reader_gives_the_same_answer(photos, make_client, settings, engine):
    """Gate, request.avp, has_perm and tag read one decision."""
    settings.AVP_PERMISSION_ACTIONS = {"testapp.change_photo": "EditPhoto"}
    for sub in ("ann", "bob"):
        client = make_client(sub)
        for number in (0, 1):
            response = client.get(f"/photos/{photos[number].pk}/edit/")
            request = response.wsgi_request
            owns = sub == ("ann" if number % 2 else "bob")
            asked = len(engine.batches)
            assert (response.status_code == 200) is owns
            assert bool(request.avp.can("EditPhoto", photos[number])) is owns
            assert request.user.has_perm("testapp.change_photo", photos[number]) is owns
            assert len(engine.batches) == asked


# Two thousand requests, interleaved


USERS = [f"user-{number}" for number in range(20)]
REQUESTS = 2_000


@pytest.fixture
def tokens(mint, settings):
    """A token of each user; groups make their answers differ."""
    settings.AVP_USER_MODE = "token"
    return {
        sub: mint.id_token(sub=sub, groups=["moderators"] if number % 2 else []) for number, sub in enumerate(USERS)
    }


def answers(request):
    principal = request.avp.identity.principal.id.partition("|")[2]
    return [principal, bool(request.avp.can("Moderate")), request.user.username.partition("|")[2]]


def right(sub):
    return [sub, USERS.index(sub) % 2 == 1, sub]


def test_requests_in_threads_never_see_each_others_decisions(tokens):
    """Eight threads, each stopping in the middle of its request until all the others are in the middle of theirs."""
    barrier = threading.Barrier(8)

    def view(request):
        before = answers(request)
        barrier.wait(timeout=30)
        return JsonResponse([before, answers(request)], safe=False)

    middleware = AuthorizationMiddleware(view)
    subs = [USERS[number % len(USERS)] for number in range(REQUESTS)]

    def ask(sub):
        request = RequestFactory().get("/", headers={"Authorization": f"Bearer {tokens[sub]}"})
        return json.loads(middleware(request).content)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, subs))

    assert results == [[right(sub), right(sub)] for sub in subs]


def test_requests_in_tasks_never_see_each_others_decisions(tokens):
    """A hundred tasks at a time in one event loop, each awaiting in the middle of its request."""

    async def view(request):
        before = bool(await request.avp.acan("Moderate"))
        await asyncio.sleep(0)
        user = await request.auser()
        return JsonResponse([before, answers(request), user.username.partition("|")[2]], safe=False)

    async def ask(middleware, sub):
        request = AsyncRequestFactory().get("/", headers={"Authorization": f"Bearer {tokens[sub]}"})
        return json.loads((await middleware(request)).content)

    async def scenario():
        middleware = AuthorizationMiddleware(view)
        results = []
        for start in range(0, REQUESTS, 100):
            group = subs[start : start + 100]
            results += await asyncio.gather(*(ask(middleware, sub) for sub in group))
        return results

    subs = [USERS[number % len(USERS)] for number in range(REQUESTS)]
    assert async_to_sync(scenario)() == [[right(sub)[1], right(sub), sub] for sub in subs]
