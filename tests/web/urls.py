"""A view of every kind that a browser can be made to ask; each notes that it ran."""

from __future__ import annotations

from adrf.decorators import api_view as async_api_view
from adrf.views import APIView as AsyncAPIView
from django.http import HttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_avp.admin import PolicyAdminSite
from django_avp.decorators import authorization_not_required
from django_avp.ninja import CognitoAuth
from django_avp.rest_framework.authentication import CognitoAuthentication

METHODS = ("GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE")

ran: list[str] = []
"""The methods that views have seen: what was refused is not here."""


def note(request) -> str:
    ran.append(request.method)
    return "done"


@authorization_not_required
def function(request):
    return HttpResponse(note(request))


@csrf_exempt
def exempt(request):
    return HttpResponse(note(request))


async def coroutine(request):
    return HttpResponse(note(request))


@csrf_exempt
async def exempt_coroutine(request):
    return HttpResponse(note(request))


def answering(*methods):
    """Give a class a handler for each method."""

    def decorate(cls):
        for name in methods:
            setattr(cls, name.lower(), cls.handle)
        return cls

    return decorate


@answering(*METHODS)
class Class(View):
    def handle(self, request):
        return HttpResponse(note(request))


@answering(*METHODS)
class AsyncClass(View):
    async def handle(self, request):
        return HttpResponse(note(request))


@method_decorator(csrf_exempt, name="dispatch")
class ExemptClass(Class):
    pass


class Open:
    """For everybody, as far as the token holds."""

    authentication_classes = (CognitoAuthentication,)
    permission_classes = (AllowAny,)


@answering(*METHODS)
class Api(Open, APIView):
    def handle(self, request):
        return Response(note(request))


class Views(Open, ViewSet):
    def handle(self, request):
        return Response(note(request))


@answering(*METHODS)
class AsyncApi(Open, AsyncAPIView):
    async def handle(self, request):
        return Response(note(request))


@api_view(METHODS)
@authentication_classes(Open.authentication_classes)
@permission_classes(Open.permission_classes)
def api_function(request):
    return Response(note(request))


@async_api_view(METHODS)
@authentication_classes(Open.authentication_classes)
@permission_classes(Open.permission_classes)
async def async_api_function(request):
    return Response(note(request))


ninja = NinjaAPI(urls_namespace="web", openapi_url=None)


@ninja.api_operation([*METHODS], "/open")
def operation(request):
    return note(request)


@ninja.api_operation([*METHODS], "/signed-in", auth=CognitoAuth())
async def signed_in_operation(request):
    return note(request)


class Site(PolicyAdminSite):
    """Open to all who may list photos, and with a page of its own."""

    avp_action = "ListPhotos"

    def get_urls(self):
        return [path("report/", self.admin_view(function)), *super().get_urls()]


admin_site = Site(name="web-admin")

FOR_ALL = {
    "function/": function,
    "exempt/": exempt,
    "coroutine/": coroutine,
    "exempt-coroutine/": exempt_coroutine,
    "class/": Class.as_view(),
    "async-class/": AsyncClass.as_view(),
    "exempt-class/": ExemptClass.as_view(),
    "api/": Api.as_view(),
    "viewset/": Views.as_view({method.lower(): "handle" for method in METHODS}),
    "async-api/": AsyncApi.as_view(),
    "api-function/": api_function,
    "async-api-function/": async_api_function,
}

urlpatterns = [
    *(path(name, view) for name, view in FOR_ALL.items()),
    path("ninja/", ninja.urls),
    path("admin/", admin_site.urls),
    path("", include("tests.signin.urls")),
]
