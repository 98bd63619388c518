"""The test site, and what it says of its process."""

from __future__ import annotations

import re
import threading

from django.http import HttpRequest, JsonResponse
from django.urls import path

from tests.urls import urlpatterns as site


def threads(request: HttpRequest) -> JsonResponse:
    """The names of the threads that live, without their numbers."""
    return JsonResponse({"threads": [re.sub(r"[-_]\d.*", "", thread.name) for thread in threading.enumerate()]})


urlpatterns = [path("threads/", threads), *site]
