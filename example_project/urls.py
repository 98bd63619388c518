"""The addresses of the example."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from django_avp.decorators import authorization_not_required
from example_project import errors
from example_project.health import health
from example_project.photos import admin

handler403 = "example_project.errors.forbidden"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("example_project.photos.urls")),
    path("", include("django_avp.signin.urls")),
    path("api/", include("example_project.photos.api_urls")),
    path("admin/", admin.site.urls),
    path("health/", health),
    # Browsers ask for it on pages that name no icon, such as the admin's and REST framework's.
    path(
        "favicon.ico", authorization_not_required(RedirectView.as_view(url=f"{settings.STATIC_URL}photos/favicon.svg"))
    ),
]

if settings.DEV_ISSUER:
    urlpatterns += [path("", include("example_project.signin.issuer_urls"))]

if settings.DEBUG_TOOLBAR:
    urlpatterns += [path("__debug__/", include("debug_toolbar.urls"))]

if settings.DEBUG:
    urlpatterns += [path("errors/<int:status>/", errors.preview)]
