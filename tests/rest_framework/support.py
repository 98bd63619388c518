"""What tests of the API send, and what they look at in a response."""

from __future__ import annotations

from django_avp.engines.base import Batch
from django_avp.exceptions import AuthorizationUnavailable


class Unreachable:
    """An engine that does not answer."""

    def decide(self, batch: Batch):
        raise AuthorizationUnavailable

    async def adecide(self, batch: Batch):
        raise AuthorizationUnavailable


def send(client, method, address, data=None):
    """A request with a JSON body where it has one."""
    return getattr(client, method)(address, data, **({} if data is None else {"format": "json"}))


def rounds(response):
    """The checks of each round of a request."""
    return [round_.checks for round_ in response.wsgi_request.avp.rounds]


def told(response):
    """What a field tells about the rows of a page, by key."""
    return {row["id"]: row["may"] for row in response.json()["results"]}
