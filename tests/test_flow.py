"""The chain end to end: a signed token, one round, and everything that reads from it."""

from __future__ import annotations

import pytest

from tests.testapp.models import Account, Album, Photo, Tag

pytestmark = pytest.mark.django_db


@pytest.fixture
def photos(user):
    """Thirty photos, of ann and bob in turn, in albums of one account."""
    account = Account.objects.create(name="Main", slug="main")
    albums = [Album.objects.create(title=f"album {number}", account=account, owner=user("ann")) for number in range(3)]
    rows = [
        Photo.objects.create(
            title=f"photo {number}",
            owner=user("ann" if number % 2 else "bob"),
            album=albums[number % 3],
            is_public=number % 5 == 0,
        )
        for number in range(30)
    ]
    for row in rows:
        row.tags.add(Tag.objects.get_or_create(name=f"tag {row.pk % 4}")[0])
    return rows


def test_a_gallery_is_decided_in_one_round(photos, make_client):
    response = make_client("ann").get("/photos/")
    assert response.status_code == 200, response.content
    print(response.content.decode(), response.headers, response.wsgi_request.avp.rounds)
    assert len(response.wsgi_request.avp.rounds) == 1
