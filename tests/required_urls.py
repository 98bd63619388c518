"""Views with and without marks."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET
from django.views.generic import View

from django_avp.decorators import action_required, authorization_in_view, authorization_not_required
from django_avp.mixins import ActionRequiredMixin
from tests.testapp.models import Note


def undeclared(request: HttpRequest) -> HttpResponse:
    """A view that forgot its gate."""
    return HttpResponse("open")


async def aundeclared(request: HttpRequest) -> HttpResponse:
    """The same, async."""
    return HttpResponse("open")


def writes(request: HttpRequest) -> HttpResponse:
    """Forgot its gate, and writes."""
    Note.objects.create(text="written")
    return HttpResponse("written")


class Undeclared(View):
    """A class that forgot its gate."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("open")


class Gated(ActionRequiredMixin, View):
    """A gated class that dispatches in its own way."""

    action_required = "ListPhotos"

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("gated")


urlpatterns = [
    path("undeclared/", undeclared),
    path("aundeclared/", aundeclared),
    path("writes/", writes),
    path("class/", Undeclared.as_view()),
    path("exempt/", csrf_exempt(Undeclared.as_view())),
    path("gated/", action_required("ListPhotos")(undeclared)),
    path("gated-moderate/", action_required("Moderate")(undeclared)),
    path("agated/", action_required("ListPhotos")(aundeclared)),
    path("gated-class/", Gated.as_view()),
    path("in-view/", authorization_in_view(Undeclared.as_view())),
    path("public/", authorization_not_required(lambda request: HttpResponse("public"))),
    path("wrapped/", csrf_exempt(require_GET(action_required("ListPhotos")(undeclared)))),
]
