"""Tests of ``django_avp.vocabulary``: Django's permission names and Cedar's actions."""

from __future__ import annotations

import pytest

from django_avp.cedar import EntityUid
from django_avp.vocabulary import action_of_permission, action_uid, mapped_permissions

EDIT = EntityUid("PhotoFlash::Action", "EditPhoto")


@pytest.mark.parametrize(
    ("action", "uid"),
    [
        ("EditPhoto", EDIT),
        ('Action::"EditPhoto"', EDIT),
        ('PhotoFlash::Action::"EditPhoto"', EDIT),
        ('Shop::Action::"Buy it"', EntityUid("Shop::Action", "Buy it")),
        (EntityUid("Action", "EditPhoto"), EDIT),
        (EntityUid("Shop::Action", "Buy"), EntityUid("Shop::Action", "Buy")),
        ("photos.publish_photo", EntityUid("PhotoFlash::Action", "photos.publish_photo")),
        ('say "hi"', EntityUid("PhotoFlash::Action", 'say "hi"')),
    ],
)
def test_actions_go_into_the_namespace(action, uid):
    """An action is a name, Cedar's text form, or an id already."""
    assert action_uid(action) == uid


def test_namespace_is_read_live(settings):
    """Without a namespace, actions have none."""
    settings.AVP_NAMESPACE = ""

    assert action_uid("EditPhoto") == EntityUid("Action", "EditPhoto")


@pytest.mark.parametrize("action", [None, 7, object()])
def test_other_things_are_no_actions(action):
    """The resource in the action's place is told as such."""
    with pytest.raises(TypeError, match=r'An action is its name, as in can\("EditPhoto", photo\), not a'):
        action_uid(action)


def test_broken_ids_are_told():
    """What is meant to be an id and is none is told with the form."""
    with pytest.raises(ValueError, match="is not an entity id"):
        action_uid('Action::"Edit')


def test_permissions_are_mapped(settings):
    """A permission has one action, or one for objects and one for models, or none."""
    settings.AVP_PERMISSION_ACTIONS = {
        "photos.change_photo": "EditPhoto",
        "photos.view_photo": {"object": "ViewPhoto", "model": 'Shop::Action::"ListPhotos"'},
        "albums.add_album": {"model": "CreateAlbum"},
    }

    def mapped(permission):
        actions = [action_of_permission(permission, has_object=has_object) for has_object in (True, False)]
        return [action and str(action) for action in actions]

    assert mapped("photos.change_photo") == ['PhotoFlash::Action::"EditPhoto"'] * 2
    assert mapped("photos.view_photo") == ['PhotoFlash::Action::"ViewPhoto"', 'Shop::Action::"ListPhotos"']
    assert mapped("albums.add_album") == [None, 'PhotoFlash::Action::"CreateAlbum"']
    assert mapped("photos.delete_photo") == [None, None]
    assert list(mapped_permissions()) == ["photos.change_photo", "photos.view_photo", "albums.add_album"]
    assert list(mapped_permissions("photos")) == ["photos.change_photo", "photos.view_photo"]
    assert list(mapped_permissions("phot")) == []
