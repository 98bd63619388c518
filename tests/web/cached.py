"""Pages that caches may have: personal ones, some behind ``cache_page`` by mistake, and some for everybody."""

from __future__ import annotations

import io
from itertools import count

from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from django.views.generic import TemplateView
from ninja import NinjaAPI
from ninja.decorators import decorate_view
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from django_avp.decorators import action_required
from django_avp.mixins import ActionRequiredMixin
from django_avp.ninja import CognitoAuth
from django_avp.rest_framework.authentication import CognitoAuthentication

_numbers = count()
for_a_minute = cache_page(60)


def reads_the_user(get_response):
    """A middleware of a site that looks the user up before any view does."""

    def middleware(request):
        request.reader_is_known = request.user.is_authenticated
        return get_response(request)

    return middleware


# Each tells who it is for, with a full stop behind the name.


def of_the_user(request):
    return HttpResponse(f"{request.user.get_username()}.")


def of_the_identity(request):
    identity = request.avp.identity
    return HttpResponse(f"{identity.principal.id if identity else 'nobody'}.")


def of_the_authorizations_user(request):
    user = request.avp.user
    return HttpResponse(f"{user.get_username() if user else 'nobody'}.")


def of_a_decision(request):
    return HttpResponse(f"may: {bool(request.avp.can('Moderate'))}")


def of_a_permission(request):
    return HttpResponse(f"may: {request.user.has_perm('photos.publish_photo')}")


def of_a_template(request):
    text = "{% load avp %}{{ user.username }}. may: {% can 'Moderate' %}True{% endcan %}"
    return HttpResponse(engines["django"].from_string(text).render({}, request))


def of_a_template_response(request):
    text = "{% load avp %}{{ request.avp.identity.principal.id }}. may: {% can 'Moderate' %}True{% endcan %}"
    return TemplateResponse(request, engines["django"].from_string(text))


def of_a_stream(request):
    def lines():
        yield f"{request.user.get_username()}. "
        yield f"may: {bool(request.avp.can('Moderate'))}"

    return StreamingHttpResponse(lines())


VIEWS = (
    of_the_user,
    of_the_identity,
    of_the_authorizations_user,
    of_a_decision,
    of_a_permission,
    of_a_template,
    of_a_template_response,
    of_a_stream,
)
gate = action_required("ListPhotos")


class Open:
    authentication_classes = (CognitoAuthentication,)
    permission_classes = (AllowAny,)


class OfTheApisUser(Open, APIView):
    @method_decorator(for_a_minute)
    def get(self, request):
        return Response(f"{request.user.get_username()}.")


class OfTheApisIdentity(Open, APIView):
    @method_decorator(for_a_minute)
    def get(self, request):
        return Response(f"{request.auth.principal.id if request.auth else 'nobody'}.")


class OfTheApisDecision(Open, APIView):
    @method_decorator(for_a_minute)
    def get(self, request):
        return Response(f"may: {bool(request.avp.can('Moderate'))}")


@method_decorator(for_a_minute, name="dispatch")
class OfTheWholeApi(OfTheApisUser):
    pass


@api_view(["GET"])
@authentication_classes(Open.authentication_classes)
@permission_classes(Open.permission_classes)
@for_a_minute
def of_an_api_function(request):
    return Response(f"{request.user.get_username()}.")


@api_view(["GET"])
@authentication_classes(())
@permission_classes(())
@gate
@for_a_minute
def of_a_gated_api_function(request):
    return Response(f"{request.avp.identity.principal.id}.")


class OfAClass(ActionRequiredMixin, TemplateView):
    action_required = "ListPhotos"

    def get(self, request, *args, **kwargs):
        return HttpResponse(f"{request.user.get_username()}.")


@method_decorator(for_a_minute, name="get")
class OfACachedMethod(OfAClass):
    pass


ninja = NinjaAPI(urls_namespace="cached", openapi_url=None)


@ninja.get("/user/", auth=CognitoAuth())
@decorate_view(for_a_minute)
def operation(request):
    return f"{request.auth.principal.id}."


PAGES = {
    **{view.__name__: view for view in VIEWS},
    **{f"cached-{view.__name__}": for_a_minute(view) for view in VIEWS},
    **{f"inside-{view.__name__}": gate(for_a_minute(view)) for view in VIEWS},
    **{f"outside-{view.__name__}": for_a_minute(gate(view)) for view in VIEWS},
    "class": OfAClass.as_view(),
    "cached-class": for_a_minute(OfAClass.as_view()),
    "cached-method": OfACachedMethod.as_view(),
    "api-user": OfTheApisUser.as_view(),
    "api-identity": OfTheApisIdentity.as_view(),
    "api-decision": OfTheApisDecision.as_view(),
    "api": OfTheWholeApi.as_view(),
    "api-function": of_an_api_function,
    "gated-api-function": of_a_gated_api_function,
    "ninja/user": None,
}


async def of_the_awaited_user(request):
    return HttpResponse(f"{(await request.auser()).get_username()}.")


async def of_the_awaited_identity(request):
    return HttpResponse(f"{request.avp.identity.principal.id}.")


ASYNC_PAGES = {
    "awaited-user": for_a_minute(of_the_awaited_user),
    "awaited-identity": for_a_minute(of_the_awaited_identity),
    "inside-awaited-user": gate(for_a_minute(of_the_awaited_user)),
    "inside-awaited-identity": gate(for_a_minute(of_the_awaited_identity)),
}


def numbered(request):
    """The same for all, and another one each time it is made."""
    return HttpResponse(str(next(_numbers)))


@action_required("Moderate")
def gated(request):
    return HttpResponse("moderating")


urlpatterns = [
    *(path(f"{name}/", view) for name, view in {**PAGES, **ASYNC_PAGES}.items() if view),
    path("ninja/", ninja.urls),
    path("for-all/", for_a_minute(numbered)),
    path("inside-for-all/", gate(for_a_minute(numbered))),
    path("inside-for-moderators/", action_required("Moderate")(for_a_minute(numbered))),
    path("gated/", gated),
    path("hidden/", action_required("Moderate", raise_404=True)(numbered)),
    path("named/", of_the_identity),
    path("stream/", of_a_stream),
    path("file/", lambda request: FileResponse(io.BytesIO(b"a file"))),
    path("for-nobody/", numbered),
    path("accounts/login/", numbered),
]
