"""The addresses of the API, of its OpenAPI schema, and of a page to try it out."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from django_avp.decorators import authorization_not_required
from example_project.photos.api import router

urlpatterns = [
    path("", include(router.urls)),
    path("schema/", authorization_not_required(SpectacularAPIView.as_view()), name="schema"),
    path("docs/", authorization_not_required(SpectacularSwaggerSplitView.as_view()), name="docs"),
]
