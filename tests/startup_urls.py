"""The URLs of a site that has nothing but the middleware."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("ok"))]
