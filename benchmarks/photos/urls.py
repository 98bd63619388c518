"""A view that says who asks, in each way of knowing it; and the same without."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import path
from django_cognito_jwt import JSONWebTokenAuthentication
from rest_framework.authentication import TokenAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


def plain(request: HttpRequest) -> HttpResponse:
    """Look at nothing."""
    return HttpResponse(b"ok")


def user_read(request: HttpRequest) -> HttpResponse:
    """Look at the user."""
    return HttpResponse(b"ok" if request.user.is_authenticated else b"nobody")


class Api(APIView):
    """A view of REST framework; it reads the user, whom its initialisation has authenticated."""

    permission_classes = ()

    def get(self, request: Request) -> Response:
        """Look at the user, if anybody is to be known."""
        is_known = not self.authentication_classes or request.user.is_authenticated
        return Response("ok" if is_known else "nobody")


def api(*authentication: Any) -> Any:
    """A view of REST framework that knows users in these ways."""
    return Api.as_view(authentication_classes=authentication, renderer_classes=Api.renderer_classes[:1])


urlpatterns = [
    path("plain/", plain),
    path("user/", user_read),
    path("api/", api()),
    path("token/", api(TokenAuthentication)),
    path("cognito/", api(JSONWebTokenAuthentication)),
]
