"""Views that tell who has asked and what they may do, each in another way; all tell the request's number, too."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from rest_framework import generics, serializers

from django_avp.authorization import Authorization
from django_avp.cedar import Cause
from django_avp.decorators import action_required
from django_avp.entities.world import World, Worlds
from django_avp.filtering import kept
from django_avp.identity import Identity
from django_avp.questions import Questions
from django_avp.rest_framework.fields import PermittedActionsField
from django_avp.rest_framework.filters import PermittedFilterBackend
from django_avp.shortcuts import arender
from django_avp.tokens.verifier import VerifiedToken
from tests.isolation.people import PHOTOS
from tests.testapp.models import Photo

ACTIONS = {"view": "ViewPhoto", "edit": "EditPhoto", "delete": "DeletePhoto"}
PERMISSIONS = {"view": "testapp.view_photo", "edit": "testapp.change_photo", "delete": "testapp.delete_photo"}
PATIENCE = 60
ROWS = Photo.objects.order_by("pk")
OURS = (HttpRequest, Authorization, Identity, Questions, VerifiedToken, World, Worlds)

# Every request has another context, so conditions of lists come and go: with few of them it shows what else stays.
kept._MOST = 64

# What background tasks have found, by the number of the request that began them.
begun: dict[str, asyncio.Task[dict[str, Any]]] = {}
requests = Counter[str]()


def context(request: HttpRequest) -> dict[str, str]:
    """What the request says of itself, for policies."""
    return {"note": request.headers["X-Note"]}


def about(request: HttpRequest) -> dict[str, Any]:
    """Which request this is, and whose."""
    requests["begun"] += 1
    identity = request.avp.identity
    who = identity.principal.id if identity else ""
    return {"nonce": request.headers["X-Nonce"], "who": who, "note": request.headers["X-Note"]}


def letters(answers: Any) -> str:
    """A letter for each photo."""
    return "".join("1" if answer else "0" for answer in answers)


def told(avp: Authorization, rows: Any) -> dict[str, Any]:
    """What may be done, in two rounds."""
    avp.collect("ViewPhoto", rows)
    avp.can("Moderate")
    avp.collect(["EditPhoto", "DeletePhoto"], rows)
    answers = {name: letters(avp.can(action, row) for row in rows) for name, action in ACTIONS.items()}
    return {**answers, "moderate": bool(avp.can("Moderate"))}


async def atold(avp: Authorization, rows: Any) -> dict[str, Any]:
    """The same, by three tasks at the same time."""

    async def ask(action: str) -> str:
        avp.collect(action, rows)
        return letters([await avp.acan(action, row) for row in rows])

    parts = await asyncio.gather(*map(ask, ACTIONS.values()))
    return {**dict(zip(ACTIONS, parts, strict=True)), "moderate": bool(await avp.acan("Moderate"))}


async def arows() -> list[Photo]:
    return [row async for row in ROWS.all()]


# Gates, templates and questions


@action_required("ViewPhoto", resource=(Photo, "pk"), also=["EditPhoto"])
def gate(request: HttpRequest, pk: int) -> HttpResponse:
    """For those who may see one photo."""
    return JsonResponse({**about(request), **told(request.avp, list(ROWS.all()))})


@action_required("ViewPhoto", resource=(Photo, "pk"))
async def agate(request: HttpRequest, pk: int) -> HttpResponse:
    """The same, async."""
    return JsonResponse({**about(request), **await atold(request.avp, await arows())})


def page(request: HttpRequest) -> HttpResponse:
    """Asked by a template that is rendered after the view."""
    return TemplateResponse(request, "isolation/page.html", {**about(request), "photos": ROWS.all()})


def rendered(request: HttpRequest) -> HttpResponse:
    """Asked by a template that is rendered in the view."""
    return render(request, "isolation/page.html", {**about(request), "photos": ROWS.all()})


async def arendered(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    return await arender(request, "isolation/page.html", {**about(request), "photos": ROWS.all()})


def can(request: HttpRequest) -> HttpResponse:
    """Asked by the view, and who the user is."""
    answers = told(request.avp, list(ROWS.all()))
    return JsonResponse({**about(request), **answers, "user": request.user.get_username()})


async def acan(request: HttpRequest) -> HttpResponse:
    """The same, by tasks."""
    answers = await atold(request.avp, await arows())
    return JsonResponse({**about(request), **answers, "user": (await request.auser()).get_username()})


def permissions(request: HttpRequest) -> HttpResponse:
    """Asked by Django's own idiom."""
    user, rows = request.user, list(ROWS.all())
    request.avp.collect(list(ACTIONS.values()), rows)
    answers = {name: letters(user.has_perm(one, row) for row in rows) for name, one in PERMISSIONS.items()}
    moderates = user.has_perm("testapp.moderate")
    return JsonResponse({**about(request), **answers, "moderate": moderates, "user": user.get_username()})


