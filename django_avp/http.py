"""A request for type checkers: annotate a view's argument with it to have ``request.avp`` typed."""

from __future__ import annotations

from django import http

from django_avp.authorization import Authorization

__all__ = ["HttpRequest"]


class HttpRequest(http.HttpRequest):
    """A request that has passed the middleware; it is not made at run time."""

    avp: Authorization
