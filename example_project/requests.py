"""The request as this site's middleware leaves it, for type checkers."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpRequest as DjangoRequest

from django_avp.authorization import Authorization


class HttpRequest(DjangoRequest):
    """A request with its authorization."""

    avp: Authorization
    user: User
