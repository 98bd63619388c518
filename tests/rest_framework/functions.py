"""Function views of REST framework, with a gate above or below its decorator."""

from __future__ import annotations

from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.response import Response

from django_avp.decorators import action_required
from tests.testapp.models import Photo


@action_required("EditPhoto", resource=(Photo, "photo_pk"))
@api_view(["GET"])
def above(request, photo_pk):
    """Django's request passes the gate."""
    return Response({"photo": photo_pk})


@api_view(["GET"])
@action_required("EditPhoto", resource=(Photo, "photo_pk"))
def below(request, photo_pk):
    """REST framework's request does."""
    return Response({"photo": photo_pk})


urlpatterns = [path("above/<int:photo_pk>/", above), path("below/<int:photo_pk>/", below)]
