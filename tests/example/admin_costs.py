"""Run in the example: what a list of 500 photos costs in its admin and in one without policies, as JSON."""

from __future__ import annotations

import json
import sys

import django

django.setup()

# Models exist only now.
from django.conf import settings  # noqa: E402
from django.contrib import admin  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import path  # noqa: E402

from django_avp.conf import conf  # noqa: E402
from example_project.photos.admin import PhotoAdmin, site  # noqa: E402
from example_project.photos.models import Album, Photo  # noqa: E402
from example_project.signin import issuer  # noqa: E402
from example_project.signin.personas import OLIVIA  # noqa: E402

((POOL, (CLIENT, *_)),) = conf.user_pools.items()


class PlainPhotoAdmin(admin.ModelAdmin):
    """The same list for a superuser, of whom Django asks nothing."""

    list_display = PhotoAdmin.list_display
    list_filter = PhotoAdmin.list_filter
    list_select_related = PhotoAdmin.list_select_related
    search_fields = PhotoAdmin.search_fields
    date_hierarchy = PhotoAdmin.date_hierarchy
    taken_by = PhotoAdmin.taken_by


plain = admin.AdminSite(name="plain")
plain.register(Photo, PlainPhotoAdmin)
plain.register(Album)
urlpatterns = [path("admin/", site.urls), path("plain/", plain.urls)]


def cost(client, address):
    """Queries, rounds and rows of a page, the second time it is asked for."""
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address)
    assert response.status_code == 200, response.status_code
    rounds = len(response.wsgi_request.avp.rounds)
    rows = response.content.count(b'class="action-select"')
    return {"queries": len(captured), "rounds": rounds, "rows": rows}


sys.modules["admin_costs"] = sys.modules[__name__]
MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.endswith("AuthorizationRequiredMiddleware")]
with transaction.atomic(), override_settings(ROOT_URLCONF="admin_costs", ALLOWED_HOSTS=["*"], MIDDLEWARE=MIDDLEWARE):
    get_user_model().objects.filter(username=OLIVIA.principal_id(POOL)).update(is_staff=True, is_superuser=True)
    photo = Photo.objects.filter(album__account__slug="northlight").first()
    Photo.objects.bulk_create(
        Photo(title=f"{n}", owner=photo.owner, album=photo.album, motif=photo.motif, seed=n, is_public=True)
        for n in range(500)
    )
    tokens = issuer.sign_in(OLIVIA, settings.DEV_ISSUER_DIR, pool=POOL, client=CLIENT)
    browser = Client(headers={"Authorization": f"Bearer {tokens['id_token']}"})
    print(json.dumps([cost(browser, f"/{name}/photos/photo/") for name in ("admin", "plain")]))
    transaction.set_rollback(True)
