"""Models with every kind of field that an entity may read."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Account(models.Model):
    """The top of the hierarchy."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(unique=True)


class VisibleAlbums(models.Manager["Album"]):
    """A default manager that hides rows, as many projects have one."""

    def get_queryset(self) -> models.QuerySet[Album]:
        return super().get_queryset().exclude(title="hidden")


class Album(models.Model):
    """A tree of albums."""

    title = models.CharField(max_length=100)
    account = models.ForeignKey(Account, models.CASCADE, null=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    is_public = models.BooleanField(default=False)
    archived = models.BooleanField(default=False)

    objects = VisibleAlbums()


class Tag(models.Model):
    """A word on photos."""

    name = models.CharField(max_length=100, null=True)


class Photo(models.Model):
    """The resource of most checks."""

    title = models.CharField(max_length=100, null=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="photos")
    album = models.ForeignKey(Album, models.CASCADE, null=True)
    tags = models.ManyToManyField(Tag)
    viewers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="seen")
    is_public = models.BooleanField(default=False)
    size = models.DecimalField(max_digits=30, decimal_places=10, null=True)
    likes = models.BigIntegerField(default=0)
    taken = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    exposure = models.DurationField(null=True)
    address = models.GenericIPAddressField(null=True)
    meta = models.JSONField(null=True)
    file = models.FileField(null=True)


class Comment(models.Model):
    """A reverse relation of photos."""

    photo = models.ForeignKey(Photo, models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)


class Note(models.Model):
    """Registered nowhere."""

    text = models.TextField()
