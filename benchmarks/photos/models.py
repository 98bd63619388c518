"""Photos with five attributes, in albums; and Django's users as other packages want them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User, UserManager
from django.db import models


class Album(models.Model):
    """Where photos are."""

    slug = models.SlugField(unique=True)


class Photo(models.Model):
    """The resource of all checks."""

    title = models.CharField(max_length=100)
    owner = models.ForeignKey(User, models.CASCADE, related_name="photos")
    is_public = models.BooleanField(default=False)
    likes = models.IntegerField(default=0)
    created = models.DateTimeField()
    album = models.ForeignKey(Album, models.CASCADE, related_name="photos")


class CognitoUsers(UserManager["CognitoUser"]):
    """What django-cognito-jwt asks of a project: a user by the claims of a token."""

    def get_or_create_for_cognito(self, payload: dict[str, Any]) -> User:
        """The user, who is there."""
        return self.get(username=f"{payload['iss'].rpartition('/')[2]}|{payload['sub']}")


class CognitoUser(User):
    """Django's user under django-cognito-jwt's manager."""

    objects = CognitoUsers()

    class Meta:
        proxy = True