async def apermissions(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    user, rows = await request.auser(), await arows()
    request.avp.collect(list(ACTIONS.values()), rows)
    answers = {name: letters([await user.ahas_perm(one, row) for row in rows]) for name, one in PERMISSIONS.items()}
    moderates = await user.ahas_perm("testapp.moderate")
    return JsonResponse({**about(request), **answers, "moderate": moderates, "user": user.get_username()})


# Lists


def _shown(keys: Any) -> str:
    known = set(keys)
    return letters(number in known for number in range(1, PHOTOS + 1))


def lists(request: HttpRequest) -> HttpResponse:
    """Rows filtered in SQL."""
    found = {
        name: _shown(request.avp.permitted(action, Photo.objects.all()).values_list("pk", flat=True))
        for name, action in ACTIONS.items()
    }
    return JsonResponse({**about(request), **found})


async def alists(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    found = {}
    for name, action in ACTIONS.items():
        rows = await request.avp.apermitted(action, Photo.objects.all())
        found[name] = _shown([row.pk async for row in rows])
    return JsonResponse({**about(request), **found})


class PhotoSerializer(serializers.ModelSerializer[Photo]):
    """A photo, and what may be done with it."""

    may = PermittedActionsField(actions=["EditPhoto", "DeletePhoto"])

    class Meta:
        model = Photo
        fields = ("id", "may")


class Api(generics.ListAPIView[Photo]):
    """An API: the rows that may be seen, and what may be done with each."""

    queryset = ROWS
    serializer_class = PhotoSerializer
    filter_backends = (PermittedFilterBackend,)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        if response.status_code == 200:
            response.data = {**about(request._request), "rows": response.data}
        return super().finalize_response(request, response, *args, **kwargs)


# Tasks, threads and streams


async def background(request: HttpRequest) -> HttpResponse:
    """Begins a task that goes on asking while other requests are served, after this one was answered."""
    own = about(request)

    async def go_on() -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        for _ in range(2):
            await _others()
            request.avp.forget()
            found.append(await atold(request.avp, await arows()))
        assert found[0] == found[1]
        return {**own, **found[0], "user": (await request.auser()).get_username()}

    begun[own["nonce"]] = asyncio.create_task(go_on())
    return JsonResponse(own)


async def _others() -> None:
    """Wait until other requests have begun."""
    seen = requests["begun"]
    async with asyncio.timeout(PATIENCE):
        while requests["begun"] < seen + 2:
            await asyncio.sleep(0.001)


async def found(request: HttpRequest) -> HttpResponse:
    """What a task of another request has found; this request asks for nobody."""
    requests["begun"] += 1
    task = begun[request.GET["nonce"]]
    async with asyncio.timeout(PATIENCE):
        while not task.done():
            # Whoever waits here is one that the task may be waiting for.
            requests["begun"] += 1
            await asyncio.sleep(0.005)
    return JsonResponse(begun.pop(request.GET["nonce"]).result())


async def hops(request: HttpRequest) -> HttpResponse:
    """From the event loop into threads and back."""
    rows = await arows()
    answers = await sync_to_async(told)(request.avp, rows)
    request.avp.forget()
    again = await sync_to_async(told, thread_sensitive=False)(request.avp, rows)
    assert again == answers == await atold(request.avp, rows)
    return JsonResponse({**about(request), **answers})


def stream(request: HttpRequest) -> HttpResponse:
    """Asked while the answer is being sent."""

    def parts() -> Iterator[bytes]:
        yield json.dumps(about(request))[:-1].encode()
        rows = list(ROWS.all())
        for name, action in ACTIONS.items():
            request.avp.collect(action, rows)
            yield f', "{name}": "{letters(request.avp.can(action, row) for row in rows)}"'.encode()
        yield b"}"

    return StreamingHttpResponse(parts(), content_type="application/json")


async def astream(request: HttpRequest) -> HttpResponse:
    """The same, async."""

    async def parts() -> AsyncIterator[bytes]:
        yield json.dumps(about(request))[:-1].encode()
        rows = await arows()
        for name, action in ACTIONS.items():
            request.avp.collect(action, rows)
            answers = [await request.avp.acan(action, row) for row in rows]
            yield f', "{name}": "{letters(answers)}"'.encode()
            await asyncio.sleep(0)
        yield b"}"

    return StreamingHttpResponse(parts(), content_type="application/json")


# What goes wrong


class BrokenError(Exception):
    """Raised in the middle of a request."""


def broken(request: HttpRequest) -> HttpResponse:
    """Fails when something has been asked already."""
    request.avp.can("ViewPhoto", ROWS.first())
    raise BrokenError


async def abroken(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    await request.avp.acan("ViewPhoto", await ROWS.afirst())
    raise BrokenError


@receiver(got_request_exception)
def note_failure(*, request: HttpRequest, **kwargs: Any) -> None:
    """Somebody who wants to know what the user may do whose request has failed."""
    request.at_failure = told(request.avp, list(ROWS.all()))  # type: ignore[attr-defined]


def server_error(request: HttpRequest) -> HttpResponse:
    """The page for errors, whose template asks."""
    page = render(request, "isolation/page.html", {**about(request), "photos": ROWS.all()}, status=500)
    assert request.at_failure.items() <= json.loads(page.content).items()  # type: ignore[attr-defined]
    return page


# Sessions and users


def enter(request: HttpRequest) -> HttpResponse:
    """Puts the token of this request into a session, which is whose it is from then on."""
    request.session["id_token"] = request.avp.identity._id_token
    return JsonResponse(about(request))


def leave(request: HttpRequest) -> HttpResponse:
    """Deactivates the user."""
    get_user_model().objects.filter(username=request.avp.identity.principal.id).update(is_active=False)
    return JsonResponse(about(request))


def come_back(request: HttpRequest) -> HttpResponse:
    """Activates the user again."""
    get_user_model().objects.filter(username=request.avp.identity.principal.id).update(is_active=True)
    return JsonResponse(about(request))


# What the process holds


def held(request: HttpRequest) -> HttpResponse:
    """How many objects there are, of all classes and of ours, and bytes that were traced and have not been freed."""
    gc.collect()
    traced, _ = tracemalloc.get_traced_memory()
    if request.GET.get("trace"):
        tracemalloc.start()
    objects = gc.get_objects()
    ours = Counter(type(item).__name__ for item in objects if isinstance(item, OURS))
    return JsonResponse({"objects": len(objects), "ours": dict(ours), "traced": traced})


def process(request: HttpRequest) -> HttpResponse:
    """Which process this is, and what it says; a worker that has not read its store yet says so."""
    if request.avp.can("Moderate").cause is Cause.UNAVAILABLE:
        return JsonResponse({"status": "unavailable"})
    own = told(request.avp, list(ROWS.all()))
    threads = [thread.name for thread in threading.enumerate()]
    parent = os.getppid()
    return JsonResponse({"status": "known", "own": own, "pid": os.getpid(), "parent": parent, "threads": threads})


def pid(request: HttpRequest) -> HttpResponse:
    """Whom to tell to end: the process that has started this one, if a server has workers."""
    return HttpResponse(str(os.getppid() if "gunicorn" in sys.modules else os.getpid()))
