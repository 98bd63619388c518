"""Parts of a site that fail, each at another layer, with the package's own code before them on the way."""

from __future__ import annotations

from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.db import connection
from django.http import HttpResponse
from django.template import engines
from django.urls import include, path
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.response import Response

from django_avp.decorators import action_required
from django_avp.engines.cedar import CedarEngine
from django_avp.rest_framework.authentication import CognitoAuthentication
from django_avp.tokens.sources import Cookie
from tests.testapp.models import Note, Photo


class Failure(RuntimeError):
    """What fails."""


def fail(*args, **kwargs):
    raise Failure("on purpose")


class Source(Cookie):
    def read(self, request):
        assert super().read(request)
        fail()


def is_revoked(claims):
    fail()


def resolve(identity):
    fail()


def context_of(request):
    assert request.avp.identity
    fail()


class Engine(CedarEngine):
    def decide(self, batch):
        super().decide(batch)
        fail()


class SessionStore(DatabaseSessions):
    """The database goes away when tokens are to be kept."""

    def save(self, must_create=False):
        if "id_token" in self or "django_avp_signin_record" in self:
            with connection.execute_wrapper(fail):
                super().save(must_create)
        super().save(must_create)


def receive(**kwargs):
    fail()


class receiving:
    """Have Django's signal of a sign-in received."""

    def __enter__(self):
        user_logged_in.connect(receive)

    def __exit__(self, *args):
        user_logged_in.disconnect(receive)


def view(request):
    user, identity = request.user, request.avp.identity
    assert user.is_authenticated
    assert identity
    fail()


def asking(request):
    return HttpResponse(str(bool(request.avp.can("ListPhotos"))))


def building(request):
    photo = Photo(pk=1)
    # The attribute that is read by a method of the registered class fails.
    photo.title = True
    return HttpResponse(str(request.avp.can("ViewPhoto", photo)))


def template(request):
    text = "{% load avp %}{% can 'ViewPhoto' note %}{% endcan %}"
    return HttpResponse(engines["django"].from_string(text).render({"note": Note(pk=1)}, request))


def listing(request):
    return HttpResponse(request.avp.permitted("ViewPhoto", Photo.objects.raw("SELECT 1")))


@action_required("ListPhotos", resource=fail)
def gated(request):
    return HttpResponse("never")


@api_view(["GET"])
@authentication_classes([CognitoAuthentication])
@permission_classes([])
def api(request):
    assert request.auth
    fail()


@api_view(["GET"])
@authentication_classes([CognitoAuthentication])
@permission_classes([])
def browsable(request):
    return Response({"asked": request.path})


urlpatterns = [
    path("view/", view),
    path("asking/", asking),
    path("building/", building),
    path("template/", template),
    path("listing/", listing),
    path("gated-by-failure/", gated),
    path("api/", api),
    path("browsable/", browsable),
    path("", include("tests.signin.urls")),
]
